/* test_piper_session_others.c - who else may have a PiPER's control: a person's hand, another interface, a leader arm, another program on
 * the bus, where the driver's session keeps silent; and noise, which is nobody. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

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

static void controls_that_are_not_ours(void **unused)
{
	static const struct {
		uint8_t control;
		enum arm_mode mode;
		const char *trouble;
	} rows[] = { { PIPER_STANDBY, ARM_IDLE, "standby" }, { PIPER_TEACH, ARM_GUIDING, "teaching" }, { PIPER_ETHERNET, ARM_IDLE, "other_control" },
		{ PIPER_WIFI, ARM_IDLE, "other_control" }, { PIPER_REMOTE, ARM_IDLE, "other_control" }, { PIPER_OFFLINE, ARM_IDLE, "other_control" },
		{ PIPER_LEADER, ARM_IDLE, "leader" } };

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		raise_arm("S-V1.8-9");
		arm.control = rows[i].control;
		run(100);
		assert_int_equal(state.mode, rows[i].mode);
		assert_trouble(rows[i].trouble);
		forget_said();
		run(500);
		assert_int_equal(said.frames, 0); /* it is not wrested back */
	}
}

static void a_leader_is_told_to_stop_and_nothing_else(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.flash.linkage.role = PIPER_LINKAGE_LEADER;
	piper_arm_power_cycle(&arm);
	open_bus();
	run(2000);
	assert_int_equal(session.phase, PIPER_LEADS);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("leader");
	ask(PIPER_ASK_ENABLE);
	ask(PIPER_ASK_DISABLE);
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_int_equal(said.frames, 0);
	assert_int_equal(session.counters.void_asks, 3);
	said.asked[PIPER_ASK_RESUME] = said.asked[PIPER_ASK_DISABLE] = said.asked[PIPER_ASK_ENABLE] = false;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(11000);
	assert_true(said.count[0x150] > 0);
	assert_int_equal(said.frames, said.count[0x150]);
	assert_trouble("leader");
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	arm.flash.linkage.role = PIPER_LINKAGE_FOLLOWER;
	piper_arm_power_cycle(&arm);
	run(2000);
	assert_trouble("motors_off");
}

/* A leader on the same bus, or another program: two of one id with different data would disturb the bus. */
static void another_host_has_the_bus(void **unused)
{
	static const struct piper_message words[] = {
		{ .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_J, .speed_percent = 100 } },
		{ .kind = PIPER_JOINT_TARGET, .index = 1 },
		{ .kind = PIPER_POSE_TARGET, .index = 2 },
		{ .kind = PIPER_GRIPPER_TARGET, .gripper_target = { .bits = 1 } },
		{ .kind = PIPER_ENABLE, .enable = { 7, 2 } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		raise_arm("S-V1.8-9");
		take(&words[i]);
		run(5);
		assert_int_equal(state.mode, ARM_IDLE);
		assert_trouble("other_host");
		forget_said();
		run(980);
		assert_int_equal(said.frames, 0);
		run(100);
		assert_int_equal(state.mode, ARM_READY);
		assert_true(distance_rad(raised) < 0.01);
	}
	raise_arm("S-V1.8-9");
	take(&(struct piper_message){ .kind = PIPER_FIRMWARE_QUERY }); /* questions command nothing */
	take(&(struct piper_message){ .kind = PIPER_LIMIT_QUERY, .limit_query = { 1, 1 } });
	run(5);
	assert_int_equal(state.mode, ARM_READY);
}

static void a_stop_is_said_whoever_has_the_bus(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	take(&(struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = 1 });
	run(5);
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(50);
	assert_true(arm.stopped);
}

/* What the operator asked for is not done long after, when the others are gone. */
static void nothing_asked_for_is_put_off(void **unused)
{
	static const enum piper_ask asks[] = { PIPER_ASK_DISABLE, PIPER_ASK_RESUME, PIPER_ASK_ENABLE };

	(void)unused;
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		if (asks[i] == PIPER_ASK_ENABLE)
			connect_arm("S-V1.8-9");
		else
			raise_arm("S-V1.8-9");
		ask(asks[i]);
		take(&(struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = 1 });
		said.asked[asks[i]] = false;
		run(2000);
		assert_int_equal(state.mode, asks[i] == PIPER_ASK_ENABLE ? ARM_IDLE : ARM_READY);
		assert_int_equal(said.count[0x150] + said.count[0x471], 0);
	}
}

/* Two statuses by turns, as of several errors at once, are no reason to wait for ever, nor to move. */
static void a_status_that_wavers(void **unused)
{
	static const uint8_t states[][2] = { { PIPER_ARM_NORMAL, PIPER_ARM_OTHER }, { PIPER_ARM_OTHER, PIPER_ARM_CONTROLLER_HOT },
		{ PIPER_ARM_NORMAL, PIPER_ARM_EMERGENCY_STOP } };

	(void)unused;
	for (size_t n = 0; n < sizeof states / sizeof *states; n++) {
		raise_arm("S-V1.8-9");
		bus.lose_id = 0x2A1;
		bus.lose = UINT32_MAX;
		for (int i = 0; i < 200; i++) {
			take(&(struct piper_message){ .kind = PIPER_STATUS, .status = { .control = PIPER_CAN, .state = states[n][i % 2], .move = PIPER_MOVE_J } });
			run(5);
			assert_true(i < 30 || state.mode != ARM_READY);
		}
		forget_said();
		ask(PIPER_ASK_RESUME);
		run(1);
		assert_int_equal(said.last[0x150][0], 2);
		bus.lose = 0;
		run(1000);
		assert_trouble("motors_off");
		assert_int_equal(said.count[0x155], 0);
	}
}

/* Nor is anything known of an arm of which no status can be understood: it is told all the same. */
static void a_stop_is_said_to_an_arm_that_another_host_drives_unheard(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	control.drives = false;
	bus.lose_id = 0x2A1;
	bus.lose = UINT32_MAX;
	for (int i = 0; i < 60; i++) {
		take(&(struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = 1 });
		run(10);
	}
	assert_int_equal(session.phase, PIPER_LEADS);
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(20);
	assert_true(arm.stopped);
	assert_int_equal(session.counters.void_asks, 0);
}

/* What was asked for before somebody else took the arm is not done after they pause: by then they hold it up. */
static void what_another_host_interrupts_does_not_go_on(void **unused)
{
	static const enum piper_ask asks[] = { PIPER_ASK_DISABLE, PIPER_ASK_RESUME };

	(void)unused;
	for (uint32_t i = 0; i < 2 * sizeof asks / sizeof *asks; i++) {
		raise_arm("S-V1.8-9");
		control.drives = false;
		bus.lose_said_id = asks[i / 2] == PIPER_ASK_DISABLE ? 0x471 : 0x150;
		bus.lose_said = UINT32_MAX;
		ask(asks[i / 2]);
		run(i % 2 ? 0 : 20); /* or in the very turn in which the other is heard */
		for (int ms = 0; ms < 5000; ms += 100) {
			take(&(struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = 1 });
			run(100);
		}
		bus.lose_said = 0;
		memset(said.asked, 0, sizeof said.asked); /* not once more */
		run(5000);
		assert_int_equal(arm.enabled, 0x3F);
		assert_int_equal(state.mode, ARM_READY);
	}
}

/* To the arm, and heard by us: as another program on the bus says it. */
static void both_hear(const struct piper_message *m)
{
	struct bus_frame f;

	assert_true(piper_put(&session.feedback.dialect, m, &f));
	piper_arm_take(&arm, &f);
	take(m);
}

static void tells_limits(int16_t min_ddeg, int16_t max_ddeg)
{
	both_hear(&(struct piper_message){ .kind = PIPER_LIMITS_SET, .limits = { .joint = 2, .min_ddeg = min_ddeg, .max_ddeg = max_ddeg, .speed_raw = 3000 } });
	run(5);
	both_hear(&(struct piper_message){ .kind = PIPER_LIMIT_QUERY, .limit_query = { 2, PIPER_QUERY_LIMITS } });
}

/* What an arm is held at is not brought into a range that another program has set: nobody has commanded a motion. */
static void limits_that_are_set_move_nothing(void **unused)
{
	(void)unused;
	for (int told = 0; told < 2; told++) {
		raise_arm("S-V1.8-9");
		control.drives = false;
		if (told)
			tells_limits(0, 300); /* J2 is held at 57 degrees */
		else /* the setting itself was not heard */
			arm.flash.limits[1].max_ddeg = 300, session.feedback.limits[1].max_ddeg = 300;
		run(3000);
		assert_true(distance_rad(raised) < 0.01);
		assert_int_equal(state.mode, ARM_IDLE);
		assert_trouble(told ? "outside_limits" : "limits_changed");
		assert_true(said.step_max_rad < 0.001);
		forget_said();
		run(1000);
		assert_int_equal(said.count[0x155] + said.count[0x471] + said.count[0x150], 0);
		if (told)
			tells_limits(0, 1950);
		else
			arm.flash.limits[1].max_ddeg = 1950, session.feedback.limits[1].max_ddeg = 1950;
		run(2000);
		assert_int_equal(state.mode, ARM_READY);
		assert_true(distance_rad(raised) < 0.01);
		assert_int_equal(said.count[0x471], 0);
	}
}

/* Its angles are others all at once; what it holds is where it stands, by whatever name. */
static void a_zero_that_is_set_moves_nothing(void **unused)
{
	const struct piper_message zero = { .kind = PIPER_JOINT_SET, .joint_set = { .joint = 1, .zero = PIPER_CONFIRM, .acceleration_raw = PIPER_KEEP } };
	struct bus_frame f;

	(void)unused;
	for (int heard = 0; heard < 2; heard++) {
		raise_arm("S-V1.8-9");
		control.drives = false;
		const double before_rad = arm.plant.q_rad[0];

		assert_true(piper_put(&session.feedback.dialect, &zero, &f));
		piper_arm_take(&arm, &f);
		if (heard)
			take(&zero);
		run(20);
		assert_false(state.engaged);
		run(3000);
		assert_true(fabs(arm.plant.q_rad[0] - before_rad) < 0.01);
		assert_int_equal(state.mode, ARM_READY);
		assert_true(state.engaged);
		assert_true(fabs(state.q_rad[0]) < 0.01);
	}
}

/* Frames from nowhere, one in each millisecond for ten seconds, as the simulated arm makes them: the arm goes where it is told. */
static void noise_stops_nothing(void **unused)
{
	uint64_t r = 88172645463325252u;

	(void)unused;
	raise_arm("S-V1.8-9");
	for (int i = 0; i < 10000; i++) {
		struct bus_frame f = { .length = 8 };

		r ^= r << 13, r ^= r >> 7, r ^= r << 17; /* xorshift64 */
		f.id = r >> 60 < 4 ? 0x251 + (uint32_t)(r >> 32) % (0x2A9 - 0x251) : (uint32_t)(r >> 32) & BUS_ID_MAX;
		f.length = (r >> 56 & 7) == 0 ? 8 : (uint8_t)(r >> 50 & 7);
		r *= 0x2545F4914F6CDD1Du;
		memcpy(f.data, &r, f.length);
		piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = f });
		run(1);
		assert_int_equal(state.mode, ARM_READY);
		assert_true(state.engaged);
		control.goal_rad[0] = i / 2500 % 2 ? 0.8 : -0.8;
	}
	assert_int_equal(state.generation, 1);
	assert_true(fabs(state.q_rad[0] - 0.8) < 0.01);
	assert_true(said.step_max_rad <= 0.0105);
	assert_true(session.feedback.counters.unknown > 1000 && session.feedback.counters.odd > 1 && session.feedback.counters.wild > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_that_are_not_ours),
		cmocka_unit_test(a_leader_is_told_to_stop_and_nothing_else),
		cmocka_unit_test(another_host_has_the_bus),
		cmocka_unit_test(a_stop_is_said_whoever_has_the_bus),
		cmocka_unit_test(nothing_asked_for_is_put_off),
		cmocka_unit_test(a_status_that_wavers),
		cmocka_unit_test(a_stop_is_said_to_an_arm_that_another_host_drives_unheard),
		cmocka_unit_test(what_another_host_interrupts_does_not_go_on),
		cmocka_unit_test(limits_that_are_set_move_nothing),
		cmocka_unit_test(a_zero_that_is_set_moves_nothing),
		cmocka_unit_test(noise_stops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
