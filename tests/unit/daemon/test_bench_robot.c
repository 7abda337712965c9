/* test_bench_robot.c - robots by name, an address that nobody has, and what a simulated Franka says of itself.
 * In real time: a socket. */
#include "daemon/bench/bench_robot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "robots/franka/wire.h"
#include "transport/message/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names(void **state)
{
	enum bench_robot robot = BENCH_ROBOTS;
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(bench_robot_find("sim", &robot, &e), 0);
	assert_int_equal(robot, BENCH_ROBOT_SIM);
	assert_string_equal(bench_robot_driver(robot), "sim");
	assert_int_equal(bench_robot_find("franka-fci", &robot, &e), 0);
	assert_int_equal(robot, BENCH_ROBOT_FRANKA_FCI);
	assert_string_equal(bench_robot_driver(robot), "franka");
	for (const char *const *name = (const char *const[]){ "", "franka", "sim ", "nonsense", NULL }; *name; name++) {
		assert_int_equal(bench_robot_find(*name, &robot, &e), -EINVAL);
		assert_non_null(strstr(e.text, "want sim or franka-fci"));
	}
}

static int take_port(const char *address, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

static void test_addresses_are_free_and_differ(void **state)
{
	char first[FCI_ADDRESS_BYTES], second[FCI_ADDRESS_BYTES];
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(fci_free_address(first, &e), 0);
	assert_int_equal(fci_free_address(second, &e), 0);
	assert_memory_equal(first, "127.", 4);
	int robot = take_port(first, FCI_ROBOT_PORT), hand = take_port(first, FCI_GRIPPER_PORT);

	assert_true(robot >= 0 && hand >= 0);
	close(robot);
	close(hand);
	assert_string_not_equal(first, second); /* 1 in 16 million */
}

static void test_status(void **state)
{
	static const char *const keys[] = { "motions", "reflexes", "violations", "commands", "missed", "late", "longest_row", "stood_still_ms" };
	enum { KEYS = sizeof keys / sizeof *keys };
	struct fci_numbers f = { 0 };
	struct errbuf e = { 0 };

	(void)state;
	for (int without = -1; without < KEYS; without++) {
		uint8_t bytes[512];
		struct map_builder b;
		size_t n;

		reply_ok(&b, bytes, sizeof bytes);
		map_add_text(&b, "mode", "move");
		for (int i = 0; i < KEYS; i++)
			if (i != without)
				map_add_u64(&b, keys[i], (uint64_t)i + 1);
		assert_int_equal(map_finish(&b, &n, &e), 0);
		assert_int_equal(fci_status_decode(&f, bytes, n, &e), without < 0 ? 0 : -EBADMSG);
		if (without >= 0)
			assert_non_null(strstr(e.text, keys[without]));
	}
	assert_int_equal(f.motions, 1);
	assert_int_equal(f.violations, 3);
	assert_int_equal(f.longest_row, 7);
	assert_int_equal(f.stood_still_ms, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses_are_free_and_differ),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
