/* test_piper_maintenance.c - what is changed in a PiPER for good, against the simulated arm on virtual time: only after a yes, only where it
 * may be, and done only when the arm itself says so. */
#include "robots/model/model.h"
#include "robots/piper/maintenance.h"
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define MS INT64_C(1000000)
enum { PATIENCE_MS = 10000 };

static struct piper_arm arm;
static struct piper_maintenance m;
static struct piper_setup setup;
static struct {
	int64_t now_ns;
	bool deaf, mute;               /* the arm: takes nothing, says nothing */
	uint32_t lose;                 /* so many of the next frames for good */
	uint32_t hides;                /* id that the arm does not send */
	uint32_t ordinary, for_good;   /* frames that were sent */
	struct bus_frame last;         /* of those for good */
} b;

static void begin(const char *firmware, const char *wish)
{
	struct piper_wish w;
	struct errbuf e;

	memset(&b, 0, sizeof b);
	b.now_ns = 1000 * MS;
	assert_true(piper_arm_init(&arm, &(struct piper_arm_options){ .model = robot_model_find("piper"), .firmware = firmware }));
	piper_setup_defaults(&setup);
	strcpy(setup.arm, "left");
	strcpy(setup.address, "can0");
	assert_int_equal(piper_wish_parse(&w, wish, &e), 0);
	piper_maintenance_init(&m, &w, &setup, b.now_ns);
}

static void hear(const struct bus_frame *f)
{
	piper_maintenance_take(&m, &(struct bus_event){ .t_ns = b.now_ns, .frame = *f });
}

static void deliver(const struct bus_frame *f)
{
	enum piper_danger danger = piper_frame_danger(f);

	assert_int_not_equal(danger, PIPER_NEVER);
	if (danger == PIPER_ORDINARY) {
		assert_true(f->id == 0x4AF || f->id == 0x477); /* questions */
		b.ordinary++;
	} else {
		assert_true(m.phase == PIPER_MAINTENANCE_ACTS || m.phase == PIPER_MAINTENANCE_WAITS);
		b.for_good++;
		b.last = *f;
		if (b.lose > 0) {
			b.lose--;
			return;
		}
	}
	if (!b.deaf)
		piper_arm_take(&arm, f);
}

static void run(uint32_t ms)
{
	struct piper_outbox out;

	for (; ms > 0; ms--) {
		b.now_ns += MS;
		piper_arm_step(&arm);
		for (uint32_t i = 0; i < arm.out.n && !b.mute; i++)
			if (arm.out.frame[i].id != b.hides)
				hear(&arm.out.frame[i]);
		piper_maintenance_step(&m, b.now_ns, &out);
		for (uint32_t i = 0; i < out.n; i++)
			deliver(&out.frame[i]);
	}
}

/* Until it is in that phase. */
static void go_to(enum piper_maintenance_phase phase)
{
	for (int i = 0; i < PATIENCE_MS && m.phase != phase && m.phase < PIPER_MAINTENANCE_DONE; i++)
		run(1);
	if (m.phase != phase)
		print_error("phase %d: %s\n", m.phase, m.text.text);
	assert_int_equal(m.phase, phase);
}

static void ends_well(void)
{
	char question[512];

	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_question(&m, question, sizeof question);
	assert_non_null(strstr(question, "S-V1.8-9"));
	assert_int_equal(b.for_good, 0);
	run(5000);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_WANTS_YES); /* it has time */
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_DONE);
}

static void fails_with(const char *word)
{
	go_to(PIPER_MAINTENANCE_FAILED);
	if (!strstr(m.text.text, word))
		print_error("%s\n", m.text.text);
	assert_non_null(strstr(m.text.text, word));
	assert_int_equal(b.for_good, 0);
}

static void assert_last(const char *hex_id_and_bytes)
{
	char text[64];
	int n = snprintf(text, sizeof text, "%X", (unsigned)b.last.id);

	for (int i = 0; i < 8; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %02x", b.last.data[i]);
	assert_string_equal(text, hex_id_and_bytes);
}

static void test_words(void **state)
{
	static const char *const good[] = { "leader", "follower", "gripper=70", "gripper=100", "clear-errors", "collision=0", "collision=8" };
	static const char *const bad[] = { "", "Leader", "gripper", "gripper=80", "gripper=", "collision", "collision=", "collision=9", "collision=12",
		"collision=-1", "zero", "leader " };
	struct piper_wish w;
	struct errbuf e;

	(void)state;
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(piper_wish_parse(&w, good[i], &e), 0);
	assert_int_equal(w.value, 8);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(piper_wish_parse(&w, bad[i], &e) < 0);
		assert_non_null(strstr(e.text, "clear-errors"));
	}
}

static void test_the_gripper(void **state)
{
	(void)state;
	begin("S-V1.8-9", "gripper=70");
	arm.flash.gripper_setup = (struct piper_gripper_setup){ 120, 100, 5 };
	ends_well();
	assert_last("47D 78 46 05 00 00 00 00 00"); /* the others as they were */
	assert_int_equal(arm.flash.gripper_setup.range_mm, 70);
	assert_int_equal(b.for_good, 1);
	assert_non_null(strstr(m.text.text, "70 mm"));
	begin("S-V1.8-9", "gripper=100");
	arm.flash.gripper_setup = (struct piper_gripper_setup){ 0 };
	ends_well();
	assert_last("47D 64 64 01 00 00 00 00 00"); /* the SDK's, where nothing was */
	begin("S-V1.8-9", "gripper=70");
	go_to(PIPER_MAINTENANCE_DONE); /* it is so: nobody is asked, nothing is written */
	assert_non_null(strstr(m.text.text, "nothing was changed"));
	assert_int_equal(b.for_good, 0);
}

static void test_collision_levels(void **state)
{
	(void)state;
	begin("S-V1.8-9", "collision=3");
	arm.enabled = 0x3F; /* the motors may be on */
	ends_well();
	assert_last("47A 03 03 03 03 03 03 00 00");
	begin("S-V1.8-9", "collision=1");
	arm.flash.collision.level[4] = 2; /* all but one are so */
	ends_well();
	assert_int_equal(arm.flash.collision.level[4], 1);
}

static void test_errors_are_cleared_and_nothing_else(void **state)
{
	struct piper_flash before;

	(void)state;
	begin("S-V1.8-9", "clear-errors");
	piper_arm_fail_joint(&arm, 2, PIPER_MOTOR_STALLED, false);
	piper_arm_fail_joint(&arm, 4, 0, true); /* one whose driver is silent too */
	arm.flash.acceleration_raw[3] = 321;
	before = arm.flash;
	ends_well();
	assert_last("475 07 00 00 7f ff ae 00 00"); /* the SDK's JointConfig(7,0,0,0x7FFF,0xAE) */
	assert_int_equal(arm.joint_errors[2], 0);
	assert_memory_equal(&before, &arm.flash, sizeof before);
	begin("S-V1.8-9", "clear-errors");
	go_to(PIPER_MAINTENANCE_DONE);
	assert_int_equal(b.for_good, 0);
}

/* An error that comes back, or a frame that does not arrive, is no success. */
static void test_what_is_not_read_back_is_not_done(void **state)
{
	(void)state;
	begin("S-V1.8-9", "collision=3");
	b.lose = 2;
	ends_well();
	assert_int_equal(b.for_good, 3);
	begin("S-V1.8-9", "collision=3");
	b.lose = 100;
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_FAILED);
	assert_int_equal(b.for_good, 6);
	assert_non_null(strstr(m.text.text, "does not say that it is so, after 6 times"));
	begin("S-V1.8-9", "gripper=100"); /* a readback of before does not count */
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_ACTS);
	run(1);
	b.mute = true;
	arm.flash.gripper_setup.range_mm = 100;
	run(2000);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_ACTS);
	b.mute = false;
	go_to(PIPER_MAINTENANCE_DONE);
}

static void test_leader_and_back(void **state)
{
	(void)state;
	begin("S-V1.8-9", "leader");
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_WAITS);
	assert_false(piper_maintenance_told(&m)); /* nobody is to switch it off yet */
	for (int i = 0; i < PATIENCE_MS && !piper_maintenance_told(&m); i++)
		run(1);
	assert_int_equal(b.for_good, 3);
	run(5000);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_WAITS); /* it counts from the next start on */
	assert_int_equal(b.for_good, 3);
	assert_last("470 fa 00 00 00 00 00 00 00");
	b.mute = true; /* off */
	run(1000);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_WAITS);
	piper_arm_power_cycle(&arm);
	b.mute = false;
	go_to(PIPER_MAINTENANCE_DONE);
	struct piper_wish back = { PIPER_MAKE_FOLLOWER, 0 };

	assert_true(arm.leader);
	piper_maintenance_init(&m, &(struct piper_wish){ PIPER_MAKE_LEADER, 0 }, &setup, b.now_ns);
	go_to(PIPER_MAINTENANCE_DONE);
	assert_non_null(strstr(m.text.text, "nothing was changed"));
	piper_maintenance_init(&m, &(struct piper_wish){ PIPER_SET_GRIPPER, 70 }, &setup, b.now_ns);
	b.for_good = 0;
	fails_with("is a leader");
	piper_maintenance_init(&m, &back, &setup, b.now_ns);
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_WAITS);
	run(100);
	piper_arm_power_cycle(&arm);
	go_to(PIPER_MAINTENANCE_DONE);
	assert_last("470 fc 00 00 00 00 00 00 00");
	assert_false(arm.leader);
}

static void test_nobody_switches_it_off(void **state)
{
	(void)state;
	begin("S-V1.8-9", "leader");
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_WAITS);
	run(500);
	b.now_ns += 298 * 1000 * MS; /* nothing happens */
	run(500);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_WAITS);
	run(2000);
	assert_int_equal(m.phase, PIPER_MAINTENANCE_FAILED);
	assert_non_null(strstr(m.text.text, "switch it off and on"));
}

static void test_motors_that_hold_the_arm_up(void **state)
{
	static const char *const wish[] = { "leader", "gripper=100", "collision=0" }; /* 0: no protection */

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		begin("S-V1.8-9", wish[i]);
		arm.enabled = 0x10; /* one is enough */
		fails_with("dreamvlactl disable left");
		begin("S-V1.8-9", wish[i]);
		b.hides = 0x264;
		fails_with("not all motors");
		begin("S-V1.8-9", wish[i]); /* switched on while a person made up his mind */
		go_to(PIPER_MAINTENANCE_WANTS_YES);
		arm.enabled = 0x3F;
		piper_maintenance_yes(&m, b.now_ns);
		fails_with("dreamvlactl disable left");
	}
}

static void assert_refused_beside(const char *wish, const struct bus_frame *other, uint32_t period_ms)
{
	begin("S-V1.8-9", wish);
	for (uint32_t i = 1; i < 700 && m.phase == PIPER_MAINTENANCE_LOOKS; i++) {
		if (i % period_ms == 0)
			hear(other);
		run(1);
	}
	fails_with("somebody commands");
}

/* Whatever moves an arm, or switches its motors: joints, poses, arcs, MIT frames of any firmware, the gripper, an emergency stop. */
static void test_an_arm_that_is_not_alone(void **state)
{
	static const uint32_t id[] = { 0x150, 0x151, 0x152, 0x154, 0x155, 0x156, 0x158, 0x159, 0x15A, 0x15F, 0x187, 0x471 };

	(void)state;
	for (unsigned i = 0; i < sizeof id / sizeof *id; i++) {
		const struct bus_frame other = { .id = id[i], .length = id[i] == 0x187 ? 7 : 8, .data = { 1 } };

		assert_refused_beside("clear-errors", &other, 10);
		assert_refused_beside("collision=3", &other, 500); /* one of them is enough */
	}
	const struct bus_frame question = { .id = 0x477, .length = 8, .data = { 4 } };

	begin("S-V1.8-9", "collision=3");
	for (int i = 0; i < 700; i++) {
		hear(&question); /* moves nothing */
		run(1);
	}
	assert_int_equal(m.phase, PIPER_MAINTENANCE_WANTS_YES);
}

/* A leader's own frames are its own; poses are not. */
static void test_a_leader_that_is_not_alone(void **state)
{
	const struct bus_frame pose = { .id = 0x152, .length = 8 };

	(void)state;
	for (int beside = 0; beside < 2; beside++) {
		begin("S-V1.8-9", "follower");
		arm.flash.linkage.role = PIPER_LINKAGE_LEADER;
		piper_arm_power_cycle(&arm);
		for (int i = 0; i < 700 && m.phase == PIPER_MAINTENANCE_LOOKS; i++) {
			if (beside)
				hear(&pose);
			run(1);
		}
		if (beside)
			fails_with("somebody commands");
		assert_int_equal(m.phase, beside ? PIPER_MAINTENANCE_FAILED : PIPER_MAINTENANCE_WANTS_YES);
	}
}

static void test_silence_and_old_firmware(void **state)
{
	(void)state;
	begin("S-V1.8-9", "collision=3");
	b.mute = true;
	fails_with("nothing is heard");
	begin("S-V1.8-9", "collision=3");
	b.hides = 0x4AF;
	fails_with("does not say its firmware");
	begin("S-V1.8-9", "collision=3");
	b.hides = 0x47B;
	fails_with("what is set now");
	begin("S-V1.8-9", "collision=3");
	memcpy(arm.firmware, "S-V1.5-1", 8);
	fails_with("S-V1.5-2 or newer");
}

static void test_moved_ids(void **state)
{
	(void)state;
	begin("S-V1.8-9", "collision=3");
	arm.flash.linkage.feedback_offset = 0x10;
	piper_arm_power_cycle(&arm);
	fails_with("feedback_base");
	begin("S-V1.8-9", "collision=3");
	arm.flash.linkage.feedback_offset = 0x10;
	piper_arm_power_cycle(&arm);
	setup.feedback_base = 0x2B0;
	piper_maintenance_init(&m, &(struct piper_wish){ PIPER_SET_COLLISION, 3 }, &setup, b.now_ns);
	ends_well();
	piper_maintenance_init(&m, &(struct piper_wish){ PIPER_MAKE_LEADER, 0 }, &setup, b.now_ns);
	go_to(PIPER_MAINTENANCE_WANTS_YES);
	piper_maintenance_yes(&m, b.now_ns);
	go_to(PIPER_MAINTENANCE_WAITS);
	run(10);
	assert_last("470 fa 10 00 00 00 00 00 00"); /* they stay where they were moved to */
}

/* SplitMix64 (Steele, Lea, Flood 2014; public domain code by S. Vigna). */
static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Among random frames of every id an arm, a leader or a host has: nothing for good before the yes, and at most what is sent without them. */
static void test_whatever_comes(void **state)
{
	static const char *const wish[] = { "leader", "gripper=70", "collision=3", "clear-errors" };
	static const uint32_t id[] = { 0x2A1, 0x2A5, 0x155, 0x261, 0x264, 0x4AF, 0x47B, 0x47E, 0x476, 0x2A7 };
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		begin("S-V1.8-9", wish[round % 4]);
		b.hides = round % 3 == 0 ? 0x264 : 0;
		for (int t = 0; t < 6000 && m.phase < PIPER_MAINTENANCE_DONE; t++) {
			uint64_t r = random_u64(&seed), data = random_u64(&seed);
			struct bus_frame f = { .id = id[r % (sizeof id / sizeof *id)], .length = 8 };

			memcpy(f.data, &data, sizeof data);
			if ((r >> 32 & (round < 6 ? 0xFF : 0x7)) == 0)
				hear(&f);
			run(1); /* deliver() judges what is sent */
			if (m.phase == PIPER_MAINTENANCE_WANTS_YES && (r >> 40 & 0xFF) == 0)
				piper_maintenance_yes(&m, b.now_ns);
		}
		assert_true(b.for_good <= 6);
		assert_true(m.phase != PIPER_MAINTENANCE_DONE || m.text.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_gripper),
		cmocka_unit_test(test_collision_levels),
		cmocka_unit_test(test_errors_are_cleared_and_nothing_else),
		cmocka_unit_test(test_what_is_not_read_back_is_not_done),
		cmocka_unit_test(test_leader_and_back),
		cmocka_unit_test(test_nobody_switches_it_off),
		cmocka_unit_test(test_motors_that_hold_the_arm_up),
		cmocka_unit_test(test_an_arm_that_is_not_alone),
		cmocka_unit_test(test_a_leader_that_is_not_alone),
		cmocka_unit_test(test_silence_and_old_firmware),
		cmocka_unit_test(test_moved_ids),
		cmocka_unit_test(test_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
