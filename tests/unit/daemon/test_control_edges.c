/* test_control_edges.c - a policy that drives arms where they cannot go: through singular postures, out of reach, into the corners of
 * joint limits. The bench's judge holds every target against position, velocity, acceleration and jerk; here it is asked how it ends. */
#include "tests/unit/daemon/control_bench.h"

static const char *const models[] = { "panda", "fr3", "fr3_5.9", "piper" };
enum { MODELS = sizeof models / sizeof models[0] };

/* In AUTO, workspace and floor out of the way. */
static struct bench *bench_of(const char *model, const double *q_rad)
{
	struct bench *b = bench_new();
	struct arm_setup *a = &b->setup.arm[0];

	a->model = *robot_model_find(model);
	memcpy(a->home_rad, q_rad ? q_rad : a->model.home_rad, sizeof a->home_rad);
	for (int k = 0; k < 3; k++) {
		a->box_min_m[k] = -3.0;
		a->box_max_m[k] = 3.0;
	}
	a->floor_m = -3.0;
	memcpy(b->q[0], a->home_rad, sizeof b->q[0]);
	memset(b->speed_m_s, 0, sizeof b->speed_m_s);
	bench_start_in(b, COMMAND_MODE_AUTO, 300);
	return b;
}

/* The judge has seen every target. It ends in HOLD with the reason that the arm cannot follow, or still in AUTO, along its edge: each
 * chunk begins where the arm is, so that none needs to be far ahead of it. Either way a stop stands. */
static void expect_kept(struct bench *b, int64_t ms)
{
	run_ms(b, ms);
	if (b->report.mode == MODE_HOLD)
		assert_true(b->report.reason == REASON_WORKSPACE || b->report.reason == REASON_UNREACHABLE || b->report.reason == REASON_STRETCHED);
	else
		expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
}

/* At an edge the arm slows down: joints that must run for little way of the TCP do not make it faster than asked. */
static void expect_no_rush(struct bench *b, int64_t ms)
{
	const double more = 1.6; /* of the speed that is asked for */

	for (int64_t left = ms; left > 0; left -= 5) {
		run_ms(b, 5);
		assert_true(vec3_norm(b->control.target[0].twist.v_m_s) <= more * vec3_norm(b->speed_m_s));
	}
}

static void out_of_reach_it_slows_down_and_holds(void **state)
{
	static const double way[][3] = { { 0.2, 0.0, 0.0 }, { 0.1, 0.15, 0.05 }, { 0.05, -0.2, -0.1 } };

	(void)state;
	for (int m = 0; m < MODELS; m++)
		for (size_t k = 0; k < sizeof way / sizeof way[0]; k++) {
			struct bench *b = bench_of(models[m], NULL);

			memcpy(b->speed_m_s, way[k], sizeof b->speed_m_s);
			expect_no_rush(b, 8000);
			expect_mode(b, MODE_HOLD, REASON_STRETCHED);
			expect_kept(b, 0);
			free(b);
		}
}

/* Turning on and on: some joint meets its limit. */
static void turning_into_joint_limits_keeps_them(void **state)
{
	static const double turn[][3] = { { 0.0, 0.0, 0.5 }, { 0.4, 0.0, 0.0 }, { 0.0, -0.4, 0.0 } };

	(void)state;
	for (int m = 0; m < MODELS; m++)
		for (size_t k = 0; k < sizeof turn / sizeof turn[0]; k++) {
			struct bench *b = bench_of(models[m], NULL);

			memcpy(b->turn_rad_s, turn[k], sizeof b->turn_rad_s);
			expect_kept(b, 8000);
			free(b);
		}
}

/* A PiPER's axes 4 and 6 are one at joint 5 = 0: the TCP turns through that posture and on. */
static void a_wrist_turns_through_its_singular_posture(void **state)
{
	struct bench *b = bench_of("piper", NULL);
	double first = b->report.q_sent_rad[0][4];

	(void)state;
	b->turn_rad_s[1] = first > 0.0 ? -0.3 : 0.3;
	for (int i = 0; i < 200 && b->report.mode == MODE_AUTO && b->report.q_sent_rad[0][4] * first > -0.1 * fabs(first); i++)
		run_ms(b, 50);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_true(b->report.q_sent_rad[0][4] * first < 0.0);
	free(b);
}

/* From postures next to a singular one, whatever is asked for. */
static void beside_singular_postures_limits_are_kept(void **state)
{
	static const double beside[][DOF_MAX] = {
		{ 0.0, 0.2, 0.0, -0.15, 0.0, 1.2, 0.785 },  /* elbow nearly straight */
		{ 0.0, -0.3, 0.0, -2.2, 0.0, 0.05, 0.785 }, /* wrist nearly straight: of a Panda only */
	};
	static const double way[][6] = { { 0.2, 0, 0, 0, 0, 0 }, { -0.2, 0, 0.1, 0, 0, 0 }, { 0, 0.2, 0, 0, 0, 0.5 }, { 0, 0, 0, 0.5, 0.3, 0 } };

	(void)state;
	for (size_t q = 0; q < 2; q++)
		for (size_t k = 0; k < sizeof way / sizeof way[0]; k++) {
			struct bench *b = bench_of("panda", beside[q]);

			memcpy(b->speed_m_s, way[k], sizeof b->speed_m_s);
			memcpy(b->turn_rad_s, way[k] + 3, sizeof b->turn_rad_s);
			expect_kept(b, 4000);
			free(b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_reach_it_slows_down_and_holds),
		cmocka_unit_test(turning_into_joint_limits_keeps_them),
		cmocka_unit_test(a_wrist_turns_through_its_singular_posture),
		cmocka_unit_test(beside_singular_postures_limits_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
