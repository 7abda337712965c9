/* bench_cyclictest.c - see bench_cyclictest.h. */
#include "daemon/bench/bench_cyclictest.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"

/* Latencies above this are counted as overflows and show in the maximum only. */
enum { HISTOGRAM_US = 50000 };

static void result_path(const struct process_group *g, char *out, size_t capacity)
{
	snprintf(out, capacity, "%s/cyclictest.json", g->folder);
}

int cyclictest_start(struct process_group *g, const struct thread_scheduling *like, int64_t period_ns, struct errbuf *e)
{
	char priority[32], affinity[32], interval[48], histogram[32], json[PROCESS_PATH_BYTES + 32], path[PROCESS_PATH_BYTES + 24];
	struct errbuf why = { 0 };

	result_path(g, path, sizeof path);
	snprintf(priority, sizeof priority, "--priority=%d", like->policy == SCHED_FIFO ? like->priority : 0);
	snprintf(affinity, sizeof affinity, "--affinity=%d", like->cpu);
	snprintf(interval, sizeof interval, "--interval=%" PRId64, period_ns / NS_PER_US);
	snprintf(histogram, sizeof histogram, "--histogram=%d", HISTOGRAM_US);
	snprintf(json, sizeof json, "--json=%s", path);
	/* --default-system: the power management stays what the daemon runs under. */
	const char *const arguments[] = { "--quiet", "--histfile=/dev/null", "--mlockall", "--threads=1", "--default-system", priority, interval, histogram, json,
		like->cpu >= 0 ? affinity : NULL, NULL };
	struct process_options o = { .name = "cyclictest", .arguments = arguments };
	int rc = process_start(g, &o, &why);

	if (rc < 0)
		return fail(e, rc, "%s (Debian package rt-tests; make deps installs it)", why.text);
	return 0;
}

int cyclictest_finish(struct process_group *g, int64_t wait_ms, struct percentiles *out, struct errbuf *e)
{
	char path[PROCESS_PATH_BYTES + 24];
	struct process *p = process_find(g, "cyclictest");
	int status = -ENOENT;

	if (p && p->pid > 0) {
		kill(p->pid, SIGTERM); /* it then writes what it has */
		status = process_wait(p, wait_ms);
	}
	if (status != 0)
		return fail(e, -EPROTO, "cyclictest ended with %d; see %s", status, p ? p->log : "nothing, it was not started");
	result_path(g, path, sizeof path);
	return cyclictest_read(path, out, e);
}

/* ---- its result ----------------------------------------------------------------------------------------------- */

static uint64_t count_all(const json_t *histogram)
{
	uint64_t n = 0;
	const char *us;
	json_t *count;

	json_object_foreach((json_t *)(uintptr_t)histogram, us, count)
		n += (uint64_t)json_integer_value(count);
	return n;
}

/* Smallest latency up to which the share `quantile` of all cycles lies: its bucket's upper edge, at most the maximum. */
static int64_t quantile_ns(const json_t *histogram, uint64_t n, double quantile, int64_t max_ns)
{
	double wanted = quantile * (double)n, seen = 0;
	char key[16];

	for (int us = 0; us < HISTOGRAM_US; us++) {
		snprintf(key, sizeof key, "%d", us);
		seen += (double)json_integer_value(json_object_get(histogram, key));
		if (seen >= wanted && seen > 0)
			return (us + 1) * NS_PER_US < max_ns ? (us + 1) * NS_PER_US : max_ns;
	}
	return max_ns;
}

int cyclictest_read(const char *path, struct percentiles *out, struct errbuf *e)
{
	json_error_t why;
	json_t *root = json_load_file(path, 0, &why);

	if (!root)
		return fail(e, -EBADMSG, "%s:%d: %s", path, why.line, why.text);
	const json_t *thread = json_object_get(json_object_get(root, "thread"), "0");
	const json_t *histogram = json_object_get(thread, "histogram"), *max = json_object_get(thread, "max"),
		*cycles = json_object_get(thread, "cycles");
	int rc = 0;

	if (!json_is_object(histogram) || !json_is_integer(max) || !json_is_integer(cycles) || json_integer_value(max) < 0
			|| count_all(histogram) > (uint64_t)json_integer_value(cycles)) {
		rc = fail(e, -EBADMSG, "%s: want thread.0 with a histogram, its cycles and max", path);
	} else {
		uint64_t n = (uint64_t)json_integer_value(cycles);
		int64_t max_ns = json_integer_value(max) * NS_PER_US;

		*out = (struct percentiles){ .n = n, .max_ns = max_ns, .p50_ns = quantile_ns(histogram, n, 0.5, max_ns),
			.p99_ns = quantile_ns(histogram, n, 0.99, max_ns), .p999_ns = quantile_ns(histogram, n, 0.999, max_ns) };
	}
	json_decref(root);
	return rc;
}
