/* device.c - see device.h: the GPU, by the CUDA runtime and cuBLASLt. */
#include "policy/compute/cuda/device.h"

#include <cuda_runtime_api.h>
#include <errno.h>
#include <stdlib.h>

#include "policy/compute/cuda/cublas.h"

/* CUBLAS_CODES: codes from here on are statuses of cuBLASLt. CAPABILITY: 8.0 is the first with matrix units for bfloat16.
 * WORKSPACE_BYTES: what NVIDIA advises for Hopper. */
enum { CUBLAS_CODES = 1 << 16, CAPABILITY_MAJOR = 8, NAME_BYTES = 256 };
static const uint64_t WORKSPACE_BYTES = UINT64_C(32) << 20;

struct device {
	char name[NAME_BYTES];
	cudaStream_t stream;
	cudaEvent_t mark[DEVICE_MARKS];
	cudaEvent_t begin, end;     /* of what is measured, */
	void *cold;                 /* with the cache full of this: twice its size; NULL: not now */
	uint64_t cold_bytes;
	void *workspace;
	struct cublas *cublas;
	bool measures, captures;
};

/* Kernels are loaded when they are first needed, not all of a library's at once, which takes several hundred megabytes of the GPU. From 12.2 on
 * that is what CUDA does by itself (CUDA C++ Programming Guide, "Lazy Loading"). Before the first call of the runtime. */
static void load_lazily(void)
{
#if CUDART_VERSION < 12020
	(void)setenv("CUDA_MODULE_LOADING", "LAZY", 0);
#endif
}

/* -- which GPU ------------------------------------------------------------------------------------------------------------------- */

/* Why there is none: no driver, one too old for this version of CUDA, or no GPU that this process may see. */
static int refuse_machine(cudaError_t code, struct errbuf *e)
{
	int version = 0;

	if (code == cudaErrorNoDevice)
		return fail(e, -ENOTSUP, "cuda backend: no GPU is visible: 'nvidia-smi -L' lists those of this machine, CUDA_VISIBLE_DEVICES may "
				"hide them, and the user must be allowed to open /dev/nvidia*");
	(void)cudaDriverGetVersion(&version);
	if (!version)
		return fail(e, -ENOTSUP, "cuda backend: there is no NVIDIA driver (libcuda.so.1): install the Debian package nvidia-driver, or use "
				"backend cpu");
	if (code == cudaErrorInsufficientDriver)
		return fail(e, -ENOTSUP, "cuda backend: the NVIDIA driver is for CUDA %d.%d, this program was built with CUDA %d.%d: install a "
				"newer driver", version / 1000, version % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
	return fail(e, -ENOTSUP, "cuda backend: no GPU can be used: %s (%s)", cudaGetErrorString(code), cudaGetErrorName(code));
}

static int choose_device(struct device *d, struct errbuf *e)
{
	struct cudaDeviceProp properties;
	int count = 0;
	cudaError_t code = cudaGetDeviceCount(&count);

	if (code == cudaSuccess && count == 0)
		code = cudaErrorNoDevice;
	if (code == cudaSuccess)
		code = cudaSetDevice(0);
	if (code == cudaSuccess)
		code = cudaGetDeviceProperties(&properties, 0);
	if (code != cudaSuccess)
		return refuse_machine(code, e);
	for (size_t i = 0; i + 1 < NAME_BYTES && properties.name[i]; i++)
		d->name[i] = properties.name[i];
	d->cold_bytes = 2 * (uint64_t)properties.l2CacheSize;
	if (properties.major < CAPABILITY_MAJOR)
		return fail(e, -ENOTSUP, "cuda backend: %s has compute capability %d.%d, at least %d.0 is needed (A100, RTX 30 and later): use "
				"another GPU (CUDA_VISIBLE_DEVICES) or backend cpu", d->name, properties.major, properties.minor, CAPABILITY_MAJOR);
	return 0;
}

static int open_stream(struct device *d, struct errbuf *e)
{
	cudaError_t code = cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking);

	for (uint32_t i = 0; i < DEVICE_MARKS && code == cudaSuccess; i++)
		code = cudaEventCreateWithFlags(&d->mark[i], cudaEventDisableTiming);
	if (code == cudaSuccess)
		code = cudaEventCreate(&d->begin);
	if (code == cudaSuccess)
		code = cudaEventCreate(&d->end);
	if (code == cudaSuccess)
		code = cudaMalloc(&d->workspace, WORKSPACE_BYTES);
	return code == cudaSuccess ? 0 : device_explain(d, (int)code, "a stream and its working memory", e);
}

/* Its code, which the next kernel's launch is not to be taken for: kernels ask for the last one there was. */
static int told(cudaError_t code)
{
	if (code != cudaSuccess)
		(void)cudaGetLastError();
	return (int)code;
}

/* Where there is no room to clear the cache with, it stays warm: the choice is a worse one, no more. */
static int start_clock(void *context)
{
	struct device *d = context;
	cudaError_t code = cudaSuccess;

	if (!d->cold && told(cudaMalloc(&d->cold, d->cold_bytes)))
		d->cold = NULL;
	if (d->cold)
		code = cudaMemsetAsync(d->cold, 0, d->cold_bytes, d->stream);
	return told(code == cudaSuccess ? cudaEventRecord(d->begin, d->stream) : code);
}

/* What a product's failure has left behind is cleared: whether the device still runs is what waiting says. */
static int stop_clock(void *context, float *elapsed_ms)
{
	const struct device *d = context;

	(void)cudaGetLastError();
	cudaError_t code = cudaEventRecord(d->end, d->stream);

	if (code == cudaSuccess)
		code = cudaEventSynchronize(d->end);
	return told(code == cudaSuccess ? cudaEventElapsedTime(elapsed_ms, d->begin, d->end) : code);
}

static void done_with_clock(void *context)
{
	struct device *d = context;

	(void)cudaFree(d->cold);
	d->cold = NULL;
}

int device_open(struct device **out, struct errbuf *e)
{
	struct device *d = calloc(1, sizeof *d);
	const struct cublas_clock clock = { start_clock, stop_clock, done_with_clock, d };
	int rc;

	if (!d)
		return fail(e, -ENOMEM, "cuda backend: out of memory");
	load_lazily();
	if ((rc = choose_device(d, e)) < 0 || (rc = open_stream(d, e)) < 0
			|| (rc = cublas_open(&d->cublas, d->workspace, WORKSPACE_BYTES, &clock, e)) < 0) {
		device_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void device_close(struct device *d)
{
	if (!d)
		return;
	if (d->stream)
		(void)cudaStreamSynchronize(d->stream);
	cublas_close(d->cublas);
	(void)cudaFree(d->workspace);
	(void)cudaFree(d->cold);
	for (uint32_t i = 0; i < DEVICE_MARKS; i++)
		if (d->mark[i])
			(void)cudaEventDestroy(d->mark[i]);
	if (d->begin)
		(void)cudaEventDestroy(d->begin);
	if (d->end)
		(void)cudaEventDestroy(d->end);
	if (d->stream)
		(void)cudaStreamDestroy(d->stream);
	free(d);
}

const char *device_name(const struct device *d)
{
	return d->name;
}

void *device_stream(const struct device *d)
{
	return d->stream;
}

/* -- memory and transfers -------------------------------------------------------------------------------------------------------- */

int device_memory(struct device *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
	size_t available = 0, total = 0;
	cudaError_t code = cudaMemGetInfo(&available, &total);

	(void)d;
	*free_bytes = available;
	*total_bytes = total;
	return told(code);
}

int device_take(struct device *d, uint64_t bytes, void **out)
{
	(void)d;
	return told(cudaMalloc(out, bytes));
}

void device_give(struct device *d, void *memory)
{
	(void)cudaStreamSynchronize(d->stream);
	(void)cudaFree(memory);
}

int device_take_pinned(struct device *d, uint64_t bytes, void **out)
{
	(void)d;
	return told(cudaHostAlloc(out, bytes, cudaHostAllocDefault));
}

void device_give_pinned(struct device *d, void *memory)
{
	(void)cudaStreamSynchronize(d->stream);
	if (memory)
		(void)cudaFreeHost(memory);
}

int device_send(struct device *d, void *to, const void *host, uint64_t bytes)
{
	return told(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, d->stream));
}

int device_fetch(struct device *d, void *host, const void *from, uint64_t bytes)
{
	return told(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, d->stream));
}

int device_mark(struct device *d, uint32_t number)
{
	return told(cudaEventRecord(d->mark[number], d->stream));
}

int device_reach(struct device *d, uint32_t number)
{
	return told(cudaEventSynchronize(d->mark[number]));
}

int device_wait(struct device *d)
{
	return told(cudaStreamSynchronize(d->stream));
}

int device_product(struct device *d, const struct device_product *p)
{
	int status = cublas_product(d->cublas, d->stream, p, d->measures && !d->captures);

	if (status)
		(void)cudaGetLastError(); /* the next kernel's launch is not to be taken for it */
	return status ? CUBLAS_CODES + status : 0;
}

bool device_lacks_product(int code)
{
	return code >= CUBLAS_CODES && cublas_lacks_algorithm(code - CUBLAS_CODES);
}

void device_measure(struct device *d, bool on)
{
	d->measures = on;
}

uint64_t device_workspace_bytes(const struct device *d)
{
	(void)d;
	return WORKSPACE_BYTES;
}

/* -- graphs ----------------------------------------------------------------------------------------------------------------------- */

/* The graph itself is of no use once it is executable. */
struct device_graph {
	cudaGraphExec_t executable;
};

int device_capture(struct device *d)
{
	int code = told(cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal));

	d->captures = code == 0;
	return code;
}

/* cudaGraphInstantiateWithFlags has the same arguments in CUDA 11.4 to 13; cudaGraphInstantiate has not. */
static cudaError_t make_executable(cudaGraph_t graph, struct device_graph **out)
{
	struct device_graph *g = calloc(1, sizeof *g);
	cudaError_t code = g ? cudaGraphInstantiateWithFlags(&g->executable, graph, 0) : cudaErrorMemoryAllocation;

	if (code == cudaSuccess)
		*out = g;
	else
		free(g);
	return code;
}

int device_capture_end(struct device *d, struct device_graph **out)
{
	cudaGraph_t graph = NULL;
	cudaError_t code = cudaStreamEndCapture(d->stream, &graph);

	d->captures = false;
	*out = NULL;
	if (code == cudaSuccess && !graph)
		code = cudaErrorStreamCaptureInvalidated;
	if (code == cudaSuccess)
		code = make_executable(graph, out);
	if (graph)
		(void)cudaGraphDestroy(graph);
	return told(code);
}

int device_replay(struct device *d, struct device_graph *g)
{
	return told(cudaGraphLaunch(g->executable, d->stream));
}

void device_graph_give(struct device *d, struct device_graph *g)
{
	if (!g)
		return;
	(void)cudaStreamSynchronize(d->stream);
	(void)cudaGraphExecDestroy(g->executable);
	free(g);
}

/* -- failures -------------------------------------------------------------------------------------------------------------------- */

/* After these every call of the process fails: CUDA's documentation says so of each. Older headers than 12.8's lack the last two:
 * cudaErrorContained, cudaErrorTensorMemoryLeak. */
static bool loses_device(cudaError_t code)
{
	static const cudaError_t fatal[] = { cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorLaunchTimeout, cudaErrorECCUncorrectable,
		cudaErrorNvlinkUncorrectable, cudaErrorHardwareStackError, cudaErrorIllegalInstruction, cudaErrorMisalignedAddress,
		cudaErrorInvalidAddressSpace, cudaErrorInvalidPc, cudaErrorAssert, cudaErrorDevicesUnavailable, cudaErrorUnknown,
		cudaErrorMpsClientTerminated, cudaErrorExternalDevice, (cudaError_t)226, (cudaError_t)721 };

	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		if (fatal[i] == code)
			return true;
	return false;
}

int device_explain(const struct device *d, int code, const char *doing, struct errbuf *e)
{
	cudaError_t error = (cudaError_t)code;

	if (code >= CUBLAS_CODES && cublas_lost_device(code - CUBLAS_CODES))
		return fail(e, -ENODEV, "cuda backend: %s: %s: cuBLASLt: %s: the GPU is lost to this process, which has to be started anew; the "
				"kernel's log (Xid) and 'nvidia-smi -q' say more", d->name, doing, cublas_status_text(code - CUBLAS_CODES));
	if (code >= CUBLAS_CODES)
		return fail(e, cublas_lacks_memory(code - CUBLAS_CODES) ? -ENOMEM : -EIO, "cuda backend: %s: %s: cuBLASLt: %s", d->name, doing, cublas_status_text(code - CUBLAS_CODES));
	if (error == cudaErrorMemoryAllocation)
		return fail(e, -ENOMEM, "cuda backend: %s: %s: no memory is left on the GPU, or none that can be pinned on this machine; end what "
				"else runs there ('nvidia-smi' lists it)", d->name, doing);
	if (loses_device(error))
		return fail(e, -ENODEV, "cuda backend: %s: %s: %s (%s): the GPU is lost to this process, which has to be started anew; the "
				"kernel's log (Xid) and 'nvidia-smi -q' say more", d->name, doing, cudaGetErrorString(error), cudaGetErrorName(error));
	return fail(e, -EIO, "cuda backend: %s: %s: %s (%s)", d->name, doing, cudaGetErrorString(error), cudaGetErrorName(error));
}
