/* sum.h - a sum of bytes by which the emulated machine's webcam and viewer see that a picture is the same (FNV-1a, 32 bits). */
#ifndef DREAMVLA_TESTS_EMULATED_SUM_H
#define DREAMVLA_TESTS_EMULATED_SUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t sum_of(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

#endif
