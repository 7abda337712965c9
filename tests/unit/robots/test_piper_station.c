/* test_piper_station.c - the simulated PiPER in the world, and its end of the bus with what may go wrong on it.
 * In real time: a ZeroMQ context. */
#include "robots/sim/piper/link.h"
#include "robots/sim/piper/station.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zmq.h>
#include <cmocka.h>

#include "robots/model/model.h"

/* ---- in the world ---- */

static struct piper_station station;
static struct world world;
static struct world_command command;
static void *zmq_context;

static int open_station(void **unused)
{
	const struct robot_model *m = robot_model_find("piper");
	struct errbuf e;

	(void)unused;
	zmq_context = zmq_ctx_new();
	world_init(&world, &(struct world_options){ .seed = 1, .model = m });
	memset(&station, 0, sizeof station);
	return piper_station_open(&station, &(struct piper_station_options){ .address = "socketcand://127.0.0.1:0", .firmware = "S-V1.8-9",
			.faults = "inproc://faults", .model = m, .zmq_context = zmq_context }, &e);
}

static int close_station(void **unused)
{
	(void)unused;
	piper_station_close(&station);
	zmq_ctx_term(zmq_context);
	return 0;
}

static void run(uint32_t ms)
{
	for (; ms > 0; ms--) {
		piper_station_step(&station, 1, &world, &command);
		world_step(&world, &command, 1000000);
	}
}

static void say(uint32_t id, const uint8_t data[8])
{
	struct bus_frame f = { .id = id, .length = 8 };

	memcpy(f.data, data, 8);
	piper_arm_take(&station.arm, &f);
}

static void say_numbers(uint32_t id, int32_t a, int32_t b)
{
	uint32_t x = (uint32_t)a, y = (uint32_t)b;

	say(id, (const uint8_t[8]){ (uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x, (uint8_t)(y >> 24),
		(uint8_t)(y >> 16), (uint8_t)(y >> 8), (uint8_t)y });
}

static void say_gripper(uint8_t mm)
{
	uint32_t um = mm * 1000u;

	say(0x159, (const uint8_t[8]){ 0, (uint8_t)(um >> 16), (uint8_t)(um >> 8), (uint8_t)um, 3, 0xe8, 1, 0 });
}

static void get_ready(uint8_t move)
{
	say(0x471, (const uint8_t[8]){ 7, 2 });
	say(0x151, (const uint8_t[8]){ 1, move, 100 });
}

static void assert_world_shows_arm(void)
{
	for (int j = 0; j < 6; j++)
		assert_true(world.q_rad[j] == station.arm.plant.q_rad[j]);
}

static void the_world_shows_the_arm(void **unused)
{
	(void)unused;
	run(10);
	assert_world_shows_arm();
	get_ready(1);
	say_numbers(0x155, 30000, 60000);
	say_numbers(0x156, -70000, 0);
	for (int i = 0; i < 30; i++) {
		run(100);
		assert_world_shows_arm();
	}
	assert_true(fabs(world.q_rad[1] - 60.0 * 0.01745329252) < 1e-5);
	say_gripper(30);
	run(1000);
	assert_true(fabs(world.gripper_m - 0.03) < 1e-9 && fabs(station.arm.fingers.opening_m - 0.03) < 1e-9);
	say(0x471, (const uint8_t[8]){ 7, 1 }); /* it falls, seen by everybody */
	run(1000);
	assert_world_shows_arm();
	assert_true(fabs(world.q_rad[1] - 60.0 * 0.01745329252) > 0.1);
}

/* Over a block, hand down: the fingers close until they hold it, and the arm tells so. */
static void a_block_between_the_fingers(void **unused)
{
	struct frame frame[WORLD_FRAMES];

	(void)unused;
	for (int i = 0; i < WORLD_BLOCKS; i++) /* out of the way */
		world.block[i].x_m = -0.25, world.block[i].y_m = -0.5 + 0.2 * i;
	get_ready(0);
	say_numbers(0x152, 320000, 0);
	say_numbers(0x153, 137000, 180000);
	say_numbers(0x154, 0, 180000);
	run(4000);
	assert_int_equal(station.arm.state, 0);
	uint32_t n = world_frames(world.model, world.q_rad, frame);
	struct frame hand = world_hand_frame(&frame[n - 1]);

	assert_true(hand.ez.z < -0.99);
	world.block[0].x_m = hand.p.x;
	world.block[0].y_m = hand.p.y;
	world.block[0].yaw_rad = atan2(hand.ex.y, hand.ex.x);
	say_gripper(0);
	run(1500);
	for (int t = 0; t < 300; t++) {
		run(1);
		assert_true(station.arm.fingers.blocked);
	}
	assert_true(fabs(station.arm.fingers.opening_m - 2.0 * WORLD_BLOCK_HALF) < 0.003);
	assert_true(fabs(world.gripper_m - station.arm.fingers.opening_m) < 1e-9);
	say_gripper(70);
	run(1000);
	assert_false(station.arm.fingers.blocked);
	assert_true(fabs(station.arm.fingers.opening_m - 0.07) < 1e-9);
}

static void a_machine_that_stood_still(void **unused)
{
	(void)unused;
	run(5);
	uint64_t before = station.arm.now_ms;

	piper_station_step(&station, 60, &world, &command);
	assert_int_equal(station.arm.now_ms, before + 60);
	assert_int_equal(station.stood_still_ms, 0);
	piper_station_step(&station, 1000, &world, &command);
	assert_int_equal(station.arm.now_ms, before + 60 + PIPER_STEPS_MAX);
	assert_int_equal(station.stood_still_ms, 1000 - PIPER_STEPS_MAX);
}

/* ---- its end of the bus ---- */

static struct piper_link link_;
static struct bus *ours, *theirs;

static int open_link(void **unused)
{
	struct errbuf e;

	(void)unused;
	if (bus_pair(&ours, &theirs, &e) < 0)
		return -1;
	piper_link_init(&link_, ours);
	return 0;
}

static int close_link(void **unused)
{
	(void)unused;
	bus_destroy(ours);
	bus_destroy(theirs);
	return 0;
}

static void host_sends(uint32_t id)
{
	assert_int_equal(bus_send(theirs, &(struct bus_frame){ .id = id, .length = 8 }), 0);
}

/* Next id, 0 if there is none; errors negative. */
static int host_hears(void)
{
	struct bus_event ev;
	int rc = bus_receive(theirs, &ev);

	assert_true(rc >= 0);
	return rc == 0 ? 0 : ev.error != BUS_ERROR_NONE ? -(int)ev.error : (int)ev.frame.id;
}

static int arm_hears(void)
{
	struct bus_frame f;

	return piper_link_take(&link_, &f) ? (int)f.id : 0;
}

static void arm_sends(uint32_t id)
{
	piper_link_send(&link_, &(struct bus_frame){ .id = id, .length = 8 });
}

static void both_ways_in_order(void **unused)
{
	(void)unused;
	for (uint32_t i = 1; i <= 20; i++)
		host_sends(i);
	piper_link_step(&link_);
	for (int i = 1; i <= 20; i++)
		assert_int_equal(arm_hears(), i);
	assert_int_equal(arm_hears(), 0);
	for (uint32_t i = 1; i <= 20; i++)
		arm_sends(i);
	for (int i = 1; i <= 20; i++)
		assert_int_equal(host_hears(), i);
	assert_int_equal(link_.sent, 20);
}

static void lost_ones(void **unused)
{
	(void)unused;
	link_.feedback.drop = 2;
	link_.feedback.drop_id = 7;
	for (uint32_t i = 6; i <= 8; i++)
		for (int k = 0; k < 3; k++)
			arm_sends(i);
	const int want[] = { 6, 6, 6, 7, 8, 8, 8, 0 };
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		assert_int_equal(host_hears(), want[i]);
	assert_int_equal(link_.feedback.dropped, 2);
	link_.commands.drop = 1;
	host_sends(6);
	host_sends(7);
	piper_link_step(&link_);
	assert_int_equal(arm_hears(), 7);
	assert_int_equal(arm_hears(), 0);
}

static void late_ones_stay_in_order(void **unused)
{
	(void)unused;
	link_.feedback.delay_ms = link_.commands.delay_ms = 10;
	arm_sends(1);
	host_sends(1);
	piper_link_step(&link_);
	link_.feedback.delay_ms = 0; /* what comes now may not overtake */
	arm_sends(2);
	for (int t = 2; t < 10; t++) {
		piper_link_step(&link_);
		assert_int_equal(host_hears(), 0);
		assert_int_equal(arm_hears(), 0);
	}
	piper_link_step(&link_);
	assert_int_equal(host_hears(), 1);
	assert_int_equal(host_hears(), 2);
	piper_link_step(&link_);
	assert_int_equal(arm_hears(), 1);
}

static void off_the_bus(void **unused)
{
	(void)unused;
	host_sends(1);
	link_.feedback.delay_ms = 3;
	arm_sends(1);
	piper_link_bus_off(&link_, 5);
	assert_int_equal(host_hears(), -BUS_ERROR_OFF);
	for (int t = 0; t < 5; t++) {
		assert_int_equal(host_hears(), 0);
		arm_sends(2);
		host_sends(3);
		piper_link_step(&link_);
		assert_int_equal(arm_hears(), 0);
	}
	assert_int_equal(host_hears(), -BUS_ERROR_RESTARTED);
	link_.feedback.delay_ms = 0;
	arm_sends(4);
	assert_int_equal(host_hears(), 4);
	host_sends(5);
	piper_link_step(&link_);
	assert_int_equal(arm_hears(), 5);
}

static void silent_but_not_deaf(void **unused)
{
	(void)unused;
	link_.silent_ms = 2;
	arm_sends(1);
	host_sends(2);
	piper_link_step(&link_);
	assert_int_equal(arm_hears(), 2);
	arm_sends(1);
	piper_link_step(&link_);
	arm_sends(3);
	assert_int_equal(host_hears(), 3);
}

static void noise(void **unused)
{
	struct bus_event ev;
	int n = 0, extended = 0, ours_too = 0;

	(void)unused;
	link_.noise_ms = 500;
	for (int t = 0; t < 600; t++) {
		piper_link_step(&link_);
		while (bus_receive(theirs, &ev) > 0) {
			n++;
			extended += ev.frame.flags != 0;
			ours_too += !ev.frame.flags && ev.frame.id >= 0x251 && ev.frame.id <= 0x2A8;
			assert_true(ev.frame.length <= 8);
		}
	}
	assert_int_equal(n, 500);
	assert_in_range(extended, 30, 100);
	assert_in_range(ours_too, 60, 200);
	assert_int_equal(link_.refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_world_shows_the_arm, open_station, close_station),
		cmocka_unit_test_setup_teardown(a_block_between_the_fingers, open_station, close_station),
		cmocka_unit_test_setup_teardown(a_machine_that_stood_still, open_station, close_station),
		cmocka_unit_test_setup_teardown(both_ways_in_order, open_link, close_link),
		cmocka_unit_test_setup_teardown(lost_ones, open_link, close_link),
		cmocka_unit_test_setup_teardown(late_ones_stay_in_order, open_link, close_link),
		cmocka_unit_test_setup_teardown(off_the_bus, open_link, close_link),
		cmocka_unit_test_setup_teardown(silent_but_not_deaf, open_link, close_link),
		cmocka_unit_test_setup_teardown(noise, open_link, close_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
