/* card.h - a device that only counts, keeps books of its memory and fails when told to, for tests of the cuda backend's table: they include
 * the backend's sources first, and link none of its kernels. Before cmocka.h, whose macro fail() would hide ours. */
#ifndef DREAMVLA_TESTS_UNIT_POLICY_CARD_H
#define DREAMVLA_TESTS_UNIT_POLICY_CARD_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compute/cuda/cuda.h"

enum { OUT_OF_MEMORY = 1, BROKEN, LOST };

struct device {
	int unused;
};

static struct {
	uint64_t free_bytes, taken_bytes;
	uint32_t n_taken;           /* pieces of memory that are not given back */
	uint32_t sends, kernels, products, takes, captures, replays;
	uint32_t plans;             /* products whose shape had not come before: a real device chooses an algorithm for it, */
	uint32_t guesses;           /* and takes the first one that there is, for it may not measure */
	struct shape { uint32_t m, n, k, x_stride, out_stride, kind; } shape[4096];
	bool capturing, measures;
	uint64_t sent_bytes;
	int kernel_code, take_code; /* what the next ones answer */
	uint32_t calls, fail_at;    /* calls so far that can fail; which one does, from 1 on; 0: none */
	int fail_code;
} device;

/* What a call answers that can fail. */
static int answer(void)
{
	return ++device.calls == device.fail_at ? device.fail_code : 0;
}

int device_open(struct device **out, struct errbuf *e)
{
	static struct device one;
	const uint32_t fail_at = device.fail_at;
	const int fail_code = device.fail_code;

	memset(&device, 0, sizeof device);
	device.free_bytes = UINT64_C(1) << 40;
	device.fail_at = fail_at;
	device.fail_code = fail_code;
	if (answer())
		return fail(e, -EIO, "card: cannot be opened");
	*out = &one;
	return 0;
}

void device_close(struct device *d)
{
	(void)d;
}

const char *device_name(const struct device *d)
{
	(void)d;
	return "a card";
}

void *device_stream(const struct device *d)
{
	(void)d;
	return NULL;
}

int device_memory(struct device *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
	(void)d;
	*free_bytes = device.free_bytes;
	*total_bytes = UINT64_C(1) << 40;
	return answer();
}

int device_take(struct device *d, uint64_t bytes, void **out)
{
	(void)d;
	int code = device.take_code ? device.take_code : answer();

	if (code)
		return code;
	assert(!device.capturing);
	device.takes++;
	device.taken_bytes += bytes;
	device.n_taken++;
	*out = malloc(bytes);
	return 0;
}

void device_give(struct device *d, void *memory)
{
	(void)d;
	device.n_taken -= memory != NULL;
	free(memory);
}

int device_take_pinned(struct device *d, uint64_t bytes, void **out)
{
	return device_take(d, bytes, out);
}

void device_give_pinned(struct device *d, void *memory)
{
	device_give(d, memory);
}

int device_send(struct device *d, void *to, const void *host, uint64_t bytes)
{
	(void)d;
	assert(!device.capturing);
	device.sends++;
	device.sent_bytes += bytes;
	memcpy(to, host, bytes);
	return answer();
}

int device_fetch(struct device *d, void *host, const void *from, uint64_t bytes)
{
	(void)d;
	assert(!device.capturing);
	memcpy(host, from, bytes);
	return answer();
}

int device_mark(struct device *d, uint32_t number)
{
	(void)d;
	(void)number;
	assert(!device.capturing);
	return answer();
}

int device_reach(struct device *d, uint32_t number)
{
	(void)d;
	(void)number;
	assert(!device.capturing);
	return answer();
}

int device_wait(struct device *d)
{
	(void)d;
	assert(!device.capturing);
	return answer();
}

bool device_lacks_product(int code)
{
	(void)code;
	return false;
}

void device_measure(struct device *d, bool on)
{
	(void)d;
	device.measures = on;
}

int device_product(struct device *d, const struct device_product *p)
{
	const struct shape s = { p->m, p->n, p->k, p->x_stride, p->out_stride,
		(uint32_t)p->narrow_out | (uint32_t)p->add << 1 | (uint32_t)(p->bias != NULL) << 2 };
	uint32_t i = 0;

	(void)d;
	while (i < device.plans && memcmp(&device.shape[i], &s, sizeof s) != 0)
		i++;
	if (i == device.plans) {
		assert(!device.capturing && i < sizeof device.shape / sizeof *device.shape);
		device.shape[device.plans++] = s;
		device.guesses += !device.measures;
	}
	device.products++;
	return answer();
}

/* One graph, which is only counted; it is memory that has to be given back. */
struct device_graph {
	int unused;
};

int device_capture(struct device *d)
{
	(void)d;
	assert(!device.capturing);
	int code = answer();

	device.capturing = code == 0;
	return code;
}

int device_capture_end(struct device *d, struct device_graph **out)
{
	int code = answer();

	(void)d;
	assert(device.capturing);
	device.capturing = false;
	device.captures++;
	*out = code ? NULL : malloc(sizeof **out);
	device.n_taken += *out != NULL;
	return code;
}

int device_replay(struct device *d, struct device_graph *g)
{
	(void)d;
	assert(g);
	assert(!device.capturing);
	device.replays++;
	return answer();
}

void device_graph_give(struct device *d, struct device_graph *g)
{
	(void)d;
	device.n_taken -= g != NULL;
	free(g);
}

uint64_t device_workspace_bytes(const struct device *d)
{
	(void)d;
	return 0;
}

int device_explain(const struct device *d, int code, const char *doing, struct errbuf *e)
{
	(void)d;
	return fail(e, code == OUT_OF_MEMORY ? -ENOMEM : code == LOST ? -ENODEV : -EIO, "card: %s: code %d", doing, code);
}

/* Kernels: none does anything but answer. */
static int launched(void)
{
	int code = answer();

	device.kernels++;
	return device.kernel_code ? device.kernel_code : code;
}

int kernel_zero(void *stream, struct compute_view out)
{
	(void)stream;
	(void)out;
	return launched();
}

int kernel_copy(void *stream, struct compute_view x, struct compute_view out)
{
	(void)x;
	return kernel_zero(stream, out);
}

int kernel_convert(void *stream, struct compute_view x, struct compute_view out)
{
	(void)x;
	return kernel_zero(stream, out);
}

int kernel_weights(void *stream, const void *stored, enum tensor_type type, uint64_t n, void *out, bool narrow)
{
	(void)stream;
	(void)stored;
	(void)type;
	(void)n;
	(void)out;
	(void)narrow;
	return launched();
}

int kernel_levels(void *stream, const void *bytes, const float *table, const struct compute_levels *l, struct compute_view out)
{
	(void)bytes, (void)table, (void)l;
	return kernel_zero(stream, out);
}

int kernel_product(void *stream, const struct device_product *p)
{
	(void)stream, (void)p;
	assert(!"this device has an algorithm for every product");
	return BROKEN;
}

int kernel_embed(void *stream, const void *table, const int32_t *ids, struct compute_view out)
{
	(void)table;
	(void)ids;
	return kernel_zero(stream, out);
}

int kernel_layer_norm(void *stream, struct compute_view x, const void *weight, const void *bias, float eps, struct compute_view out)
{
	(void)weight;
	(void)bias;
	(void)eps;
	return kernel_copy(stream, x, out);
}

int kernel_rms_norm(void *stream, struct compute_view x, const void *weight, float eps, struct compute_view out)
{
	(void)weight;
	(void)eps;
	return kernel_copy(stream, x, out);
}

int kernel_rotary(void *stream, struct compute_view x, uint32_t heads, struct compute_view table)
{
	(void)heads;
	return kernel_copy(stream, x, table);
}

int kernel_epilogue(void *stream, struct compute_view y, const void *bias, bool narrow, enum compute_epilogue epilogue,
		struct compute_view out)
{
	(void)bias;
	(void)narrow;
	(void)epilogue;
	return kernel_copy(stream, y, out);
}

int kernel_gate(void *stream, struct compute_view y, struct compute_view out)
{
	return kernel_copy(stream, y, out);
}

int kernel_heads(void *stream, const struct kernel_heads *h)
{
	return kernel_copy(stream, h->y, h->out);
}

int kernel_add_norm(void *stream, const struct kernel_add_norm *n)
{
	return kernel_copy(stream, n->y, n->out);
}

int kernel_attention(void *stream, const struct compute_attention *a, const uint32_t *first, uint32_t n_segments)
{
	(void)first;
	(void)n_segments;
	return kernel_copy(stream, a->q, a->out);
}

int kernel_tensor_attention(void *stream, const struct compute_attention *a, const uint32_t *first, uint32_t n_segments)
{
	return kernel_attention(stream, a, first, n_segments);
}

bool kernel_tensor_attention_takes(const struct compute_attention *a)
{
	(void)a;
	return false;
}

int kernel_attention_cached(void *stream, const struct compute_attention *a)
{
	return kernel_copy(stream, a->q, a->out);
}

int kernel_argmax(void *stream, struct compute_view x, int32_t *token)
{
	for (uint32_t r = 0; r < x.rows; r++)
		token[r] = 5;
	return kernel_zero(stream, x);
}

int kernel_choose(void *stream, struct compute_view x, uint32_t top_k, struct compute_choice *choice)
{
	(void)top_k;
	for (uint32_t r = 0; r < x.rows; r++)
		choice[r] = (struct compute_choice){ .token = 5, .probability = 1.0f };
	return kernel_zero(stream, x);
}

#endif
