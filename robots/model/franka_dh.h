/* franka_dh.h - what all Franka arms share. Modified DH rows that the Panda and both FR3 share (Franka's control parameters documentation, "Denavit-
 * Hartenberg parameters"; Craig's convention), as an initialiser. Metres and radians.
 *
 * Surface: the capsules that Franka itself uses to keep the arm from hitting itself (franka_description, coarse collision model,
 * without its extra safety distance), as balls at their ends, and one at the elbow where they leave a gap. The Franka Hand is taken
 * as Desk mounts it, turned by -45 degrees; its finger capsules reach 0.12 m from the flange, 7 mm beyond the rubber. Whoever
 * mounts another tool is protected by the hand's balls and by the TCP itself, which counts as a point of the arm.
 *
 * TCP: speeds are held by safety.c. Franka's limits of Cartesian acceleration and jerk (Panda 13 m/s^2, 6500 m/s^3, FR3 9, 4500)
 * and of the elbow hold for its Cartesian motion generators only; we stream joint positions, whose own limits hold. They serve
 * here as the scale of what a person's hand may ask for (teleop_motion.c). */
#ifndef DREAMVLA_ROBOTS_MODEL_FRANKA_DH_H
#define DREAMVLA_ROBOTS_MODEL_FRANKA_DH_H

#define FRANKA_HALF_PI 1.57079632679489662

/* clang-format off */
#define FRANKA_HAND 0.0353553390593274 /* 0.05 m along the fingers' axis, seen from the flange */
#define FRANKA_SURFACE \
	.n_points = 17, \
	.point = { \
		{ 3, { 0.0, 0.0, -0.22 }, 0.06 },   { 3, { 0.0, 0.0, 0.0 }, 0.06 }, /* upper arm, elbow */ \
		{ 4, { 0.0, 0.0, -0.06 }, 0.06 },   { 4, { 0.0, 0.0, 0.06 }, 0.06 }, \
		{ 5, { 0.0, 0.0, -0.31 }, 0.06 },   { 5, { 0.0, 0.0, -0.21 }, 0.06 }, /* forearm */ \
		{ 5, { 0.0, 0.08, -0.20 }, 0.025 }, { 5, { 0.0, 0.08, -0.06 }, 0.025 }, \
		{ 6, { 0.0, 0.0, -0.07 }, 0.05 },   { 6, { 0.0, 0.0, 0.01 }, 0.05 }, /* wrist */ \
		{ 7, { 0.0, 0.0, -0.06 }, 0.04 },   { 7, { 0.0, 0.0, 0.08 }, 0.04 },  { 7, { 0.065, 0.0, 0.082 }, 0.03 }, \
		{ 8, { FRANKA_HAND, FRANKA_HAND, 0.04 }, 0.04 }, { 8, { -FRANKA_HAND, -FRANKA_HAND, 0.04 }, 0.04 }, /* hand */ \
		{ 8, { FRANKA_HAND, FRANKA_HAND, 0.10 }, 0.02 }, { 8, { -FRANKA_HAND, -FRANKA_HAND, 0.10 }, 0.02 }, /* fingers */ \
	}

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
	.gripper_max_m = 0.08, /* Franka Hand: two fingers of 0.04 m */ \
	FRANKA_SURFACE
/* clang-format on */

#endif
