/* geometry.h - vectors, rotations and poses: the small algebra that kinematics, trajectories and observations share.
 *
 * Quaternions are x, y, z, w. Outputs may alias inputs. All functions: thread any (no state), allocate no, block no.
 * Formulas: Sola, "Quaternion kinematics for the error-state Kalman filter", 2017, sections 1 and 2. */
#ifndef DREAMVLA_DAEMON_STAGE_GEOMETRY_H
#define DREAMVLA_DAEMON_STAGE_GEOMETRY_H

#include "daemon/flow.h"

extern const struct pose pose_identity;

double vec3_norm(const double v[3]);
void vec3_cross(const double a[3], const double b[3], double out[3]);

void quat_multiply(const double a[4], const double b[4], double out[4]);
void quat_conjugate(const double q[4], double out[4]);
/* Zero and non-finite ones become the identity. */
void quat_normalise(const double q[4], double out[4]);
void quat_rotate(const double q[4], const double v[3], double out[3]);
void quat_from_matrix(const double r[3][3], double out[4]);
void quat_to_matrix(const double q[4], double out[3][3]);

/* Exponential and logarithm of SO(3); the logarithm has norm <= pi. */
void quat_from_rotvec(const double r[3], double out[4]);
void quat_to_rotvec(const double q[4], double out[3]);

/* The rotation vector of the same rotation, r * (1 + 2 pi k / |r|), that lies nearest to `near`. */
void rotvec_nearest(const double r[3], const double near[3], double out[3]);

/* Roll, pitch, yaw about the fixed axes x, y, z: R = Rz(yaw) Ry(pitch) Rx(roll). At pitch = +-pi/2 roll is 0. */
void quat_from_rpy(const double rpy[3], double out[4]);
void quat_to_rpy(const double q[4], double out[3]);

void pose_multiply(const struct pose *a, const struct pose *b, struct pose *out);

/* From `a` to `b` in the base frame: {b.p - a.p, log(b.q a.q^-1)}. */
void pose_difference(const struct pose *a, const struct pose *b, double out[6]);

/* R = exp(r) R0 as a chart around R0 = `first`: angular velocity and its derivative belonging to r, r', r''.
 * w = Jl(r) r' with the left Jacobian of SO(3). */
void rotvec_rate_to_omega(const double r[3], const double rate[3], double out[3]);
/* The inverse: r' = Jl(r)^-1 w. */
void rotvec_rate_from_omega(const double r[3], const double omega[3], double out[3]);

#endif
