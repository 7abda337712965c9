/* test_model.c - every robot model is whole: found by name, limits in order, home inside them, the hand above the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

static void models_are_found_by_name(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (; robot_model_name(n); n++)
		assert_string_equal(robot_model_find(robot_model_name(n))->name, robot_model_name(n));
	assert_int_equal(n, 4);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_found_by_name),
		cmocka_unit_test(limits_are_in_order_and_home_is_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
