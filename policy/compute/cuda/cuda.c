/* cuda.c - the cuda backend's life cycle, memory and transfers. What it computes with lies in operations.c and the kernels, what it
 * computes on behind device.h. */
#include "policy/compute/cuda/cuda.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/log.h"

/* Of products that an epilogue of ours follows; fewer columns at a time where it is not enough. */
enum { SCRATCH_FLOATS_MIN = 4096 };
static const uint64_t SCRATCH_FLOATS_MAX = UINT64_C(1) << 26;

/* What CUDA takes behind our back: kernels when they are first started, graphs, and at warm-up what a cache is cleared with. An estimate, to be
 * measured: NOTES-gpu.md. */
static const uint64_t RESERVE_BYTES = UINT64_C(1) << 29;

bool cuda_went_well(struct compute *c, const char *doing, int code)
{
	if (code && !c->error)
		c->error = device_explain(c->device, code, doing, &c->reason);
	c->lost |= c->error == -ENODEV;
	return !c->error;
}

/* -- life cycle ------------------------------------------------------------------------------------------------------------------ */

static void cuda_destroy(struct compute *c)
{
	if (!c)
		return;
	if (c->device) {
		device_give_pinned(c->device, c->stage[0].pinned);
		device_give(c->device, c->stage[0].device);
		cuda_weights_release(c);
		cuda_pieces_release(c);
		device_give(c->device, c->scratch);
		device_give(c->device, c->memory);
	}
	device_close(c->device);
	free(c);
}

static uint64_t scratch_floats(const struct compute_options *o)
{
	uint64_t floats = 2 * (uint64_t)o->max_rows * o->max_inner; /* gate and up side by side */

	floats = floats > SCRATCH_FLOATS_MIN ? floats : SCRATCH_FLOATS_MIN;
	return floats < SCRATCH_FLOATS_MAX ? floats : SCRATCH_FLOATS_MAX;
}

/* One piece of memory on either side, cut into stages: pinning is slow. */
static int take_stages(struct compute *c, struct errbuf *e)
{
	void *pinned = NULL, *device = NULL;
	int code = device_take_pinned(c->device, STAGES * STAGE_BYTES, &pinned);

	if (code == 0)
		code = device_take(c->device, STAGES * STAGE_BYTES, &device);
	c->stage[0] = (struct stage){ pinned, device };
	for (uint32_t i = 1; code == 0 && i < STAGES; i++)
		c->stage[i] = (struct stage){ c->stage[i - 1].pinned + STAGE_BYTES, c->stage[i - 1].device + STAGE_BYTES };
	return code ? device_explain(c->device, code, "buffers for transfers", e) : 0;
}

static int cuda_create(struct compute **out, const struct compute_options *options, struct errbuf *e)
{
	struct compute *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return fail(e, -ENOMEM, "cuda backend: out of memory");
	c->options = *options;
	c->narrow = options->precision == POLICY_BF16;
	c->scratch_floats = scratch_floats(options);
	if ((rc = cuda_weights_expect(c, e)) < 0 || (rc = device_open(&c->device, e)) < 0 || (rc = take_stages(c, e)) < 0) {
		cuda_destroy(c);
		return rc;
	}
	device_measure(c->device, options->choose_by_time);
	*out = c;
	return 0;
}

/* -- memory ---------------------------------------------------------------------------------------------------------------------- */

static struct compute_view take_values(struct compute *c, uint32_t rows, uint32_t columns, uint32_t value_bytes)
{
	uint64_t at = c->used;

	assert(!c->frozen && "allocation after start-up");
	c->used += ((uint64_t)rows * columns * value_bytes + DEVICE_ALIGN - 1) / DEVICE_ALIGN * DEVICE_ALIGN;
	assert((!c->memory || c->used <= c->memory_bytes) && "more taken than was measured");
	return (struct compute_view){ c->memory ? c->memory + at : NULL, rows, columns, columns, value_bytes };
}

static struct compute_view cuda_take(struct compute *c, uint32_t rows, uint32_t columns)
{
	return take_values(c, rows, columns, cuda_value_bytes(c));
}

static struct compute_view cuda_take_float(struct compute *c, uint32_t rows, uint32_t columns)
{
	return take_values(c, rows, columns, sizeof(float));
}

static double gigabytes(uint64_t bytes)
{
	return (double)bytes / 1e9;
}

/* Says what will be taken before it is; refuses what does not fit. */
static int announce_memory(struct compute *c, struct errbuf *e)
{
	uint64_t weights = cuda_weights_bytes(c), scratch = c->scratch_floats * sizeof(float), reserve = weights ? RESERVE_BYTES : 0;
	uint64_t wanted = weights + c->used + scratch + reserve, free_bytes = 0, total = 0;
	int code = device_memory(c->device, &free_bytes, &total);

	if (code)
		return device_explain(c->device, code, "the size of its memory", e);
	if (wanted > free_bytes)
		return fail(e, -ENOMEM, "cuda backend: %s: weights %.2f GB, activations %.2f GB, working memory %.2f GB and what is kept "
				"free for kernels and graphs, %.2f GB, are %.2f GB, but of "
				"%.2f GB only %.2f GB are free: %.2f GB are missing; end what else runs on the GPU (nvidia-smi lists it), take a "
				"larger one, %suse smaller pictures", device_name(c->device), gigabytes(weights), gigabytes(c->used),
				gigabytes(scratch), gigabytes(reserve), gigabytes(wanted), gigabytes(total), gigabytes(free_bytes), gigabytes(wanted - free_bytes),
				c->narrow ? "or " : "use precision bf16, or ");
	if (weights)
		log_line(LOG_LEVEL_INFO, "cuda backend: %s: takes %.2f GB (weights %.2f, activations %.2f, working memory %.2f, kept for kernels and "
				"graphs %.2f) of %.2f GB free",
				device_name(c->device), gigabytes(wanted), gigabytes(weights), gigabytes(c->used), gigabytes(scratch),
				gigabytes(reserve), gigabytes(free_bytes));
	return 0;
}

static int cuda_reserve(struct compute *c, struct errbuf *e)
{
	int rc = announce_memory(c, e);
	void *memory = NULL, *scratch = NULL;

	if (rc < 0)
		return rc;
	int code = device_take(c->device, c->used ? c->used : DEVICE_ALIGN, &memory);

	c->memory = memory;
	c->memory_bytes = c->used;
	c->used = 0;
	if (code == 0)
		code = device_take(c->device, c->scratch_floats * sizeof(float), &scratch);
	c->scratch = scratch;
	return code ? device_explain(c->device, code, "memory for activations", e) : cuda_weights_reserve(c, e);
}

static void cuda_freeze(struct compute *c)
{
	c->frozen = true;
}

static uint64_t cuda_memory_bytes(const struct compute *c)
{
	uint64_t bytes = c->memory_bytes + c->scratch_floats * sizeof(float) + (uint64_t)STAGES * STAGE_BYTES;

	return bytes + device_workspace_bytes(c->device);
}

static uint32_t cuda_threads(const struct compute *c)
{
	(void)c;
	return 1;
}

static uint64_t cuda_launches(const struct compute *c)
{
	return c->launches;
}

/* -- transfers ------------------------------------------------------------------------------------------------------------------- */

/* For messages. */
static const char *transfer_name(const struct compute *c)
{
	return c->load.name ? c->load.name : "a transfer";
}

struct stage *cuda_stage(struct compute *c)
{
	return cuda_went_well(c, transfer_name(c), device_reach(c->device, c->turn)) ? &c->stage[c->turn] : NULL;
}

void cuda_sent(struct compute *c)
{
	cuda_went_well(c, transfer_name(c), device_mark(c->device, c->turn));
	c->turn = (c->turn + 1) % STAGES;
}

/* As many rows of `columns` floats as a stage holds. */
static uint32_t stage_rows(uint32_t columns, uint32_t left)
{
	uint32_t rows = (uint32_t)(STAGE_BYTES / sizeof(float)) / columns;

	assert(rows && "a row wider than a stage");
	return rows < left ? rows : left;
}

static struct compute_view stage_view(const struct stage *s, uint32_t rows, uint32_t columns)
{
	return (struct compute_view){ s->device, rows, columns, columns, sizeof(float) };
}

/* What fills a stage with `rows` rows from row `first` on, for send_rows. */
struct source {
	const float *values, *more; /* more: the second half of each row comes from it; may be NULL */
	uint32_t columns;
};

static void fill_stage(const struct source *s, uint32_t first, uint32_t rows, float *to)
{
	uint32_t width = s->more ? s->columns / 2 : s->columns;

	for (uint32_t r = first; r < first + rows; r++, to += s->columns) {
		memcpy(to, s->values + (size_t)r * width, width * sizeof *to);
		if (s->more)
			memcpy(to + width, s->more + (size_t)r * width, width * sizeof *to);
	}
}

static void send_rows(struct compute *c, const struct source *source, struct compute_view out)
{
	struct stage *s;

	for (uint32_t done = 0, rows; done < out.rows && (s = cuda_stage(c)); done += rows) {
		rows = stage_rows(out.columns, out.rows - done);
		fill_stage(source, done, rows, (float *)(void *)s->pinned);
		int code = device_send(c->device, s->device, s->pinned, (uint64_t)rows * out.columns * sizeof(float));

		if (cuda_went_well(c, "upload", code))
			cuda_went_well(c, "upload", kernel_convert(cuda_next(c), stage_view(s, rows, out.columns),
					compute_rows(out, done, rows)));
		cuda_sent(c);
	}
}

static void cuda_upload(struct compute *c, const float *host, struct compute_view out)
{
	send_rows(c, &(struct source){ .values = host, .columns = out.columns }, out);
}

/* The table goes in front of the bytes each time: 3 kB of 300. */
static void cuda_upload_levels(struct compute *c, const uint8_t *host, const struct compute_levels *l, struct compute_view out)
{
	const uint64_t table_bytes = (uint64_t)l->channels * COMPUTE_LEVELS * sizeof *l->value, row_bytes = (uint64_t)l->channels * l->plane;
	const uint32_t most = (uint32_t)((STAGE_BYTES - table_bytes) / row_bytes);
	struct stage *s;

	assert(out.columns == l->repeat * row_bytes && most && "upload_levels: shapes do not fit");
	for (uint32_t done = 0, rows; done < out.rows && (s = cuda_stage(c)); done += rows) {
		rows = out.rows - done < most ? out.rows - done : most;
		memcpy(s->pinned, l->value, table_bytes);
		memcpy(s->pinned + table_bytes, host + done * row_bytes, rows * row_bytes);
		int code = device_send(c->device, s->device, s->pinned, table_bytes + rows * row_bytes);

		if (cuda_went_well(c, "upload_levels", code))
			cuda_went_well(c, "upload_levels", kernel_levels(cuda_next(c), s->device + table_bytes, (const float *)(const void *)s->device, l,
					compute_rows(out, done, rows)));
		cuda_sent(c);
	}
}

static void cuda_upload_angles(struct compute *c, const float *cosine, const float *sine, struct compute_view table)
{
	send_rows(c, &(struct source){ .values = cosine, .more = sine, .columns = table.columns }, table);
}

static void cuda_download(struct compute *c, struct compute_view x, float *host)
{
	struct stage *s;

	for (uint32_t done = 0, rows; done < x.rows && (s = cuda_stage(c)); done += rows) {
		rows = stage_rows(x.columns, x.rows - done);
		uint64_t bytes = (uint64_t)rows * x.columns * sizeof(float);
		int code = kernel_convert(cuda_next(c), compute_rows(x, done, rows), stage_view(s, rows, x.columns));

		if (code == 0)
			code = device_fetch(c->device, s->pinned, s->device, bytes);
		if (code == 0)
			code = device_wait(c->device);
		if (cuda_went_well(c, "download", code))
			memcpy(host + (size_t)done * x.columns, s->pinned, bytes);
	}
}

static void cuda_zero(struct compute *c, struct compute_view out)
{
	cuda_went_well(c, "zero", kernel_zero(cuda_next(c), out));
}

static void cuda_copy(struct compute *c, struct compute_view x, struct compute_view out)
{
	assert(x.rows == out.rows && x.columns == out.columns && "copy between different shapes");
	cuda_went_well(c, "copy", kernel_copy(cuda_next(c), x, out));
}

static void cuda_upload_count(struct compute *c, uint32_t count, struct compute_view out)
{
	struct stage *s = cuda_stage(c);

	if (!s)
		return;
	memcpy(s->pinned, &count, sizeof count);
	cuda_went_well(c, "upload_count", device_send(c->device, out.at, s->pinned, sizeof count));
	cuda_sent(c);
}

static int cuda_finish(struct compute *c, struct errbuf *e)
{
	cuda_went_well(c, "what was asked of it last", device_wait(c->device));
	int error = c->error;

	c->error = c->lost ? -ENODEV : 0;
	return error ? fail(e, error, "%s", c->reason.text) : 0;
}

#ifdef CUDA_HOST /* for tests: tests/cuda_host */
const struct compute_backend compute_backend_cuda_host = {
	.name = "cuda-host",
#else
const struct compute_backend compute_backend_cuda = {
	.name = "cuda",
#endif
	.value_bytes = 2,
	.row_step = 32,
	.create = cuda_create,
	.destroy = cuda_destroy,
	.take = cuda_take,
	.take_float = cuda_take_float,
	.reserve = cuda_reserve,
	.freeze = cuda_freeze,
	.load = cuda_load,
	.memory_bytes = cuda_memory_bytes,
	.threads = cuda_threads,
	.launches = cuda_launches,
	.upload = cuda_upload,
	.upload_levels = cuda_upload_levels,
	.download = cuda_download,
	.zero = cuda_zero,
	.copy = cuda_copy,
	.upload_count = cuda_upload_count,
	.embed = cuda_embed,
	.linear = cuda_linear,
	.layer_norm = cuda_layer_norm,
	.rms_norm = cuda_rms_norm,
	.upload_angles = cuda_upload_angles,
	.rotary = cuda_rotary,
	.linear_gated = cuda_linear_gated,
	.project_heads = cuda_project_heads,
	.linear_add_norm = cuda_linear_add_norm,
	.attention = cuda_attention,
	.attention_cached = cuda_attention_cached,
	.argmax = cuda_argmax,
	.choose = cuda_choose,
	.begin = cuda_begin,
	.end = cuda_end,
	.capture = cuda_capture,
	.settle = cuda_settle,
	.finish = cuda_finish,
};
