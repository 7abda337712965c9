/* test_piper_settings.c - what the simulated PiPER answers and remembers: frames as the protocol sheet has them. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

/* The newest frame of that id has these bytes: "01 05 dc fa 24 0b b8 00". */
static void assert_heard(uint32_t id, const char *text)
{
	char got[32];
	const uint8_t *b = heard.last[id];

	snprintf(got, sizeof got, "%02x %02x %02x %02x %02x %02x %02x %02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	assert_true(heard.count[id] > 0);
	assert_string_equal(got, text);
}

static void ask(const char *text)
{
	forget();
	say(text);
	run(5);
}

static void limits(void **unused)
{
	static const char *const want[6] = { "01 05 dc fa 24 0b b8 00", "02 07 08 00 00 0b b8 00", "03 00 00 f9 5c 0b b8 00",
		"04 03 e8 fc 18 0b b8 00", "05 02 bc fd 44 0b b8 00", "06 04 b0 fb 50 0b b8 00" };

	(void)unused;
	begin("S-V1.8-9");
	for (int j = 0; j < 6; j++) {
		char text[40];

		snprintf(text, sizeof text, "472 %02x 01 00 00 00 00 00 00", j + 1);
		ask(text);
		assert_int_equal(heard.count[0x473], 1);
		assert_heard(0x473, want[j]);
		snprintf(text, sizeof text, "472 %02x 02", j + 1); /* a short question */
		ask(text);
		snprintf(text, sizeof text, "%02x 01 f4 00 00 00 00 00", j + 1);
		assert_int_equal(heard.count[0x47C], 1);
		assert_heard(0x47C, text);
	}
	static const char *const bad[] = { "472 00 01 00 00 00 00 00 00", "472 07 01 00 00 00 00 00 00", "472 01 00 00 00 00 00 00 00",
		"472 01 03 00 00 00 00 00 00" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ask(bad[i]);
		assert_int_equal(heard.count[0x473] + heard.count[0x47C], 0);
	}
}

/* All twelve questions in one millisecond, as the SDK sends them. */
static void many_questions_at_once(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	forget();
	for (int i = 0; i < 12; i++) {
		char text[40];

		snprintf(text, sizeof text, "472 %02x %02x 00 00 00 00 00 00", i % 6 + 1, i / 6 + 1);
		say(text);
	}
	run(5);
	assert_int_equal(heard.count[0x473], 6);
	assert_int_equal(heard.count[0x47C], 6);
	for (int i = 0; i < 1000; i++) /* a flood loses answers, and nothing else */
		say("472 01 01 00 00 00 00 00 00");
	run(5);
	assert_true(heard.most_in_ms <= PIPER_FRAMES_MAX);
	forget();
	run(100);
	assert_int_equal(heard.count[0x2A5], 20);
}

static void corrupted_limits(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	arm.limits_corrupted = true;
	ask("472 03 01 00 00 00 00 00 00");
	assert_heard(0x473, "03 ff ff ff ff ff ff 00");
	ask("472 03 02 00 00 00 00 00 00");
	assert_heard(0x47C, "03 ff ff 00 00 00 00 00");
}

static void set_limits(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	ask("474 01 05 14 fa 24 7f ff 00"); /* 130 degrees, -150, speed kept */
	assert_heard(0x476, "74 00 00 00 00 00 00 00");
	ask("472 01 01 00 00 00 00 00 00");
	assert_heard(0x473, "01 05 14 fa 24 0b b8 00");
	ask("474 06 7f ff 7f ff 07 d0 00");
	ask("472 06 01 00 00 00 00 00 00");
	assert_heard(0x473, "06 04 b0 fb 50 07 d0 00");
	piper_arm_power_cycle(&arm);
	ask("472 01 01 00 00 00 00 00 00");
	assert_heard(0x473, "01 05 14 fa 24 0b b8 00"); /* kept without power */
	ask("477 00 02 00 00 03 00 00 00"); /* restored */
	assert_heard(0x476, "77 00 00 00 00 00 00 00");
	ask("472 01 01 00 00 00 00 00 00");
	assert_heard(0x473, "01 05 dc fa 24 0b b8 00");
	ask("474 07 05 14 fa 24 7f ff 00");
	assert_int_equal(heard.count[0x476], 0);
}

static void joint_settings(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	ask("475 04 00 ae 00 64 00 00 00"); /* 1 rad/s^2 */
	assert_heard(0x476, "75 00 00 00 00 00 00 00");
	ask("472 04 02 00 00 00 00 00 00");
	assert_heard(0x47C, "04 00 64 00 00 00 00 00");
	ask("475 04 ae 00 01 f4 00 00 00"); /* the SDK's JointConfig(4, 0xAE): its 500 is not applied */
	assert_heard(0x476, "75 01 00 00 00 00 00 00");
	ask("472 04 02 00 00 00 00 00 00");
	assert_heard(0x47C, "04 00 64 00 00 00 00 00");
	ask("475 04 00 ae 01 f5 00 00 00"); /* 501: too much */
	ask("472 04 02 00 00 00 00 00 00");
	assert_heard(0x47C, "04 00 64 00 00 00 00 00");
	ask("475 08 ae 00 00 00 00 00 00");
	assert_int_equal(heard.count[0x476], 0);
}

/* Where a joint stands becomes 0; it does not move. */
static void a_new_zero(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	go_up();
	double before = arm.plant.q_rad[1];

	say("475 02 ae 00 7f ff 00 00 00");
	run(500);
	assert_int_equal(joint(1), 0);
	assert_int_equal(joint(2), posture[2]);
	assert_true(fabs(arm.plant.q_rad[1] - before) < 1e-6);
	say_pair(0x155, posture[0], 5000);
	run(2000);
	assert_int_equal(joint(1), 5000);
	assert_true(fabs(arm.plant.q_rad[1] - before - 5 * DEG) < 1e-4);
}

static void parameters(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	ask("477 01 00 00 00 03 00 00 00");
	assert_heard(0x478, "01 f4 00 82 03 20 00 c8");
	assert_int_equal(heard.count[0x476], 0); /* a question is answered, not acknowledged */
	ask("479 02 58 7f ff 03 21 7f ff");
	assert_heard(0x476, "79 00 00 00 00 00 00 00");
	ask("477 01 00 00 00 03 00 00 00");
	assert_heard(0x478, "02 58 00 82 03 21 00 c8");
	ask("477 01 01 00 00 03 00 00 00");
	ask("477 01 00 00 00 03 00 00 00");
	assert_heard(0x478, "01 f4 00 82 03 20 00 c8");
	ask("47a 01 02 03 04 05 08 00 00");
	assert_heard(0x476, "7a 00 00 00 00 00 00 00");
	ask("47a 01 02 03 04 05 09 00 00"); /* 8 is the highest level */
	assert_int_equal(heard.count[0x476], 0);
	ask("477 02 00 00 00 03 00 00 00");
	assert_heard(0x47B, "01 02 03 04 05 08 00 00");
	ask("477 04 00 00 00 03 00 00 00");
	assert_heard(0x47E, "64 46 01 00 00 00 00 00");
	ask("47d c8 64 05 00 00 00 00 00");
	ask("47d 64 50 01 00 00 00 00 00"); /* 80 mm is no gripper's */
	ask("477 04 00 00 00 03 00 00 00");
	assert_heard(0x47E, "c8 64 05 00 00 00 00 00");
	ask("487 01 02 03 04 05 0a 00 00");
	assert_heard(0x476, "87 00 00 00 00 00 00 00");
	ask("477 05 00 00 00 03 00 00 00");
	assert_heard(0x488, "01 02 03 04 05 0a 00 00");
	ask("477 00 00 00 ae 02 00 00 00"); /* a full load */
	assert_heard(0x476, "77 00 00 00 00 00 00 00");
	ask("477 09 00 00 00 03 00 00 00");
	for (uint32_t id = 0x473; id < 0x489; id++)
		assert_int_equal(heard.count[id], 0);
}

static void end_stream(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	forget();
	say("477 00 00 01 00 03 00 00 00");
	run(1000);
	assert_int_equal(heard.count[0x481], 40);
	assert_int_equal(heard.count[0x486], 40);
	assert_heard(0x486, "00 00 00 00 00 00 00 00");
	say("477 00 00 02 00 03 00 00 00");
	run(10);
	forget();
	run(1000);
	assert_int_equal(heard.count[0x481], 0);
}

static void firmware(void **unused)
{
	(void)unused;
	begin("S-V1.8-2");
	forget();
	uint64_t asked_ms = arm.now_ms;

	say("4af 01 00 00 00 00 00 00 00");
	run(5);
	say("4af 01 00 00 00 00 00 00 00"); /* asked again before it has answered: one answer */
	assert_int_equal(heard.count[0x4AF], 0);
	run(21);
	say("4af 01 00 00 00 00 00 00 00");
	run(74);
	assert_int_equal(heard.count[0x4AF], 11);
	assert_in_range(heard.at_ms[0x4AF] - asked_ms, 25, 30);
	assert_memory_equal(heard.firmware, "H-V1.2-1", 8);
	assert_memory_equal(heard.firmware + 60, "S-V1.8-2250925", 14);
	forget();
	say("4af 01"); /* as pyAgxArm asks */
	run(100);
	assert_int_equal(heard.count[0x4AF], 11);
	forget();
	say("4af 02 00 00 00 00 00 00 00");
	run(100);
	assert_int_equal(heard.count[0x4AF], 0);
}

static void trajectory_points(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	ask("150 00 07 00 05 00 00 00 00");
	assert_heard(0x476, "50 00 05 ae 00 00 00 00");
	ask("150 00 00 00 05 00 00 00 00");
	assert_int_equal(heard.count[0x476], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(many_questions_at_once),
		cmocka_unit_test(corrupted_limits),
		cmocka_unit_test(set_limits),
		cmocka_unit_test(joint_settings),
		cmocka_unit_test(a_new_zero),
		cmocka_unit_test(parameters),
		cmocka_unit_test(end_stream),
		cmocka_unit_test(firmware),
		cmocka_unit_test(trajectory_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
