/* state_check.c - see state_check.h. */
#include "daemon/record/state_check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record/replay_check.h"
#include "daemon/record/state_rows.h"
#include "daemon/stage/action.h"

static const double number_most = 1e9; /* no unit of ours needs more; keeps products finite and times countable */
static const int64_t time_most_ns = INT64_C(1) << 61;

/* ---- one value ------------------------------------------------------------------------------------------------------- */

static bool number_good(const uint8_t *at)
{
	double value;

	memcpy(&value, at, sizeof value);
	return fabs(value) <= number_most;
}

static bool upto_good(const uint8_t *at, uint32_t most)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value <= most;
}

static bool time_good(const uint8_t *at, enum state_rule rule)
{
	int64_t t_ns;

	memcpy(&t_ns, at, sizeof t_ns);
	return (t_ns >= -time_most_ns && t_ns <= time_most_ns) || (rule == STATE_TIME_END && t_ns == INT64_MAX) ||
			(rule == STATE_TIME_NEVER && t_ns == INT64_MIN / 2);
}

static bool value_good(const struct state_row *row, const uint8_t *at)
{
	switch (row->rule) {
	case STATE_FLAG:
		return *at <= 1;
	case STATE_UPTO:
		return upto_good(at, row->most);
	case STATE_NUMBER:
		return number_good(at);
	case STATE_TIME:
	case STATE_TIME_END:
	case STATE_TIME_NEVER:
		return time_good(at, row->rule);
	case STATE_OWN:
	case STATE_FREE:
	case STATE_LOOSE:
	case STATE_PART:
		break;
	}
	return true;
}

/* ---- all of them; our own take the place of the file's ------------------------------------------------------------------ */

static int check_rows(uint8_t *image, const struct control *own, struct errbuf *e)
{
	struct state_walk w = { .place = { { .part = state_of_control() } }, .depth = 1 };
	const struct state_row *row;
	char name[STATE_NAME_BYTES];
	size_t at;

	while ((row = state_next(&w, &at))) {
		if (row->rule == STATE_OWN)
			memcpy(image + at, (const uint8_t *)own + at, row->n * row->bytes);
		for (uint32_t i = 0; i < row->n; i++) {
			if (value_good(row, image + at + i * row->bytes))
				continue;
			state_name(&w, row, name);
			return fail(e, -EBADMSG, "control's state: %s makes no sense: the file is damaged", name);
		}
	}
	return 0;
}

/* ---- what must fit together: NULL, or what does not --------------------------------------------------------------------- */

static double dt_s(const struct control *c)
{
	return (double)c->setup.action_dt_ns * 1e-9;
}

/* Numbers that were made once, by the same arithmetic or nearly so. */
static bool same(double a, double b)
{
	return fabs(a - b) <= 1e-6 * fmax(1.0, fabs(b));
}

static bool spline_good(const struct control *c, const struct spline *s, uint32_t n_steps, uint32_t dim)
{
	return s->n >= 2 && s->n == n_steps + 1 && s->dim == dim && same(s->step_s, dt_s(c));
}

static uint32_t path_dim(const struct control *c, uint32_t i)
{
	return action_is_joints(&c->setup) ? c->setup.arm[i].model.dof : 6;
}

static const char *wrong_path(const struct control *c, uint32_t i)
{
	const struct path *p = &c->trajectory.arm[i];
	bool joints = action_is_joints(&c->setup);

	if (p->dim != path_dim(c, i) || p->follow.dim != p->dim || p->joints != joints || p->follow.joints != joints)
		return "trajectory.arm[].dim or joints";
	return spline_good(c, &p->spline, c->trajectory.n_steps, p->dim) ? NULL : "trajectory.arm[].spline";
}

static const char *wrong_trajectory(const struct control *c)
{
	const struct trajectory *t = &c->trajectory;
	const char *wrong = NULL;

	if (!t->active)
		return NULL;
	if (t->n_steps == 0 || !same(t->end_s, t->start_s + t->n_steps * dt_s(c)))
		return "trajectory.n_steps";
	if (t->clock.q < t->start_s - dt_s(c) || t->clock.q > t->end_s + dt_s(c))
		return "trajectory.clock";
	for (uint32_t i = 0; i < c->setup.n_arms && !wrong; i++)
		wrong = wrong_path(c, i);
	return wrong;
}

static const char *wrong_ensemble(const struct control *c)
{
	const struct ensemble *e = &c->trajectory.ensemble;

	for (uint32_t back = 0; back < e->n; back++) {
		const struct ensemble_member *m = &e->member[(e->next + ENSEMBLE_MAX - 1 - back) % ENSEMBLE_MAX];

		if (m->n_steps == 0)
			return "trajectory.ensemble.member[].n_steps";
		for (uint32_t i = 0; i < c->setup.n_arms; i++)
			if (!spline_good(c, &m->arm[i].spline, m->n_steps, path_dim(c, i)))
				return "trajectory.ensemble.member[].arm[].spline";
	}
	return NULL;
}

static const char *wrong_whole(const struct control *c, const struct record_state *head)
{
	const char *wrong = wrong_trajectory(c);

	wrong = wrong ? wrong : wrong_ensemble(c);
	if (wrong)
		return wrong;
	if (c->mode == MODE_TELEOP && head->hand_arm == ALL_ARMS)
		return "hand_arm";
	if (c->teleop.start.arm >= c->setup.n_arms)
		return "teleop.start.arm";
	if (c->chunk_new && !head->has_chunk)
		return "chunk_new";
	return head->tick == c->report.ticks && head->now_ns == c->last_ns ? NULL : "report.ticks or last_ns";
}

static const char *wrong_others(const struct control *c, const struct record_state *head, const struct action_chunk *chunk)
{
	const char *wrong = replay_wrong_inputs(&c->inputs, &c->setup);

	wrong = wrong ? wrong : replay_wrong_policy(&c->policy);
	return wrong || !head->has_chunk ? wrong : replay_wrong_chunk(chunk);
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

static const char *wrong_head(const struct record_state *h, const struct control_setup *setup, size_t n)
{
	if (h->has_chunk > 1 || n != sizeof *h + sizeof(struct control) + h->has_chunk * sizeof(struct action_chunk))
		return "its size";
	if (h->tick == 0 || h->now_ns <= 0 || h->now_ns > time_most_ns)
		return "its tick or time";
	return h->hand_arm < setup->n_arms || h->hand_arm == ALL_ARMS ? NULL : "hand_arm";
}

/* What teleop_motion_start sets once. */
static void own_hand(struct control *c, uint32_t arm)
{
	if (arm == ALL_ARMS)
		return;
	c->hand.setup = &c->setup;
	c->hand.arm = &c->setup.arm[arm];
	c->hand.dt_s = (double)c->setup.period_ns * 1e-9;
	c->hand.v_max_m_s = c->setup.teleop_v_max_m_s;
	c->hand.w_max_rad_s = c->setup.teleop_w_max_rad_s;
}

static int take(struct control *image, const struct control *own, struct record_state *head, struct action_chunk *chunk,
		const uint8_t *data, size_t n, struct errbuf *e)
{
	const char *wrong;
	int rc;

	if (n < sizeof *head)
		return fail(e, -EBADMSG, "control's state of %zu bytes: want %zu or more", n, sizeof *head);
	memcpy(head, data, sizeof *head);
	if ((wrong = wrong_head(head, &own->setup, n)))
		return fail(e, -EBADMSG, "control's state: %s makes no sense: the file is damaged", wrong);
	memcpy(image, data + sizeof *head, sizeof *image);
	if (head->has_chunk)
		memcpy(chunk, data + sizeof *head + sizeof *image, sizeof *chunk);
	if ((rc = check_rows((uint8_t *)image, own, e)) < 0)
		return rc;
	wrong = wrong_others(image, head, chunk);
	wrong = wrong ? wrong : wrong_whole(image, head);
	return wrong ? fail(e, -EBADMSG, "control's state: %s makes no sense: the file is damaged, or the configuration's robots or policy are not "
			"those that were recorded", wrong) : 0;
}

int replay_take_state(struct control *c, struct record_state *head, struct action_chunk *chunk, const void *data, size_t n,
		struct errbuf *e)
{
	struct control *image = malloc(sizeof *image);
	int rc;

	if (!image)
		return fail(e, -ENOMEM, "control's state: out of memory");
	rc = take(image, c, head, chunk, data, n, e);
	if (rc == 0) {
		memcpy(c, image, sizeof *c);
		c->chunk = head->has_chunk ? chunk : NULL;
		own_hand(c, head->hand_arm);
	}
	free(image);
	return rc;
}
