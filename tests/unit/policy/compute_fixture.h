/* compute_fixture.h - one instance of the cpu backend with its views, and repeatable random numbers, for its tests. */
#ifndef DREAMVLA_TESTS_UNIT_POLICY_COMPUTE_FIXTURE_H
#define DREAMVLA_TESTS_UNIT_POLICY_COMPUTE_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compute/compute.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

enum { ROWS_MAX = 300, INNER_MAX = 700, OUTER_MAX = 1200, VALUES_MAX = 1 << 20 };

static const struct compute_backend *ops;
static struct compute *instance;
static enum policy_precision precision;
static float found[VALUES_MAX], input[VALUES_MAX];
static uint64_t random_state;

/* xorshift64*, so that a failure repeats. */
static inline uint32_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 32);
}

/* Multiples of 1/64 up to 2: exact in every weight type. */
static inline float random_value(void)
{
	return ((float)(next_random() % 257) - 128.0f) / 64.0f;
}

static inline uint32_t bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static inline float float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/* A float's bits as binary16; only for values that it holds exactly and normally. */
static inline uint16_t half_bits(float x)
{
	uint32_t bits = bits_of(x);

	if (!(bits & 0x7fffffffu))
		return 0;
	return (uint16_t)((bits >> 16 & 0x8000u) | ((bits >> 13 & 0x3ffffu) - (112u << 10)));
}

/* Random weights [rows][columns] of a type, and the same numbers in value. */
static inline struct compute_matrix random_matrix(enum tensor_type type, uint32_t rows, uint32_t columns, float *value)
{
	size_t n = (size_t)rows * columns;
	void *data = malloc(n * tensor_type_bytes(type));

	assert_non_null(data);
	for (size_t i = 0; i < n; i++) {
		value[i] = random_value();
		if (type == TENSOR_F32)
			((float *)data)[i] = value[i];
		else
			((uint16_t *)data)[i] = type == TENSOR_BF16 ? (uint16_t)(bits_of(value[i]) >> 16) : half_bits(value[i]);
	}
	return (struct compute_matrix){ data, type, rows, columns };
}

static inline void start(enum policy_precision p)
{
	struct compute_options options = { .precision = p, .threads = 1, .max_rows = ROWS_MAX, .max_inner = INNER_MAX,
		.max_segment = ROWS_MAX, .max_outer = OUTER_MAX };
	struct errbuf e;

	precision = p;
	random_state = 88172645463325252u;
	ops = compute_backend_find("cpu", &e);
	assert_non_null(ops);
	assert_int_equal(ops->create(&instance, &options, &e), 0);
}

static inline void stop(void)
{
	struct errbuf e = { "" };

	assert_int_equal(ops->finish(instance, &e), 0);
	ops->destroy(instance);
	instance = NULL;
}

/* Views of these shapes, placed as the network does it. */
static inline void take(struct compute_view *view, const uint32_t (*shape)[2], uint32_t n)
{
	struct errbuf e;

	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	assert_int_equal(ops->reserve(instance, &e), 0);
	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	ops->freeze(instance);
}

#endif
