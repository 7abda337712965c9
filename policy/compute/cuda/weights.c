/* weights.c - weights on the device: where they lie there, and how they get there.
 *
 * From the mapped file into one pinned buffer while the device still takes in the other; the disk reads ahead meanwhile. */
#include "policy/compute/cuda/cuda.h"

#include <errno.h>
#include <string.h>

/* GROWTH: taken at a time for weights that reserve was not told of, such as those of heads. */
static const uint64_t GROWTH_BYTES = UINT64_C(64) << 20;

uint64_t cuda_weights_bytes(const struct compute *c)
{
	const uint64_t slack = (uint64_t)RESIDENT_MAX * DEVICE_ALIGN;

	return c->options.weight_values ? c->options.weight_values * cuda_value_bytes(c) + slack : 0;
}

static int add_block(struct compute *c, uint64_t bytes)
{
	void *at = NULL;
	int code = device_take(c->device, bytes, &at);

	if (code == 0)
		c->block[c->n_blocks++] = (struct block){ at, bytes, 0 };
	return code;
}

int cuda_weights_reserve(struct compute *c, struct errbuf *e)
{
	uint64_t bytes = cuda_weights_bytes(c);
	int code = bytes ? add_block(c, bytes) : 0;

	return code ? device_explain(c->device, code, "memory for weights", e) : 0;
}

void cuda_weights_release(struct compute *c)
{
	for (uint32_t i = 0; i < c->n_blocks; i++)
		device_give(c->device, c->block[i].at);
	c->n_blocks = c->n_resident = 0;
}

/* NULL and a reason that sticks: there is no room. */
static void *find_room(struct compute *c, uint64_t bytes)
{
	struct block *b = c->n_blocks ? &c->block[c->n_blocks - 1] : NULL;

	bytes = (bytes + DEVICE_ALIGN - 1) / DEVICE_ALIGN * DEVICE_ALIGN;
	if (!b || b->bytes - b->used < bytes) {
		if (c->n_blocks == BLOCKS_MAX)
			c->error = fail(&c->reason, -ENOMEM, "cuda backend: weights in more than %d pieces of memory", BLOCKS_MAX);
		if (c->error || !cuda_went_well(c, "memory for weights", add_block(c, bytes > GROWTH_BYTES ? bytes : GROWTH_BYTES)))
			return NULL;
		b = &c->block[c->n_blocks - 1];
	}
	b->used += bytes;
	return b->at + b->used - bytes;
}

/* One stage's worth: n weights, from `from` on the host to `to`. */
static void send_part(struct compute *c, const uint8_t *from, enum tensor_type type, uint64_t n, uint8_t *to)
{
	uint64_t bytes = n * tensor_type_bytes(type);
	bool as_stored = type == (c->narrow ? TENSOR_BF16 : TENSOR_F32);
	struct stage *s = cuda_stage(c);

	if (!s)
		return;
	memcpy(s->pinned, from, bytes);
	int code = device_send(c->device, as_stored ? to : s->device, s->pinned, bytes);

	if (code == 0 && !as_stored)
		code = kernel_weights(cuda_next(c), s->device, type, n, to, c->narrow);
	cuda_went_well(c, "weights", code);
	cuda_sent(c);
}

static void send_weights(struct compute *c, const void *stored, enum tensor_type type, uint64_t n_values, uint8_t *to)
{
	uint64_t most = STAGE_BYTES / tensor_type_bytes(type);

	for (uint64_t done = 0, n; done < n_values && !c->error; done += n) {
		n = n_values - done < most ? n_values - done : most;
		send_part(c, (const uint8_t *)stored + done * tensor_type_bytes(type), type, n, to + done * cuda_value_bytes(c));
	}
}

/* Its place in the table, or the free one where it belongs. */
static struct resident *place_of(struct compute *c, const struct resident *wanted)
{
	uint64_t hash = ((uint64_t)(uintptr_t)wanted->stored >> 1) * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	for (uint32_t i = 0;; i++) {
		struct resident *r = &c->resident[(hash + i) % RESIDENT_MAX];

		if (!r->stored || (r->stored == wanted->stored && r->last == wanted->last && r->n == wanted->n && r->type == wanted->type))
			return r;
	}
}

const void *cuda_weights(struct compute *c, struct compute_matrix m)
{
	return cuda_weights_joined(c, &m, 1);
}

static void bring(struct compute *c, struct resident *new, const struct compute_matrix *m, uint32_t n_parts)
{
	uint8_t *at = new->at = find_room(c, new->n * cuda_value_bytes(c));

	for (uint32_t i = 0; i < n_parts && at && !c->error; i++) {
		uint64_t n = (uint64_t)m[i].rows * m[i].columns;

		send_weights(c, m[i].data, m[i].type, n, at);
		at += n * cuda_value_bytes(c);
	}
}

const void *cuda_weights_joined(struct compute *c, const struct compute_matrix *m, uint32_t n_parts)
{
	struct resident new = { .stored = m[0].data, .last = m[n_parts - 1].data, .type = m[0].type };

	if (!new.stored)
		return NULL;
	for (uint32_t i = 0; i < n_parts; i++)
		new.n += (uint64_t)m[i].rows * m[i].columns;
	struct resident *r = place_of(c, &new);

	if (r->stored)
		return r->at;
	if (!c->error && c->n_resident >= RESIDENT_MAX / 2)
		c->error = fail(&c->reason, -ENOMEM, "cuda backend: more than %d different weights", RESIDENT_MAX / 2);
	if (c->error)
		return NULL;
	bring(c, &new, m, n_parts);
	if (c->error)
		return NULL;
	*r = new;
	c->n_resident++;
	return r->at;
}
