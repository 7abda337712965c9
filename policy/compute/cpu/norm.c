/* norm.c - the two normalisations and the rotary embedding, row by row in float. */
#include "policy/compute/cpu/cpu.h"

#include <math.h>

/* ROW_COST: one value of a normalisation or rotation costs about as much as so many multiplications in a product. */
enum { ROW_COST = 128, ITEM_ROWS = 16 };

/* What is done with every row of x. */
struct rows_job {
	const struct compute *c;
	struct compute_view x, out;
	const float *weight, *bias; /* [columns] */
	double eps;
	uint32_t heads;
	struct compute_view table;
	void (*row)(const struct rows_job *j, uint32_t row);
};

static void do_rows(void *context, uint32_t item, uint32_t lane)
{
	const struct rows_job *j = context;
	uint32_t first = item * ITEM_ROWS, end = j->x.rows - first < ITEM_ROWS ? j->x.rows : first + ITEM_ROWS;

	(void)lane;
	for (uint32_t r = first; r < end; r++)
		j->row(j, r);
}

static void share_rows(struct compute *c, struct rows_job *j)
{
	cpu_share(c, (uint64_t)j->x.rows * j->x.columns * ROW_COST, (j->x.rows + ITEM_ROWS - 1) / ITEM_ROWS, do_rows, j);
}

static void layer_norm_row(const struct rows_job *j, uint32_t row)
{
	const float *from = cpu_row(j->x, row);
	float *to = cpu_row(j->out, row);
	uint32_t n = j->x.columns;
	double sum = 0.0, squares = 0.0;

	for (uint32_t i = 0; i < n; i++)
		sum += (double)from[i];
	float mean = (float)(sum / n);

	for (uint32_t i = 0; i < n; i++)
		squares += (double)((from[i] - mean) * (from[i] - mean));
	float scale = (float)(1.0 / sqrt(squares / n + j->eps));

	for (uint32_t i = 0; i < n; i++)
		to[i] = cpu_round(j->c, (from[i] - mean) * scale * j->weight[i] + j->bias[i]);
}

void cpu_layer_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
		struct compute_view out)
{
	struct rows_job j = { .c = c, .x = x, .out = out, .eps = eps, .row = layer_norm_row };

	j.weight = cpu_weights(c, w, 0, x.columns, c->first);
	j.bias = cpu_weights(c, b, 0, x.columns, c->second);
	share_rows(c, &j);
}

static void rms_norm_row(const struct rows_job *j, uint32_t row)
{
	const float *from = cpu_row(j->x, row);
	float *to = cpu_row(j->out, row);
	uint32_t n = j->x.columns;
	double squares = 0.0;

	for (uint32_t i = 0; i < n; i++)
		squares += (double)(from[i] * from[i]);
	float scale = (float)(1.0 / sqrt(squares / n + j->eps));

	for (uint32_t i = 0; i < n; i++)
		to[i] = cpu_round(j->c, from[i] * scale * j->weight[i]);
}

void cpu_rms_norm(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out)
{
	struct rows_job j = { .c = c, .x = x, .out = out, .eps = eps, .row = rms_norm_row };

	j.weight = cpu_weights(c, w, 0, x.columns, c->first);
	share_rows(c, &j);
}

void cpu_upload_angles(struct compute *c, const float *cosine, const float *sine, struct compute_view table)
{
	uint32_t half = table.columns / 2;

	(void)c;
	for (uint32_t r = 0; r < table.rows; r++) {
		float *to = cpu_row(table, r);

		memcpy(to, cosine + (size_t)r * half, half * sizeof *to);
		memcpy(to + half, sine + (size_t)r * half, half * sizeof *to);
	}
}

/* One head: x [2 * half]. */
static void rotate(float *x, const float *cosine, const float *sine, uint32_t half, bool round)
{
	for (uint32_t i = 0; i < half; i++) {
		float low = x[i] * cosine[i] - x[half + i] * sine[i];
		float high = x[half + i] * cosine[i] + x[i] * sine[i];

		x[i] = round ? round_bf16(low) : low;
		x[half + i] = round ? round_bf16(high) : high;
	}
}

static void rotary_row(const struct rows_job *j, uint32_t row)
{
	uint32_t half = j->table.columns / 2;
	const float *cosine = cpu_row(j->table, row);

	for (uint32_t h = 0; h < j->heads; h++)
		rotate(cpu_row(j->x, row) + (size_t)h * 2 * half, cosine, cosine + half, half, j->c->round);
}

void cpu_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table)
{
	struct rows_job j = { .c = c, .x = x, .heads = heads, .table = table, .row = rotary_row };

	assert(x.columns == heads * 2 * (table.columns / 2) && x.rows <= table.rows && "rotary: shapes do not fit");
	share_rows(c, &j);
}
