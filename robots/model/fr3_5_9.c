/* fr3_5_9.c - Franka Research 3 with system version 5.9 or newer. Source as in fr3.c; of the velocity offsets, which the
 * documentation and the URDF served by the robot give differently in the third digit, the larger one (the slower arm). */
#include "robots/model/franka_dh.h"
#include "robots/model/model.h"

extern const struct robot_model robot_model_fr3_5_9;

const struct robot_model robot_model_fr3_5_9 = {
	.name = "fr3_5.9",
	FRANKA_DH,
	.q_min_rad = { -2.9007, -1.8361, -2.9007, -3.0770, -2.8763, 0.4398, -3.0508 },
	.q_max_rad = { 2.9007, 1.8361, 2.9007, -0.1169, 2.8763, 4.6216, 3.0508 },
	.dq_max_rad_s = { 2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26 },
	.ddq_max_rad_s2 = { 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0 },
	.dddq_max_rad_s3 = { 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0 },
	.dq_offset_rad_s = { 0.6599, 0.2517, 0.2005, 0.3542, 0.5757, 0.4885, 0.4628 },
	.dq_decel_rad_s2 = { 6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0 },
	.tcp_v_max_m_s = 3.0,
	.tcp_a_max_m_s2 = 9.0,
	.tcp_w_max_rad_s = 2.5,
	.tcp_alpha_max_rad_s2 = 17.0,
};
