#include "robots/sim/task/astray.h"

#include <math.h>
#include <string.h>

enum { TURN = 5, GRIPPER = 6 };

/* Shares of what is believed; the rest knows where things are, and closes or opens the fingers at the wrong time. */
static const double ELSEWHERE = 0.40, UNSTEADY = 0.70, OTHER = 0.80, STILL = 0.90;
/* Of an unsteady hand's actions, evenly spread to either side, times a strength from 0 to 1. */
static const double SHAKES_M = 0.010, SHAKES_RAD = 0.06;
/* How far off: even in its logarithm, so that small errors, which decide about a grasp, are as frequent as large ones. */
static const double LEAST_M = 0.002, MOST_M = 0.030, HEIGHT = 0.3, TURNED_RAD = 0.3;

static double draw(uint64_t *random, double low, double high)
{
	return world_random_between(random, low, high);
}

static void mislead(struct expert_view *v, uint64_t *random)
{
	double off_m = exp(draw(random, log(LEAST_M), log(MOST_M)));

	for (int i = 0; i < 2; i++) {
		v->block_m[i] += draw(random, -off_m, off_m);
		v->pad_m[i] += draw(random, -off_m, off_m);
	}
	v->tip_m[2] += HEIGHT * draw(random, -off_m, off_m);
	v->block_yaw_rad += draw(random, -TURNED_RAD, TURNED_RAD);
}

static double limit(double v, double most)
{
	return fmin(fmax(v, -most), most);
}

static void shake(uint64_t *random, uint32_t n, double action[][EXPERT_ACTION_DIM])
{
	double strength = draw(random, 0, 1);

	for (uint32_t k = 0; k < n; k++) {
		for (int i = 0; i < 3; i++)
			action[k][i] = limit(action[k][i] + strength * draw(random, -SHAKES_M, SHAKES_M), EXPERT_STEP_M);
		action[k][TURN] = limit(action[k][TURN] + strength * draw(random, -SHAKES_RAD, SHAKES_RAD), EXPERT_TURN_RAD);
	}
}

static void stand_still(const struct expert_view *v, uint32_t n, double action[][EXPERT_ACTION_DIM])
{
	memset(action, 0, n * sizeof *action);
	for (uint32_t k = 0; k < n; k++)
		action[k][GRIPPER] = !(v->holds_named || v->holds_other);
}

static void flip_fingers(uint64_t *random, uint32_t n, double action[][EXPERT_ACTION_DIM])
{
	for (uint32_t k = (uint32_t)draw(random, 0, n); k < n; k++)
		action[k][GRIPPER] = 1 - action[k][GRIPPER];
}

uint32_t astray_chunk(const struct expert_view *v, const struct expert_view *other, uint64_t *random, double dt_s, uint32_t n_steps,
		double action[][EXPERT_ACTION_DIM])
{
	double kind = draw(random, 0, 1), many = draw(random, 0, 1);
	uint32_t given = 1 + (uint32_t)(many * many * (n_steps - 1));
	struct expert_view believed = kind >= UNSTEADY && kind < OTHER ? *other : *v;

	given = given < n_steps ? given : n_steps - 1;
	if (kind < ELSEWHERE)
		mislead(&believed, random);
	expert_chunk(&believed, dt_s, 0, given, action);
	if (kind >= ELSEWHERE && kind < UNSTEADY)
		shake(random, given, action);
	if (kind >= OTHER && kind < STILL)
		stand_still(v, given, action);
	if (kind >= STILL)
		flip_fingers(random, given, action);
	expert_chunk(v, dt_s, given, n_steps, action);
	return given;
}
