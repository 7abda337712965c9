/* norm.c - the two normalisations and the rotary embedding, row by row in float. */
#include "policy/compute/cpu/cpu.h"

#include <math.h>

void cpu_layer_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
		struct compute_view out)
{
	uint32_t n = x.columns;
	const float *weight = cpu_weights(c, w, 0, n, c->first), *bias = cpu_weights(c, b, 0, n, c->second);

	for (uint32_t r = 0; r < x.rows; r++) {
		const float *from = cpu_row(x, r);
		float *to = cpu_row(out, r);
		double sum = 0.0, squares = 0.0;

		for (uint32_t i = 0; i < n; i++)
			sum += (double)from[i];
		float mean = (float)(sum / n);

		for (uint32_t i = 0; i < n; i++)
			squares += (double)((from[i] - mean) * (from[i] - mean));
		float scale = (float)(1.0 / sqrt(squares / n + eps));

		for (uint32_t i = 0; i < n; i++)
			to[i] = cpu_round(c, (from[i] - mean) * scale * weight[i] + bias[i]);
	}
}

void cpu_rms_norm(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out)
{
	uint32_t n = x.columns;
	const float *weight = cpu_weights(c, w, 0, n, c->first);

	for (uint32_t r = 0; r < x.rows; r++) {
		const float *from = cpu_row(x, r);
		float *to = cpu_row(out, r);
		double squares = 0.0;

		for (uint32_t i = 0; i < n; i++)
			squares += (double)(from[i] * from[i]);
		float scale = (float)(1.0 / sqrt(squares / n + eps));

		for (uint32_t i = 0; i < n; i++)
			to[i] = cpu_round(c, weight[i] * cpu_round(c, from[i] * scale));
	}
}

void cpu_upload_angles(struct compute *c, const float *cosine, const float *sine, enum compute_rotation rotation,
		struct compute_view table)
{
	bool round = c->round && rotation == COMPUTE_ROTATE_ROUNDED;
	uint32_t half = table.columns / 2;

	for (uint32_t r = 0; r < table.rows; r++) {
		float *to = cpu_row(table, r);
		size_t from = (size_t)r * half;

		for (uint32_t i = 0; i < half; i++) {
			to[i] = round ? round_bf16(cosine[from + i]) : cosine[from + i];
			to[half + i] = round ? round_bf16(sine[from + i]) : sine[from + i];
		}
	}
}

/* One head: x [2 * half]. */
static void rotate(float *x, const float *cosine, const float *sine, uint32_t half, bool round_products, bool round_sum)
{
	for (uint32_t i = 0; i < half; i++) {
		float a = x[i] * cosine[i], b = x[half + i] * sine[i];
		float d = x[half + i] * cosine[i], g = x[i] * sine[i];

		if (round_products) {
			a = round_bf16(a);
			b = round_bf16(b);
			d = round_bf16(d);
			g = round_bf16(g);
		}
		x[i] = round_sum ? round_bf16(a - b) : a - b;
		x[half + i] = round_sum ? round_bf16(d + g) : d + g;
	}
}

void cpu_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table,
		enum compute_rotation rotation)
{
	uint32_t half = table.columns / 2;

	assert(x.columns == heads * 2 * half && x.rows <= table.rows && "rotary: shapes do not fit");
	for (uint32_t r = 0; r < x.rows; r++) {
		const float *cosine = cpu_row(table, r);
		float *row = cpu_row(x, r);

		for (uint32_t h = 0; h < heads; h++)
			rotate(row + (size_t)h * 2 * half, cosine, cosine + half, half,
					c->round && rotation == COMPUTE_ROTATE_ROUNDED, c->round);
	}
}
