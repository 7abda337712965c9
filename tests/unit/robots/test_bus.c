/* test_bus.c - what every kind of bus owes: frames arrive whole, unchanged and in order, both ways, and nobody hears himself; filters;
 * errors; ends that vanish; words for troubles. SocketCAN where this machine has it (VCAN_TEST names two ends of one bus, "vxcan0 vxcan1";
 * without, "vcan0 vcan0"). */
#include "tests/unit/robots/bus_bench.h"

#include <errno.h>

enum { FRAMES = 500 };

/* Two ends: a is what a robot has, b what drives it. */
struct ends {
	struct bus *a, *b;
};

static const struct bus_filter feedback_only[] = { { 0x2A0, 0x7F0 }, { 0x4AF, 0x7FF } };
static const struct bus_filter control_only[] = { { 0x150, 0x7F0 } };

static void open_pair(struct ends *x)
{
	must(bus_pair(&x->a, &x->b, &bench_error));
}

static void open_socketcand(struct ends *x)
{
	x->a = serve();
	x->b = join(x->a, NULL, 0);
}

static void open_socketcan(struct ends *x)
{
	const char *names = getenv("VCAN_TEST");
	char a[16] = "vcan0", b[16] = "vcan0";
	int rc;

	if (names)
		assert_int_equal(sscanf(names, "%15s %15s", a, b), 2);
	rc = bus_serve(&x->a, &(struct bus_options){ a, 0, control_only, 1 }, &bench_error);
	if (rc == -EAFNOSUPPORT || rc == -ENODEV || rc == -ENETDOWN) {
		print_message("SocketCAN: skipped: %s\n", bench_error.text);
		assert_null(names);
		skip();
	}
	must(rc);
	must(bus_open(&x->b, &(struct bus_options){ b, 0, feedback_only, 2 }, &bench_error));
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

static void all_duties(struct ends *x)
{
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
	open_socketcan(&x);
	all_duties(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_process_does_its_duties),
		cmocka_unit_test(socketcand_does_its_duties),
		cmocka_unit_test(socketcan_does_its_duties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
