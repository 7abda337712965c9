/* test_bench_allocations.c - two snapshots subtracted; unfinished and wrong files. */
#include "daemon/bench/bench_allocations.h"

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

static struct allocations found;

static int read_text(const char *text, int64_t from_ns, int64_t to_ns, struct errbuf *e)
{
	char path[] = "/tmp/test_bench_allocations.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	int rc = allocations_read(&found, path, from_ns, to_ns, e);

	unlink(path);
	return rc;
}

static const char *const three =
	"snapshot 100\n7\tcontrol\tprogram\t50\t5000\nend\n"
	"snapshot 200\n7\tcontrol\tprogram\t60\t6000\n8\tpolicy\tlibdnnl.so.2\t5\t500\nend\n"
	"snapshot 300\n7\tcontrol\tprogram\t60\t6000\n8\tpolicy\tlibdnnl.so.2\t25\t900\n8\tpolicy\tprogram\t3\t48\n"
	"9\tpolicy-1\tlibgomp.so.1\t1\t16\n9\tZMQbg/IO/0\tlibzmq.so.5\t9\t90\nend\n";

static void test_difference_of_two_snapshots(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(read_text(three, 150, 1000, &e), 0);
	assert_int_equal(found.from_ns, 200);
	assert_int_equal(found.to_ns, 300);
	assert_int_equal(allocations_of_thread(&found, "control", ALLOCATION_OURS), 0);
	assert_int_equal(allocations_of_thread(&found, "policy", ALLOCATION_OURS), 3);
	assert_int_equal(allocations_of_thread(&found, "policy", ALLOCATION_ONEDNN), 21);
	assert_int_equal(allocations_of_thread(&found, "policy", ALLOCATION_JPEG), 0);
	assert_int_equal(allocations_of_thread(&found, "ZMQbg/IO/0", ALLOCATION_OURS), 9);
}

static void test_warm_up_counts_when_asked_for(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(read_text(three, 0, 250, &e), 0);
	assert_int_equal(allocations_of_thread(&found, "control", ALLOCATION_OURS), 10);
}

static void test_unfinished_snapshot_does_not_count(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(read_text("snapshot 1\nend\nsnapshot 2\n7\tcontrol\tprogram\t1\t1\n", 0, 10, &e), -ENODATA);
	assert_non_null(strstr(e.text, "found 1 snapshots"));
	assert_int_equal(read_text("snapshot 1\nend\nsnapshot 2\n7\tcontrol\tprog", 0, 10, &e), -ENODATA);
}

static void test_wrong_files_are_refused(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(read_text("hello\n", 0, 10, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "hello"));
	assert_int_equal(read_text("snapshot 1\n7\tcontrol\nend\n", 0, 10, &e), -EBADMSG);
	assert_int_equal(allocations_read(&found, "/nonexistent/file", 0, 10, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_difference_of_two_snapshots),
		cmocka_unit_test(test_warm_up_counts_when_asked_for),
		cmocka_unit_test(test_unfinished_snapshot_does_not_count),
		cmocka_unit_test(test_wrong_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
