/* observation.c - histories of frames and arm states, and the state vector. */
#include "daemon/stage/observation.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "daemon/stage/geometry.h"

static const int64_t history_ns = 1000000000;

uint32_t frame_history_push(struct frame_history *h, int64_t stamp_ns, int64_t arrival_ns)
{
	uint32_t slot = (uint32_t)(h->n++ % FRAME_HISTORY);

	h->stamp_ns[slot] = stamp_ns;
	h->arrival_ns[slot] = arrival_ns;
	return slot;
}

/* Slot of the newest frame that is not newer than t_ns, or -1. */
static int newest_until(const struct frame_history *h, int64_t t_ns)
{
	int best = -1;

	for (uint64_t k = h->n > FRAME_HISTORY ? h->n - FRAME_HISTORY : 0; k < h->n; k++) {
		int slot = (int)(k % FRAME_HISTORY);

		if (h->stamp_ns[slot] <= t_ns && (best < 0 || h->stamp_ns[slot] >= h->stamp_ns[best]))
			best = slot;
	}
	return best;
}

/* The newest frames not newer than t_ns; false if a camera has none. */
static bool set_until(const struct frame_history *h, uint32_t n_cameras, int64_t t_ns, struct frame_set *out, int64_t *newest_ns)
{
	out->t_obs_ns = INT64_MAX;
	out->ready_ns = *newest_ns = INT64_MIN;
	for (uint32_t c = 0; c < n_cameras; c++) {
		int slot = newest_until(&h[c], t_ns);

		if (slot < 0)
			return false;
		int64_t stamp = h[c].stamp_ns[slot], arrival = h[c].arrival_ns[slot];

		out->slot[c] = (uint32_t)slot;
		out->t_obs_ns = stamp < out->t_obs_ns ? stamp : out->t_obs_ns;
		*newest_ns = stamp > *newest_ns ? stamp : *newest_ns;
		out->ready_ns = arrival > out->ready_ns ? arrival : out->ready_ns;
	}
	return n_cameras > 0;
}

/* A set too far apart can only be mended by an older frame of its newest member: go back in time until it fits. */
bool frame_set_pick(const struct frame_history *h, uint32_t n_cameras, int64_t max_skew_ns, struct frame_set *out)
{
	int64_t until_ns = INT64_MAX, newest_ns;

	*out = (struct frame_set){ .skewed = false };
	for (uint32_t tries = 0; tries < CAMERAS_MAX * FRAME_HISTORY; tries++) {
		if (!set_until(h, n_cameras, until_ns, out, &newest_ns)) {
			out->skewed = tries > 0;
			return false;
		}
		if (newest_ns - out->t_obs_ns <= max_skew_ns)
			return true;
		until_ns = newest_ns - 1;
	}
	out->skewed = true;
	return false;
}

bool frozen_watch_step(struct frozen_watch *w, uint64_t hash, int64_t stamp_ns, uint32_t limit)
{
	bool same = w->seen > 0 && (hash == w->hash || stamp_ns <= w->stamp_ns);

	w->same = same ? w->same + (w->same < UINT32_MAX) : 1;
	w->hash = hash;
	w->stamp_ns = stamp_ns;
	w->seen++;
	return w->same >= limit;
}

uint64_t frame_hash(const uint8_t *bytes, uint32_t n)
{
	const uint64_t prime = 1099511628211u;
	uint64_t hash = 14695981039346656037u ^ n;
	uint32_t at = 0;

	for (; at + 8 <= n; at += 8) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof word);
		hash = (hash ^ word) * prime;
		hash ^= hash >> 32; /* multiplication alone never carries high bits down */
	}
	for (; at < n; at++)
		hash = (hash ^ bytes[at]) * prime;
	return hash;
}

static const struct arm_state *state_back(const struct state_history *h, uint32_t back)
{
	return &h->state[(h->next + STATE_HISTORY - 1 - back) % STATE_HISTORY];
}

void state_history_push(struct state_history *h, const struct arm_state *s)
{
	if (!s->present || !s->has_q)
		return;
	if (h->n > 0 && state_back(h, 0)->from != s->from)
		h->n = 0;
	if (h->n > 0 && s->stamp_ns <= state_back(h, 0)->stamp_ns)
		return;
	h->state[h->next] = *s;
	h->next = (h->next + 1) % STATE_HISTORY;
	h->n += h->n < STATE_HISTORY;
}

static double between(double a, double b, double share)
{
	return a + (b - a) * share;
}

static void state_between(const struct arm_state *a, const struct arm_state *b, int64_t t_ns, struct arm_state *out)
{
	double share = (double)(t_ns - a->stamp_ns) / (double)(b->stamp_ns - a->stamp_ns);
	double turn[6], part[4];

	*out = *a;
	out->stamp_ns = t_ns;
	for (uint32_t i = 0; i < DOF_MAX; i++) {
		out->q_rad[i] = between(a->q_rad[i], b->q_rad[i], share);
		out->dq_rad_s[i] = between(a->dq_rad_s[i], b->dq_rad_s[i], share);
		out->q_d_rad[i] = between(a->q_d_rad[i], b->q_d_rad[i], share);
	}
	pose_difference(&a->ee, &b->ee, turn);
	for (int i = 0; i < 3; i++) {
		out->ee.p_m[i] = a->ee.p_m[i] + share * turn[i];
		turn[3 + i] *= share;
	}
	quat_from_rotvec(turn + 3, part);
	quat_multiply(part, a->ee.q_xyzw, out->ee.q_xyzw);
	if (a->has_gripper && b->has_gripper)
		out->gripper_m = between(a->gripper_m, b->gripper_m, share);
}

bool state_history_at(const struct state_history *h, int64_t t_ns, int64_t max_ahead_ns, struct arm_state *out)
{
	if (h->n == 0)
		return false;
	const struct arm_state *newest = state_back(h, 0);

	if (t_ns >= newest->stamp_ns) {
		*out = *newest;
		return t_ns - newest->stamp_ns < max_ahead_ns;
	}
	if (newest->stamp_ns - t_ns > history_ns || t_ns < state_back(h, h->n - 1)->stamp_ns)
		return false;
	uint32_t low = 0, high = h->n - 1; /* stamp(low) > t >= stamp(high) */

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (state_back(h, middle)->stamp_ns > t_ns)
			low = middle;
		else
			high = middle;
	}
	state_between(state_back(h, high), state_back(h, low), t_ns, out);
	return true;
}

static const char *const item_names[] = {
	[PROPRIO_EE_POS] = "ee_pos",
	[PROPRIO_EE_ROTVEC] = "ee_rotvec",
	[PROPRIO_EE_RPY] = "ee_rpy",
	[PROPRIO_EE_QUAT] = "ee_quat",
	[PROPRIO_Q] = "q",
	[PROPRIO_GRIPPER_M] = "gripper_m",
	[PROPRIO_GRIPPER_FINGERS] = "gripper_fingers",
	[PROPRIO_GRIPPER_OPEN] = "gripper_open",
	[PROPRIO_COMMITTED_POS] = "committed_pos",
	[PROPRIO_COMMITTED_ROTVEC] = "committed_rotvec",
	[PROPRIO_ZERO] = "zero",
};
_Static_assert(sizeof item_names / sizeof item_names[0] == PROPRIO_COUNT, "name every item");

const char *proprio_item_name(uint32_t item)
{
	return item < PROPRIO_COUNT ? item_names[item] : NULL;
}

uint32_t proprio_item_size(enum proprio_item item, uint32_t dof)
{
	switch (item) {
	case PROPRIO_EE_POS:
	case PROPRIO_EE_ROTVEC:
	case PROPRIO_EE_RPY:
	case PROPRIO_COMMITTED_POS:
	case PROPRIO_COMMITTED_ROTVEC:
		return 3;
	case PROPRIO_EE_QUAT:
		return 4;
	case PROPRIO_Q:
		return dof;
	case PROPRIO_GRIPPER_FINGERS:
		return 2;
	case PROPRIO_GRIPPER_M:
	case PROPRIO_GRIPPER_OPEN:
	case PROPRIO_ZERO:
		return 1;
	case PROPRIO_COUNT:
		break;
	}
	return 0;
}

bool proprio_needs_gripper(const enum proprio_item *item, uint32_t n_items)
{
	for (uint32_t i = 0; i < n_items; i++)
		if (item[i] == PROPRIO_GRIPPER_M || item[i] == PROPRIO_GRIPPER_FINGERS || item[i] == PROPRIO_GRIPPER_OPEN)
			return true;
	return false;
}

bool proprio_needs_lead(const enum proprio_item *item, uint32_t n_items)
{
	for (uint32_t i = 0; i < n_items; i++)
		if (item[i] == PROPRIO_COMMITTED_POS || item[i] == PROPRIO_COMMITTED_ROTVEC)
			return true;
	return false;
}

static void rotvec_write(const double q[4], const double *near, double out[3])
{
	quat_to_rotvec(q, out);
	if (near)
		rotvec_nearest(out, near, out);
}

/* Each angle alone by whole turns: the three are read as separate numbers by the policy. */
static void rpy_write(const double q[4], const double *near, double out[3])
{
	quat_to_rpy(q, out);
	for (int i = 0; i < 3 && near; i++)
		out[i] += 2.0 * M_PI * round((near[i] - out[i]) / (2.0 * M_PI));
}

/* q and -q are the same rotation. */
static void quat_write(const double q[4], const double *near, double out[4])
{
	double along = q[3];

	if (near)
		along = q[0] * near[0] + q[1] * near[1] + q[2] * near[2] + q[3] * near[3];
	for (int i = 0; i < 4; i++)
		out[i] = along < 0.0 ? -q[i] : q[i];
}

static void item_write(enum proprio_item item, const struct arm_setup *arm, const struct arm_state *s, const struct proprio_lead *lead,
		const double *near, double *out)
{
	double q[4];

	quat_normalise(s->ee.q_xyzw, q); /* messages.md section 4 allows 0.001 beside 1 */
	switch (item) {
	case PROPRIO_EE_POS:
		memcpy(out, s->ee.p_m, sizeof s->ee.p_m);
		break;
	case PROPRIO_EE_ROTVEC:
		rotvec_write(q, near, out);
		break;
	case PROPRIO_EE_RPY:
		rpy_write(q, near, out);
		break;
	case PROPRIO_EE_QUAT:
		quat_write(q, near, out);
		break;
	case PROPRIO_Q:
		memcpy(out, s->q_rad, arm->model.dof * sizeof *out);
		break;
	case PROPRIO_GRIPPER_M:
		out[0] = s->gripper_m;
		break;
	case PROPRIO_GRIPPER_FINGERS:
		out[0] = s->gripper_m / 2.0;
		out[1] = -s->gripper_m / 2.0;
		break;
	case PROPRIO_GRIPPER_OPEN:
		out[0] = arm->gripper_max_m > 0.0 ? fmin(fmax(s->gripper_m / arm->gripper_max_m, 0.0), 1.0) : 0.0;
		break;
	case PROPRIO_COMMITTED_POS:
		memcpy(out, lead->p_m, sizeof lead->p_m);
		break;
	case PROPRIO_COMMITTED_ROTVEC:
		memcpy(out, lead->rotvec_rad, sizeof lead->rotvec_rad);
		break;
	case PROPRIO_ZERO:
	case PROPRIO_COUNT:
		out[0] = 0.0;
		break;
	}
}

uint32_t proprio_build(const enum proprio_item *item, uint32_t n_items, const struct arm_setup *arm, const struct arm_state *s,
		const struct proprio_lead *lead, const double *near, double *out, uint32_t capacity)
{
	static const struct proprio_lead nowhere;
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_items; i++) {
		uint32_t size = proprio_item_size(item[i], arm->model.dof);

		if (size == 0 || n + size > capacity)
			break;
		item_write(item[i], arm, s, lead ? lead : &nowhere, near ? near + n : NULL, out + n);
		n += size;
	}
	return n;
}

int state_range_find(const struct state_range *r, const double *state)
{
	const double width_min = 1e-6; /* below it the statistics are one value, rounded */

	if (!r->low || !r->high)
		return -1;
	for (uint32_t i = 0; i < r->dim; i++) {
		double width = r->high[i] - r->low[i], margin = r->margin * width;

		if (width < width_min)
			continue;
		if (!(state[i] >= r->low[i] - margin && state[i] <= r->high[i] + margin))
			return (int)i;
	}
	return -1;
}

bool range_watch_step(struct range_watch *w, int found, int64_t now_ns)
{
	const int64_t quiet_ns = 1000000000;

	if (found + 1 == w->said || (w->spoken && now_ns - w->said_ns < quiet_ns))
		return false;
	*w = (struct range_watch){ .spoken = true, .said_ns = now_ns, .said = found + 1 };
	return true;
}
