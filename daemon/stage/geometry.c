/* geometry.c - the algebra behind geometry.h. */
#include "daemon/stage/geometry.h"

#include <math.h>
#include <string.h>

const struct pose pose_identity = { .q_xyzw = { 0.0, 0.0, 0.0, 1.0 } };

/* Below this angle series are more exact than quotients. */
static const double small_rad = 1e-6;

double vec3_norm(const double v[3])
{
	return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

void vec3_cross(const double a[3], const double b[3], double out[3])
{
	double c[3] = { a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0] };

	memcpy(out, c, sizeof c);
}

void quat_multiply(const double a[4], const double b[4], double out[4])
{
	double c[4] = {
		a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
		a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
		a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
		a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
	};

	memcpy(out, c, sizeof c);
}

void quat_conjugate(const double q[4], double out[4])
{
	double c[4] = { -q[0], -q[1], -q[2], q[3] };

	memcpy(out, c, sizeof c);
}

void quat_normalise(const double q[4], double out[4])
{
	double n = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);

	if (!(n > 1e-12 && n < 1e12)) {
		memcpy(out, pose_identity.q_xyzw, sizeof pose_identity.q_xyzw);
		return;
	}
	for (int i = 0; i < 4; i++)
		out[i] = q[i] / n;
}

void quat_rotate(const double q[4], const double v[3], double out[3])
{
	double t[3], u[3];

	vec3_cross(q, v, t);
	for (int i = 0; i < 3; i++)
		t[i] *= 2.0;
	vec3_cross(q, t, u);
	for (int i = 0; i < 3; i++)
		out[i] = v[i] + q[3] * t[i] + u[i];
}

/* Shepperd's method: the largest of the four is computed first, so that nothing is divided by a small number. */
void quat_from_matrix(const double r[3][3], double out[4])
{
	double trace = r[0][0] + r[1][1] + r[2][2];
	double q[4];

	if (trace > 0.0) {
		double s = 2.0 * sqrt(1.0 + trace);

		q[3] = s / 4.0;
		q[0] = (r[2][1] - r[1][2]) / s;
		q[1] = (r[0][2] - r[2][0]) / s;
		q[2] = (r[1][0] - r[0][1]) / s;
	} else {
		int i = r[1][1] > r[0][0] ? 1 : 0;

		i = r[2][2] > r[i][i] ? 2 : i;
		int j = (i + 1) % 3, k = (i + 2) % 3;
		double s = 2.0 * sqrt(1.0 + r[i][i] - r[j][j] - r[k][k]);

		q[i] = s / 4.0;
		q[j] = (r[j][i] + r[i][j]) / s;
		q[k] = (r[k][i] + r[i][k]) / s;
		q[3] = (r[k][j] - r[j][k]) / s;
	}
	quat_normalise(q, out);
}

void quat_to_matrix(const double q[4], double out[3][3])
{
	double x = q[0], y = q[1], z = q[2], w = q[3];

	out[0][0] = 1.0 - 2.0 * (y * y + z * z);
	out[0][1] = 2.0 * (x * y - z * w);
	out[0][2] = 2.0 * (x * z + y * w);
	out[1][0] = 2.0 * (x * y + z * w);
	out[1][1] = 1.0 - 2.0 * (x * x + z * z);
	out[1][2] = 2.0 * (y * z - x * w);
	out[2][0] = 2.0 * (x * z - y * w);
	out[2][1] = 2.0 * (y * z + x * w);
	out[2][2] = 1.0 - 2.0 * (x * x + y * y);
}

void quat_from_rotvec(const double r[3], double out[4])
{
	double angle = vec3_norm(r);
	double k = angle < small_rad ? 0.5 - angle * angle / 48.0 : sin(angle / 2.0) / angle;

	for (int i = 0; i < 3; i++)
		out[i] = k * r[i];
	out[3] = cos(angle / 2.0);
}

void quat_to_rotvec(const double q[4], double out[3])
{
	double sign = q[3] < 0.0 ? -1.0 : 1.0;
	double n = vec3_norm(q);
	double angle = 2.0 * atan2(n, sign * q[3]);
	double k = n < small_rad ? 2.0 : angle / n;

	for (int i = 0; i < 3; i++)
		out[i] = sign * k * q[i];
}

void rotvec_nearest(const double r[3], const double near[3], double out[3])
{
	double angle = vec3_norm(r), best = INFINITY, scale = 1.0;

	for (int k = -2; k <= 2 && angle > small_rad; k++) {
		double s = 1.0 + 2.0 * M_PI * k / angle;
		double d[3] = { s * r[0] - near[0], s * r[1] - near[1], s * r[2] - near[2] };

		if (vec3_norm(d) < best) {
			best = vec3_norm(d);
			scale = s;
		}
	}
	for (int i = 0; i < 3; i++)
		out[i] = scale * r[i];
}

void quat_from_rpy(const double rpy[3], double out[4])
{
	double cr = cos(rpy[0] / 2.0), sr = sin(rpy[0] / 2.0);
	double cp = cos(rpy[1] / 2.0), sp = sin(rpy[1] / 2.0);
	double cy = cos(rpy[2] / 2.0), sy = sin(rpy[2] / 2.0);

	out[0] = sr * cp * cy - cr * sp * sy;
	out[1] = cr * sp * cy + sr * cp * sy;
	out[2] = cr * cp * sy - sr * sp * cy;
	out[3] = cr * cp * cy + sr * sp * sy;
}

void quat_to_rpy(const double q[4], double out[3])
{
	double r[3][3];

	quat_to_matrix(q, r);
	double c = sqrt(r[0][0] * r[0][0] + r[1][0] * r[1][0]);

	out[1] = atan2(-r[2][0], c);
	if (c < small_rad) {
		out[0] = 0.0;
		out[2] = atan2(-r[0][1], r[1][1]);
	} else {
		out[0] = atan2(r[2][1], r[2][2]);
		out[2] = atan2(r[1][0], r[0][0]);
	}
}

void pose_multiply(const struct pose *a, const struct pose *b, struct pose *out)
{
	struct pose c;

	quat_rotate(a->q_xyzw, b->p_m, c.p_m);
	for (int i = 0; i < 3; i++)
		c.p_m[i] += a->p_m[i];
	quat_multiply(a->q_xyzw, b->q_xyzw, c.q_xyzw);
	*out = c;
}

void pose_difference(const struct pose *a, const struct pose *b, double out[6])
{
	double back[4], turn[4];

	quat_conjugate(a->q_xyzw, back);
	quat_multiply(b->q_xyzw, back, turn);
	quat_to_rotvec(turn, out + 3);
	for (int i = 0; i < 3; i++)
		out[i] = b->p_m[i] - a->p_m[i];
}

void rotvec_rate_to_omega(const double r[3], const double rate[3], double out[3])
{
	double t = vec3_norm(r), c1[3], c2[3];
	double k1 = t < 1e-4 ? 0.5 - t * t / 24.0 : (1.0 - cos(t)) / (t * t);
	double k2 = t < 1e-2 ? 1.0 / 6.0 - t * t / 120.0 : (t - sin(t)) / (t * t * t);

	vec3_cross(r, rate, c1);
	vec3_cross(r, c1, c2);
	for (int i = 0; i < 3; i++)
		out[i] = rate[i] + k1 * c1[i] + k2 * c2[i];
}

void rotvec_rate_from_omega(const double r[3], const double omega[3], double out[3])
{
	double t = vec3_norm(r), c1[3], c2[3];
	double k2 = t < 1e-2 ? 1.0 / 12.0 + t * t / 720.0
			     : 1.0 / (t * t) - (1.0 + cos(t)) / (2.0 * t * sin(t));

	/* Singular at a full turn, where no chart of SO(3) helps. */
	if (!isfinite(k2))
		k2 = 0.0;
	vec3_cross(r, omega, c1);
	vec3_cross(r, c1, c2);
	for (int i = 0; i < 3; i++)
		out[i] = omega[i] - 0.5 * c1[i] + k2 * c2[i];
}
