/* test_control_pose.c - an arm that gets poses and has joints of its own for them: what is let go, what ends a motion, and when the plan
 * takes the arm's joints over. */
#include "tests/unit/daemon/control_bench.h"

static struct bench *bench_of_poses(void)
{
	struct bench *b = bench_new();

	b->setup.arm[0].output = OUTPUT_POSE;
	bench_start(b);
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_READY);
	return b;
}

static double planned_from_arm(const struct bench *b)
{
	double apart = 0.0;

	for (uint32_t j = 0; j < DOF_MAX; j++)
		apart = fmax(apart, fabs(b->report.q_sent_rad[0][j] - b->inputs.arm[0].q_d_rad[j]));
	return apart;
}

static void targets_are_poses_of_the_planned_joints(void **state)
{
	struct bench *b = bench_of_poses();
	struct driver_target t;
	struct pose at;
	double apart[6];

	(void)state;
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 2000);
	assert_int_equal(b->report.mode, MODE_AUTO);
	t = b->queue[0][0];
	assert_int_equal(t.kind, OUTPUT_POSE);
	kinematics_forward(&b->setup.arm[0].model, &b->setup.arm[0].tcp, t.q_rad, &at);
	pose_difference(&at, &t.ee, apart);
	assert_true(vec3_norm(apart) < 1e-9 && vec3_norm(apart + 3) < 1e-9);
	double j[6][DOF_MAX], v = 0.0;
	kinematics_jacobian(&b->setup.arm[0].model, &b->setup.arm[0].tcp, t.q_rad, &at, j);
	for (uint32_t i = 0; i < DOF_MAX; i++)
		v += j[1][i] * t.dq_rad_s[i];
	assert_true(fabs(v - t.twist.v_m_s[1]) < 1e-9 && fabs(v) > 0.05);
	free(b);
}

/* Standing, the plan starts from the arm's own joints; its pose does not move by that. */
static void a_standing_arm_s_joints_are_taken_over(void **state)
{
	struct bench *b = bench_of_poses();
	struct pose before = b->report.ee_sent[0];
	double apart[6];

	(void)state;
	b->elbow_rad = 0.3;
	b->state_runs = false; /* the bench's arm would follow its own offset: see it once, and hold it */
	for (int i = 0; i < 3; i++) {
		struct arm_state *s = &b->inputs.arm[0];

		world_other_elbow(b, &b->setup.arm[0], s->q_rad);
		memcpy(s->q_d_rad, s->q_rad, sizeof s->q_d_rad);
		b->elbow_rad = 0.0;
		s->stamp_ns = s->arrival_ns = b->now_ns;
		run_ms(b, 10);
	}
	assert_int_equal(b->events[EVENT_ATTACH][REASON_POSTURE_TAKEN], 1);
	assert_true(planned_from_arm(b) < 1e-9);
	pose_difference(&before, &b->report.ee_sent[0], apart);
	assert_true(vec3_norm(apart) < 1e-6 && vec3_norm(apart + 3) < 1e-6);
	assert_int_equal(b->report.mode, MODE_READY);
	free(b);
}

/* In motion a difference is let go until it is too much for the plan to say anything. */
static void joints_too_far_from_the_plan_hold(void **state)
{
	struct bench *b = bench_of_poses();

	(void)state;
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	b->elbow_rad = 1.0;
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_true(planned_from_arm(b) > 0.1);
	assert_int_equal(b->events[EVENT_ATTACH][REASON_POSTURE_TAKEN], 0);
	b->elbow_rad = 3.0;
	run_ms(b, 100);
	expect_mode(b, MODE_HOLD, REASON_POSTURE_APART);
	assert_int_equal(b->faults_seen, 0);
	free(b);
}

/* Joint targets say which joints: there a difference is none of this. */
static void joint_targets_are_not_compared(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start(b);
	run_ms(b, 500);
	b->elbow_rad = 3.0;
	run_ms(b, 500);
	assert_int_equal(b->events[EVENT_ATTACH][REASON_POSTURE_TAKEN], 0);
	assert_int_equal(b->report.faults & (REASON_BIT(REASON_POSTURE_APART) | REASON_BIT(REASON_POSE_APART)), 0);
	free(b);
}

/* An arm that is not where it was sent is a fault, whatever its joints. */
static void an_arm_that_does_not_follow_is_a_fault(void **state)
{
	struct bench *b = bench_of_poses();

	(void)state;
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	b->state_runs = false;
	for (int i = 0; i < 100; i++) { /* it stays behind, and says that it was commanded to */
		b->inputs.arm[0].stamp_ns = b->inputs.arm[0].arrival_ns = b->now_ns;
		run_ms(b, 5);
	}
	assert_int_equal(b->report.mode, MODE_FAULT);
	assert_int_equal(b->last_fault, REASON_POSE_APART);
	free(b);
}

static void home_tells_of_another_elbow(void **state)
{
	for (int other = 0; other < 2; other++) {
		struct bench *b = bench_new();

		(void)state;
		b->setup.arm[0].output = OUTPUT_POSE;
		b->q[0][0] += 0.4;
		bench_start(b);
		run_ms(b, 500);
		ask_kind(b, COMMAND_MODE_HOLD);
		assert_true(ask_kind(b, COMMAND_HOME).ok);
		run_ms(b, 300);
		b->elbow_rad = other ? 0.05 : 0.0;
		for (int i = 0; i < 40 && b->report.driver == TARGET_HOME; i++)
			run_ms(b, 500);
		run_ms(b, 10);
		b->state_runs = false; /* as above */
		for (int i = 0; i < 10; i++) {
			b->inputs.arm[0].stamp_ns = b->inputs.arm[0].arrival_ns = b->now_ns;
			run_ms(b, 10);
		}
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_REACHED], !other);
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_OTHER_POSTURE], other);
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_INTERRUPTED], 0);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_poses_of_the_planned_joints),
		cmocka_unit_test(a_standing_arm_s_joints_are_taken_over),
		cmocka_unit_test(joints_too_far_from_the_plan_hold),
		cmocka_unit_test(joint_targets_are_not_compared),
		cmocka_unit_test(an_arm_that_does_not_follow_is_a_fault),
		cmocka_unit_test(home_tells_of_another_elbow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
