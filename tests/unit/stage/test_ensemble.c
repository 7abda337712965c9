/* test_ensemble.c - several chunks speak about one time: what they agree on is done exactly, where they disagree the analytic mean
 * is, and no chunk speaks about a time, an instruction or an epoch that is not its own. */
#include "tests/unit/stage/trajectory_rig.h"

static const double dt_s = 0.1;

static struct ensemble *ensemble_new(void)
{
	struct ensemble *e = calloc(1, sizeof *e);

	assert_non_null(e);
	return e;
}

/* A chunk of one arm that says the same value at all of its times. */
static struct ensemble_member *say(struct ensemble *e, uint32_t epoch, uint32_t instruction, double start_s, uint32_t n_steps, double value)
{
	struct action_chunk c = { .epoch = epoch, .instruction_id = instruction };
	struct ensemble_member *m = ensemble_push(e, &c, start_s, n_steps, dt_s);
	struct prediction *p = &m->arm[0];

	*p = (struct prediction){ .first_xyzw = { 0, 0, 0, 1 }, .spline = { .n = n_steps + 1, .dim = 6, .step_s = dt_s } };
	for (uint32_t i = 0; i <= n_steps; i++)
		for (uint32_t k = 0; k < 6; k++)
			p->spline.x[i][k] = value;
	for (uint32_t i = 0; i < n_steps; i++)
		p->gripper[i] = value;
	spline_finish(&p->spline);
	return m;
}

struct mean {
	struct spline s;
	double first_xyzw[4], gripper[CHUNK_STEPS_MAX];
	uint32_t n;
};

static void mean_of(const struct ensemble *e, double m, bool joints, bool binary, struct mean *out)
{
	struct ensemble_rules rules = { .decay = exp(-m), .dt_s = dt_s, .joints = joints, .binary_gripper = binary, .arm = 0 };

	memset(out, 0, sizeof *out);
	out->n = rules.n_steps = ensemble_steps(e, dt_s);
	ensemble_mean(e, &rules, &out->s, out->first_xyzw, out->gripper);
}

/* Of a chunk of eight steps: it is heard less from its middle on. */
static double heard(double start_s, double at_s)
{
	double left = fmin(fmax((start_s + 0.8 - at_s) / 0.4, 0.0), 1.0);

	return left * left;
}

/* What chunks that say 0, 1 and 3 from 0, 0.2 and 0.4 s on mean together. */
static double mean_of_three(double decay, double at_s)
{
	double w0 = heard(0.0, at_s), w1 = exp(-decay) * heard(0.2, at_s), w2 = exp(-2.0 * decay) * heard(0.4, at_s);

	if (w0 == 0.0) /* who has ended does not count as the oldest: only ratios matter */
		return w1 + w2 > 0.0 ? (w1 + 3.0 * w2) / (w1 + w2) : 3.0;
	return (w1 + 3.0 * w2) / (w0 + w1 + w2);
}

/* Three chunks that say 0, 1 and 3: the oldest has weight 1. */
static void weights_fall_from_the_oldest_on(void **state)
{
	static const double decay[] = { 0.0, 0.01, 0.5, 2.0 }, near = 1e-4; /* a chunk's last millionth is heard */
	struct ensemble *e = ensemble_new();
	struct mean m;

	(void)state;
	say(e, 1, 1, 0.0, 8, 0.0);
	say(e, 1, 1, 0.2, 8, 1.0);
	say(e, 1, 1, 0.4, 8, 3.0);
	for (int k = 0; k < 4; k++) {
		mean_of(e, decay[k], true, false, &m);
		assert_int_equal(m.n, 8);
		for (int i = 0; i <= 8; i++)
			assert_true(fabs(m.s.x[i][2] - mean_of_three(decay[k], 0.4 + 0.1 * i)) < near);
		for (int i = 0; i < 8; i++)
			assert_true(fabs(m.gripper[i] - mean_of_three(decay[k], 0.45 + 0.1 * i)) < near);
	}
	mean_of(e, 0.0, true, false, &m);
	assert_true(fabs(m.s.x[0][0] - 4.0 / 3.0) < 1e-15); /* m = 0: the plain mean */
	mean_of(e, 50.0, true, false, &m);
	assert_true(fabs(m.s.x[1][0]) < 1e-15); /* large m: the oldest alone */
	free(e);
}

static void binary_grippers_follow_the_newest_that_covers_the_time(void **state)
{
	struct ensemble *e = ensemble_new();
	struct mean m;

	(void)state;
	say(e, 1, 1, 0.0, 20, 0.0);
	say(e, 1, 1, 0.5, 4, 1.0);
	mean_of(e, 0.0, true, true, &m);
	assert_int_equal(m.n, 15); /* the older chunk is the longer one */
	for (int i = 0; i < 15; i++)
		assert_true(m.gripper[i] == (i < 4 ? 1.0 : 0.0));
	for (int i = 0; i <= 15; i++)
		assert_true(fabs(m.s.x[i][0] - (i <= 2 ? 0.5 : i == 3 ? 0.2 : 0.0)) < 1e-5);
	free(e);
}

static void other_epochs_and_instructions_drop_all(void **state)
{
	struct ensemble *e = ensemble_new();
	struct mean m;

	(void)state;
	say(e, 1, 1, 0.0, 8, 5.0);
	say(e, 2, 1, 0.1, 8, 1.0); /* a hand-over came between */
	mean_of(e, 0.0, true, false, &m);
	assert_true(m.s.x[1][0] == 1.0);
	say(e, 2, 1, 0.2, 8, 1.0);
	say(e, 2, 2, 0.2, 8, 7.0); /* another instruction */
	mean_of(e, 0.0, true, false, &m);
	assert_true(m.s.x[1][0] == 7.0);
	ensemble_drop(e);
	say(e, 2, 2, 0.3, 8, 9.0);
	mean_of(e, 0.0, true, false, &m);
	assert_true(m.s.x[1][0] == 9.0);
	free(e);
}

/* Nothing is lost but the oldest when more speak than there is room for, and the ended ones make room first. */
static void more_chunks_than_room(void **state)
{
	struct ensemble *e = ensemble_new();
	struct mean m;

	(void)state;
	for (int i = 0; i < ENSEMBLE_MAX + 5; i++)
		say(e, 1, 1, 0.1 * i, CHUNK_STEPS_MAX, i);
	mean_of(e, 0.0, true, false, &m);
	assert_true(fabs(m.s.x[1][0] - (5.0 + (ENSEMBLE_MAX - 1) / 2.0)) < 1e-12);
	mean_of(e, 50.0, true, false, &m);
	assert_true(fabs(m.s.x[1][0] - 5.0) < 1e-12);
	say(e, 1, 1, 100.0, 8, 1.0); /* all others have ended */
	assert_int_equal(e->n, 1);
	for (int i = 0; i < 1000; i++)
		say(e, 1, 1, 100.0 + 0.05 * i, 8, i);
	assert_int_equal(e->n, ENSEMBLE_MAX);
	free(e);
}

static void set_turns(struct prediction *p, const double first[3], const double turn[3])
{
	quat_from_rotvec(first, p->first_xyzw);
	for (uint32_t i = 0; i < p->spline.n; i++)
		memcpy(p->spline.x[i] + 3, turn, 3 * sizeof *turn);
	spline_finish(&p->spline);
}

/* Two rotations: the mean of equal weights is half way on the geodesic; through pi and in whatever chart they are written. */
static void orientations_are_averaged_on_the_sphere(void **state)
{
	static const double angle[][2] = { { 0.3, 0.9 }, { 3.0, 3.4 }, { -3.1, -3.2 }, { 2.0, 4.2 } };
	struct ensemble *e = ensemble_new();
	struct mean m;

	(void)state;
	for (size_t k = 0; k < sizeof angle / sizeof angle[0]; k++) {
		double middle = (angle[k][0] + angle[k][1]) / 2.0, q[4], want[4], back[4], apart[3];

		ensemble_drop(e);
		set_turns(&say(e, 1, 1, 0.0, 8, 0.0)->arm[0], (double[3]){ 0, angle[k][0], 0 }, (double[3]){ 0, 0, 0 });
		set_turns(&say(e, 1, 1, 0.1, 8, 0.0)->arm[0], (double[3]){ 0, 0.7, 0 }, (double[3]){ 0, angle[k][1] - 0.7, 0 });
		mean_of(e, 0.0, false, false, &m);
		for (int i = 0; i <= 3; i++) { /* from then on the older one is heard less */
			quat_from_rotvec(m.s.x[i] + 3, q);
			quat_multiply(q, m.first_xyzw, q);
			quat_from_rotvec((double[3]){ 0, middle, 0 }, want);
			quat_conjugate(want, back);
			quat_multiply(q, back, q);
			quat_to_rotvec(q, apart);
			assert_true(vec3_norm(apart) < 1e-9);
		}
	}
	free(e);
}

/* Three turns about different axes: at the mean the weighted rotation vectors to all of them cancel. */
static void the_mean_of_many_turns_balances_them(void **state)
{
	static const double turn[3][3] = { { 1.2, 0.1, 0 }, { 0, 1.0, -0.4 }, { -0.3, 0.2, 1.1 } };
	struct ensemble *e = ensemble_new();
	double sum[3] = { 0 }, w = 1.0, q[4], at[4], back[4], r[3];
	struct mean m;

	(void)state;
	for (int k = 0; k < 3; k++)
		set_turns(&say(e, 1, 1, 0.0, 8, 0.0)->arm[0], (double[3]){ 0.3 * k, 0, 0.2 }, turn[k]);
	mean_of(e, 0.3, false, false, &m);
	quat_from_rotvec(m.s.x[5] + 3, at);
	quat_multiply(at, m.first_xyzw, at);
	quat_conjugate(at, back);
	for (int k = 0; k < 3; k++, w *= exp(-0.3)) {
		quat_from_rotvec((double[3]){ 0.3 * k, 0, 0.2 }, q);
		double own[4];

		quat_from_rotvec(turn[k], own);
		quat_multiply(own, q, q);
		quat_multiply(q, back, q);
		quat_to_rotvec(q, r);
		for (int i = 0; i < 3; i++)
			sum[i] += w * r[i];
	}
	assert_true(vec3_norm(sum) < 1e-8);
	free(e);
}

/* ---- through trajectory and safety -------------------------------------------------------------------------------- */

static struct rig *rig_of(enum execution_method method, enum action_space space, double m)
{
	struct rig *r = rig_new(space);

	r->setup.method = method;
	r->setup.ensemble_m = m;
	return r;
}

/* Absolute joints that turn at a constant speed: every chunk says the same about every time. */
static struct action_chunk line_chunk(const struct rig *r, uint64_t id, double q0_rad, double speed_rad_s)
{
	struct action_chunk c = chunk_at(r, r->now_ns, 0.0, 0.0);

	c.id = id;
	for (int i = 0; i < STEPS; i++) {
		memcpy(c.action[i], r->setup.arm[0].home_rad, 7 * sizeof(double));
		c.action[i][0] = q0_rad + speed_rad_s * dt_s * (i + 1);
	}
	return c;
}

static void chunks_that_agree_move_as_async_does(void **state)
{
	struct rig *a = rig_of(EXECUTE_ASYNC, ACTION_JOINT_ABSOLUTE, 0.0), *b = rig_of(EXECUTE_ENSEMBLE, ACTION_JOINT_ABSOLUTE, 0.1);

	(void)state;
	rig_run(a, 100, 1.0);
	rig_run(b, 100, 1.0);
	double speed = 0.2, begun_s = 0.0;

	for (uint64_t n = 1; n <= 12; n++) {
		/* the line as of path time, which is the same for both */
		struct action_chunk ca = line_chunk(a, n, speed * (a->trajectory.clock.q - begun_s), speed);
		struct action_chunk cb = line_chunk(b, n, speed * (b->trajectory.clock.q - begun_s), speed);

		assert_true(trajectory_adopt(&a->trajectory, &ca, &a->past, &a->safety, false));
		assert_true(trajectory_adopt(&b->trajectory, &cb, &b->past, &b->safety, false));
		for (int k = 0; k < 40; k++) {
			rig_run(a, 5, 1.0);
			rig_run(b, 5, 1.0);
			/* Where a chunk begins differs: the older ones did not know how the arm would start up. That is of the order of
			 * what the start-up and its fading leave of the line. */
			assert_true(fabs(a->safety.joint[0].q - b->safety.joint[0].q) < (n < 4 ? 2e-3 : 2e-5));
		}
	}
	rig_run(a, 2000, 1.0);
	rig_run(b, 2000, 1.0);
	assert_true(fabs(a->safety.joint[0].q - b->safety.joint[0].q) < 1e-6);
	rig_expect_limits(b);
	free(a);
	free(b);
}

static struct action_chunk joints_chunk(const struct rig *r, uint64_t id, uint32_t n_steps, double q0_rad)
{
	struct action_chunk c = line_chunk(r, id, 0.0, 0.0);

	c.n_steps = n_steps;
	for (uint32_t i = 0; i < n_steps; i++) {
		memcpy(c.action[i], r->setup.arm[0].home_rad, 7 * sizeof(double));
		c.action[i][0] = q0_rad;
	}
	return c;
}

static void run_path_to(struct rig *r, double path_s)
{
	for (int i = 0; i < 4000 && r->trajectory.clock.q < path_s; i++)
		rig_run(r, 5, 1.0);
	assert_true(r->trajectory.clock.q >= path_s);
}

/* Two chunks of different goals: the arm goes to their mean while both speak, and to the survivor's goal afterwards. */
static void chunks_that_disagree_meet_at_the_mean(void **state)
{
	static const double m[] = { 0.0, 0.7, 20.0 };

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct rig *r = rig_of(EXECUTE_ENSEMBLE, ACTION_JOINT_ABSOLUTE, m[k]);
		double w = exp(-m[k]);

		rig_run(r, 100, 1.0);
		struct action_chunk one = joints_chunk(r, 1, 30, 0.2), two = joints_chunk(r, 2, 50, 0.1);

		assert_true(trajectory_adopt(&r->trajectory, &one, &r->past, &r->safety, false));
		double begun_s = r->trajectory.clock.q;

		run_path_to(r, begun_s + 0.5);
		two.t_obs_ns = r->now_ns;
		assert_true(trajectory_adopt(&r->trajectory, &two, &r->past, &r->safety, false));
		run_path_to(r, begun_s + 1.5); /* both are fully heard until then */
		assert_true(fabs(r->safety.joint[0].q - (0.2 + 0.1 * w) / (1.0 + w)) < 1e-3);
		rig_run(r, 12000, 1.0);
		assert_true(fabs(r->safety.joint[0].q - 0.1) < 1e-5);
		assert_true(trajectory_ran_out(&r->trajectory));
		rig_expect_limits(r);
		free(r);
	}
}

/* A short chunk on top of a long one: the path goes on to the end of the long one. */
static void a_longer_older_chunk_goes_on_alone(void **state)
{
	struct rig *r = rig_of(EXECUTE_ENSEMBLE, ACTION_JOINT_ABSOLUTE, 0.0);

	(void)state;
	rig_run(r, 100, 1.0);
	struct action_chunk one = joints_chunk(r, 1, 40, 0.2), two = joints_chunk(r, 2, 5, 0.1);

	assert_true(trajectory_adopt(&r->trajectory, &one, &r->past, &r->safety, false));
	double end_s = r->trajectory.end_s;

	run_path_to(r, r->trajectory.clock.q + 1.0);
	two.t_obs_ns = r->now_ns;
	assert_true(trajectory_adopt(&r->trajectory, &two, &r->past, &r->safety, false));
	assert_true(r->trajectory.end_s <= end_s + 1e-6 && r->trajectory.end_s > end_s - dt_s); /* on the newest's grid */
	assert_true(r->trajectory.n_steps > 25);
	rig_run(r, 6000, 1.0);
	assert_true(fabs(r->safety.joint[0].q - 0.2) < 1e-4);
	rig_expect_limits(r);
	free(r);
}

/* A chunk's end is no step of the mean: of two that go apart at 0.3 each, the mean must be no faster than a turn to the other takes. */
static void the_end_of_a_chunk_is_not_a_jump(void **state)
{
	struct ensemble *e = ensemble_new();
	struct mean m;
	double fastest = 0.0;

	(void)state;
	struct prediction *up = &say(e, 1, 1, 0.0, 8, 0.0)->arm[0];

	for (int i = 0; i <= 8; i++)
		up->spline.x[i][0] = 0.03 * i;
	spline_finish(&up->spline);
	struct prediction *down = &say(e, 1, 1, 0.4, 8, 0.0)->arm[0];

	for (int i = 0; i <= 8; i++)
		down->spline.x[i][0] = 0.12 - 0.03 * i;
	spline_finish(&down->spline);
	mean_of(e, 0.0, true, false, &m);
	for (int i = 0; i < 8; i++)
		fastest = fmax(fastest, fabs(m.s.x[i + 1][0] - m.s.x[i][0]) / dt_s);
	assert_true(fastest < 2.0 * 0.3);
	assert_true(fabs(m.s.x[8][0] + 0.12) < 1e-9); /* who speaks alone is heard to the end */
	free(e);
}

static void a_drop_forgets_every_voice(void **state)
{
	struct rig *r = rig_of(EXECUTE_ENSEMBLE, ACTION_JOINT_ABSOLUTE, 0.0);

	(void)state;
	rig_run(r, 100, 1.0);
	struct action_chunk one = joints_chunk(r, 1, 30, 0.2), two = joints_chunk(r, 2, 30, 0.1);

	assert_true(trajectory_adopt(&r->trajectory, &one, &r->past, &r->safety, false));
	rig_run(r, 100, 1.0);
	trajectory_drop(&r->trajectory);
	rig_run(r, 1000, 1.0); /* without a path the arm brakes */
	two.t_obs_ns = r->now_ns;
	assert_true(trajectory_adopt(&r->trajectory, &two, &r->past, &r->safety, false));
	assert_int_equal(r->trajectory.ensemble.n, 1);
	rig_run(r, 4000, 1.0);
	assert_true(fabs(r->safety.joint[0].q - 0.1) < 1e-5);
	free(r);
}

/* Deltas are added up on each chunk's own reference before they are averaged: goals are absolute. */
static void deltas_are_averaged_as_poses(void **state)
{
	struct rig *r = rig_of(EXECUTE_ENSEMBLE, ACTION_EE_DELTA, 0.0);

	(void)state;
	rig_run(r, 100, 1.0);
	double y0 = r->safety.ee.p_m[1];
	struct action_chunk one = chunk_at(r, r->now_ns, 0.0, 0.01);

	assert_true(trajectory_adopt(&r->trajectory, &one, &r->past, &r->safety, false)); /* to y0 + 80 mm */
	run_path_to(r, r->trajectory.clock.q + 0.4);
	double y1 = r->safety.ee.p_m[1];
	struct action_chunk two = chunk_at(r, r->now_ns, 0.0, -0.01); /* to y1 - 80 mm */

	two.id = 2;
	assert_true(trajectory_adopt(&r->trajectory, &two, &r->past, &r->safety, false));
	rig_run(r, 4000, 1.0);
	assert_true(fabs(y1 - y0 - 0.04) < 2e-3);
	assert_true(fabs(r->safety.ee.p_m[1] - (y1 - 0.08)) < 1e-4); /* the newer one outlives the other */
	/* Near its end the older one has a sixteenth of the newer one's weight. */
	assert_true(fabs(r->trajectory.arm[0].spline.x[3][1] - ((y0 + 0.07) + 16.0 * (y1 - 0.03)) / 17.0) < 1e-3);
	rig_expect_limits(r);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_fall_from_the_oldest_on),
		cmocka_unit_test(binary_grippers_follow_the_newest_that_covers_the_time),
		cmocka_unit_test(other_epochs_and_instructions_drop_all),
		cmocka_unit_test(more_chunks_than_room),
		cmocka_unit_test(orientations_are_averaged_on_the_sphere),
		cmocka_unit_test(the_mean_of_many_turns_balances_them),
		cmocka_unit_test(chunks_that_agree_move_as_async_does),
		cmocka_unit_test(chunks_that_disagree_meet_at_the_mean),
		cmocka_unit_test(a_longer_older_chunk_goes_on_alone),
		cmocka_unit_test(the_end_of_a_chunk_is_not_a_jump),
		cmocka_unit_test(a_drop_forgets_every_voice),
		cmocka_unit_test(deltas_are_averaged_as_poses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
