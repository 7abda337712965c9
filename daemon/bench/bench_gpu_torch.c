/* bench_gpu_torch.c - PyTorch's rows: runs torch_reference.py on the same shape, and takes what it prints. */
#include "daemon/bench/bench_gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT "daemon/bench/torch_reference.py"

extern char **environ;

/* Starts it; *out reads what it prints. */
static int start(const struct gpu_options *o, const struct bench_checkpoint *c, pid_t *child, FILE **out, struct errbuf *e)
{
	char seconds[32], side[16], tokens[16], text[16];
	char *const arguments[] = { (char *)(uintptr_t)o->torch, SCRIPT, "--config", (char *)(uintptr_t)c->folder, "--seconds", seconds,
		"--picture-side", side, "--tokens", tokens, "--text", text, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	snprintf(seconds, sizeof seconds, "%g", o->seconds);
	snprintf(side, sizeof side, "%u", o->shape->picture_side);
	snprintf(tokens, sizeof tokens, "%u", o->shape->chunk * o->shape->dim);
	snprintf(text, sizeof text, "%u", o->shape->text);
	if (access(SCRIPT, R_OK) < 0)
		return fail(e, -errno, SCRIPT ": %s; start dreamvla-bench in the source tree", strerror(errno));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(e, -errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int rc = posix_spawnp(child, o->torch, &actions, NULL, arguments, environ);

	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*out = rc == 0 ? fdopen(ends[0], "re") : NULL;
	if (!*out)
		close(ends[0]);
	return rc ? fail(e, -rc, "--torch %s: %s", o->torch, strerror(rc)) : 0;
}

/* parameters: of the shape; another network's times would say nothing. */
static int take_row(const char *line, uint64_t parameters, struct gpu_result *r, struct errbuf *e)
{
	struct gpu_row row = { .torch = true };
	json_error_t problem;
	json_t *j = json_loads(line, 0, &problem);
	const char *name;
	json_int_t memory, found = 0;
	int pictures, rounds, rc = j ? json_unpack_ex(j, &problem, 0, "{s:s, s:i, s:i, s:F, s:F, s:I, s:I}", "name", &name, "pictures", &pictures,
			"rounds", &rounds, "median_s", &row.median_s, "p99_s", &row.p99_s, "memory_bytes", &memory, "parameters", &found) : -1;

	if (rc == 0 && (uint64_t)found == parameters && r->n < GPU_ROWS_MAX) {
		row.pictures = (uint32_t)pictures;
		row.rounds = (uint32_t)rounds;
		row.memory_bytes = (uint64_t)memory;
		snprintf(row.name, sizeof row.name, "PyTorch, %s", name);
		r->row[r->n++] = row;
	}
	json_decref(j);
	if (rc < 0)
		return fail(e, -EBADMSG, SCRIPT ": printed '%.80s': %.100s", line, problem.text);
	return (uint64_t)found == parameters ? 0 : fail(e, -EBADMSG, SCRIPT ": its network has %lld parameters, ours %llu", (long long)found,
			(unsigned long long)parameters);
}

int gpu_measure_torch(const struct gpu_options *o, const struct bench_checkpoint *c, struct gpu_result *out, struct errbuf *e)
{
	char line[1024];
	FILE *f = NULL;
	pid_t child = 0;
	int status = 0, rc;

	fprintf(stderr, "PyTorch\n");
	if ((rc = start(o, c, &child, &f, e)) < 0)
		return rc;
	while (f && rc == 0 && fgets(line, sizeof line, f))
		rc = take_row(line, bench_shape_values(o->shape), out, e);
	if (f)
		fclose(f);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (rc == 0 && status != 0)
		return fail(e, -ECHILD, SCRIPT ": failed; it has said why above");
	return rc;
}
