/* bench_demo.c - see bench_demo.h. */
#include "daemon/bench/bench_demo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_run.h"
#include "daemon/bench/bench_session.h"
#include "daemon/sys/clock.h"

enum { READY_MS = 120000, WAKE_MS = 120000, AUTO_MS = 60000 };

/* From the first program to the last number. */
static int run_demo(struct session *s, const struct bench_options *o, struct demo_numbers *n, struct errbuf *e)
{
	struct run r;
	int rc = session_wait_ready(s, READY_MS, e);

	if (rc == 0 && bench_robot_is_piper(o->robot))
		rc = session_wake_arms(s, WAKE_MS, e);
	if (rc < 0 || (rc = session_enter_auto(s, o->instruction, AUTO_MS, e)) < 0 || (rc = run_begin(&r, s, e)) < 0)
		return rc;
	rc = run_until(&r, r.from_ns + (int64_t)(o->seconds * 1e9), e);
	run_numbers(&r, n);
	return rc;
}

static void print_result(const struct bench_options *o, const struct demo_numbers *n, const struct demo_verdicts *v)
{
	json_t *j = o->json ? demo_json(n, v) : NULL;

	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	else
		demo_print(stdout, n, v);
	json_decref(j);
	fflush(stdout);
}

int bench_demo(const struct bench_options *o)
{
	struct session_options so = { .programs = o->programs, .config = o->config, .robot = o->robot };
	struct demo_verdicts v = { 0 };
	struct demo_numbers n = { 0 };
	struct session *s = NULL;
	struct errbuf e = { 0 }, stop = { 0 };

	session_hold_signals();
	int rc = session_start(&s, &so, &e);

	if (rc == 0)
		rc = run_demo(s, o, &n, &e);
	if (n.seconds > 0)
		demo_judge(&n, &v);
	int bad = session_stop(s, (rc < 0 && rc != -EINTR) || v.failed > 0, &stop);

	if (n.seconds > 0)
		print_result(o, &n, &v);
	if (rc < 0)
		fprintf(stderr, "dreamvla-bench: %s\n", e.text);
	if (bad > 0)
		fprintf(stderr, "dreamvla-bench: %s\n", stop.text);
	return rc == 0 && v.failed == 0 && bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
