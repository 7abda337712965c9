/* weights.c - weights on the device: where they lie there, and how they get there.
 *
 * From the mapped file into one pinned buffer while the device still takes in the other; the disk reads ahead meanwhile. Those that were
 * announced (options.weights) have their places from the beginning, in one piece of memory whose size is their sum. */
#include "policy/compute/cuda/cuda.h"

#include <errno.h>
#include <string.h>

/* GROWTH: taken at a time for weights that reserve was not told of, such as those of heads. */
static const uint64_t GROWTH_BYTES = UINT64_C(64) << 20;

/* Told to who follows a load, as stored: a fraction of a second on any disk. */
static const uint64_t REPORT_BYTES = UINT64_C(64) << 20;

static uint64_t aligned(uint64_t bytes)
{
	return (bytes + DEVICE_ALIGN - 1) / DEVICE_ALIGN * DEVICE_ALIGN;
}

uint64_t cuda_weights_bytes(const struct compute *c)
{
	const uint64_t slack = (uint64_t)RESIDENT_MAX * DEVICE_ALIGN;

	if (c->options.weights)
		return c->expected_bytes;
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

	if (code)
		return device_explain(c->device, code, "memory for weights", e);
	for (uint32_t i = 0; c->options.weights && i < RESIDENT_MAX; i++)
		if (c->resident[i].stored)
			c->resident[i].at = c->block[0].at + c->resident[i].offset;
	if (c->options.weights && c->n_blocks)
		c->block[0].used = bytes;
	return 0;
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

	bytes = aligned(bytes);
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

static void note_progress(struct compute *c, uint64_t bytes)
{
	struct load *l = &c->load;

	l->done_bytes += bytes;
	if (!l->with || !l->with->report || (l->done_bytes < l->reported_bytes + REPORT_BYTES && l->done_bytes < l->total_bytes))
		return;
	l->reported_bytes = l->done_bytes;
	l->with->report(l->with->context, (double)l->done_bytes / (double)l->total_bytes);
}

/* Whether bytes of a weight can be read; why not sticks. */
static bool is_fetched(struct compute *c, const void *from, uint64_t bytes)
{
	const struct compute_loading *with = c->load.with;
	int rc = with && with->fetch ? with->fetch(with->context, from, bytes, &c->load.why) : 0;

	if (rc < 0 && !c->error)
		c->error = fail(&c->reason, rc, "%s", c->load.why.text);
	return rc == 0;
}

/* One stage's worth: n weights, from `from` on the host to `to`. */
static void send_part(struct compute *c, const uint8_t *from, enum tensor_type type, uint64_t n, uint8_t *to)
{
	uint64_t bytes = n * tensor_type_bytes(type);
	bool as_stored = type == (c->narrow ? TENSOR_BF16 : TENSOR_F32);
	struct stage *s = is_fetched(c, from, bytes) ? cuda_stage(c) : NULL;

	if (!s)
		return;
	memcpy(s->pinned, from, bytes);
	int code = device_send(c->device, as_stored ? to : s->device, s->pinned, bytes);

	if (code == 0 && !as_stored)
		code = kernel_weights(cuda_next(c), s->device, type, n, to, c->narrow);
	cuda_went_well(c, c->load.name ? c->load.name : "weights", code);
	cuda_sent(c);
	note_progress(c, bytes);
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

/* What [n_parts] matrices are called in the table. */
static struct resident resident_of(const struct compute_matrix *m, uint32_t n_parts)
{
	struct resident r = { .stored = m[0].data, .last = m[n_parts - 1].data, .type = m[0].type };

	for (uint32_t i = 0; i < n_parts; i++)
		r.n += (uint64_t)m[i].rows * m[i].columns;
	return r;
}

static int check_count(const struct compute *c, struct errbuf *e)
{
	return c->n_resident < RESIDENT_MAX / 2 ? 0
			: fail(e, -ENOMEM, "cuda backend: more than %d different weights", RESIDENT_MAX / 2);
}

int cuda_weights_expect(struct compute *c, struct errbuf *e)
{
	for (uint32_t i = 0; i < c->options.n_weights; i++) {
		const struct compute_weight *w = &c->options.weights[i];
		struct resident new = resident_of(w->part, w->n_parts), *r = place_of(c, &new);
		int rc = r->stored ? 0 : check_count(c, e);

		if (rc < 0)
			return rc;
		if (r->stored)
			continue;
		*r = new;
		r->offset = c->expected_bytes;
		c->expected_bytes += aligned(r->n * cuda_value_bytes(c));
		c->n_resident++;
	}
	return 0;
}

/* To r->at; a failure sticks. */
static void bring(struct compute *c, struct resident *r, const struct compute_matrix *m, uint32_t n_parts)
{
	uint8_t *at = r->at;

	for (uint32_t i = 0; i < n_parts && !c->error; i++) {
		uint64_t n = (uint64_t)m[i].rows * m[i].columns;

		send_weights(c, m[i].data, m[i].type, n, at);
		at += n * cuda_value_bytes(c);
	}
	r->there = !c->error;
}

/* One that nobody has announced. NULL: a failure, which sticks. */
static struct resident *find_place(struct compute *c, struct resident *r, struct resident new)
{
	if (!c->error)
		c->error = check_count(c, &c->reason);
	new.at = c->error ? NULL : find_room(c, new.n * cuda_value_bytes(c));
	if (!new.at)
		return NULL;
	*r = new;
	c->n_resident++;
	return r;
}

const void *cuda_weights_joined(struct compute *c, const struct compute_matrix *m, uint32_t n_parts)
{
	if (!m[0].data)
		return NULL;
	struct resident new = resident_of(m, n_parts), *r = place_of(c, &new);

	if (r->there)
		return r->at;
	if (!r->stored)
		r = find_place(c, r, new);
	if (!r || c->error)
		return NULL;
	bring(c, r, m, n_parts);
	return r->there ? r->at : NULL;
}

/* -- at start --------------------------------------------------------------------------------------------------------------------- */

static uint64_t stored_bytes(const struct compute_weight *w)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < w->n_parts; i++)
		bytes += (uint64_t)w->part[i].rows * w->part[i].columns * tensor_type_bytes(w->part[i].type);
	return bytes;
}

int cuda_load(struct compute *c, const struct compute_loading *l, struct errbuf *e)
{
	const struct compute_options *o = &c->options;

	c->load = (struct load){ .with = l };
	for (uint32_t i = 0; i < o->n_weights; i++)
		c->load.total_bytes += stored_bytes(&o->weights[i]);
	for (uint32_t i = 0; i < o->n_weights && !c->error; i++) {
		const struct compute_weight *w = &o->weights[i];
		struct resident new = resident_of(w->part, w->n_parts), *r = place_of(c, &new);

		c->load.name = w->name;
		if (r->there)
			note_progress(c, stored_bytes(w));
		else
			bring(c, r, w->part, w->n_parts);
	}
	cuda_went_well(c, c->load.name ? c->load.name : "weights", device_wait(c->device));
	c->load = (struct load){ 0 };
	c->options.weights = NULL; /* the caller's, up to here */
	c->options.n_weights = 0;
	return c->error ? fail(e, c->error, "%s", c->reason.text) : 0;
}
