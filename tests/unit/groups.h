/* groups.h - groups of tests that do little but wait for a limit of what they test, each in a process of its own, at the same time.
 * To be included after cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_GROUPS_H
#define DREAMVLA_TESTS_UNIT_GROUPS_H

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Each process draws random numbers of its own. */
static void group_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	srand((unsigned)t.tv_nsec ^ (unsigned)getpid() << 8);
}

static pid_t group_fork(const char *name, const struct CMUnitTest *tests, size_t n)
{
	pid_t group = fork();

	if (group != 0)
		return group;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	group_seed();
	exit(_cmocka_run_group_tests(name, tests, n, NULL, NULL) != 0);
}

/* Before any thread is started. */
#define group_begin(tests) group_fork(#tests, tests, sizeof(tests) / sizeof *(tests))

/* 0 if all tests of the group have passed, else 1. */
static int group_end(pid_t group)
{
	int status = 1;

	return group > 0 && waitpid(group, &status, 0) == group && status == 0 ? 0 : 1;
}

#endif
