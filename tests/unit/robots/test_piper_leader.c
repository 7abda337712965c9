/* test_piper_leader.c - the simulated PiPER as a leader, its followers, and ids that were moved. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

static void leader(void **unused)
{
	const double hand[6] = { 0.3, 1.0, -1.0, 0.2, 0.1, -0.4 };

	(void)unused;
	begin("S-V1.8-2");
	say("470 fa 00 00 00 00 00 00 00");
	run(100);
	assert_true(heard.count[0x2A5] > 0 && heard.count[0x155] == 0); /* from the next power cycle on */
	piper_arm_power_cycle(&arm);
	forget();
	run(1000);
	for (uint32_t id = 0x2A1; id <= 0x2AF; id++)
		assert_int_equal(heard.count[id], 0);
	assert_int_equal(heard.count[0x251], 200);
	assert_int_equal(heard.count[0x151], 200);
	assert_int_equal(heard.count[0x159], 200);
	assert_int_equal(heard.count[0x157], 200);
	piper_arm_lead(&arm, hand);
	say("471 07 02 00 00 00 00 00 00"); /* it obeys nobody */
	say(MOVE_J);
	say_six(0x155, posture);
	run(5000);
	assert_int_equal(enabled_bits(), 0);
	assert_in_range(labs((long)heard_i32(0x155, 4) - lround(hand[1] / DEG * 1e3)), 0, 1);
	assert_in_range(labs((long)heard_i32(0x157, 4) - lround(hand[5] / DEG * 1e3)), 0, 1);
	say("470 fa 00 00 10 00 00 00 00"); /* to followers of other ids */
	piper_arm_power_cycle(&arm);
	forget();
	run(100);
	assert_int_equal(heard.count[0x165], 20);
	assert_int_equal(heard.count[0x155], 0);
	say("470 fc 00 00 00 00 00 00 00");
	piper_arm_power_cycle(&arm);
	forget();
	run(100);
	assert_int_equal(heard.count[0x155], 0);
	assert_int_equal(heard.count[0x2A5], 20);
}

/* A follower that hears its leader goes where the leader is. */
static void leader_and_follower(void **unused)
{
	static struct piper_arm follower;
	const double hand[6] = { 0.3, 1.0, -1.0, 0.2, 0.1, -0.4 };

	(void)unused;
	begin("S-V1.8-9");
	enable();
	follower = arm;
	say("470 fa 00 00 00 00 00 00 00");
	piper_arm_power_cycle(&arm);
	piper_arm_lead(&arm, hand);
	for (int t = 0; t < 5000; t++) {
		run(1);
		for (uint32_t i = 0; i < arm.out.n; i++)
			piper_arm_take(&follower, &arm.out.frame[i]);
		piper_arm_step(&follower);
	}
	for (int j = 0; j < 6; j++)
		assert_in_range((long)(fabs(follower.plant.q_rad[j] - hand[j]) * 1e5), 0, 10);
}

static void moved_ids(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("470 fc 20 10 00 00 00 00 00");
	piper_arm_power_cycle(&arm);
	forget();
	run(100);
	assert_int_equal(heard.count[0x2A5], 0);
	assert_int_equal(heard.count[0x2C5], 20);
	assert_int_equal(heard.count[0x251], 20);
	say("471 07 02 00 00 00 00 00 00");
	say(MOVE_J);
	run(10);
	assert_int_equal(heard.last[0x2C1][0], 0);
	say("161 01 01 64 00 00 00 00 00");
	say_pair(0x165, 10000, 20000);
	run(1000);
	assert_int_equal(heard.last[0x2C1][0], 1);
	assert_int_equal(heard_i32(0x2C5, 0), 10000);
}

static void leader_home(void **unused)
{
	const double hand[6] = { 0.3, 1.0, -1.0, 0.2, 0.1, -0.4 };

	(void)unused;
	begin("S-V1.7-4");
	say("470 fa 00 00 00 00 00 00 00");
	piper_arm_power_cycle(&arm);
	piper_arm_lead(&arm, hand);
	run(4000);
	say("191 01 01 01 00 00 00 00 00");
	run(4000);
	assert_int_equal(heard_i32(0x155, 4), 0);
	ready("S-V1.8-9", MOVE_J);
	go_up();
	say("191 01 01 01 00 00 00 00 00"); /* the leader's, not ours */
	run(2000);
	assert_at(posture, 2);
	say("191 01 00 01 00 00 00 00 00");
	run(4000);
	assert_at((const int32_t[6]){ 0 }, 1);
	ready("S-V1.7-3", MOVE_J);
	go_up();
	say("191 01 00 01 00 00 00 00 00");
	run(2000);
	assert_at(posture, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leader),
		cmocka_unit_test(leader_and_follower),
		cmocka_unit_test(moved_ids),
		cmocka_unit_test(leader_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
