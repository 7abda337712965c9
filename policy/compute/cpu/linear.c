/* linear.c - weights to float, matrix products by oneDNN, and what follows a product.
 *
 * oneDNN 2.6 has neither a bfloat16 product without AVX-512 nor one of float by bfloat16, so weights are widened a tile at a time and
 * multiplied by dnnl_sgemm, which takes any shape without preparing anything. Each thread does all of that with tiles of its own, which
 * are the same whatever the number of threads is: so are the results. */
#include "policy/compute/cpu/cpu.h"

#include <errno.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

/* Multiplications from which more threads pay: below (about 2 ms) they mostly wait for each other, on a busy machine for long. */
static const uint64_t PARALLEL_PRODUCT = UINT64_C(1) << 26;

/* A large product is cut for a multiple of TILES_MULTIPLE tiles, which 2, 4 and 8 threads share evenly. TILE_STEP: tiles are rounded up
 * to as many rows or columns, so that vectors and cache lines are full, which can leave fewer tiles: 297 of 152,064 rows, not 304. */
enum { TILES_MULTIPLE = 8, TILE_STEP = 16 };

static void widen_bf16(const uint16_t *from, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = bits_float((uint32_t)from[i] << 16);
}

/* Binary16: moving exponent and fraction into place leaves the exponent 112 too small, which one product repairs, subnormal
 * numbers included; an exponent of all ones becomes one again. */
static void widen_f16(const uint16_t *from, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t magnitude = from[i] & 0x7fffu;
		uint32_t bits = float_bits(bits_float(magnitude << 13) * 0x1p112f);
		uint32_t special = magnitude >= 0x7c00u ? 0x7f800000u : 0u;

		out[i] = bits_float(bits | special | (uint32_t)(from[i] & 0x8000u) << 16);
	}
}

void cpu_widen(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *out)
{
	if (m.type == TENSOR_F32)
		memcpy(out, (const float *)m.data + first, n * sizeof *out);
	else if (m.type == TENSOR_BF16)
		widen_bf16((const uint16_t *)m.data + first, n, out);
	else
		widen_f16((const uint16_t *)m.data + first, n, out);
	if (c->round && m.type != TENSOR_BF16)
		for (size_t i = 0; i < n; i++)
			out[i] = round_bf16(out[i]);
}

const float *cpu_weights(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *scratch)
{
	if (m.type == TENSOR_F32 && !c->round)
		return (const float *)m.data + first;
	cpu_widen(c, m, first, n, scratch);
	return scratch;
}

void cpu_product(struct compute *c, const struct cpu_product *p)
{
	dnnl_status_t status = dnnl_sgemm('N', p->transposed ? 'T' : 'N', p->m, p->n, p->k, 1.0f, p->a, p->lda, p->b, p->ldb,
			p->add ? 1.0f : 0.0f, p->out, p->ldc);
	int none = 0;

	if (status != dnnl_success)
		atomic_compare_exchange_strong(&c->error, &none, status == dnnl_out_of_memory ? -ENOMEM : -EIO);
}

void cpu_share(struct compute *c, uint64_t multiplications, uint32_t n_items,
		void (*work)(void *context, uint32_t item, uint32_t lane), void *context)
{
	omp_set_num_threads(1); /* of oneDNN, for the calling thread, which need not be the one that created the policy */
	if (multiplications >= PARALLEL_PRODUCT)
		crew_run(&c->crew, n_items, work, context);
	else
		for (uint32_t i = 0; i < n_items; i++)
			work(context, i, 0);
}

/* Bias and activation of one row of products, in place: y [n]; bias may be NULL. One plain loop per step, for the vectors. */
static void finish_row(enum compute_epilogue epilogue, const float *bias, uint32_t n, float *y)
{
	const float half_root = 0.70710678118654752f; /* sqrt(1/2) */

	for (uint32_t i = 0; bias && i < n; i++)
		y[i] += bias[i];
	if (epilogue == COMPUTE_GELU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = 0.5f * y[i] * (1.0f + erff(y[i] * half_root));
	} else if (epilogue == COMPUTE_SILU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = y[i] * (1.0f / (1.0f + cpu_exp(-y[i])));
	} else if (epilogue == COMPUTE_RELU || epilogue == COMPUTE_RELU_ADD) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = y[i] < 0.0f ? 0.0f : y[i]; /* NaN stays NaN */
	} else if (epilogue == COMPUTE_QUICK_GELU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] *= 1.0f / (1.0f + cpu_exp(-1.702f * y[i]));
	}
}

/* One finished row y [n] -> out [n]. */
static void store_row(bool round, enum compute_epilogue epilogue, const float *restrict y, uint32_t n, float *restrict out)
{
	if (epilogue == COMPUTE_ADD || epilogue == COMPUTE_RELU_ADD)
		for (uint32_t i = 0; i < n; i++)
			out[i] += y[i];
	else if (epilogue == COMPUTE_MULTIPLY)
		for (uint32_t i = 0; i < n; i++)
			out[i] *= y[i];
	else
		memcpy(out, y, n * sizeof *out);
	for (uint32_t i = 0; round && i < n; i++)
		out[i] = round_bf16(out[i]);
}

struct linear_job {
	struct compute *c;
	struct compute_view x;
	struct compute_matrix w, b;
	enum compute_epilogue epilogue;
	struct compute_view out;
	uint32_t rows, columns;     /* of a tile */
	uint32_t blocks;            /* of PRODUCT_ROWS rows of x each */
};

static uint32_t divide_up(uint32_t n, uint32_t by)
{
	return n / by + (n % by != 0);
}

/* Size of equal parts of n, at most `most`, for a multiple of `parts` of them; a multiple of TILE_STEP, but for the last one. */
static uint32_t equal_part(uint32_t n, uint32_t most, uint32_t parts)
{
	uint32_t count = divide_up(divide_up(n, most), parts) * parts;

	return divide_up(divide_up(n, count), TILE_STEP) * TILE_STEP;
}

/* Rows first .. + n and columns at .. + width of the job's weights, as float. *stride: from row to row. */
static const float *tile_weights(const struct linear_job *j, uint32_t first, uint32_t n, uint32_t at, uint32_t width, float *scratch,
		uint32_t *stride)
{
	const struct compute_matrix *w = &j->w;
	size_t start = (size_t)first * w->columns + at;

	*stride = w->columns;
	if (w->type == TENSOR_F32 && !j->c->round)
		return (const float *)w->data + start;
	*stride = width;
	if (width == w->columns)
		cpu_widen(j->c, *w, start, (size_t)n * width, scratch);
	for (uint32_t r = 0; width < w->columns && r < n; r++)
		cpu_widen(j->c, *w, start + (size_t)r * w->columns, width, scratch + (size_t)r * width);
	return scratch;
}

/* One tile of output rows for one block of x: its products, added up tile column by tile column, and what follows them. */
static void multiply_rows(void *context, uint32_t item, uint32_t lane)
{
	const struct linear_job *j = context;
	const struct lane *l = &j->c->lane[lane];
	uint32_t first = item / j->blocks * j->rows, n = j->w.rows - first < j->rows ? j->w.rows - first : j->rows;
	uint32_t top = item % j->blocks * PRODUCT_ROWS, m = j->x.rows - top < PRODUCT_ROWS ? j->x.rows - top : PRODUCT_ROWS;
	const float *bias = j->b.data ? cpu_weights(j->c, j->b, first, n, l->bias) : NULL;

	assert(n <= TILE_ROWS && m <= j->c->options.max_rows && "linear: the product does not fit its lane");
	for (uint32_t at = 0, width; at < j->w.columns; at += width) {
		struct cpu_product p = { .transposed = true, .add = at > 0, .m = m, .n = n, .a = cpu_row(j->x, top) + at,
			.lda = j->x.stride, .out = l->product, .ldc = n };

		p.k = width = j->w.columns - at < j->columns ? j->w.columns - at : j->columns;
		p.b = tile_weights(j, first, n, at, width, l->weight, &p.ldb);
		cpu_product(j->c, &p);
	}
	for (uint32_t r = 0; r < m; r++) {
		float *y = l->product + (size_t)r * n;

		finish_row(j->epilogue, bias, n, y);
		store_row(j->c->round && j->epilogue != COMPUTE_STORE_FLOAT, j->epilogue, y, n, cpu_row(j->out, top + r) + first);
	}
}

void cpu_linear(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		enum compute_epilogue epilogue, struct compute_view out)
{
	struct linear_job j = { .c = c, .x = x, .w = w, .b = b, .epilogue = epilogue, .out = out };
	uint64_t multiplications = (uint64_t)x.rows * w.rows * w.columns;

	assert(x.columns == w.columns && out.rows == x.rows && out.columns == w.rows && "linear: shapes do not fit");
	assert(x.rows <= c->options.max_rows && x.columns <= c->options.max_inner && "linear: larger than announced");
	cpu_announce(c, x.rows, w.rows, w.columns, 1);
	j.rows = equal_part(w.rows, TILE_ROWS, multiplications >= PARALLEL_PRODUCT ? TILES_MULTIPLE : 1);
	j.columns = equal_part(w.columns, TILE_FLOATS / j.rows / TILE_STEP * TILE_STEP, 1);
	j.blocks = divide_up(x.rows, PRODUCT_ROWS);
	cpu_share(c, multiplications, divide_up(w.rows, j.rows) * j.blocks, multiply_rows, &j);
}
