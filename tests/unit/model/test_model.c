/* test_model.c - every robot model is whole: found by name, limits as the makers print them, home inside them, the arm's surface
 * around its joints and above the table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

static void models_are_found_by_name(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (; robot_model_name(n); n++)
		assert_string_equal(robot_model_find(robot_model_name(n))->name, robot_model_name(n));
	assert_int_equal(n, 5);
	assert_null(robot_model_find("puma"));
	assert_null(robot_model_find(""));
}

static void limits_are_in_order_and_home_is_inside(void **state)
{
	(void)state;
	for (uint32_t k = 0; robot_model_name(k); k++) {
		const struct robot_model *m = robot_model_find(robot_model_name(k));
		struct pose flange;

		assert_true(m->dof == 6 || m->dof == 7);
		for (uint32_t i = 0; i < m->dof; i++) {
			/* 0.05: where a position-dependent velocity bound still lets the joint move */
			assert_true(m->q_min_rad[i] + 0.05 < m->home_rad[i] && m->home_rad[i] < m->q_max_rad[i] - 0.05);
			assert_true(m->dq_max_rad_s[i] > 0 && m->ddq_max_rad_s2[i] > 0 && m->dddq_max_rad_s3[i] > 0);
			assert_true((m->dq_decel_rad_s2[i] > 0) == (m->dq_offset_rad_s[i] > 0));
		}
		assert_true(m->tcp_v_max_m_s > 0 && m->tcp_w_max_rad_s > 0 && m->gripper_max_m > 0);
		kinematics_forward(m, &pose_identity, m->home_rad, &flange);
		assert_true(flange.p_m[0] > 0.15 && flange.p_m[2] > 0.15);
	}
}

/* The printed tables, row by row. What no maker prints (PiPER's velocity that we allow, its jerk and TCP) is at most what is known. */
struct printed {
	const char *name;
	double q_min[7], q_max[7], v[7], a[7], j[7], offset[7], decel[7], tcp_v, tcp_a, tcp_w, tcp_alpha;
};

static const struct printed table[] = {
	{ "panda", { -2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973 },
		{ 2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973 }, { 2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61 },
		{ 15, 7.5, 10, 12.5, 15, 20, 20 }, { 7500, 3750, 5000, 6250, 7500, 10000, 10000 }, { 0 }, { 0 }, 1.7, 13, 2.5, 25 },
	{ "fr3", { -2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159 },
		{ 2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159 }, { 2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26 },
		{ 10, 10, 10, 10, 10, 10, 10 }, { 5000, 5000, 5000, 5000, 5000, 5000, 5000 },
		{ 0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35 }, { 12.0 / 2, 5.17 / 2, 7.0 / 2, 8.0 / 2, 34.0 / 2, 11.0 / 2, 34.0 / 2 }, 3, 9, 2.5, 17 },
	{ "fr3_5.9", { -2.9007, -1.8361, -2.9007, -3.0770, -2.8763, 0.4398, -3.0508 },
		{ 2.9007, 1.8361, 2.9007, -0.1169, 2.8763, 4.6216, 3.0508 }, { 2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26 },
		{ 10, 10, 10, 10, 10, 10, 10 }, { 5000, 5000, 5000, 5000, 5000, 5000, 5000 },
		{ 0.6599, 0.2517, 0.2005, 0.3542, 0.5757, 0.4885, 0.4628 }, { 6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0 }, 3, 9, 2.5, 17 },
	{ "piper", { -2.6179, 0, -2.967, -1.745, -1.22, -2.09439 }, { 2.6179, 3.14, 0, 1.745, 1.22, 2.09439 }, { 3, 3, 3, 3, 3, 3 },
		{ 5, 5, 5, 5, 5, 5 }, { 50, 50, 50, 50, 50, 50 }, { 0 }, { 0 }, 1, 2.5, 2.5, 6 },
	{ "piper_1.6-2", { -2.6179, 0, -2.967, -1.745, -1.22, -2.09439 }, { 2.6179, 3.14, 0, 1.745, 1.22, 2.09439 }, { 3, 3, 3, 3, 3, 3 },
		{ 5, 5, 5, 5, 5, 5 }, { 50, 50, 50, 50, 50, 50 }, { 0 }, { 0 }, 1, 2.5, 2.5, 6 },
};

static void limits_are_the_makers(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
		const struct robot_model *m = robot_model_find(table[k].name);
		const struct printed *p = &table[k];

		assert_non_null(m);
		for (uint32_t i = 0; i < m->dof; i++) {
			assert_true(m->q_min_rad[i] == p->q_min[i] && m->q_max_rad[i] == p->q_max[i]);
			assert_true(m->dq_max_rad_s[i] <= p->v[i] && (m->dof == 6 || m->dq_max_rad_s[i] == p->v[i]));
			assert_true(m->ddq_max_rad_s2[i] == p->a[i] && m->dddq_max_rad_s3[i] == p->j[i]);
			assert_true(m->dq_offset_rad_s[i] == p->offset[i] && fabs(m->dq_decel_rad_s2[i] - p->decel[i]) < 1e-12);
		}
		assert_true(m->tcp_v_max_m_s == p->tcp_v && m->tcp_a_max_m_s2 == p->tcp_a);
		assert_true(m->tcp_w_max_rad_s == p->tcp_w && m->tcp_alpha_max_rad_s2 == p->tcp_alpha);
	}
}

/* Elbow, forearm, wrist and hand have balls; all are of a size that an arm's parts have; nothing of an arm at home is low. */
static void the_surface_is_whole(void **state)
{
	(void)state;
	for (uint32_t k = 0; robot_model_name(k); k++) {
		const struct robot_model *m = robot_model_find(robot_model_name(k));
		uint32_t frames = 0, hand = 0;
		struct heights h;

		assert_true(m->n_points > 0 && m->n_points <= LINK_POINTS_MAX);
		for (uint32_t i = 0; i < m->n_points; i++) {
			const struct link_point *p = &m->point[i];

			assert_true(p->frame >= 3 && p->frame <= m->dof + 1 && p->radius_m >= 0.02 && p->radius_m <= 0.1);
			assert_true(vec3_norm(p->p_m) < 0.4);
			frames |= 1u << p->frame;
			hand += p->frame == m->dof + 1;
		}
		assert_true(frames & 1u << 3 && frames & 1u << m->dof && hand >= 4);
		kinematics_heights(m, &pose_identity, m->home_rad, &h);
		for (uint32_t i = 0; i < h.n; i++)
			assert_true(h.z_m[i] > 0.05);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_found_by_name),
		cmocka_unit_test(limits_are_in_order_and_home_is_inside),
		cmocka_unit_test(limits_are_the_makers),
		cmocka_unit_test(the_surface_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
