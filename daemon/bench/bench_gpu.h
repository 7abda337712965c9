/* bench_gpu.h - `dreamvla-bench gpu`: a chunk of Dream-VLA-7B with random weights on the GPU, every way to decode it beside an
 * autoregressive decoder on the same weights, against floors from what the machine itself can do.
 *
 * Timed is from patches in host memory to actions (or tokens) in host memory: vision encoder, decoder and head. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_GPU_H
#define DREAMVLA_DAEMON_BENCH_BENCH_GPU_H

#include <stdio.h>

#include "daemon/bench/bench_checkpoint.h"
#include "daemon/bench/bench_demo.h"

enum { GPU_ROWS_MAX = 32 };

struct gpu_options {
	const struct bench_shape *shape;
	const char *backend;
	const char *torch;          /* Python with torch and transformers; NULL: leave that out */
	double seconds;             /* for each row */
};

struct gpu_row {
	char name[48];
	uint32_t pictures, rounds;
	bool torch;                 /* PyTorch's: no floor, no launches */
	double median_s, p99_s, floor_s;
	double operations, bytes;   /* of a chunk, by bench_shape.h */
	double announced;           /* operations that the backend said it did */
	uint64_t launches;          /* kernels and products of a chunk; 0: not counted */
	uint64_t memory_bytes;      /* weights and buffers */
};

struct gpu_result {
	double operations_s, bytes_s; /* ceilings: a large product, a large copy (read and written bytes together) */
	struct gpu_row row[GPU_ROWS_MAX];
	uint32_t n;
};

/* -EINVAL: no such backend; -ENOTSUP: no GPU; others as policy_create. Progress goes to standard error. Allocates: yes. Blocks: yes. */
MUST_CHECK int gpu_measure(const struct gpu_options *o, struct gpu_result *out, struct errbuf *e);
void gpu_print(const struct gpu_options *o, const struct gpu_result *r, bool json, FILE *out);

/* Backend cuda, shape 7b. Exit status 1: something could not be measured. Thread: main. */
int bench_gpu(const struct bench_options *o);

/* -- parts ------------------------------------------------------------------------------------------------------------------------ */

/* bench_gpu_ceilings.c: what the backend does in a second at best. */
MUST_CHECK int gpu_measure_ceilings(const struct gpu_options *o, struct bench_checkpoint *c, struct gpu_result *out, struct errbuf *e);

/* bench_gpu_causal.c: one row, whose name, pictures and floor are set already. */
MUST_CHECK int gpu_measure_causal(const struct gpu_options *o, struct bench_checkpoint *c, struct gpu_row *row, struct errbuf *e);

/* bench_gpu_torch.c: runs torch_reference.py, which adds its rows. */
MUST_CHECK int gpu_measure_torch(const struct gpu_options *o, const struct bench_checkpoint *c, struct gpu_result *out, struct errbuf *e);

/* Until o->seconds have passed, five times at least: once(context, &seconds, e). Fills median_s, p99_s, rounds. */
MUST_CHECK int gpu_repeat(const struct gpu_options *o, struct gpu_row *row, int (*once)(void *context, double *seconds, struct errbuf *e),
		void *context, struct errbuf *e);

/* bench_gpu_profiler.c: a profiler that was told to look at ranges only (nsys --capture-range=cudaProfilerApi, ncu --profile-from-start off) looks
 * from on to off: at a row's rounds, not at loading, warm-up and the choosing of algorithms. Allocates: no. Blocks: no. */
void gpu_show_profiler(bool on);

/* For compute_options.multiplies: adds to the double behind context. */
void gpu_count_operations(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count);

#endif
