/* tensor.c - see tensor.h. */
#include "policy/tensor.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t n_bytes;
} types[] = {
	[TENSOR_BF16] = { "BF16", 2 },
	[TENSOR_F16] = { "F16", 2 },
	[TENSOR_F32] = { "F32", 4 },
};
_Static_assert(sizeof types / sizeof types[0] == TENSOR_TYPE_COUNT, "describe every type");

enum { SHAPE_TEXT_BYTES = 24 * TENSOR_RANK_MAX };

uint32_t tensor_type_bytes(enum tensor_type type)
{
	assert(type < TENSOR_TYPE_COUNT);
	return types[type].n_bytes;
}

const char *tensor_type_name(enum tensor_type type)
{
	assert(type < TENSOR_TYPE_COUNT);
	return types[type].name;
}

int tensor_bytes(enum tensor_type type, uint32_t rank, const uint64_t *shape, uint64_t *n_bytes)
{
	uint64_t total = tensor_type_bytes(type);

	for (uint32_t i = 0; i < rank; i++)
		if (__builtin_mul_overflow(total, shape[i], &total))
			return -EOVERFLOW;
	if (total > INT64_MAX)
		return -EOVERFLOW;
	*n_bytes = total;
	return 0;
}

static void format_shape(char out[SHAPE_TEXT_BYTES], uint32_t rank, const uint64_t *shape)
{
	size_t n = 0;

	out[n++] = '[';
	for (uint32_t i = 0; i < rank; i++)
		n += (size_t)snprintf(out + n, SHAPE_TEXT_BYTES - n, "%s%" PRIu64, i ? ", " : "", shape[i]);
	snprintf(out + n, SHAPE_TEXT_BYTES - n, "]");
}

int tensor_check_shape(const struct tensor *t, const char *path, uint32_t rank, const uint64_t *shape, struct errbuf *e)
{
	char expected[SHAPE_TEXT_BYTES], found[SHAPE_TEXT_BYTES];

	assert(rank <= TENSOR_RANK_MAX);
	if (t->rank == rank && (rank == 0 || memcmp(t->shape, shape, rank * sizeof shape[0]) == 0))
		return 0;
	format_shape(expected, rank, shape);
	format_shape(found, t->rank, t->shape);
	return fail(e, -EINVAL, "%s: tensor %s: expected shape %s, found %s %s", path, t->name, expected,
			tensor_type_name(t->type), found);
}
