#include "robots/sim/task/grip.h"

#include <math.h>

#include "robots/sim/push.h"

static const double GRAVITY_M_S2 = 9.81;
/* The hand points down to within 14 degrees. */
static const double DOWN = 0.97;
/* Half the width of a finger's pad, and a little: the block's centre lies between the pads. */
static const double PAD_M = 0.015;
/* A block that is turned more than so against the pads touches them with edges only, and slips. */
static const double TURN_RAD = 0.2;
/* So much of the block's height is between the fingers at least; above it is the palm. */
static const double DEEP_M = 0.010, PALM_M = 0.066;
/* The world's fingers press half a millimetre into a block that they push (push.c), and it lags behind them for some milliseconds. */
static const double SLACK_M = 0.004;

static double hand_yaw(const struct frame *hand)
{
	return atan2(hand->ey.y, hand->ey.x);
}

/* To the nearest of the four directions in which a square looks the same. */
static double quarter(double angle_rad)
{
	return remainder(angle_rad, 1.57079632679489662);
}

static void carry(struct world *w)
{
	struct frame hand = world_hand(w);
	struct world_block *b = &w->block[w->grip.block];
	struct vec p = frame_point(&hand, w->grip.at.x, w->grip.at.y, w->grip.at.z);

	b->x_m = p.x;
	b->y_m = p.y;
	b->lift_m = fmax(p.z - WORLD_BLOCK_HALF, 0);
	b->yaw_rad = hand_yaw(&hand) + w->grip.yaw_rad;
	b->fall_m_s = 0;
}

static void fall(struct world_block *b, double dt_s)
{
	b->fall_m_s += GRAVITY_M_S2 * dt_s;
	b->lift_m -= b->fall_m_s * dt_s;
	if (b->lift_m > 0)
		return;
	b->lift_m = b->fall_m_s = 0;
}

void grip_carry(struct world *w, double dt_s)
{
	if (w->grip.holds)
		carry(w);
	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		if (w->block[i].lift_m > 0 && !(w->grip.holds && w->grip.block == i))
			fall(&w->block[i], dt_s);
}

/* In the hand's own axes: x along the pads, y from finger to finger, z out of the palm. */
static struct vec in_hand(const struct frame *hand, const struct world_block *b)
{
	struct vec d = vec_sub((struct vec){ b->x_m, b->y_m, b->lift_m + WORLD_BLOCK_HALF }, hand->p);

	return (struct vec){ vec_dot(d, hand->ex), vec_dot(d, hand->ey), vec_dot(d, hand->ez) };
}

static bool between_fingers(const struct world *w, const struct frame *hand, const struct world_block *b)
{
	struct vec p = in_hand(hand, b);
	double width = 2 * push_half_width(b->yaw_rad, hand->ey.x, hand->ey.y);

	return -hand->ez.z > DOWN && fabs(p.x) < PAD_M && fabs(quarter(b->yaw_rad - hand_yaw(hand))) < TURN_RAD &&
			p.z - WORLD_BLOCK_HALF < WORLD_TIP_M - DEEP_M && p.z - WORLD_BLOCK_HALF > PALM_M &&
			w->gripper_m < width + SLACK_M && w->gripper_m > width - SLACK_M && fabs(p.y) < SLACK_M;
}

static void take(struct world *w, const struct frame *hand, uint32_t block)
{
	const struct world_block *b = &w->block[block];

	w->grip = (struct world_grip){ .holds = true, .block = block, .at = in_hand(hand, b), .yaw_rad = b->yaw_rad - hand_yaw(hand),
		.opening_m = w->gripper_m };
}

void grip_judge(struct world *w)
{
	bool closing = w->gripper_command_m < 2 * WORLD_BLOCK_HALF - SLACK_M;

	if (w->grip.holds && w->gripper_m > w->grip.opening_m + SLACK_M)
		w->grip.holds = false;
	if (w->grip.holds || !closing)
		return;
	struct frame hand = world_hand(w);
	for (uint32_t i = 0; i < WORLD_BLOCKS && !w->grip.holds; i++)
		if (between_fingers(w, &hand, &w->block[i]))
			take(w, &hand, i);
}
