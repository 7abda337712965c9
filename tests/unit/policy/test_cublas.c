/* test_cublas.c - how the cuda backend chooses among the algorithms of cuBLASLt, over a library that only keeps books. Where no CUDA toolkit is
 * there are no headers to build it with, and it is skipped. */
#include "daemon/sys/error.h"

#ifdef HAVE_CUDA
#include <dlfcn.h>

static void *fake_open(const char *name, int flags);
static void *fake_find(void *library, const char *name);
#define dlopen fake_open
#define dlsym fake_find
#define kernel_product fake_kernel
#include "policy/compute/cuda/cublas.c"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* last: its macro fail() would hide ours */

#ifdef HAVE_CUDA

/* What the library proposes, and how each algorithm, named by data[0], does. */
static struct {
	int proposed, asked;        /* algorithms; by how many calls of the heuristic */
	float takes_ms[CANDIDATES]; /* a run */
	int status[CANDIDATES];     /* of a run */
	uint64_t needs_bytes[CANDIDATES];
	uint32_t runs, runs_of[CANDIDATES], last, objects;
	float now_ms, started_ms;
	int clock_code, lost_after; /* what the clock says; -1: nothing, or from that algorithm's first run on */
	uint32_t cleared;           /* caches, for what is being measured */
	uint32_t own_runs;          /* of our kernel; how it does, and what its launch says */
	float own_takes_ms;
	int own_code;
} library;

static cublasStatus_t make_object(void **out)
{
	*out = &library;
	library.objects++;
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t drop_object(void *object)
{
	assert_ptr_equal(object, &library);
	library.objects--;
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t fake_create(cublasLtHandle_t *out)
{
	return make_object((void **)out);
}

static cublasStatus_t fake_destroy(cublasLtHandle_t handle)
{
	return drop_object(handle);
}

static cublasStatus_t fake_product_create(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale)
{
	assert_true(compute == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F);
	return make_object((void **)out);
}

static cublasStatus_t fake_product_destroy(cublasLtMatmulDesc_t object)
{
	return drop_object(object);
}

static cublasStatus_t fake_product_set(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)
{
	(void)product, (void)attribute;
	assert_true(value && bytes);
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t fake_layout_create(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t columns, int64_t stride)
{
	(void)type;
	assert_true(rows && columns && stride >= (int64_t)rows);
	return make_object((void **)out);
}

static cublasStatus_t fake_layout_destroy(cublasLtMatrixLayout_t object)
{
	return drop_object(object);
}

static cublasStatus_t fake_preference_create(cublasLtMatmulPreference_t *out)
{
	return make_object((void **)out);
}

static cublasStatus_t fake_preference_destroy(cublasLtMatmulPreference_t object)
{
	return drop_object(object);
}

static cublasStatus_t fake_preference_set(cublasLtMatmulPreference_t object, cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
		size_t bytes)
{
	(void)object, (void)attribute;
	assert_true(value && bytes);
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t fake_heuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
		cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,
		cublasLtMatmulHeuristicResult_t *found, int *n)
{
	(void)handle, (void)product, (void)a, (void)b, (void)c, (void)d, (void)preference;
	library.asked++;
	*n = library.proposed < wanted ? library.proposed : wanted;
	for (int i = 0; i < *n; i++) {
		found[i] = (cublasLtMatmulHeuristicResult_t){ .state = CUBLAS_STATUS_SUCCESS, .workspaceSize = library.needs_bytes[i] };
		found[i].algo.data[0] = (uint64_t)i;
	}
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t fake_multiply(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void *alpha, const void *a,
		cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
		cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
		size_t workspace_bytes, cudaStream_t stream)
{
	(void)handle, (void)product, (void)alpha, (void)a, (void)a_layout, (void)b, (void)b_layout, (void)beta, (void)c_layout, (void)d_layout;
	(void)workspace, (void)workspace_bytes, (void)stream;
	assert_ptr_equal(c, d);
	library.last = (uint32_t)algorithm->data[0];
	library.runs++;
	library.runs_of[library.last]++;
	library.now_ms += library.takes_ms[library.last];
	return (cublasStatus_t)library.status[library.last];
}

int fake_kernel(void *stream, const struct device_product *p)
{
	(void)stream;
	assert_int_equal(p->m, 1);
	library.own_runs++;
	library.now_ms += library.own_takes_ms;
	return library.own_code;
}

static void *fake_open(const char *name, int flags)
{
	(void)name, (void)flags;
	return &library;
}

static void *fake_find(void *where, const char *name)
{
#define IS(real, fake) \
	if (strcmp(name, #real) == 0) { \
		__typeof__(&real) function = fake; \
		memcpy(&found, &function, sizeof found); \
	}
	void *found = NULL;

	(void)where;
	IS(cublasLtCreate, fake_create)
	IS(cublasLtDestroy, fake_destroy)
	IS(cublasLtMatmul, fake_multiply)
	IS(cublasLtMatmulAlgoGetHeuristic, fake_heuristic)
	IS(cublasLtMatmulDescCreate, fake_product_create)
	IS(cublasLtMatmulDescDestroy, fake_product_destroy)
	IS(cublasLtMatmulDescSetAttribute, fake_product_set)
	IS(cublasLtMatrixLayoutCreate, fake_layout_create)
	IS(cublasLtMatrixLayoutDestroy, fake_layout_destroy)
	IS(cublasLtMatmulPreferenceCreate, fake_preference_create)
	IS(cublasLtMatmulPreferenceDestroy, fake_preference_destroy)
	IS(cublasLtMatmulPreferenceSetAttribute, fake_preference_set)
#undef IS
	return found;
}

static int start(void *context)
{
	(void)context;
	library.started_ms = library.now_ms;
	library.cleared++;
	return 0;
}

static int stop(void *context, float *elapsed_ms)
{
	(void)context;
	*elapsed_ms = library.now_ms - library.started_ms;
	return library.lost_after >= 0 && library.runs_of[library.lost_after] ? 700 : library.clock_code;
}

static void done(void *context)
{
	(void)context;
	assert_true(library.cleared > 0);
	library.cleared = 0;
}

static struct cublas *open_library(int proposed)
{
	const struct cublas_clock clock = { start, stop, done, NULL };
	struct cublas *b = NULL;
	struct errbuf e;

	memset(&library, 0, sizeof library);
	library.proposed = proposed;
	library.lost_after = -1;
	for (int i = 0; i < CANDIDATES; i++)
		library.takes_ms[i] = 2.0f + (float)i;
	assert_int_equal(cublas_open(&b, &library, 1000, &clock, &e), 0);
	return b;
}

static void close_library(struct cublas *b)
{
	cublas_close(b);
	assert_int_equal(library.objects, 0);
}

static struct device_product product_of(uint32_t rows, bool add)
{
	static float x[64], w[64], out[64];

	return (struct device_product){ .m = rows, .n = 8, .k = 8, .x = x, .w = w, .out = out, .x_stride = 8, .out_stride = 8, .add = add };
}

static void the_quickest_is_kept_for_its_shape(void **state)
{
	struct cublas *b = open_library(CANDIDATES);
	struct device_product p = product_of(3, false), other = product_of(4, false);

	(void)state;
	library.takes_ms[11] = 1.0f;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 11);
	assert_int_equal(library.cleared, 0); /* and what that took is given back */
	assert_int_equal(library.runs, CANDIDATES * (1 + RUNS) + 1);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.runs, CANDIDATES * (1 + RUNS) + 4);
	assert_int_equal(library.asked, 1);
	library.takes_ms[5] = 0.5f;
	assert_int_equal(cublas_product(b, NULL, &other, true), 0);
	assert_int_equal(library.last, 5);
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 11);
	close_library(b);
}

static void what_fails_or_needs_too_much_is_not_kept(void **state)
{
	struct cublas *b = open_library(4);
	struct device_product p = product_of(3, false);

	(void)state;
	library.status[0] = CUBLAS_STATUS_NOT_SUPPORTED;
	library.takes_ms[0] = 0.1f;
	library.needs_bytes[3] = 1001;
	library.takes_ms[3] = 0.2f;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 1);
	assert_int_equal(library.runs_of[0], 1);
	assert_int_equal(library.runs_of[3], 0);
	close_library(b);
}

static void a_sum_onto_what_is_there_is_not_tried(void **state)
{
	struct cublas *b = open_library(4);
	struct device_product p = product_of(3, true);

	(void)state;
	library.takes_ms[2] = 0.1f;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.runs, 1);
	assert_int_equal(library.last, 0);
	close_library(b);
}

/* Tests of results ask for each shape once; and within a capture, or when an arm waits, there is no time. */
static void without_measuring_the_librarys_first_is_taken(void **state)
{
	struct cublas *b = open_library(4);
	struct device_product p = product_of(3, false);

	(void)state;
	library.takes_ms[3] = -1.0f;
	library.needs_bytes[0] = 1001;
	assert_int_equal(cublas_product(b, NULL, &p, false), 0);
	assert_int_equal(library.last, 1);
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 1); /* its shape is known */
	assert_int_equal(library.runs, 2);
	assert_int_equal(library.asked, 1);
	library.needs_bytes[1] = library.needs_bytes[2] = library.needs_bytes[3] = 1001;
	p.m = 4;
	assert_int_equal(cublas_product(b, NULL, &p, false), CUBLAS_STATUS_NOT_SUPPORTED);
	assert_int_equal(library.runs, 2);
	close_library(b);
}

static void a_shape_that_has_none_is_remembered(void **state)
{
	struct cublas *b = open_library(0);
	struct device_product p = product_of(3, false), other = product_of(4, false);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_NOT_SUPPORTED);
	assert_int_equal(library.asked, 1);
	assert_true(cublas_lacks_algorithm(CUBLAS_STATUS_NOT_SUPPORTED));
	library.proposed = 1;
	assert_int_equal(cublas_product(b, NULL, &other, true), 0);
	assert_int_equal(library.runs, 1);
	other.m = 5;
	library.status[0] = CUBLAS_STATUS_NOT_SUPPORTED; /* said only when it is to run */
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(cublas_product(b, NULL, &other, false), CUBLAS_STATUS_NOT_SUPPORTED);
	assert_int_equal(library.runs, 2);
	close_library(b);
}

static void failures_are_told_and_leave_no_plan(void **state)
{
	struct cublas *b = open_library(3);
	struct device_product p = product_of(3, false);

	(void)state;
	library.lost_after = 1;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_EXECUTION_FAILED);
	assert_int_equal(library.runs_of[2], 0);
	library.lost_after = -1;
	library.clock_code = 7;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_EXECUTION_FAILED);
	library.clock_code = 0;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.asked, 3);
	close_library(b);
}

/* The library calls some failures of one algorithm a failed execution. */
static void a_failure_of_one_is_not_the_gpus(void **state)
{
	struct cublas *b = open_library(3);
	struct device_product p = product_of(3, false);

	(void)state;
	library.status[0] = CUBLAS_STATUS_EXECUTION_FAILED;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 1);
	assert_int_equal(library.runs_of[0], 1);
	close_library(b);
}

static void none_that_works_is_said(void **state)
{
	struct cublas *b = open_library(2);
	struct device_product p = product_of(3, false);

	(void)state;
	library.status[0] = library.status[1] = CUBLAS_STATUS_INTERNAL_ERROR;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_INTERNAL_ERROR);
	assert_int_equal(library.runs, 2);
	library.status[0] = CUBLAS_STATUS_NOT_SUPPORTED;
	library.status[1] = CUBLAS_STATUS_ALLOC_FAILED; /* which may pass */
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_ALLOC_FAILED);
	library.status[1] = 0;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.last, 1);
	close_library(b);
}

static void one_row_is_ours_where_we_are_quicker(void **state)
{
	struct cublas *b = open_library(3);
	struct device_product p = product_of(1, false), wider = p;

	(void)state;
	library.own_takes_ms = 1.9f;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_NOT_SUPPORTED);
	assert_int_equal(library.own_runs, 1 + RUNS); /* to make it is for who asked */
	assert_int_equal(library.runs, 3 * (1 + RUNS));
	assert_int_equal(library.asked, 1);
	assert_int_equal(library.cleared, 0);
	wider.n = 4;
	library.takes_ms[2] = 1.8f;
	assert_int_equal(cublas_product(b, NULL, &wider, true), 0);
	assert_int_equal(library.last, 2);
	assert_int_equal(library.own_runs, 2 * (1 + RUNS));
	close_library(b);
}

static void one_row_with_one_algorithm_is_measured_too(void **state)
{
	struct cublas *b = open_library(1);
	struct device_product p = product_of(1, false);

	(void)state;
	library.own_takes_ms = 1.0f;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_NOT_SUPPORTED);
	p.n = 4;
	library.own_code = 700; /* which cannot be launched */
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	p.n = 2;
	assert_int_equal(cublas_product(b, NULL, &p, false), 0);
	assert_int_equal(library.own_runs, 1 + RUNS + 1);
	p.add = true;
	assert_int_equal(cublas_product(b, NULL, &p, true), 0);
	assert_int_equal(library.own_runs, 1 + RUNS + 1);
	close_library(b);
}

static void our_kernel_does_not_hide_a_lost_gpu(void **state)
{
	struct cublas *b = open_library(1);
	struct device_product p = product_of(1, false);

	(void)state;
	library.own_takes_ms = 1.0f;
	library.clock_code = 719;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_EXECUTION_FAILED);
	library.clock_code = 0;
	assert_int_equal(cublas_product(b, NULL, &p, true), CUBLAS_STATUS_NOT_SUPPORTED);
	assert_int_equal(library.asked, 2);
	close_library(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_row_is_ours_where_we_are_quicker),
		cmocka_unit_test(one_row_with_one_algorithm_is_measured_too),
		cmocka_unit_test(our_kernel_does_not_hide_a_lost_gpu),
		cmocka_unit_test(the_quickest_is_kept_for_its_shape),
		cmocka_unit_test(what_fails_or_needs_too_much_is_not_kept),
		cmocka_unit_test(a_sum_onto_what_is_there_is_not_tried),
		cmocka_unit_test(a_failure_of_one_is_not_the_gpus),
		cmocka_unit_test(none_that_works_is_said),
		cmocka_unit_test(without_measuring_the_librarys_first_is_taken),
		cmocka_unit_test(a_shape_that_has_none_is_remembered),
		cmocka_unit_test(failures_are_told_and_leave_no_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void needs_a_cuda_toolkit(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(needs_a_cuda_toolkit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
