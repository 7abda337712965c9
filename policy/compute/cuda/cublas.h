/* cublas.h - matrix products by cuBLASLt, which is loaded when a GPU is first asked for: programs start without it, and where no GPU is they
 * never need it (it is several hundred megabytes). For device.c alone. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_CUBLAS_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_CUBLAS_H

#include "policy/compute/cuda/device.h"

struct cublas;

/* A cuBLASLt on the current device with `workspace_bytes` of its memory at `workspace`. -ENOTSUP: the library is not there (the text says
 * which); -EIO. Allocates: yes. Blocks: seconds. */
MUST_CHECK int cublas_open(struct cublas **out, void *workspace, uint64_t workspace_bytes, struct errbuf *e);
void cublas_close(struct cublas *b); /* accepts NULL */

/* device_product. 0, or a status of the library. Allocates: when a shape comes for the first time. */
int cublas_product(struct cublas *b, void *stream, const struct device_product *p);

/* A status in words, short. */
const char *cublas_status_text(int status);

/* Whether the status means that the GPU failed. */
bool cublas_lost_device(int status);

#endif
