/* test_bench_robot.c - robots by name, addresses that nobody has, and what a simulated Franka or PiPER says of itself.
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
	assert_int_equal(bench_robot_find("piper", &robot, &e), 0);
	assert_int_equal(robot, BENCH_ROBOT_PIPER);
	assert_int_equal(bench_robot_find("piper-pair", &robot, &e), 0);
	assert_int_equal(robot, BENCH_ROBOT_PIPER_PAIR);
	assert_string_equal(bench_robot_driver(robot), "piper");
	assert_int_equal(bench_robot_arms(robot), 2);
	for (const char *const *name = (const char *const[]){ "", "franka", "sim ", "piper-", "nonsense", NULL }; *name; name++) {
		assert_int_equal(bench_robot_find(*name, &robot, &e), -EINVAL);
		assert_non_null(strstr(e.text, "want sim, franka-fci, piper or piper-pair"));
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

static void test_ports_are_free_and_differ(void **state)
{
	uint16_t port[FREE_PORTS_MAX];
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(bench_free_ports(port, FREE_PORTS_MAX, &e), 0);
	for (int i = 0; i < FREE_PORTS_MAX; i++) {
		int fd = take_port("127.0.0.1", port[i]);

		assert_true(fd >= 0 && port[i] != 0);
		close(fd);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(port[i], port[k]);
	}
}

/* Every key has a value of its own: 1, 2, ...; one of them may be missing. */
static size_t write_status(uint8_t *bytes, size_t capacity, const char *const *keys, int n_keys, int without)
{
	struct map_builder b;
	struct errbuf e;
	size_t n;

	reply_ok(&b, bytes, capacity);
	map_add_text(&b, "mode", "move");
	for (int i = 0; i < n_keys; i++)
		if (i != without)
			map_add_u64(&b, keys[i], (uint64_t)i + 1);
	assert_int_equal(map_finish(&b, &n, &e), 0);
	return n;
}

static void test_piper_status(void **state)
{
	static const char *const keys[] = { "targets", "ignored", "unknown", "never", "maintenance", "stood_still_ms" };
	enum { KEYS = sizeof keys / sizeof *keys };
	struct piper_numbers p = { 0 };
	struct errbuf e = { 0 };
	uint8_t bytes[512];

	(void)state;
	for (int without = -1; without < KEYS; without++) {
		size_t n = write_status(bytes, sizeof bytes, keys, KEYS, without);

		assert_int_equal(piper_status_decode(&p, bytes, n, &e), without < 0 ? 0 : -EBADMSG);
		if (without >= 0)
			assert_non_null(strstr(e.text, keys[without]));
	}
	assert_int_equal(p.pairs, 1);
	assert_int_equal(p.never, 4);
	assert_int_equal(p.stood_still_ms, 6);
}

/* What must never be sent is judged from the first frame on. */
static void test_piper_numbers_of_a_run(void **state)
{
	const struct piper_numbers first = { .pairs = 100, .ignored = 10, .unknown = 1, .never = 2, .maintenance = 3, .stood_still_ms = 40 };
	struct piper_numbers p = { .pairs = 130, .ignored = 11, .unknown = 1, .never = 2, .maintenance = 3, .stood_still_ms = 45 };

	(void)state;
	piper_numbers_since(&first, &p);
	assert_int_equal(p.pairs, 30);
	assert_int_equal(p.ignored, 1);
	assert_int_equal(p.stood_still_ms, 5);
	assert_int_equal(p.unknown, 1);
	assert_int_equal(p.never, 2);
	assert_int_equal(p.maintenance, 3);
}

static void test_status(void **state)
{
	static const char *const keys[] = { "motions", "reflexes", "violations", "commands", "missed", "late", "longest_row", "stood_still_ms" };
	enum { KEYS = sizeof keys / sizeof *keys };
	struct fci_numbers f = { 0 };
	struct errbuf e = { 0 };
	uint8_t bytes[512];

	(void)state;
	for (int without = -1; without < KEYS; without++) {
		size_t n = write_status(bytes, sizeof bytes, keys, KEYS, without);

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
		cmocka_unit_test(test_ports_are_free_and_differ),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_piper_status),
		cmocka_unit_test(test_piper_numbers_of_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
