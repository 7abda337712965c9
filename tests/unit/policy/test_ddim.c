/* test_ddim.c - the schedule of the diffusion decoder and a step down it, against what follows from their definitions. */
#include "policy/head/ddim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { VALUES = 5 };

/* The product of the steps' shares telescopes to a quotient of cosines, but for the last step, which the cap shortens. */
static void the_schedule_is_a_squared_cosine(void **state)
{
	const double pi = acos(-1.0), start = pow(cos(0.008 / 1.008 * pi / 2.0), 2.0);
	struct ddim d;

	(void)state;
	ddim_init(&d, 10);
	for (uint32_t t = 0; t + 1 < DDIM_TRAIN_STEPS; t++) {
		double wanted = pow(cos(((t + 1.0) / 50.0 + 0.008) / 1.008 * pi / 2.0), 2.0) / start;

		assert_true(fabs(d.alpha[t] - wanted) < 1e-14);
	}
	assert_true(fabs(d.alpha[DDIM_TRAIN_STEPS - 1] - 0.001 * d.alpha[DDIM_TRAIN_STEPS - 2]) < 1e-14);
}

static void times_lead_down_to_zero(void **state)
{
	static const uint32_t three[] = { 32, 16, 0 };
	struct ddim d;

	(void)state;
	ddim_init(&d, 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(ddim_time(&d, i), 45 - 5 * i);
	ddim_init(&d, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ddim_time(&d, i), three[i]);
	ddim_init(&d, 50);
	assert_int_equal(ddim_time(&d, 0), 49);
	ddim_init(&d, 30);
	assert_int_equal(ddim_time(&d, 0), 29);
	assert_int_equal(ddim_time(&d, 29), 0);
	ddim_init(&d, 1);
	assert_int_equal(ddim_time(&d, 0), 0);
}

/* Estimating exactly the noise that was put in leads from any number of steps exactly back to what it was put into, clipped. */
static void the_right_noise_leads_back(void **state)
{
	static const float noise[VALUES] = { 0.7f, -1.5f, 0.0f, 2.0f, -0.25f };
	static const double clean[VALUES] = { 0.9, -0.3, 0.0, 1.0, -1.0 };
	static const uint32_t steps[] = { 1, 2, 3, 10, 30, 50 };

	(void)state;
	for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
		struct ddim d;
		double x[VALUES];

		ddim_init(&d, steps[k]);
		double share = d.alpha[ddim_time(&d, 0)];

		for (uint32_t i = 0; i < VALUES; i++)
			x[i] = sqrt(share) * clean[i] + sqrt(1.0 - share) * (double)noise[i];
		for (uint32_t step = 0; step < steps[k]; step++)
			ddim_advance(&d, step, noise, VALUES, x);
		for (uint32_t i = 0; i < VALUES; i++)
			assert_true(fabs(x[i] - clean[i]) < 1e-12);
	}
}

static void samples_are_clipped_and_nan_stays_nan(void **state)
{
	static const float none[4] = { 0.0f, 0.0f, 0.0f, NAN };
	double x[4] = { 5.0, -5.0, NAN, 0.0 };
	struct ddim d;

	(void)state;
	ddim_init(&d, 5);
	ddim_advance(&d, 4, none, 4, x); /* the last step: what is left is the sample */
	assert_true(x[0] == 1.0 && x[1] == -1.0);
	assert_true(isnan(x[2]) && isnan(x[3]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_schedule_is_a_squared_cosine),
		cmocka_unit_test(times_lead_down_to_zero),
		cmocka_unit_test(the_right_noise_leads_back),
		cmocka_unit_test(samples_are_clipped_and_nan_stays_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
