/* chunk_buffer.c - the record of sent motion, and which chunks may follow it. */
#include "daemon/stage/chunk_buffer.h"

#include <math.h>
#include <string.h>

static const int64_t spacing_ns = 5000000;

static const struct past_entry *past_back(const struct past *p, uint32_t back)
{
	return &p->entry[(p->next + PAST_ENTRIES - 1 - back) % PAST_ENTRIES];
}

void past_push(struct past *p, const struct past_entry *e)
{
	/* The newest entry always is the newest motion; it becomes lasting when it is far enough from the one before. */
	bool replace = p->n >= 2 && past_back(p, 0)->t_ns - past_back(p, 1)->t_ns < spacing_ns;

	if (replace) {
		p->entry[(p->next + PAST_ENTRIES - 1) % PAST_ENTRIES] = *e;
		return;
	}
	p->entry[p->next] = *e;
	p->next = (p->next + 1) % PAST_ENTRIES;
	p->n += p->n < PAST_ENTRIES;
}

static void entry_between(const struct past_entry *a, const struct past_entry *b, int64_t t_ns, struct past_entry *out)
{
	double share = (double)(t_ns - a->t_ns) / (double)(b->t_ns - a->t_ns);

	out->t_ns = t_ns;
	out->path_s = a->path_s + share * (b->path_s - a->path_s);
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		for (uint32_t j = 0; j < DOF_MAX; j++)
			out->q_rad[i][j] = a->q_rad[i][j] + share * (b->q_rad[i][j] - a->q_rad[i][j]);
	memcpy(out->gripper_m, a->gripper_m, sizeof out->gripper_m); /* a command, never in between */
}

bool past_at(const struct past *p, int64_t t_ns, struct past_entry *out)
{
	if (p->n == 0)
		return false;
	uint32_t low = 0, high = p->n - 1; /* low newer than t, high not */

	if (t_ns >= past_back(p, low)->t_ns || t_ns <= past_back(p, high)->t_ns) {
		*out = *past_back(p, t_ns >= past_back(p, low)->t_ns ? low : high);
		return true;
	}
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (past_back(p, middle)->t_ns > t_ns)
			low = middle;
		else
			high = middle;
	}
	entry_between(past_back(p, high), past_back(p, low), t_ns, out);
	return true;
}

bool past_at_path(const struct past *p, double path_s, struct past_entry *out)
{
	uint32_t low = 0, high = p->n > 0 ? p->n - 1 : 0; /* path time grows with time; high is not later than path_s */

	if (p->n == 0 || past_back(p, high)->path_s > path_s)
		return false;
	if (past_back(p, low)->path_s <= path_s) {
		*out = *past_back(p, low);
		return true;
	}
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (past_back(p, middle)->path_s > path_s)
			low = middle;
		else
			high = middle;
	}
	const struct past_entry *a = past_back(p, high), *b = past_back(p, low);

	entry_between(a, b, a->t_ns + (int64_t)((double)(b->t_ns - a->t_ns) * (path_s - a->path_s) / (b->path_s - a->path_s)), out);
	return true;
}

uint32_t past_newest(const struct past *p, uint32_t most, struct past_entry *out)
{
	uint32_t n = p->n < most ? p->n : most, first = (p->next + PAST_ENTRIES - n) % PAST_ENTRIES;
	uint32_t run = n < PAST_ENTRIES - first ? n : PAST_ENTRIES - first; /* until the ring's end */

	memcpy(out, &p->entry[first], run * sizeof *out);
	memcpy(out + run, p->entry, (n - run) * sizeof *out);
	return n;
}

static bool chunk_finite(const struct action_chunk *c)
{
	const double largest = 1e4; /* no unit of ours needs more; keeps products finite */

	for (uint32_t i = 0; i < c->n_steps; i++)
		for (uint32_t k = 0; k < c->action_dim; k++)
			if (!(fabs(c->action[i][k]) <= largest))
				return false;
	return true;
}

enum chunk_verdict chunk_judge(const struct action_chunk *c, const struct chunk_rules *r)
{
	if (c->epoch != r->epoch)
		return CHUNK_OTHER_EPOCH;
	if (c->instruction_id != r->instruction_id || r->instruction_id == 0)
		return CHUNK_OTHER_INSTRUCTION;
	if (c->t_obs_ns < r->after_ns)
		return CHUNK_TOO_EARLY;
	if (c->t_obs_ns < r->oldest_ns)
		return CHUNK_OLD;
	if (c->n_steps == 0 || c->n_steps > CHUNK_STEPS_MAX || c->action_dim != r->action_dim || c->action_dim > ACTION_DIM_MAX)
		return CHUNK_WRONG_SHAPE;
	return chunk_finite(c) ? CHUNK_GOOD : CHUNK_NOT_FINITE;
}

void latency_push(struct latencies *l, int64_t latency_ns)
{
	l->ns[l->next] = latency_ns;
	l->next = (l->next + 1) % LATENCIES;
	l->n += l->n < LATENCIES;
}

int64_t latency_usual_ns(const struct latencies *l)
{
	uint32_t rank = l->n > 0 ? (l->n - 1) * 9 / 10 : 0;

	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t below = 0;

		for (uint32_t k = 0; k < l->n; k++)
			below += l->ns[k] < l->ns[i] || (k < i && l->ns[k] == l->ns[i]);
		if (below == rank)
			return l->ns[i];
	}
	return 0;
}

static bool gripper_continuous(const struct gripper_setup *s, double value, double gripper_max_m, double *out_m)
{
	double span = s->action_open - s->action_closed;

	if (!isfinite(value) || !(fabs(span) > 0.0))
		return false;
	*out_m = fmin(fmax((value - s->action_closed) / span, 0.0), 1.0) * gripper_max_m;
	return true;
}

static void gripper_decide(struct gripper *g, const struct gripper_setup *s, double value, int64_t now_ns)
{
	double half = g->decided ? s->hysteresis / 2.0 : 0.0;
	bool was_high = g->open == s->open_is_high;
	bool high = was_high && g->decided ? value >= s->threshold - half : value > s->threshold + half;
	bool open = high == s->open_is_high;

	if (g->decided && (open == g->open || now_ns - g->changed_ns < s->dwell_ns))
		return;
	*g = (struct gripper){ .decided = true, .open = open, .changed_ns = now_ns };
}

void gripper_resume(struct gripper *g, double commanded_m, double gripper_max_m, int64_t now_ns)
{
	*g = (struct gripper){ .decided = true, .open = commanded_m > gripper_max_m / 2.0, .changed_ns = now_ns };
}

bool gripper_step(struct gripper *g, const struct gripper_setup *setup, double value, double gripper_max_m, int64_t now_ns, double *out_m)
{
	if (!setup->binary)
		return gripper_continuous(setup, value, gripper_max_m, out_m);
	if (isfinite(value))
		gripper_decide(g, setup, value, now_ns);
	*out_m = g->open ? gripper_max_m : 0.0;
	return g->decided;
}
