/* device.h - what the cuda backend asks of the device beside its own kernels: memory, transfers, matrix products.
 *
 * device.c is the GPU: the CUDA runtime and cuBLASLt. Tests have another one, the host (tests/cuda_host/device.c), so that all else of the
 * backend runs in them. Everything goes into one stream, in order. Functions that return a code give 0, or what device_explain turns
 * into an errno and words; codes of kernels.h are among them. Thread: the policy's. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_DEVICE_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

struct device;

/* The first GPU that the process may use (CUDA_VISIBLE_DEVICES chooses), a stream and a cuBLASLt on it. -ENOTSUP: no driver, no GPU, one too
 * old, no cuBLASLt; -ENOMEM; -EIO. The text says which, and what to install. Allocates: yes. Blocks: seconds. */
MUST_CHECK int device_open(struct device **out, struct errbuf *e);
void device_close(struct device *d); /* accepts NULL; waits for what runs */

const char *device_name(const struct device *d);
void *device_stream(const struct device *d);

/* Bytes that can be taken now, and that there are. */
MUST_CHECK int device_memory(struct device *d, uint64_t *free_bytes, uint64_t *total_bytes);

/* Memory of the device, and pinned memory of the host; at 256 bytes. give accepts NULL. Allocates: yes. Blocks: yes. */
MUST_CHECK int device_take(struct device *d, uint64_t bytes, void **out);
void device_give(struct device *d, void *memory);
MUST_CHECK int device_take_pinned(struct device *d, uint64_t bytes, void **out);
void device_give_pinned(struct device *d, void *memory);

/* Puts a transfer into the stream; `host` is pinned and stays as it is until the stream has come there. */
int device_send(struct device *d, void *to, const void *host, uint64_t bytes);
int device_fetch(struct device *d, void *host, const void *from, uint64_t bytes);

/* mark notes the stream's place under one of DEVICE_MARKS numbers; reach waits until the stream has come there (at once when nothing was
 * ever marked); wait waits for everything. */
enum { DEVICE_MARKS = 8 };
int device_mark(struct device *d, uint32_t number);
int device_reach(struct device *d, uint32_t number);
int device_wait(struct device *d);

/* out (+)= x W^T + bias, all in float before it is rounded to out's type. x, W and bias are bfloat16 (narrow) or float; out is float, or
 * what they are. Strides in values, rows of W without gaps. bias NULL: none; with one, out has x's type. */
struct device_product {
	uint32_t m, n, k;
	const void *x, *w, *bias;   /* [m][k], [n][k], [n] */
	void *out;                  /* [m][n] */
	uint32_t x_stride, out_stride;
	bool narrow, narrow_out, add;
};
int device_product(struct device *d, const struct device_product *p);

/* Whether device_product's code says that it has no algorithm for such a shape, or that kernel_product is quicker: nothing has been started, and
 * kernel_product is to make it. */
bool device_lacks_product(int code);

/* on: the algorithm of a product that comes for the first time, outside a capture, is chosen by measurement, which takes milliseconds; off, as at first: the
 * library's first choice. */
void device_measure(struct device *d, bool on);

/* What goes into the stream between capture and capture_end is not run but kept, with the arguments of each kernel and product as they are, and
 * run by replay. Transfers and waiting have no place there, nor has a product of a shape that never came before. capture_end ends the capture whatever
 * its result; *out is NULL where that is not 0. give accepts NULL. Allocates: yes, but for replay. */
struct device_graph;
MUST_CHECK int device_capture(struct device *d);
MUST_CHECK int device_capture_end(struct device *d, struct device_graph **out);
MUST_CHECK int device_replay(struct device *d, struct device_graph *g);
void device_graph_give(struct device *d, struct device_graph *g);

/* Bytes of working memory that the device has taken for products. */
uint64_t device_workspace_bytes(const struct device *d);

/* -errno, with what failed and what can be done in e. `doing`: the operation that met the code. -ENODEV: the device is lost to this process
 * and nothing will run any more; -ENOMEM; -EIO: anything else. Allocates: no. Blocks: no. */
MUST_CHECK int device_explain(const struct device *d, int code, const char *doing, struct errbuf *e);

#endif
