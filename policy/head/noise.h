/* noise.h - the noise that flow matching and diffusion start from: a stream of normal numbers that a seed repeats exactly.
 *
 * Bits: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; period 2^64).
 * Normal numbers: the polar form of two uniform ones (Box and Muller, Annals of Mathematical Statistics 29, 1958).
 * Thread: the one that owns the generator. Allocates: no. Blocks: no. */
#ifndef DREAMVLA_POLICY_HEAD_NOISE_H
#define DREAMVLA_POLICY_HEAD_NOISE_H

#include <stdbool.h>
#include <stdint.h>

struct noise {
	uint64_t state;
	double second;      /* the other normal number of a pair, */
	bool has_second;    /* when it has not been taken yet */
	uint64_t taken;     /* normal numbers since the seed */
};

void noise_seed(struct noise *n, uint64_t seed);

/* As noise_seed, and then so many normal numbers taken; as fast for many as for few. */
void noise_seek(struct noise *n, uint64_t seed, uint64_t taken);

/* The next 64 bits of the stream. */
uint64_t noise_bits(struct noise *n);

/* The next number of the normal distribution with mean 0 and deviation 1. Finite, at most 8.6 in size. */
double noise_normal(struct noise *n);

#endif
