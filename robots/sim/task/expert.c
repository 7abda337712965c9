#include "robots/sim/task/expert.h"

#include <math.h>
#include <string.h>

#include "robots/sim/task/pads.h"

enum { TURN = 5, GRIPPER = 6 };

/* The fingers' place above the block's lower face when they close: a little below its middle. */
static const double GRASP_M = 0.022;
/* On the way to a block, above all of them. */
static const double HOVER_M = 0.105, CLEAR_M = 0.068;
/* How high a block is held in the end, and how low one has to be to be let go. */
static const double HELD_M = 0.12, PUT_DOWN_M = 0.006;
/* So near a pad's middle is over it for a block that is high; a low one hides the pad from both cameras, and twice that will do: it goes on
 * down instead of up again. So high a block is carried past others. */
static const double ON_PAD_M = 0.012, LOW_M = 0.02, HIGH_M = 0.08, CARRIED_M = 0.060;
/* Share of what is left that one action goes. */
static const double GAIN = 0.6, TURN_GAIN = 0.7;
/* Fingers that far from their stop are open, so narrow there is nothing between them. */
static const double OPEN_LESS_M = 0.008, MISSED_M = 0.044;
static const double GRIPPER_SPEED_M_S = 0.1; /* world.c */

static double quarter(double angle_rad)
{
	return remainder(angle_rad, 1.57079632679489662);
}

static double clamp(double v, double low, double high)
{
	return fmin(fmax(v, low), high);
}

static double share(double v, double low, double high)
{
	return clamp((v - low) / (high - low), 0, 1);
}

void expert_look(struct expert_view *v, const struct world *w, const struct task_words *words)
{
	const struct world_pad *pad = words->put ? pads_find(w, words->pad) : NULL;
	const struct world_block *b = &w->block[0];
	struct frame hand = world_hand(w);
	struct vec tip = frame_point(&hand, 0, 0, EXPERT_TCP_M);

	while (b->colour != words->colour)
		b++;
	*v = (struct expert_view){
		.tip_m = { tip.x, tip.y, tip.z },
		.hand_yaw_rad = atan2(hand.ey.y, hand.ey.x),
		.gripper_m = w->gripper_m,
		.gripper_max_m = w->model->gripper_max_m,
		.block_m = { b->x_m, b->y_m, b->lift_m },
		.block_yaw_rad = b->yaw_rad,
		.holds_named = w->grip.holds && &w->block[w->grip.block] == b,
		.holds_other = w->grip.holds && &w->block[w->grip.block] != b,
		.put = pad != NULL,
	};
	if (pad)
		memcpy(v->pad_m, (double[2]){ pad->x_m, pad->y_m }, sizeof v->pad_m);
}

static double turn_left(const struct expert_view *v)
{
	return quarter(v->block_yaw_rad - v->hand_yaw_rad);
}

static double apart(const struct expert_view *v)
{
	return hypot(v->block_m[0] - v->tip_m[0], v->block_m[1] - v->tip_m[1]);
}

static bool fingers_open(const struct expert_view *v)
{
	return v->gripper_m > v->gripper_max_m - OPEN_LESS_M;
}

/* Fingers that have begun to close go on where they would not have begun. */
static bool around_block(const struct expert_view *v)
{
	double wide = fingers_open(v) ? 1 : 2;

	return apart(v) < 0.005 * wide && fabs(v->tip_m[2] - v->block_m[2] - GRASP_M) < 0.006 * wide && fabs(turn_left(v)) < 0.1 * wide;
}

/* Down only over the block, with fingers along its sides, and open. */
static double goal_height(const struct expert_view *v)
{
	double up = fmax(share(apart(v), 0.004, 0.020), share(fabs(turn_left(v)), 0.08, 0.30));

	return GRASP_M + (fingers_open(v) ? up : 1) * (HOVER_M - GRASP_M);
}

static void approach(const struct expert_view *v, double action[EXPERT_ACTION_DIM])
{
	double left = apart(v), step = fmin(EXPERT_STEP_M, GAIN * left);
	bool free = v->tip_m[2] > CLEAR_M || left < 0.02; /* else it would push what stands there: up first */

	for (int i = 0; i < 2 && free && left > 0; i++)
		action[i] = (v->block_m[i] - v->tip_m[i]) * step / left;
	action[2] = clamp(GAIN * (goal_height(v) - v->tip_m[2]), -EXPERT_STEP_M, EXPERT_STEP_M);
	action[TURN] = clamp(TURN_GAIN * turn_left(v), -EXPERT_TURN_RAD, EXPERT_TURN_RAD);
	action[GRIPPER] = 1;
}

/* Down to the table with it, then open. */
static void put_down(const struct expert_view *v, double action[EXPERT_ACTION_DIM])
{
	double above_m = v->tip_m[2] - GRASP_M;

	if (above_m > PUT_DOWN_M)
		action[2] = -fmin(GAIN * above_m, EXPERT_STEP_M);
	else
		action[GRIPPER] = 1;
}

static double to_pad(const struct expert_view *v)
{
	return hypot(v->pad_m[0] - v->block_m[0], v->pad_m[1] - v->block_m[1]);
}

static double over_pad(const struct expert_view *v)
{
	return ON_PAD_M * (2 - share(v->block_m[2], LOW_M, HIGH_M));
}

/* Up, across above all other blocks, down, and open. */
static void carry(const struct expert_view *v, double action[EXPERT_ACTION_DIM])
{
	double left = to_pad(v), over = over_pad(v), step = fmin(EXPERT_STEP_M, GAIN * left);
	double goal_m = share(left, over, 3 * over) * HELD_M;
	bool free = v->block_m[2] > CARRIED_M || left < 3 * over;

	for (int i = 0; i < 2 && free && left > 0; i++)
		action[i] = (v->pad_m[i] - v->block_m[i]) * step / left;
	action[2] = clamp(GAIN * (goal_m - v->block_m[2]), -EXPERT_STEP_M, EXPERT_STEP_M);
	if (left > over || v->block_m[2] > PUT_DOWN_M)
		return;
	memset(action, 0, EXPERT_ACTION_DIM * sizeof *action);
	action[GRIPPER] = 1;
}

/* Done: the hand goes up and leaves it alone. */
static bool stands_on_pad(const struct expert_view *v)
{
	return v->put && !v->holds_named && v->block_m[2] <= 0 && to_pad(v) < WORLD_PAD_HALF;
}

static void retreat(const struct expert_view *v, double action[EXPERT_ACTION_DIM])
{
	action[2] = fingers_open(v) ? clamp(GAIN * (HOVER_M - v->tip_m[2]), 0, EXPERT_STEP_M) : 0;
	action[GRIPPER] = 1;
}

void expert_act(const struct expert_view *v, double action[EXPERT_ACTION_DIM])
{
	memset(action, 0, EXPERT_ACTION_DIM * sizeof *action);
	if (stands_on_pad(v))
		retreat(v, action);
	else if (v->holds_named && v->put)
		carry(v, action);
	else if (v->holds_named)
		action[2] = clamp(GAIN * (HELD_M - v->block_m[2]), -EXPERT_STEP_M, EXPERT_STEP_M);
	else if (v->holds_other)
		put_down(v, action);
	else if (!around_block(v) || v->gripper_m < MISSED_M)
		approach(v, action);
}

/* What the world would make of it, near enough. */
static void advance(struct expert_view *v, const double action[EXPERT_ACTION_DIM], double dt_s)
{
	bool opens = action[GRIPPER] > 0.5, around = around_block(v);
	double reach_m = GRIPPER_SPEED_M_S * dt_s;

	for (int i = 0; i < 3; i++) {
		v->tip_m[i] += action[i];
		v->block_m[i] += v->holds_named ? action[i] : 0;
	}
	v->hand_yaw_rad += action[TURN];
	v->gripper_m = clamp(v->gripper_m + (opens ? reach_m : -reach_m), 0, v->gripper_max_m);
	if (!opens && around && v->gripper_m < 2 * WORLD_BLOCK_HALF) {
		v->gripper_m = 2 * WORLD_BLOCK_HALF;
		v->holds_named = true;
	}
	if (!opens)
		return;
	v->holds_named = v->holds_other = false;
	v->block_m[2] = 0;
}

void expert_chunk(const struct expert_view *v, double dt_s, uint32_t n_given, uint32_t n_steps, double action[][EXPERT_ACTION_DIM])
{
	struct expert_view now = *v;

	for (uint32_t k = 0; k < n_steps; k++) {
		if (k >= n_given)
			expert_act(&now, action[k]);
		advance(&now, action[k], dt_s);
	}
}
