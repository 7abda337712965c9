/* bench_instructions.c - see bench_instructions.h. */
#include "daemon/bench/bench_instructions.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- by the processor's counter ---------------------------------------------------------------------------------- */

static int open_counter(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_HARDWARE, .size = sizeof a, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1, .exclude_hv = 1 };

	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

static uint64_t read_counter(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof n) == (ssize_t)sizeof n ? n : 0;
}

static uint64_t counted(int fd, void (*step)(void *context), void *context)
{
	uint64_t before = read_counter(fd);

	step(context);
	return read_counter(fd) - before;
}

/* ---- by single steps --------------------------------------------------------------------------------------------- */

/* A signal handler has no context; the bench counts in one thread. */
static struct { volatile uint64_t steps; volatile int64_t place; } trapped;

#ifdef __x86_64__

/* After every instruction. One that repeats itself (rep movs) traps after every round and counts once, as the processor has it. */
static void on_trap(int number, siginfo_t *info, void *context)
{
	int64_t place = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)number;
	(void)info;
	trapped.steps += place != trapped.place;
	trapped.place = place;
}

/* The trap flag is bit 8 of the flags (Intel's manual, volume 1, 3.4.3.3). Below the stack's pointer 128 bytes may be in use. */
static inline void trap_on(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::: "memory", "cc");
}

static inline void trap_off(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $-0x101, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::: "memory", "cc");
}

static bool catch_traps(void)
{
	struct sigaction trap = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	return sigaction(SIGTRAP, &trap, NULL) == 0;
}

#else

static inline void trap_on(void)
{
}

static inline void trap_off(void)
{
}

static bool catch_traps(void)
{
	return false;
}

#endif

static uint64_t stepped(void (*step)(void *context), void *context)
{
	trapped.steps = 0;
	trap_on();
	step(context);
	trap_off();
	return trapped.steps;
}

/* ---- either way -------------------------------------------------------------------------------------------------- */

static void do_nothing(void *context)
{
	(void)context;
}

int instructions_open(struct instructions *c, struct errbuf *e)
{
	*c = (struct instructions){ .method = "the processor's counter", .fd = open_counter() };
	if (c->fd < 0) {
		int why = errno;

		c->method = "single steps: there is no counter of the processor";
		c->slow = true;
		if (!catch_traps())
			return fail(e, -EPERM, "instructions: no counter of the processor: %s (/proc/sys/kernel/perf_event_paranoid?)", strerror(why));
	}
	c->overhead = instructions_of(c, do_nothing, NULL);
	return 0;
}

void instructions_close(struct instructions *c)
{
	if (c->fd >= 0)
		close(c->fd);
	else
		signal(SIGTRAP, SIG_DFL);
}

uint64_t instructions_of(const struct instructions *c, void (*step)(void *context), void *context)
{
	uint64_t n = c->slow ? stepped(step, context) : counted(c->fd, step, context);

	return n > c->overhead ? n - c->overhead : 0;
}
