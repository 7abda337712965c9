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
			to[i] = cpu_round(c, from[i] * scale * weight[i]);
	}
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

void cpu_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table)
{
	uint32_t half = table.columns / 2;

	assert(x.columns == heads * 2 * half && x.rows <= table.rows && "rotary: shapes do not fit");
	for (uint32_t r = 0; r < x.rows; r++) {
		const float *cosine = cpu_row(table, r);
		float *row = cpu_row(x, r);

		for (uint32_t h = 0; h < heads; h++)
			rotate(row + (size_t)h * 2 * half, cosine, cosine + half, half, c->round);
	}
}
