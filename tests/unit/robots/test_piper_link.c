/* test_piper_link.c - the link's thread and a simulated PiPER on a socketcand server.
 * In real time: threads and sockets are what is tested; nothing is judged by how long it took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/sys/clock.h"
#include "robots/model/model.h"
#include "robots/piper/link.h"
#include "robots/sim/piper/arm.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

static const int64_t PATIENCE_NS = 60 * NS_PER_S;

static struct {
	struct bus *bus;
	struct piper_arm arm;
	struct piper_link *link;
	struct robot_state state;
	uint64_t stops, resumes, switches; /* frames of the link: 0x150 1, 0x150 2, 0x471 */
} bench;

static void count(const struct bus_frame *f)
{
	bench.stops += f->id == 0x150 && f->data[0] == PIPER_STOP_NOW;
	bench.resumes += f->id == 0x150 && f->data[0] == PIPER_STOP_RESUME;
	bench.switches += f->id == 0x471;
}

/* A millisecond of the arm, about. */
static void step(void)
{
	struct bus_event e;

	while (bus_receive(bench.bus, &e) > 0) {
		count(&e.frame);
		piper_arm_take(&bench.arm, &e.frame);
	}
	piper_arm_step(&bench.arm);
	for (uint32_t i = 0; i < bench.arm.out.n; i++)
		(void)!bus_send(bench.bus, &bench.arm.out.frame[i]);
	clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
}

static bool is_mode(enum arm_mode mode)
{
	piper_link_read(bench.link, clock_monotonic_ns(), &bench.state);
	return bench.state.mode == mode;
}

static void wait_for(enum arm_mode mode)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;

	while (!is_mode(mode)) {
		assert_true(clock_monotonic_ns() < end_ns);
		step();
	}
}

static int begin(void **state)
{
	struct piper_setup setup;
	struct errbuf e = { "" };

	(void)state;
	piper_setup_defaults(&setup);
	if (bus_serve(&bench.bus, &(struct bus_options){ .address = "socketcand://127.0.0.1:0" }, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(setup.address, sizeof setup.address, "%s", bus_address(bench.bus));
	assert_true(piper_arm_init(&bench.arm, &(struct piper_arm_options){ robot_model_find("piper"), "S-V1.8-9" }));
	bench.stops = bench.resumes = bench.switches = 0;
	if (piper_link_create(&bench.link, &(struct piper_link_options){ .setup = &setup, .wish = RT_OFF }, &e) < 0)
		fail_msg("%s", e.text);
	wait_for(ARM_IDLE);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	piper_link_destroy(bench.link);
	bus_destroy(bench.bus);
	return 0;
}

static void wait_for_trouble(enum piper_trouble trouble)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;

	while (bench.state.trouble != trouble) {
		assert_true(clock_monotonic_ns() < end_ns);
		step();
		(void)is_mode(ARM_IDLE);
	}
}

static void enable(void)
{
	wait_for_trouble(PIPER_TROUBLE_MOTORS_OFF);
	assert_true(piper_link_ask(bench.link, PIPER_ASK_ENABLE));
	wait_for(ARM_READY);
}

/* Nobody ticks: no command was ever written, nothing but the flag was set. */
static void emergency_stop_needs_no_control_thread(void **state)
{
	(void)state;
	enable();
	assert_int_equal(bench.stops, 0);
	piper_link_emergency_stop(bench.link);
	wait_for_trouble(PIPER_TROUBLE_EMERGENCY_STOP); /* the arm says so */
	assert_true(is_mode(ARM_ESTOP) && bench.arm.stopped && bench.stops > 0);
	assert_int_equal(bench.resumes, 0);
}

static void an_emergency_stop_comes_after_what_was_asked_before(void **state)
{
	(void)state;
	enable();
	assert_true(piper_link_ask(bench.link, PIPER_ASK_DISABLE));
	piper_link_emergency_stop(bench.link);
	wait_for_trouble(PIPER_TROUBLE_EMERGENCY_STOP); /* the arm says so */
	assert_true(bench.arm.stopped);
}

static void too_many_requests_are_refused(void **state)
{
	int taken = 0;

	(void)state;
	while (taken < 1000000 && piper_link_ask(bench.link, PIPER_ASK_DISABLE))
		taken++;
	assert_in_range(taken, 16, 999999);
}

/* The arm hangs on its last target whatever becomes of us. */
static void the_end_says_nothing(void **state)
{
	uint64_t stops, switches;

	enable();
	stops = bench.stops;
	switches = bench.switches;
	piper_link_destroy(bench.link);
	bench.link = NULL;
	for (int i = 0; i < 100; i++)
		step();
	assert_true(bench.stops == stops && bench.switches == switches && bench.resumes == 0);
	assert_int_equal(bench.arm.enabled, 63);
	assert_false(bench.arm.stopped);
	(void)state;
}

static void a_server_that_is_gone_is_lost_and_found(void **state)
{
	struct errbuf e = { "" };
	char address[256];

	(void)state;
	snprintf(address, sizeof address, "%s", bus_address(bench.bus));
	bus_destroy(bench.bus);
	bench.bus = NULL;
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;
	while (!is_mode(ARM_DISCONNECTED) || bench.state.trouble == PIPER_TROUBLE_SILENT) {
		assert_true(clock_monotonic_ns() < end_ns);
		clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
	}
	while (bus_serve(&bench.bus, &(struct bus_options){ .address = address }, &e) < 0) {
		assert_true(clock_monotonic_ns() < end_ns);
		clock_sleep_until(clock_monotonic_ns() + 10 * NS_PER_MS);
	}
	wait_for(ARM_IDLE);
	assert_int_equal(bench.switches, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(emergency_stop_needs_no_control_thread, begin, finish),
		cmocka_unit_test_setup_teardown(an_emergency_stop_comes_after_what_was_asked_before, begin, finish),
		cmocka_unit_test_setup_teardown(too_many_requests_are_refused, begin, finish),
		cmocka_unit_test_setup_teardown(the_end_says_nothing, begin, finish),
		cmocka_unit_test_setup_teardown(a_server_that_is_gone_is_lost_and_found, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
