/* test_cuda_shim.c - the host's stand-in for CUDA: it runs right kernels rightly, and ends with a sentence at each kind of wrong ones. */
#include "tests/cuda_host/shim.c"

#include "policy/compute/cuda/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 96, REFUSED = 3 };

struct task {
	float *out;
	const float *left, *right;
};

/* Runs launch() in a process of its own: what it exits with, and what it said. */
static int outcome(void (*run)(void), char *text, size_t size)
{
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		run();
		_exit(0);
	}
	close(ends[1]);
	size_t n = 0;

	for (ssize_t got; n + 1 < size && (got = read(ends[0], text + n, size - 1 - n)) > 0;)
		n += (size_t)got;
	text[n] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refuses(void (*run)(void), const char *sentence)
{
	char text[1024];
	int code = outcome(run, text, sizeof text);

	if (code != REFUSED || !strstr(text, sentence))
		print_error("exit %d: %s\n", code, text);
	assert_int_equal(code, REFUSED);
	assert_non_null(strstr(text, sentence));
}

/* -- right ones ------------------------------------------------------------------------------------------------------------------ */

KERNEL(adds_up, task)
{
	SHARED(float, partial);

	a.out[blockIdx.x * THREADS + threadIdx.x] = sum_block((float)(threadIdx.x + blockIdx.x), partial);
}

static void a_block_adds_up_in_every_order(void **state)
{
	float out[2 * THREADS];
	struct task a = { out, NULL, NULL };

	(void)state;
	for (int launch_number = 0; launch_number < 16; launch_number++) {
		memset(out, 0, sizeof out);
		assert_int_equal(LAUNCH(adds_up, 2, THREADS, WARP * sizeof(float), NULL, a), 0);
		for (uint32_t i = 0; i < 2 * THREADS; i++)
			assert_true(out[i] == (float)(THREADS * (THREADS - 1) / 2 + i / THREADS * THREADS));
	}
}

KERNEL(looks_at_its_neighbour, task)
{
	SHARED(float, x);

	x[threadIdx.x] = (float)threadIdx.x;
	a.out[threadIdx.x] = x[(threadIdx.x + 1) % THREADS]; /* no barrier before it */
}

static void a_missing_barrier_shows(void **state)
{
	float out[THREADS];
	struct task a = { out, NULL, NULL };
	uint32_t wrong = 0;

	(void)state;
	for (int launch_number = 0; launch_number < 16; launch_number++) {
		assert_int_equal(LAUNCH(looks_at_its_neighbour, 1, THREADS, sizeof out, NULL, a), 0);
		for (uint32_t i = 0; i < THREADS; i++)
			wrong += !(out[i] >= 0.0f); /* NaN: never written */
	}
	assert_true(wrong > 0);
}

/* The first barrier is there, but none keeps a warp from writing its next value before the others have read the one before. As long as
 * warps keep step nothing shows. */
KERNEL(writes_too_early, task)
{
	SHARED(float, x);
	float sum = 0.0f;

	for (uint32_t round = 0; round < 2; round++) {
		x[threadIdx.x] = (float)round;
		__syncthreads();
		__syncwarp();
		sum += x[(threadIdx.x + WARP) % THREADS];
		__syncwarp();
	}
	a.out[threadIdx.x] = sum;
}

static void a_warp_that_hurries_shows(void **state)
{
	float out[THREADS];
	struct task a = { out, NULL, NULL };
	uint32_t wrong = 0;

	(void)state;
	for (int launch_number = 0; launch_number < 16; launch_number++) {
		assert_int_equal(LAUNCH(writes_too_early, 1, THREADS, sizeof out, NULL, a), 0);
		for (uint32_t i = 0; i < THREADS; i++)
			wrong += !(out[i] < 1.5f);
	}
	assert_true(wrong > 0);
}

/* a [16][16] times b [16][8], from registers that are filled as the PTX manual draws them. */
KERNEL(multiplies, task)
{
	uint32_t g = threadIdx.x / 4, t = threadIdx.x % 4, left[4], b[2];
	float c[4] = { 100.0f, 200.0f, 300.0f, 400.0f };

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t row = i == 0 || i == 2 ? g : g + 8, column = t * 2 + (i < 2 ? 0 : 8);

		left[i] = round_two(a.left[row * 16 + column], a.left[row * 16 + column + 1]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t row = t * 2 + (i == 0 ? 0 : 8);

		b[i] = round_two(a.right[row * 8 + g], a.right[(row + 1) * 8 + g]);
	}
	multiply_add(c, left, b[0], b[1]);
	for (uint32_t i = 0; i < 4; i++)
		a.out[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = c[i] - 100.0f * (float)(i + 1);
}

static void the_matrix_unit_multiplies(void **state)
{
	float left[16 * 16], right[16 * 8], out[16 * 8];
	struct task a = { out, left, right };

	(void)state;
	for (uint32_t i = 0; i < 16 * 16; i++)
		left[i] = (float)((int)(i * 37 % 23) - 11);
	for (uint32_t i = 0; i < 16 * 8; i++)
		right[i] = (float)((int)(i * 53 % 19) - 9);
	assert_int_equal(LAUNCH(multiplies, 1, WARP, 0, NULL, a), 0);
	for (uint32_t row = 0; row < 16; row++)
		for (uint32_t column = 0; column < 8; column++) {
			float sum = 0.0f;

			for (uint32_t k = 0; k < 16; k++)
				sum += left[row * 16 + k] * right[k * 8 + column];
			assert_true(out[row * 8 + column] == sum);
		}
}

/* Four matrices whose element is their number * 64 + row * 8 + column. */
KERNEL(loads_matrices, task)
{
	SHARED(uint16_t, rows);
	uint32_t lane = threadIdx.x, straight[4], turned[4];

	for (uint32_t i = lane; i < 256; i += WARP)
		rows[i] = (uint16_t)i;
	__syncthreads();
	load_matrices(rows + lane * 8, straight);
	load_matrices_turned(rows + lane * 8, turned);
	for (uint32_t m = 0; m < 4; m++) {
		uint32_t first = m * 64 + lane / 4 * 8 + lane % 4 * 2, above = m * 64 + lane % 4 * 16 + lane / 4;

		a.out[lane * 4 + m] = straight[m] == (first | (first + 1) << 16) && turned[m] == (above | (above + 8) << 16);
	}
}

static void matrices_are_loaded(void **state)
{
	float out[WARP * 4] = { 0.0f };
	struct task a = { out, NULL, NULL };

	(void)state;
	assert_int_equal(LAUNCH(loads_matrices, 1, WARP, 512, NULL, a), 0);
	for (uint32_t i = 0; i < WARP * 4; i++)
		assert_true(out[i] > 0.0f);
}

/* -- wrong ones ------------------------------------------------------------------------------------------------------------------ */

static const struct task nothing;

KERNEL(waits_alone, task)
{
	(void)a;
	if (threadIdx.x == 7)
		__syncthreads();
}

KERNEL(waits_apart, task)
{
	(void)a;
	if (threadIdx.x < WARP)
		__syncthreads();
	else
		__syncthreads();
}

KERNEL(exchanges_by_half, task)
{
	if (threadIdx.x % WARP < 16)
		a.out[0] = shuffle_xor(1.0f, 1);
}

KERNEL(writes_beyond, task)
{
	SHARED(uint8_t, bytes);

	(void)a;
	bytes[THREADS] = 1;
}

KERNEL(loads_askew, task)
{
	SHARED(uint16_t, rows);
	uint32_t out[4];

	(void)a;
	load_matrices(rows + 1, out);
}

static void run_waits_alone(void)
{
	(void)LAUNCH(waits_alone, 1, THREADS, 0, NULL, nothing);
}

static void run_waits_apart(void)
{
	(void)LAUNCH(waits_apart, 1, THREADS, 0, NULL, nothing);
}

static void run_exchanges_by_half(void)
{
	(void)LAUNCH(exchanges_by_half, 1, THREADS, 0, NULL, nothing);
}

static void run_writes_beyond(void)
{
	(void)LAUNCH(writes_beyond, 1, THREADS, THREADS, NULL, nothing);
}

static void run_loads_askew(void)
{
	(void)LAUNCH(loads_askew, 1, WARP, 1024, NULL, nothing);
}

static void run_part_of_a_warp(void)
{
	(void)LAUNCH(waits_alone, 1, 33, 0, NULL, nothing);
}

static void run_no_blocks(void)
{
	(void)LAUNCH(waits_alone, 0, WARP, 0, NULL, nothing);
}

static void run_too_much_shared(void)
{
	(void)LAUNCH(waits_alone, 1, WARP, (48 << 10) + 1, NULL, nothing);
}

static void wrong_kernels_are_refused(void **state)
{
	(void)state;
	refuses(run_waits_alone, "kernel waits_alone, block 0 of 1, thread 7 of 96: waits here for threads that have ended");
	refuses(run_waits_apart, "waits here while others wait elsewhere");
	refuses(run_exchanges_by_half, "waits here for threads that have ended or wait elsewhere");
	refuses(run_writes_beyond, "wrote beyond its shared memory");
	refuses(run_loads_askew, "not at 16 bytes");
	refuses(run_part_of_a_warp, "a launch that the device refuses");
	refuses(run_no_blocks, "a launch that the device refuses");
	refuses(run_too_much_shared, "a launch that the device refuses");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_adds_up_in_every_order),
		cmocka_unit_test(a_missing_barrier_shows),
		cmocka_unit_test(a_warp_that_hurries_shows),
		cmocka_unit_test(the_matrix_unit_multiplies),
		cmocka_unit_test(matrices_are_loaded),
		cmocka_unit_test(wrong_kernels_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
