/* cublas.h - matrix products by cuBLASLt, which is loaded when a GPU is first asked for: programs start without it, and where no GPU is they
 * never need it (it is several hundred megabytes). For device.c alone. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_CUBLAS_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_CUBLAS_H

#include "policy/compute/cuda/device.h"

struct cublas;

/* Measures what is put into the stream between start and stop; 0, or any other number: the device failed. start clears the GPU's cache first; done:
 * no more is measured for now. */
struct cublas_clock {
	int (*start)(void *context);
	int (*stop)(void *context, float *elapsed_ms);
	void (*done)(void *context);
	void *context;
};

/* A cuBLASLt on the current device with `workspace_bytes` of its memory at `workspace`. -ENOTSUP: the library is not there (the text says
 * which); -EIO. Allocates: yes. Blocks: seconds. */
MUST_CHECK int cublas_open(struct cublas **out, void *workspace, uint64_t workspace_bytes, const struct cublas_clock *clock, struct errbuf *e);
void cublas_close(struct cublas *b); /* accepts NULL */

/* device_product. 0, or a status of the library. Allocates: when a shape comes for the first time. Blocks: then, too, and where `measure` says so for
 * some milliseconds: every algorithm that the library proposes is tried with a cold cache, and the quickest is kept, so that another start may keep another, whose sums are in
 * another order; one that fails while the GPU goes on is passed over.
 * For one row kernel_product is tried too. A product that adds to what is there cannot be tried; it has the library's first choice. */
int cublas_product(struct cublas *b, void *stream, const struct device_product *p, bool measure);

/* A status in words, short. */
const char *cublas_status_text(int status);

/* Whether the status means that no memory was left on the GPU. */
bool cublas_lacks_memory(int status);

/* Whether the status means that the library cannot make a product of this shape, or not as quickly as kernel_product: nothing was started. */
bool cublas_lacks_algorithm(int status);

/* Whether the status means that the GPU failed. */
bool cublas_lost_device(int status);

#endif
