/* aux_thread.c - see aux_thread.h. */
#include "daemon/aux_thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/record/recorder.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "daemon/sys/rt.h"

#define AUX_PERIOD_NS (10 * NS_PER_MS)
#define SHOW_PERIOD_NS (50 * NS_PER_MS)

enum { AUX_TAPES = 3, DRAIN_MAX = 100000, ALL = INT_MAX };

struct aux_thread {
	const struct config *config;
	struct links *links;
	struct tape *tape[AUX_TAPES];
	struct recorder *recorder;
	struct record_report report;
	pthread_t thread;
	bool thread_runs;
	_Atomic bool quit, has_ended; /* has_ended: ThreadSanitizer does not know pthread_clockjoin_np, see policy_thread.c */
};

/* The oldest record of all tapes, or NULL. *from: the tape it lies on. */
static const void *oldest(struct aux_thread *t, struct tape_record *r, struct tape **from)
{
	const void *found = NULL;

	for (int i = 0; i < AUX_TAPES; i++) {
		struct tape_record next;
		const void *p = tape_front(t->tape[i], &next);

		if (!p || (found && next.t_ns >= r->t_ns))
			continue;
		found = p;
		*r = next;
		*from = t->tape[i];
	}
	return found;
}

/* At most so many records. While writers go on that is not for ever: they may be faster than the disk, and requests are answered all the
 * same. */
static void drain(struct aux_thread *t, int most)
{
	struct tape_record r;
	struct tape *from;
	const void *payload;
	int64_t now_ns = clock_monotonic_ns();

	for (int i = 0; i < most && (payload = oldest(t, &r, &from)); i++) {
		recorder_take(t->recorder, &r, payload, now_ns);
		tape_release(from);
	}
}

/* ---- requests ---- */

static void show(struct aux_thread *t)
{
	struct links *l = t->links;

	recorder_report(t->recorder, &t->report);
	l->record_report[l->record_box.writing] = t->report;
	latest_publish(&l->record_box);
}

static int start(struct aux_thread *t, struct errbuf *e)
{
	drain(t, DRAIN_MAX); /* of before */
	return recorder_start(t->recorder, clock_monotonic_ns(), e);
}

/* What was on the tapes when the request came belongs to the recording; nothing is written any more. */
static int stop(struct aux_thread *t, struct errbuf *e)
{
	recorder_quieten(t->recorder);
	drain(t, ALL);
	return recorder_stop(t->recorder, clock_monotonic_ns(), e);
}

static void obey(struct aux_thread *t, const struct record_command *c)
{
	struct errbuf e = { "" };
	int rc = c->action == RECORD_START ? start(t, &e) : stop(t, &e);

	t->report.ticket = c->ticket;
	t->report.ok = rc == 0;
	snprintf(t->report.answer, sizeof t->report.answer, "%.*s", RECORD_REASON_BYTES - 1, e.text);
	show(t);
}

static void begin_with_dreamvlad(struct aux_thread *t)
{
	struct errbuf e;

	if (t->config->record_dir[0] && t->config->record_at_start && start(t, &e) < 0)
		log_line(LOG_LEVEL_ERROR, "record: nothing is recorded: %s", e.text);
	show(t);
}

static void *run(void *argument)
{
	struct aux_thread *t = argument;
	struct queue *q = &t->links->record_queue;
	int64_t shown_ns = 0;

	while (!atomic_load_explicit(&t->quit, memory_order_acquire)) {
		int64_t now_ns = clock_monotonic_ns();

		drain(t, DRAIN_MAX);
		for (int at; (at = queue_front(q)) >= 0; queue_release(q))
			obey(t, &t->links->record_command[at]);
		recorder_step(t->recorder, now_ns);
		if (now_ns - shown_ns >= SHOW_PERIOD_NS) {
			show(t);
			shown_ns = now_ns;
		}
		clock_sleep_until(now_ns + AUX_PERIOD_NS);
	}
	recorder_quieten(t->recorder);
	drain(t, ALL);
	recorder_destroy(t->recorder); /* here, because it waits for the disk */
	t->recorder = NULL;
	atomic_store_explicit(&t->has_ended, true, memory_order_release);
	return NULL;
}

int aux_thread_start(struct aux_thread **out, const struct config *config, struct links *links, int cpu, struct errbuf *e)
{
	struct rt_thread_options o = { .name = "aux", .run = run, .wish = RT_OFF, .cpu = cpu, .avoid_cpu = true };
	struct aux_thread *t = calloc(1, sizeof *t);
	bool realtime;
	int rc;

	*out = t;
	if (!t)
		return fail(e, -ENOMEM, "aux thread: out of memory");
	t->config = config;
	t->links = links;
	t->tape[0] = &links->control_tape;
	t->tape[1] = &links->policy_tape;
	t->tape[2] = &links->io_tape;
	if ((rc = recorder_create(&t->recorder, config, links, e)) < 0)
		return rc;
	begin_with_dreamvlad(t); /* before any writer: what began together with dreamvlad can be replayed */
	o.argument = t;
	rc = rt_thread_start(&t->thread, &o, &realtime, e);
	t->thread_runs = rc == 0;
	return rc;
}

bool aux_thread_end(struct aux_thread *t, int64_t patience_ns)
{
	struct timespec until = clock_from_now(patience_ns);

	if (!t || !t->thread_runs)
		return true;
	atomic_store_explicit(&t->quit, true, memory_order_release);
	t->thread_runs = pthread_clockjoin_np(t->thread, NULL, CLOCK_MONOTONIC, &until) != 0
			|| !atomic_load_explicit(&t->has_ended, memory_order_acquire);
	return !t->thread_runs;
}

void aux_thread_destroy(struct aux_thread *t)
{
	if (!t)
		return;
	recorder_destroy(t->recorder); /* of a thread that did not start */
	free(t);
}
