/* sensor_noise.c - see sensor_noise.h. */
#include "robots/sim/sensor_noise.h"

/* SplitMix64 (Steele, Lea, Flood 2014; constants of Vigna's public-domain version): any key is a good start. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void sensor_noise_add(uint8_t *rgb, size_t n, uint64_t key)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++, bits >>= 2) {
		if (i % 32 == 0)
			bits = next_random(&key);
		int value = rgb[i] + (int)(bits & 1) - (int)(bits >> 1 & 1);

		rgb[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
	}
}
