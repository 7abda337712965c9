/* joined.c - operations of compute.h that join others: one product into scratch memory, as float, and one kernel behind it, for as many rows
 * at a time as fit there. Where not even one does, which no network comes to, the others. */
#include "policy/compute/cuda/cuda.h"
#include "policy/compute/plain.h"

static const struct compute_backend plain = { .linear = cuda_linear, .layer_norm = cuda_layer_norm, .rms_norm = cuda_rms_norm,
	.rotary = cuda_rotary };

/* How many of x's rows fit into scratch memory as rows of `columns`; 0: not one. */
static uint32_t rows_at_a_time(const struct compute *c, struct compute_view x, uint32_t columns)
{
	assert(x.rows <= c->options.max_rows && x.columns <= c->options.max_inner && "a product larger than announced");
	uint64_t rows = c->scratch_floats / columns;

	return rows < x.rows ? (uint32_t)rows : x.rows;
}

/* x W^T, W on the device [columns][x.columns], as float into scratch memory. */
static struct compute_view multiply(struct compute *c, const char *doing, struct compute_view x, const void *w, uint32_t columns)
{
	struct device_product p = { .m = x.rows, .n = columns, .k = x.columns, .x = x.at, .x_stride = x.stride, .w = w, .narrow = c->narrow,
		.out = c->scratch, .out_stride = columns };

	if (!c->error)
		cuda_went_well(c, doing, cuda_product(c, &p));
	return (struct compute_view){ (uint8_t *)c->scratch, x.rows, columns, columns, sizeof(float) };
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void cuda_linear_gated(struct compute *c, struct compute_view x, struct compute_matrix gate, struct compute_matrix up,
		struct compute_view out)
{
	uint32_t most = rows_at_a_time(c, x, 2 * gate.rows);

	assert(gate.rows == up.rows && out.columns == gate.rows && out.rows == x.rows && x.columns == gate.columns
			&& x.columns == up.columns && "linear_gated: shapes do not fit");
	if (!most) {
		compute_plain_linear_gated(&plain, c, x, gate, up, out);
		return;
	}
	cuda_announce(c, x.rows, gate.rows, x.columns, 2);
	const void *w = cuda_weights_joined(c, (struct compute_matrix[]){ gate, up }, 2);

	for (uint32_t first = 0, n; first < x.rows && !c->error; first += n) {
		n = smaller(most, x.rows - first);
		struct compute_view y = multiply(c, "linear_gated", compute_rows(x, first, n), w, 2 * gate.rows);

		if (!c->error)
			cuda_went_well(c, "linear_gated", kernel_gate(cuda_next(c), y, compute_rows(out, first, n)));
	}
}

void cuda_project_heads(struct compute *c, struct compute_view x, const struct compute_projection *p, struct compute_view out)
{
	uint32_t parts = 0, rows = 0, most = rows_at_a_time(c, x, out.columns);

	if (!most) {
		compute_plain_project_heads(&plain, c, x, p, out);
		return;
	}
	for (; parts < 3 && p->w[parts].data; rows += p->w[parts++].rows)
		cuda_announce(c, x.rows, p->w[parts].rows, x.columns, 1);
	assert(rows == out.columns && rows == (p->heads + 2 * p->kv_heads) * p->angles.columns && "project_heads: shapes do not fit");
	const void *w = cuda_weights_joined(c, p->w, parts), *bias = cuda_weights_joined(c, p->b, parts);

	for (uint32_t first = 0, n; first < x.rows && !c->error; first += n) {
		n = smaller(most, x.rows - first);
		struct kernel_heads h = { .y = multiply(c, "project_heads", compute_rows(x, first, n), w, rows), .out = compute_rows(out, first, n),
			.angles = compute_rows(p->angles, first, n), .bias = bias, .turned = p->heads + p->kv_heads, .straight = p->kv_heads };

		if (!c->error)
			cuda_went_well(c, "project_heads", kernel_heads(cuda_next(c), &h));
	}
}

void cuda_linear_add_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		struct compute_view residual, const struct compute_norm *norm, struct compute_view out)
{
	uint32_t most = rows_at_a_time(c, x, w.rows);

	assert(x.columns == w.columns && residual.columns == w.rows && out.columns == w.rows && "linear_add_norm: shapes do not fit");
	if (!most) {
		compute_plain_linear_add_norm(&plain, c, &(struct compute_add_norm){ x, residual, out, w, b, norm });
		return;
	}
	cuda_announce(c, x.rows, w.rows, x.columns, 1);
	struct kernel_add_norm k = { .bias = cuda_weights(c, b), .weight = cuda_weights(c, norm->w), .norm_bias = cuda_weights(c, norm->b),
		.eps = (float)norm->eps };
	const void *weight = cuda_weights(c, w);

	for (uint32_t first = 0, n; first < x.rows && !c->error; first += n) {
		n = smaller(most, x.rows - first);
		k.y = multiply(c, "linear_add_norm", compute_rows(x, first, n), weight, w.rows);
		k.residual = compute_rows(residual, first, n);
		k.out = compute_rows(out, first, n);
		if (!c->error)
			cuda_went_well(c, "linear_add_norm", kernel_add_norm(cuda_next(c), &k));
	}
}
