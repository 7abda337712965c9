/* test_io.c - pieces of the io thread one by one, among peers in the same process.
 * In real time: sockets. */
#include "daemon/io.h"
#include "daemon/setup.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

enum { SIDE = 1000, PIXELS_BYTES = 3 * SIDE * SIDE };

static struct config config;
static struct control_setup setup;
static struct links links;
static struct stats stats;
static struct io *io;
static void *zmq, *publisher;
static uint8_t pixels[PIXELS_BYTES];
static uint64_t seq;

static void set_addresses(void)
{
	strcpy(config.sockets_cameras, "inproc://cameras");
	strcpy(config.sockets_operators, "inproc://operators");
	strcpy(config.sockets_states, "inproc://states");
	strcpy(config.sockets_targets, "inproc://targets");
	strcpy(config.sockets_status, "inproc://status");
	strcpy(config.sockets_control, "inproc://control");
	strcpy(config.robot[0].control, "inproc://arm");
}

static int set_up(void **state)
{
	struct errbuf e = { "" };

	(void)state;
	memset(&links, 0, sizeof links);
	config_defaults(&config);
	set_addresses();
	config.n_cameras = config.policy_cameras.n = 1;
	strcpy(config.camera[0].name, "top");
	strcpy(config.policy_cameras.name[0], "top");
	setup = (struct control_setup){ .n_cameras = 1, .camera_name = { "top" } };
	zmq = zmq_ctx_new();
	publisher = zmq_socket(zmq, ZMQ_PUB);
	if (io_create(&io, &config, &setup, &links, &stats, zmq, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	zmq_close(publisher);
	io_destroy(io);
	zmq_ctx_term(zmq);
	return 0;
}

static void send_frame(void)
{
	struct message_camera m = { { 7, ++seq, clock_monotonic_ns() }, ENCODING_RGB8, SIDE, SIDE };
	uint8_t bytes[256];
	struct errbuf e;
	size_t n;

	assert_int_equal(message_camera_encode(&m, bytes, sizeof bytes, &n, &e), 0);
	assert_true(zmq_send(publisher, "camera/top", 10, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, bytes, n, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, pixels, sizeof pixels, 0) >= 0);
}

static void send_instruction(void)
{
	struct message_instruction m = { { 7, ++seq, clock_monotonic_ns() }, "wave" };
	uint8_t bytes[256];
	struct errbuf e;
	size_t n;

	assert_int_equal(message_instruction_encode(&m, bytes, sizeof bytes, &n, &e), 0);
	assert_true(zmq_send(publisher, "instruction", 11, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, bytes, n, 0) >= 0);
}

/* Connects and sends until the first one arrives: a subscription takes a moment. */
static void connect_to(const char *address, void (*send)(void), void (*receive)(struct io *io), const uint64_t *counter)
{
	assert_int_equal(zmq_connect(publisher, address), 0);
	while (*counter == 0) {
		io->now_ns = clock_monotonic_ns();
		send();
		receive(io);
	}
}

static void one_wake_up_takes_a_bounded_number_of_bytes(void **state)
{
	(void)state;
	connect_to("inproc://cameras", send_frame, io_camera_receive, &io->counters.frames);
	io->counters.frames = 0;
	for (int i = 0; i < 6; i++)
		send_frame();
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, (IO_CAMERA_BYTES + PIXELS_BYTES - 1) / PIXELS_BYTES);
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, 6);
}

/* Stamped after the wake-up had begun, long before it ends. */
static void a_message_is_dated_when_it_is_taken(void **state)
{
	(void)state;
	connect_to("inproc://cameras", send_frame, io_camera_receive, &io->counters.frames);
	io->now_ns = clock_monotonic_ns() - NS_PER_S;
	send_frame();
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, 2);
	assert_int_equal(io->counters.frames_void, 0);
}

static void an_instruction_is_dated_when_it_is_taken(void **state)
{
	(void)state;
	connect_to("inproc://operators", send_instruction, io_operator_receive, &io->counters.instructions);
	io->now_ns = clock_monotonic_ns() - NS_PER_S;
	send_instruction();
	io_operator_receive(io);
	assert_int_equal(io->counters.operators_void, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_wake_up_takes_a_bounded_number_of_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_message_is_dated_when_it_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_instruction_is_dated_when_it_is_taken, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
