/* piper_parts.h - what AgileX PiPER arms of every firmware share, as initialisers. Metres and radians.
 *
 * DH and joint range: the maker's SDK (forward kinematics, soft limits). The offsets of joints 2 and 3 depend on the firmware: from
 * S-V1.6-3 on its zero calibration moved them by 2 degrees, which puts the hand about 10 mm elsewhere for the same numbers; so
 * there is a model for either, and the arm's own side refuses to attach under the other's name. What else firmware versions
 * change (modes, torque scales, message formats) concerns the driver, not the model.
 *
 * Speed: the SDK's 3.0 rad/s; at full speed arms have frozen and dropped at the following reset (piper_sdk issue 20), so that 2.0
 * is the most used here. Acceleration: the firmware's default, 5 rad/s^2. No source states a jerk limit: 50 rad/s^3 reaches that
 * acceleration in 0.1 s, which shakes a 4 kg arm little. The maker gives no limit for the TCP either: 1 m/s and 2.5 rad/s are what
 * the joint limits give near the home posture, with accelerations in the ratio of the joints'.
 *
 * Surface: no source gives one. Elbow 0.05, forearm and wrist 0.045 m around the joints' axes: the actuators' housings are drawn
 * about 0.08 m wide, and some millimetres for cables. Gripper: fingers end 0.145 m from the flange (the TCP of the SDK's demo; in
 * the URDF they are joined to the hand at 0.1358), are 0.04 m wide and open to 0.05 m on either side at most; nobody says how it is
 * turned, so that its balls stand in all four directions. */
#ifndef DREAMVLA_ROBOTS_MODEL_PIPER_PARTS_H
#define DREAMVLA_ROBOTS_MODEL_PIPER_PARTS_H

#define DEGREES(x) ((x)*0.0174532925199432958)

/* clang-format off */
#define PIPER_DH(offset_2, offset_3) \
	.dof = 6, \
	.dh = { \
		{ 0.0,      0.123,   DEGREES(0.0),   DEGREES(0.0) }, \
		{ 0.0,      0.0,     DEGREES(-90.0), DEGREES(offset_2) }, \
		{ 0.28503,  0.0,     DEGREES(0.0),   DEGREES(offset_3) }, \
		{ -0.02198, 0.25075, DEGREES(90.0),  DEGREES(0.0) }, \
		{ 0.0,      0.0,     DEGREES(-90.0), DEGREES(0.0) }, \
		{ 0.0,      0.091,   DEGREES(90.0),  DEGREES(0.0) }, \
	}

#define PIPER_LIMITS \
	.q_min_rad = { -2.6179, 0.0, -2.967, -1.745, -1.22, -2.09439 }, \
	.q_max_rad = { 2.6179, 3.14, 0.0, 1.745, 1.22, 2.09439 }, \
	.dq_max_rad_s = { 2.0, 2.0, 2.0, 2.0, 2.0, 2.0 }, \
	.ddq_max_rad_s2 = { 5.0, 5.0, 5.0, 5.0, 5.0, 5.0 }, \
	.dddq_max_rad_s3 = { 50.0, 50.0, 50.0, 50.0, 50.0, 50.0 }, \
	.tcp_v_max_m_s = 1.0, \
	.tcp_a_max_m_s2 = 2.5, \
	.tcp_w_max_rad_s = 2.5, \
	.tcp_alpha_max_rad_s2 = 6.0

/* Home: upper arm up, forearm level, hand pointing forward and down: well inside every joint's range. */
#define PIPER_BODY \
	.home_rad = { 0.0, DEGREES(85.0), DEGREES(-80.0), 0.0, DEGREES(45.0), 0.0 }, \
	.gripper_max_m = 0.07, \
	.n_points = 12, \
	.point = { \
		{ 3, { 0.0, 0.0, 0.0 }, 0.05 },     { 4, { 0.0, 0.0, -0.25075 }, 0.045 }, /* elbow, root of the forearm */ \
		{ 4, { 0.0, 0.0, 0.0 }, 0.045 },    { 6, { 0.0, 0.0, 0.0 }, 0.045 }, /* wrist, flange */ \
		{ 7, { 0.04, 0.0, 0.06 }, 0.035 },  { 7, { -0.04, 0.0, 0.06 }, 0.035 }, /* gripper */ \
		{ 7, { 0.0, 0.04, 0.06 }, 0.035 },  { 7, { 0.0, -0.04, 0.06 }, 0.035 }, \
		{ 7, { 0.05, 0.0, 0.125 }, 0.02 },  { 7, { -0.05, 0.0, 0.125 }, 0.02 }, /* fingers */ \
		{ 7, { 0.0, 0.05, 0.125 }, 0.02 },  { 7, { 0.0, -0.05, 0.125 }, 0.02 }, \
	}
/* clang-format on */

#endif
