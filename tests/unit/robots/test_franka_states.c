/* test_franka_states.c - which datagrams count as states, and what is counted of those that are missing. */
#include "robots/franka/states.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct franka_states states;
static struct sockaddr_in robot_port;

static enum franka_datagram give_from(const struct sockaddr_in *from, uint64_t id, double success_rate)
{
	struct fci_state s = { .message_id = id, .robot_mode = FCI_MODE_MOVE, .success_rate = success_rate }, out;
	uint8_t bytes[FCI_STATE_BYTES_MAX];

	fci_put_state(10, &s, bytes);
	return franka_states_take(&states, from, bytes, fci_state_bytes(10), &out);
}

static enum franka_datagram give(uint64_t id, double success_rate)
{
	return give_from(&robot_port, id, success_rate);
}

static int begin(void **state)
{
	(void)state;
	memset(&states, 0, sizeof states);
	robot_port = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(0x7f000105) };
	franka_states_begin(&states, 10, robot_port.sin_addr);
	return 0;
}

static void others_are_foreign(void **state)
{
	(void)state;
	struct sockaddr_in other = robot_port;

	other.sin_addr.s_addr = htonl(0x7f000106);
	assert_int_equal(give_from(&other, 1, 1), FRANKA_DATAGRAM_FOREIGN);
	assert_int_equal(give(1, 1), FRANKA_DATAGRAM_STATE);
	other = robot_port;
	other.sin_port = htons(4001);
	assert_int_equal(give_from(&other, 2, 1), FRANKA_DATAGRAM_FOREIGN);
	assert_int_equal(states.counters.foreign, 2);
}

/* What comes before the word of a connection is nobody's, and no foreigner's either. */
static void before_a_connection(void **state)
{
	(void)state;
	memset(&states, 0, sizeof states);
	assert_int_equal(give(1, 1), FRANKA_DATAGRAM_FOREIGN);
	assert_int_equal(states.counters.foreign, 0);
}

static void rows_of_missed_states(void **state)
{
	(void)state;
	static const uint64_t MISSED[] = { 0, 1, 1, 2, 3, 4, 7, 7, 8, 15, 16, 40 };
	static const uint64_t WANT[FRANKA_ROW_BINS] = { 2, 2, 3, 2, 2 };
	uint64_t id = 100;

	give(id, 1);
	for (size_t i = 0; i < sizeof MISSED / sizeof *MISSED; i++)
		assert_int_equal(give(id += MISSED[i] + 1, 1), FRANKA_DATAGRAM_STATE);
	for (size_t i = 0; i < FRANKA_ROW_BINS; i++)
		assert_int_equal(states.counters.row[i], WANT[i]);
	assert_int_equal(states.counters.longest_row, 40);
	assert_int_equal(states.counters.missed, 104);
}

static void success_rates(void **state)
{
	(void)state;
	static const double RATE[] = { 1.0, 1.0, 0.99, 0.98, 0.95, 0.949, 0.9, 0.89, 0.5, 0.0 };
	static const uint64_t WANT[FRANKA_SUCCESS_BINS] = { 2, 1, 2, 2, 3 };

	for (size_t i = 0; i < sizeof RATE / sizeof *RATE; i++)
		assert_int_equal(give(i + 1, RATE[i]), FRANKA_DATAGRAM_STATE);
	for (size_t i = 0; i < FRANKA_SUCCESS_BINS; i++)
		assert_int_equal(states.counters.success[i], WANT[i]);
}

static void ids_grow(void **state)
{
	(void)state;
	assert_int_equal(give(1000, 1), FRANKA_DATAGRAM_STATE);
	assert_int_equal(give(1000, 1), FRANKA_DATAGRAM_OLD);
	assert_int_equal(give(999, 1), FRANKA_DATAGRAM_OLD);
	assert_int_equal(give(1000 + FRANKA_LEAP_MAX_MS + 1, 1), FRANKA_DATAGRAM_OLD);
	assert_int_equal(give(1001, 1), FRANKA_DATAGRAM_STATE);
	assert_int_equal(states.counters.old, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(others_are_foreign, begin), cmocka_unit_test_setup(before_a_connection, begin),
		cmocka_unit_test_setup(rows_of_missed_states, begin), cmocka_unit_test_setup(success_rates, begin),
		cmocka_unit_test_setup(ids_grow, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
