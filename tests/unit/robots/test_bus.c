/* test_bus.c - what every kind of bus owes: frames arrive whole, unchanged and in order, both ways, and nobody hears himself; filters;
 * errors; ends that vanish; words for troubles. SocketCAN where this machine has it (CAN_TEST_INTERFACES names two ends of one bus,
 * "vxcan0 vxcan1"; without, "vcan0 vcan0").
 * In real time: sockets. */
#include "tests/unit/robots/bus_bench.h"

#include <errno.h>

enum { FRAMES = 500 };

/* Two ends: a is what a robot has, b what drives it. */
struct ends {
	struct bus *a, *b;
};

static const struct bus_filter feedback_only[] = { { 0x2A0, 0x7F0 }, { 0x4AF, 0x7FF } };

static void open_pair(struct ends *x)
{
	must(bus_pair(&x->a, &x->b, &bench_error));
}

static void open_socketcand(struct ends *x)
{
	x->a = serve();
	x->b = join(x->a, NULL, 0);
}

static void open_socketcan(struct ends *x, const struct bus_filter *filter, uint32_t filters)
{
	const char *names = getenv("CAN_TEST_INTERFACES");
	char a[16] = "vcan0", b[16] = "vcan0";
	int rc;

	if (names)
		assert_int_equal(sscanf(names, "%15s %15s", a, b), 2);
	rc = bus_serve(&x->a, &(struct bus_options){ .address = a }, &bench_error);
	if (rc == -EAFNOSUPPORT || rc == -ENODEV || rc == -ENETDOWN) {
		print_message("SocketCAN: skipped: %s\n", bench_error.text);
		assert_null(names);
		skip();
	}
	must(rc);
	must(bus_open(&x->b, &(struct bus_options){ b, 0, filter, filters }, &bench_error));
}

static void close_ends(struct ends *x)
{
	bus_destroy(x->a);
	bus_destroy(x->b);
}

/* ---- duties ----------------------------------------------------------------------------------------------------------- */

/* a counts up on one id, b on another; each gets the other's numbers, all of them, in order, and none of its own. */
static void carries_in_order(struct ends *x)
{
	uint32_t sent = 0;

	for (uint32_t got = 0; got < FRAMES; got++) {
		for (; sent < FRAMES && sent < got + 20; sent++) {
			must(bus_send(x->a, &(struct bus_frame){ .id = 0x2A5, .length = 1, .data = { (uint8_t)sent } }));
			must(bus_send(x->b, &(struct bus_frame){ .id = 0x155, .length = 8, .data = { 1, 2, 3, 4, 5, 6, (uint8_t)(sent >> 8),
					(uint8_t)sent } }));
		}
		struct bus_frame at_b = wait_frame(x->b, NULL), at_a = wait_frame(x->a, NULL);

		assert_int_equal(at_b.id, 0x2A5);
		assert_int_equal(at_b.length, 1);
		assert_int_equal(at_b.data[0], (uint8_t)got);
		assert_int_equal(at_b.data[1], 0);
		assert_int_equal(at_a.id, 0x155);
		assert_int_equal(at_a.length, 8);
		assert_int_equal(number_of(&at_a), 0x05060000u + got);
	}
}

static void carries_every_length(struct ends *x)
{
	for (uint8_t length = 0; length <= BUS_DATA_BYTES; length++) {
		struct bus_frame out = { .id = 0x2A0u + length, .length = length };

		for (uint8_t i = 0; i < length; i++)
			out.data[i] = (uint8_t)(0x10 * i + 0xF);
		must(bus_send(x->a, &out));
		struct bus_frame in = wait_frame(x->b, x->a);

		assert_memory_equal(&in, &out, sizeof in);
	}
}

static void refuses_what_is_no_frame(struct ends *x)
{
	const struct bus_frame wrong[] = { { .id = 0x800 }, { .id = 0x20000000, .flags = BUS_FRAME_EXTENDED }, { .id = 1, .length = 9 },
		{ .id = 1, .flags = 4 }, { .id = 1, .flags = 0x80 } };
	struct bus_event event;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(bus_send(x->a, &wrong[i]), -EINVAL);
	must(bus_send(x->a, &(struct bus_frame){ .id = 0x2A1 }));
	assert_int_equal(wait_event(x->b, x->a, &event), 1);
	assert_int_equal(event.frame.id, 0x2A1); /* the first that came */
}

/* Nothing else comes: what is sent after it does. */
static void hears_no_echo(struct ends *x)
{
	must(bus_send(x->b, &(struct bus_frame){ .id = 0x151, .length = 8 }));
	must(bus_send(x->a, &(struct bus_frame){ .id = 0x2A1, .length = 3 }));
	assert_int_equal(wait_frame(x->a, NULL).id, 0x151);
	assert_int_equal(wait_frame(x->b, x->a).id, 0x2A1);
}

static void keeps_marks(struct ends *x)
{
	const struct bus_frame sent[] = { { .id = 0x1ABCDEF0, .flags = BUS_FRAME_EXTENDED, .length = 2, .data = { 0xAB, 0xCD } },
		{ .id = 0x7, .flags = BUS_FRAME_EXTENDED, .length = 1, .data = { 9 } }, { .id = 0x123, .flags = BUS_FRAME_REMOTE, .length = 4 },
		{ .id = 0x123, .flags = BUS_FRAME_REMOTE | BUS_FRAME_EXTENDED, .length = 8 } };

	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
		struct bus_frame f;

		must(bus_send(x->a, &sent[i]));
		f = wait_frame(x->b, x->a);
		assert_memory_equal(&f, &sent[i], sizeof f);
		must(bus_send(x->b, &sent[i]));
		f = wait_frame(x->a, NULL);
		assert_memory_equal(&f, &sent[i], sizeof f);
	}
}

/* b wants feedback_only. */
static void wants_no_others(struct ends *x)
{
	const struct bus_frame sent[] = { { .id = 0x155 }, { .id = 0x2A1 }, { .id = 0x2A1, .flags = BUS_FRAME_EXTENDED },
		{ .id = 0x2A2, .flags = BUS_FRAME_REMOTE }, { .id = 0x2B1 }, { .id = 0x2AF }, { .id = 0x4AE }, { .id = 0x4AF } };
	const uint32_t want[] = { 0x2A1, 0x2AF, 0x4AF };

	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
		must(bus_send(x->a, &sent[i]));
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct bus_frame f = wait_frame(x->b, x->a);

		assert_int_equal(f.id, want[i]);
		assert_int_equal(f.flags, 0);
	}
}

static void all_duties(struct ends *x)
{
	if (strncmp(bus_address(x->a), "can", 3) != 0) /* the CAN card that QEMU emulates garbles what follows a remote frame */
		keeps_marks(x);
	hears_no_echo(x);
	carries_every_length(x);
	carries_in_order(x);
	refuses_what_is_no_frame(x);
	close_ends(x);
}

static void in_process_does_its_duties(void **state)
{
	struct ends x = { 0 };

	(void)state;
	open_pair(&x);
	all_duties(&x);
}

static void socketcand_does_its_duties(void **state)
{
	struct ends x = { 0 };

	(void)state;
	open_socketcand(&x);
	all_duties(&x);
}

static void socketcan_does_its_duties(void **state)
{
	struct ends x = { 0 };

	(void)state;
	open_socketcan(&x, NULL, 0);
	all_duties(&x);
	open_socketcan(&x, feedback_only, 2);
	wants_no_others(&x);
	close_ends(&x);
}

/* ---- what not every kind can -------------------------------------------------------------------------------------------- */

static void filters_let_through_what_they_name(void **state)
{
	struct ends x = { .a = serve() };

	(void)state;
	x.b = join(x.a, feedback_only, 2);
	wants_no_others(&x);
	close_ends(&x);
}

static void errors_reach_the_other_end(void **state)
{
	const enum bus_error told[] = { BUS_ERROR_OFF, BUS_ERROR_RESTARTED, BUS_ERROR_NO_ACK, BUS_ERROR_DISTURBED, BUS_ERROR_PASSIVE };
	struct ends x;

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		(kind ? open_pair : open_socketcand)(&x);
		for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
			struct bus_event event;
			bool told_whole = kind == 1 || told[i] != BUS_ERROR_PASSIVE; /* socketcand tells the class alone */

			must(bus_report(x.a, told[i]));
			assert_int_equal(wait_event(x.b, x.a, &event), 1);
			assert_int_equal(event.error, told_whole ? told[i] : BUS_ERROR_DISTURBED);
		}
		if (kind == 0)
			assert_int_equal(bus_report(x.b, BUS_ERROR_OFF), -EOPNOTSUPP);
		close_ends(&x);
	}
}

/* What was sent before the other end vanished still comes. */
static void an_end_that_vanishes_is_noticed(void **state)
{
	struct bus_event event;
	struct ends x;

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		(kind ? open_pair : open_socketcand)(&x);
		for (uint32_t i = 0; i < 5; i++) {
			struct bus_frame f = frame_of(0x2A5, i);

			must(bus_send(x.a, &f));
		}
		must(bus_send(x.b, &(struct bus_frame){ .id = 0x155 }));
		wait_frame(x.a, NULL); /* so that a server's client is no longer spared */
		bus_destroy(x.a);
		for (uint32_t i = 0; i < 5; i++) {
			struct bus_frame f = wait_frame(x.b, NULL);

			assert_int_equal(number_of(&f), i);
		}
		assert_int_equal(wait_event(x.b, NULL, &event), -ECONNRESET);
		assert_int_equal(bus_receive(x.b, &event), -ECONNRESET);
		assert_int_equal(bus_send(x.b, &(struct bus_frame){ .id = 1 }), -ECONNRESET);
		assert_int_equal(bus_explain(x.b, -ECONNRESET, &bench_error), -ECONNRESET);
		assert_non_null(strstr(bench_error.text, bus_address(x.b)));
		assert_non_null(strstr(bench_error.text, "closed the connection"));
		bus_destroy(x.b);
	}
}

/* An end that nobody reads from takes frames until it is full, and then says so. */
static void a_full_queue_is_told(void **state)
{
	struct ends x;
	int sent = 0, rc;

	(void)state;
	open_pair(&x);
	while ((rc = bus_send(x.a, &(struct bus_frame){ .id = 1 })) == 0 && sent < 1000000)
		sent++;
	assert_int_equal(rc, -ENOBUFS);
	wait_frame(x.b, NULL);
	for (int i = 1; i < sent; i++)
		assert_int_equal(wait_frame(x.b, NULL).id, 1);
	must(bus_send(x.a, &(struct bus_frame){ .id = 2 }));
	assert_int_equal(wait_frame(x.b, NULL).id, 2);
	close_ends(&x);
}

static void words_for_troubles(void **state)
{
	struct ends x;

	(void)state;
	open_pair(&x);
	assert_int_equal(bus_explain(x.a, -ENOBUFS, &bench_error), -ENOBUFS);
	assert_non_null(strstr(bench_error.text, "acknowledges"));
	assert_int_equal(bus_explain(x.a, -ENETDOWN, &bench_error), -ENETDOWN);
	assert_non_null(strstr(bench_error.text, "can-up.sh"));
	assert_int_equal(bus_explain(x.a, -EIO, &bench_error), -EIO);
	for (int i = 0; i < BUS_ERROR_COUNT; i++)
		assert_true(strlen(bus_error_name((enum bus_error)i)) > 3);
	assert_string_equal(bus_error_name(BUS_ERROR_COUNT), "unknown");
	close_ends(&x);
	bus_destroy(NULL);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

static void refused(const char *address, bool server, int code, const char *word)
{
	const struct bus_options o = { .address = address };
	struct bus *b = NULL;
	int rc = server ? bus_serve(&b, &o, &bench_error) : bus_open(&b, &o, &bench_error);

	assert_int_equal(rc, code);
	assert_null(b);
	if (!strstr(bench_error.text, word))
		fail_msg("\"%s\" does not say \"%s\"", bench_error.text, word);
}

static void addresses_that_are_none_are_refused(void **state)
{
	const char *const none[] = { "", "can0:1", "a_name_that_is_too_long", "socketcand://", "socketcand://:29536", "socketcand://localhost",
		"socketcand://localhost:", "socketcand://localhost:x", "socketcand://localhost:65536", "socketcand://localhost:-1",
		"socketcand://localhost:29536/", "socketcand://localhost:29536/a_channel_of_17_ch", "socketcand://localhost:1/can 0",
		"socketcand://localhost:1/can0>", "socketcand://::1/can0", "tcp://localhost:1", "can 0", "127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		refused(none[i], false, -EINVAL, "allowed an interface's name (can0) or socketcand://HOST:PORT[/CHANNEL]");
		refused(none[i], true, -EINVAL, none[i]);
	}
	refused("socketcand://localhost:0", true, -EINVAL, "numbers");
	assert_int_equal(bus_check_address("socketcand://localhost:0", &bench_error), -EINVAL);
	assert_int_equal(bus_check_address("can0/x", &bench_error), -EINVAL);
	assert_int_equal(bus_check_address("can0.1", &bench_error), 0);
	assert_int_equal(bus_check_address("socketcand://[::1]:29536/can1", &bench_error), 0);
	refused("socketcand://[fe80::1%nowhere]:1", false, -ENOENT, "nowhere"); /* asks no resolver */
}

static void too_many_filters_are_refused(void **state)
{
	const struct bus_options o = { "can0", 0, feedback_only, BUS_FILTERS_MAX + 1 };
	struct bus *b = NULL;

	(void)state;
	assert_int_equal(bus_open(&b, &o, &bench_error), -EINVAL);
	assert_non_null(strstr(bench_error.text, "129 filters, allowed 128"));
}

static void an_interface_that_is_of_no_use_is_refused(void **state)
{
	int fd = socket(AF_CAN, SOCK_RAW, 1);

	(void)state;
	if (fd < 0) {
		refused("can7", false, -EAFNOSUPPORT, "modprobe can_raw");
		return;
	}
	close(fd);
	refused("nocan7", false, -ENODEV, "no such interface");
	refused("lo", true, -ENODEV, "no CAN interface");
}

static void a_taken_port_is_told(void **state)
{
	struct bus *server = serve();
	char address[64];

	(void)state;
	snprintf(address, sizeof address, "socketcand://127.0.0.1:%u", port_of_bus(server));
	refused(address, true, -EADDRINUSE, "another simulator");
	bus_destroy(server);
	refused(address, false, -ECONNREFUSED, "nobody serves there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_are_none_are_refused),
		cmocka_unit_test(too_many_filters_are_refused),
		cmocka_unit_test(an_interface_that_is_of_no_use_is_refused),
		cmocka_unit_test(a_taken_port_is_told),
		cmocka_unit_test(in_process_does_its_duties),
		cmocka_unit_test(socketcand_does_its_duties),
		cmocka_unit_test(socketcan_does_its_duties),
		cmocka_unit_test(filters_let_through_what_they_name),
		cmocka_unit_test(errors_reach_the_other_end),
		cmocka_unit_test(an_end_that_vanishes_is_noticed),
		cmocka_unit_test(a_full_queue_is_told),
		cmocka_unit_test(words_for_troubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
