/* bench_process.c - see bench_process.h. */
#include "daemon/bench/bench_process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

enum { POLL_MS = 10, ENVIRONMENT_MAX = 1024, LOG_TAIL_BYTES = 600, EXPLAIN_BYTES = 2400 };

int process_group_init(struct process_group *g, struct errbuf *e)
{
	const char *base = getenv("TMPDIR");

	*g = (struct process_group){ 0 };
	snprintf(g->folder, sizeof g->folder, "%s/dreamvla-bench.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(g->folder))
		return fail(e, -errno, "%s: cannot make a folder for logs: %s", g->folder, strerror(errno));
	return 0;
}

/* ---- starting ------------------------------------------------------------------------------------------------ */

/* Ours first: getenv and the loader take the first of two equal names. */
static void merge_environment(const char *const *ours, char *out[ENVIRONMENT_MAX])
{
	uint32_t n = 0;

	for (uint32_t i = 0; ours && ours[i] && n < ENVIRONMENT_MAX - 1; i++)
		out[n++] = (char *)(uintptr_t)ours[i];
	for (uint32_t i = 0; environ[i] && n < ENVIRONMENT_MAX - 1; i++)
		out[n++] = environ[i];
	out[n] = NULL;
}

static void list_arguments(const char *path, const char *const *arguments, char *out[PROCESS_ARGUMENTS_MAX + 2])
{
	uint32_t n = 0;

	out[n++] = (char *)(uintptr_t)path;
	for (uint32_t i = 0; arguments && arguments[i] && n <= PROCESS_ARGUMENTS_MAX; i++)
		out[n++] = (char *)(uintptr_t)arguments[i];
	out[n] = NULL;
}

/* posix_spawn with the output in `log`, no input, an own process group, and no signal blocked or ignored. */
static int spawn(pid_t *pid, const char *path, const char *log, char **argv, char **environment)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	int rc = posix_spawnp(pid, path, &files, &attributes, argv, environment);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

int process_start(struct process_group *g, const struct process_options *o, struct errbuf *e)
{
	char path[PROCESS_PATH_BYTES], log[PROCESS_PATH_BYTES];
	char *argv[PROCESS_ARGUMENTS_MAX + 2], *environment[ENVIRONMENT_MAX];
	struct process *p = &g->process[g->n];

	if (g->n == PROCESSES_MAX)
		return fail(e, -ENOSPC, "%s: at most %d programs at a time", o->name, PROCESSES_MAX);
	snprintf(path, sizeof path, "%s%s%s", o->programs ? o->programs : "", o->programs ? "/" : "", o->name);
	*p = (struct process){ .name = o->name };
	if ((size_t)snprintf(log, sizeof log, "%s/%u-%s.log", g->folder, g->n, o->name) >= sizeof log)
		return fail(e, -ENAMETOOLONG, "%s: the path is too long", g->folder);
	memcpy(p->log, log, sizeof log);
	list_arguments(path, o->arguments, argv);
	merge_environment(o->environment, environment);
	int rc = spawn(&p->pid, path, p->log, argv, environment);

	if (rc < 0)
		return fail(e, rc, "%s: cannot be started: %s; is it built (make), or installed?", path, strerror(-rc));
	g->n++;
	return 0;
}

/* ---- watching ------------------------------------------------------------------------------------------------ */

struct process *process_find(struct process_group *g, const char *name)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (strcmp(g->process[i].name, name) == 0)
			return &g->process[i];
	return NULL;
}

/* True once the process has ended. */
static bool has_ended(struct process *p)
{
	if (p->pid != 0 && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
		p->pid = 0;
	return p->pid == 0;
}

/* At most `capacity - 1` bytes from the end of a file, from a line's beginning if possible. */
static void read_tail(const char *path, char *out, size_t capacity)
{
	FILE *f = fopen(path, "r");

	*out = 0;
	if (!f)
		return;
	bool cut = fseek(f, -(long)(capacity - 1), SEEK_END) == 0;

	if (!cut)
		rewind(f);
	size_t n = fread(out, 1, capacity - 1, f);

	out[n] = 0;
	fclose(f);
	char *line = cut ? strchr(out, '\n') : NULL;

	if (line)
		memmove(out, line + 1, strlen(line + 1) + 1);
}

static void describe_end(const struct process *p, char *out, size_t capacity)
{
	if (WIFSIGNALED(p->status))
		snprintf(out, capacity, "%s was ended by signal %d (%s)", p->name, WTERMSIG(p->status),
				strsignal(WTERMSIG(p->status)));
	else
		snprintf(out, capacity, "%s ended with exit status %d", p->name, WEXITSTATUS(p->status));
}

int process_group_check(struct process_group *g, struct errbuf *e)
{
	for (uint32_t i = 0; i < g->n; i++) {
		struct process *p = &g->process[i];
		char how[128], tail[LOG_TAIL_BYTES];

		if (!has_ended(p))
			continue;
		describe_end(p, how, sizeof how);
		read_tail(p->log, tail, sizeof tail);
		return fail(e, -ECHILD, "%s; its last lines:\n%s", how, *tail ? tail : "(it said nothing)\n");
	}
	return 0;
}

static bool wait_for_end(struct process *p, int64_t wait_ms)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;

	while (!has_ended(p)) {
		if (clock_monotonic_ns() >= until_ns)
			return false;
		clock_sleep_until(clock_monotonic_ns() + POLL_MS * NS_PER_MS);
	}
	return true;
}

int process_wait(struct process *p, int64_t wait_ms)
{
	if (!wait_for_end(p, wait_ms))
		return -ETIMEDOUT;
	return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -EPROTO;
}

/* ---- ending -------------------------------------------------------------------------------------------------- */

static bool ended_well(const struct process *p)
{
	return WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0;
}

int process_group_stop(struct process_group *g, int64_t wait_ms, struct errbuf *e)
{
	int bad = 0;
	size_t used = 0;

	e->text[0] = 0;
	for (uint32_t i = g->n; i-- > 0;) {
		struct process *p = &g->process[i];
		char how[128];

		if (has_ended(p))
			continue; /* by itself: process_group_check's business */
		kill(p->pid, SIGTERM);
		if (!wait_for_end(p, wait_ms)) {
			kill(-p->pid, SIGKILL);
			wait_for_end(p, wait_ms);
		}
		if (ended_well(p))
			continue;
		bad++;
		describe_end(p, how, sizeof how);
		if (used < sizeof e->text)
			used += (size_t)snprintf(e->text + used, sizeof e->text - used, "%sasked to end, %s",
					used ? "; " : "", how);
	}
	return bad;
}

void process_group_explain(const struct process_group *g)
{
	char tail[EXPLAIN_BYTES];

	fprintf(stderr, "logs are in %s\n", g->folder);
	for (uint32_t i = 0; i < g->n; i++) {
		read_tail(g->process[i].log, tail, sizeof tail);
		fprintf(stderr, "---- last lines of %s\n%s", g->process[i].log, tail);
	}
}

void process_group_remove_files(const struct process_group *g)
{
	char path[PROCESS_PATH_BYTES + 256];
	DIR *d = opendir(g->folder);

	if (!d)
		return;
	for (struct dirent *entry; (entry = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", g->folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	closedir(d);
	rmdir(g->folder);
}

/* ---- the scheduler's view ------------------------------------------------------------------------------------- */

static bool thread_has_name(pid_t pid, pid_t thread, const char *wanted)
{
	char path[64], name[32] = "";

	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)thread);
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	bool got = fgets(name, sizeof name, f) != NULL;

	fclose(f);
	name[strcspn(name, "\n")] = 0;
	return got && strcmp(name, wanted) == 0;
}

static int only_cpu(pid_t thread)
{
	cpu_set_t set;

	if (sched_getaffinity(thread, sizeof set, &set) != 0 || CPU_COUNT(&set) != 1)
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &set))
			return i;
	return -1;
}

static struct thread_scheduling scheduling_of(pid_t thread)
{
	struct sched_param parameter = { 0 };
	int policy = sched_getscheduler(thread);

	if (policy < 0 || sched_getparam(thread, &parameter) != 0)
		return (struct thread_scheduling){ 0 };
	return (struct thread_scheduling){ .policy = policy, .priority = parameter.sched_priority,
		.cpu = only_cpu(thread), .found = true };
}

/* 0: there is none of that name. */
static pid_t find_thread(pid_t pid, const char *thread)
{
	char path[64];
	pid_t found = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);

	if (!d)
		return 0;
	for (struct dirent *entry; !found && (entry = readdir(d));) {
		pid_t id = (pid_t)atoi(entry->d_name);

		if (id > 0 && thread_has_name(pid, id, thread))
			found = id;
	}
	closedir(d);
	return found;
}

struct thread_scheduling process_thread_scheduling(pid_t pid, const char *thread)
{
	pid_t id = find_thread(pid, thread);

	return id > 0 ? scheduling_of(id) : (struct thread_scheduling){ 0 };
}

int64_t process_thread_cpu_ns(pid_t pid, const char *thread)
{
	char path[64];
	int64_t ns = -1;
	pid_t id = find_thread(pid, thread);

	snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, (int)id);
	FILE *f = id > 0 ? fopen(path, "r") : NULL;

	if (!f)
		return -1;
	if (fscanf(f, "%" SCNd64, &ns) != 1)
		ns = -1;
	fclose(f);
	return ns;
}
