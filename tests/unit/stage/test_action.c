/* test_action.c - an action leads somewhere, and the action that is found for that place is the same one: in every action space, for
 * every delta reference, rotation form and frame, with scales. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/action.h"
#include "daemon/stage/geometry.h"
#include "robots/model/model.h"

enum { FIRST = 3, TRIALS = 2000 }; /* the arm's slice does not begin at 0 */

static uint64_t seed;

/* -1..1 (xorshift64*, Vigna 2016). */
static double random_sign(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)(int64_t)(seed * 0x2545f4914f6cdd1dULL) / 9.223372036854775808e18;
}

static struct control_setup setup_of(enum action_space space, enum delta_reference reference)
{
	struct control_setup s = { .n_arms = 1, .action_space = space, .delta_reference = reference, .action_dim = FIRST + 8, .action_dt_ns = 50000000 };
	struct arm_setup *a = &s.arm[0];

	a->model = *robot_model_find("panda");
	a->tcp = pose_identity;
	a->action_first = FIRST;
	a->action_count = 8;
	for (int k = 0; k < 3; k++) {
		a->box_min_m[k] = -2.0;
		a->box_max_m[k] = 2.0;
	}
	for (int k = 0; k < ACTION_DIM_MAX; k++)
		s.action_scale[k] = 0.02 + 0.005 * k;
	if (space == ACTION_EE_ABSOLUTE || space == ACTION_JOINT_ABSOLUTE)
		for (int k = 0; k < ACTION_DIM_MAX; k++)
			s.action_scale[k] = 1.0 + 0.1 * k;
	return s;
}

static struct action_point somewhere(const struct control_setup *s)
{
	struct waypoint_start start = { 0 };
	struct action_point at;

	for (uint32_t i = 0; i < 7; i++) {
		start.q_rad[i] = s->arm[0].model.home_rad[i] + 0.2 * random_sign();
		start.dq_rad[i] = 0.3 * random_sign();
	}
	action_begin(s, 0, &start, &at);
	return at;
}

/* Wide turns, but none that can be written in two ways as near to each other. */
static void random_action(const struct control_setup *s, const struct action_point *at, double *action)
{
	bool joints = action_is_joints(s), absolute = s->action_space == ACTION_EE_ABSOLUTE || s->action_space == ACTION_JOINT_ABSOLUTE;

	for (uint32_t k = 0; k < 8; k++) {
		action[FIRST + k] = random_sign();
		if (absolute && joints && k < 7)
			action[FIRST + k] = (at->q_rad[k] + 0.2 * action[FIRST + k]) / s->action_scale[FIRST + k];
	}
}

static void check_round_trip(const struct control_setup *s)
{
	struct action_point at = somewhere(s), goal;
	double action[ACTION_DIM_MAX], found[ACTION_DIM_MAX];

	for (int k = 0; k < ACTION_DIM_MAX; k++)
		action[k] = 99.0;
	random_action(s, &at, action);
	goal = at;
	action_follow(s, 0, action, &goal);
	memcpy(found, action, sizeof found);
	for (int k = 0; k < 7 - (action_is_joints(s) ? 0 : 1); k++)
		found[FIRST + k] += 0.05 * random_sign(); /* only a hint of how angles are written */
	action_find(s, 0, &at, &goal, found);
	for (int k = 0; k < ACTION_DIM_MAX; k++)
		assert_true(fabs(found[k] - action[k]) < 1e-9);
}

static void finds_what_led_there(void **state)
{
	static const struct { enum action_space space; enum delta_reference reference; } kinds[] = {
		{ ACTION_EE_DELTA, DELTA_COMMANDED }, { ACTION_EE_DELTA, DELTA_MEASURED }, { ACTION_EE_DELTA, DELTA_OSC },
		{ ACTION_EE_ABSOLUTE, DELTA_COMMANDED }, { ACTION_JOINT_DELTA, DELTA_COMMANDED }, { ACTION_JOINT_ABSOLUTE, DELTA_COMMANDED },
	};

	(void)state;
	seed = 20261122;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (int form = 0; form < 4; form++) {
			struct control_setup s = setup_of(kinds[i].space, kinds[i].reference);

			s.rotation = form & 1 ? ROTATION_RPY : ROTATION_ROTVEC;
			s.delta_frame = form & 2 ? FRAME_TCP : FRAME_BASE;
			for (int n = 0; n < TRIALS; n++)
				check_round_trip(&s);
		}
}

/* A tool that points down: roll or a rotation vector of pi, which the data may write as it likes. */
static void angles_are_written_as_before(void **state)
{
	static const double down[][3] = { { 3.1, 0.1, -3.0 }, { -3.1, 0.1, 3.2 }, { 0.02, 3.0, 0.1 }, { 3.0, 0.2, -0.1 }, { -3.2, -0.2, 0.1 } };

	(void)state;
	for (int form = 0; form < 2; form++)
		for (size_t i = 0; i < sizeof down / sizeof *down; i++) {
			struct control_setup s = setup_of(ACTION_EE_ABSOLUTE, DELTA_COMMANDED);
			double action[ACTION_DIM_MAX] = { 0 }, found[ACTION_DIM_MAX];
			struct action_point at, goal;

			s.rotation = form ? ROTATION_RPY : ROTATION_ROTVEC;
			seed = 7 + i;
			goal = at = somewhere(&s);
			for (int k = 0; k < 3; k++)
				action[FIRST + 3 + k] = down[i][k] / s.action_scale[FIRST + 3 + k];
			action_follow(&s, 0, action, &goal);
			memcpy(found, action, sizeof found);
			found[FIRST + 3] += 0.01;
			action_find(&s, 0, &at, &goal, found);
			for (int k = 0; k < ACTION_DIM_MAX; k++)
				assert_true(fabs(found[k] - action[k]) < 1e-9);
		}
}

static void beyond_the_soft_controllers_reach_is_cut_off(void **state)
{
	struct control_setup s = setup_of(ACTION_EE_DELTA, DELTA_OSC);
	double action[ACTION_DIM_MAX] = { 0 };
	struct action_point at, goal;

	(void)state;
	seed = 3;
	goal = at = somewhere(&s);
	goal.at.p_m[0] += 0.5;
	goal.at.p_m[1] -= 0.5;
	action_find(&s, 0, &at, &goal, action);
	assert_true(action[FIRST] == 1.0 && action[FIRST + 1] == -1.0);
}

static void a_scale_of_zero_leaves_the_value_alone(void **state)
{
	struct control_setup s = setup_of(ACTION_JOINT_DELTA, DELTA_COMMANDED);
	double action[ACTION_DIM_MAX];
	struct action_point at, goal;

	(void)state;
	seed = 4;
	goal = at = somewhere(&s);
	goal.q_rad[2] += 0.1;
	s.action_scale[FIRST + 2] = 0.0;
	for (int k = 0; k < ACTION_DIM_MAX; k++)
		action[k] = 0.25;
	action_find(&s, 0, &at, &goal, action);
	assert_true(action[FIRST + 2] == 0.25 && action[FIRST + 1] == 0.0 && action[FIRST + 7] == 0.25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_led_there),
		cmocka_unit_test(angles_are_written_as_before),
		cmocka_unit_test(beyond_the_soft_controllers_reach_is_cut_off),
		cmocka_unit_test(a_scale_of_zero_leaves_the_value_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
