/* operations.c - the operations of compute.h as products and kernels in the device's stream. After a failure none is started. */
#include "policy/compute/cuda/cuda.h"

#include <errno.h>
#include <string.h>

void cuda_embed(struct compute *c, struct compute_matrix table, const int32_t *ids, struct compute_view out)
{
	const void *rows = cuda_weights(c, table);
	uint64_t bytes = (uint64_t)out.rows * sizeof *ids;
	struct stage *s = rows ? cuda_stage(c) : NULL;

	assert(bytes <= STAGE_BYTES && "embed: more ids than a stage holds");
	if (!s)
		return;
	for (uint32_t r = 0; r < out.rows; r++)
		assert(ids[r] >= 0 && (uint32_t)ids[r] < table.rows && "id outside of the embedding table");
	memcpy(s->pinned, ids, bytes);
	int code = device_send(c->device, s->device, s->pinned, bytes);

	if (code == 0)
		code = kernel_embed(cuda_next(c), rows, (const int32_t *)(const void *)s->device, out);
	cuda_went_well(c, "embed", code);
	cuda_sent(c);
}

/* -- products -------------------------------------------------------------------------------------------------------------------- */

struct linear {
	struct compute_view x, out;
	const void *w, *bias;
	enum compute_epilogue epilogue;
};

int cuda_product(struct compute *c, const struct device_product *p)
{
	int code = device_product(c->device, p);

	c->launches++;
	return device_lacks_product(code) ? kernel_product(device_stream(c->device), p) : code;
}

/* What the product itself can finish: a result that is stored or added as it is, with a bias of its type. */
static bool is_plain(const struct compute *c, const struct linear *l)
{
	bool float_out = l->epilogue == COMPUTE_STORE_FLOAT;

	return l->epilogue == COMPUTE_STORE || l->epilogue == COMPUTE_ADD || (float_out && (!l->bias || !c->narrow));
}

static struct device_product product_of(const struct compute *c, const struct linear *l)
{
	return (struct device_product){ .m = l->x.rows, .n = l->out.columns, .k = l->x.columns, .x = l->x.at, .x_stride = l->x.stride, .w = l->w,
		.narrow = c->narrow };
}

static int plain_linear(struct compute *c, const struct linear *l)
{
	struct device_product p = product_of(c, l);

	p.bias = l->bias;
	p.out = l->out.at;
	p.out_stride = l->out.stride;
	p.narrow_out = l->out.value_bytes == 2;
	p.add = l->epilogue == COMPUTE_ADD;
	return cuda_product(c, &p);
}

/* Into scratch memory as float, as many columns at a time as it holds, and from there by a kernel. */
static int followed_linear(struct compute *c, const struct linear *l)
{
	uint32_t rows = l->x.rows, most = (uint32_t)(c->scratch_floats / rows), value = cuda_value_bytes(c);
	int code = 0;

	most = most > 8 ? most / 8 * 8 : most; /* whole vectors */
	for (uint32_t first = 0, n; first < l->out.columns && code == 0; first += n) {
		struct device_product p = product_of(c, l);

		n = l->out.columns - first < most ? l->out.columns - first : most;
		struct compute_view y = { (uint8_t *)c->scratch, rows, n, n, sizeof(float) };

		p.n = p.out_stride = n;
		p.w = (const uint8_t *)l->w + (uint64_t)first * p.k * value;
		p.out = c->scratch;
		code = cuda_product(c, &p);
		if (code == 0)
			code = kernel_epilogue(cuda_next(c), y, l->bias ? (const uint8_t *)l->bias + (uint64_t)first * value : NULL,
					c->narrow, l->epilogue, compute_columns(l->out, first, n));
	}
	return code;
}

void cuda_linear(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		enum compute_epilogue epilogue, struct compute_view out)
{
	struct linear l = { x, out, NULL, NULL, epilogue };

	assert(x.columns == w.columns && out.rows == x.rows && out.columns == w.rows && "linear: shapes do not fit");
	assert(x.rows <= c->options.max_rows && x.columns <= c->options.max_inner && "linear: larger than announced");
	cuda_announce(c, x.rows, w.rows, w.columns, 1);
	l.w = cuda_weights(c, w);
	l.bias = cuda_weights(c, b);
	if (!c->error)
		cuda_went_well(c, "linear", is_plain(c, &l) ? plain_linear(c, &l) : followed_linear(c, &l));
}

/* -- rows ------------------------------------------------------------------------------------------------------------------------- */

void cuda_layer_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
		struct compute_view out)
{
	const void *weight = cuda_weights(c, w), *bias = cuda_weights(c, b);

	if (!c->error)
		cuda_went_well(c, "layer_norm", kernel_layer_norm(cuda_next(c), x, weight, bias, (float)eps, out));
}

void cuda_rms_norm(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out)
{
	const void *weight = cuda_weights(c, w);

	if (!c->error)
		cuda_went_well(c, "rms_norm", kernel_rms_norm(cuda_next(c), x, weight, (float)eps, out));
}

void cuda_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table)
{
	assert(x.columns == heads * 2 * (table.columns / 2) && x.rows <= table.rows && "rotary: shapes do not fit");
	if (!c->error)
		cuda_went_well(c, "rotary", kernel_rotary(cuda_next(c), x, heads, table));
}

/* -- attention -------------------------------------------------------------------------------------------------------------------- */

static int attend(struct compute *c, const struct compute_attention *a, const uint32_t *first, uint32_t n_segments)
{
	void *stream = cuda_next(c);

	return kernel_tensor_attention_takes(a) ? kernel_tensor_attention(stream, a, first, n_segments)
			: kernel_attention(stream, a, first, n_segments);
}

static void check_head_size(struct compute *c, uint32_t size)
{
	if (!c->error && size > HEAD_SIZE_MAX)
		c->error = fail(&c->reason, -ENOTSUP, "cuda backend: attention heads of %u values, at most %d are possible", size, HEAD_SIZE_MAX);
}

void cuda_attention(struct compute *c, const struct compute_attention *a)
{
	uint32_t first[SEGMENTS_MAX + 1] = { 0 };

	check_head_size(c, a->head_size);
	for (uint32_t s = 0, n = 0; s < a->n_segments; s++) {
		assert(a->segment[s] <= c->options.max_segment && "attention: a longer segment than announced");
		cuda_announce(c, a->segment[s], a->segment[s], a->head_size, a->heads);
		cuda_announce(c, a->segment[s], a->head_size, a->segment[s], a->heads);
		first[n + 1] = first[n] + a->segment[s];
		if (++n < SEGMENTS_MAX && s + 1 < a->n_segments)
			continue;
		if (!c->error)
			cuda_went_well(c, "attention", attend(c, a, first, n));
		first[0] = first[n];
		n = 0;
	}
}

void cuda_attention_cached(struct compute *c, const struct compute_attention *a)
{
	assert(a->q.rows <= a->k.rows && a->k.rows <= c->options.max_segment && "attention_cached: more queries than keys, or too many keys");
	check_head_size(c, a->head_size);
	for (uint32_t r = 0; r < a->q.rows; r++) {
		cuda_announce(c, 1, a->k.rows - a->q.rows + r + 1, a->head_size, a->heads);
		cuda_announce(c, 1, a->head_size, a->k.rows - a->q.rows + r + 1, a->heads);
	}
	if (!c->error)
		cuda_went_well(c, "attention_cached", kernel_attention_cached(cuda_next(c), a));
}

/* -- tokens ----------------------------------------------------------------------------------------------------------------------- */

/* What the stream has written into the stage's device memory: `bytes` of it to the host. */
static void take_back(struct compute *c, const struct stage *s, const char *doing, int code, void *host, uint64_t bytes)
{
	if (code == 0)
		code = device_fetch(c->device, s->pinned, s->device, bytes);
	if (code == 0)
		code = device_wait(c->device);
	if (cuda_went_well(c, doing, code))
		memcpy(host, s->pinned, bytes);
}

/* A failure must not leave tokens that nobody has chosen. */
void cuda_argmax(struct compute *c, struct compute_view x, int32_t *token)
{
	struct stage *s = cuda_stage(c);

	for (uint32_t r = 0; r < x.rows; r++)
		token[r] = -1;
	if (s)
		take_back(c, s, "argmax", kernel_argmax(cuda_next(c), x, (int32_t *)(void *)s->device), token,
				x.rows * sizeof *token);
}

void cuda_choose(struct compute *c, struct compute_view x, uint32_t top_k, struct compute_choice *choice)
{
	struct stage *s = cuda_stage(c);

	for (uint32_t r = 0; r < x.rows; r++)
		choice[r] = (struct compute_choice){ .token = -1 };
	if (s)
		take_back(c, s, "choose", kernel_choose(cuda_next(c), x, top_k, (struct compute_choice *)(void *)s->device), choice,
				x.rows * sizeof *choice);
}
