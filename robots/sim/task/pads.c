#include "robots/sim/task/pads.h"

#include <math.h>
#include <stddef.h>

/* As look.c: a stream of its own. */
static const uint64_t STREAM = UINT64_C(0x70616473);
/* Within the arm's reach and both cameras' view. */
static const double X_MIN = 0.34, X_MAX = 0.70, SIDE_Y = 0.30;
/* A block's corner touches no pad; between two pads there is room for a hand. */
static const double BLOCK_APART_M = 0.115, PAD_APART_M = 0.14;
enum { ATTEMPTS = 10000 };

_Static_assert(WORLD_PADS == 2, "pads_lay draws two colours that differ");

static bool is_clear(const struct world *w, double x, double y)
{
	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		if (hypot(x - w->block[i].x_m, y - w->block[i].y_m) < BLOCK_APART_M)
			return false;
	for (uint32_t i = 0; i < w->n_pads; i++)
		if (hypot(x - w->pad[i].x_m, y - w->pad[i].y_m) < PAD_APART_M)
			return false;
	return true;
}

static void lay_one(struct world *w, enum block_colour colour, uint64_t *random)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		double x = world_random_between(random, X_MIN, X_MAX), y = world_random_between(random, -SIDE_Y, SIDE_Y);

		if (!is_clear(w, x, y))
			continue;
		w->pad[w->n_pads++] = (struct world_pad){ colour, x, y };
		return;
	}
}

void pads_lay(struct world *w, uint64_t seed)
{
	uint64_t random = seed ^ STREAM;
	uint32_t colour = (uint32_t)world_random_between(&random, 0, WORLD_BLOCKS);

	for (uint32_t i = 0; i < WORLD_PADS; i++) {
		lay_one(w, (enum block_colour)colour, &random);
		colour = (colour + 1 + (uint32_t)world_random_between(&random, 0, WORLD_BLOCKS - 1)) % WORLD_BLOCKS; /* another one, for two */
	}
}

const struct world_pad *pads_find(const struct world *w, enum block_colour colour)
{
	for (uint32_t i = 0; i < w->n_pads; i++)
		if (w->pad[i].colour == colour)
			return &w->pad[i];
	return NULL;
}

bool pads_carry(const struct world_pad *p, const struct world_block *b)
{
	return b->lift_m <= 0 && fabs(b->x_m - p->x_m) <= WORLD_PAD_HALF && fabs(b->y_m - p->y_m) <= WORLD_PAD_HALF;
}
