/* test_rt.c - threads become real-time where that is allowed, and say so loudly where it is not.
 * In real time: threads. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sys/rt.h"

#include <cmocka.h>

/* What the thread saw of itself. */
struct seen {
	int policy, priority;
	cpu_set_t processors;
	char name[16];
};

static void *look(void *argument)
{
	struct seen *s = argument;
	struct sched_param p;

	pthread_getschedparam(pthread_self(), &s->policy, &p);
	s->priority = p.sched_priority;
	sched_getaffinity(0, sizeof s->processors, &s->processors);
	pthread_getname_np(pthread_self(), s->name, sizeof s->name);
	return NULL;
}

static int start_and_join(struct rt_thread_options *o, struct seen *s, bool *realtime, struct errbuf *e)
{
	pthread_t thread;
	int rc;

	memset(s, 0, sizeof *s);
	o->name = "looker";
	o->run = look;
	o->argument = s;
	rc = rt_thread_start(&thread, o, realtime, e);
	if (rc == 0)
		pthread_join(thread, NULL);
	return rc;
}

static void preferred_is_real_time_or_warns(void **state)
{
	struct rt_thread_options o = { .wish = RT_PREFER, .priority = 12, .cpu = rt_last_cpu() };
	struct errbuf e = { "" };
	struct seen s;
	bool realtime;

	(void)state;
	assert_int_equal(start_and_join(&o, &s, &realtime, &e), 0);
	assert_string_equal(s.name, "looker");
	assert_int_equal(CPU_COUNT(&s.processors), 1);
	assert_true(CPU_ISSET((size_t)rt_last_cpu(), &s.processors));
	if (realtime) {
		assert_int_equal(s.policy, SCHED_FIFO);
		assert_int_equal(s.priority, 12);
	} else {
		assert_int_equal(s.policy, SCHED_OTHER);
		assert_non_null(strstr(e.text, "LimitRTPRIO"));
	}
}

static void ordinary_thread_keeps_off_a_processor(void **state)
{
	struct rt_thread_options o = { .wish = RT_OFF, .cpu = rt_last_cpu(), .avoid_cpu = true };
	struct errbuf e;
	struct seen s;
	bool realtime = true;
	cpu_set_t all;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	if (CPU_COUNT(&all) < 2)
		skip();
	assert_int_equal(start_and_join(&o, &s, &realtime, &e), 0);
	assert_false(realtime);
	assert_int_equal(s.policy, SCHED_OTHER);
	assert_false(CPU_ISSET((size_t)rt_last_cpu(), &s.processors));
	assert_int_equal(CPU_COUNT(&s.processors), CPU_COUNT(&all) - 1);
}

static void unknown_processor_is_refused(void **state)
{
	struct rt_thread_options o = { .wish = RT_OFF, .cpu = 1023 };
	struct errbuf e;
	struct seen s;
	bool realtime;

	(void)state;
	assert_int_equal(start_and_join(&o, &s, &realtime, &e), -EINVAL);
	assert_non_null(strstr(e.text, "control.cpu"));
}

/* In a child that has given its rights away: 0 all as it should be, else the number of the check that failed. */
static int without_rights(void)
{
	struct rt_thread_options o = { .wish = RT_PREFER, .priority = 12, .cpu = -1 };
	struct rlimit none = { 0, 0 };
	struct errbuf e = { "" };
	struct seen s;
	bool realtime = true;

	setrlimit(RLIMIT_RTPRIO, &none);
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		return 1;
	if (start_and_join(&o, &s, &realtime, &e) != 0 || realtime || s.policy != SCHED_OTHER)
		return 2;
	if (!strstr(e.text, "LimitRTPRIO=12") || !strstr(e.text, "control.realtime: off"))
		return 3;
	o.wish = RT_REQUIRED;
	return start_and_join(&o, &s, &realtime, &e) == -EPERM ? 0 : 4;
}

static void no_permission_warns_or_fails(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(without_rights());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void locking_memory_keeps_its_contents(void **state)
{
	static char bytes[3 * 4096 + 5];

	(void)state;
	memset(bytes, 7, sizeof bytes);
	rt_lock_memory(bytes, sizeof bytes);
	rt_lock_memory(bytes, 0);
	for (size_t i = 0; i < sizeof bytes; i++)
		assert_int_equal(bytes[i], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preferred_is_real_time_or_warns),
		cmocka_unit_test(ordinary_thread_keeps_off_a_processor),
		cmocka_unit_test(unknown_processor_is_refused),
		cmocka_unit_test(no_permission_warns_or_fails),
		cmocka_unit_test(locking_memory_keeps_its_contents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
