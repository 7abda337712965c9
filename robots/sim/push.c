#include "robots/sim/push.h"

#include <math.h>

enum { PROBES = 15, FINGER_PROBES = 6, ROUNDS = 4 };

/* Ratio of largest friction torque to largest friction force of a square with even pressure: 0.3826 * side. */
static const double FRICTION_ARM_M = 0.3826 * 2.0 * WORLD_BLOCK_HALF;
static const double PUSH_SPEED_M_S = 1.0;
static const double HELD_M = 0.0005;

/* A sphere on the arm that may touch blocks. */
struct probe {
	struct vec p;
	double radius_m;
};

/* Fingers first (FINGER_PROBES of them), then hand, wrist and the arm's foot. */
static void place_probes(const struct world *w, struct probe out[PROBES])
{
	struct frame f[WORLD_FRAMES];
	uint32_t n = world_frames(w->model, w->q_rad, f), k = 0;
	struct frame hand = world_hand_frame(&f[n - 1]);
	double finger_y = w->gripper_m / 2 + 0.01;

	for (int side = -1; side <= 1; side += 2)
		for (int i = 0; i < FINGER_PROBES / 2; i++)
			out[k++] = (struct probe){ frame_point(&hand, 0, side * finger_y, 0.070 + 0.0155 * i), 0.010 };
	for (int i = -2; i <= 2; i++)
		out[k++] = (struct probe){ frame_point(&hand, 0, 0.035 * i, 0.033), 0.033 };
	out[k++] = (struct probe){ f[n - 1].p, 0.045 };
	out[k++] = (struct probe){ f[n - 2].p, 0.050 };
	out[k++] = (struct probe){ f[n - 3].p, 0.055 };
	out[k++] = (struct probe){ { 0, 0, 0.05 }, 0.110 };
}

/* How far and in which direction (x, y in the block's own axes) the block must slide to clear the probe; 0 = no touch. */
static double overlap(const struct probe *p, double x, double y, double *nx, double *ny)
{
	const double h = WORLD_BLOCK_HALF;
	double above = p->p.z - 2 * h > 0 ? p->p.z - 2 * h : p->p.z < 0 ? -p->p.z : 0;
	double r2 = p->radius_m * p->radius_m - above * above;
	double dx = fmax(fabs(x) - h, 0), dy = fmax(fabs(y) - h, 0), away = hypot(dx, dy);

	if (!(r2 > 0) || !(away * away < r2))
		return 0;
	if (away > 0) {
		*nx = x > 0 ? -dx / away : dx / away;
		*ny = y > 0 ? -dy / away : dy / away;
		return sqrt(r2) - away;
	}
	/* The probe's centre is over or in the block: out through the nearest side. */
	bool through_x = fabs(x) > fabs(y);
	*nx = !through_x ? 0 : x > 0 ? -1 : 1;
	*ny = through_x ? 0 : y > 0 ? -1 : 1;
	return sqrt(r2) + h - (through_x ? fabs(x) : fabs(y));
}

/* Returns how deep the probe was in the block before the push. */
static double push_one(struct world_block *b, const struct probe *p, double most_m)
{
	double c = cos(b->yaw_rad), s = sin(b->yaw_rad);
	double wx = p->p.x - b->x_m, wy = p->p.y - b->y_m;
	double x = c * wx + s * wy, y = -s * wx + c * wy, nx = 0, ny = 0;
	struct probe above = { { p->p.x, p->p.y, p->p.z - b->lift_m }, p->radius_m };
	double depth = overlap(&above, x, y, &nx, &ny);

	if (!(depth > 0))
		return 0;
	double cx = fmin(fmax(x, -WORLD_BLOCK_HALF), WORLD_BLOCK_HALF);
	double cy = fmin(fmax(y, -WORLD_BLOCK_HALF), WORLD_BLOCK_HALF);
	double lever = (cx * ny - cy * nx) / FRICTION_ARM_M;
	double slide = fmin(depth, most_m) / (1 + lever * lever);
	b->x_m += slide * (c * nx - s * ny);
	b->y_m += slide * (s * nx + c * ny);
	b->yaw_rad += slide * lever / FRICTION_ARM_M;
	return depth;
}

/* Half width of a turned square along the unit direction (nx, ny). */
double push_half_width(double yaw_rad, double nx, double ny)
{
	double c = cos(yaw_rad), s = sin(yaw_rad);

	return WORLD_BLOCK_HALF * (fabs(c * nx + s * ny) + fabs(c * ny - s * nx));
}

static bool held(const struct world *w, uint32_t block)
{
	return w->grip.holds && w->grip.block == block;
}

/* Separating axis test of two squares; the shortest way out, half for each, or all of it for the one that is not held. */
static void part_blocks(struct world *w, uint32_t i, uint32_t j)
{
	struct world_block *a = &w->block[i], *b = &w->block[j];
	double dx = b->x_m - a->x_m, dy = b->y_m - a->y_m, least = INFINITY, lx = 0, ly = 0;
	double share = held(w, i) ? 0 : held(w, j) ? 1 : 0.5;
	const double yaw[4] = { a->yaw_rad, a->yaw_rad + 1.57079632679489662, b->yaw_rad, b->yaw_rad + 1.57079632679489662 };

	if (fabs(a->lift_m - b->lift_m) >= 2 * WORLD_BLOCK_HALF)
		return;
	for (int k = 0; k < 4; k++) {
		double nx = cos(yaw[k]), ny = sin(yaw[k]), distance = dx * nx + dy * ny;
		double depth = push_half_width(a->yaw_rad, nx, ny) + push_half_width(b->yaw_rad, nx, ny) - fabs(distance);

		if (!(depth > 0))
			return;
		if (depth < least) {
			least = depth;
			lx = distance < 0 ? -nx : nx;
			ly = distance < 0 ? -ny : ny;
		}
	}
	a->x_m -= lx * least * share;
	a->y_m -= ly * least * share;
	b->x_m += lx * least * (1 - share);
	b->y_m += ly * least * (1 - share);
}

static void keep_on_table(struct world_block *b)
{
	double rx = push_half_width(b->yaw_rad, 1, 0), ry = push_half_width(b->yaw_rad, 0, 1);

	b->x_m = fmin(fmax(b->x_m, WORLD_TABLE_X_MIN + rx), WORLD_TABLE_X_MAX - rx);
	b->y_m = fmin(fmax(b->y_m, WORLD_TABLE_Y_MIN + ry), WORLD_TABLE_Y_MAX - ry);
}

/* One round over all contacts; true if a finger was deeper in a block than a held one may be. */
static bool resolve(struct world *w, const struct probe *probe, double most_m)
{
	bool pressed = false;

	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		for (uint32_t k = 0; k < PROBES && !held(w, i); k++)
			pressed |= push_one(&w->block[i], &probe[k], most_m) > HELD_M && k < FINGER_PROBES;
	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		for (uint32_t j = i + 1; j < WORLD_BLOCKS; j++)
			part_blocks(w, i, j);
	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		if (!held(w, i))
			keep_on_table(&w->block[i]);
	return pressed;
}

bool push_blocks(struct world *w, double dt_s)
{
	struct probe probe[PROBES];
	bool pressed = false;

	place_probes(w, probe);
	for (int round = 0; round < ROUNDS; round++)
		pressed = resolve(w, probe, PUSH_SPEED_M_S * dt_s / ROUNDS);
	return pressed;
}
