/* test_piper_plan.c - the simulated PiPER's planner, paths, inverse kinematics and joints, each by itself: limits kept for whatever is
 * asked, geometry, and energy that only goes one way. */
#include "robots/sim/piper/path.h"
#include "robots/sim/piper/plan.h"
#include "robots/sim/piper/plant.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

static const struct piper_plan_limits plan_limits = { { 3, 3, 3, 1.5, 3, 3 }, { 5, 5, 5, 5, 2, 5 } };

static double between(double low, double high)
{
	return low + (high - low) * rand() / RAND_MAX;
}

/* One millisecond; speed and acceleration as the positions have them. */
static void step(struct piper_plan *p)
{
	struct piper_plan before = *p;

	piper_plan_step(p, &plan_limits);
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double v = p->dq_rad_s[j], a = (v - before.dq_rad_s[j]) / 1e-3;
		bool arrived = p->q_rad[j] == p->target_rad[j] && v == 0.0;

		assert_true(fabs(v) <= plan_limits.v_rad_s[j] + 1e-9);
		assert_true(fabs(a) <= plan_limits.a_rad_s2[j] + 1e-6 || arrived);
		assert_true(fabs(p->q_rad[j] - before.q_rad[j] - (v + before.dq_rad_s[j]) / 2.0 * 1e-3) < 1e-9 || arrived);
		assert_true(fabs(p->q_rad[j] - before.q_rad[j]) < 3.2e-3);
	}
}

/* New targets at any time: limits hold, and it comes to stand where it was last told. */
static void any_targets(void **unused)
{
	struct piper_plan p = { .share = { 1, 1, 1, 1, 1, 1 } };

	(void)unused;
	srand(1);
	for (int trial = 0; trial < 300; trial++) {
		for (int j = 0; j < PIPER_JOINTS; j++)
			piper_plan_aim(&p, j, rand() % 3 ? between(-2, 2) : p.target_rad[j] + between(-1e-3, 1e-3));
		for (int t = rand() % 300; t > 0; t--)
			step(&p);
	}
	assert_false(piper_plan_still(&p));
	for (int t = 0; t < 6000; t++)
		step(&p);
	assert_true(piper_plan_still(&p));
	assert_memory_equal(p.q_rad, p.target_rad, sizeof p.q_rad);
}

/* From rest all joints take the same share of their ways, and the longest way takes the time that its limits leave: v / a + way / v. */
static void together(void **unused)
{
	struct piper_plan p = { .share = { 1, 1, 1, 1, 1, 1 } };
	const double way[PIPER_JOINTS] = { 2.0, 1.0, -0.5, 0.2, 0.0, 1.5 };
	const struct piper_plan_limits same = { { 3, 3, 3, 3, 3, 3 }, { 5, 5, 5, 5, 5, 5 } };
	int t = 0;

	(void)unused;
	for (int j = 0; j < PIPER_JOINTS; j++)
		piper_plan_aim(&p, j, way[j]);
	for (; !piper_plan_still(&p) && t < 5000; t++) {
		piper_plan_step(&p, &same);
		for (int j = 0; j < PIPER_JOINTS; j++)
			assert_true(fabs(p.q_rad[j] - p.q_rad[0] * way[j] / way[0]) < 2e-3);
	}
	assert_in_range(t, 1260, 1300); /* below 3 rad/s all the way: 2 sqrt(2 / 5) = 1.265 s */
}

/* 200 Hz: accelerations are those of a tick, and a new target waits for the next. */
static void works_in_ticks(void **unused)
{
	struct piper_plan p = { .share = { 1, 1, 1, 1, 1, 1 } };

	(void)unused;
	srand(5);
	for (int t = 0; t < 3000; t++) {
		double before = p.ddq_rad_s2[0];

		if (t % 7 == 0)
			piper_plan_aim(&p, 0, between(-2, 2));
		step(&p);
		assert_true(t % 5 == 0 || p.ddq_rad_s2[0] == before);
	}
}

static void overshoot(void **unused)
{
	(void)unused;
	srand(2);
	for (int trial = 0; trial < 2000; trial++) {
		struct piper_plan p = { .share = { 1, 1, 1, 1, 1, 1 } };
		double way = between(1e-5, 2.0), most = 0.0;

		piper_plan_aim(&p, 0, way);
		for (int t = 0; t < 3000; t++) {
			piper_plan_step(&p, &plan_limits);
			most = fmax(most, p.q_rad[0]);
		}
		assert_true(p.q_rad[0] == way);
		assert_true(most <= way + 5e-5);
	}
}

static void braking(void **unused)
{
	struct piper_plan p = { .share = { 1, 1, 1, 1, 1, 1 } };

	(void)unused;
	piper_plan_aim(&p, 0, 2.0);
	for (int t = 0; t < 400; t++)
		step(&p);
	double q = p.q_rad[0], v = p.dq_rad_s[0];

	piper_plan_brake(&p, &plan_limits);
	for (int t = 0; t < 2000; t++)
		step(&p);
	assert_true(piper_plan_still(&p));
	assert_true(fabs(p.q_rad[0] - q - v * v / 10.0) < 0.02); /* a tick may pass before it is seen */
}

static const struct piper_path_limits path_limits = { 0.5, 1.0, 0.8, 2.0 };

static struct pose at(double x, double y, double z, double yaw)
{
	struct pose p = { { x, y, z }, { 0 } };
	const double rpy[3] = { 0.2, 1.0, yaw };

	quat_from_rpy(rpy, p.q_xyzw);
	return p;
}

/* Along it at no more than the limits, and to its end; returns the milliseconds. */
static int walk(struct piper_path *path, const struct pose *to)
{
	struct pose before = path->from, now;
	double way[6], v = 0.0;
	int t = 0;

	for (; path->active && t < 20000; t++) {
		piper_path_step(path, &path_limits, &now);
		pose_difference(&before, &now, way);
		double speed = vec3_norm(way) / 1e-3;

		assert_true(speed <= 0.5 * 1.001 && vec3_norm(way + 3) / 1e-3 <= 1.0 * 1.001);
		assert_true(speed - v <= 0.8e-3 * 1.1 || t == 0); /* braking is as hard, but for the last millisecond */
		v = speed;
		before = now;
	}
	pose_difference(&now, to, way);
	assert_true(vec3_norm(way) < 1e-6 && vec3_norm(way + 3) < 1e-6);
	return t;
}

static void paths(void **unused)
{
	struct pose from = at(0.3, 0, 0.2, 0), middle = at(0.3, 0.1, 0.3, 0), to = at(0.3, 0, 0.4, 0.5), beyond = at(0.3, 0, 0.6, 0);
	struct piper_path path;

	(void)unused;
	piper_path_line(&path, &from, &to);
	assert_true(fabs(path.length_m - 0.2) < 1e-12);
	assert_in_range(walk(&path, &to), 950, 1100); /* 2 sqrt(0.2 / 0.8) = 1 s */
	piper_path_arc(&path, &from, &middle, &to);
	assert_true(fabs(path.length_m - M_PI * 0.1) < 1e-9);
	walk(&path, &to);
	piper_path_arc(&path, &to, &middle, &from); /* the other way round */
	walk(&path, &from);
	struct pose quarter = at(0.3, 0.1 * sin(0.1), 0.3 - 0.1 * cos(0.1), 0);
	piper_path_arc(&path, &from, &to, &quarter); /* nearly all of the circle */
	assert_true(fabs(path.length_m - (2 * M_PI - 0.1) * 0.1) < 1e-6);
	walk(&path, &quarter);
	piper_path_arc(&path, &from, &to, &beyond); /* three points on a line */
	assert_true(path.angle_rad == 0.0);
	walk(&path, &beyond);
	piper_path_line(&path, &from, &from);
	assert_in_range(walk(&path, &from), 1, 200);
}

/* Whatever posture: from elsewhere its pose is found, if not always by the same joints. */
static void reach(void **unused)
{
	const struct robot_model *m = robot_model_find("piper");
	struct piper_reach r = { .model = m };
	int found = 0, trials = 400;

	(void)unused;
	memcpy(r.low_rad, m->q_min_rad, sizeof r.low_rad);
	memcpy(r.high_rad, m->q_max_rad, sizeof r.high_rad);
	srand(3);
	for (int i = 0; i < trials; i++) {
		double q[DOF_MAX] = { 0 }, from[DOF_MAX] = { 0 }, missing[6];
		struct pose goal, got;

		for (int j = 0; j < PIPER_JOINTS; j++) {
			q[j] = between(m->q_min_rad[j], m->q_max_rad[j]);
			from[j] = j < 1 || j > 3 ? between(-0.5, 0.5) : (m->q_min_rad[j] + m->q_max_rad[j]) / 2.0;
		}
		kinematics_forward(m, &pose_identity, q, &goal);
		if (!piper_reach_pose(&r, &goal, from))
			continue;
		found++;
		kinematics_forward(m, &pose_identity, from, &got);
		pose_difference(&got, &goal, missing);
		assert_true(vec3_norm(missing) < 1e-4 && vec3_norm(missing + 3) < 2e-4);
		for (int j = 0; j < PIPER_JOINTS; j++)
			assert_true(from[j] >= m->q_min_rad[j] && from[j] <= m->q_max_rad[j]);
	}
	assert_true(found > trials * 9 / 10);
}

static void reach_nothing(void **unused)
{
	const struct robot_model *m = robot_model_find("piper");
	struct piper_reach r = { .model = m };
	double q[PIPER_JOINTS] = { 0.1, 0.2, -0.3, 0.4, 0.5, 0.6 }, kept[PIPER_JOINTS];
	struct pose goal = at(0.9, 0, 0.3, 0), near;

	(void)unused;
	memcpy(r.low_rad, m->q_min_rad, sizeof r.low_rad);
	memcpy(r.high_rad, m->q_max_rad, sizeof r.high_rad);
	memcpy(kept, q, sizeof kept);
	assert_false(piper_reach_pose(&r, &goal, q));
	assert_memory_equal(q, kept, sizeof q);
	kinematics_forward(m, &pose_identity, q, &near);
	near.p_m[0] += 0.01;
	assert_false(piper_reach_near(&r, &near, 1e-3, q));
	assert_memory_equal(q, kept, sizeof q);
	near.p_m[0] -= 0.0099;
	assert_true(piper_reach_near(&r, &near, 5e-3, q));
}

/* Without power nothing rises for long: the masses' height after the fall is the lowest there was. */
static void falls_down(void **unused)
{
	static const double from[][PIPER_JOINTS] = { { 0, 1.5, -1.4, 0, 0.8, 0 }, { 1, 0.5, -0.3, 1, -1, 2 }, { -2, 2.5, -2.5, -1.5, 0.2, 0 },
		{ 0.5, 1.0, -2.9, 0.3, 1.2, -2 } };
	const struct piper_drive off[PIPER_JOINTS] = { { .kind = PIPER_DRIVE_OFF } };

	(void)unused;
	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		struct piper_plant p;
		struct pose link[DOF_MAX + 1];

		piper_plant_init(&p, robot_model_find("piper"));
		memcpy(p.q_rad, from[i], sizeof p.q_rad);
		kinematics_link_poses(p.model, p.q_rad, link);
		double wrist_m = link[3].p_m[2];

		for (int t = 0; t < 10000; t++)
			piper_plant_step(&p, off);
		kinematics_link_poses(p.model, p.q_rad, link);
		assert_true(link[3].p_m[2] < wrist_m);
		for (int j = 0; j < PIPER_JOINTS; j++)
			assert_true(fabs(p.dq_rad_s[j]) < 1e-3);
	}
}

/* Wild gains and wishes: joints stay within their ends, and numbers numbers. */
static void any_impedance(void **unused)
{
	struct piper_plant p;

	(void)unused;
	srand(4);
	piper_plant_init(&p, robot_model_find("piper"));
	for (int t = 0; t < 20000; t++) {
		static struct piper_drive d[PIPER_JOINTS];

		for (int j = 0; j < PIPER_JOINTS && t % 10 == 0; j++)
			d[j] = (struct piper_drive){ .kind = PIPER_DRIVE_IMPEDANCE, .q_rad = between(-12.5, 12.5), .dq_rad_s = between(-45, 45),
				.kp_nm_rad = between(0, 2000), .kd_nm_s_rad = between(-20, 20), .t_nm = between(-64, 64) };
		piper_plant_step(&p, d);
		for (int j = 0; j < PIPER_JOINTS; j++) {
			assert_true(fabs(p.q_rad[j]) < 3.2 && fabs(p.dq_rad_s[j]) < 3.2);
			assert_true(fabs(p.tau_nm[j]) <= 30.0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_targets),
		cmocka_unit_test(together),
		cmocka_unit_test(works_in_ticks),
		cmocka_unit_test(overshoot),
		cmocka_unit_test(braking),
		cmocka_unit_test(paths),
		cmocka_unit_test(reach),
		cmocka_unit_test(reach_nothing),
		cmocka_unit_test(falls_down),
		cmocka_unit_test(any_impedance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
