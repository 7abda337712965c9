/* replay_compare.c - see replay_compare.h. */
#include "daemon/replay_compare.h"

#include <math.h>
#include <string.h>

#define MEMBER(type, name) { offsetof(struct type, name), sizeof ((struct type *)0)->name }

struct member {
	size_t at, n;
};

static bool members_equal(const struct member *m, size_t n, const void *a, const void *b)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp((const uint8_t *)a + m[i].at, (const uint8_t *)b + m[i].at, m[i].n) != 0)
			return false;
	return true;
}

bool replay_target_equal(const struct driver_target *a, const struct driver_target *b)
{
	static const struct member members[] = {
		MEMBER(driver_target, valid), MEMBER(driver_target, arm), MEMBER(driver_target, t_ns), MEMBER(driver_target, tick_ns),
		MEMBER(driver_target, kind), MEMBER(driver_target, q_rad), MEMBER(driver_target, dq_rad_s), MEMBER(driver_target, ee),
		MEMBER(driver_target, twist), MEMBER(driver_target, has_gripper), MEMBER(driver_target, gripper_m),
		MEMBER(driver_target, source), MEMBER(driver_target, valid_for_ns), MEMBER(driver_target, epoch),
		MEMBER(driver_target, chunk), MEMBER(driver_target, step), MEMBER(driver_target, frame_stamp_ns),
		MEMBER(driver_target, first_of_chunk), MEMBER(driver_target, origin), MEMBER(driver_target, edge_ns),
		MEMBER(driver_target, stick_stamp_ns), MEMBER(driver_target, shadow), MEMBER(driver_target, intervention),
	};

	return members_equal(members, sizeof members / sizeof *members, a, b);
}

/* Says NaN once, and for ever. */
static double larger(double a, double b)
{
	return isnan(a) || isnan(b) ? (double)NAN : fmax(a, b);
}

static void differ(struct replay_arm_difference *d, uint64_t tick, int64_t now_ns, const struct driver_target *now,
		const struct driver_target *was)
{
	d->targets++;
	if (d->first_tick == 0) {
		d->first_tick = tick;
		d->first_ns = now_ns;
	}
	for (uint32_t j = 0; j < DOF_MAX; j++)
		d->largest_rad = larger(d->largest_rad, fabs(now->q_rad[j] - was->q_rad[j]));
}

void replay_compare_targets(struct replay_differences *d, uint64_t tick, int64_t now_ns, const struct target_batch *now,
		const struct driver_target *was, uint32_t n_was)
{
	uint32_t n = now->n < n_was ? now->n : n_was;

	d->ticks++;
	d->targets += n;
	d->ticks_of_other_count += now->n != n_was;
	for (uint32_t i = 0; i < n; i++)
		if (!replay_target_equal(&now->target[i], &was[i]))
			differ(&d->arm[was[i].arm], tick, now_ns, &now->target[i], &was[i]);
}

/* Actions lie in rows of the largest length; what is behind them is nobody's. */
static bool actions_equal(const struct action_chunk *a, const struct action_chunk *b)
{
	if (a->n_steps != b->n_steps || a->action_dim != b->action_dim)
		return false;
	for (uint32_t i = 0; i < a->n_steps; i++)
		if (memcmp(a->action[i], b->action[i], a->action_dim * sizeof(double)) != 0)
			return false;
	return true;
}

static bool chunks_equal(const struct action_chunk *a, const struct action_chunk *b)
{
	static const struct member members[] = {
		MEMBER(action_chunk, id), MEMBER(action_chunk, epoch), MEMBER(action_chunk, instruction_id), MEMBER(action_chunk, t_obs_ns),
		MEMBER(action_chunk, frame_stamp_ns), MEMBER(action_chunk, frame_from), MEMBER(action_chunk, frame_seq),
		MEMBER(action_chunk, observation), MEMBER(action_chunk, received_ns),
	};

	return actions_equal(a, b) && members_equal(members, sizeof members / sizeof *members, a, b);
}

void replay_compare_chunk(struct replay_differences *d, const struct action_chunk *now, const struct action_chunk *was)
{
	uint32_t n_steps = now->n_steps < was->n_steps ? now->n_steps : was->n_steps;
	uint32_t dim = now->action_dim < was->action_dim ? now->action_dim : was->action_dim;

	d->chunks++;
	if (chunks_equal(now, was))
		return;
	d->chunks_differ++;
	d->first_chunk = d->first_chunk > 0 ? d->first_chunk : was->id;
	for (uint32_t i = 0; i < n_steps; i++)
		for (uint32_t k = 0; k < dim; k++)
			d->largest_action = larger(d->largest_action, fabs(now->action[i][k] - was->action[i][k]));
}

bool replay_identical(const struct replay_differences *d)
{
	bool same = d->ticks > 0 && d->chunks_differ == 0 && d->chunks_missing == 0 && d->ticks_of_other_count == 0;

	for (uint32_t i = 0; i < ARMS_MAX; i++)
		same = same && d->arm[i].targets == 0;
	return same;
}
