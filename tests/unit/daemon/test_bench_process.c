/* test_bench_process.c - programs are started, watched and ended; only those of the group, and all of their own group.
 * In real time: child processes and their signals. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_process.h"
#include "daemon/sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void start_shell(struct process_group *g, const char *script, const char *const *environment)
{
	struct errbuf e = { 0 };
	struct process_options o = { .name = "sh", .arguments = (const char *const[]){ "-c", script, NULL },
		.environment = environment };

	assert_int_equal(process_group_init(g, &e), 0);
	assert_int_equal(process_start(g, &o, &e), 0);
}

/* The first line of the first program's log, as soon as it is whole. */
static void wait_first_line(const struct process_group *g, char line[32])
{
	char path[600];

	snprintf(path, sizeof path, "%s/0-sh.log", g->folder);
	line[0] = 0;
	for (int i = 0; i < 4000 && !strchr(line, '\n'); i++) {
		FILE *f = fopen(path, "r");

		if (f && !fgets(line, 32, f))
			line[0] = 0;
		if (f)
			fclose(f);
		clock_sleep_until(clock_monotonic_ns() + 5 * NS_PER_MS);
	}
	assert_non_null(strchr(line, '\n'));
}

static void finish(struct process_group *g)
{
	process_group_remove_files(g);
	assert_int_equal(access(g->folder, F_OK), -1);
}

static void test_exit_status_is_told(void **state)
{
	struct process_group g;
	struct errbuf e = { 0 };

	(void)state;
	start_shell(&g, "echo the cause; exit $CODE", (const char *const[]){ "CODE=3", NULL });
	assert_int_equal(process_wait(&g.process[0], 10000), 3);
	assert_int_equal(process_group_check(&g, &e), -ECHILD);
	assert_non_null(strstr(e.text, "sh ended with exit status 3"));
	assert_non_null(strstr(e.text, "the cause"));
	assert_int_equal(process_group_stop(&g, 10000, &e), 0);
	finish(&g);
}

static void test_missing_program_is_named(void **state)
{
	struct process_group g;
	struct errbuf e = { 0 };
	struct process_options o = { .programs = "/nonexistent", .name = "dreamvlad" };

	(void)state;
	assert_int_equal(process_group_init(&g, &e), 0);
	assert_int_equal(process_start(&g, &o, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/dreamvlad"));
	assert_int_equal(g.n, 0);
	finish(&g);
}

static void test_well_behaved_program_ends_on_term(void **state)
{
	struct process_group g;
	struct errbuf e = { 0 };
	char line[32];

	(void)state;
	start_shell(&g, "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done", NULL);
	wait_first_line(&g, line); /* the trap is set */
	assert_int_equal(process_wait(&g.process[0], 50), -ETIMEDOUT);
	assert_int_equal(process_group_check(&g, &e), 0);
	assert_int_equal(process_group_stop(&g, 10000, &e), 0);
	assert_string_equal(e.text, "");
	finish(&g);
}

/* The program ignores SIGTERM and has a child: both are gone afterwards. */
static void test_stubborn_program_is_killed_with_its_children(void **state)
{
	struct process_group g;
	struct errbuf e = { 0 };
	char path[600], line[32];
	pid_t group;

	(void)state;
	start_shell(&g, "trap '' TERM; sleep 600 & echo $!; while :; do sleep 0.05; done", NULL);
	group = g.process[0].pid;
	wait_first_line(&g, line);
	assert_int_equal(process_group_stop(&g, 100, &e), 1);
	assert_non_null(strstr(e.text, "sh was ended by signal 9"));
	/* A dead child may wait for init to collect it, but nothing of the group runs: it leaves the group within moments. */
	for (int i = 0; i < 1000 && kill(-group, 0) == 0; i++) {
		char stat[300] = "";
		FILE *f;

		snprintf(path, sizeof path, "/proc/%.10s/stat", strtok(line, "\n"));
		f = fopen(path, "r");
		if (!f || !fgets(stat, sizeof stat, f) || strstr(stat, ") Z")) {
			if (f)
				fclose(f);
			break;
		}
		fclose(f);
		assert_int_not_equal(i, 999);
		clock_sleep_until(clock_monotonic_ns() + 5 * NS_PER_MS);
	}
	finish(&g);
}

static void test_scheduling_of_a_thread(void **state)
{
	(void)state;
	char name[32] = "";
	FILE *f = fopen("/proc/self/comm", "r");

	assert_non_null(f);
	assert_non_null(fgets(name, sizeof name, f));
	fclose(f);
	name[strcspn(name, "\n")] = 0;
	struct thread_scheduling s = process_thread_scheduling(getpid(), name);

	assert_true(s.found);
	assert_int_equal(s.policy, sched_getscheduler(0));
	assert_false(process_thread_scheduling(getpid(), "no such").found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status_is_told),
		cmocka_unit_test(test_missing_program_is_named),
		cmocka_unit_test(test_well_behaved_program_ends_on_term),
		cmocka_unit_test(test_stubborn_program_is_killed_with_its_children),
		cmocka_unit_test(test_scheduling_of_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
