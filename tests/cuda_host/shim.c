/* shim.c - see policy/compute/cuda/host_shim.h. Fibers switch by a few instructions of our own (swapcontext, which other processors use,
 * asks the kernel each time, and longjmp cleans up under AddressSanitizer); a fiber whose thread has ended goes on with the next one, so
 * that threads which never wait cost a call. */
#include "tests/cuda_host/cuda_host.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "policy/compute/cuda/host_shim.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

/* SHARED_MAX: what a launch may ask for without leave of the driver. */
enum { THREADS_MAX = 1024, WARPS_MAX = THREADS_MAX / WARP, SHARED_MAX = 48 << 10, FENCE = 64, GIVEN_BYTES = 64 };
static const size_t STACK_BYTES = 256 << 10, GUARD_BYTES = 4096;

/* Where something goes on that has stopped. change: stops here and goes on there. prepare: it will begin with `entry` on that stack. */
#if defined __x86_64__ && !defined SHIM_PORTABLE
struct context {
	void *sp;                   /* to the six registers that a function keeps for its caller, and where to return */
};

void shim_switch(void **saved, void *to);
__asm__(".text\n"
	".globl shim_switch\n"
	".type shim_switch, @function\n"
	"shim_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size shim_switch, . - shim_switch\n");

static void change(struct context *here, struct context *there)
{
	shim_switch(&here->sp, there->sp);
}

static void prepare(struct context *c, uint8_t *stack, void (*entry)(void))
{
	void **top = (void **)(void *)(stack + STACK_BYTES);

	*--top = NULL; /* as if called from nowhere, which leaves the stack aligned as functions find it */
	memcpy(--top, &entry, sizeof entry);
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	c->sp = top;
}
#else
struct context {
	ucontext_t u;
};

static void change(struct context *here, struct context *there)
{
	(void)swapcontext(&here->u, &there->u);
}

static void prepare(struct context *c, uint8_t *stack, void (*entry)(void))
{
	(void)getcontext(&c->u);
	c->u.uc_stack.ss_sp = stack;
	c->u.uc_stack.ss_size = STACK_BYTES;
	c->u.uc_link = NULL;
	makecontext(&c->u, entry, 0);
}
#endif

/* Threads that wait for each other: a warp, or the block. */
struct meeting {
	uint32_t members, arrived;
	uint64_t round;             /* counts how often all have met */
	const char *file;           /* where the first one of this round waits */
	int line;
};

struct fiber {
	struct context here;
	uint8_t *stack;
	bool busy;                  /* has a thread that has not ended */
	uint32_t thread;
	struct meeting *meeting;    /* NULL: does not wait */
	uint64_t round;             /* of the meeting, when it began to wait */
	void *fake_stack;           /* of AddressSanitizer */
};

struct shim_index shim_thread, shim_block, shim_block_size, shim_grid;

static struct {
	struct shim_kernel *kernel;
	const void *args;
	bool descending, hurry;
	uint32_t started, ended, shared_bytes;
	struct meeting block, warp[WARPS_MAX];
	struct fiber *running;
} launch;

static struct fiber fibers[THREADS_MAX];
static uint32_t n_fibers;
static struct context scheduler;
static uint64_t dice = 88172645463325252u;
static uint8_t shared[SHARED_MAX + FENCE] __attribute__((aligned(16)));

/* What lanes have given, by thread and by whether it was their exchange with an even or odd number. */
static struct {
	uint8_t bytes[2][GIVEN_BYTES];
	uint32_t count;
} given[THREADS_MAX];

/* Not by exit: on a fiber's stack the leak checker would not find what the main one holds. */
static _Noreturn void refuse(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: kernel %s, block %u of %u, thread %u of %u: %s\n", file, line, launch.kernel->name, shim_block.x, shim_grid.x,
			shim_thread.x, shim_block_size.x, what);
	fflush(NULL);
	_exit(3);
}

/* -- switching ------------------------------------------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
static const void *main_stack;
static size_t main_stack_bytes;
static void *main_fake_stack;

static void leave_for(const struct fiber *to, void **fake_stack)
{
	__sanitizer_start_switch_fiber(fake_stack, to ? to->stack : main_stack, to ? STACK_BYTES : main_stack_bytes);
}

/* A fiber is entered from the scheduler alone, which is how the main stack becomes known. */
static void arrive(void *fake_stack, bool in_fiber)
{
	const void *bottom;
	size_t bytes;

	__sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
	if (in_fiber) {
		main_stack = bottom;
		main_stack_bytes = bytes;
	}
}
#define LEAVE_FOR(to, fake_stack) leave_for((to), (fake_stack))
#define ARRIVE(fake_stack, in_fiber) arrive((fake_stack), (in_fiber))
#else
#define LEAVE_FOR(to, fake_stack) ((void)0)
#define ARRIVE(fake_stack, in_fiber) ((void)0)
#endif

static void back_to_scheduler(struct fiber *f)
{
	LEAVE_FOR(NULL, &f->fake_stack);
	change(&f->here, &scheduler);
	ARRIVE(f->fake_stack, true);
}

static void run_threads(struct fiber *f)
{
	while (launch.started < shim_block_size.x) {
		uint32_t k = launch.started++;

		f->busy = true;
		f->thread = shim_thread.x = launch.descending ? shim_block_size.x - 1 - k : k;
		launch.kernel->thread(launch.args);
		f->busy = false;
		launch.ended++;
	}
}

static void fiber_main(void)
{
	struct fiber *f = launch.running;

	ARRIVE(NULL, true);
	for (;;) {
		run_threads(f);
		back_to_scheduler(f);
	}
}

static void make_stack(struct fiber *f)
{
	size_t bytes = STACK_BYTES + GUARD_BYTES;
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) < 0)
		refuse(__FILE__, __LINE__, "no memory for a stack");
	f->stack = memory + GUARD_BYTES;
	prepare(&f->here, f->stack, fiber_main);
}

/* Runs it until it waits or has nothing left to do. */
static void resume(struct fiber *f)
{
	launch.running = f;
	shim_thread.x = f->thread;
	if (!f->stack)
		make_stack(f);
	LEAVE_FOR(f, &main_fake_stack);
	change(&scheduler, &f->here);
	ARRIVE(main_fake_stack, false);
}

/* -- waiting --------------------------------------------------------------------------------------------------------------------- */

static void meet(struct meeting *m, const char *file, int line)
{
	struct fiber *f = launch.running;

	if (m->arrived && (m->file != file || m->line != line)) {
		fprintf(stderr, "%s:%d: some threads wait here\n", m->file, m->line);
		refuse(file, line, "waits here while others wait elsewhere");
	}
	m->file = file;
	m->line = line;
	if (++m->arrived == m->members) {
		m->arrived = 0;
		m->round++;
		return;
	}
	f->meeting = m;
	f->round = m->round;
	back_to_scheduler(f);
	f->meeting = NULL;
}

void shim_barrier(const char *file, int line)
{
	meet(&launch.block, file, line);
}

void shim_warp_barrier(const char *file, int line)
{
	meet(&launch.warp[shim_thread.x / WARP], file, line);
}

static void begin_threads(uint32_t n)
{
	for (uint32_t i = 0; i < THREADS_MAX && n && launch.started < shim_block_size.x; i++)
		if (!fibers[i].busy) {
			n_fibers = i < n_fibers ? n_fibers : i + 1;
			n--;
			resume(&fibers[i]);
		}
}

/* Those of n fibers who have met whom they waited for, once each. Whether there were any. */
static bool go_on(uint32_t first, uint32_t n)
{
	bool moved = false;

	for (uint32_t i = first; i < first + n && i < n_fibers; i++)
		if (fibers[i].busy && fibers[i].meeting->round != fibers[i].round) {
			resume(&fibers[i]);
			moved = true;
		}
	return moved;
}

/* All that can: a warp alone for as long as it can where warps hurry, so that it meets what others have not done yet; else each thread
 * once, so that warps keep step. (A fiber that took a second thread mixes warps; they all come on all the same.) */
static bool all_go_on(void)
{
	bool moved = false;

	for (uint32_t first = 0; first < n_fibers; first += WARP)
		while (go_on(first, WARP)) {
			moved = true;
			if (!launch.hurry)
				break;
		}
	return moved;
}

/* Whether anything was done. */
static bool go_round(void)
{
	bool moved = launch.started < shim_block_size.x;

	while (launch.started < shim_block_size.x) {
		begin_threads(launch.hurry ? WARP : THREADS_MAX);
		if (launch.hurry)
			(void)all_go_on();
	}
	return all_go_on() || moved;
}

static void check_end(void)
{
	for (uint32_t i = 0; i < n_fibers; i++)
		if (fibers[i].busy) {
			shim_thread.x = fibers[i].thread;
			refuse(fibers[i].meeting->file, fibers[i].meeting->line, "waits here for threads that have ended or wait elsewhere");
		}
	for (uint32_t i = 0; i < FENCE; i++)
		if (shared[launch.shared_bytes + i] != 0xa5)
			refuse(__FILE__, __LINE__, "wrote beyond its shared memory");
}

static void run_block(void)
{
	launch.started = launch.ended = 0;
	launch.block = (struct meeting){ .members = shim_block_size.x };
	for (uint32_t i = 0; i < WARPS_MAX; i++)
		launch.warp[i] = (struct meeting){ .members = WARP };
	memset(shared, 0xff, launch.shared_bytes);
	memset(shared + launch.shared_bytes, 0xa5, FENCE);
	while (launch.ended < shim_block_size.x && go_round())
		;
	check_end();
}

/* xorshift64: orders must not go with what a test launches how often. */
static uint64_t throw_dice(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

static int (*recorder)(void *context, const struct shim_launch *l);
static void *recorder_context;

void shim_record(int (*new_recorder)(void *context, const struct shim_launch *l), void *context)
{
	recorder = new_recorder;
	recorder_context = context;
}

int shim_launch(struct shim_kernel *k, const void *args, size_t args_bytes, uint32_t blocks, uint32_t threads, uint32_t shared_bytes)
{
	if (recorder)
		return recorder(recorder_context, &(struct shim_launch){ k, args, args_bytes, blocks, threads, shared_bytes });
	k->launches++;
	launch.kernel = k;
	launch.args = args;
	launch.descending = throw_dice() & 1;
	launch.hurry = throw_dice() & 1;
	launch.shared_bytes = shared_bytes;
	shim_grid.x = blocks;
	shim_block_size.x = threads;
	if (!blocks || !threads || threads > THREADS_MAX || threads % WARP || shared_bytes > SHARED_MAX)
		refuse(__FILE__, __LINE__, "a launch that the device refuses, or that has a part of a warp");
	for (uint32_t i = 0; i < blocks; i++) {
		shim_block.x = launch.descending ? blocks - 1 - i : i;
		run_block();
	}
	return 0;
}

void *shim_shared(void)
{
	return shared;
}

static struct shim_kernel *kernels;

void shim_list(struct shim_kernel *k)
{
	k->next = kernels;
	kernels = k;
}

uint32_t cuda_host_kernels_left(void)
{
	uint32_t left = 0, n = 0;

	for (const struct shim_kernel *k = kernels; k; k = k->next, n++) {
		if (!k->launches)
			printf("FAIL kernel %s was never launched\n", k->name);
		left += !k->launches;
	}
	printf("cuda-host: %u of %u kernels were launched\n", n - left, n);
	return left;
}

/* -- a warp's exchanges ---------------------------------------------------------------------------------------------------------- */

void shim_give(const char *file, int line, const void *mine, uint32_t bytes)
{
	uint32_t t = shim_thread.x;

	assert(bytes <= GIVEN_BYTES);
	memcpy(given[t].bytes[++given[t].count % 2], mine, bytes);
	meet(&launch.warp[t / WARP], file, line);
}

const void *shim_given(uint32_t lane)
{
	uint32_t t = shim_thread.x;

	return given[t / WARP * WARP + lane].bytes[given[t].count % 2];
}

void shim_exchange(const char *file, int line, const void *mine, void *theirs, uint32_t bytes, uint32_t from)
{
	shim_give(file, line, mine, bytes);
	memcpy(theirs, shim_given(from), bytes);
}

/* Lane i has given row i % 8 of matrix i / 8. */
void shim_load_matrices(const char *file, int line, const void *row, bool turned, uint32_t out[4])
{
	uint32_t lane = shim_thread.x % WARP, pair = lane % 4 * 2;

	if ((uintptr_t)row % 16)
		refuse(file, line, "a row of a matrix that is not at 16 bytes");
	shim_give(file, line, row, 16);
	for (uint32_t m = 0; m < 4; m++) {
		const uint16_t *first = shim_given(m * 8 + (turned ? pair : lane / 4));
		const uint16_t *second = turned ? shim_given(m * 8 + pair + 1) : first + 1;

		first += turned ? lane / 4 : pair;
		second += turned ? lane / 4 : pair;
		out[m] = *first | (uint32_t)*second << 16;
	}
}

struct fragments {
	uint32_t a[4], b[2];
};

/* Element of a's row and column: register 0 has rows and columns below 8, 1 rows from 8, 2 columns from 8, 3 both. */
static float left(uint32_t row, uint32_t column)
{
	const struct fragments *f = shim_given(row % 8 * 4 + column % 8 / 2);
	uint32_t both = f->a[row / 8 + column / 8 * 2];

	return __uint_as_float(column % 2 ? both & 0xffff0000u : both << 16);
}

static float right(uint32_t row, uint32_t column)
{
	const struct fragments *f = shim_given(column * 4 + row % 8 / 2);
	uint32_t both = f->b[row / 8];

	return __uint_as_float(row % 2 ? both & 0xffff0000u : both << 16);
}

void shim_multiply_add(const char *file, int line, float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
	uint32_t lane = shim_thread.x % WARP;
	struct fragments mine = { { a[0], a[1], a[2], a[3] }, { b0, b1 } };

	float rows[2][16], columns[2][16];

	shim_give(file, line, &mine, sizeof mine);
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t k = 0; k < 16; k++) {
			rows[i][k] = left(lane / 4 + i * 8, k);
			columns[i][k] = right(k, lane % 4 * 2 + i);
		}
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < 16; k++)
			c[i] += rows[i / 2][k] * columns[i % 2][k];
}
