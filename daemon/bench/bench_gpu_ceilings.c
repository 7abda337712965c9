/* bench_gpu_ceilings.c - what a backend does at best: a large square product, and a large copy. */
#include "daemon/bench/bench_gpu.h"

#include <errno.h>

#include "daemon/sys/clock.h"
#include "policy/network.h"

/* BATCH: at a time, so that waiting for them counts for nothing. BATCHES: the best of them counts. COPY_COLUMNS: of the area copied. */
enum { BATCH = 8, BATCHES = 6, COPY_COLUMNS = 4096, IDS = 4096 };

struct ceiling_rig {
	const struct compute_backend *ops;
	struct compute *c;
	struct compute_matrix w;
	struct compute_view x, y;       /* [side][side] */
	struct compute_view from, to;   /* [ceiling_bytes / row][COPY_COLUMNS] */
};

static void lay_out(struct ceiling_rig *r, const struct bench_shape *s)
{
	uint32_t rows = (uint32_t)(s->ceiling_bytes / (COPY_COLUMNS * r->ops->value_bytes));

	r->x = r->ops->take(r->c, s->ceiling_side, s->ceiling_side);
	r->y = r->ops->take(r->c, s->ceiling_side, s->ceiling_side);
	r->from = r->ops->take(r->c, rows, COPY_COLUMNS);
	r->to = r->ops->take(r->c, rows, COPY_COLUMNS);
}

static int open_rig(struct ceiling_rig *r, const struct gpu_options *o, struct bench_checkpoint *c, struct errbuf *e)
{
	uint32_t side = o->shape->ceiling_side;
	struct compute_options options = { .precision = POLICY_BF16, .max_rows = side, .max_inner = side, .max_segment = 1, .max_outer = side,
		.weight_values = (uint64_t)side * side };
	struct weights *w = NULL;
	int rc;

	r->ops = compute_backend_find(o->backend, e);
	if (!r->ops)
		return -EINVAL;
	if ((rc = r->ops->create(&r->c, &options, e)) < 0 || (rc = weights_open_supply(&w, &c->supply, e)) < 0)
		return rc;
	rc = network_matrix(w, side, side, &r->w, e, "ceiling");
	weights_close(w); /* the supply keeps what it gave */
	if (rc < 0)
		return rc;
	lay_out(r, o->shape);
	if ((rc = r->ops->reserve(r->c, e)) < 0)
		return rc;
	lay_out(r, o->shape);
	r->ops->freeze(r->c);
	return 0;
}

/* Rows of the table, one after the other and from the first again, IDS at a time. */
static void fill_rows(struct ceiling_rig *r, struct compute_matrix table, struct compute_view out)
{
	int32_t ids[IDS];

	for (uint32_t first = 0, n; first < out.rows; first += n) {
		n = out.rows - first < IDS ? out.rows - first : IDS;
		for (uint32_t i = 0; i < n; i++)
			ids[i] = (int32_t)((first + i) % table.rows);
		r->ops->embed(r->c, table, ids, compute_rows(out, first, n));
	}
}

/* x and from hold random values: zeros are multiplied with less power, and so at a higher clock. */
static void fill(struct ceiling_rig *r)
{
	struct compute_matrix rows = { r->w.data, r->w.type, r->w.rows * r->w.columns / COPY_COLUMNS, COPY_COLUMNS };

	fill_rows(r, rows, r->from);
	fill_rows(r, r->w, r->x);
}

static void multiply(struct ceiling_rig *r)
{
	r->ops->linear(r->c, r->x, r->w, (struct compute_matrix){ 0 }, COMPUTE_STORE, r->y);
}

static void copy(struct ceiling_rig *r)
{
	r->ops->copy(r->c, r->from, r->to);
}

/* Seconds of one, at best; the first batch only warms up. */
static int best_s(struct ceiling_rig *r, void (*once)(struct ceiling_rig *r), double *seconds, struct errbuf *e)
{
	double best = 1e9;
	int rc = 0;

	for (uint32_t batch = 0; batch <= BATCHES && rc == 0; batch++) {
		int64_t start_ns = clock_monotonic_ns();

		for (uint32_t i = 0; i < BATCH; i++)
			once(r);
		rc = r->ops->finish(r->c, e);
		double each = (double)(clock_monotonic_ns() - start_ns) / 1e9 / BATCH;

		best = batch && each < best ? each : best;
	}
	*seconds = best;
	return rc;
}

int gpu_measure_ceilings(const struct gpu_options *o, struct bench_checkpoint *c, struct gpu_result *out, struct errbuf *e)
{
	struct ceiling_rig r = { 0 };
	double side = o->shape->ceiling_side, product_s = 0, copy_s = 0;
	int rc = open_rig(&r, o, c, e);

	if (rc == 0) {
		fill(&r);
		if ((rc = r.ops->finish(r.c, e)) == 0 && (rc = best_s(&r, multiply, &product_s, e)) == 0)
			rc = best_s(&r, copy, &copy_s, e);
	}
	if (rc == 0) {
		out->operations_s = 2 * side * side * side / product_s;
		out->bytes_s = 2.0 * r.from.rows * COPY_COLUMNS * r.from.value_bytes / copy_s;
	}
	if (r.c)
		r.ops->destroy(r.c);
	return rc;
}
