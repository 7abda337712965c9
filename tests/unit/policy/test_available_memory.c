/* test_available_memory.c - what meminfo and control groups say, from files written here. */
#include "tests/unit/policy/fixture.h"

#include <ftw.h>
#include <sys/stat.h>

#include "policy/available_memory.h"

static char root[FIXTURE_PATH_BYTES];

static void put(const char *name, const char *text)
{
	char path[FIXTURE_PATH_BYTES + 256];

	snprintf(path, sizeof path, "%s/%s", root, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		(void)mkdir(path, 0700);
	}
	file_write(root, name, text, strlen(text));
}

static int set_up(void **state)
{
	(void)state;
	folder_make(root);
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *level)
{
	(void)status;
	(void)type;
	(void)level;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void nothing_known_is_no_limit(void **state)
{
	(void)state;
	assert_true(available_memory_bytes(root) >= UINT64_MAX - 1024);
	put("proc/self/cgroup", "12:memory:/a\n");
	assert_true(available_memory_bytes(root) >= UINT64_MAX - 1024);
	assert_true(available_memory_bytes("") > 0);
}

static void the_machine_is_asked(void **state)
{
	(void)state;
	put("proc/meminfo", "MemTotal:  200 kB\nMemFree:  7 kB\nMemAvailable:     100 kB\nBuffers:  3 kB\n");
	assert_int_equal(available_memory_bytes(root), 102400);
	put("proc/self/cgroup", "0::/\n");
	put("sys/fs/cgroup/memory.max", "max\n");
	put("sys/fs/cgroup/memory.current", "5000\n");
	assert_int_equal(available_memory_bytes(root), 102400);
}

/* Cached files are given back before anything fails. */
static void the_own_group_limits(void **state)
{
	(void)state;
	put("proc/meminfo", "MemAvailable: 100 kB\n");
	put("proc/self/cgroup", "1:name=systemd:/elsewhere\n0::/system.slice/dreamvlad.service\n");
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.max", "90000\n");
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.high", "max\n");
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.current", "60000\n");
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.stat", "anon 20000\nfile 40000\ninactive_file 30000\nactive_file 9000\n");
	assert_int_equal(available_memory_bytes(root), 90000 - 60000 + 39000);
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.high", "50000\n");
	assert_int_equal(available_memory_bytes(root), 50000 - 60000 + 39000);
	put("sys/fs/cgroup/system.slice/dreamvlad.service/memory.stat", "anon 60000\n");
	assert_int_equal(available_memory_bytes(root), 0);
}

static void groups_above_limit_as_well(void **state)
{
	(void)state;
	put("proc/self/cgroup", "0::/outer.slice/inner.slice/x.service\n");
	put("sys/fs/cgroup/outer.slice/inner.slice/x.service/memory.max", "9000\n");
	put("sys/fs/cgroup/outer.slice/memory.max", "7000\n");
	put("sys/fs/cgroup/outer.slice/memory.current", "1000\n");
	assert_int_equal(available_memory_bytes(root), 6000);
	put("sys/fs/cgroup/memory.max", "5000\n"); /* of a container that sees the path of its host */
	assert_int_equal(available_memory_bytes(root), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_known_is_no_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_machine_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_own_group_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(groups_above_limit_as_well, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
