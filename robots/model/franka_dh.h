/* franka_dh.h - modified DH rows that the Panda and both FR3 share (Franka's control parameters documentation, "Denavit-
 * Hartenberg parameters"; Craig's convention), as an initialiser. Metres and radians. */
#ifndef DREAMVLA_ROBOTS_MODEL_FRANKA_DH_H
#define DREAMVLA_ROBOTS_MODEL_FRANKA_DH_H

#define FRANKA_HALF_PI 1.57079632679489662

/* clang-format off */
#define FRANKA_DH \
	.dof = 7, \
	.dh = { \
		{ 0.0,     0.333, 0.0,             0.0 }, \
		{ 0.0,     0.0,   -FRANKA_HALF_PI, 0.0 }, \
		{ 0.0,     0.316, FRANKA_HALF_PI,  0.0 }, \
		{ 0.0825,  0.0,   FRANKA_HALF_PI,  0.0 }, \
		{ -0.0825, 0.384, -FRANKA_HALF_PI, 0.0 }, \
		{ 0.0,     0.0,   FRANKA_HALF_PI,  0.0 }, \
		{ 0.088,   0.0,   FRANKA_HALF_PI,  0.0 }, \
	}, \
	.flange = { 0.0, 0.107, 0.0, 0.0 }, \
	/* "ready": elbow up, hand down; the pose that Franka's own examples start from. */ \
	.home_rad = { 0.0, -FRANKA_HALF_PI / 2, 0.0, -1.5 * FRANKA_HALF_PI, 0.0, FRANKA_HALF_PI, FRANKA_HALF_PI / 2 }, \
	.gripper_max_m = 0.08 /* Franka Hand: two fingers of 0.04 m */
/* clang-format on */

#endif
