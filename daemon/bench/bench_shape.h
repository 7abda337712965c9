/* bench_shape.h - the shape of a model, and from it alone: how many operations a chunk takes, and how many bytes of weights it reads.
 *
 * Counted is what the network asks for, whatever a backend makes of it: multiplications and additions of all matrix products, attention's
 * included; weights once for each time that a product, norm or bias goes through them, and what an autoregressive step reads of its
 * cache. Not counted: activations, norms' and activation functions' arithmetic, single rows of the embedding table. Pure. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_SHAPE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_SHAPE_H

#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/manifest.h"

struct bench_shape {
	const char *name;
	struct manifest_decoder decoder; /* sizes only; tokens as bench_checkpoint.c writes them */
	struct manifest_vision vision;
	uint32_t picture_side;           /* pixels; a multiple of patch * merge */
	uint32_t text;                   /* tokens of prompt and template with two pictures, but for those that stand for pictures */
	uint32_t chunk, dim;             /* actions, and values of each */
	uint32_t ceiling_side;           /* of the square product that a backend's arithmetic is measured with */
	uint64_t ceiling_bytes;          /* of the copy that its memory is measured with */
};

/* Dream-VLA-7B, in order "7b"; and a shape that any machine computes in no time, "tiny". NULL with the list of them in e. */
const struct bench_shape *bench_shape_find(const char *name, struct errbuf *e);

enum bench_kind { BENCH_TOKENS, BENCH_REGRESSED, BENCH_FROM_NOISE, BENCH_AUTOREGRESSIVE };

struct bench_variant {
	const char *name, *decoder;      /* of heads.def; NULL: autoregressive */
	enum bench_kind kind;
	uint32_t pictures, steps;
	bool suffix_logits;              /* logits are made behind the actions, too */
	bool actions_only;               /* logits of action tokens only */
};

/* What is done `times` times over, one after the other. */
struct bench_work {
	const char *name;
	double operations, bytes;        /* each time */
	uint32_t times;
};

enum { BENCH_WORK_MAX = 128 };

/* Returns how many entries of out it has filled. */
uint32_t bench_shape_work(const struct bench_shape *s, const struct bench_variant *v, struct bench_work out[BENCH_WORK_MAX]);

/* Weights of the network without any head, values. */
uint64_t bench_shape_values(const struct bench_shape *s);

uint32_t bench_shape_patches(const struct bench_shape *s, uint32_t pictures);
uint32_t bench_shape_prefix(const struct bench_shape *s, uint32_t pictures); /* tokens before the actions, but for a timestep */

/* Tokens that follow the actions: the end of the turn, and a line feed. */
enum { BENCH_SUFFIX = 2 };

/* Seconds that the work takes at least at these ceilings: of each part, what takes longer, arithmetic or memory. */
double bench_work_floor_s(const struct bench_work *w, uint32_t n, double operations_s, double bytes_s);

#endif
