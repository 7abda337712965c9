/* epilogue.cu - what follows a product: bias, activation, residual or gate, rounding. */
#include "policy/compute/cuda/kernel.h"

enum { BLOCK = 256 };

struct finish {
	struct compute_view y, out;
	const uint8_t *bias;        /* may be NULL */
	enum compute_epilogue epilogue;
	bool narrow, whole;         /* narrow: the bias */
};

DEVICE float activate(enum compute_epilogue epilogue, float y)
{
	switch (epilogue) {
	case COMPUTE_GELU:
		return 0.5f * y * (1.0f + erff(y * 0.70710678118654752f));
	case COMPUTE_QUICK_GELU:
		return y / (1.0f + expf(-1.702f * y));
	case COMPUTE_SILU:
		return y / (1.0f + expf(-y));
	case COMPUTE_RELU:
	case COMPUTE_RELU_ADD:
		return y < 0.0f ? 0.0f : y; /* NaN stays NaN */
	case COMPUTE_STORE:
	case COMPUTE_ADD:
	case COMPUTE_MULTIPLY:
	case COMPUTE_STORE_FLOAT:
		break;
	}
	return y;
}

/* A thread finishes eight values. */
DEVICE void finish_eight(const struct finish a, bool narrow_out)
{
	uint32_t n = a.y.columns, per_row = (n + EIGHT - 1) / EIGHT;
	uint64_t at = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
	uint32_t row = (uint32_t)(at / per_row), i = (uint32_t)(at % per_row) * EIGHT;
	bool adds = a.epilogue == COMPUTE_ADD || a.epilogue == COMPUTE_RELU_ADD, multiplies = a.epilogue == COMPUTE_MULTIPLY;

	if (row >= a.y.rows)
		return;
	struct eight y = take_eight(row_of(a.y, row, false), i, n, false, a.whole), other = y;
	uint8_t *out = row_of(a.out, row, narrow_out);

	if (a.bias) {
		struct eight b = take_eight(a.bias, i, n, a.narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			y.v[k] += b.v[k];
	}
	if (adds || multiplies)
		other = take_eight(out, i, n, narrow_out, a.whole);
	for (uint32_t k = 0; k < EIGHT; k++) {
		y.v[k] = activate(a.epilogue, y.v[k]);
		y.v[k] = adds ? other.v[k] + y.v[k] : multiplies ? other.v[k] * y.v[k] : y.v[k];
	}
	put_eight(out, i, n, narrow_out, a.whole, y);
}

KERNEL(epilogue_narrow, finish)
{
	finish_eight(a, true);
}

KERNEL(epilogue_float, finish)
{
	finish_eight(a, false);
}

int kernel_epilogue(void *stream, struct compute_view y, const void *bias, bool narrow, enum compute_epilogue epilogue,
		struct compute_view out)
{
	struct finish a = { y, out, (const uint8_t *)bias, epilogue, narrow, is_whole(y) && is_whole(out) && (uintptr_t)bias % 16 == 0 };
	uint32_t blocks = (uint32_t)(((uint64_t)y.rows * ((y.columns + EIGHT - 1) / EIGHT) + BLOCK - 1) / BLOCK);

	if (is_narrow(out))
		return LAUNCH(epilogue_narrow, blocks, BLOCK, 0, stream, a);
	return LAUNCH(epilogue_float, blocks, BLOCK, 0, stream, a);
}

/* -- the gated MLP ---------------------------------------------------------------------------------------------------------------- */

struct gated {
	struct compute_view y, out;
	bool whole;
};

DEVICE void gate_eight(const struct gated a, bool narrow)
{
	uint32_t n = a.out.columns, per_row = (n + EIGHT - 1) / EIGHT;
	uint64_t at = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
	uint32_t row = (uint32_t)(at / per_row), i = (uint32_t)(at % per_row) * EIGHT;

	if (row >= a.out.rows)
		return;
	const uint8_t *y = row_of(a.y, row, false);
	struct eight gate = take_eight(y, i, n, false, a.whole), up = take_eight(y + 4 * (uint64_t)n, i, n, false, a.whole);

	for (uint32_t k = 0; k < EIGHT; k++)
		up.v[k] *= activate(COMPUTE_SILU, gate.v[k]);
	put_eight(row_of(a.out, row, narrow), i, n, narrow, a.whole, up);
}

KERNEL(gate_narrow, gated)
{
	gate_eight(a, true);
}

KERNEL(gate_float, gated)
{
	gate_eight(a, false);
}

int kernel_gate(void *stream, struct compute_view y, struct compute_view out)
{
	struct gated a = { y, out, is_whole(y) && is_whole(out) };
	uint32_t blocks = (uint32_t)(((uint64_t)out.rows * ((out.columns + EIGHT - 1) / EIGHT) + BLOCK - 1) / BLOCK);

	if (is_narrow(out))
		return LAUNCH(gate_narrow, blocks, BLOCK, 0, stream, a);
	return LAUNCH(gate_float, blocks, BLOCK, 0, stream, a);
}
