/* test_franka_hand_link.c - the hand's thread over real sockets: with the simulated hand's service, and with peers that are none. The
 * test plays the control thread and the peer.
 * In real time: sockets and a thread. */
#include "robots/franka/hand.h"
#include "robots/franka/hand_session.h"
#include "robots/sim/franka/hand_server.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "tests/unit/groups.h"

static const int64_t patience_ns = 60 * NS_PER_S; /* until something that must happen is given up */

static struct franka_hand_link *link_under_test;
static struct franka_hand_view view;
static struct hand_server server;
static bool served;
static char address[80];
static bool wants;
static double wish_m;
static struct robot_number number[FRANKA_HAND_NUMBERS];

/* The protocol's port is fixed: an address of the loopback network of our own. */
static void draw_address(void)
{
	snprintf(address, sizeof address, "127.%d.%d.%d", 1 + rand() % 254, rand() % 255, 1 + rand() % 254);
}

static void open_server(void)
{
	struct errbuf e;

	assert_int_equal(hand_server_open(&server, address, 0.08, &e), 0);
	served = true;
}

static void open_link(void)
{
	struct franka_setup setup;
	struct errbuf e;

	franka_setup_defaults(&setup);
	snprintf(setup.address, sizeof setup.address, "%s", address);
	assert_int_equal(franka_hand_create(&link_under_test, &setup, &e), 0);
	assert_non_null(link_under_test);
}

static int begin(void **unused)
{
	(void)unused;
	wants = served = false;
	view = (struct franka_hand_view){ 0 };
	draw_address();
	return log_set_level("error", NULL);
}

static int end(void **unused)
{
	(void)unused;
	franka_hand_destroy(link_under_test);
	link_under_test = NULL;
	if (served)
		hand_server_close(&server);
	return 0;
}

/* A millisecond of the peer and of the control thread. */
static void step(void)
{
	if (served)
		hand_server_step(&server, server.hand.command_m);
	franka_hand_write(link_under_test, wants, wish_m);
	franka_hand_read(link_under_test, clock_monotonic_ns(), &view);
	clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
}

static void want(double width_m)
{
	wants = true;
	wish_m = width_m;
}

static double count_of(const char *name)
{
	uint32_t n = franka_hand_numbers(link_under_test, number);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(number[i].name, name) == 0)
			return number[i].value;
	assert_true(false);
	return 0.0;
}

#define wait_until(condition) \
	do { \
		int64_t end_ns = clock_monotonic_ns() + patience_ns; \
		while (!(condition)) { \
			assert_true(clock_monotonic_ns() < end_ns && #condition[0]); \
			step(); \
		} \
	} while (0)

static void run_ms(int ms)
{
	for (int k = 0; k < ms; k++)
		step();
}

static bool stands_at(double width_m)
{
	return view.has_gripper && fabs(view.gripper_m - width_m) < 1e-3 && server.hand.running == FCI_GRIPPER_CONNECT;
}

static void connect_it(void)
{
	open_server();
	open_link();
	wait_until(view.has_gripper && view.trouble == FRANKA_TROUBLE_NONE);
	assert_true(fabs(view.gripper_m - 0.08) < 1e-6);
}

/* ---- with a hand -------------------------------------------------------------------------------------------------------- */

static void moves_grasps_and_homes(void **state)
{
	(void)state;
	connect_it();
	want(0.03);
	wait_until(stands_at(0.03));
	want(0.0);
	wait_until(stands_at(0.0) && server.hand.is_grasped);
	wait_until(count_of("hand_grasped") > 0.5);
	assert_true(fabs(server.hand.goal.force_n - 40.0) < 1e-9);
	franka_hand_home(link_under_test);
	wait_until(stands_at(0.08));
	run_ms(500); /* the wish is as before: what was homed stays open */
	assert_true(stands_at(0.08));
	assert_int_equal(view.trouble, FRANKA_TROUBLE_HAND_WAITS);
	want(0.06);
	wait_until(stands_at(0.06));
	assert_true(fabs(count_of("hand_moves") - 2.0) < 0.5 && fabs(count_of("hand_grasps") - 1.0) < 0.5);
	assert_true(count_of("hand_failures") < 0.5 && fabs(count_of("hand_max_width_m") - 0.08) < 1e-9);
	assert_true(count_of("hand_temperature_c") > 0.0);
}

static void is_cut_off_in_a_grasp(void **state)
{
	(void)state;
	connect_it();
	want(0.0);
	wait_until(server.hand.running == FCI_GRIPPER_GRASP);
	run_ms(100);
	hand_server_drop(&server);
	double width_m = server.hand.width_m;

	wait_until(view.trouble == FRANKA_TROUBLE_HAND_ABSENT);
	wait_until(view.has_gripper && view.trouble == FRANKA_TROUBLE_HAND_WAITS);
	run_ms(300); /* connected again, it moves nothing by itself */
	assert_true(fabs(server.hand.width_m - width_m) < 0.02 && server.hand.running == FCI_GRIPPER_CONNECT);
	assert_true(count_of("hand_failures") > 0.5);
	want(0.08);
	wait_until(stands_at(0.08));
}

static void stops_homing(void **state)
{
	(void)state;
	connect_it();
	franka_hand_home(link_under_test);
	wait_until(server.hand.running == FCI_GRIPPER_HOMING && server.hand.width_m < 0.07);
	franka_hand_stop_homing(link_under_test);
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_HOMING_FAILED && server.hand.running == FCI_GRIPPER_CONNECT);
	assert_true(fabs(count_of("hand_stops") - 1.0) < 0.5);
}

static void comes_late(void **state)
{
	(void)state;
	open_link();
	want(0.0);
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_ABSENT);
	assert_false(view.has_gripper);
	franka_hand_home(link_under_test); /* is not kept */
	run_ms(100);
	open_server();
	wait_until(view.has_gripper);
	run_ms(500);
	assert_true(stands_at(0.08) && count_of("hand_grasps") < 0.5);
}

static void does_not_know_its_range(void **state)
{
	(void)state;
	open_server();
	franka_hand_forget(&server.hand);
	server.hand.command_m = 0.02;
	open_link();
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_NOT_HOMED);
	assert_true(view.has_gripper);
	want(0.05);
	run_ms(500);
	assert_true(stands_at(0.02));
	franka_hand_home(link_under_test);
	wait_until(stands_at(0.08) && view.trouble == FRANKA_TROUBLE_HAND_WAITS);
}

/* What was measured is no longer shown when it is old; what is held might fall if the connection were given up for it. */
static void stops_sending_states(void **state)
{
	(void)state;
	connect_it();
	served = false;
	wait_until(!view.has_gripper && view.trouble == FRANKA_TROUBLE_HAND_NO_STATES);
	served = true;
	wait_until(view.has_gripper && view.trouble == FRANKA_TROUBLE_NONE);
	assert_true(fabs(count_of("hand_connections") - 1.0) < 0.5);
}

/* ---- with a peer of our own ----------------------------------------------------------------------------------------------- */

static int listen_fd, tcp, udp;

static struct sockaddr_in port_at(const char *where, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, where, &at.sin_addr), 1);
	return at;
}

static int open_peer(void **unused)
{
	int rc = begin(unused), on = 1;
	struct sockaddr_in at = port_at(address, FCI_GRIPPER_PORT), from = port_at(address, 0);

	tcp = -1;
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(listen_fd, 4), 0);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(udp, (struct sockaddr *)&from, sizeof from), 0);
	open_link();
	return rc;
}

static void drop_peer(void)
{
	if (tcp >= 0)
		close(tcp);
	tcp = -1;
}

static int close_peer(void **unused)
{
	drop_peer();
	close(listen_fd);
	close(udp);
	return end(unused);
}

static bool accepted(void)
{
	tcp = accept(listen_fd, NULL, NULL);
	return tcp >= 0;
}

/* The next request's bytes, and the port of states in a Connect. */
static uint16_t take_request(uint32_t *id, ssize_t bytes)
{
	uint8_t request[64];
	uint16_t port;

	wait_until(recv(tcp, request, sizeof request, MSG_DONTWAIT | MSG_PEEK) >= bytes);
	assert_int_equal(recv(tcp, request, (size_t)bytes, 0), bytes);
	memcpy(id, request + 2, sizeof *id);
	memcpy(&port, request + 12, sizeof port);
	return port;
}

static void reply(uint16_t command, uint32_t id, uint16_t status, bool byte_by_byte)
{
	const struct fci_gripper_header h = { command, id, command ? 12 : 14 };
	const uint16_t payload[2] = { status, 3 };
	uint8_t bytes[14];

	memcpy(bytes, &h, sizeof h);
	memcpy(bytes + sizeof h, payload, sizeof payload);
	for (size_t at = 0, n = byte_by_byte ? 1 : h.size; at < h.size; at += n) {
		assert_int_equal(send(tcp, bytes + at, n, MSG_NOSIGNAL), (ssize_t)n);
		run_ms(byte_by_byte ? 8 : 0);
	}
}

static void send_width(int from, uint16_t port, uint32_t id, double width_m, size_t bytes)
{
	const struct fci_gripper_state s = { id, width_m, 0.08, 0, 30 };
	struct sockaddr_in to = port_at("127.0.0.1", port);
	uint8_t packet[2048] = { 0 };

	memcpy(packet, &s, sizeof s);
	(void)!sendto(from, packet, bytes, 0, (struct sockaddr *)&to, sizeof to); /* a full socket loses it, as a network does */
}

static uint16_t greet(bool byte_by_byte)
{
	uint32_t id;

	wait_until(accepted());
	uint16_t port = take_request(&id, 14);

	assert_int_equal(id, 0);
	reply(0, 0, 0, byte_by_byte);
	return port;
}

static void accepts_and_never_answers(void **state)
{
	(void)state;
	want(0.0);
	wait_until(accepted());
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_OTHER_CLIENT);
	drop_peer();
	wait_until(accepted()); /* and is called again */
}

static void answers_byte_by_byte(void **state)
{
	(void)state;
	uint16_t port = greet(true);
	uint32_t n = 0, id;
	uint8_t request[50];

	wait_until((send_width(udp, port, ++n, 0.08, 23), view.has_gripper));
	want(0.03);
	wait_until((send_width(udp, port, ++n, 0.08, 23), recv(tcp, request, 26, MSG_DONTWAIT) == 26));
	memcpy(&id, request + 2, sizeof id);
	assert_int_equal(id, 1);
	reply(3, id, 0, true);
	wait_until((send_width(udp, port, ++n, 0.03, 23), fabs(view.gripper_m - 0.03) < 1e-9));
	want(0.08);
	wait_until((send_width(udp, port, ++n, 0.03, 23), recv(tcp, request, 26, MSG_DONTWAIT) == 26)); /* the answer was understood */
	assert_true(count_of("hand_failures") < 0.5);
}

static void refuses_the_version(void **state)
{
	(void)state;
	uint32_t id;

	wait_until(accepted());
	take_request(&id, 14);
	reply(0, id, 1, false);
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_VERSION);
}

static void answers_nonsense(void **state)
{
	(void)state;
	static const uint8_t bad[][12] = { { 0, 0, 0, 0, 0, 0, 9 }, { 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff }, { 0x47, 0x45, 0x54, 0x20, 0x2f, 0x20 } };

	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		wait_until(accepted());
		assert_int_equal(send(tcp, bad[k], sizeof bad[k], MSG_NOSIGNAL), sizeof bad[k]);
		wait_until(view.trouble == FRANKA_TROUBLE_HAND_PROTOCOL_ERROR);
		wait_until(recv(tcp, (uint8_t[16]){ 0 }, 16, MSG_DONTWAIT) == 0); /* it hung up */
		drop_peer();
	}
	assert_false(view.has_gripper);
}

static void sends_datagrams_that_are_no_states(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 22, 24, 46, 2048 };
	uint16_t port = greet(false);
	int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in from = port_at("127.0.0.1", 0);

	assert_int_equal(bind(stranger, (struct sockaddr *)&from, sizeof from), 0);
	for (uint32_t n = 1; n < 300; n++) {
		send_width(udp, port, n, 0.02, sizes[n % 6]);
		send_width(udp, port, n, n % 2 ? NAN : 1e300, 23);
		send_width(stranger, port, n, 0.02, 23);
		step();
		assert_false(view.has_gripper);
	}
	wait_until((send_width(udp, port, 1, 0.07, 23), view.has_gripper));
	for (uint32_t k = 0; k < 300; k++) { /* one that repeats, and one that goes backwards */
		send_width(udp, port, k % 2 ? 1 : -k, 0.02, 23);
		step();
	}
	wait_until(!view.has_gripper);
	close(stranger);
}

/* Another program at the robot's address: its datagrams are none of the hand's, unless the hand falls silent. */
static void sends_states_from_another_port(void **state)
{
	(void)state;
	uint16_t port = greet(false);
	int other = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in from = port_at(address, 0);
	uint32_t n = 0;

	assert_int_equal(bind(other, (struct sockaddr *)&from, sizeof from), 0);
	wait_until((send_width(udp, port, ++n, 0.07, 23), view.has_gripper));
	for (int k = 0; k < 100; k++) {
		send_width(udp, port, ++n, 0.07, 23);
		send_width(other, port, n + 0x40000000, 0.02, 23);
		step();
		assert_true(!view.has_gripper || fabs(view.gripper_m - 0.07) < 1e-9);
	}
	wait_until((send_width(udp, port, ++n, 0.06, 23), fabs(view.gripper_m - 0.06) < 1e-9)); /* it is heard still */
	wait_until(!view.has_gripper);
	wait_until((send_width(other, port, 1, 0.02, 23), view.has_gripper && fabs(view.gripper_m - 0.02) < 1e-9));
	close(other);
}

static void floods(void **state)
{
	(void)state;
	static uint8_t zeros[65536];
	uint16_t port = greet(false);
	uint32_t n = 0;

	wait_until((send_width(udp, port, ++n, 0.07, 23), view.has_gripper));
	for (int k = 0; k < 300; k++) {
		for (int i = 0; i < 200; i++)
			send_width(udp, port, 0, 0.02, 1 + (size_t)(k * i) % 1000);
		(void)!send(tcp, zeros, sizeof zeros, MSG_NOSIGNAL | MSG_DONTWAIT);
		step();
	}
	drop_peer();
	n = 0;
	port = greet(false); /* it hung up at the first of the zeros, and calls again */
	wait_until((send_width(udp, port, ++n, 0.05, 23), view.has_gripper && fabs(view.gripper_m - 0.05) < 1e-9));
}

static void no_hand_is_no_error(void **state)
{
	(void)state;
	struct franka_hand_link *none = NULL;
	struct franka_setup setup;
	struct errbuf e;

	franka_setup_defaults(&setup);
	setup.hand.enabled = false;
	assert_int_equal(franka_hand_create(&none, &setup, &e), 0);
	assert_null(none);
	franka_hand_write(none, true, 0.0);
	franka_hand_home(none);
	franka_hand_stop_homing(none);
	view.has_gripper = true;
	franka_hand_read(none, 0, &view);
	assert_false(view.has_gripper || view.trouble);
	assert_int_equal(franka_hand_numbers(none, number), 0);
	franka_hand_destroy(none);
}

static void a_name_that_nobody_knows(void **state)
{
	(void)state;
	memset(address, 'x', sizeof address - 1); /* a label too long for any resolver to ask for */
	open_link();
	wait_until(view.trouble == FRANKA_TROUBLE_HAND_ABSENT);
}

int main(void)
{
	const struct CMUnitTest with_a_hand[] = {
		cmocka_unit_test_setup_teardown(moves_grasps_and_homes, begin, end),
		cmocka_unit_test_setup_teardown(is_cut_off_in_a_grasp, begin, end),
		cmocka_unit_test_setup_teardown(stops_homing, begin, end),
		cmocka_unit_test_setup_teardown(comes_late, begin, end),
		cmocka_unit_test_setup_teardown(does_not_know_its_range, begin, end),
		cmocka_unit_test_setup_teardown(stops_sending_states, begin, end),
	};
	const struct CMUnitTest with_a_peer[] = {
		cmocka_unit_test_setup_teardown(accepts_and_never_answers, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(answers_byte_by_byte, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(refuses_the_version, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(answers_nonsense, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(sends_datagrams_that_are_no_states, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(sends_states_from_another_port, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(floods, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(no_hand_is_no_error, begin, end),
		cmocka_unit_test_setup_teardown(a_name_that_nobody_knows, begin, end),
	};

	pid_t other = group_begin(with_a_hand);

	group_seed();
	int failed = cmocka_run_group_tests(with_a_peer, NULL, NULL);

	return failed + group_end(other);
}
