/* kinematics.h - where an arm's links are for given joint angles, and joint motion for a wanted motion of the TCP.
 *
 * q arrays hold model->dof values. TCP = flange * tcp, in the arm's base frame. Twists are {v, w} at the TCP in the base
 * frame. All functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_KINEMATICS_H
#define DREAMVLA_DAEMON_STAGE_KINEMATICS_H

#include "daemon/flow.h"

/* Pose of the TCP. */
void kinematics_forward(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out);

/* Pose of the TCP and the geometric Jacobian: twist = j * dq. Columns beyond dof are 0. */
void kinematics_jacobian(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out,
		double j[6][DOF_MAX]);

/* Lowest z, m, of every ball of the arm's surface (model->point, in their order), then of the TCP. */
enum { HEIGHTS_MAX = LINK_POINTS_MAX + 1 };
struct heights {
	uint32_t n;
	double z_m[HEIGHTS_MAX];
};
void kinematics_heights(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct heights *out);

/* TCP and Jacobian as kinematics_jacobian gives them, and heights as kinematics_heights does, at the price of one of them. */
void kinematics_whole(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out, double j[6][DOF_MAX],
		struct heights *heights);

/* Row i: the derivative of height i by every joint. */
void kinematics_height_gradients(const struct robot_model *m, const struct pose *tcp, const double *q_rad,
		double out[HEIGHTS_MAX][DOF_MAX]);

/* Frames of every link after its joint: out[0] = link 1 ... out[dof - 1]; out[dof] = flange. For drawing and collisions. */
void kinematics_link_poses(const struct robot_model *m, const double *q_rad, struct pose out[DOF_MAX + 1]);

/* One configuration made ready for solving: the Jacobian and the factor of J J' + damping^2 I. */
struct ik {
	uint32_t dof;
	struct pose tcp;
	double j[6][DOF_MAX];
	double factor[6][6]; /* lower triangle of the Cholesky factor */
	double manipulability; /* sqrt(det(J J')) */
};

/* Damped least squares (Nakamura & Hanafusa 1986): damping grows near singular postures. */
void ik_prepare(struct ik *k, const struct robot_model *m, const struct pose *tcp, const double *q_rad);

/* The same with a given damping of J J', for where a solution must be exact or not be one. */
void ik_prepare_damped(struct ik *k, const struct robot_model *m, const struct pose *tcp, const double *q_rad, double damping);

/* Joint velocities (or steps) for a twist (or small displacement). */
void ik_solve(const struct ik *k, const double twist[6], double *dq);

/* What of `wish` does not move the TCP; 0 for arms without redundancy. */
void ik_null_space(const struct ik *k, const double *wish, double *dq);

/* Posture that a redundant arm drifts towards, 1/s: to `home_rad`, and away from joint limits within 0.3 rad of them. */
void ik_posture_wish(const struct robot_model *m, const double *home_rad, const double *q_rad, double *dq);

/* One Newton step of q towards `goal`, at most max_step_rad in any joint (scaled as a whole), kept inside the joint
 * limits less a small margin. Returns what is still missing before the step: {m, rad}. */
struct ik_error {
	double m, rad;
};
struct ik_error ik_step(const struct robot_model *m, const struct pose *tcp, const struct pose *goal, double max_step_rad,
		double *q_rad);

#endif
