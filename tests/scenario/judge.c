/* judge.c - see judge.h. */
#include "tests/scenario/judge.h"

#include <math.h>
#include <string.h>

/* Rounding of the wire and of differences; not a share that anything may use up. */
static const double ROUNDING = 1e-6;

static const struct {
	const char *name, *unit;
} quantities[QUANTITY_COUNT] = {
	[QUANTITY_POSITION] = { "position", "rad" },
	[QUANTITY_STEP] = { "step", "rad" },
	[QUANTITY_VELOCITY] = { "velocity", "rad/s" },
	[QUANTITY_ACCELERATION] = { "acceleration", "rad/s^2" },
	[QUANTITY_JERK] = { "jerk", "rad/s^3" },
	[QUANTITY_TCP_SPEED] = { "TCP speed", "m/s" },
	[QUANTITY_TCP_TURN] = { "TCP turning speed", "rad/s" },
	[QUANTITY_WORKSPACE] = { "distance outside the workspace", "m" },
	[QUANTITY_FLOOR] = { "depth below the floor", "m" },
	[QUANTITY_AGREEMENT] = { "difference of velocity and positions", "rad/s" },
};

const char *quantity_name(enum quantity q)
{
	return quantities[q].name;
}

const char *quantity_unit(enum quantity q)
{
	return quantities[q].unit;
}

void judge_init(struct judge *j, const struct control_setup *setup, const struct judge_limits *limits)
{
	*j = (struct judge){ .setup = setup, .limits = limits };
}

/* ---- where the links are: Craig's convention, written out --------------------------------------------------------- */

struct place {
	double r[3][3], p[3];
};

static struct place times(const struct place *a, const struct place *b)
{
	struct place c = { .p = { a->p[0], a->p[1], a->p[2] } };

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			c.p[i] += a->r[i][k] * b->p[k];
			for (int l = 0; l < 3; l++)
				c.r[i][l] += a->r[i][k] * b->r[k][l];
		}
	return c;
}

static struct place row_place(const struct dh_row *d, double theta_rad)
{
	double ct = cos(theta_rad + d->offset_rad), st = sin(theta_rad + d->offset_rad), ca = cos(d->alpha_rad), sa = sin(d->alpha_rad);

	return (struct place){ { { ct, -st, 0 }, { st * ca, ct * ca, -sa }, { st * sa, ct * sa, ca } },
		{ d->a_m, -sa * d->d_m, ca * d->d_m } };
}

static struct place tool_place(const struct pose *t)
{
	double x = t->q_xyzw[0], y = t->q_xyzw[1], z = t->q_xyzw[2], w = t->q_xyzw[3];

	return (struct place){ { { 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w) },
				       { 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w) },
				       { 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y) } },
		{ t->p_m[0], t->p_m[1], t->p_m[2] } };
}

/* Also the lowest z of the frames from joint 3 (the elbow) to the flange. */
static struct place tcp_place(const struct arm_setup *arm, const double *q_rad, double *lowest_m)
{
	struct place at = { .r = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } } }, step;

	*lowest_m = INFINITY;
	for (uint32_t i = 0; i <= arm->model.dof; i++) {
		step = i < arm->model.dof ? row_place(&arm->model.dh[i], q_rad[i]) : row_place(&arm->model.flange, 0.0);
		at = times(&at, &step);
		if (i >= 2)
			*lowest_m = fmin(*lowest_m, at.p[2]);
	}
	step = tool_place(&arm->tcp);
	return times(&at, &step);
}

void judge_tcp(const struct arm_setup *arm, const double *q_rad, double p_m[3], double r[3][3])
{
	double lowest;
	struct place at = tcp_place(arm, q_rad, &lowest);

	memcpy(p_m, at.p, sizeof at.p);
	memcpy(r, at.r, sizeof at.r);
}

/* ---- judging ------------------------------------------------------------------------------------------------------- */

struct sample {
	struct judge *j;
	struct judge_stream *s;
	enum stream_kind kind;
	uint32_t arm;
};

/* Written so that NaN is found. */
static void hold_against(const struct sample *m, enum quantity q, uint32_t joint, double value, double limit)
{
	double share = value / limit;

	if (share > m->s->worst[q])
		m->s->worst[q] = share;
	if (!(value <= limit * (1.0 + ROUNDING) + 1e-9))
		m->j->found(m->j->context, m->kind, m->arm, q, joint, value, limit);
}

/* Targets keep limit_scale of the model's limits; the arm's own braking may use all of them. */
static double share_of(const struct sample *m, double asked)
{
	if (m->kind == STREAM_COMMANDS)
		return 1.0;
	return asked > 0.0 ? asked : m->j->setup->arm[m->arm].limit_scale;
}

static void judge_joint(const struct sample *m, uint32_t i, double dt_s, const double *dq_rad_s)
{
	const struct robot_model *model = &m->j->setup->arm[m->arm].model;
	const struct judge_limits *l = m->j->limits;
	double(*q)[DOF_MAX] = m->s->q_rad;
	double v = (q[0][i] - q[1][i]) / dt_s, before = (q[1][i] - q[2][i]) / dt_s, a = (v - before) / dt_s;
	uint32_t stride = m->kind == STREAM_COMMANDS ? JUDGE_JERK_STRIDE : 1;
	double jerk = (q[0][i] - 3.0 * q[stride][i] + 3.0 * q[2 * stride][i] - q[3 * stride][i]) / pow(dt_s * stride, 3.0);
	double v_max = share_of(m, l->velocity) * model->dq_max_rad_s[i], a_max = share_of(m, l->acceleration) * model->ddq_max_rad_s2[i];

	if (m->s->n < 2)
		return;
	hold_against(m, QUANTITY_STEP, i, fabs(q[0][i] - q[1][i]), model->dq_max_rad_s[i] * dt_s);
	hold_against(m, QUANTITY_VELOCITY, i, fabs(v), v_max);
	if (dq_rad_s && m->s->n >= 3)
		hold_against(m, QUANTITY_AGREEMENT, i, fabs(dq_rad_s[i] - v), a_max * dt_s);
	if (m->s->n >= 3)
		hold_against(m, QUANTITY_ACCELERATION, i, fabs(a), a_max);
	if (m->s->n > 3 * stride)
		hold_against(m, QUANTITY_JERK, i, fabs(jerk), share_of(m, l->jerk) * model->dddq_max_rad_s3[i]);
}

/* Angle between two orientations. */
static double turned_rad(double a[3][3], double b[3][3])
{
	double trace = 0.0, apart = 0.0;

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			trace += a[i][k] * b[i][k];
			apart += (a[i][k] - b[i][k]) * (a[i][k] - b[i][k]);
		}
	return trace > 2.9 ? 2.0 * asin(fmin(1.0, sqrt(apart / 8.0))) : acos(fmax(-1.0, fmin(1.0, (trace - 1.0) / 2.0)));
}

static double smaller(double limit, double other)
{
	return other > 0.0 ? fmin(limit, other) : limit;
}

static void judge_speed(const struct sample *m, enum mode mode, double dt_s)
{
	const struct control_setup *c = m->j->setup;
	const struct arm_setup *arm = &c->arm[m->arm];
	double(*p)[3] = m->s->tcp_m;
	double way = sqrt(pow(p[0][0] - p[1][0], 2) + pow(p[0][1] - p[1][1], 2) + pow(p[0][2] - p[1][2], 2));
	double v_max = arm->model.tcp_v_max_m_s, w_max = arm->model.tcp_w_max_rad_s;

	if (m->kind == STREAM_TARGETS) {
		v_max = smaller(smaller(v_max * arm->limit_scale, arm->tcp_v_max_m_s), m->j->limits->tcp_speed_m_s[mode]);
	}
	hold_against(m, QUANTITY_TCP_SPEED, 0, way / dt_s, v_max);
	hold_against(m, QUANTITY_TCP_TURN, 0, turned_rad(m->s->tcp_r[0], m->s->tcp_r[1]) / dt_s, w_max);
}

static double outside_m(const struct arm_setup *arm, const double p_m[3])
{
	double out = 0.0;

	for (int k = 0; k < 3; k++)
		out = fmax(out, fmax(arm->box_min_m[k] - p_m[k], p_m[k] - arm->box_max_m[k]));
	return out;
}

static void judge_places(const struct sample *m, double lowest_m)
{
	const struct arm_setup *arm = &m->j->setup->arm[m->arm];
	double out = outside_m(arm, m->s->tcp_m[0]), under = fmax(0.0, arm->floor_m - lowest_m);

	if (out <= 0.0 && under <= 0.0)
		m->s->was_inside = true;
	if (!m->s->was_inside)
		return;
	hold_against(m, QUANTITY_WORKSPACE, 0, out, ROUNDING);
	hold_against(m, QUANTITY_FLOOR, 0, under, ROUNDING);
}

static void judge_positions(const struct sample *m, const double *q_rad)
{
	const struct robot_model *model = &m->j->setup->arm[m->arm].model;

	for (uint32_t i = 0; i < model->dof; i++) {
		double middle = (model->q_max_rad[i] + model->q_min_rad[i]) / 2.0, half = (model->q_max_rad[i] - model->q_min_rad[i]) / 2.0;

		hold_against(m, QUANTITY_POSITION, i, fabs(q_rad[i] - middle), half);
	}
}

/* A gap of whole periods (an overrun) has a longer dt once; differences across it are means, and begin anew behind it. */
static void push(struct judge_stream *s, int64_t t_ns, const double *q_rad)
{
	int64_t gap_ns = t_ns - s->t_ns;

	s->n = s->n > 0 && gap_ns != s->gap_ns && s->n > 1 ? 2 : s->n + 1;
	s->gap_ns = gap_ns;
	s->t_ns = t_ns;
	memmove(s->q_rad[1], s->q_rad[0], (JUDGE_SAMPLES - 1) * sizeof s->q_rad[0]);
	memcpy(s->q_rad[0], q_rad, sizeof s->q_rad[0]);
	memmove(s->tcp_m[1], s->tcp_m[0], sizeof s->tcp_m[0]);
	memmove(s->tcp_r[1], s->tcp_r[0], sizeof s->tcp_r[0]);
}

void judge_take(struct judge *j, enum stream_kind kind, uint32_t arm, int64_t t_ns, const double *q_rad, const double *dq_rad_s,
		enum mode mode)
{
	struct sample m = { j, &j->stream[kind][arm], kind, arm };
	struct place tcp;
	double lowest_m;

	push(m.s, t_ns, q_rad);
	tcp = tcp_place(&j->setup->arm[arm], q_rad, &lowest_m);
	memcpy(m.s->tcp_m[0], tcp.p, sizeof tcp.p);
	memcpy(m.s->tcp_r[0], tcp.r, sizeof tcp.r);
	judge_positions(&m, q_rad);
	judge_places(&m, lowest_m);
	if (m.s->n < 2)
		return;
	double dt_s = (double)m.s->gap_ns * 1e-9;

	for (uint32_t i = 0; i < j->setup->arm[arm].model.dof; i++)
		judge_joint(&m, i, dt_s, dq_rad_s);
	judge_speed(&m, mode, dt_s);
}

void judge_restart(struct judge *j, enum stream_kind kind, uint32_t arm)
{
	j->stream[kind][arm].n = 0;
}
