/* cublas.c - see cublas.h. cuBLASLt counts by columns: our row-major out [m][n] is its column-major [n][m], W its left operand, turned. */
#include "policy/compute/cuda/cublas.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/log.h"
#include "policy/compute/cuda/kernels.h"

#define TEXT(x) #x
#define VALUE_TEXT(x) TEXT(x)
#define LIBRARY "libcublasLt.so." VALUE_TEXT(CUBLAS_VER_MAJOR)

#define FUNCTIONS(f) \
	f(cublasLtCreate) f(cublasLtDestroy) f(cublasLtMatmul) f(cublasLtMatmulAlgoGetHeuristic) \
	f(cublasLtMatmulDescCreate) f(cublasLtMatmulDescDestroy) f(cublasLtMatmulDescSetAttribute) \
	f(cublasLtMatrixLayoutCreate) f(cublasLtMatrixLayoutDestroy) \
	f(cublasLtMatmulPreferenceCreate) f(cublasLtMatmulPreferenceDestroy) f(cublasLtMatmulPreferenceSetAttribute)

/* PLANS_MAX: different shapes of products; a network has four for each length of a sequence, and about thirty more. */
enum { PLANS_MAX = 2048 };

/* Algorithms to try for a shape; runs of each that are timed, behind one that is not. */
enum { CANDIDATES = 16, RUNS = 4, ALIGN_MAX = 256 };

/* What a plan depends on. Alignments in bytes, ALIGN_MAX at most, which is what the library takes for granted where it is not told.
 * Zeroed before it is filled, for it is compared as bytes. */
struct key {
	uint32_t m, n, k, x_stride, out_stride, x_align, w_align, out_align;
	bool narrow, narrow_out, add, bias;
};

struct plan {
	struct key key;
	cublasLtMatmulDesc_t product;
	cublasLtMatrixLayout_t w, x, out;
	cublasLtMatmulAlgo_t algorithm;
	bool ours;                  /* kernel_product makes it: the library has none, or none so quick */
};

/* A product that is asked for. */
struct request {
	void *stream;
	const struct device_product *product;
	bool measure;
};

struct cublas {
	void *library;
#define MEMBER(name) __typeof__(&name) name;
	FUNCTIONS(MEMBER)
#undef MEMBER
	cublasLtHandle_t handle;
	void *workspace;
	uint64_t workspace_bytes;
	struct cublas_clock clock;
	struct plan plan[PLANS_MAX];
	uint32_t n_plans;
};

static bool find_function(struct cublas *b, const char *name, void *out)
{
	void *function = dlsym(b->library, name);

	memcpy(out, &function, sizeof function);
	return function;
}

static int load(struct cublas *b, struct errbuf *e)
{
	b->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!b->library)
		return fail(e, -ENOTSUP, "cuda backend: %s cannot be loaded (%s): install the cuBLAS library of CUDA %d, or name its folder in "
				"LD_LIBRARY_PATH", LIBRARY, dlerror(), CUBLAS_VER_MAJOR);
#define FIND(name) \
	if (!find_function(b, #name, &b->name)) \
		return fail(e, -ENOTSUP, "cuda backend: %s has no function %s: it is of another version; install that of CUDA %d", LIBRARY, \
				#name, CUBLAS_VER_MAJOR);
	FUNCTIONS(FIND)
#undef FIND
	return 0;
}

int cublas_open(struct cublas **out, void *workspace, uint64_t workspace_bytes, const struct cublas_clock *clock, struct errbuf *e)
{
	struct cublas *b = calloc(1, sizeof *b);
	int rc;

	if (!b)
		return fail(e, -ENOMEM, "cuda backend: out of memory");
	b->workspace = workspace;
	b->workspace_bytes = workspace_bytes;
	b->clock = *clock;
	if ((rc = load(b, e)) == 0) {
		int status = (int)b->cublasLtCreate(&b->handle);

		rc = status ? fail(e, -EIO, "cuda backend: %s: %s", LIBRARY, cublas_status_text(status)) : 0;
	}
	if (rc < 0) {
		cublas_close(b);
		return rc;
	}
	*out = b;
	return 0;
}

static void drop_plan(struct cublas *b, struct plan *p)
{
	if (p->product)
		b->cublasLtMatmulDescDestroy(p->product);
	if (p->w)
		b->cublasLtMatrixLayoutDestroy(p->w);
	if (p->x)
		b->cublasLtMatrixLayoutDestroy(p->x);
	if (p->out)
		b->cublasLtMatrixLayoutDestroy(p->out);
	*p = (struct plan){ 0 };
}

/* The library stays loaded: unloading it while the driver may still know of its kernels gains nothing. */
void cublas_close(struct cublas *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->n_plans; i++)
		drop_plan(b, &b->plan[i]);
	if (b->handle)
		b->cublasLtDestroy(b->handle);
	free(b);
}

/* -- plans ----------------------------------------------------------------------------------------------------------------------- */

static uint32_t alignment_of(const void *at)
{
	uintptr_t lowest = (uintptr_t)at & -(uintptr_t)at;

	return lowest && lowest < ALIGN_MAX ? (uint32_t)lowest : ALIGN_MAX;
}

static struct key key_of(const struct device_product *p)
{
	struct key k;

	memset(&k, 0, sizeof k);
	k.m = p->m;
	k.n = p->n;
	k.k = p->k;
	k.x_stride = p->x_stride;
	k.out_stride = p->out_stride;
	k.x_align = alignment_of(p->x);
	k.w_align = alignment_of(p->w);
	k.out_align = alignment_of(p->out);
	k.narrow = p->narrow;
	k.narrow_out = p->narrow_out;
	k.add = p->add;
	k.bias = p->bias != NULL;
	return k;
}

static cudaDataType_t type_of(bool narrow)
{
	return narrow ? CUDA_R_16BF : CUDA_R_32F;
}

static int set_bias(struct cublas *b, struct plan *p, const void *bias)
{
	return bias ? (int)b->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) : 0;
}

/* Descriptions of the product and its operands. The bias belongs to them: the choice of an algorithm may look at where it lies. */
static int describe(struct cublas *b, struct plan *p, const void *bias)
{
	const struct key *k = &p->key;
	cublasOperation_t turned = CUBLAS_OP_T;
	cublasLtEpilogue_t epilogue = k->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
	int status;

	if ((status = (int)b->cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32F, CUDA_R_32F)) != 0
			|| (status = (int)b->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned)) != 0
			|| (status = (int)b->cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
					sizeof epilogue)) != 0
			|| (status = set_bias(b, p, bias)) != 0
			|| (status = (int)b->cublasLtMatrixLayoutCreate(&p->w, type_of(k->narrow), k->k, k->n, k->k)) != 0
			|| (status = (int)b->cublasLtMatrixLayoutCreate(&p->x, type_of(k->narrow), k->k, k->m, k->x_stride)) != 0)
		return status;
	return (int)b->cublasLtMatrixLayoutCreate(&p->out, type_of(k->narrow_out), k->n, k->m, k->out_stride);
}

/* Parts of a sum that is split may be kept as float only: the result is rounded once. */
static int prefer(struct cublas *b, const struct key *k, cublasLtMatmulPreference_t preference)
{
	const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	const uint64_t workspace = b->workspace_bytes;
	const struct {
		cublasLtMatmulPreferenceAttributes_t attribute;
		const void *value;
		size_t bytes;
	} wish[] = { { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace },
		{ CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &k->w_align, sizeof k->w_align },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &k->x_align, sizeof k->x_align },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &k->out_align, sizeof k->out_align },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &k->out_align, sizeof k->out_align } };
	int status = 0;

	for (size_t i = 0; i < sizeof wish / sizeof *wish && status == 0; i++)
		status = (int)b->cublasLtMatmulPreferenceSetAttribute(preference, wish[i].attribute, wish[i].value, wish[i].bytes);
	return status;
}

static int ask_library(struct cublas *b, struct plan *p, cublasLtMatmulHeuristicResult_t found[CANDIDATES], int *n)
{
	cublasLtMatmulPreference_t preference = NULL;
	int status = (int)b->cublasLtMatmulPreferenceCreate(&preference);

	if (status)
		return status;
	status = prefer(b, &p->key, preference);
	if (status == 0)
		status = (int)b->cublasLtMatmulAlgoGetHeuristic(b->handle, p->product, p->w, p->x, p->out, p->out, preference, CANDIDATES, found, n);
	b->cublasLtMatmulPreferenceDestroy(preference);
	return status == 0 && *n == 0 ? (int)CUBLAS_STATUS_NOT_SUPPORTED : status;
}

/* algorithm NULL: our kernel. */
static int run(struct cublas *b, const struct request *r, const struct plan *plan, const cublasLtMatmulAlgo_t *algorithm)
{
	const struct device_product *p = r->product;
	const float one = 1.0f, kept = p->add ? 1.0f : 0.0f;

	if (!algorithm)
		return kernel_product(r->stream, p) ? (int)CUBLAS_STATUS_EXECUTION_FAILED : 0;
	return (int)b->cublasLtMatmul(b->handle, plan->product, &one, p->w, plan->w, p->x, plan->x, &kept, p->out, plan->out, p->out, plan->out,
			algorithm, b->workspace, b->workspace_bytes, (cudaStream_t)r->stream);
}

/* Of RUNS runs behind one that is not counted, each with cold caches, for in a chunk other weights come between; infinite where the
 * algorithm does not take this product after all, and *refusal why. Not 0: the device failed. */
static int measure(struct cublas *b, const struct request *r, const struct plan *plan, const cublasLtMatmulAlgo_t *algorithm, float *elapsed_ms,
		int *refusal)
{
	float sum_ms = 0;

	*elapsed_ms = INFINITY;
	for (int i = 0; i < 1 + RUNS; i++) {
		float one_ms = 0;

		if (b->clock.start(b->clock.context))
			return (int)CUBLAS_STATUS_EXECUTION_FAILED;
		int status = run(b, r, plan, algorithm);

		if (b->clock.stop(b->clock.context, &one_ms))
			return (int)CUBLAS_STATUS_EXECUTION_FAILED;
		*refusal = status;
		if (status)
			return 0;
		sum_ms += i ? one_ms : 0;
	}
	*elapsed_ms = sum_ms;
	return 0;
}

static bool is_usable(const struct cublas *b, const cublasLtMatmulHeuristicResult_t *found)
{
	return found->state == CUBLAS_STATUS_SUCCESS && found->workspaceSize <= b->workspace_bytes;
}

/* The library's best guess comes first. */
static int take_first(const struct cublas *b, struct plan *p, const cublasLtMatmulHeuristicResult_t *found, int n)
{
	for (int i = 0; i < n; i++) {
		if (is_usable(b, &found[i])) {
			p->algorithm = found[i].algo;
			return 0;
		}
	}
	return (int)CUBLAS_STATUS_NOT_SUPPORTED;
}

/* What is said when none works: that the library cannot, if that is all they say. The GPU went on, so no failed execution was its end. */
static int worse_of(int why, int refusal)
{
	if (refusal == 0 || refusal == CUBLAS_STATUS_NOT_SUPPORTED)
		return why;
	return refusal == CUBLAS_STATUS_EXECUTION_FAILED ? (int)CUBLAS_STATUS_INTERNAL_ERROR : refusal;
}

/* One row uses each weight once: memory sets the time, and the library's kernels, made for tiles, may not come near it. */
static int try_ours(struct cublas *b, const struct request *r, struct plan *p, float least_ms)
{
	float elapsed_ms = INFINITY;
	int refusal = 0, status = p->key.m == 1 ? measure(b, r, p, NULL, &elapsed_ms, &refusal) : 0;

	p->ours = elapsed_ms < least_ms;
	return status;
}

/* The result of each try lands where the product's belongs, and is the same but for rounding. */
static int try_all(struct cublas *b, const struct request *r, struct plan *p, const cublasLtMatmulHeuristicResult_t *found, int n)
{
	float least_ms = INFINITY, elapsed_ms;
	int why = (int)CUBLAS_STATUS_NOT_SUPPORTED, refusal = 0;

	for (int i = 0; i < n; i++) {
		if (!is_usable(b, &found[i]))
			continue;
		int status = measure(b, r, p, &found[i].algo, &elapsed_ms, &refusal);

		if (status)
			return status;
		why = worse_of(why, refusal);
		if (elapsed_ms < least_ms) {
			least_ms = elapsed_ms;
			p->algorithm = found[i].algo;
		}
	}
	return isinf(least_ms) ? why : try_ours(b, r, p, least_ms);
}

static int choose_algorithm(struct cublas *b, const struct request *r, struct plan *p)
{
	cublasLtMatmulHeuristicResult_t found[CANDIDATES];
	int n = 0, status = ask_library(b, p, found, &n);

	if (status)
		return status;
	if ((n == 1 && p->key.m > 1) || p->key.add || !r->measure)
		return take_first(b, p, found, n);
	status = try_all(b, r, p, found, n);
	b->clock.done(b->clock.context);
	return status;
}

/* Told once for each shape, when the plan is made: a large product of this kind would be a silent loss of speed. One row is none. */
static void tell_of_missing(const struct key *k)
{
	if (k->m == 1)
		return;
	log_line(LOG_LEVEL_WARNING, "cuda backend: cuBLASLt has no algorithm for a product [%u][%u] x [%u][%u]: a plain kernel makes it, which is slow where "
			"it is large", k->m, k->k, k->n, k->k);
}

/* Who makes it is remembered: the library is asked once. Those that no network asks for (tests) fill the table: then all are
 * dropped and it begins anew. */
static int make_plan(struct cublas *b, const struct request *r, const struct key *key, struct plan **out)
{
	if (b->n_plans == PLANS_MAX)
		while (b->n_plans)
			drop_plan(b, &b->plan[--b->n_plans]);
	struct plan *p = &b->plan[b->n_plans];

	p->key = *key;
	int status = describe(b, p, r->product->bias);

	if (status == 0)
		status = choose_algorithm(b, r, p);
	if (status && !cublas_lacks_algorithm(status)) {
		drop_plan(b, p);
		return status;
	}
	if (status)
		tell_of_missing(key);
	p->ours = p->ours || status;
	b->n_plans++;
	*out = p;
	return 0;
}

static int find_plan(struct cublas *b, const struct request *r, struct plan **out)
{
	struct key key = key_of(r->product);

	for (uint32_t i = 0; i < b->n_plans; i++) {
		if (memcmp(&b->plan[i].key, &key, sizeof key) == 0) {
			*out = &b->plan[i];
			return 0;
		}
	}
	return make_plan(b, r, &key, out);
}

int cublas_product(struct cublas *b, void *stream, const struct device_product *p, bool measure)
{
	const struct request r = { stream, p, measure };
	struct plan *plan = NULL;
	int status = find_plan(b, &r, &plan);

	if (status == 0 && plan->ours)
		return (int)CUBLAS_STATUS_NOT_SUPPORTED;
	if (status == 0)
		status = set_bias(b, plan, p->bias);
	if (status == 0)
		status = run(b, &r, plan, &plan->algorithm);
	if (plan && cublas_lacks_algorithm(status)) { /* its choice was not tried before */
		plan->ours = true;
		tell_of_missing(&plan->key);
	}
	return status;
}

const char *cublas_status_text(int status)
{
	switch (status) {
	case CUBLAS_STATUS_NOT_INITIALIZED:
		return "not initialised: the GPU or its driver refuses";
	case CUBLAS_STATUS_ALLOC_FAILED:
		return "out of memory";
	case CUBLAS_STATUS_INVALID_VALUE:
		return "an operand that it does not take";
	case CUBLAS_STATUS_ARCH_MISMATCH:
		return "the GPU is too old for it";
	case CUBLAS_STATUS_EXECUTION_FAILED:
		return "the GPU failed in a product";
	case CUBLAS_STATUS_NOT_SUPPORTED:
		return "no algorithm for a product of this shape";
	default:
		return "an internal error";
	}
}

bool cublas_lacks_memory(int status)
{
	return status == CUBLAS_STATUS_ALLOC_FAILED;
}

bool cublas_lacks_algorithm(int status)
{
	return status == CUBLAS_STATUS_NOT_SUPPORTED;
}

bool cublas_lost_device(int status)
{
	return status == CUBLAS_STATUS_EXECUTION_FAILED;
}
