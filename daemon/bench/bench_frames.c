/* bench_frames.c - see bench_frames.h. */
#include "daemon/bench/bench_frames.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "transport/endpoint.h"

enum { WAITING_MAX = 256, POLL_MS = 2, HIGH_WATER = 64 };

/* A frame on its way. */
struct late_frame {
	int64_t due_ns;
	struct endpoint_message message;  /* parts lie in bytes */
	uint8_t *bytes;
};

struct frames {
	struct frames_options options;
	struct endpoint *in, *out;
	pthread_t thread;
	_Atomic bool quit;
	uint32_t random;
	uint32_t n_waiting;               /* first in, first out: nothing overtakes */
	int64_t newest_due_ns;
	struct late_frame waiting[WAITING_MAX];
	struct frames_counters counters;
};

/* 0..1 */
static double draw(struct frames *f)
{
	f->random = f->random * 1664525u + 1013904223u;
	return (f->random >> 8) / 16777216.0;
}

static bool copy_message(struct late_frame *l, const struct endpoint_message *m)
{
	size_t n = 0;

	for (uint32_t i = 0; i < m->n_parts; i++)
		n += m->bytes[i];
	l->message = *m;
	l->bytes = malloc(n + 1);
	n = 0;
	for (uint32_t i = 0; l->bytes && i < m->n_parts; i++) {
		memcpy(l->bytes + n, m->part[i], m->bytes[i]);
		l->message.part[i] = l->bytes + n;
		n += m->bytes[i];
	}
	return l->bytes != NULL;
}

static void take(struct frames *f, const struct endpoint_message *m)
{
	struct late_frame *l = &f->waiting[f->n_waiting];
	int64_t due_ns = clock_monotonic_ns() + (int64_t)(draw(f) * (double)f->options.delay_ns);

	if (draw(f) < f->options.drop_share || f->n_waiting == WAITING_MAX || !copy_message(l, m)) {
		f->counters.dropped++;
		return;
	}
	f->newest_due_ns = due_ns > f->newest_due_ns ? due_ns : f->newest_due_ns;
	l->due_ns = f->newest_due_ns;
	f->n_waiting++;
}

static void send_due(struct frames *f)
{
	uint32_t n = 0;

	for (; n < f->n_waiting && f->waiting[n].due_ns <= clock_monotonic_ns(); n++) {
		if (endpoint_send(f->out, &f->waiting[n].message) == 0)
			f->counters.passed++;
		else
			f->counters.dropped++;
		free(f->waiting[n].bytes);
	}
	f->n_waiting -= n;
	memmove(f->waiting, f->waiting + n, f->n_waiting * sizeof *f->waiting);
}

static void *run(void *argument)
{
	struct frames *f = argument;
	zmq_pollitem_t item = { .socket = endpoint_socket(f->in), .events = ZMQ_POLLIN };
	struct endpoint_message m;
	struct errbuf e;

	while (!atomic_load_explicit(&f->quit, memory_order_acquire)) {
		zmq_poll(&item, 1, POLL_MS);
		while (endpoint_receive(f->in, &m, &e) == 1)
			take(f, &m);
		send_due(f);
	}
	return NULL;
}

static int open_sockets(struct frames *f, struct errbuf *e)
{
	const struct endpoint_options in = { .type = ZMQ_SUB, .bind = true, .address = f->options.from, .high_water = HIGH_WATER,
		.max_message_bytes = 256u << 20 };
	const struct endpoint_options out = { .type = ZMQ_PUB, .address = f->options.to, .high_water = HIGH_WATER, .curve_secret = f->options.curve_secret };
	int rc = endpoint_open(&f->in, f->options.zmq, &in, e);

	return rc < 0 ? rc : endpoint_open(&f->out, f->options.zmq, &out, e);
}

int frames_start(struct frames **out, const struct frames_options *o, struct errbuf *e)
{
	struct frames *f = calloc(1, sizeof *f);
	int rc;

	if (!f)
		return fail(e, -ENOMEM, "out of memory for frames on their way");
	f->options = *o;
	f->random = 1;
	if ((rc = open_sockets(f, e)) == 0 && (rc = -pthread_create(&f->thread, NULL, run, f)) < 0)
		rc = fail(e, rc, "frames: no thread: %s", strerror(-rc));
	if (rc < 0) {
		endpoint_close(f->in);
		endpoint_close(f->out);
		free(f);
		return rc;
	}
	*out = f;
	return 0;
}

struct frames_counters frames_stop(struct frames *f)
{
	struct frames_counters counters = { 0 };

	if (!f)
		return counters;
	atomic_store_explicit(&f->quit, true, memory_order_release);
	pthread_join(f->thread, NULL);
	counters = f->counters;
	for (uint32_t i = 0; i < f->n_waiting; i++)
		free(f->waiting[i].bytes);
	endpoint_close(f->in);
	endpoint_close(f->out);
	free(f);
	return counters;
}
