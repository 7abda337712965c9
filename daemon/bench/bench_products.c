/* bench_products.c - see bench_products.h. */
#include "daemon/bench/bench_products.h"

#include <errno.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

/* Most weights at a time (256 MB, far beyond any cache): a larger product is repeated in parts of as many rows as fit. */
static const uint64_t WEIGHTS_MAX = UINT64_C(1) << 26;

void products_note(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count)
{
	struct products *p = context;

	if (p->n < PRODUCTS_MAX)
		p->row[p->n++] = (struct product){ m, n, k, count };
	else
		p->lost++;
}

double products_operations(const struct products *p)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < p->n; i++)
		sum += 2.0 * p->row[i].m * p->row[i].n * p->row[i].k * p->row[i].count;
	return sum;
}

static uint32_t rows_at_a_time(const struct product *p)
{
	uint64_t rows = WEIGHTS_MAX / p->k;

	return rows < p->n ? (uint32_t)rows : p->n;
}

/* n values between -1 and 1, none of them so small that the processor would need longer for it. */
static float *random_floats(uint64_t n)
{
	float *x = malloc(n * sizeof *x);
	uint32_t state = 1;

	for (uint64_t i = 0; x && i < n; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(int32_t)(state | 1u) / 2147483648.0f;
	}
	return x;
}

int products_room_init(struct products_room *r, const struct products *p, struct errbuf *e)
{
	uint64_t x = 1, w = 1, out = 1;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct product *q = &p->row[i];
		uint64_t rows = rows_at_a_time(q);

		x = (uint64_t)q->m * q->k > x ? (uint64_t)q->m * q->k : x;
		w = rows * q->k > w ? rows * q->k : w;
		out = rows * q->m > out ? rows * q->m : out;
	}
	*r = (struct products_room){ random_floats(x), random_floats(w), random_floats(out) };
	if (r->x && r->w && r->out)
		return 0;
	products_room_finish(r);
	return fail(e, -ENOMEM, "out of memory for the products alone");
}

void products_room_finish(struct products_room *r)
{
	free(r->x);
	free(r->w);
	free(r->out);
	*r = (struct products_room){ 0 };
}

/* The `count` products of a row, each in parts of as many weights as there are. */
static int repeat_row(const struct product *q, const struct products_room *r, struct errbuf *e)
{
	uint32_t step = rows_at_a_time(q);

	for (uint32_t i = 0; i < q->count; i++) {
		for (uint32_t first = 0, rows; first < q->n; first += rows) {
			rows = q->n - first < step ? q->n - first : step;
			if (dnnl_sgemm('N', 'T', q->m, rows, q->k, 1.0f, r->x, q->k, r->w, q->k, 0.0f, r->out, rows) != dnnl_success)
				return fail(e, -EIO, "oneDNN refused a product of %u x %u x %u", q->m, rows, q->k);
		}
	}
	return 0;
}

int products_repeat(const struct products *p, const struct products_room *r, uint32_t threads, struct errbuf *e)
{
	int rc = 0;

	omp_set_num_threads(threads ? (int)threads : omp_get_num_procs());
	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		rc = repeat_row(&p->row[i], r, e);
	return rc;
}
