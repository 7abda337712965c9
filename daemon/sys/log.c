/* log.c - see log.h. Many threads write into a ring of tickets (Vyukov's bounded queue, 1024cores.net), one thread drains it:
 * nobody ever waits for standard error, and no lock lets an ordinary thread hold up a real-time one. */
#include "daemon/sys/log.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOG_SLOTS = 256, LOG_TEXT_BYTES = 1200 };

struct log_record {
	_Atomic uint32_t ticket; /* = position when free, position + 1 when filled */
	enum log_level level;
	struct timespec when;
	char text[LOG_TEXT_BYTES];
};

static const char *const level_name[] = { "debug", "info", "warning", "error" };
/* Priorities of sd-daemon(3), read by the journal from the start of a line. */
static const char *const journal_prefix[] = { "<7>", "<6>", "<4>", "<3>" };

/* One log per process: the only state of the project that is not passed in. */
static struct {
	struct log_record record[LOG_SLOTS];
	_Atomic uint32_t next_write, dropped;
	uint32_t next_read; /* writing thread only */
	_Atomic int level;
	_Atomic bool running, stopping;
	sem_t filled;
	pthread_t thread;
} the_log = { .level = LOG_LEVEL_INFO };

static void put(const struct log_record *r)
{
	struct tm local;

	if (getenv("JOURNAL_STREAM")) { /* the journal adds its own time */
		fprintf(stderr, "%s%s\n", journal_prefix[r->level], r->text);
		return;
	}
	localtime_r(&r->when.tv_sec, &local);
	fprintf(stderr, "%02d:%02d:%02d.%03ld %-7s %s\n", local.tm_hour, local.tm_min, local.tm_sec,
			r->when.tv_nsec / 1000000, level_name[r->level], r->text);
}

/* A free record for the calling thread, or NULL when the ring is full. */
static struct log_record *claim(uint32_t *position)
{
	uint32_t at = atomic_load_explicit(&the_log.next_write, memory_order_relaxed);

	for (;;) {
		struct log_record *r = &the_log.record[at % LOG_SLOTS];
		uint32_t ticket = atomic_load_explicit(&r->ticket, memory_order_acquire);

		if ((int32_t)(ticket - at) < 0)
			return NULL;
		if (ticket != at) {
			at = atomic_load_explicit(&the_log.next_write, memory_order_relaxed);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&the_log.next_write, &at, at + 1, memory_order_relaxed,
				memory_order_relaxed)) {
			*position = at;
			return r;
		}
	}
}

PRINTF_LIKE(3, 0) static void fill(struct log_record *r, enum log_level level, const char *format, va_list arguments)
{
	r->level = level;
	clock_gettime(CLOCK_REALTIME, &r->when);
	vsnprintf(r->text, sizeof r->text, format, arguments);
	text_tame(r->text, false); /* texts of peers (an instruction, an arm's error) may have line ends: one record is one line */
}

PRINTF_LIKE(2, 0) static void put_directly(enum log_level level, const char *format, va_list arguments)
{
	struct log_record r;

	fill(&r, level, format, arguments);
	put(&r);
}

void log_line(enum log_level level, const char *format, ...)
{
	struct log_record *r;
	uint32_t position;
	va_list arguments;

	if ((int)level < atomic_load_explicit(&the_log.level, memory_order_relaxed))
		return;
	va_start(arguments, format);
	if (!atomic_load_explicit(&the_log.running, memory_order_acquire)) {
		put_directly(level, format, arguments);
	} else if (!(r = claim(&position))) {
		atomic_fetch_add_explicit(&the_log.dropped, 1, memory_order_relaxed);
	} else {
		fill(r, level, format, arguments);
		atomic_store_explicit(&r->ticket, position + 1, memory_order_release);
		sem_post(&the_log.filled);
	}
	va_end(arguments);
}

int log_set_level(const char *name, struct errbuf *e)
{
	for (int i = 0; i < (int)(sizeof level_name / sizeof *level_name); i++)
		if (strcmp(name, level_name[i]) == 0) {
			atomic_store_explicit(&the_log.level, i, memory_order_relaxed);
			return 0;
		}
	return fail(e, -EINVAL, "log level \"%s\": want debug, info, warning or error", name);
}

static void drain(void)
{
	for (;;) {
		struct log_record *r = &the_log.record[the_log.next_read % LOG_SLOTS];

		if (atomic_load_explicit(&r->ticket, memory_order_acquire) != the_log.next_read + 1)
			break;
		put(r);
		atomic_store_explicit(&r->ticket, the_log.next_read + LOG_SLOTS, memory_order_release);
		the_log.next_read++;
	}
	uint32_t dropped = atomic_exchange_explicit(&the_log.dropped, 0, memory_order_relaxed);

	if (dropped > 0)
		fprintf(stderr, "log: %u lines dropped, standard error was too slow\n", dropped);
}

static void *write_lines(void *unused)
{
	while (!atomic_load_explicit(&the_log.stopping, memory_order_acquire)) {
		if (sem_wait(&the_log.filled) == 0)
			drain();
	}
	drain();
	return unused;
}

int log_start(struct errbuf *e)
{
	for (uint32_t i = 0; i < LOG_SLOTS; i++)
		atomic_store_explicit(&the_log.record[i].ticket, i, memory_order_relaxed);
	atomic_store_explicit(&the_log.next_write, 0, memory_order_relaxed);
	the_log.next_read = 0;
	atomic_store_explicit(&the_log.stopping, false, memory_order_relaxed);
	if (sem_init(&the_log.filled, 0, 0) != 0)
		return fail(e, -errno, "log: semaphore: %s", strerror(errno));
	sigset_t all, before;

	/* Signals belong to the program's own threads, also where the log is started before they are blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&the_log.thread, NULL, write_lines, NULL);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		sem_destroy(&the_log.filled);
		return fail(e, -rc, "log: thread: %s", strerror(rc));
	}
	pthread_setname_np(the_log.thread, "log");
	atomic_store_explicit(&the_log.running, true, memory_order_release);
	return 0;
}

void log_stop(void)
{
	if (!atomic_exchange_explicit(&the_log.running, false, memory_order_acq_rel))
		return;
	atomic_store_explicit(&the_log.stopping, true, memory_order_release);
	sem_post(&the_log.filled);
	pthread_join(the_log.thread, NULL);
	sem_destroy(&the_log.filled);
}
