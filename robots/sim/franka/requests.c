/* requests.c - what a client may ask of the simulated Franka besides moving it; see robot.h. */
#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "robots/sim/franka/robot.h"

/* Ranges of Franka's interface documentation. */
static const double joint_impedance_max = 14250.0, cartesian_impedance_min[2] = { 10.0, 1.0 }, cartesian_impedance_max[2] = { 3000.0, 300.0 };
static const double filter_min_hz = 1.0, filter_max_hz = 1000.0;
/* What the arm may carry (Franka's data sheets: 3 kg). */
static const double load_max_kg = 3.0;

static bool within(const double *v, size_t n, double low, double high)
{
	for (size_t i = 0; i < n; i++)
		if (!(v[i] >= low && v[i] <= high)) /* NaN: false */
			return false;
	return true;
}

/* Also while it still brakes: what it accepts then begins when the arm stands. */
static bool rests(const struct franka_robot *r)
{
	return !r->moving && !r->starting && (r->mode == FCI_MODE_IDLE || r->mode == FCI_MODE_RECOVERY);
}

/* ---- settings -------------------------------------------------------------------------------------------------------------- */

/* Of a body whose centre of mass lies `apart` from the point. Terms in the order of struct franka_body. */
static void add_inertia(double out[6], const struct franka_body *b, const double apart[3])
{
	static const int row[6] = { 0, 1, 2, 0, 0, 1 }, column[6] = { 0, 1, 2, 1, 2, 2 };
	double square = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2];

	for (int k = 0; k < 6; k++)
		out[k] += b->inertia_kg_m2[k] + b->mass_kg * ((row[k] == column[k] ? square : 0.0) - apart[row[k]] * apart[column[k]]);
}

void franka_robot_carry(struct franka_robot *r)
{
	/* The Franka Hand, as the robot reports it, and the load: one body. */
	static const struct franka_body hand = { 0.73, { -0.01, 0.0, 0.03 }, { 0.001, 0.0025, 0.0017, 0.0, 0.0, 0.0 } };
	const struct fci_load *l = &r->settings.load;
	const struct franka_body load = { l->mass, { l->f_x_cload[0], l->f_x_cload[1], l->f_x_cload[2] },
		{ l->i_load[0], l->i_load[4], l->i_load[8], l->i_load[1], l->i_load[2], l->i_load[5] } };
	struct franka_body total = { .mass_kg = hand.mass_kg + load.mass_kg };
	double from_hand[3], from_load[3];

	for (int i = 0; i < 3; i++) {
		total.com_m[i] = (hand.mass_kg * hand.com_m[i] + load.mass_kg * load.com_m[i]) / total.mass_kg;
		from_hand[i] = hand.com_m[i] - total.com_m[i];
		from_load[i] = load.com_m[i] - total.com_m[i];
	}
	add_inertia(total.inertia_kg_m2, &hand, from_hand);
	add_inertia(total.inertia_kg_m2, &load, from_load);
	r->plant.load = total;
}

/* Symmetric and positive semidefinite: every principal minor is at least zero, within rounding. */
static bool inertia_sound(const double m[9])
{
	const double tiny = 1e-9;
	double minor[3];

	if (!within(m, 9, -10.0, 10.0))
		return false;
	for (int i = 0; i < 3; i++) {
		int a = (i + 1) % 3, b = (i + 2) % 3;

		minor[i] = m[4 * a] * m[4 * b] - m[3 * a + b] * m[3 * a + b];
		if (m[4 * i] < 0.0 || minor[i] < -tiny || fabs(m[3 * a + b] - m[3 * b + a]) > tiny)
			return false;
	}
	return m[0] * minor[0] - m[1] * (m[1] * m[8] - m[5] * m[2]) + m[2] * (m[1] * m[5] - m[4] * m[2]) >= -tiny;
}

static enum fci_status set_load(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_load l;

	memcpy(&l, payload, sizeof l);
	double com_m[3], inertia[9];

	memcpy(com_m, l.f_x_cload, sizeof com_m);
	memcpy(inertia, l.i_load, sizeof inertia);
	if (!(l.mass >= 0.0 && l.mass <= load_max_kg) || !within(com_m, 3, -1.0, 1.0) || !inertia_sound(inertia))
		return FCI_STATUS_INVALID_ARGUMENT;
	r->settings.load = l;
	franka_robot_carry(r);
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set_numbers(double *out, const uint8_t *payload, size_t n, double low, double high)
{
	double v[16];

	memcpy(v, payload, n * sizeof *v);
	if (!within(v, n, low, high))
		return FCI_STATUS_INVALID_ARGUMENT;
	memcpy(out, v, n * sizeof *v);
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set_cartesian_impedance(struct franka_robot *r, const uint8_t *payload)
{
	double v[6];

	memcpy(v, payload, sizeof v);
	for (int part = 0; part < 2; part++)
		if (!within(v + 3 * part, 3, cartesian_impedance_min[part], cartesian_impedance_max[part]))
			return FCI_STATUS_INVALID_ARGUMENT;
	memcpy(r->settings.cartesian_impedance, v, sizeof v);
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set_collision(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_collision_behavior c;
	double v[sizeof c / sizeof(double)];

	memcpy(&c, payload, sizeof c);
	memcpy(v, payload, sizeof v);
	if (!within(v, sizeof v / sizeof *v, 0.0, 1e6))
		return FCI_STATUS_INVALID_ARGUMENT;
	r->settings.collision = c;
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set_guiding(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_guiding_mode g;

	memcpy(&g, payload, sizeof g);
	for (int i = 0; i < 6; i++)
		if (g.axis[i] > 1)
			return FCI_STATUS_INVALID_ARGUMENT;
	if (g.elbow > 1)
		return FCI_STATUS_INVALID_ARGUMENT;
	r->settings.guiding = g;
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set_frame(struct franka_robot *r, double *out, const uint8_t *payload)
{
	struct pose nominal, tool;
	double t[16];

	memcpy(t, payload, sizeof t);
	if (!franka_pose_take(t, &tool))
		return FCI_STATUS_INVALID_ARGUMENT;
	memcpy(out, t, sizeof t);
	franka_pose_take(r->settings.f_t_ne, &nominal);
	franka_pose_take(r->settings.ne_t_ee, &tool);
	pose_multiply(&nominal, &tool, &r->generator.flange_to_ee);
	franka_generator_seed(&r->generator, r->generator.d.q_rad, r->generator.d.dq_rad_s);
	return FCI_STATUS_SUCCESS;
}

static enum fci_status set(struct franka_robot *r, enum fci_command c, const uint8_t *payload)
{
	struct franka_settings *s = &r->settings;

	switch (c) {
	case FCI_SET_COLLISION_BEHAVIOR: return set_collision(r, payload);
	case FCI_SET_JOINT_IMPEDANCE: return set_numbers(s->joint_impedance, payload, 7, 0.0, joint_impedance_max);
	case FCI_SET_CARTESIAN_IMPEDANCE: return set_cartesian_impedance(r, payload);
	case FCI_SET_GUIDING_MODE: return set_guiding(r, payload);
	case FCI_SET_EE_TO_K: return set_frame(r, s->ee_t_k, payload);
	case FCI_SET_NE_TO_EE: return set_frame(r, s->ne_t_ee, payload);
	case FCI_SET_LOAD: return set_load(r, payload);
	case FCI_SET_FILTERS: return set_numbers(s->filters_hz, payload, 5, filter_min_hz, filter_max_hz);
	default: return FCI_STATUS_NOT_POSSIBLE;
	}
}

/* ---- motions --------------------------------------------------------------------------------------------------------------- */

static bool move_sound(const struct franka_robot *r, const struct fci_move *m)
{
	double deviation[6];

	memcpy(deviation, m->path_deviation, sizeof m->path_deviation);
	memcpy(deviation + 3, m->goal_deviation, sizeof m->goal_deviation);
	if (m->controller > FCI_CONTROL_EXTERNAL || m->generator > FCI_MOVE_NONE || !within(deviation, 6, 0.0, 1e6))
		return false;
	if (m->generator == FCI_MOVE_NONE && (r->version < 7 || m->controller != FCI_CONTROL_EXTERNAL))
		return false;
	return m->use_async == 0; /* motions that the robot plans itself are not simulated */
}

static bool cartesian(const struct fci_move *m)
{
	return m->generator == FCI_MOVE_CARTESIAN_POSITION || m->generator == FCI_MOVE_CARTESIAN_VELOCITY;
}

static void accept_motion(struct franka_robot *r, const struct fci_move *m)
{
	if (r->ending)
		franka_robot_end_now(r, r->ending_as); /* its second response comes before anything of the new one */
	r->starting = true;
	r->next_generator = (uint8_t)(m->generator + 1);
	r->controller = (uint8_t)m->controller;
	r->errors = r->reflex_reason = 0;
	r->waited_ms = r->missed_row = r->n_watched = r->watched_next = 0;
	r->counters.motions++;
}

static enum fci_status start_motion(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_move m = { 0 };

	memcpy(&m, payload, fci_request_bytes(r->version, FCI_MOVE) - FCI_HEADER_BYTES);
	if (!rests(r) && !r->ending)
		return FCI_STATUS_NOT_POSSIBLE;
	if (!move_sound(r, &m))
		return FCI_STATUS_INVALID_ARGUMENT;
	if (cartesian(&m) && franka_generator_singular(&r->generator))
		return FCI_STATUS_SINGULAR_START;
	accept_motion(r, &m);
	return FCI_STATUS_MOTION_STARTED;
}

static enum fci_status stop_motion(struct franka_robot *r)
{
	if (r->starting)
		franka_robot_end_now(r, FCI_STATUS_PREEMPTED);
	else if (r->moving && !r->ending)
		franka_robot_end_standing(r, FCI_STATUS_PREEMPTED, 0);
	return FCI_STATUS_SUCCESS;
}

/* Also under a user stop clients are told that all is well; the robot stays stopped. One that still brakes is told at once, too: the
 * mode says that recovery is not over. */
static enum fci_status recover(struct franka_robot *r)
{
	if (r->moving || r->starting || r->locked)
		return FCI_STATUS_NOT_POSSIBLE;
	if (r->mode == FCI_MODE_REFLEX)
		r->mode = franka_robot_stands(r) || r->user_stop ? franka_robot_resting_mode(r) : FCI_MODE_RECOVERY;
	r->errors = 0;
	return FCI_STATUS_SUCCESS;
}

enum fci_status franka_robot_request(struct franka_robot *r, enum fci_command c, const uint8_t *payload)
{
	switch (c) {
	case FCI_MOVE: return start_motion(r, payload);
	case FCI_STOP_MOVE: return stop_motion(r);
	case FCI_AUTOMATIC_ERROR_RECOVERY: return recover(r);
	default: return r->moving || r->starting ? FCI_STATUS_NOT_POSSIBLE : set(r, c, payload);
	}
}
