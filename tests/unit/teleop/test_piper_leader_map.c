/* test_piper_leader_map.c - frames of a PiPER leader -> where it stands; whatever is torn, leaping, nonsense or an arm that obeys, is not. */
#include "robots/model/model.h"
#include "robots/sim/piper/arm.h"
#include "robots/teleop/piper_leader_map.h"
#include "tests/unit/teleop/input_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS INT64_C(1000000)
#define US INT64_C(1000)
#define DEG 0.0174532925199432958

static struct {
	struct piper_leader_map map;
	struct leader_stand stand;
	int64_t now_ns;
	int stands, leaps;
} b;

static void begin(void)
{
	memset(&b, 0, sizeof b);
	b.now_ns = 1000 * MS;
	piper_leader_map_init(&b.map);
}

static enum piper_leader_news take(const struct bus_frame *f)
{
	enum piper_leader_news news = piper_leader_take(&b.map, &(struct bus_event){ .t_ns = b.now_ns, .frame = *f }, &b.stand);

	b.stands += news == PIPER_LEADER_STANDS;
	b.leaps += news == PIPER_LEADER_LEAPT;
	return news;
}

/* "155 00 00 2c c3 00 00 2c c3", 0.1 ms after the one before. */
static enum piper_leader_news hear(const char *text)
{
	struct bus_frame f = { .id = 0 };
	char *at;

	f.id = (uint32_t)strtoul(text, &at, 16);
	while (f.length < 8 && *at)
		f.data[f.length++] = (uint8_t)strtoul(at, &at, 16);
	b.now_ns += 100 * US;
	return take(&f);
}

static void put_i32(uint8_t *at, int32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)((uint32_t)v >> (24 - 8 * i));
}

static enum piper_leader_news hear_pair(uint32_t id, int32_t first_mdeg, int32_t second_mdeg)
{
	struct bus_frame f = { .id = id, .length = 8 };

	put_i32(f.data, first_mdeg);
	put_i32(f.data + 4, second_mdeg);
	b.now_ns += 100 * US;
	return take(&f);
}

#define MODE "151 01 01 64 00 00 00 00 00"
#define GRIPPER_50MM "159 00 00 c3 50 03 e8 01 00"

/* 5 ms of a leader whose joints all stand at that angle. */
static enum piper_leader_news period(int32_t mdeg)
{
	int64_t from_ns = b.now_ns;

	hear(MODE);
	hear_pair(0x155, mdeg, mdeg);
	hear_pair(0x156, mdeg, mdeg);
	enum piper_leader_news news = hear_pair(0x157, mdeg, mdeg);

	hear(GRIPPER_50MM);
	b.now_ns = from_ns + 5 * MS;
	return news;
}

/* The SDK's own frames: tests/unit/robots/test_piper_wire.c. */
static void test_joints_and_gripper(void **state)
{
	static const double want_deg[] = { 150, 180, -170, -100, 70, -120 };

	(void)state;
	begin();
	hear(MODE);
	assert_int_equal(hear("155 00 02 49 f0 00 02 bf 20"), PIPER_LEADER_NOTHING);
	assert_int_equal(hear("156 ff fd 67 f0 ff fe 79 60"), PIPER_LEADER_NOTHING);
	assert_int_equal(hear("157 00 01 11 70 ff fe 2b 40"), PIPER_LEADER_STANDS);
	assert_int_equal(b.stand.n, 6);
	assert_int_equal(b.stand.stamp_ns, b.now_ns);
	for (int j = 0; j < 6; j++)
		assert_near(b.stand.q_rad[j], want_deg[j] * DEG, 1e-12);
	assert_false(b.stand.has_gripper); /* nothing heard of it yet */
	hear(GRIPPER_50MM);
	hear("155 00 02 49 f0 00 02 bf 20");
	hear("156 ff fd 67 f0 ff fe 79 60");
	assert_int_equal(hear("157 00 01 11 70 ff fe 2b 40"), PIPER_LEADER_STANDS);
	assert_true(b.stand.has_gripper);
	assert_near(b.stand.gripper_m, 0.05, 1e-12);
	assert_int_equal(b.map.torn + b.map.odd + b.map.leaps, 0);
}

static void test_the_gripper_has_an_age_of_its_own(void **state)
{
	(void)state;
	begin();
	period(0);
	assert_int_equal(period(0), PIPER_LEADER_STANDS);
	assert_true(b.stand.has_gripper);
	for (int i = 0; i < 25; i++) {
		b.now_ns += 5 * MS;
		hear_pair(0x155, 0, 0);
		hear_pair(0x156, 0, 0);
		assert_int_equal(hear_pair(0x157, 0, 0), PIPER_LEADER_STANDS);
	}
	assert_false(b.stand.has_gripper);
	hear("159 ff ff ff f0 03 e8 01 00");
	period(0);
	hear("159 ff ff ff f0 03 e8 01 00"); /* closed, with a zero that is off by 16 um */
	hear_pair(0x155, 0, 0);
	hear_pair(0x156, 0, 0);
	hear_pair(0x157, 0, 0);
	assert_near(b.stand.gripper_m, 0.0, 0.0);
	hear("159 00 00 75 30 03 e8 05 00"); /* an angle is no opening */
	hear("159 7f ff ff ff 03 e8 01 00");
	assert_int_equal(b.map.odd, 2);
	assert_near(b.map.gripper_m, 0.0, 0.0);
}

static void test_torn_triples_are_not_used(void **state)
{
	(void)state;
	begin();
	hear_pair(0x156, 1, 1);
	hear_pair(0x157, 1, 1);
	assert_int_equal(b.map.torn, 2);
	hear_pair(0x155, 1, 1);
	hear_pair(0x157, 1, 1); /* 0x156 was lost */
	hear_pair(0x156, 1, 1);
	hear_pair(0x157, 1, 1);
	hear_pair(0x155, 1, 1);
	hear_pair(0x155, 1, 1); /* two of them: whose? */
	hear_pair(0x156, 1, 1);
	hear_pair(0x157, 1, 1);
	hear_pair(0x155, 1, 1);
	hear(MODE); /* the next period begins */
	hear_pair(0x156, 1, 1);
	hear_pair(0x157, 1, 1);
	hear_pair(0x155, 1, 1);
	b.now_ns += 5 * MS; /* of the period before */
	hear_pair(0x156, 1, 1);
	hear_pair(0x157, 1, 1);
	hear_pair(0x155, 1, 1);
	hear_pair(0x156, 1, 1);
	assert_int_equal(piper_leader_take(&b.map, &(struct bus_event){ .t_ns = b.now_ns, .error = BUS_ERROR_LOST }, &b.stand), PIPER_LEADER_NOTHING);
	hear_pair(0x157, 1, 1);
	assert_int_equal(b.stands + b.leaps, 0);
	assert_int_equal(period(1), PIPER_LEADER_STANDS);
}

static void test_nonsense_is_not_used(void **state)
{
	(void)state;
	begin();
	assert_int_equal(period(190000), PIPER_LEADER_STANDS);
	assert_int_equal(period(190001), PIPER_LEADER_NOTHING);
	assert_int_equal(period(INT32_MIN), PIPER_LEADER_NOTHING);
	assert_int_equal(b.map.odd, 2);
	hear("155 00 00 2c c3"); /* short */
	hear("123 00 00 2c c3 00 00 2c c3");
	assert_int_equal(b.map.odd, 4);
	assert_int_equal(b.stands, 1);
}

/* One that leaps is left out; a second one behind it is another leader. */
static void test_leaps(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		assert_int_equal(period(800 * i), PIPER_LEADER_STANDS); /* 160 degrees per second */
	assert_int_equal(period(79200 + 8000), PIPER_LEADER_STANDS);
	assert_int_equal(period(79200 - 1000), PIPER_LEADER_NOTHING); /* 9.2 degrees in 5 ms */
	assert_int_equal(period(79200 + 8000), PIPER_LEADER_STANDS);
	assert_int_equal(period(0), PIPER_LEADER_NOTHING);
	assert_int_equal(period(-60000), PIPER_LEADER_NOTHING); /* nor is the first believed by another one */
	assert_int_equal(period(-60000), PIPER_LEADER_LEAPT);
	assert_int_equal(period(-60000), PIPER_LEADER_STANDS);
	assert_int_equal(b.map.leaps, 3);
	b.now_ns += 300 * MS; /* in which a hand may have carried it anywhere near */
	assert_int_equal(period(60000), PIPER_LEADER_STANDS);
}

/* Two hosts that take turns never look like one leader. */
static void test_two_who_take_turns(void **state)
{
	(void)state;
	begin();
	period(0);
	for (int i = 0; i < 100; i++) {
		period(30000);
		period(i);
	}
	assert_int_equal(b.leaps, 0);
	assert_near(b.stand.q_rad[0], 99e-3 * DEG, 1e-9);
}

static void test_company(void **state)
{
	(void)state;
	begin();
	period(0);
	hear("2A1 06 00 01 00 00 00 00 00"); /* a leader may say its status */
	assert_false(piper_leader_has_company(&b.map, b.now_ns));
	hear("2A5 00 00 00 00 00 00 00 00");
	assert_true(piper_leader_has_company(&b.map, b.now_ns));
	assert_true(piper_leader_has_company(&b.map, b.now_ns + 900 * MS));
	assert_false(piper_leader_has_company(&b.map, b.now_ns + 1000 * MS));
	static const char *const moved[] = { "2B5", "2B7", "2C6" };

	for (int i = 0; i < 3; i++) { /* 0x470 has moved a follower's ids; it obeys 0x155 all the same */
		char text[32];

		begin();
		snprintf(text, sizeof text, "%s 00 00 00 00 00 00 00 00", moved[i]);
		hear(text);
		assert_true(piper_leader_has_company(&b.map, b.now_ns));
		assert_int_equal(b.map.odd, 0);
	}
	begin();
	hear("3A5 00 00 00 00 00 00 00 00"); /* seen of leaders */
	hear("2B1 00 00 00 00 00 00 00 00");
	assert_false(piper_leader_has_company(&b.map, b.now_ns));
}

/* The simulated arm as a leader, frame by frame as it puts them on the bus. */
static void test_the_simulated_leader(void **state)
{
	static struct piper_arm arm;
	const double hand_rad[6] = { 0.3, 1.0, -1.0, 0.2, 0.1, -0.4 };

	(void)state;
	begin();
	assert_true(piper_arm_init(&arm, &(struct piper_arm_options){ .model = robot_model_find("piper"), .firmware = "S-V1.8-9" }));
	arm.flash.linkage.role = PIPER_LINKAGE_LEADER;
	piper_arm_power_cycle(&arm);
	piper_arm_lead(&arm, hand_rad);
	for (int t = 0; t < 4000; t++) {
		b.now_ns += MS;
		piper_arm_step(&arm);
		for (uint32_t i = 0; i < arm.out.n; i++)
			take(&arm.out.frame[i]);
	}
	assert_int_equal(b.stands, 800);
	assert_int_equal(b.leaps + (int)b.map.torn, 0);
	for (int j = 0; j < 6; j++)
		assert_near(b.stand.q_rad[j], hand_rad[j], 1e-5);
	assert_true(b.stand.has_gripper);
	assert_false(piper_leader_has_company(&b.map, b.now_ns));
}

/* Frames are wanted by their ids: those above. */
static void test_filters(void **state)
{
	static const uint32_t want[] = { 0x151, 0x155, 0x156, 0x157, 0x159, 0x2A5, 0x2A6, 0x2A7, 0x2B5, 0x2B6, 0x2B7, 0x2C5,
		0x2C6, 0x2C7 };
	struct bus_filter f[PIPER_LEADER_FILTERS];

	(void)state;
	piper_leader_filters(f);
	for (uint32_t id = 0; id <= BUS_ID_MAX; id++) {
		bool passes = false, wanted = false;

		for (int i = 0; i < PIPER_LEADER_FILTERS; i++) {
			passes = passes || ((id ^ f[i].id) & f[i].mask) == 0;
			wanted = wanted || id == want[i]; /* as many of both */
		}
		assert_int_equal(passes, wanted);
	}
}

/* SplitMix64 (Steele, Lea, Flood 2014; public domain code by S. Vigna). */
static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A leader whose frames are lost, doubled and mixed with others of the same ids: where it is said to stand, a PiPER can stand, and it got
 * there no faster than a hand, or it is said to be another one. */
static void test_whatever_comes(void **state)
{
	struct leader_stand before = { 0 };
	uint64_t seed = 1;
	bool known = false;

	(void)state;
	begin();
	for (int i = 0; i < 400000; i++) {
		uint64_t r = random_u64(&seed), data = random_u64(&seed);
		struct bus_frame f = { .id = 0x155 + (uint32_t)i % 3, .length = 8 };

		b.now_ns += (int64_t)(r & 0xFFF) * US;
		if ((r >> 12 & 7) == 0)
			f.id = 0x150 + (uint32_t)(r >> 16 & 0xF);
		if ((r >> 20 & 0xF) == 0)
			f.length = (uint8_t)(r >> 24 & 7);
		for (int k = 0; k < 2; k++) /* angles around the limit of what is believed, sometimes any */
			put_i32(f.data + 4 * k, (r >> 28 & 7) == 0 ? (int32_t)(uint32_t)(data >> 32 * k) : (int32_t)((data >> 32 * k) % 20000) + 175000);
		memset(f.data + f.length, 0, 8u - f.length);
		enum piper_leader_news news = take(&f);

		for (int j = 0; news != PIPER_LEADER_NOTHING && j < 6; j++) {
			double reach_rad = fmax(0.15, 15.0 * (double)(b.stand.stamp_ns - before.stamp_ns) * 1e-9);

			assert_true(fabs(b.stand.q_rad[j]) <= 190.0 * DEG + 1e-9);
			assert_true(!known || news == PIPER_LEADER_LEAPT || fabs(b.stand.q_rad[j] - before.q_rad[j]) <= reach_rad);
		}
		assert_true(news == PIPER_LEADER_NOTHING || (b.stand.gripper_m >= 0.0 && b.stand.gripper_m <= 0.2));
		if (news != PIPER_LEADER_NOTHING) {
			before = b.stand;
			known = true;
		}
	}
	assert_true(b.stands > 100 && b.map.torn > 100 && b.map.odd > 100 && b.map.leaps > 10); /* all of it was met */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joints_and_gripper),
		cmocka_unit_test(test_the_gripper_has_an_age_of_its_own),
		cmocka_unit_test(test_torn_triples_are_not_used),
		cmocka_unit_test(test_nonsense_is_not_used),
		cmocka_unit_test(test_leaps),
		cmocka_unit_test(test_two_who_take_turns),
		cmocka_unit_test(test_company),
		cmocka_unit_test(test_the_simulated_leader),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
