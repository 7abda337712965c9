/* io_event.c - edges: control's numbers become sentences, in the log and on the topic `event`. */
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/reason_text.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

/* NULL: the contract has no such event, it is logged only. */
static const char *const kind_name[] = {
	[EVENT_MODE] = "mode",
	[EVENT_FAULT] = "fault",
	[EVENT_ATTACH] = "attach",
	[EVENT_REFUSED] = "refused",
	[EVENT_CHUNK_DROPPED] = NULL,
	[EVENT_INSTRUCTION] = NULL,
	[EVENT_HOME] = "mode", /* the contract has no kind of its own: the mode stays HOLD, the reason tells */
	[EVENT_TAKEOVER] = "takeover",
	[EVENT_INTERVENTION] = "intervention",
	[EVENT_LIMIT] = NULL,
};

void io_event_publish(struct io *io, struct message_event *m)
{
	static const char topic[] = "event";
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct endpoint_message out = { .n_parts = 2, .part = { (const uint8_t *)topic, bytes }, .bytes = { sizeof topic - 1 } };
	struct errbuf e;

	if (!m->mode[0])
		snprintf(m->mode, sizeof m->mode, "%s", mode_name(io->report.mode));
	m->head.from = io->from;
	m->head.seq = ++io->event_seq;
	if (m->head.stamp_ns == 0)
		m->head.stamp_ns = io_to_wire_ns(io, io->now_ns);
	if (message_event_encode(m, bytes, sizeof bytes, &out.bytes[1], &e) < 0)
		log_line(LOG_LEVEL_ERROR, "event: %s", e.text);
	else {
		io->counters.events += endpoint_send(io->status, &out) == 0;
		io_record_bytes(io, RECORD_MESSAGE, topic, m->head.stamp_ns - io->clock_offset_ns, &out);
	}
}

static enum log_level level_of(const struct control_event *event)
{
	switch (reason_severity(event->reason)) {
	case SEVERITY_FAULT:
		return LOG_LEVEL_ERROR;
	case SEVERITY_HOLD:
		return LOG_LEVEL_WARNING;
	case SEVERITY_GATE:
	case SEVERITY_INFO:
		break;
	}
	return event->kind == EVENT_CHUNK_DROPPED || event->kind == EVENT_LIMIT ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static void log_event(const struct io *io, const struct control_event *event, const char *reason)
{
	enum log_level level = level_of(event);

	if (event->kind == EVENT_MODE)
		log_line(level, "mode: %s -> %s: %s", mode_name(event->previous), mode_name(event->mode), reason);
	else if (event->kind == EVENT_CHUNK_DROPPED)
		log_line(level, "policy: chunk %.0f dropped: %s", event->value, reason);
	else if (event->device < TELEOP_DEVICES_MAX)
		log_line(level, "teleop/%s: %s: %s", io->teleop[event->device].name, kind_name[event->kind], reason);
	else
		log_line(level, "control: %s: %s", kind_name[event->kind] ? kind_name[event->kind] : "limit", reason);
}

/* What happened in words: the reason's sentence, and what numbers alone do not tell. */
static void write_reason(const struct io *io, const struct control_event *event, char *out, size_t capacity)
{
	size_t n = 0;

	if (event->kind == EVENT_INTERVENTION) { /* how long, then why it ended */
		reason_sentence(io->setup, &(struct reason_case){ REASON_DROVE, event->driven,
				(double)(event->t_ns - event->since_ns) / (double)NS_PER_MS, 0.0, NULL }, out, capacity);
		n = strlen(out);
		n += (size_t)snprintf(out + n, capacity - n, "; ");
	}
	reason_sentence(io->setup, &(struct reason_case){ event->reason, event->arm, event->value, event->limit, io_words(io, event->reason, event->arm) },
			out + n, capacity - n);
	n += strlen(out + n);
	if (event->reason == REASON_TELEOP_OUTRANKED && event->value >= 0.0 && event->value < TELEOP_DEVICES_MAX)
		snprintf(out + n, capacity - n, ": teleop/%s", io->teleop[(uint32_t)event->value].name);
}

/* Who, which arm, and for a person's driving since when and until when. */
static void name_parties(const struct io *io, const struct control_event *event, struct message_event *m)
{
	bool drives = event->kind == EVENT_TAKEOVER || event->kind == EVENT_INTERVENTION;
	uint32_t arm = drives ? event->driven : event->arm;

	if (event->device < TELEOP_DEVICES_MAX)
		snprintf(m->source, sizeof m->source, "teleop/%s", io->teleop[event->device].name);
	else
		snprintf(m->source, sizeof m->source, "control");
	if ((drives || reason_is_about_arm(event->reason)) && arm < io->setup->n_arms)
		snprintf(m->arm, sizeof m->arm, "%s", io->setup->arm[arm].name);
	m->has_began = drives;
	m->has_ended = event->kind == EVENT_INTERVENTION;
	m->began_ns = io_to_wire_ns(io, event->since_ns);
	m->ended_ns = io_to_wire_ns(io, event->t_ns);
}

/* Who watches without the events sees in status why a device may not drive. */
static void remember_refusal(struct io *io, const struct control_event *event, const char *reason)
{
	if (event->kind != EVENT_REFUSED || event->device >= TELEOP_DEVICES_MAX)
		return;
	snprintf(io->teleop_refused, sizeof io->teleop_refused, "teleop/%s: %s", io->teleop[event->device].name, reason);
	io->teleop_refused_ns = event->t_ns;
}

static void send_event(struct io *io, const struct control_event *event)
{
	struct message_event m = { .head.stamp_ns = io_to_wire_ns(io, event->t_ns) };

	if (event->kind == EVENT_INSTRUCTION) /* io_instruction_set has announced it, with the text */
		return;
	write_reason(io, event, m.reason, sizeof m.reason);
	log_event(io, event, m.reason);
	remember_refusal(io, event, m.reason);
	if (!kind_name[event->kind])
		return;
	snprintf(m.kind, sizeof m.kind, "%s", kind_name[event->kind]);
	snprintf(m.mode, sizeof m.mode, "%s", mode_name(event->mode));
	snprintf(m.previous, sizeof m.previous, "%s", mode_name(event->previous));
	snprintf(m.code, sizeof m.code, "%s", reason_name(event->reason));
	name_parties(io, event, &m);
	io_event_publish(io, &m);
}

void io_event_send(struct io *io)
{
	struct links *l = io->links;

	for (int at; (at = queue_front(&l->event_queue)) >= 0; queue_release(&l->event_queue))
		send_event(io, &l->event[at]);
}
