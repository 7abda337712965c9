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

static bool rests(const struct franka_robot *r)
{
	return !r->moving && r->mode == FCI_MODE_IDLE;
}

/* ---- settings -------------------------------------------------------------------------------------------------------------- */

void franka_robot_carry(struct franka_robot *r)
{
	/* The Franka Hand, as the robot reports it, and the load: one body. */
	static const struct franka_body hand = { 0.73, { -0.01, 0.0, 0.03 }, { 0.001, 0.0025, 0.0017, 0.0, 0.0, 0.0 } };
	const struct fci_load *l = &r->settings.load;
	struct franka_body *total = &r->plant.load;

	*total = hand;
	total->mass_kg += l->mass;
	for (int i = 0; i < 3; i++)
		total->com_m[i] = (hand.mass_kg * hand.com_m[i] + l->mass * l->f_x_cload[i]) / total->mass_kg;
	for (int i = 0; i < 3; i++)
		total->inertia_kg_m2[i] += l->i_load[4 * i];
}

static enum fci_status set_load(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_load l;

	memcpy(&l, payload, sizeof l);
	if (!(l.mass >= 0.0 && l.mass <= load_max_kg) || !(fabs(l.f_x_cload[0]) < 1.0 && fabs(l.f_x_cload[1]) < 1.0 && fabs(l.f_x_cload[2]) < 1.0))
		return FCI_STATUS_INVALID_ARGUMENT;
	for (int i = 0; i < 9; i++)
		if (!(fabs(l.i_load[i]) < 10.0) || (i % 4 == 0 && l.i_load[i] < 0.0))
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

static enum fci_status start_motion(struct franka_robot *r, const uint8_t *payload)
{
	struct fci_move m = { 0 };

	memcpy(&m, payload, fci_request_bytes(r->version, FCI_MOVE) - FCI_HEADER_BYTES);
	if (!rests(r))
		return FCI_STATUS_NOT_POSSIBLE;
	if (!move_sound(r, &m))
		return FCI_STATUS_INVALID_ARGUMENT;
	franka_generator_start(&r->generator, (uint8_t)(m.generator + 1), m.controller == FCI_CONTROL_EXTERNAL);
	r->controller = (uint8_t)m.controller;
	r->moving = true;
	r->ended = r->offered = false;
	r->mode = FCI_MODE_MOVE;
	r->errors = r->reflex_reason = 0;
	r->waited_ms = r->finishing_ms = r->missed_row = r->n_watched = r->watched_next = 0;
	r->counters.motions++;
	return FCI_STATUS_MOTION_STARTED;
}

static enum fci_status stop_motion(struct franka_robot *r)
{
	if (!r->moving)
		return FCI_STATUS_SUCCESS;
	franka_robot_leave(r);
	r->ended = true;
	r->end = FCI_STATUS_PREEMPTED;
	return FCI_STATUS_SUCCESS;
}

/* Also under a user stop clients are told that all is well; the robot stays stopped. */
static enum fci_status recover(struct franka_robot *r)
{
	if (r->moving || r->locked)
		return FCI_STATUS_NOT_POSSIBLE;
	if (r->mode == FCI_MODE_REFLEX)
		r->mode = r->user_stop ? FCI_MODE_USER_STOPPED : r->guiding ? FCI_MODE_GUIDING : FCI_MODE_IDLE;
	r->errors = 0;
	return FCI_STATUS_SUCCESS;
}

enum fci_status franka_robot_request(struct franka_robot *r, enum fci_command c, const uint8_t *payload)
{
	switch (c) {
	case FCI_MOVE: return start_motion(r, payload);
	case FCI_STOP_MOVE: return stop_motion(r);
	case FCI_AUTOMATIC_ERROR_RECOVERY: return recover(r);
	default: return r->moving ? FCI_STATUS_NOT_POSSIBLE : set(r, c, payload);
	}
}
