/* What is asked of a Franka once it is connected: its settings, motions, recovery, and asks that come at the wrong time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/franka/session.h"
#include "robots/franka/settings.h"

#include <cmocka.h>

#include "tests/unit/robots/franka_session_bench.h"

/* ---- states and settings ----------------------------------------------------------------------------------------------------- */

static void test_no_states(void **context)
{
	(void)context;
	fresh("fr3");
	listen_to(9);
	assert_int_equal(session.trouble, FRANKA_TROUBLE_CONNECTING);
	pass();
	assert_left(FRANKA_TROUBLE_NO_STATES);
	expect(FRANKA_EVENT_CLOSED);
	listen_to(9);
	assert_int_equal(session.trouble, FRANKA_TROUBLE_NO_STATES); /* until they come */
	assert_int_equal(session.generation, 2);
}

static void assert_reals(size_t at, const double *want, size_t n)
{
	assert_memory_equal(asked + at, want, n * sizeof *want);
}

static void test_settings_of_protocol_5(void **context)
{
	static const double collision[52] = { 30, 20, 20, 20, 20, 20, 20, 20, 31, 20, 20, 20, 20, 20, 10, 10, 10, 34, 10, 10, 10,
		10, 10, 10, 10, 35, 10, 10, 20, 20, 32, 20, 20, 20, 20, 20, 20, 20, 20, 33, 36, 10, 10, 10, 10, 10, 10, 37, 10, 10, 10, 10 };
	static const double identity[16] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
	/* SetJointImpedance as libfranka 0.9.2 sends it. */
	static const uint8_t impedance[56] = { 0, 0, 0, 0, 0, 0x70, 0xa7, 0x40, 0, 0, 0, 0, 0, 0x70, 0xa7, 0x40, 0, 0, 0, 0, 0, 0x70, 0xa7, 0x40,
		0, 0, 0, 0, 0, 0x88, 0xa3, 0x40, 0, 0, 0, 0, 0, 0x88, 0xa3, 0x40, 0, 0, 0, 0, 0, 0x40, 0x9f, 0x40, 0, 0, 0, 0, 0, 0x40, 0x9f, 0x40 };

	(void)context;
	fresh("panda");
	setup.load_kg = 0.5;
	setup.load_com_m[2] = 0.04;
	setup.load_inertia_kg_m2[8] = 0.001;
	setup.acceleration.lower_torque_nm[0] = 30;
	setup.acceleration.upper_torque_nm[1] = 31;
	setup.acceleration.lower_force_n[2] = 32;
	setup.acceleration.upper_force_n[5] = 33;
	setup.nominal.lower_torque_nm[3] = 34;
	setup.nominal.upper_torque_nm[4] = 35;
	setup.nominal.lower_force_n[0] = 36;
	setup.nominal.upper_force_n[1] = 37;
	listen_to(5);
	ask(FRANKA_ASK_CONFIGURE);
	request_of(4);
	assert_int_equal(asked_bytes, 428);
	assert_reals(0, collision, 52);
	assert_int_equal(session.n_out, 0); /* one at a time */
	answer(0);
	request_of(5);
	assert_int_equal(asked_bytes, 68);
	assert_memory_equal(asked, impedance, sizeof impedance);
	answer(0);
	request_of(6);
	assert_reals(0, (const double[]){ 3000, 3000, 3000, 300, 300, 300 }, 6);
	answer(0);
	request_of(9);
	assert_int_equal(asked_bytes, 140);
	answer(0);
	request_of(8);
	assert_reals(0, identity, 16);
	answer(0);
	request_of(10);
	assert_int_equal(asked_bytes, 116);
	assert_reals(0, (const double[]){ 0.5, 0, 0, 0.04, 0, 0, 0, 0, 0, 0, 0, 0, 0.001 }, 13);
	assert_int_equal(session.n_events, 0);
	answer(0);
	assert_int_equal(session.event[0].version, 5);
	expect(FRANKA_EVENT_OPENED);
}

static void test_numbers_of_every_protocol(void **context)
{
	static const uint32_t numbers[2][FRANKA_SETTINGS] = { { 4, 5, 6, 9, 8, 10 }, { 3, 4, 5, 8, 7, 9 } };

	(void)context;
	for (uint16_t version = 5; version <= 10; version++) {
		fresh(version == 5 ? "panda" : version == 10 ? "fr3_5.9" : "fr3");
		session.version = version;
		listen_to(version);
		ask(FRANKA_ASK_CONFIGURE);
		for (int i = 0; i < FRANKA_SETTINGS; i++) {
			request_of(numbers[version > 5][i]);
			assert_int_equal(asked_id, i + 1);
			answer(0);
		}
		expect(FRANKA_EVENT_OPENED);
		ask(FRANKA_ASK_MOVE);
		request_of(1);
		assert_int_equal(asked_bytes, version == 10 ? 125 : 68);
		ask(FRANKA_ASK_STOP_MOVE);
		request_of(2);
		ask(FRANKA_ASK_RECOVER);
		request_of(version == 5 ? 12 : 10);
		assert_int_equal(asked_bytes, 12);
	}
}

static void test_a_refused_setting_is_named_and_tried_again(void **context)
{
	static const char *const names[FRANKA_SETTINGS] = { "SetCollisionBehavior (robots[].franka.collision_torque_nm and collision_force)",
		"SetJointImpedance (robots[].franka.joint_impedance_nm_rad)", "SetCartesianImpedance (robots[].franka.cartesian_impedance)",
		"SetNEToEE (robots[].tcp)", "SetEEToK (its stiffness frame, which becomes the TCP)", "SetLoad (robots[].franka.load.*)" };

	(void)context;
	for (int refused = 0; refused < FRANKA_SETTINGS; refused++) {
		fresh("fr3");
		listen_to(9);
		ask(FRANKA_ASK_CONFIGURE);
		for (int i = 0; i < refused; i++) {
			assert_true(take_request());
			answer(0);
		}
		for (int again = 0; again < 5; again++) {
			assert_true(take_request());
			uint32_t command = asked_command;

			answer(again < 2 ? 2 : 1);
			assert_int_equal(session.phase, FRANKA_SESSION_SET);
			assert_int_equal(session.trouble, FRANKA_TROUBLE_SETTING_REFUSED);
			assert_int_equal(notes(), again == 0 || again == 2);
			assert_said(names[refused]);
			assert_said(again < 2 ? "invalid argument" : "not possible in the present mode");
			int64_t from = now;

			pass();
			assert_int_equal(now - from, 1000 * ms);
			assert_int_equal(get_u32(session.out), command);
		}
		for (int i = refused; i < FRANKA_SETTINGS; i++) {
			assert_int_equal(session.n_events, 0);
			assert_true(take_request());
			answer(0);
		}
		expect(FRANKA_EVENT_OPENED);
		assert_int_equal(session.trouble, FRANKA_TROUBLE_NONE);
	}
}

static void multiply(const double a[16], const double b[16], double out[16])
{
	for (int row = 0; row < 4; row++)
		for (int column = 0; column < 4; column++) {
			out[4 * column + row] = 0;
			for (int k = 0; k < 4; k++)
				out[4 * column + row] += a[4 * k + row] * b[4 * column + k];
		}
}

static void test_the_end_effector_becomes_the_tcp(void **context)
{
	const double half = 0.70710678118654752, exact[16] = { half, -half, 0, 0, half, half, 0, 0, 0, 0, 1, 0, 0, 0, 0.1034, 1 };
	const struct pose tcp = { { 0.02, -0.01, 0.15 }, { 0.5, 0.5, 0.5, 0.5 } }; /* x -> y -> z -> x */
	static const double want[16] = { 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0.02, -0.01, 0.15, 1 };
	double tool[16], got[16];

	(void)context;
	assert_true(franka_settings_frame(exact, &tcp, tool));
	multiply(exact, tool, got);
	for (int i = 0; i < 16; i++)
		assert_true(fabs(got[i] - want[i]) < 1e-12);
	assert_true(franka_settings_frame(hand_frame, &tcp, tool)); /* rounded, as robots print it: what is sent is a frame all the same */
	for (int i = 0; i < 3; i++)
		assert_true(fabs(tool[4 * i] * tool[4 * i] + tool[4 * i + 1] * tool[4 * i + 1] + tool[4 * i + 2] * tool[4 * i + 2] - 1) < 1e-12);
}

static void test_frames_that_are_none(void **context)
{
	(void)context;
	for (int what = 0; what < 7; what++) {
		struct franka_ask a = { .kind = FRANKA_ASK_CONFIGURE };

		fresh("fr3");
		listen_to(9);
		a.generation = session.generation;
		memcpy(a.f_t_ne, hand_frame, sizeof a.f_t_ne);
		if (what == 0)
			memset(a.f_t_ne, 0, sizeof a.f_t_ne);
		a.f_t_ne[0] = what == 1 ? (double)NAN : a.f_t_ne[0];
		a.f_t_ne[13] = what == 2 ? (double)INFINITY : a.f_t_ne[13];
		a.f_t_ne[10] = what == 3 ? -1.0 : a.f_t_ne[10];
		a.f_t_ne[15] = what == 4 ? 0.0 : a.f_t_ne[15];
		a.f_t_ne[3] = what == 5 ? 0.5 : a.f_t_ne[3];
		a.f_t_ne[14] = what == 6 ? 1e300 : a.f_t_ne[14];
		franka_session_ask(&session, &a, now);
		assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
		assert_said("F_T_NE");
		assert_int_equal(session.n_out, 0);
		expect(FRANKA_EVENT_CLOSED);
	}
}

/* ---- motions ----------------------------------------------------------------------------------------------------------------- */

static void test_move_as_libfranka_sends_it(void **context)
{
	static const uint8_t deviation[24] = { 0, 0, 0, 0, 0, 0, 0x24, 0x40, 0xf6, 0x28, 0x5c, 0x8f, 0xc2, 0xf5, 0x08, 0x40,
		0x18, 0x2d, 0x44, 0x54, 0xfb, 0x21, 0x19, 0x40 };
	static const uint8_t nothing[57];

	(void)context;
	fresh("fr3_5.9");
	open_with(10);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	assert_int_equal(get_u32(asked), 0);
	assert_int_equal(get_u32(asked + 4), 0);
	assert_memory_equal(asked + 8, deviation, 24);
	assert_memory_equal(asked + 32, deviation, 24);
	assert_memory_equal(asked + 56, nothing, 57);

	fresh("panda");
	setup.generator = OUTPUT_POSE;
	open_with(5);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	assert_int_equal(get_u32(asked), 0);     /* joint impedance */
	assert_int_equal(get_u32(asked + 4), 2); /* Cartesian position */

	for (int pose = 0; pose < 2; pose++) {
		fresh("panda");
		setup.generator = pose ? OUTPUT_POSE : OUTPUT_JOINT;
		setup.controller = FRANKA_CARTESIAN_IMPEDANCE;
		open_with(5);
		ask(FRANKA_ASK_MOVE);
		request_of(1);
		assert_int_equal(get_u32(asked), 1);
		assert_int_equal(get_u32(asked + 4), pose ? 2 : 0);
	}
}

static void test_a_motion_takes_its_time(void **context)
{
	(void)context;
	fresh("panda");
	open_with(5);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	uint32_t move = asked_id;

	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	assert_true(franka_session_due_ns(&session) == INT64_MAX);
	now += 3600 * 1000 * ms;
	franka_session_tick(&session, now);
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
	ask(FRANKA_ASK_STOP_MOVE);
	request_of(2);
	answer(0);
	assert_int_equal(session.n_events, 0);
	answer_to(move, 2);
	expect_status(FRANKA_EVENT_MOVE_ENDED, FCI_STATUS_PREEMPTED);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	notes();
	answer(0);
	expect_status(FRANKA_EVENT_MOVE_ENDED, FCI_STATUS_SUCCESS);
	assert_int_equal(notes(), 0);
}

/* While it runs a person may ask again, and its answer may be lost. */
static void test_a_recovery_without_an_answer_ends_no_motion(void **context)
{
	(void)context;
	fresh("fr3");
	open_with(9);
	notes();
	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	uint32_t recovery = asked_id;

	ask(FRANKA_ASK_RECOVER);
	assert_int_equal(session.n_out, 0);
	assert_int_equal(notes(), 0);
	now += 20 * 1000 * ms;
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	uint32_t move = asked_id;

	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	now += 10001 * ms;
	franka_session_tick(&session, now);
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
	assert_int_equal(session.n_events, 0);
	assert_int_equal(notes(), 1);
	assert_said("no answer to AutomaticErrorRecovery");
	ask(FRANKA_ASK_RECOVER); /* it may be asked for again */
	request_of(10);
	answer_to(recovery, 0); /* and the lost one may come */
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
	assert_int_equal(session.n_events, 0);
	answer(0);
	expect_status(FRANKA_EVENT_RECOVERED, FCI_STATUS_SUCCESS);
	answer_to(move, 0);
	expect(FRANKA_EVENT_MOVE_ENDED);
	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	now += 30001 * ms;
	franka_session_tick(&session, now); /* nothing moves: it is left */
	assert_int_equal(session.phase, FRANKA_SESSION_WAIT);
}

static void test_refusals_and_ends_by_name(void **context)
{
	static const struct { const char *model; uint16_t version; uint8_t byte; enum fci_status status; const char *text; } rows[] = {
		{ "panda", 5, 3, FCI_STATUS_NOT_POSSIBLE, "not possible" }, { "panda", 5, 6, FCI_STATUS_REFLEX_ABORTED, "reflex" },
		{ "fr3", 9, 4, FCI_STATUS_REJECTED_BY_SAFETY, "safety" }, { "fr3_5.9", 10, 6, FCI_STATUS_SINGULAR_START, "singular" },
		{ "fr3_5.9", 10, 8, FCI_STATUS_REFLEX_ABORTED, "reflex" }, { "fr3_5.9", 10, 11, FCI_STATUS_ABORTED, "aborted" },
	};

	(void)context;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (int started = 0; started < 2; started++) {
			fresh(rows[i].model);
			open_with(rows[i].version);
			notes();
			ask(FRANKA_ASK_MOVE);
			request_of(1);
			if (started) {
				answer(1);
				expect(FRANKA_EVENT_MOVE_STARTED);
			}
			answer(rows[i].byte);
			expect_status(FRANKA_EVENT_MOVE_ENDED, rows[i].status);
			assert_int_equal(session.n_events, 0);
			assert_int_equal(notes(), 1);
			assert_said(started ? "motion ended" : "Move refused");
			assert_said(rows[i].text);
			assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
		}
}

static void refuse(uint8_t status)
{
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(status);
	expect(FRANKA_EVENT_MOVE_ENDED);
}

static void test_a_refusal_is_said_once(void **context)
{
	(void)context;
	fresh("panda");
	open_with(5);
	notes();
	for (int again = 0; again < 3; again++) {
		refuse(3);
		assert_int_equal(notes(), again == 0);
	}
	refuse(4); /* another reason */
	assert_int_equal(notes(), 1);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	answer(6);
	expect(FRANKA_EVENT_MOVE_ENDED);
	assert_int_equal(notes(), 1);
	refuse(6); /* after one that was not refused */
	assert_int_equal(notes(), 1);
	franka_session_lost(&session, 0, now);
	expect(FRANKA_EVENT_CLOSED);
	open_with(5);
	notes();
	refuse(6); /* of another connection */
	assert_int_equal(notes(), 1);
}

static void test_recovery_also_before_the_settings(void **context)
{
	(void)context;
	fresh("fr3");
	listen_to(9);
	ask(FRANKA_ASK_CONFIGURE);
	request_of(3);
	answer(1); /* in a reflex */
	notes();
	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	uint32_t recovery = asked_id;

	pass(); /* the setting is tried again meanwhile */
	request_of(3);
	uint32_t setting = asked_id;

	answer_to(recovery, 3);
	expect_status(FRANKA_EVENT_RECOVERED, FCI_STATUS_MANUAL_RECOVERY);
	assert_int_equal(notes(), 1);
	assert_said("manual recovery");
	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	answer(0);
	expect_status(FRANKA_EVENT_RECOVERED, FCI_STATUS_SUCCESS);
	answer_to(setting, 0);
	request_of(4);
}

static void test_every_answer_has_a_limit(void **context)
{
	static const struct { enum franka_ask_kind kind; int64_t limit_ms; const char *name; } rows[] = {
		{ FRANKA_ASK_MOVE, 8000, "Move" }, { FRANKA_ASK_STOP_MOVE, 8000, "StopMove" },
		{ FRANKA_ASK_RECOVER, 30000, "AutomaticErrorRecovery" },
	};

	(void)context;
	for (size_t i = 0; i < 3; i++) {
		fresh("fr3");
		open_with(9);
		ask(rows[i].kind);
		int64_t from = now;

		pass();
		assert_int_equal(now - from, rows[i].limit_ms * ms);
		assert_left(FRANKA_TROUBLE_CONNECTION_LOST);
		assert_said(rows[i].name);
		expect(FRANKA_EVENT_CLOSED);
	}
	for (int setting = 0; setting < FRANKA_SETTINGS; setting++) {
		fresh("fr3");
		listen_to(9);
		ask(FRANKA_ASK_CONFIGURE);
		for (int i = 0; i < setting; i++) {
			assert_true(take_request());
			answer(0);
		}
		pass();
		assert_left(FRANKA_TROUBLE_CONNECTION_LOST);
		expect(FRANKA_EVENT_CLOSED);
	}
}

/* ---- asks -------------------------------------------------------------------------------------------------------------------- */

static void test_asks_for_another_connection_are_void(void **context)
{
	(void)context;
	fresh("fr3");
	open_with(9);
	notes();
	for (int kind = 0; kind <= FRANKA_ASK_RECONNECT; kind++) {
		franka_session_ask(&session, &(struct franka_ask){ .kind = (enum franka_ask_kind)kind, .generation = 2 }, now);
		franka_session_ask(&session, &(struct franka_ask){ .kind = (enum franka_ask_kind)kind }, now);
	}
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
	franka_session_lost(&session, 0, now);
	for (int kind = 0; kind <= FRANKA_ASK_RECONNECT; kind++)
		ask((enum franka_ask_kind)kind);
	assert_int_equal(session.phase, FRANKA_SESSION_WAIT);
	assert_int_equal(session.n_out, 0);
}

static void test_asks_out_of_order_are_void(void **context)
{
	(void)context;
	fresh("fr3");
	listen_to(9);
	ask(FRANKA_ASK_MOVE);
	ask(FRANKA_ASK_STOP_MOVE);
	assert_int_equal(session.n_out, 0);
	assert_int_equal(notes(), 1); /* once */
	ask(FRANKA_ASK_CONFIGURE);
	ask(FRANKA_ASK_CONFIGURE);
	ask(FRANKA_ASK_MOVE);
	assert_int_equal(session.n_out, 428);
	franka_session_lost(&session, 0, now);
	expect(FRANKA_EVENT_CLOSED);
	open_with(9);
	notes();
	ask(FRANKA_ASK_MOVE);
	ask(FRANKA_ASK_MOVE);
	assert_int_equal(notes(), 1); /* of each connection */
	request_of(1);
	assert_false(take_request());
	answer(1);
	ask(FRANKA_ASK_MOVE);
	assert_false(take_request());
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
}

static void test_reconnect_on_demand(void **context)
{
	(void)context;
	for (int open = 0; open < 2; open++) {
		fresh("fr3");
		if (open)
			open_with(9);
		else
			listen_to(9);
		ask(FRANKA_ASK_RECONNECT);
		assert_left(FRANKA_TROUBLE_NO_STATES);
		expect(FRANKA_EVENT_CLOSED);
		open_with(9);
	}
}

/* Nobody takes the events: the connection ends rather than that one is lost, and none is begun. */
static void test_events_are_never_lost(void **context)
{
	uint32_t connected = 0, closed = 0;
	struct franka_event e;

	(void)context;
	fresh("fr3");
	open_with(9);
	for (int i = 0; i < 100 && session.phase == FRANKA_SESSION_OPEN; i++) {
		ask(FRANKA_ASK_RECOVER);
		request_of(10);
		answer(0);
	}
	assert_left(FRANKA_TROUBLE_CONNECTION_LOST);
	assert_false(franka_session_begin(&session, now + 10000 * ms));
	while (franka_session_take_event(&session, &e)) {
		connected += e.kind == FRANKA_EVENT_RECOVERED;
		closed += e.kind == FRANKA_EVENT_CLOSED;
	}
	assert_int_equal(connected, FRANKA_SESSION_EVENTS - 1);
	assert_int_equal(closed, 1);
	assert_int_equal(e.kind, FRANKA_EVENT_CLOSED);
	open_with(9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_states),
		cmocka_unit_test(test_settings_of_protocol_5),
		cmocka_unit_test(test_numbers_of_every_protocol),
		cmocka_unit_test(test_a_refused_setting_is_named_and_tried_again),
		cmocka_unit_test(test_the_end_effector_becomes_the_tcp),
		cmocka_unit_test(test_frames_that_are_none),
		cmocka_unit_test(test_move_as_libfranka_sends_it),
		cmocka_unit_test(test_a_motion_takes_its_time),
		cmocka_unit_test(test_a_recovery_without_an_answer_ends_no_motion),
		cmocka_unit_test(test_refusals_and_ends_by_name),
		cmocka_unit_test(test_a_refusal_is_said_once),
		cmocka_unit_test(test_recovery_also_before_the_settings),
		cmocka_unit_test(test_every_answer_has_a_limit),
		cmocka_unit_test(test_asks_for_another_connection_are_void),
		cmocka_unit_test(test_asks_out_of_order_are_void),
		cmocka_unit_test(test_reconnect_on_demand),
		cmocka_unit_test(test_events_are_never_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
