/* test_arm_pose.c - pose targets at the arm: they are followed smoothly in joints, and whatever they ask for, the joints keep their
 * limits. */
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "tests/unit/robots/arm_bench.h"

static const double STILL[6];

static struct pose pose_of(const struct bench *b, const double *q_rad)
{
	struct pose at;

	kinematics_forward(&b->setup.model, &b->setup.tcp, q_rad, &at);
	return at;
}

static void make_pose_bench(struct bench *b, const char *model)
{
	make_bench_of(b, model, 1.0);
}

/* A pose target due `lead_ms` from now: `from`, moved by way (m, rotation vector). */
static struct arm_target pose_at(struct bench *b, int lead_ms, const struct pose *from, const double way[6], const double twist[6])
{
	struct arm_target t = target_at(b, lead_ms, 0, 0);
	double turn[4];

	memset(t.target.q_rad, 0, sizeof t.target.q_rad);
	t.target.kind = OUTPUT_POSE;
	t.target.ee = *from;
	for (int i = 0; i < 3; i++)
		t.target.ee.p_m[i] += way[i];
	quat_from_rotvec(way + 3, turn);
	quat_multiply(turn, from->q_xyzw, t.target.ee.q_xyzw);
	memcpy(t.target.twist.v_m_s, twist, sizeof t.target.twist.v_m_s);
	memcpy(t.target.twist.w_rad_s, twist + 3, sizeof t.target.twist.w_rad_s);
	return t;
}

/* Where a smooth motion is after t: a circle in y, z that begins gently, turning about x meanwhile. */
static void circle(double t, double way[6], double twist[6])
{
	const double r = 0.03, w = 2.0, turn = 0.15;
	double f = 1 - exp(-t * t * 2), df = 4 * t * exp(-t * t * 2), c = 1 - cos(w * t), s = sin(w * t);

	memset(way, 0, 6 * sizeof *way);
	memset(twist, 0, 6 * sizeof *twist);
	way[1] = f * r * s;
	twist[1] = df * r * s + f * r * w * cos(w * t);
	way[2] = f * r * c;
	twist[2] = df * r * c + f * r * w * s;
	way[3] = f * turn * s; /* about one axis: the rotation vector's rate is the angular velocity */
	twist[3] = df * turn * s + f * turn * w * cos(w * t);
}

/* Streams the circle at 200 Hz; *t_ms counts on. The largest distance of what is commanded from it, between samples too. */
static double follow_circle(struct bench *b, const struct pose *from, int *t_ms, int ms)
{
	double worst = 0.0, way[6], twist[6], apart[6];

	for (int i = 0; i < ms; i++, ++*t_ms) {
		circle((*t_ms + 10) * 1e-3, way, twist);
		if (*t_ms % 5 == 0)
			send(b, pose_at(b, 10, from, way, twist));
		tick(b);
		circle((*t_ms + 1) * 1e-3, way, twist);
		struct arm_target there = pose_at(b, 0, from, way, twist);
		struct pose at = pose_of(b, b->command.q_rad);

		pose_difference(&at, &there.target.ee, apart);
		if (*t_ms > 1100) /* what the first target differed has faded */
			worst = fmax(worst, vec3_norm(apart) + vec3_norm(apart + 3));
	}
	return worst;
}

static void test_poses_are_followed_smoothly(void **state)
{
	static const char *const models[] = { "panda", "fr3", "fr3_5.9", "piper" };

	(void)state;
	for (int m = 0; m < 4; m++) {
		struct bench b;
		int t = 0;

		make_pose_bench(&b, models[m]);
		struct pose from = pose_of(&b, b.setup.model.home_rad);
		double worst = follow_circle(&b, &from, &t, 6000);
		struct arm_report r = report(&b);

		assert_int_equal(r.counters.refused, 0);
		assert_int_equal(r.counters.accepted, 1200);
		assert_int_equal(r.counters.limits_exceeded, 0);
		assert_int_equal(r.counters.underruns, 0);
		assert_true(worst < 1e-5); /* m and rad, between samples of 5 ms */
		assert_true(b.jump_peak_rad < 1e-6);
		assert_true(r.counters.velocity_peak > 0.05 && r.counters.acceleration_peak < 1.0);
		assert_true(r.ack_seq + 12 > b.seq - 6000 && r.mode == ARM_MOVING);
	}
}

static void test_first_pose(void **state)
{
	struct bench b;

	(void)state;
	make_pose_bench(&b, "panda");
	struct pose at = pose_of(&b, b.setup.model.home_rad);

	refused(&b, pose_at(&b, 10, &at, (double[6]){ 0.0051 }, STILL), REFUSAL_START_POSE);
	refused(&b, pose_at(&b, 10, &at, (double[6]){ [4] = 0.021 }, STILL), REFUSAL_START_POSE);
	refused(&b, pose_at(&b, 10, &at, STILL, (double[6]){ [2] = 0.03 }), REFUSAL_START_POSE);
	refused(&b, pose_at(&b, 10, &at, STILL, (double[6]){ [5] = 0.03 }), REFUSAL_START_POSE);
	refused(&b, pose_at(&b, 0, &at, STILL, STILL), REFUSAL_DUE);
	assert_true(stands(&b));
	for (int i = 0; i < 300; i++) {
		send(&b, pose_at(&b, 10, &at, (double[6]){ 0.003, -0.003, 0.002, 0.01, 0.01, -0.01 }, STILL));
		ticks(&b, 5);
	}
	assert_int_equal(report(&b).counters.refused, 5);
	assert_int_equal(report(&b).counters.limits_exceeded, 0);
	assert_true(report(&b).counters.acceleration_peak < 0.2 && b.jump_peak_rad < 1e-6);
	struct pose now = pose_of(&b, b.command.q_rad);
	assert_true(fabs(now.p_m[0] - at.p_m[0] - 0.003) < 1e-8);
}

static void test_form(void **state)
{
	struct bench b;

	(void)state;
	make_pose_bench(&b, "panda");
	struct pose at = pose_of(&b, b.setup.model.home_rad);

	for (int k = 0; k < 3; k++)
		for (int value = 0; value < 3; value++) {
			struct arm_target t = pose_at(&b, 10, &at, STILL, STILL);
			double *number[] = { &t.target.ee.p_m[1], &t.target.ee.q_xyzw[3], &t.target.twist.w_rad_s[2] };

			*number[k] = (double[]){ NAN, INFINITY, -1e300 }[value];
			refused(&b, t, REFUSAL_LIMIT);
			assert_int_equal(report(&b).refusal.worst, LIMIT_NOT_FINITE);
		}
	struct arm_target t = pose_at(&b, 10, &at, STILL, STILL);
	for (int i = 0; i < 4; i++)
		t.target.ee.q_xyzw[i] *= 1.0011;
	refused(&b, t, REFUSAL_LIMIT);
	assert_true(stands(&b));
	t = pose_at(&b, 10, &at, STILL, STILL); /* the same rotation */
	for (int i = 0; i < 4; i++)
		t.target.ee.q_xyzw[i] *= -1.0009;
	send(&b, t);
	assert_int_equal(report(&b).counters.accepted, 1);
}

/* Begins well, and goes wrong after 1.2 s. */
static void circle_then(struct bench *b, const double way_more[6], const double twist_more[6], uint32_t limits)
{
	double way[6], twist[6];
	int t = 0;

	make_pose_bench(b, "panda");
	struct pose from = pose_of(b, b->setup.model.home_rad);
	(void)follow_circle(b, &from, &t, 1200);
	assert_int_equal(report(b).counters.limits_exceeded, 0);
	circle((t + 10) * 1e-3, way, twist);
	for (int i = 0; i < 6; i++) {
		way[i] += way_more[i];
		twist[i] += twist_more[i];
	}
	refused(b, pose_at(b, 10, &from, way, twist), REFUSAL_LIMIT);
	assert_true((report(b).refusal.limits & limits) == limits);
	assert_int_equal(report(b).counters.limits_exceeded, 1);
	refused(b, pose_at(b, 15, &from, way, twist), REFUSAL_BRAKING);
	comes_to_rest(b);
	assert_true(b->jump_peak_rad < 1e-6 && b->jerk_first_peak <= 1 && b->jerk_peak <= 1);
}

static void test_limits_are_refused_with_a_brake(void **state)
{
	struct bench b;

	(void)state;
	circle_then(&b, (double[6]){ 0.05 }, STILL, LIMIT_TCP_SPEED);
	circle_then(&b, (double[6]){ [3] = 0.1 }, STILL, LIMIT_TCP_TURN);
	circle_then(&b, STILL, (double[6]){ 1.5 }, LIMIT_TCP_ACCELERATION);
	circle_then(&b, STILL, (double[6]){ [4] = 5 }, LIMIT_TCP_TURN_ACCELERATION);
}

/* Slowly outwards, until that is refused. */
static void drive_out(struct bench *b)
{
	struct pose from = pose_of(b, b->command.q_rad);

	for (int i = 0; i < 4000 && !report(b).refusal.why; i++) {
		double t = (i * 5 + 10) * 1e-3, v = 0.1 * (1 - exp(-t * t));

		send(b, pose_at(b, 10, &from, (double[6]){ 0.1 * (t - 0.886227 * erf(t)) }, (double[6]){ v }));
		ticks(b, 5);
	}
	assert_true(report(b).refusal.why == REFUSAL_LIMIT || report(b).refusal.why == REFUSAL_BEYOND);
	comes_to_rest(b);
}

static void test_edge_of_the_workspace(void **state)
{
	struct bench b;

	(void)state;
	make_pose_bench(&b, "panda");
	b.setup.box_max_m[0] = 0.6;
	drive_out(&b);
	assert_true(report(&b).refusal.limits & LIMIT_WORKSPACE);
	double x = pose_of(&b, b.command.q_rad).p_m[0];
	assert_true(x > 0.59 && x < 0.605);
}

static void test_edge_of_the_reach(void **state)
{
	struct bench b;

	(void)state;
	make_pose_bench(&b, "panda");
	drive_out(&b);
	struct pose at = pose_of(&b, b.command.q_rad);
	assert_true(at.p_m[0] > 0.7);
	refused(&b, pose_at(&b, 10, &at, (double[6]){ 0.0049 }, STILL), REFUSAL_LIMIT);
	assert_true(report(&b).refusal.limits & LIMIT_REACH);
}

static void test_targets_end(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_pose_bench(&b, "panda");
	struct pose from = pose_of(&b, b.setup.model.home_rad);
	(void)follow_circle(&b, &from, &t, 1200);
	ticks(&b, 15);
	assert_int_equal(b.arm.phase, ARM_PLAYS); /* coasts */
	ticks(&b, 10);
	assert_int_equal(report(&b).counters.underruns, 1);
	comes_to_rest(&b);
	/* The next one counts as a first one: the pose of q_d, not where the stream was. */
	refused(&b, pose_at(&b, 10, &from, STILL, STILL), REFUSAL_START_POSE);
	from = pose_of(&b, report(&b).q_d_rad);
	send(&b, pose_at(&b, 10, &from, STILL, STILL));
	assert_int_equal(b.arm.phase, ARM_PLAYS);
}

static struct arm_target joints_at(struct bench *b, const double *q_rad)
{
	struct arm_target t = target_at(b, 10, 0, 0);

	memcpy(t.target.q_rad, q_rad, sizeof t.target.q_rad);
	return t;
}

static void test_the_kind_changes_only_while_standing(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_pose_bench(&b, "panda");
	struct pose from = pose_of(&b, b.setup.model.home_rad);
	(void)follow_circle(&b, &from, &t, 1200);
	refused(&b, joints_at(&b, report(&b).q_d_rad), REFUSAL_KIND);
	comes_to_rest(&b);
	uint64_t refusals = report(&b).counters.refused;
	struct arm_report r = report(&b);
	from = pose_of(&b, r.q_d_rad);
	for (int i = 0; i < 40; i++) { /* to and fro */
		send(&b, i / 10 % 2 ? pose_at(&b, 10, &from, STILL, STILL) : joints_at(&b, r.q_d_rad));
		ticks(&b, 5);
	}
	assert_true(report(&b).counters.refused == refusals);
	for (uint32_t j = 0; j < DOF_MAX; j++)
		assert_true(fabs(report(&b).q_d_rad[j] - r.q_d_rad[j]) < 1e-8);
}

/* An elbow that is elsewhere moves to the home posture with the motion, and stands when the TCP stands. */
static void test_a_redundant_arm_keeps_its_posture(void **state)
{
	struct bench b;
	double q[DOF_MAX];
	int t = 0;

	(void)state;
	make_pose_bench(&b, "panda");
	memcpy(q, b.setup.model.home_rad, sizeof q);
	for (int n = 0; n < 1000; n++) { /* turn the elbow aside */
		double wish[DOF_MAX] = { [2] = 1.0 }, dq[DOF_MAX];
		struct ik k;

		ik_prepare(&k, &b.setup.model, &b.setup.tcp, q);
		ik_null_space(&k, wish, dq);
		for (uint32_t j = 0; j < DOF_MAX; j++)
			q[j] += 1e-3 * dq[j];
	}
	assert_true(q[2] - b.setup.model.home_rad[2] > 0.1);
	memcpy(b.robot.q_rad, q, sizeof q);
	b.robot.generation++;
	b.command.hold = false;
	b.last.hold = false;
	tick(&b);
	(void)ask(&b, ARM_ASK_ATTACH, ME, false, false);
	struct pose from = pose_of(&b, q);
	for (int i = 0; i < 200; i++) {
		send(&b, pose_at(&b, 10, &from, STILL, STILL));
		ticks(&b, 5);
	}
	assert_true(fabs(report(&b).q_d_rad[2] - q[2]) < 1e-6);
	(void)follow_circle(&b, &from, &t, 15000);
	assert_true(fabs(report(&b).q_d_rad[2] - b.setup.model.home_rad[2]) < 0.5 * (q[2] - b.setup.model.home_rad[2]));
	assert_int_equal(report(&b).counters.refused, 0);
}

/* One strange target: noise on the pose that is commanded, of any size, or of the arm's own stream. */
static struct arm_target strange_pose(struct bench *b, uint32_t *r)
{
	struct pose from = pose_of(b, b->command.hold ? b->command.q_rad : b->robot.q_rad);
	double way[6], twist[6], size = (double[]){ 1e-6, 1e-4, 1e-2, 1 }[random_u32(r) % 4];

	for (int i = 0; i < 6; i++) {
		way[i] = size * ((double)(random_u32(r) % 2001) - 1000) * 1e-3;
		twist[i] = 10 * size * ((double)(random_u32(r) % 2001) - 1000) * 1e-3;
	}
	if (random_u32(r) % 8 == 0)
		way[random_u32(r) % 6] = strange(r);
	if (random_u32(r) % 8 == 0)
		twist[random_u32(r) % 6] = strange(r);
	int lead_ms = (int)(random_u32(r) % 30) - 3;
	/* One that is due within a period would look like two brakes to watch_motion, with its own acceleration in between. */
	struct arm_target t = pose_at(b, lead_ms == 1 ? 2 : lead_ms, &from, way, twist);

	if (random_u32(r) % 16 == 0)
		t.target.ee.q_xyzw[random_u32(r) % 4] = strange(r);
	if (random_u32(r) % 16 == 0)
		t = target_at(b, 10, strange(r) * 0.1, strange(r));
	return t;
}

/* A motion that speeds up without end in a random direction, with a ramp of its acceleration, until it is refused: what passes is close to the limits. */
static void run_away(struct bench *b, uint32_t *r, int ms)
{
	struct pose from = pose_of(b, b->command.q_rad);
	double a[6];

	for (int i = 0; i < 6; i++)
		a[i] = ((double)(random_u32(r) % 2001) - 1000) * (i < 3 ? 5e-3 : 1e-2);
	for (int i = 0; i < ms; i++) {
		double t = (i + 10) * 1e-3, way[6], twist[6];

		for (int k = 0; k < 6; k++) {
			way[k] = a[k] * (t < 0.3 ? t * t * t / 1.8 : 0.015 + 0.15 * (t - 0.3) + (t - 0.3) * (t - 0.3) / 2);
			twist[k] = a[k] * (t < 0.3 ? t * t / 0.6 : 0.15 + (t - 0.3));
		}
		if (i % 5 == 0)
			send(b, pose_at(b, 10, &from, way, twist));
		tick(b);
	}
}

static void keeps_limits(const struct bench *b)
{
	const struct robot_model *m = &b->setup.model;
	const double room_rad = 1e-6; /* as in playout.c */

	for (uint32_t j = 0; j < m->dof && b->command.hold; j++) {
		assert_true(isfinite(b->command.dq_rad_s[j]));
		assert_true(b->command.q_rad[j] <= m->q_max_rad[j] + room_rad && b->command.q_rad[j] >= m->q_min_rad[j] - room_rad);
	}
}

static void test_nothing_commanded_breaks_a_limit(void **state)
{
	(void)state;
	for (int m = 0; m < 2; m++) {
		struct bench b;
		uint32_t r = 1;

		make_pose_bench(&b, m ? "piper" : "panda");
		for (int i = 0; i < 6000; i++) {
			if (random_u32(&r) % 12 == 0)
				run_away(&b, &r, (int)(random_u32(&r) % 1200));
			if (random_u32(&r) % 3 == 0)
				send(&b, strange_pose(&b, &r));
			if (random_u32(&r) % 50 == 0)
				(void)ask(&b, (enum arm_ask)(random_u32(&r) % ARM_ASK_SHUTDOWN), ME, random_u32(&r) % 2, true);
			(void)ask(&b, ARM_ASK_ENABLE, 0, false, false);
			if (!report(&b).accepted_from && stands(&b))
				(void)ask(&b, ARM_ASK_ATTACH, ME, false, true);
			tick(&b);
			keeps_limits(&b);
		}
		assert_true(report(&b).counters.velocity_peak <= 1 + 1e-6);
		assert_true(report(&b).counters.acceleration_peak <= 1 + 1e-6);
		assert_true(report(&b).counters.accepted > 1000);
		assert_true(report(&b).counters.refused > 100);
		assert_true(b.jump_peak_rad <= 1e-5 && b.jerk_peak <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poses_are_followed_smoothly),
		cmocka_unit_test(test_first_pose),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_limits_are_refused_with_a_brake),
		cmocka_unit_test(test_edge_of_the_workspace),
		cmocka_unit_test(test_edge_of_the_reach),
		cmocka_unit_test(test_targets_end),
		cmocka_unit_test(test_the_kind_changes_only_while_standing),
		cmocka_unit_test(test_a_redundant_arm_keeps_its_posture),
		cmocka_unit_test(test_nothing_commanded_breaks_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
