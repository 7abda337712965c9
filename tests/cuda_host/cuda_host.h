/* cuda_host.h - what tests see of backend cuda-host beside its table. */
#ifndef DREAMVLA_TESTS_CUDA_HOST_CUDA_HOST_H
#define DREAMVLA_TESTS_CUDA_HOST_CUDA_HOST_H

#include <stdint.h>

/* What the device has done so far in this process. */
struct cuda_host_counts {
	uint32_t takes;             /* of memory, pinned or not */
	uint32_t plans;             /* products of a shape that had not come before */
	uint32_t captures, replays; /* of graphs */
};

const struct cuda_host_counts *cuda_host_counts(void);

/* How many of its kernels nobody has launched in this process; prints their names. */
uint32_t cuda_host_kernels_left(void);

/* What only a GPU can show, one line each. */
void cuda_host_print_skipped(void);

#endif
