/* check_process.c - what dreamvlad is allowed, or would be if this account started it, and how it was built. Sources: sched(7),
 * getrlimit(2), capabilities(7), proc(5) (/proc/PID/limits, status, task/TID/stat, maps). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/doctor/doctor.h"

/* CAP_IPC_LOCK and CAP_SYS_NICE of linux/capability.h; SCHED_FIFO of linux/sched.h; fields of /proc/PID/stat behind the name. */
enum { CAP_LOCK = 14, CAP_NICE = 23, FIFO = 1, FIELD_RT_PRIORITY = 40 - 3, FIELD_POLICY = 41 - 3 };
/* Stacks and hand-overs of the threads that are locked: dreamvla-arm --preflight asks for as much. */
enum { LOCKED_BYTES = 4 << 20 };

static void process_folder(const struct doctor *d, char out[32])
{
	if (d->daemon_pid > 0)
		snprintf(out, 32, "/proc/%d", d->daemon_pid);
	else
		snprintf(out, 32, "/proc/self");
}

static const char *who(const struct doctor *d)
{
	return d->daemon_pid > 0 ? "dreamvlad" : "this account, if it starts dreamvlad,";
}

/* The soft limit of that name: INT64_MAX where it is unlimited. 0 or -errno. */
static int read_limit(const struct doctor *d, const char *name, int64_t *out)
{
	char folder[32], text[4096], *end;
	const char *line;
	int rc;

	process_folder(d, folder);
	rc = root_read(&d->root, text, sizeof text, "%s/limits", folder);
	if (rc < 0)
		return rc;
	line = line_of(text, name);
	if (!line)
		return -EBADMSG;
	line += strlen(name);
	line += strspn(line, " ");
	*out = INT64_MAX;
	if (strncmp(line, "unlimited", 9) == 0)
		return 0;
	*out = strtoll(line, &end, 10);
	return end == line || *end != ' ' || *out < 0 ? -EBADMSG : 0;
}

static bool has_capability(const struct doctor *d, int capability)
{
	char folder[32], text[4096];
	const char *line;

	process_folder(d, folder);
	if (root_read(&d->root, text, sizeof text, "%s/status", folder) <= 0)
		return false;
	line = line_of(text, "CapEff:");
	return line && (strtoull(line + strlen("CapEff:"), NULL, 16) >> capability & 1);
}

/* Field n of a thread's stat, counted from the state that follows the name in parentheses, which may hold anything. */
static bool stat_field(const char *stat, int n, int64_t *out)
{
	const char *at = strrchr(stat, ')');
	char *end;

	for (at = at ? at + 1 : NULL; at && *at == ' ' && n > 0; n--)
		at = strchr(at + 1, ' ');
	if (!at || *at != ' ')
		return false;
	*out = strtoll(at + 1, &end, 10);
	return end != at + 1;
}

/* The folder of dreamvlad's thread of that name. */
static bool find_task(const struct doctor *d, const char *name, char out[64])
{
	char list[4096], folder[32], comm[32];

	snprintf(folder, sizeof folder, "/proc/%d/task", d->daemon_pid);
	if (root_list(&d->root, folder, "", list, sizeof list) <= 0)
		return false;
	for (char *rest = list, *task; (task = strsep(&rest, " "));)
		if (root_read(&d->root, comm, sizeof comm, "%s/%.15s/comm", folder, task) > 0 && strcmp(comm, name) == 0) {
			snprintf(out, 64, "%s/%.15s", folder, task);
			return true;
		}
	return false;
}

/* How it is scheduled. */
static bool find_policy(const struct doctor *d, const char *name, int64_t *policy, int64_t *priority)
{
	char folder[64], stat[1024];

	return find_task(d, name, folder) && root_read(&d->root, stat, sizeof stat, "%s/stat", folder) > 0 &&
			stat_field(stat, FIELD_POLICY, policy) && stat_field(stat, FIELD_RT_PRIORITY, priority);
}

int doctor_find_cpu(const struct doctor *d)
{
	char folder[64], text[4096], *end;
	const char *line = NULL;
	long cpu;

	if (d->daemon_pid > 0 && find_task(d, "control", folder) && root_read(&d->root, text, sizeof text, "%s/status", folder) > 0)
		line = line_of(text, "Cpus_allowed_list:");
	if (!line)
		return -1;
	cpu = strtol(line + strlen("Cpus_allowed_list:"), &end, 10);
	return (*end == '\n' || *end == '\0') && cpu >= 0 && cpu < DOCTOR_CPUS_MAX ? (int)cpu : -1;
}

static const char realtime_remedy[] = "as a service: LimitRTPRIO=98 (the units here have it); by hand: `@realtime - rtprio 98` in "
		"/etc/security/limits.d/dreamvla.conf, groupadd realtime, usermod -aG realtime YOU, log in again";

/* What this account could do. */
static void check_permission(const struct doctor *d, struct doctor_finding *f)
{
	int wanted = d->config ? d->config->control_priority : 80, rc;
	int64_t limit = 0;

	rc = read_limit(d, "Max realtime priority", &limit);
	if (has_capability(d, CAP_NICE))
		doctor_find(f, DOCTOR_GOOD, NULL, "%s has CAP_SYS_NICE", who(d));
	else if (rc < 0)
		doctor_cannot_read(f, "/proc/PID/limits", rc);
	else
		doctor_find(f, limit >= wanted ? DOCTOR_GOOD : DOCTOR_BAD, limit >= wanted ? NULL : realtime_remedy,
				"%s may have real-time priority up to %" PRId64 " (RLIMIT_RTPRIO), control.priority is %d", who(d), limit, wanted);
}

void doctor_check_realtime(const struct doctor *d, struct doctor_finding *f)
{
	int64_t policy, priority;

	if (d->daemon_pid > 0 && find_policy(d, "control", &policy, &priority))
		doctor_find(f, policy == FIFO ? DOCTOR_GOOD : DOCTOR_BAD, policy == FIFO ? NULL : realtime_remedy,
				policy == FIFO ? "dreamvlad's control thread has SCHED_FIFO priority %" PRId64 :
				"dreamvlad's control thread is an ordinary one (policy %" PRId64 ")", policy == FIFO ? priority : policy);
	else
		check_permission(d, f);
}

void doctor_check_memlock(const struct doctor *d, struct doctor_finding *f)
{
	int64_t limit = 0;
	int rc = read_limit(d, "Max locked memory", &limit);

	if (has_capability(d, CAP_LOCK))
		doctor_find(f, DOCTOR_GOOD, NULL, "%s has CAP_IPC_LOCK", who(d));
	else if (rc < 0)
		doctor_cannot_read(f, "/proc/PID/limits", rc);
	else if (limit == INT64_MAX)
		doctor_find(f, DOCTOR_GOOD, NULL, "unlimited");
	else
		doctor_find(f, limit >= LOCKED_BYTES ? DOCTOR_GOOD : DOCTOR_WARNING, limit >= LOCKED_BYTES ? NULL :
				"as a service: LimitMEMLOCK=infinity (the units here have it); by hand: `@realtime - memlock unlimited` in "
				"/etc/security/limits.d/dreamvla.conf", "%s may lock %" PRId64 " kB (RLIMIT_MEMLOCK), %d are wanted", who(d), limit / 1024,
				LOCKED_BYTES / 1024);
}

static bool runs_sanitized(const struct doctor *d)
{
	static const char *const library[] = { "/libasan.so", "/libtsan.so", "/libubsan.so" };
	char *maps = d->daemon_pid > 0 ? malloc(DOCTOR_FILE_BYTES) : NULL;
	bool found = false;

	if (maps && root_read(&d->root, maps, DOCTOR_FILE_BYTES, "/proc/%d/maps", d->daemon_pid) > 0)
		for (size_t i = 0; i < sizeof library / sizeof library[0]; i++)
			found = found || strstr(maps, library[i]);
	free(maps);
	return found;
}

void doctor_check_build(const struct doctor *d, struct doctor_finding *f)
{
	static const char remedy[] = "make, and start build/release/dreamvlad";

	if (runs_sanitized(d))
		doctor_find(f, DOCTOR_BAD, remedy, "the dreamvlad that runs has sanitizers in it, which make everything several times slower");
	else if (d->sanitized)
		doctor_find(f, DOCTOR_BAD, remedy, "this build has sanitizers in it, which make everything several times slower");
	else if (!d->optimised)
		doctor_find(f, DOCTOR_BAD, remedy, "this build is not optimised");
	else
		doctor_find(f, DOCTOR_GOOD, NULL, "optimised, without sanitizers");
}
