/* bench_products.h - the matrix products of an inference, noted while it runs, and repeated by the library alone: the floor of its time. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PRODUCTS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PRODUCTS_H

#include <stdint.h>

#include "daemon/sys/error.h"

enum { PRODUCTS_MAX = 4096 };

/* `count` products [m][k] x [k][n], one after the other. */
struct product { uint32_t m, n, k, count; };

struct products {
	struct product row[PRODUCTS_MAX];
	uint32_t n, lost;           /* lost: not noted for want of room */
};

/* For policy_options.multiplies; context: a struct products. Allocates: no. */
void products_note(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count);

/* Multiplications and additions together. */
double products_operations(const struct products *p);

/* Memory for repeating them: weights are float already, as no checkpoint has them. */
struct products_room { float *x, *w, *out; };
MUST_CHECK int products_room_init(struct products_room *r, const struct products *p, struct errbuf *e);
void products_room_finish(struct products_room *r); /* accepts a zeroed one */

/* All of them through dnnl_sgemm, which uses its own threads as it likes: threads, 0: one per processor. -EIO: the library refused. */
MUST_CHECK int products_repeat(const struct products *p, const struct products_room *r, uint32_t threads, struct errbuf *e);

#endif
