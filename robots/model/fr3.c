/* fr3.c - Franka Research 3 with system versions before 5.9. Position limits, velocity ceiling, acceleration, jerk and
 * deceleration limit: Franka's control parameters documentation; velocity offsets: libfranka 0.11 to 0.17, which hard-codes
 * them (it uses position limits up to 0.008 rad wider; the documented ones here are the narrower). */
#include "robots/model/franka_dh.h"
#include "robots/model/model.h"

extern const struct robot_model robot_model_fr3;

const struct robot_model robot_model_fr3 = {
	.name = "fr3",
	FRANKA_DH,
	.q_min_rad = { -2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159 },
	.q_max_rad = { 2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159 },
	.dq_max_rad_s = { 2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26 },
	.ddq_max_rad_s2 = { 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0 },
	.dddq_max_rad_s3 = { 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0 },
	.dq_offset_rad_s = { 0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35 },
	.dq_decel_rad_s2 = { 6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0 },
	.tcp_v_max_m_s = 3.0,
	.tcp_a_max_m_s2 = 9.0,
	.tcp_w_max_rad_s = 2.5,
	.tcp_alpha_max_rad_s2 = 17.0,
};
