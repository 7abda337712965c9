/* bench_gpu_profiler.c - see bench_gpu.h. */
#include "daemon/bench/bench_gpu.h"

#ifdef HAVE_CUDA
#include <cuda_profiler_api.h>
#endif

/* Without a profiler, or without a GPU, nothing comes of it, and its code says no more than that. */
void gpu_show_profiler(bool on)
{
#ifdef HAVE_CUDA
	(void)(on ? cudaProfilerStart() : cudaProfilerStop());
#else
	(void)on;
#endif
}
