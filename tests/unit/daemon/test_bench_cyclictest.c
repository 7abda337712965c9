/* test_bench_cyclictest.c - percentiles from cyclictest's JSON, as version 2.4 writes it; files that are none. */
#include "daemon/bench/bench_cyclictest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int read_text(const char *text, struct percentiles *out, struct errbuf *e)
{
	char path[] = "/tmp/test_bench_cyclictest.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	int rc = cyclictest_read(path, out, e);

	unlink(path);
	return rc;
}

static void test_percentiles(void **state)
{
	struct percentiles p = { 0 };
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(read_text("{\"file_version\": 1, \"thread\": {\"0\": {\"histogram\": {\"10\": 500, \"20\": 495, \"90\": 4},"
				   " \"cycles\": 1000, \"min\": 10, \"max\": 60000, \"avg\": 15.5, \"cpu\": 0}}}", &p, &e), 0);
	assert_int_equal(p.n, 1000);
	assert_int_equal(p.p50_ns, 11000);
	assert_int_equal(p.p99_ns, 21000);
	assert_int_equal(p.p999_ns, 91000);
	assert_int_equal(p.max_ns, 60000000); /* beyond the histogram: only the maximum knows */
}

static void test_wrong_results_are_refused(void **state)
{
	static const char *const wrong[] = { "", "{}", "{\"thread\": {\"0\": {\"histogram\": [], \"cycles\": 1, \"max\": 1}}}",
		"{\"thread\": {\"0\": {\"histogram\": {}, \"cycles\": 1}}}",
		"{\"thread\": {\"0\": {\"histogram\": {\"5\": 10}, \"cycles\": 1, \"max\": 5}}}" };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct percentiles p = { 0 };
		struct errbuf e = { 0 };

		assert_int_equal(read_text(wrong[i], &p, &e), -EBADMSG);
		assert_int_not_equal(e.text[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_wrong_results_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
