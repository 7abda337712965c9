/* test_franka_server.c - the simulated Franka's robot service over real sockets, but in virtual time: what counts as in time, whose
 * datagrams count, faults of the streams, and requests that come in one piece. Its clients are sockets and the protocol's tables.
 * In real time: sockets. */
#include "robots/sim/franka/robot_server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { HEADER = 12, MOVE = 1, STOP_MOVE = 2, MOVE_BYTES = 68, COMMAND_BYTES = 370, STATE_BYTES = 2373 }; /* protocol 5 */
enum { AT_MODE = 2364, AT_Q_D = 1240 };

static const double ready[7] = { 0, -0.785, 0, -2.356, 0, 1.571, 0.785 };
static struct robot_server server;
static char address[32];
static int tcp, udp;
static uint32_t serial;
static uint8_t state[STATE_BYTES];
static struct sockaddr_in states_from;

static int open_server(void **unused)
{
	struct errbuf e;

	(void)unused;
	for (int i = 0; i < 100; i++) { /* the protocol's port is fixed: an address of the loopback network of our own */
		snprintf(address, sizeof address, "127.%d.%d.%d", 1 + rand() % 254, rand() % 255, 1 + rand() % 254);
		if (robot_server_open(&server, address, 0, ready, &e) == 0)
			return 0;
	}
	return -1;
}

static int close_server(void **unused)
{
	(void)unused;
	robot_server_close(&server);
	close(tcp);
	close(udp);
	return 0;
}

static int local_udp(struct sockaddr_in *at)
{
	socklen_t n = sizeof *at;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &n), 0);
	return fd;
}

/* Appends a request to `out`; returns its size. */
static uint32_t put_request(uint8_t *out, uint32_t command, const void *payload, uint32_t n)
{
	const uint32_t header[3] = { command, serial++, HEADER + n };

	memcpy(out, header, sizeof header);
	memcpy(out + HEADER, payload, n);
	return HEADER + n;
}

static uint32_t put_move(uint8_t *out)
{
	uint8_t payload[MOVE_BYTES - HEADER] = { 0 }; /* joint impedance, joint position */

	return put_request(out, MOVE, payload, sizeof payload);
}

static void send_bytes(const uint8_t *bytes, size_t n)
{
	assert_int_equal(send(tcp, bytes, n, 0), (ssize_t)n);
}

static void expect_answer(uint32_t command, uint32_t id, uint8_t status)
{
	uint8_t got[HEADER + 1];
	uint32_t header[3];

	assert_int_equal(recv(tcp, got, sizeof got, MSG_DONTWAIT), sizeof got);
	memcpy(header, got, sizeof header);
	assert_int_equal(header[0], command);
	assert_int_equal(header[1], id);
	assert_int_equal(got[HEADER], status);
}

static void expect_silence(void)
{
	uint8_t byte;

	assert_int_equal(recv(tcp, &byte, 1, MSG_DONTWAIT), -1);
}

static int states(void)
{
	socklen_t size = sizeof states_from;
	int n = 0;

	while (recvfrom(udp, state, sizeof state, 0, (struct sockaddr *)&states_from, &size) == STATE_BYTES)
		n++;
	return n;
}

static uint64_t state_id(void)
{
	uint64_t id;

	memcpy(&id, state, sizeof id);
	return id;
}

static void connect_client(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(1337) }, mine;
	uint8_t request[64], answer[HEADER + 3];

	serial = 0;
	inet_pton(AF_INET, address, &at.sin_addr);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(tcp, (struct sockaddr *)&at, sizeof at), 0);
	udp = local_udp(&mine);
	const uint16_t wish[2] = { 5, ntohs(mine.sin_port) };

	send_bytes(request, put_request(request, 0, wish, sizeof wish));
	robot_server_step(&server, 0, 0); /* lets it in */
	robot_server_step(&server, 0, 0);
	assert_int_equal(recv(tcp, answer, sizeof answer, MSG_DONTWAIT), sizeof answer);
	assert_int_equal(answer[HEADER], 0);
	assert_int_equal(states(), 1);
}

/* Holds the arm where it is. */
static void send_command(bool finished)
{
	uint8_t bytes[COMMAND_BYTES] = { 0 };

	memcpy(bytes, state, 8);
	memcpy(bytes + 8, state + AT_Q_D, 7 * sizeof(double));
	bytes[313] = finished;
	assert_int_equal(sendto(udp, bytes, sizeof bytes, 0, (struct sockaddr *)&states_from, sizeof states_from), sizeof bytes);
}

static void begin_motion(void)
{
	uint8_t request[MOVE_BYTES];

	send_bytes(request, put_move(request));
	robot_server_step(&server, 0, 0);
	expect_answer(MOVE, serial - 1, 1);
	states();
	assert_int_equal(state[AT_MODE], 2);
}

/* ---- time -------------------------------------------------------------------------------------------------------------------- */

static void a_command_in_time_counts_after_an_overslept_millisecond(void **unused)
{
	(void)unused;
	connect_client();
	begin_motion();
	send_command(false);
	robot_server_step(&server, 3, 0);
	assert_int_equal(server.robot.counters.commands, 1);
	assert_int_equal(server.robot.counters.missed, 3);
	assert_int_equal(server.robot.counters.late, 0);
}

static void states_follow_the_wall_but_do_not_leap_in_motion(void **unused)
{
	(void)unused;
	connect_client();
	uint64_t id = state_id();

	robot_server_step(&server, 2, 40);
	assert_int_equal(states(), 1);
	assert_int_equal(state_id(), id + 43);
	begin_motion();
	id = state_id();
	send_command(false);
	robot_server_step(&server, 0, 40);
	states();
	assert_int_equal(state_id(), id + 1);
	for (int i = 0; i < 10; i++) {
		send_command(true);
		robot_server_step(&server, 0, 0);
		states();
	}
	assert_int_equal(state[AT_MODE], 1);
	assert_int_equal(state_id(), id + 1 + 10 + 40);
}

/* ---- whose datagrams ---------------------------------------------------------------------------------------------------------- */

static void a_stranger_s_flood_holds_up_no_command(void **unused)
{
	struct sockaddr_in mine;
	uint8_t nonsense[COMMAND_BYTES] = { 0 };
	int stranger = local_udp(&mine);

	(void)unused;
	connect_client();
	begin_motion();
	for (int period = 0; period < 5; period++) {
		for (int i = 0; i < 200; i++)
			sendto(stranger, nonsense, i % 2 ? sizeof nonsense : 7, 0, (struct sockaddr *)&states_from, sizeof states_from);
		send_command(false);
		robot_server_step(&server, 0, 0);
		assert_int_equal(states(), 1);
	}
	assert_int_equal(server.robot.counters.commands, 5);
	assert_int_equal(server.robot.counters.missed, 0);
	assert_int_equal(server.robot.counters.late, 0);
	assert_int_equal(server.malformed, 0);
	close(stranger);
}

static void what_a_client_leaves_behind_is_not_the_next_one_s(void **unused)
{
	(void)unused;
	connect_client();
	for (int i = 0; i < 3; i++)
		sendto(udp, "nonsense", 8, 0, (struct sockaddr *)&states_from, sizeof states_from);
	close(tcp);
	int before = udp;

	connect_client();
	close(before);
	robot_server_step(&server, 0, 0);
	assert_int_equal(server.malformed, 0);
	assert_int_equal(states(), 1);
}

static void a_closed_port_loses_states_and_nothing_else(void **unused)
{
	(void)unused;
	connect_client();
	begin_motion();
	close(udp);
	udp = -1;
	for (int i = 0; i < 2000 && server.robot.mode == FCI_MODE_MOVE; i++)
		robot_server_step(&server, 0, 0);
	assert_int_equal(server.robot.mode, FCI_MODE_REFLEX); /* the first command never came */
	expect_answer(MOVE, serial - 1, 6);
}

/* ---- faults of the streams ------------------------------------------------------------------------------------------------------ */

static void answer_states(int n)
{
	for (int i = 0; i < n; i++) {
		send_command(false);
		robot_server_step(&server, 0, 0);
		states();
	}
}

static void commands_come_twice(void **unused)
{
	(void)unused;
	connect_client();
	begin_motion();
	server.faults.commands.duplicate = 2;
	answer_states(6);
	assert_int_equal(server.robot.counters.commands, 6);
	assert_int_equal(server.robot.counters.late, 2); /* the echoes, which are dropped */
	assert_int_equal(server.robot.counters.missed, 0);
	assert_int_equal(server.faults.commands.duplicate, 0);
}

static void commands_are_late(void **unused)
{
	(void)unused;
	connect_client();
	begin_motion();
	answer_states(1);
	server.faults.commands.delay_ms = 5;
	answer_states(12);
	assert_int_equal(server.robot.counters.commands, 1);
	assert_int_equal(server.robot.counters.missed, 12);
	assert_int_equal(server.robot.counters.late, 12 - 5); /* the others are still under way */
	assert_int_equal(server.n_underway, 5);
}

static void commands_get_lost(void **unused)
{
	(void)unused;
	connect_client();
	begin_motion();
	answer_states(1);
	server.faults.commands.drop = 4;
	answer_states(6);
	assert_int_equal(server.robot.counters.commands, 3);
	assert_int_equal(server.robot.counters.missed, 4);
	assert_int_equal(server.robot.counters.longest_row, 4);
}

/* ---- requests in one piece ------------------------------------------------------------------------------------------------------- */

static void a_stop_and_the_next_motion_in_one_piece_lose_no_response(void **unused)
{
	uint8_t both[2 * MOVE_BYTES];
	uint32_t first, n;

	(void)unused;
	connect_client();
	begin_motion();
	send_command(false);
	robot_server_step(&server, 0, 0);
	first = serial - 1;
	n = put_request(both, STOP_MOVE, "", 0);
	n += put_move(both + n);
	send_bytes(both, n);
	robot_server_step(&server, 0, 0);
	expect_answer(STOP_MOVE, first + 1, 0);
	expect_answer(MOVE, first, 2);
	expect_answer(MOVE, first + 2, 1);
	expect_silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_command_in_time_counts_after_an_overslept_millisecond, open_server, close_server),
		cmocka_unit_test_setup_teardown(states_follow_the_wall_but_do_not_leap_in_motion, open_server, close_server),
		cmocka_unit_test_setup_teardown(a_stranger_s_flood_holds_up_no_command, open_server, close_server),
		cmocka_unit_test_setup_teardown(what_a_client_leaves_behind_is_not_the_next_one_s, open_server, close_server),
		cmocka_unit_test_setup_teardown(a_closed_port_loses_states_and_nothing_else, open_server, close_server),
		cmocka_unit_test_setup_teardown(commands_come_twice, open_server, close_server),
		cmocka_unit_test_setup_teardown(commands_are_late, open_server, close_server),
		cmocka_unit_test_setup_teardown(commands_get_lost, open_server, close_server),
		cmocka_unit_test_setup_teardown(a_stop_and_the_next_motion_in_one_piece_lose_no_response, open_server, close_server),
	};

	srand((unsigned)time(NULL) ^ (unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
