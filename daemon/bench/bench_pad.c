/* bench_pad.c - see bench_pad.h. */
#include "daemon/bench/bench_pad.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

#include "daemon/sys/clock.h"
#include "transport/message/request.h"

#define REPEAT_NS (10 * NS_PER_MS)
#define PING_PATIENCE_NS NS_PER_S
enum { TARGETS_HIGH_WATER = 100 };

static int open_sockets(struct pad *p, struct errbuf *e)
{
	const struct config *c = &p->session->config;
	char topic[NAME_BYTES + 8];

	snprintf(topic, sizeof topic, "target/%.*s", NAME_BYTES - 1, c->robot[0].name);
	struct endpoint_options out = { .type = ZMQ_PUB, .address = c->sockets_operators, .curve_secret = c->sockets_curve_secret };
	struct endpoint_options in = { .type = ZMQ_SUB, .address = c->sockets_targets, .curve_secret = c->sockets_curve_secret,
		.high_water = TARGETS_HIGH_WATER, .max_message_bytes = MESSAGE_BYTES_MAX, .subscribe = { topic } };
	struct endpoint_options ask = { .type = ZMQ_DEALER, .address = c->sockets_control, .curve_secret = c->sockets_curve_secret,
		.max_message_bytes = MESSAGE_BYTES_MAX };
	int rc = endpoint_open(&p->operators, p->session->zmq, &out, e);

	if (rc == 0)
		rc = endpoint_open(&p->targets, p->session->zmq, &in, e);
	return rc == 0 ? endpoint_open(&p->control, p->session->zmq, &ask, e) : rc;
}

int pad_open(struct pad *p, const struct session *s, struct errbuf *e)
{
	*p = (struct pad){ .session = s };
	p->message = (struct message_teleop){ .kind = TELEOP_TWIST, .n_values = 6, .frame = FRAME_BASE };
	snprintf(p->message.arm, sizeof p->message.arm, "%.*s", NAME_BYTES - 1, s->config.robot[0].name);
	if (getrandom(&p->message.head.from, sizeof p->message.head.from, 0) != (ssize_t)sizeof p->message.head.from)
		return fail(e, -errno, "getrandom: %s", strerror(errno));
	int rc = open_sockets(p, e);

	if (rc < 0)
		pad_close(p);
	return rc;
}

void pad_close(struct pad *p)
{
	pad_stream_stop(p);
	endpoint_close(p->control);
	endpoint_close(p->targets);
	endpoint_close(p->operators);
	p->control = p->targets = p->operators = NULL;
}

void pad_send(struct pad *p)
{
	static const char topic[] = "teleop/bench";
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)topic, bytes }, .bytes = { sizeof topic - 1 } };
	struct errbuf ignored;

	p->sent_ns = clock_monotonic_ns();
	p->message.head.seq++;
	p->message.head.stamp_ns = p->session->config.clock == 0 ? p->sent_ns : clock_realtime_ns();
	p->send_ns = p->sent_ns + REPEAT_NS;
	if (message_teleop_encode(&p->message, bytes, sizeof bytes, &m.bytes[1], &ignored) == 0)
		(void)!endpoint_send(p->operators, &m); /* a lost one shows as a take-over that did not come */
}

/* The newest target; 1, 0 or -errno. */
static int drain_targets(struct pad *p, struct errbuf *e)
{
	struct endpoint_message m;
	int rc, found = 0;

	while ((rc = endpoint_receive(p->targets, &m, e)) == 1 && m.n_parts == 2) {
		p->target_ns = clock_monotonic_ns();
		if ((rc = message_target_decode(&p->target, m.part[1], m.bytes[1], e)) < 0)
			return rc;
		found = 1;
		break; /* one at a time: the first one of a kind is what is looked for */
	}
	return rc < 0 ? rc : found;
}

static long wait_ms(int64_t until_ns)
{
	int64_t left_ns = until_ns - clock_monotonic_ns();

	return left_ns > 0 ? (long)((left_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

int pad_step(struct pad *p, int64_t until_ns, struct errbuf *e)
{
	zmq_pollitem_t item = { .socket = endpoint_socket(p->targets), .events = ZMQ_POLLIN };
	int rc = 0;

	while (rc == 0 && clock_monotonic_ns() < until_ns) {
		if (clock_monotonic_ns() >= p->send_ns)
			pad_send(p);
		rc = drain_targets(p, e);
		if (rc == 0)
			zmq_poll(&item, 1, wait_ms(p->send_ns < until_ns ? p->send_ns : until_ns));
	}
	return rc;
}

int pad_ping(struct pad *p, int64_t *round_trip_ns, struct errbuf *e)
{
	zmq_pollitem_t item = { .socket = endpoint_socket(p->control), .events = ZMQ_POLLIN };
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)"", bytes } };
	struct map_builder b;

	request_begin(&b, bytes, sizeof bytes, "ping");
	map_add_i64(&b, "t_ns", clock_monotonic_ns());
	int rc = map_finish(&b, &m.bytes[1], e);
	int64_t begin_ns = clock_monotonic_ns();

	if (rc == 0)
		rc = endpoint_send(p->control, &m);
	if (rc < 0)
		return rc == -EAGAIN ? fail(e, rc, "ping: not connected to %s yet", endpoint_address(p->control)) : rc;
	while ((rc = endpoint_receive(p->control, &m, e)) == 0) {
		if (clock_monotonic_ns() - begin_ns > PING_PATIENCE_NS)
			return fail(e, -ETIMEDOUT, "ping: no answer from %s", endpoint_address(p->control));
		zmq_poll(&item, 1, wait_ms(begin_ns + PING_PATIENCE_NS));
	}
	*round_trip_ns = clock_monotonic_ns() - begin_ns;
	return rc < 0 ? rc : 0;
}

static void *stream(void *argument)
{
	struct pad *p = argument;
	struct errbuf ignored;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed))
		(void)!pad_step(p, clock_monotonic_ns() + REPEAT_NS, &ignored);
	return NULL;
}

int pad_stream_start(struct pad *p, struct errbuf *e)
{
	int rc = pthread_create(&p->thread, NULL, stream, p);

	p->streams = rc == 0;
	return rc == 0 ? 0 : fail(e, -rc, "device thread: %s", strerror(rc));
}

void pad_stream_stop(struct pad *p)
{
	if (!p->streams)
		return;
	atomic_store_explicit(&p->stop, true, memory_order_relaxed);
	pthread_join(p->thread, NULL);
	p->streams = false;
}
