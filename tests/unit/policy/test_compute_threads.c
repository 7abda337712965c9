/* test_compute_threads.c - the cpu backend with several threads: every operation gives the same bits as with one.
 * In real time: threads. */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/compute/compute.h"
#include "policy/compute/cpu/crew.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

/* Just above what is shared out among threads (2^26 multiplications), with rows and columns that fill no tile. */
enum { ROWS = 131, INNER = 1045, OUTER = 515, HEADS = 16, HEAD_SIZE = 64, WIDTH = HEADS * HEAD_SIZE, LENGTH = 300, TABLE = HEAD_SIZE };
enum { VALUES_MAX = 2 * LENGTH * WIDTH };

static const uint32_t threads[] = { 1, 2, 3, 7 };

static const struct compute_backend *ops;
static struct compute *instance;
static float value[VALUES_MAX];
static uint64_t random_state;

/* Multiples of 1/64 up to 2: exact in every weight type. */
static float random_value(void)
{
	random_state ^= random_state >> 12; /* xorshift64*, so that a failure repeats */
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((float)(((random_state * UINT64_C(2685821657736338717)) >> 32) % 257) - 128.0f) / 64.0f;
}

static uint32_t bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* Random BF16 weights; the caller frees data. */
static struct compute_matrix random_matrix(uint32_t rows, uint32_t columns)
{
	uint16_t *data = calloc((size_t)rows * columns, sizeof *data);

	assert_non_null(data);
	for (size_t i = 0; i < (size_t)rows * columns; i++)
		data[i] = (uint16_t)(bits_of(random_value()) >> 16);
	return (struct compute_matrix){ data, TENSOR_BF16, rows, columns };
}

static void start(struct compute_options options)
{
	struct errbuf e;

	random_state = 88172645463325252u;
	ops = compute_backend_find("cpu", &e);
	assert_non_null(ops);
	assert_int_equal(ops->create(&instance, &options, &e), 0);
}

static void stop(void)
{
	struct errbuf e = { "" };

	assert_int_equal(ops->finish(instance, &e), 0);
	ops->destroy(instance);
	instance = NULL;
}

/* Views of these shapes, with random values. */
static void take(struct compute_view *view, const uint32_t (*shape)[2], uint32_t n)
{
	struct errbuf e;

	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	assert_int_equal(ops->reserve(instance, &e), 0);
	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	ops->freeze(instance);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(shape[i][0] * shape[i][1] <= VALUES_MAX);
		for (uint32_t k = 0; k < shape[i][0] * shape[i][1]; k++)
			value[k] = random_value();
		ops->upload(instance, value, view[i]);
	}
}

static void run_linear(struct compute_view x, struct compute_view out)
{
	struct compute_matrix w = random_matrix(OUTER, INNER), b = random_matrix(1, OUTER);

	assert_true((uint64_t)ROWS * INNER * OUTER >= UINT64_C(1) << 26);
	ops->linear(instance, x, w, b, COMPUTE_QUICK_GELU, out);
	free((void *)(uintptr_t)w.data);
	free((void *)(uintptr_t)b.data);
}

/* Both normalisations, rotation and attention of two segments, one after the other; enough values for each to be shared out. */
static void run_block(struct compute_view x, struct compute_view y, struct compute_view table)
{
	struct compute_matrix w = random_matrix(1, WIDTH), b = random_matrix(1, WIDTH);
	const uint32_t segment[] = { LENGTH, LENGTH - 37 };

	ops->layer_norm(instance, x, w, b, 1e-6, y);
	ops->rms_norm(instance, y, w, 1e-6, x);
	ops->rotary(instance, x, HEADS, table);
	ops->attention(instance, &(struct compute_attention){ .q = x, .k = x, .v = x, .out = y, .heads = HEADS, .kv_heads = HEADS,
			.head_size = HEAD_SIZE, .segment = segment, .n_segments = 2 });
	free((void *)(uintptr_t)w.data);
	free((void *)(uintptr_t)b.data);
}

/* A number that changes with any bit of what was computed. */
static uint64_t run_all(enum policy_precision precision, uint32_t n_threads)
{
	const uint32_t rows = 2 * LENGTH - 37;
	const uint32_t shape[][2] = { { ROWS, INNER }, { ROWS, OUTER }, { rows, WIDTH }, { rows, WIDTH }, { rows, TABLE } };
	struct compute_view view[5];
	uint64_t sum = 14695981039346656037u; /* FNV-1a */

	start((struct compute_options){ .precision = precision, .threads = n_threads, .max_rows = rows, .max_inner = INNER,
			.max_segment = LENGTH, .max_outer = OUTER });
	take(view, shape, 5);
	run_linear(view[0], view[1]);
	run_block(view[2], view[3], view[4]);
	for (uint32_t i = 1; i <= 3; i += 2) {
		ops->download(instance, view[i], value);
		for (uint32_t k = 0; k < view[i].rows * view[i].columns; k++) {
			assert_true(isfinite(value[k]));
			sum = (sum ^ bits_of(value[k])) * 1099511628211u;
		}
	}
	stop();
	return sum;
}

static void same_bits(void **state)
{
	(void)state;
	for (int p = POLICY_FP32; p <= POLICY_BF16; p++) {
		uint64_t alone = run_all((enum policy_precision)p, threads[0]);

		for (uint32_t i = 1; i < sizeof threads / sizeof *threads; i++)
			assert_true(run_all((enum policy_precision)p, threads[i]) == alone);
	}
	assert_true(run_all(POLICY_FP32, 1) != run_all(POLICY_BF16, 1));
}

/* Rows of weights that are longer than a tile: their products are added up piece by piece. With ones they count. */
static void long_rows(void **state)
{
	enum { LONG = 66001, FEW = 19, TALL = 7 };
	const uint32_t shape[][2] = { { TALL, LONG }, { TALL, FEW } };
	struct compute_view view[2];
	float ones = 1.0f;
	uint16_t *data = calloc((size_t)FEW * LONG, sizeof *data);

	(void)state;
	assert_non_null(data);
	start((struct compute_options){ .precision = POLICY_FP32, .threads = 2, .max_rows = TALL, .max_inner = LONG, .max_segment = 1,
			.max_outer = 1 });
	take(view, shape, 2);
	for (uint32_t i = 0; i < TALL * LONG; i++)
		value[i] = 1.0f;
	ops->upload(instance, value, view[0]);
	for (uint32_t i = 0; i < FEW; i++) /* row i has LONG - 3000 i ones */
		for (uint32_t k = 3000 * i; k < LONG; k++)
			data[(size_t)i * LONG + k] = (uint16_t)(bits_of(ones) >> 16);
	ops->linear(instance, view[0], (struct compute_matrix){ data, TENSOR_BF16, FEW, LONG }, (struct compute_matrix){ 0 }, COMPUTE_STORE,
			view[1]);
	ops->download(instance, view[1], value);
	for (uint32_t i = 0; i < TALL * FEW; i++)
		assert_int_equal((int)value[i], LONG - 3000 * (i % FEW));
	stop();
	free(data);
}

/* More rows of activations than a thread multiplies at a time: each counts the ones of its own row of x. */
static void many_rows(void **state)
{
	enum { MANY = 2500, NARROW = 120, FEW = 224 };
	const uint32_t shape[][2] = { { MANY, NARROW }, { MANY, FEW } };
	struct compute_view view[2];
	uint16_t *data = calloc((size_t)FEW * NARROW, sizeof *data);
	float *host = calloc((size_t)MANY * FEW, sizeof *host);

	(void)state;
	assert_non_null(data);
	assert_non_null(host);
	assert_true((uint64_t)MANY * NARROW * FEW >= UINT64_C(1) << 26);
	for (uint32_t i = 0; i < FEW * NARROW; i++)
		data[i] = (uint16_t)(bits_of(1.0f) >> 16);
	start((struct compute_options){ .precision = POLICY_BF16, .threads = 3, .max_rows = MANY, .max_inner = NARROW, .max_segment = 1,
			.max_outer = 1 });
	take(view, shape, 2);
	for (uint32_t i = 0; i < MANY * NARROW; i++)
		host[i] = i % NARROW < i / NARROW % (NARROW + 1);
	ops->upload(instance, host, view[0]);
	ops->linear(instance, view[0], (struct compute_matrix){ data, TENSOR_BF16, FEW, NARROW }, (struct compute_matrix){ 0 }, COMPUTE_STORE,
			view[1]);
	ops->download(instance, view[1], host);
	for (uint32_t i = 0; i < MANY * FEW; i++)
		assert_int_equal((int)host[i], i / FEW % (NARROW + 1));
	stop();
	free(host);
	free(data);
}

/* Scratch memory that each thread adds must not grow with the pictures. */
static void rows_cost_no_memory_per_thread(void **state)
{
	uint64_t n_bytes[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		start((struct compute_options){ .precision = POLICY_BF16, .threads = 1 + i, .max_rows = 20000, .max_inner = 1, .max_segment = 1,
				.max_outer = 1 });
		n_bytes[i] = ops->memory_bytes(instance);
		stop();
	}
	assert_true(n_bytes[1] - n_bytes[0] < 8 << 20);
}

/* Several threads of the backend, on the processors of whoever creates it: not those of the process. */
static void processors_are_those_of_the_creating_thread(void **state)
{
	cpu_set_t all, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	start((struct compute_options){ .max_rows = 1, .max_inner = 1, .max_segment = 1, .max_outer = 1 });
	uint32_t alone = ops->threads(instance);

	stop();
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
	start((struct compute_options){ .max_rows = 1, .max_inner = 1, .max_segment = 1, .max_outer = 1 });
	uint32_t everywhere = ops->threads(instance);

	stop();
	assert_int_equal(alone, 1);
	assert_int_equal(everywhere, CPU_COUNT(&all) < CREW_MAX ? CPU_COUNT(&all) : CREW_MAX);
	start((struct compute_options){ .threads = CREW_MAX + 1, .max_rows = 1, .max_inner = 1, .max_segment = 1, .max_outer = 1 });
	everywhere = ops->threads(instance);
	stop();
	assert_int_equal(everywhere, CREW_MAX);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* The number that /proc/self/status has under this key, or 0. */
static unsigned long status_number(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long n = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			n = strtoul(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return n;
}

/* In a process of its own, with room for the stacks of some threads, not of all. What was wrong, or 0. */
static int refuse_threads(void)
{
	struct rlimit limit = { 0 };
	struct errbuf e = { "" };
	struct crew c;

	limit.rlim_cur = limit.rlim_max = (status_number("VmSize:") + 120 * 1024) * 1024;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 1;
	if (crew_init(&c, CREW_MAX, &e) != -EAGAIN)
		return 2;
	if (c.initialised || c.n_started || c.size)
		return 3;
	for (int i = 0; i < 200 && status_number("Threads:") > 1; i++)
		usleep(10000); /* one that was joined may still be listed */
	if (status_number("Threads:") != 1)
		return 4;
	if (!strstr(e.text, "policy.threads") || !strstr(e.text, "--threads") || !strstr(e.text, " of 64"))
		return 5;
	crew_finish(&c);
	return crew_init(&c, 2, &e) == 0 ? (crew_finish(&c), 0) : 6;
}

static void threads_that_are_not_to_be_had_are_refused(void **state)
{
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(refuse_threads());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#else

static void threads_that_are_not_to_be_had_are_refused(void **state)
{
	(void)state;
	skip(); /* the sanitizer itself ends without address space */
}

#endif

static void note_name(void *context, uint32_t item, uint32_t worker)
{
	char (*name)[16] = context;

	(void)item;
	usleep(20000); /* so that every worker takes one */
	pthread_getname_np(pthread_self(), name[worker], sizeof name[worker]);
}

/* Those who look for the thread "policy" must not find a worker. */
static void workers_have_names_of_their_own(void **state)
{
	char name[3][16] = { "" };
	struct crew c;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(crew_init(&c, 3, &e), 0);
	for (int i = 0; i < 100 && (!*name[1] || !*name[2]); i++)
		crew_run(&c, 3, note_name, name);
	crew_finish(&c);
	assert_string_equal(name[1], "policy-1");
	assert_string_equal(name[2], "policy-2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bits),
		cmocka_unit_test(long_rows),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(rows_cost_no_memory_per_thread),
		cmocka_unit_test(processors_are_those_of_the_creating_thread),
		cmocka_unit_test(threads_that_are_not_to_be_had_are_refused),
		cmocka_unit_test(workers_have_names_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
