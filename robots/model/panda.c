/* panda.c - Franka Emika Panda (FER). Limits: Franka's control parameters documentation, "Limits for Panda". */
#include "robots/model/franka_dh.h"
#include "robots/model/model.h"

extern const struct robot_model robot_model_panda;

const struct robot_model robot_model_panda = {
	.name = "panda",
	FRANKA_DH,
	.q_min_rad = { -2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973 },
	.q_max_rad = { 2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973 },
	.dq_max_rad_s = { 2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61 },
	.ddq_max_rad_s2 = { 15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0 },
	.dddq_max_rad_s3 = { 7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0 },
	.tcp_v_max_m_s = 1.7,
	.tcp_a_max_m_s2 = 13.0,
	.tcp_w_max_rad_s = 2.5,
	.tcp_alpha_max_rad_s2 = 25.0,
};
