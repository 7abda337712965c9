/* noise.c - see noise.h. */
#include "policy/head/noise.h"

#include <math.h>

static const double PI = 3.14159265358979323846;
static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15); /* the golden ratio's fraction, the paper's */

void noise_seed(struct noise *n, uint64_t seed)
{
	*n = (struct noise){ .state = seed };
}

/* A pair of numbers takes two steps. */
void noise_seek(struct noise *n, uint64_t seed, uint64_t taken)
{
	*n = (struct noise){ .state = seed + taken / 2 * 2 * step, .taken = taken / 2 * 2 };
	if (taken % 2)
		(void)noise_normal(n);
}

uint64_t noise_bits(struct noise *n)
{
	/* Two more constants of the paper's, those that mix best. */
	uint64_t z = n->state += step;

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* In (0, 1]: never 0, whose logarithm is not finite. */
static double uniform(struct noise *n)
{
	return (double)((noise_bits(n) >> 11) + 1) * 0x1p-53;
}

double noise_normal(struct noise *n)
{
	n->taken++;
	if (n->has_second) {
		n->has_second = false;
		return n->second;
	}
	double radius = sqrt(-2.0 * log(uniform(n))), angle = 2.0 * PI * uniform(n);

	n->second = radius * sin(angle);
	n->has_second = true;
	return radius * cos(angle);
}
