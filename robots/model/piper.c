/* piper.c - AgileX PiPER with firmware S-V1.6-3 or newer (its zero calibration moved the offsets of J2 and J3 by 2 degrees).
 *
 * DH and joint range: the maker's SDK (forward kinematics with dh_is_offset = 1; soft limits). Speed: the SDK's 3.0 rad/s;
 * at full speed arms have frozen and dropped at the following reset (piper_sdk issue 20), so that 2.0 is the most used
 * here. Acceleration: the firmware's default, 5 rad/s^2. No source states a jerk limit: 50 rad/s^3 reaches that
 * acceleration in 0.1 s, which shakes a 4 kg arm little. The maker gives no limit for the TCP either: 1 m/s and
 * 2.5 rad/s are what the joint limits give near the home posture, with accelerations in the ratio of the joints'. */
#include "robots/model/model.h"

#define DEGREES(x) ((x)*0.0174532925199432958)

extern const struct robot_model robot_model_piper;

const struct robot_model robot_model_piper = {
	.name = "piper",
	.dof = 6,
	/* clang-format off */
	.dh = {
		{ 0.0,      0.123,   DEGREES(0.0),   DEGREES(0.0) },
		{ 0.0,      0.0,     DEGREES(-90.0), DEGREES(-172.22) },
		{ 0.28503,  0.0,     DEGREES(0.0),   DEGREES(-102.78) },
		{ -0.02198, 0.25075, DEGREES(90.0),  DEGREES(0.0) },
		{ 0.0,      0.0,     DEGREES(-90.0), DEGREES(0.0) },
		{ 0.0,      0.091,   DEGREES(90.0),  DEGREES(0.0) },
	},
	/* clang-format on */
	.q_min_rad = { -2.6179, 0.0, -2.967, -1.745, -1.22, -2.09439 },
	.q_max_rad = { 2.6179, 3.14, 0.0, 1.745, 1.22, 2.09439 },
	.dq_max_rad_s = { 2.0, 2.0, 2.0, 2.0, 2.0, 2.0 },
	.ddq_max_rad_s2 = { 5.0, 5.0, 5.0, 5.0, 5.0, 5.0 },
	.dddq_max_rad_s3 = { 50.0, 50.0, 50.0, 50.0, 50.0, 50.0 },
	.tcp_v_max_m_s = 1.0,
	.tcp_a_max_m_s2 = 2.5,
	.tcp_w_max_rad_s = 2.5,
	.tcp_alpha_max_rad_s2 = 6.0,
	/* Upper arm up, forearm level, hand pointing forward and down: well inside every joint's range. */
	.home_rad = { 0.0, DEGREES(85.0), DEGREES(-80.0), 0.0, DEGREES(45.0), 0.0 },
	.gripper_max_m = 0.07,
};
