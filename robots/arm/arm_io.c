#include "robots/arm/arm_io.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/log.h"
#include "robots/arm/arm_text.h"
#include "transport/stamp.h"
#include "transport/topic.h"

static const int64_t PUBLISH_NS = 5 * NS_PER_MS; /* 200 Hz; the contract asks for 100 or more */
enum { HIGH_WATER = 16, RECEIVE_MAX = 64 };

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static void note_void(struct arm_io *io, const char *why)
{
	io->voided++;
	arm_void_note(&io->void_log, io->now_ns, io->target_topic, why);
}

/* Targets of others are for the control thread to count; two publishers of one topic are for a person to hear of. */
static void note_foreign(struct arm_io *io, uint64_t from)
{
	char text[160];

	if (!io->report.accepted_from || from == io->report.accepted_from)
		return;
	snprintf(text, sizeof text, "from: a second publisher, %016llx, sends targets; this arm obeys %016llx", (unsigned long long)from,
			(unsigned long long)io->report.accepted_from);
	arm_void_note(&io->void_log, io->now_ns, io->target_topic, text);
}

static void note_interval(struct arm_io *io, uint64_t from, int64_t arrival_ns)
{
	if (!from || from != io->report.accepted_from)
		return;
	if (from == io->interval_from)
		histogram_add(&io->interval, arrival_ns - io->interval_ns);
	io->interval_from = from;
	io->interval_ns = arrival_ns;
}

static int decode_target(struct arm_io *io, const struct endpoint_message *m, int64_t arrival_ns, struct arm_target *out,
		struct errbuf *e)
{
	struct message_target t;
	int64_t stamp_ns;
	int rc = m->n_parts == 2 ? message_target_decode(&t, m->part[1], m->bytes[1], e) : fail(e, -1, "%u parts, want 2", m->n_parts);

	if (rc == 0 && t.target.kind == OUTPUT_JOINT && t.dof != io->setup->model.dof)
		rc = fail(e, -1, "q: found %u numbers, want %u", t.dof, io->setup->model.dof);
	if (rc == 0)
		rc = stamp_to_monotonic(t.head.stamp_ns, arrival_ns, io->offset_ns, &stamp_ns, e);
	if (rc == 0)
		rc = stamp_due_to_monotonic(t.target.t_ns, arrival_ns, io->offset_ns, &t.target.t_ns, e);
	if (rc < 0)
		return rc;
	*out = (struct arm_target){ .from = t.head.from, .seq = t.head.seq, .arrival_ns = arrival_ns, .target = t.target };
	return 0;
}

static void take_target(struct arm_io *io, const struct endpoint_message *m)
{
	int64_t arrival_ns = clock_monotonic_ns();
	struct arm_target target;
	struct errbuf e;

	/* A subscription is only a prefix: target/arm also brings target/arm2. */
	if (!m->n_parts || !topic_is(m->part[0], m->bytes[0], io->target_topic))
		return;
	if (decode_target(io, m, arrival_ns, &target, &e) < 0) {
		note_void(io, e.text);
		return;
	}
	io->received++;
	note_foreign(io, target.from);
	note_interval(io, target.from, arrival_ns);
	int at = queue_claim(&io->links->target_queue);
	if (at < 0) {
		note_void(io, "more come than are played out");
		return;
	}
	io->links->target[at] = target;
	queue_publish(&io->links->target_queue);
}

static void receive_targets(struct arm_io *io)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive(io->targets, &m, &e) > 0; i++)
		take_target(io, &m);
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static int64_t to_wire(const struct arm_io *io, int64_t monotonic_ns)
{
	return monotonic_ns > 0 ? monotonic_ns + io->offset_ns : 0;
}

void arm_io_state_message(struct arm_io *io, struct message_state *m)
{
	const struct arm_report *r = &io->report;
	struct arm_state *s = &m->state;

	memset(m, 0, sizeof *m);
	m->head = (struct message_head){ io->from, io->state_seq, to_wire(io, r->connected ? r->stamp_ns : io->now_ns) };
	m->dof = io->setup->model.dof;
	m->success_rate = r->connected && r->has_success_rate ? r->success_rate : -1;
	m->has_tau = r->connected && r->has_tau;
	arm_words_text(r, io->driver, &m->words);
	s->mode = r->mode;
	s->has_q = r->connected;
	s->stopped = r->stopped;
	s->accepted_from = r->accepted_from;
	s->ack_seq = r->ack_seq;
	s->ack_t_ns = to_wire(io, r->ack_t_ns);
	s->sent_seq = r->sent.seq;
	s->sent_ns = to_wire(io, r->sent.t_ns);
	s->sent_chunk = r->sent.chunk;
	s->sent_chunk_ns = to_wire(io, r->sent.chunk_t_ns);
	s->refused_seq = r->refusal.seq;
	arm_refusal_text(&r->refusal, m->refused_reason, sizeof m->refused_reason);
	s->has_gripper = r->has_gripper;
	s->gripper_m = r->gripper_m;
	s->ee = r->ee;
	memcpy(s->q_rad, r->q_rad, sizeof s->q_rad);
	memcpy(s->dq_rad_s, r->dq_rad_s, sizeof s->dq_rad_s);
	memcpy(s->q_d_rad, r->q_d_rad, sizeof s->q_d_rad);
	memcpy(m->tau_nm, r->tau_nm, sizeof m->tau_nm);
}

/* What keeps it from being driven, and what mends that; and when that is over. */
static void log_words(const struct arm_io *io, const struct arm_report *before, const struct arm_report *r)
{
	struct arm_words w;
	char errors[MESSAGE_TEXT_BYTES] = "";
	size_t n = 0;

	if (r->trouble == before->trouble && r->errors == before->errors && r->held_off == before->held_off)
		return;
	arm_words_text(r, io->driver, &w);
	for (uint32_t i = 0; i < w.n_errors && n < sizeof errors; i++)
		if (strcmp(w.error[i], w.trouble) != 0)
			n += (size_t)snprintf(errors + n, sizeof errors - n, "%s%s", n > 0 ? ", " : "errors ", w.error[i]);
	if (errors[0])
		log_line(LOG_LEVEL_WARNING, "arm: %s", errors);
	if ((r->trouble != before->trouble || r->held_off != before->held_off) && w.trouble[0])
		log_line(LOG_LEVEL_WARNING, "arm: %s: %s", w.trouble, w.remedy);
	if (!r->trouble && !r->errors && !r->held_off)
		log_line(LOG_LEVEL_INFO, "arm: nothing is wrong any more");
}

/* What whoever reads the log afterwards wants to know: who drove when, and what stopped the arm. */
static void log_changes(const struct arm_report *before, const struct arm_report *r, bool stop_received)
{
	char text[MESSAGE_TEXT_BYTES];

	if (r->connected != before->connected)
		log_line(r->connected ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "arm: %s (%s)",
				r->connected ? "the driver has found it" : "the driver has lost it", arm_mode_name(r->mode));
	if (r->stopped && !before->stopped)
		log_line(LOG_LEVEL_WARNING, "arm: %s", stop_received ? "stop at its own door; it is latched until `dreamvlactl reset`" :
				"dreamvla-arm is ending: it stops");
	if (r->loss.count != before->loss.count) {
		arm_loss_text(&r->loss, text, sizeof text);
		log_line(LOG_LEVEL_INFO, "arm: let go of %016llx: %s", (unsigned long long)r->loss.from, text);
	}
	if (before->stopped && !r->stopped)
		log_line(LOG_LEVEL_INFO, "arm: its latched stop was cleared by an operator's reset");
	if (r->accepted_from && r->accepted_from != before->accepted_from)
		log_line(LOG_LEVEL_INFO, "arm: %016llx has attached and drives it now", (unsigned long long)r->accepted_from);
	if (!before->counters.refused && r->counters.refused) {
		arm_refusal_text(&r->refusal, text, sizeof text);
		log_line(LOG_LEVEL_WARNING, "arm: first refused target, seq %llu: %s", (unsigned long long)r->refusal.seq, text);
	}
}

/* A motion that ends so shows in nothing else than in targets that are refused while the arm brakes, unless the arm itself is in trouble,
 * which has words of its own. Once a second at most. */
static void log_underruns(struct arm_io *io, const struct arm_counters *before, const struct arm_counters *c)
{
	if (c->underruns == before->underruns || (io->underrun_ns && io->now_ns - io->underrun_ns < NS_PER_S))
		return;
	if (c->held_up == before->held_up && io->report.trouble)
		return;
	io->underrun_ns = io->now_ns;
	log_line(LOG_LEVEL_WARNING, c->held_up != before->held_up ?
			"arm: brakes: dreamvla-arm was held up for longer than its motion can make up for: see `dreamvlactl doctor`" :
			"arm: brakes: there was no target left to play: whoever sends them is late, or sends none any more");
}

static void refresh_report(struct arm_io *io)
{
	struct arm_links *k = io->links;
	struct arm_report before = io->report;

	if (!latest_refresh(&k->report_box))
		return;
	io->report = k->report[k->report_box.reading];
	io->report_ns = io->now_ns;
	log_changes(&before, &io->report, io->stop_received);
	log_words(io, &before, &io->report);
	log_underruns(io, &before.counters, &io->report.counters);
	io->stop_received &= !io->report.stopped;
}

void arm_io_publish(struct arm_io *io)
{
	struct message_state m;
	struct errbuf e;
	size_t n;

	refresh_report(io);
	io->state_seq++;
	arm_io_state_message(io, &m);
	if (message_state_encode(&m, io->state, sizeof io->state, &n, &e) < 0) {
		log_line(LOG_LEVEL_ERROR, "arm: %s: %s", io->state_topic, e.text);
		return;
	}
	/* A full queue means that dreamvlad does not read: newest wins. */
	(void)!endpoint_send(io->states, &(struct endpoint_message){ 2, { (const uint8_t *)io->state_topic, io->state },
			{ strlen(io->state_topic), n } });
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void refresh_clock(struct arm_io *io)
{
	io->now_ns = clock_monotonic_ns();
	int64_t offset_ns;

	/* One that was interrupted says nothing; the first has to do. */
	if (!io->config->clock || (!clock_realtime_offset_ns(&offset_ns) && io->offset_known))
		return;
	io->offset_ns = offset_ns;
	io->offset_known = true;
}

static void publish_when_due(struct arm_io *io)
{
	if (io->now_ns < io->publish_ns)
		return;
	arm_io_publish(io);
	io->publish_ns += PUBLISH_NS;
	if (io->publish_ns <= io->now_ns) /* no bursts after a pause */
		io->publish_ns = io->now_ns + PUBLISH_NS;
}

void arm_io_step(struct arm_io *io)
{
	refresh_clock(io);
	receive_targets(io);
	refresh_report(io);
	arm_requests_receive(io);
	arm_requests_answer(io);
	publish_when_due(io);
}

void arm_io_run(struct arm_io *io, int stop_fd)
{
	for (;;) {
		zmq_pollitem_t item[4] = {
			{ .socket = endpoint_socket(io->targets), .events = ZMQ_POLLIN },
			{ .socket = endpoint_socket(io->control), .events = ZMQ_POLLIN },
			{ .fd = io->links->answer_fd, .events = ZMQ_POLLIN },
			{ .fd = stop_fd, .events = ZMQ_POLLIN },
		};
		int64_t wait_ns = io->publish_ns - clock_monotonic_ns();

		zmq_poll(item, 4, wait_ns > 0 ? (long)((wait_ns + NS_PER_MS - 1) / NS_PER_MS) : 0);
		if (item[3].revents)
			return;
		if (item[2].revents)
			eventfd_clear(io->links->answer_fd);
		arm_io_step(io);
	}
}

static int open_sockets(struct arm_io *io, void *zmq_context, struct errbuf *e)
{
	const struct config *c = io->config;
	int rc = endpoint_open(&io->targets, zmq_context, &(struct endpoint_options){ .type = ZMQ_SUB, .address = c->sockets_targets,
			.high_water = HIGH_WATER, .max_message_bytes = MESSAGE_BYTES_MAX, .curve_secret = c->sockets_curve_secret,
			.subscribe = { io->target_topic } }, e);

	if (rc == 0)
		rc = endpoint_open(&io->states, zmq_context, &(struct endpoint_options){ .type = ZMQ_PUB, .address = c->sockets_states,
				.curve_secret = c->sockets_curve_secret }, e);
	if (rc == 0)
		rc = endpoint_open(&io->control, zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true,
				.address = io->robot->control, .high_water = HIGH_WATER, .max_message_bytes = REQUEST_BYTES_MAX,
				.insecure = c->sockets_insecure, .curve_secret = c->sockets_curve_secret,
				.curve_clients = c->sockets_curve_clients }, e);
	return rc;
}

int arm_io_init(struct arm_io *io, const struct arm_io_options *o, struct errbuf *e)
{
	memset(io, 0, sizeof *io);
	io->config = o->config;
	io->robot = o->robot;
	io->setup = o->setup;
	io->driver = o->driver;
	io->links = o->links;
	if (getrandom(&io->from, sizeof io->from, 0) != (ssize_t)sizeof io->from)
		io->from = (uint64_t)clock_monotonic_ns();
	snprintf(io->target_topic, sizeof io->target_topic, "target/%s", io->setup->name);
	snprintf(io->state_topic, sizeof io->state_topic, "state/%s", io->setup->name);
	refresh_clock(io);
	io->publish_ns = io->report_ns = io->now_ns;
	return open_sockets(io, o->zmq_context, e);
}

void arm_io_finish(struct arm_io *io)
{
	endpoint_close(io->control);
	endpoint_close(io->states);
	endpoint_close(io->targets);
}
