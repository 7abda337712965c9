/* device.c - the device of backend cuda-host: memory and transfers of the host, and a plain product in place of cuBLASLt. Small memory is
 * NaN before it is written, and what is sent or fetched beyond its end shows under AddressSanitizer. A graph is a list of launches and products
 * with copies of their arguments, so that one that was captured wrong gives a wrong result. What a GPU refuses within a capture is
 * refused here too. */
#include "policy/compute/cuda/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compute/cuda/host_shim.h"
#include "tests/cuda_host/cuda_host.h"

/* What a real one chooses an algorithm by. Zeroed before it is filled, for it is compared as bytes. */
struct plan {
	uint32_t m, n, k, x_stride, out_stride;
	bool narrow, narrow_out, add, bias;
};

enum { PLANS_MAX = 2048 };

struct device {
	float *x, *w;               /* rows of a product as float */
	uint64_t x_floats, w_floats;
	struct plan plan[PLANS_MAX];
	uint32_t n_plans;
	struct device_graph *open;  /* being captured; NULL: none */
};

/* The failures that this device knows. */
enum { NO_MEMORY = 1, CAPTURING, NOT_CAPTURING, NEW_PLAN, NO_ALGORITHM, ALIGN = 256 };

static struct cuda_host_counts counts;

const struct cuda_host_counts *cuda_host_counts(void)
{
	return &counts;
}

int device_open(struct device **out, struct errbuf *e)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : fail(e, -ENOMEM, "cuda-host: out of memory");
}

void device_close(struct device *d)
{
	if (!d)
		return;
	free(d->x);
	free(d->w);
	free(d);
}

const char *device_name(const struct device *d)
{
	(void)d;
	return "this host";
}

void *device_stream(const struct device *d)
{
	(void)d;
	return NULL;
}

int device_memory(struct device *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
	(void)d;
	*free_bytes = *total_bytes = UINT64_C(1) << 32;
	return 0;
}

int device_take(struct device *d, uint64_t bytes, void **out)
{
	if (d->open)
		return CAPTURING;
	*out = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN);
	counts.takes++;
	if (!*out)
		return NO_MEMORY;
	memset(*out, 0xff, bytes < 4096 ? bytes : 4096); /* of large memory the beginning: all of it takes long, case by case */
	return 0;
}

void device_give(struct device *d, void *memory)
{
	(void)d;
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
	if (d->open)
		return CAPTURING;
	memcpy(to, host, bytes);
	return 0;
}

int device_fetch(struct device *d, void *host, const void *from, uint64_t bytes)
{
	if (d->open)
		return CAPTURING;
	memcpy(host, from, bytes);
	return 0;
}

int device_mark(struct device *d, uint32_t number)
{
	if (d->open)
		return CAPTURING;
	(void)number;
	return 0;
}

int device_reach(struct device *d, uint32_t number)
{
	if (d->open)
		return CAPTURING;
	(void)number;
	return 0;
}

int device_wait(struct device *d)
{
	if (d->open)
		return CAPTURING;
	return 0;
}

/* -- the product ----------------------------------------------------------------------------------------------------------------- */

static float float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint16_t round_bf16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fff : (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static float value_at(const void *row, uint64_t i, bool narrow)
{
	return narrow ? float_of((uint32_t)((const uint16_t *)row)[i] << 16) : ((const float *)row)[i];
}

static void widen(const void *from, uint64_t first, uint32_t n, bool narrow, float *out)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = value_at(from, first + i, narrow);
}

/* Eight sums at a time, which is what lets it use vector instructions. */
static float dot(const float *x, const float *w, uint32_t k)
{
	float lane[8] = { 0.0f }, sum = 0.0f;
	uint32_t i = 0;

	for (; i + 8 <= k; i += 8)
		for (uint32_t j = 0; j < 8; j++)
			lane[j] += x[i + j] * w[i + j];
	for (; i < k; i++)
		sum += x[i] * w[i];
	for (uint32_t j = 0; j < 8; j++)
		sum += lane[j];
	return sum;
}

static void store(const struct device_product *p, uint64_t at, float y)
{
	y += p->add ? value_at(p->out, at, p->narrow_out) : 0.0f;
	if (p->narrow_out)
		((uint16_t *)p->out)[at] = round_bf16(y);
	else
		((float *)p->out)[at] = y;
}

static bool has_room(float **room, uint64_t *has, uint64_t floats)
{
	if (*has >= floats)
		return true;
	free(*room);
	*room = malloc(floats * sizeof **room);
	*has = *room ? floats : 0;
	return *room;
}

static bool is_planned(struct device *d, const struct device_product *p)
{
	struct plan plan;

	memset(&plan, 0, sizeof plan);
	plan.m = p->m;
	plan.n = p->n;
	plan.k = p->k;
	plan.x_stride = p->x_stride;
	plan.out_stride = p->out_stride;
	plan.narrow = p->narrow;
	plan.narrow_out = p->narrow_out;
	plan.add = p->add;
	plan.bias = p->bias;
	for (uint32_t i = 0; i < d->n_plans; i++)
		if (memcmp(&d->plan[i], &plan, sizeof plan) == 0)
			return true;
	if (d->open)
		return false;
	d->n_plans %= PLANS_MAX;
	d->plan[d->n_plans++] = plan;
	counts.plans++;
	return true;
}

static int multiply(struct device *d, const struct device_product *p)
{
	if (!has_room(&d->x, &d->x_floats, (uint64_t)p->m * p->k) || !has_room(&d->w, &d->w_floats, p->k))
		return NO_MEMORY;
	for (uint32_t r = 0; r < p->m; r++)
		widen(p->x, (uint64_t)r * p->x_stride, p->k, p->narrow, d->x + (uint64_t)r * p->k);
	for (uint32_t j = 0; j < p->n; j++) {
		float bias = p->bias ? value_at(p->bias, j, p->narrow) : 0.0f;

		widen(p->w, (uint64_t)j * p->k, p->k, p->narrow, d->w);
		for (uint32_t r = 0; r < p->m; r++)
			store(p, (uint64_t)r * p->out_stride + j, dot(d->x + (uint64_t)r * p->k, d->w, p->k) + bias);
	}
	return 0;
}

/* -- graphs ---------------------------------------------------------------------------------------------------------------------- */

/* A product, or a launch with its arguments behind it. */
struct node {
	struct device_product product;
	struct shim_launch launch;  /* kernel NULL: a product */
	uint8_t *args;
};

struct device_graph {
	struct node *node;
	uint32_t n, room;
};

static struct node *add_node(struct device_graph *g)
{
	if (g->n == g->room) {
		struct node *node = realloc(g->node, (2 * g->room + 16) * sizeof *node);

		if (!node)
			return NULL;
		g->node = node;
		g->room = 2 * g->room + 16;
	}
	g->node[g->n] = (struct node){ .args = NULL };
	return &g->node[g->n++];
}

static int keep_launch(void *context, const struct shim_launch *l)
{
	struct node *node = add_node(context);

	if (!node)
		return NO_MEMORY;
	node->launch = *l;
	node->args = aligned_alloc(16, (l->args_bytes + 15) / 16 * 16);
	if (!node->args)
		return NO_MEMORY;
	memcpy(node->args, l->args, l->args_bytes);
	return 0;
}

/* What a real one may not have, or not so quick, so that our own kernel makes it: sides of 1, odd sides of 16-bit values, one row. Small
 * ones only: fibers are slow. */
static bool is_unusual(const struct device_product *p)
{
	bool unusual = p->m == 1 || p->k == 1 || p->n == 1 || (p->narrow && (p->k % 2 || p->n % 2));

	return unusual && (uint64_t)p->m * p->n < 256;
}

bool device_lacks_product(int code)
{
	return code == NO_ALGORITHM;
}

void device_measure(struct device *d, bool on)
{
	(void)d, (void)on; /* it has one algorithm */
}

int device_product(struct device *d, const struct device_product *p)
{
	if (is_unusual(p))
		return NO_ALGORITHM;
	if (!is_planned(d, p))
		return NEW_PLAN;
	if (!d->open)
		return multiply(d, p);
	struct node *node = add_node(d->open);

	if (node)
		node->product = *p;
	return node ? 0 : NO_MEMORY;
}

int device_capture(struct device *d)
{
	if (d->open)
		return CAPTURING;
	d->open = calloc(1, sizeof *d->open);
	if (!d->open)
		return NO_MEMORY;
	shim_record(keep_launch, d->open);
	return 0;
}

int device_capture_end(struct device *d, struct device_graph **out)
{
	*out = d->open;
	d->open = NULL;
	shim_record(NULL, NULL);
	counts.captures++;
	return *out ? 0 : NOT_CAPTURING;
}

int device_replay(struct device *d, struct device_graph *g)
{
	int code = d->open ? CAPTURING : 0;

	counts.replays++;
	for (uint32_t i = 0; i < g->n && code == 0; i++) {
		const struct node *node = &g->node[i];
		const struct shim_launch *l = &node->launch;

		code = l->kernel ? shim_launch(l->kernel, node->args, l->args_bytes, l->blocks, l->threads, l->shared_bytes)
				: multiply(d, &node->product);
	}
	return code;
}

void device_graph_give(struct device *d, struct device_graph *g)
{
	(void)d;
	for (uint32_t i = 0; g && i < g->n; i++)
		free(g->node[i].args);
	if (g)
		free(g->node);
	free(g);
}

uint64_t device_workspace_bytes(const struct device *d)
{
	(void)d;
	return 0;
}

int device_explain(const struct device *d, int code, const char *doing, struct errbuf *e)
{
	static const char *const why[] = { [NO_MEMORY] = "out of memory", [CAPTURING] = "not within a capture",
		[NOT_CAPTURING] = "nothing is captured", [NEW_PLAN] = "a product that never came before, within a capture", [NO_ALGORITHM] = "no algorithm" };

	(void)d;
	return fail(e, code == NO_MEMORY ? -ENOMEM : -EIO, "cuda-host: %s: %s", doing, why[code]);
}

void cuda_host_print_skipped(void)
{
	static const char *const what[] = { "products by cuBLASLt, and the choice of its algorithms", "streams, events, pinned memory and graphs",
		"the matrix units' own rounding (here: float, in order)", "ldmatrix, mma and cvt as nvcc compiles them (here: as PTX describes them)",
		"expf, erff, logf and sqrtf of the device", "races within a warp and between blocks", "what a failing or lost GPU answers" };

	for (size_t i = 0; i < sizeof what / sizeof *what; i++)
		printf("SKIP cuda-host: needs a GPU: %s\n", what[i]);
}
