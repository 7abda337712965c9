/* camera_process.c - see camera_process.h. One thread: it waits for the source, publishes what comes, and tells every 10 s. */
#include "transport/camera/camera_process.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"

#define TELL_NS (10 * NS_PER_S)

enum { HEAD_BYTES = 256 };

/* Since the last line. */
struct span {
	int64_t begin_ns, age_sum_ns, age_max_ns;
	uint64_t frames, bytes;
};

struct camera_process {
	const struct camera_process_options *o;
	void *zmq_context, *source;
	struct endpoint *socket;
	int signal_fd;
	char topic[NAME_BYTES + 8];
	uint64_t from, seq, refused, unsent; /* refused: larger than dreamvlad accepts; unsent: dreamvlad does not read */
	int64_t offset_ns, end_ns, tell_ns;
	bool offset_known, ends, told_waiting;
	uint32_t listeners, width, height;
	struct span span;
};

/* ---- one frame --------------------------------------------------------------------------------------------------------------------- */

/* Clock of the messages - CLOCK_MONOTONIC; a reading that was interrupted says nothing, the first has to do. */
static void refresh_offset(struct camera_process *p)
{
	int64_t offset_ns;

	if (!p->o->realtime_clock || (!clock_realtime_offset_ns(&offset_ns) && p->offset_known))
		return;
	p->offset_ns = offset_ns;
	p->offset_known = true;
}

static bool is_acceptable(struct camera_process *p, const struct camera_shot *f)
{
	const struct camera_options *o = &p->o->source;
	bool fits = f->width <= o->width_max && f->height <= o->height_max && f->n_bytes <= o->bytes_max;

	if (!fits && p->refused++ == 0)
		log_line(LOG_LEVEL_WARNING, "%s: %ux%u pixels in %zu bytes are more than dreamvlad accepts (camera.max_width %u, .max_height %u, "
				"sockets.max_frame_kb %zu); further ones are only counted", p->topic, f->width, f->height, f->n_bytes, o->width_max,
				o->height_max, o->bytes_max / 1024);
	return fits;
}

static void count(struct camera_process *p, const struct camera_shot *f)
{
	int64_t age_ns = clock_monotonic_ns() - f->stamp_ns;

	p->span.frames++;
	p->span.bytes += f->n_bytes;
	p->span.age_sum_ns += age_ns;
	if (age_ns > p->span.age_max_ns)
		p->span.age_max_ns = age_ns;
	p->width = f->width;
	p->height = f->height;
}

static void publish(struct camera_process *p, const struct camera_shot *f)
{
	struct message_camera m = { .encoding = ENCODING_JPEG, .width = f->width, .height = f->height };
	uint8_t head[HEAD_BYTES];
	struct errbuf e;
	size_t n;

	if (!is_acceptable(p, f))
		return;
	refresh_offset(p);
	m.head = (struct message_head){ p->from, ++p->seq, f->stamp_ns + p->offset_ns };
	if (message_camera_encode(&m, head, sizeof head, &n, &e) < 0) {
		log_line(LOG_LEVEL_ERROR, "%s: %s", p->topic, e.text);
		return;
	}
	/* A full queue means that dreamvlad does not read: the next frame is newer anyway, and the camera waits for nobody. */
	if (endpoint_send(p->socket, &(struct endpoint_message){ 3, { (const uint8_t *)p->topic, head, f->jpeg },
			{ strlen(p->topic), n, f->n_bytes } }) < 0)
		p->unsent++;
	else
		count(p, f);
}

/* ---- who listens ------------------------------------------------------------------------------------------------------------------- */

/* A subscription is one message: 1 or 0, then the beginning of topics (zmq_socket(3), ZMQ_XPUB). */
static void hear_listeners(struct camera_process *p)
{
	struct endpoint_message m;

	while (endpoint_receive(p->socket, &m, NULL) > 0) {
		bool ours = m.n_parts == 1 && m.bytes[0] >= 1 && m.bytes[0] - 1 <= strlen(p->topic) &&
				memcmp(m.part[0] + 1, p->topic, m.bytes[0] - 1) == 0;

		if (ours && m.part[0][0] == 1)
			p->listeners++;
		else if (ours && p->listeners > 0)
			p->listeners--;
	}
}

/* Files are not played to nobody. */
static bool is_held_up(struct camera_process *p)
{
	bool held = p->o->kind->waits_for_listeners && p->listeners == 0 && p->seq == 0;

	if (held && !p->told_waiting)
		log_line(LOG_LEVEL_INFO, "%s: waits until somebody listens at %s", p->topic, p->o->cameras);
	p->told_waiting |= held;
	return held;
}

/* ---- telling ----------------------------------------------------------------------------------------------------------------------- */

static void tell_json(const struct camera_process *p, double seconds, const struct camera_counters *c)
{
	const struct span *s = &p->span;
	double n = s->frames ? (double)s->frames : 1;
	json_t *line = json_pack("{s:s, s:s, s:f, s:I, s:f, s:[ii], s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "topic", p->topic,
			"source", p->o->kind->describe(p->source), "seconds", seconds, "frames", (json_int_t)s->frames,
			"rate_hz", (double)s->frames / seconds, "size", (int)p->width, (int)p->height, "mean_kb", (double)s->bytes / n / 1024,
			"age_mean_ms", (double)s->age_sum_ns / n / 1e6, "age_max_ms", (double)s->age_max_ns / 1e6, "lost", (json_int_t)c->lost,
			"damaged", (json_int_t)c->damaged, "undated", (json_int_t)c->undated, "restarts", (json_int_t)c->restarts,
			"too_large", (json_int_t)p->refused, "unsent", (json_int_t)p->unsent, "listeners", (int)p->listeners);

	if (line && json_dumpf(line, stdout, JSON_REAL_PRECISION(9)) == 0)
		fputc('\n', stdout);
	json_decref(line);
	fflush(stdout);
}

static void tell_line(const struct camera_process *p, double seconds, const struct camera_counters *c)
{
	const struct span *s = &p->span;
	double n = s->frames ? (double)s->frames : 1;

	log_line(LOG_LEVEL_INFO, "%s: %.1f Hz, %ux%u, %.0f kB, %.1f ms old when sent (worst %.1f); since the start: %llu lost, %llu damaged, "
			"%llu undated, %llu too large, %llu restarts, %llu not sent%s", p->topic, (double)s->frames / seconds, p->width, p->height,
			(double)s->bytes / n / 1024, (double)s->age_sum_ns / n / 1e6, (double)s->age_max_ns / 1e6, (unsigned long long)c->lost,
			(unsigned long long)c->damaged, (unsigned long long)c->undated, (unsigned long long)p->refused,
			(unsigned long long)c->restarts, (unsigned long long)p->unsent, p->listeners ? "" : "; nobody listens");
}

static void tell(struct camera_process *p, int64_t now_ns)
{
	const struct camera_counters c = p->o->kind->counters(p->source);
	double seconds = (double)(now_ns - p->span.begin_ns) / 1e9;

	if (seconds > 0 && p->o->json)
		tell_json(p, seconds, &c);
	else if (seconds > 0)
		tell_line(p, seconds, &c);
	p->span = (struct span){ .begin_ns = now_ns };
	p->tell_ns = now_ns + TELL_NS;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static void wait_for_something(struct camera_process *p, bool held)
{
	struct pollfd item = { .fd = -1 };
	int64_t wake_ns = earlier(p->tell_ns, p->end_ns), source_ns = INT64_MAX;

	if (!held)
		p->o->kind->wait(p->source, &item, &source_ns);
	int64_t left_ns = earlier(wake_ns, source_ns) - clock_monotonic_ns();
	zmq_pollitem_t items[] = {
		{ .fd = p->signal_fd, .events = ZMQ_POLLIN },
		{ .socket = endpoint_socket(p->socket), .events = ZMQ_POLLIN },
		{ .fd = item.fd, .events = ZMQ_POLLIN },
	};

	/* Rounded up, so that what is due is due. */
	zmq_poll(items, item.fd >= 0 ? 3 : 2, left_ns > 0 ? (long)((left_ns + NS_PER_MS - 1) / NS_PER_MS) : 0);
	p->ends = items[0].revents != 0;
}

static int take_turn(struct camera_process *p, struct errbuf *e)
{
	bool held;
	struct camera_shot f = { 0 };
	int rc = 0;

	hear_listeners(p);
	held = is_held_up(p);
	wait_for_something(p, held);
	int64_t now_ns = clock_monotonic_ns();

	p->ends |= now_ns >= p->end_ns;
	if (p->ends)
		return 0;
	if (!held)
		rc = p->o->kind->read(p->source, now_ns, &f, e);
	if (rc == CAMERA_FRAME)
		publish(p, &f);
	p->ends = rc == CAMERA_END;
	if (now_ns >= p->tell_ns)
		tell(p, now_ns);
	return rc < 0 ? rc : 0;
}

static int serve(struct camera_process *p, struct errbuf *e)
{
	int64_t now_ns = clock_monotonic_ns();
	int rc = 0;

	p->span.begin_ns = now_ns;
	p->tell_ns = now_ns + TELL_NS;
	p->end_ns = p->o->duration_s > 0 ? now_ns + (int64_t)(p->o->duration_s * 1e9) : INT64_MAX;
	while (rc == 0 && !p->ends)
		rc = take_turn(p, e);
	tell(p, clock_monotonic_ns());
	return rc;
}

/* ---- start and end ----------------------------------------------------------------------------------------------------------------- */

/* Before ZeroMQ's threads, which inherit it: the signals arrive at the descriptor only. */
static int catch_signals(struct camera_process *p, struct errbuf *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd < 0 ? fail(e, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static int start(struct camera_process *p, struct errbuf *e)
{
	const struct camera_process_options *o = p->o;
	int rc = catch_signals(p, e);

	if (rc < 0)
		return rc;
	snprintf(p->topic, sizeof p->topic, "camera/%s", o->name);
	if (getrandom(&p->from, sizeof p->from, 0) != (ssize_t)sizeof p->from)
		p->from = (uint64_t)clock_monotonic_ns();
	if ((rc = o->kind->create(&p->source, &o->source, e)) < 0)
		return rc;
	p->zmq_context = zmq_ctx_new();
	if (!p->zmq_context)
		return fail(e, -ENOMEM, "ZeroMQ: %s", zmq_strerror(errno));
	/* XPUB: a PUB that also says whether somebody listens. */
	return endpoint_open(&p->socket, p->zmq_context, &(struct endpoint_options){ .type = ZMQ_XPUB, .address = o->cameras,
			.curve_secret = o->curve_secret, .curve_server = o->curve_server }, e);
}

/* Accepts whatever start left behind. */
static void end(struct camera_process *p)
{
	endpoint_close(p->socket);
	p->o->kind->destroy(p->source);
	if (p->zmq_context)
		zmq_ctx_term(p->zmq_context);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	free(p);
}

int camera_process_run(const struct camera_process_options *o, struct errbuf *e)
{
	struct camera_process *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "out of memory");
	p->o = o;
	p->signal_fd = -1;
	int rc = start(p, e);

	if (rc == 0) {
		log_line(LOG_LEVEL_INFO, "%s: %s, to %s", p->topic, o->kind->describe(p->source), o->cameras);
		rc = serve(p, e);
	}
	end(p);
	return rc;
}
