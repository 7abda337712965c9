/* cpu.c - the cpu backend's life cycle, memory and copies; its arithmetic lies in the files beside. */
#include "policy/compute/cpu/cpu.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/compute/plain.h"

extern const struct compute_backend compute_backend_cpu;

static void lay_out_scratch(struct compute *c)
{
	const struct compute_options *o = &c->options;
	size_t product_rows = o->max_rows < PRODUCT_ROWS ? o->max_rows : PRODUCT_ROWS;

	for (uint32_t i = 0; i < c->crew.size; i++) {
		struct lane *l = &c->lane[i];

		l->weight = arena_take(&c->scratch, TILE_FLOATS, sizeof *l->weight);
		l->product = arena_take(&c->scratch, product_rows * TILE_ROWS, sizeof *l->product);
		l->bias = arena_take(&c->scratch, TILE_ROWS, sizeof *l->bias);
		l->score = arena_take(&c->scratch, (size_t)ATTENTION_ROWS * o->max_segment, sizeof *l->score);
	}
	c->first = arena_take(&c->scratch, o->max_inner, sizeof *c->first);
	c->second = arena_take(&c->scratch, o->max_inner, sizeof *c->second);
	c->row = arena_take(&c->scratch, o->max_outer, sizeof *c->row);
}

static void cpu_destroy(struct compute *c)
{
	if (!c)
		return;
	crew_finish(&c->crew);
	arena_finish(&c->scratch);
	arena_finish(&c->memory);
	free(c);
}

static int cpu_create(struct compute **out, const struct compute_options *options, struct errbuf *e)
{
	struct compute *c = calloc(1, sizeof *c);
	uint32_t threads = options->threads ? options->threads : crew_size_here();
	int rc;

	if (!c)
		return fail(e, -ENOMEM, "cpu backend: out of memory");
	c->options = *options;
	c->round = options->precision == POLICY_BF16;
	if ((rc = crew_init(&c->crew, threads < CREW_MAX ? threads : CREW_MAX, e)) == 0) {
		lay_out_scratch(c);
		rc = arena_reserve(&c->scratch, "cpu backend", e);
	}
	if (rc < 0) {
		cpu_destroy(c);
		return rc;
	}
	lay_out_scratch(c);
	arena_freeze(&c->scratch);
	*out = c;
	return 0;
}

static struct compute_view cpu_take(struct compute *c, uint32_t rows, uint32_t columns)
{
	float *at = arena_take(&c->memory, (size_t)rows * columns, sizeof *at);

	return (struct compute_view){ (uint8_t *)(void *)at, rows, columns, columns, sizeof *at };
}

static int cpu_reserve(struct compute *c, struct errbuf *e)
{
	return arena_reserve(&c->memory, "cpu backend: activations", e);
}

static void cpu_freeze(struct compute *c)
{
	arena_freeze(&c->memory);
}

static uint64_t cpu_memory_bytes(const struct compute *c)
{
	return c->memory.size + c->scratch.size;
}

static uint32_t cpu_threads(const struct compute *c)
{
	return c->crew.size;
}

static uint64_t cpu_launches(const struct compute *c)
{
	(void)c;
	return 0; /* it calls functions */
}

static void cpu_upload(struct compute *c, const float *host, struct compute_view out)
{
	for (uint32_t r = 0; r < out.rows; r++) {
		float *to = cpu_row(out, r);
		const float *from = host + (size_t)r * out.columns;

		for (uint32_t i = 0; i < out.columns; i++)
			to[i] = cpu_round(c, from[i]);
	}
}

static void cpu_upload_levels(struct compute *c, const uint8_t *host, const struct compute_levels *l, struct compute_view out)
{
	assert(out.columns == l->channels * l->repeat * l->plane && "upload_levels: shapes do not fit");
	for (uint32_t r = 0; r < out.rows; r++) {
		float *to = cpu_row(out, r);

		for (uint32_t i = 0; i < l->channels; i++, host += l->plane)
			for (uint32_t t = 0; t < l->repeat; t++)
				for (uint32_t at = 0; at < l->plane; at++)
					*to++ = cpu_round(c, l->value[i * COMPUTE_LEVELS + host[at]]);
	}
}

static void cpu_download(struct compute *c, struct compute_view x, float *host)
{
	(void)c;
	for (uint32_t r = 0; r < x.rows; r++)
		memcpy(host + (size_t)r * x.columns, cpu_row(x, r), x.columns * sizeof *host);
}

static void cpu_zero(struct compute *c, struct compute_view out)
{
	(void)c;
	for (uint32_t r = 0; r < out.rows; r++)
		memset(cpu_row(out, r), 0, out.columns * sizeof(float));
}

static void cpu_copy(struct compute *c, struct compute_view x, struct compute_view out)
{
	(void)c;
	assert(x.rows == out.rows && x.columns == out.columns && "copy between different shapes");
	for (uint32_t r = 0; r < x.rows; r++)
		memcpy(cpu_row(out, r), cpu_row(x, r), x.columns * sizeof(float));
}

static void cpu_upload_count(struct compute *c, uint32_t count, struct compute_view out)
{
	(void)c;
	memcpy(out.at, &count, sizeof count);
}

static void cpu_embed(struct compute *c, struct compute_matrix table, const int32_t *ids, struct compute_view out)
{
	for (uint32_t r = 0; r < out.rows; r++) {
		assert(ids[r] >= 0 && (uint32_t)ids[r] < table.rows && "id outside of the embedding table");
		cpu_widen(c, table, (size_t)ids[r] * table.columns, table.columns, cpu_row(out, r));
	}
}

static void cpu_linear_gated(struct compute *c, struct compute_view x, struct compute_matrix gate, struct compute_matrix up,
		struct compute_view out)
{
	compute_plain_linear_gated(&compute_backend_cpu, c, x, gate, up, out);
}

static void cpu_project_heads(struct compute *c, struct compute_view x, const struct compute_projection *p, struct compute_view out)
{
	compute_plain_project_heads(&compute_backend_cpu, c, x, p, out);
}

static void cpu_linear_add_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		struct compute_view residual, const struct compute_norm *norm, struct compute_view out)
{
	compute_plain_linear_add_norm(&compute_backend_cpu, c, &(struct compute_add_norm){ x, residual, out, w, b, norm });
}

static int cpu_finish(struct compute *c, struct errbuf *e)
{
	int error = atomic_exchange(&c->error, 0);

	return error ? fail(e, error, "cpu backend: the matrix library (oneDNN) refused a product: out of memory?") : 0;
}

const struct compute_backend compute_backend_cpu = {
	.name = "cpu",
	.value_bytes = sizeof(float),
	.row_step = 1,
	.create = cpu_create,
	.destroy = cpu_destroy,
	.take = cpu_take,
	.take_float = cpu_take,
	.reserve = cpu_reserve,
	.freeze = cpu_freeze,
	.memory_bytes = cpu_memory_bytes,
	.threads = cpu_threads,
	.launches = cpu_launches,
	.upload = cpu_upload,
	.upload_levels = cpu_upload_levels,
	.download = cpu_download,
	.zero = cpu_zero,
	.copy = cpu_copy,
	.upload_count = cpu_upload_count,
	.embed = cpu_embed,
	.linear = cpu_linear,
	.layer_norm = cpu_layer_norm,
	.rms_norm = cpu_rms_norm,
	.upload_angles = cpu_upload_angles,
	.rotary = cpu_rotary,
	.linear_gated = cpu_linear_gated,
	.project_heads = cpu_project_heads,
	.linear_add_norm = cpu_linear_add_norm,
	.attention = cpu_attention,
	.attention_cached = cpu_attention_cached,
	.argmax = cpu_argmax,
	.choose = cpu_choose,
	.finish = cpu_finish,
};
