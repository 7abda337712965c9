#include "robots/sim/task/look.h"

#include <stddef.h>

/* The numbers of the look have a stream of their own, so that the same seed strews the blocks alike with and without it. */
static const uint64_t STREAM = UINT64_C(0x6c6f6f6b);

static double around(uint64_t *random, double most)
{
	return world_random_between(random, -most, most);
}

static void lay_coaster(struct world_coaster *c, uint64_t *random)
{
	c->paint = (uint32_t)world_random_between(random, 0, 6);
	c->x_m = world_random_between(random, 0.30, 0.78);
	c->y_m = around(random, 0.40);
	c->radius_m = world_random_between(random, 0.020, 0.040);
}

void look_vary(struct world_look *look, uint64_t seed)
{
	uint64_t random = seed ^ STREAM;
	double bright = world_random_between(&random, 0.82, 1.12);

	*look = (struct world_look){ .varied = true };
	for (int i = 0; i < 3; i++) {
		look->gain[i] = bright * (1 + around(&random, 0.04));
		look->eye_m[i] = around(&random, 0.015);
		look->aim_m[i] = around(&random, 0.010);
		look->wrist_m[i] = around(&random, 0.002);
	}
	look->slope[0] = around(&random, 0.10);
	look->slope[1] = around(&random, 0.10);
	look->wrist_tilt_rad = around(&random, 0.015);
	look->n_coasters = (uint32_t)world_random_between(&random, 0, WORLD_COASTERS + 1);
	for (uint32_t i = 0; i < look->n_coasters; i++)
		lay_coaster(&look->coaster[i], &random);
}

/* In fixed point, 4096 is 1: the same bytes whatever the compiler makes of floating point. */
static void light_row(const int32_t gain[3], int32_t begin, int32_t across, uint8_t *rgb, uint32_t width)
{
	for (uint32_t x = 0; x < width; x++, rgb += 3) {
		int32_t here = begin + across * (int32_t)x / (int32_t)width;

		for (int i = 0; i < 3; i++) {
			int32_t v = (int32_t)((int64_t)rgb[i] * gain[i] * here >> 24);

			rgb[i] = (uint8_t)(v > 255 ? 255 : v);
		}
	}
}

void look_light(const struct world_look *look, uint8_t *rgb, uint32_t width, uint32_t height)
{
	const double one = 4096;
	const int32_t gain[3] = { (int32_t)(one * look->gain[0]), (int32_t)(one * look->gain[1]), (int32_t)(one * look->gain[2]) };

	for (uint32_t y = 0; y < height; y++) {
		double middle = 1 + look->slope[1] * ((double)y / height - 0.5);

		light_row(gain, (int32_t)(one * (middle - look->slope[0] / 2)), (int32_t)(one * look->slope[0]), rgb + (size_t)3 * width * y, width);
	}
}
