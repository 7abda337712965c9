/* test_noise.c - the generator of noise: its bits against published ones, its distribution, and that a seed repeats it. */
#include "policy/head/noise.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 400000 };

/* SplitMix64's first numbers for this seed, as published on Rosetta Code, "Pseudo-random numbers/Splitmix64". */
static void bits_are_those_published(void **state)
{
	static const uint64_t wanted[] = { UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423), UINT64_C(4593380528125082431), UINT64_C(16408922859458223821) };
	struct noise n;

	(void)state;
	noise_seed(&n, 1234567);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_true(noise_bits(&n) == wanted[i]);
}

/* Each budget is five standard errors of its estimate, or more. */
static void numbers_are_normal(void **state)
{
	double moment[5] = { 0.0 }, product = 0.0, last = 0.0, within = 0.0;
	struct noise n;

	(void)state;
	noise_seed(&n, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		double x = noise_normal(&n), power = 1.0;

		assert_true(isfinite(x) && fabs(x) < 8.6);
		for (uint32_t k = 0; k < 5; k++, power *= x)
			moment[k] += power / MANY;
		product += x * last / MANY;
		last = x;
		within += fabs(x) < 1.0 ? 1.0 / MANY : 0.0;
	}
	assert_true(fabs(moment[1]) < 0.008);
	assert_true(fabs(moment[2] - 1.0) < 0.012);
	assert_true(fabs(moment[3]) < 0.031);
	assert_true(fabs(moment[4] - 3.0) < 0.08);
	assert_true(fabs(product) < 0.008);           /* neighbours: the two numbers of a pair, and pairs */
	assert_true(fabs(within - 0.682689) < 0.004); /* of a normal distribution within one deviation */
}

/* Any place of the stream, odd ones too, without taking what is before it. */
static void a_place_is_found_again(void **state)
{
	struct noise n, sought;

	(void)state;
	noise_seed(&n, 99);
	for (uint64_t i = 0; i < 40; i++) {
		noise_seek(&sought, 99, i);
		assert_true(n.taken == i && sought.taken == i);
		assert_true(noise_normal(&n) == noise_normal(&sought));
	}
}

static void a_seed_repeats_its_stream(void **state)
{
	struct noise a, b, other;
	uint32_t equal = 0;

	(void)state;
	noise_seed(&a, 7);
	noise_seed(&b, 7);
	noise_seed(&other, 8);
	for (uint32_t i = 0; i < 1000; i++) {
		double x = noise_normal(&a);

		assert_true(x == noise_normal(&b));
		equal += x == noise_normal(&other);
	}
	assert_int_equal(equal, 0);
	(void)noise_normal(&a); /* half of a pair is left */
	noise_seed(&a, 7);
	noise_seed(&b, 7);
	assert_true(noise_normal(&a) == noise_normal(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_those_published),
		cmocka_unit_test(numbers_are_normal),
		cmocka_unit_test(a_place_is_found_again),
		cmocka_unit_test(a_seed_repeats_its_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
