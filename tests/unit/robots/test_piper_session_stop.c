/* test_piper_session_stop.c - what stops a PiPER: emergency stops, errors of each kind, motors off, loss of power; and that nothing but an operator's request ever switches, stops or resumes. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

static void take(const struct piper_message *m)
{
	struct bus_frame f;

	assert_true(piper_put(&session.feedback.dialect, m, &f));
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = f });
}

/* ---- nothing by itself ---- */

/* The bench asserts at every frame that what switches, stops and resumes was asked for: here nothing ever is, whatever happens. */
static void nothing_is_switched_that_nobody_asked_for(void **unused)
{
	uint32_t r = 1;

	(void)unused;
	raise_arm("S-V1.8-9");
	memset(said.asked, 0, sizeof said.asked);
	for (int i = 0; i < 600; i++) {
		r = r * 1664525u + 1013904223u;
		switch (r >> 24 & 15) {
		case 0: piper_arm_fail_joint(&arm, r >> 16 & 3, 1u << (r >> 8 & 7) & 0xBF, r & 1); break;
		case 1: piper_arm_emergency_stop(&arm); break;
		case 2: piper_arm_power_cycle(&arm); break;
		case 3: bus.arm_mute = !bus.arm_mute; break;
		case 4: bus.lose_id = 0x2A0 + (r >> 16 & 7), bus.lose = r >> 10 & 31; break;
		case 5: arm.control = r >> 16 & 7; break;
		case 6: arm.enabled = r >> 16 & 0x3F; break;
		case 7: arm.enabled = 0x3F, arm.control = PIPER_CAN, arm.stopped = false; break;
		case 8: bus.code = r >> 16 & 1 ? -ENOBUFS : 0; break;
		case 9: piper_session_closed(&session, -ECONNRESET, now_ns); break;
		case 10: open_bus(); break;
		case 11: for (uint32_t j = 0; j < 6; j++) piper_arm_fail_joint(&arm, j, 0, false); break;
		case 12: control.command.q_rad[r >> 16 & 3] += 0.5; break;
		default: break;
		}
		run(r >> 18 & 127);
	}
	assert_int_equal(said.count[0x150] + said.count[0x471], 0);
	assert_true(session.counters.connects > 5);
	assert_true(session.counters.targets > 100);
}

static void its_end_says_nothing(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_session_closed(&session, 0, now_ns);
	run(100);
	assert_int_equal(said.frames, 0);
	assert_int_equal(arm.enabled, 0x3F);
}

/* ---- emergency stop ---- */

static void emergency_stop(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	go((const double[6]){ 1.2, 1.0, -1.2, 0.3, 0.5, -0.7 }, 300);
	forget_said();
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(1);
	assert_int_equal(said.count[0x150], 1);
	assert_int_equal(said.last[0x150][0], 1);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("stopping");
	run(30);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("emergency_stop");
	assert_true(reports("emergency_stop"));
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0); /* nothing, until somebody asks */
	assert_true(arm.stopped);
	ask(PIPER_ASK_ENABLE); /* not out of a stop */
	run(500);
	assert_int_equal(said.frames, 0);
}

static void a_stop_that_gets_lost_is_said_again(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x150;
	bus.lose_said = 15;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(400);
	assert_false(arm.stopped);
	assert_int_equal(said.count[0x155], 0);
	assert_trouble("stopping");
	run(1000);
	assert_true(arm.stopped);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
	assert_int_equal(said.count[0x150], 16);
}

/* An arm that is not heard may hear. */
static void a_stop_is_said_to_a_silent_arm(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.arm_mute = true;
	run(1000);
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(50);
	assert_true(arm.stopped);
	run(1000);
	assert_in_range(said.count[0x150], 15, 25);
	bus.arm_mute = false;
	run(500);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
	raise_arm("S-V1.8-9");
	bus.off = bus.arm_mute = true;
	run(1000);
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(11000);
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0); /* it is off: not stopped when it is switched on some day */
	assert_trouble("silent");
}

/* Nobody expects a stop of long ago. */
static void a_stop_waits_for_the_bus_for_ten_seconds(void **unused)
{
	(void)unused;
	for (int late = 0; late < 3; late++) {
		raise_arm("S-V1.8-9");
		piper_session_closed(&session, -ENODEV, now_ns);
		run(10);
		ask(PIPER_ASK_EMERGENCY_STOP);
		run(late == 1 ? 10500 : 5000);
		now_ns += late == 2 ? 5500 * MS : 0; /* opening may take long, and nothing is asked meanwhile */
		open_bus();
		run(500);
		assert_int_equal(arm.stopped, !late);
		assert_int_equal(state.mode, late ? ARM_READY : ARM_ESTOP);
	}
}

/* The bus is there, the arm is not: ten seconds after anybody can have heard it the stop is one of long ago too. */
static void a_stop_waits_for_a_silent_arm_for_ten_seconds(void **unused)
{
	(void)unused;
	for (int late = 0; late < 2; late++) {
		raise_arm("S-V1.8-9");
		bus.arm_mute = bus.arm_deaf = true;
		run(1000);
		ask(PIPER_ASK_EMERGENCY_STOP);
		run(late ? 10500 : 9500);
		bus.arm_mute = bus.arm_deaf = false;
		forget_said();
		said.asked[PIPER_ASK_EMERGENCY_STOP] = !late;
		run(500);
		assert_int_equal(arm.stopped, !late);
		assert_int_equal(state.mode, late ? ARM_READY : ARM_ESTOP);
	}
	raise_arm("S-V1.8-9"); /* one that is heard and does not obey is told for as long as that lasts */
	bus.arm_deaf = true;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(15000);
	bus.arm_deaf = false;
	run(200);
	assert_true(arm.stopped);
}

/* Statuses are counted anew from there on: how many had come before says nothing. */
static void a_stop_is_believed_on_a_new_bus(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	run(20000);
	bus.arm_deaf = bus.arm_mute = true;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(30);
	piper_session_closed(&session, -ECONNRESET, now_ns);
	run(500);
	bus.arm_deaf = bus.arm_mute = false;
	open_bus();
	run(500);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
}

static void a_stop_at_the_arm(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_arm_emergency_stop(&arm);
	run(20);
	assert_int_equal(state.mode, ARM_ESTOP);
	forget_said();
	run(500);
	assert_int_equal(said.frames, 0);
}

static void a_stop_while_it_is_being_enabled(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	ask(PIPER_ASK_ENABLE);
	run(30);
	assert_int_equal(session.phase, PIPER_ENABLES);
	ask(PIPER_ASK_EMERGENCY_STOP);
	forget_said();
	run(500);
	assert_true(arm.stopped);
	assert_int_equal(said.count[0x471] + said.count[0x155], 0);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
}

/* Nor does it go on being enabled after something went wrong meanwhile. */
static void an_error_while_it_is_being_enabled(void **unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++) {
		connect_arm("S-V1.8-9");
		arm.deaf = 0x3F;
		ask(PIPER_ASK_ENABLE);
		run(2);
		assert_int_equal(session.phase, PIPER_ENABLES);
		if (i == 0)
			piper_arm_fail_joint(&arm, 3, PIPER_MOTOR_HOT, false);
		arm.control = i == 1 ? PIPER_TEACH : arm.control;
		bus.arm_mute = i == 2;
		run(250);
		assert_int_not_equal(session.phase, PIPER_ENABLES);
		piper_arm_fail_joint(&arm, 3, 0, false);
		arm.control = PIPER_STANDBY;
		bus.arm_mute = false;
		said.asked[PIPER_ASK_ENABLE] = false;
		run(1000);
		assert_int_equal(session.phase, PIPER_OFF);
		assert_int_equal(said.count[0x151], 0);
	}
}

/* A status that changes all the time is waited for; the stop that was taken back is not said any more. */
static void a_stop_taken_back_while_the_arm_wavers(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x150;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(50);
	said.asked[PIPER_ASK_EMERGENCY_STOP] = false;
	ask(PIPER_ASK_RESUME);
	for (int i = 0; i < 100; i++) {
		arm.control = i % 2 ? PIPER_CAN : PIPER_STANDBY;
		run(5);
	}
	bus.lose_said = 0;
	run(1000);
	assert_trouble("motors_off");
}

/* ---- motors off ---- */

static void disable(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x471;
	bus.lose_said = 8;
	ask(PIPER_ASK_DISABLE);
	run(1);
	assert_trouble("disabling");
	run(700);
	assert_int_equal(arm.enabled, 0);
	assert_false(arm.fingers.enabled);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("motors_off");
	assert_int_equal(said.last[0x471][1], 1);
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
}

static void a_motor_that_does_not_go_off(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x471;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_DISABLE);
	run(10500);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("not_disabled");
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0); /* the operator wants it off: it is not held on */
}

/* ---- what goes wrong at the arm ---- */

static void each_error_of_each_joint(void **unused)
{
	static const struct {
		uint8_t bits;
		const char *name, *trouble;
	} rows[] = {
		{ PIPER_MOTOR_UNDERVOLTAGE, "undervoltage", "joint_error" }, { PIPER_MOTOR_HOT, "hot", "joint_error" },
		{ PIPER_MOTOR_OVERCURRENT, "overcurrent", "joint_error" }, { PIPER_MOTOR_DRIVER_HOT, "hot", "joint_error" },
		{ PIPER_MOTOR_COLLISION, "collision", "collision" }, { PIPER_MOTOR_DRIVER, "driver", "joint_error" },
		{ PIPER_MOTOR_STALLED, "stalled", "joint_error" },
	};
	char name[32];

	(void)unused;
	for (uint32_t j = 0; j < 6; j++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			hold_arm("S-V1.8-9");
			piper_arm_fail_joint(&arm, j, rows[i].bits, false);
			run(60);
			assert_int_equal(state.mode, ARM_REFLEX);
			assert_trouble(rows[i].trouble);
			snprintf(name, sizeof name, "joint_%u_%s", j + 1, rows[i].name);
			assert_true(reports(name));
			forget_said();
			run(200);
			assert_int_equal(said.frames, 0);
		}
}

static void a_joint_that_the_arm_does_not_hear(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_arm_fail_joint(&arm, 4, 0, true);
	run(30);
	assert_int_equal(state.mode, ARM_REFLEX);
	assert_trouble("communication_error");
	assert_true(reports("joint_5_communication"));
	assert_int_equal(state.trouble, PIPER_TROUBLE_COMMUNICATION_ERROR);
	run(1000);
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_trouble("motors_off");
}

/* After it went away by itself the arm is held where it is, and nothing jumps. */
static void an_error_that_goes_away(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_arm_fail_joint(&arm, 1, PIPER_MOTOR_UNDERVOLTAGE, false);
	run(300);
	assert_int_equal(state.mode, ARM_REFLEX);
	piper_arm_fail_joint(&arm, 1, 0, false);
	run(300);
	assert_int_equal(state.mode, ARM_READY);
	assert_int_equal(said.count[0x471] + said.count[0x150], 0);
	assert_true(distance_rad(state.q_d_rad) < 0.01);
}

/* One frame is no error: it may be noise. Two are. */
static void noise_is_no_error(void **unused)
{
	struct piper_message m = { .kind = PIPER_MOTOR_SLOW, .index = 2, .slow = { .bits = 0xFF } };
	const struct piper_message stop = { .kind = PIPER_STATUS, .status = { .control = PIPER_CAN, .state = PIPER_ARM_EMERGENCY_STOP, .move = PIPER_MOVE_J } };

	(void)unused;
	raise_arm("S-V1.8-9");
	for (int i = 0; i < 50; i++) {
		m.slow.bits = i % 2 ? 0xFF : 0;
		take(&m);
		take(&stop);
		run(35);
		assert_int_equal(state.mode, ARM_READY);
	}
	assert_true(said.count[0x157] > 100);
}

static void arm_states(void **unused)
{
	static const struct {
		uint8_t state;
		enum arm_mode mode;
		const char *trouble;
	} rows[] = {
		{ PIPER_ARM_NO_SOLUTION, ARM_READY, "" }, { PIPER_ARM_SINGULARITY, ARM_READY, "" },
		{ PIPER_ARM_TARGET_LIMIT, ARM_READY, "target_refused" }, { PIPER_ARM_BRAKE, ARM_REFLEX, "arm_error" },
		{ PIPER_ARM_COLLISION, ARM_REFLEX, "collision" }, { PIPER_ARM_TEACH_OVERSPEED, ARM_REFLEX, "arm_error" },
		{ PIPER_ARM_JOINT_STATE, ARM_REFLEX, "joint_error" }, { PIPER_ARM_OTHER, ARM_REFLEX, "arm_error" },
		{ PIPER_ARM_CONTROLLER_HOT, ARM_REFLEX, "arm_error" }, { PIPER_ARM_RESISTOR_HOT, ARM_REFLEX, "arm_error" },
		{ PIPER_ARM_TEACH_RECORD, ARM_GUIDING, "teaching" }, { PIPER_ARM_TEACH_EXECUTE, ARM_GUIDING, "teaching" },
		{ PIPER_ARM_JOINT_COMMUNICATION, ARM_REFLEX, "communication_error" },
	};

	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_id = 0x2A1;
	bus.lose = UINT32_MAX;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct piper_message m = { .kind = PIPER_STATUS, .status = { .control = PIPER_CAN, .state = rows[i].state, .move = PIPER_MOVE_J } };

		for (int n = 0; n < 20; n++) {
			take(&m);
			run(5);
		}
		assert_int_equal(state.mode, rows[i].mode);
		assert_trouble(rows[i].trouble);
	}
}

/* piper_sdk issues 119, 120: what the arm says of its joints runs away from what their motors say. */
static void joints_that_differ_from_their_motors(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_id = 0x252;
	bus.lose = UINT32_MAX;
	for (int i = 0; i < 100; i++) {
		const struct piper_message m = { .kind = PIPER_MOTOR_FAST, .index = 1, .fast = { .position_mrad = (int32_t)lround(raised[1] * 1e3) - 2 * i } };

		take(&m);
		run(5);
	}
	assert_int_equal(state.mode, ARM_REFLEX);
	assert_trouble("joints_differ");
	bus.lose = 0;
	run(1000);
	assert_int_equal(state.mode, ARM_REFLEX); /* not believed again by itself */
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_trouble("motors_off");
}

/* One document gives the motors' positions in radians: nothing can be compared then. */
static void motors_that_tell_whole_radians(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.lose_id = 0x252;
	bus.lose = UINT32_MAX;
	open_bus();
	for (int i = 0; i < 60; i++) {
		arm.plant.q_rad[1] = 1.0; /* the others at rest, at 0 */
		arm.plant.dq_rad_s[1] = 0;
		take(&(struct piper_message){ .kind = PIPER_MOTOR_FAST, .index = 1, .fast = { .position_mrad = 1 } });
		run(5);
		assert_int_not_equal(state.mode, ARM_REFLEX);
	}
	assert_int_equal(session.phase, PIPER_OFF);
}

/* Joints of which one frame got lost are old, not wrong: the arm is driven on once they are whole again. */
static void lost_joints_are_no_difference(void **unused)
{
	static const uint32_t ids[] = { 0x2A5, 0x2A6, 0x2A7, 0x251 };

	(void)unused;
	for (size_t i = 0; i < 4 * sizeof ids / sizeof *ids; i++) {
		raise_arm("S-V1.8-9");
		setup.speed_percent = 100;
		control.speed_rad_s = 2.0;
		go((const double[6]){ 1.7, 1.0, -1.2, 0.3, 0.5, -0.7 }, 300);
		bus.lose_id = ids[i / 4];
		bus.lose = 25 + 4 * (uint32_t)(i % 4);
		run(bus.lose * 5 + 100);
		assert_false(session.differs);
		assert_int_equal(state.mode, ARM_READY);
	}
}

static void motions_are_no_difference(void **unused)
{
	(void)unused;
	hold_arm("S-V1.8-9");
	control.speed_rad_s = 2.0;
	go(raised, 2000);
	go((const double[6]){ -2.0, 2.0, -0.5, -1.0, -1.0, 2.0 }, 3000);
	assert_int_equal(state.mode, ARM_READY);
	assert_false(session.differs);
}

/* ---- power ---- */

static void a_power_cycle_too_short_to_be_missed(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_arm_power_cycle(&arm);
	run(100);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_int_equal(state.generation, 2);
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	assert_trouble("motors_off");
}

static void off_for_a_while(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.off = true;
	run(1000);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	piper_arm_power_cycle(&arm);
	bus.off = false;
	run(500);
	assert_trouble("motors_off");
	assert_int_equal(state.generation, 2);
}

static void one_motor_off(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	arm.enabled &= (uint8_t)~4u;
	run(100);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("motor_lost");
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	ask(PIPER_ASK_ENABLE); /* the others stay on */
	run(300);
	assert_int_equal(said.last[0x471][0], 3);
	assert_int_equal(said.count[0x471], 1);
	assert_int_equal(state.mode, ARM_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_switched_that_nobody_asked_for),
		cmocka_unit_test(its_end_says_nothing),
		cmocka_unit_test(emergency_stop),
		cmocka_unit_test(a_stop_that_gets_lost_is_said_again),
		cmocka_unit_test(a_stop_is_said_to_a_silent_arm),
		cmocka_unit_test(a_stop_waits_for_the_bus_for_ten_seconds),
		cmocka_unit_test(a_stop_waits_for_a_silent_arm_for_ten_seconds),
		cmocka_unit_test(a_stop_is_believed_on_a_new_bus),
		cmocka_unit_test(a_stop_at_the_arm),
		cmocka_unit_test(a_stop_while_it_is_being_enabled),
		cmocka_unit_test(an_error_while_it_is_being_enabled),
		cmocka_unit_test(a_stop_taken_back_while_the_arm_wavers),
		cmocka_unit_test(disable),
		cmocka_unit_test(a_motor_that_does_not_go_off),
		cmocka_unit_test(each_error_of_each_joint),
		cmocka_unit_test(a_joint_that_the_arm_does_not_hear),
		cmocka_unit_test(an_error_that_goes_away),
		cmocka_unit_test(noise_is_no_error),
		cmocka_unit_test(arm_states),
		cmocka_unit_test(joints_that_differ_from_their_motors),
		cmocka_unit_test(motors_that_tell_whole_radians),
		cmocka_unit_test(lost_joints_are_no_difference),
		cmocka_unit_test(motions_are_no_difference),
		cmocka_unit_test(a_power_cycle_too_short_to_be_missed),
		cmocka_unit_test(off_for_a_while),
		cmocka_unit_test(one_motor_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
