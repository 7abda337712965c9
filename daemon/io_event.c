/* io_event.c - edges: control's numbers become sentences, in the log and on the topic `event`. */
#include <stdio.h>

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
	m->head.stamp_ns = io_to_wire_ns(io, io->now_ns);
	if (message_event_encode(m, bytes, sizeof bytes, &out.bytes[1], &e) < 0)
		log_line(LOG_LEVEL_ERROR, "event: %s", e.text);
	else if (endpoint_send(io->status, &out) == 0)
		io->counters.events++;
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

static void log_event(const struct control_event *event, const char *reason)
{
	enum log_level level = level_of(event);

	if (event->kind == EVENT_MODE)
		log_line(level, "mode: %s -> %s: %s", mode_name(event->previous), mode_name(event->mode), reason);
	else if (event->kind == EVENT_CHUNK_DROPPED)
		log_line(level, "policy: chunk %.0f dropped: %s", event->value, reason);
	else
		log_line(level, "control: %s: %s", kind_name[event->kind] ? kind_name[event->kind] : "limit", reason);
}

static void send_event(struct io *io, const struct control_event *event)
{
	struct message_event m = { 0 };

	if (event->kind == EVENT_INSTRUCTION) /* io_instruction_set has announced it, with the text */
		return;
	reason_sentence(io->setup, event->reason, event->arm, event->value, event->limit, m.reason, sizeof m.reason);
	log_event(event, m.reason);
	if (!kind_name[event->kind])
		return;
	snprintf(m.kind, sizeof m.kind, "%s", kind_name[event->kind]);
	snprintf(m.mode, sizeof m.mode, "%s", mode_name(event->mode));
	snprintf(m.previous, sizeof m.previous, "%s", mode_name(event->previous));
	if (event->device < TELEOP_DEVICES_MAX)
		snprintf(m.source, sizeof m.source, "teleop/%s", io->teleop[event->device].name);
	else
		snprintf(m.source, sizeof m.source, "control");
	if (reason_is_about_arm(event->reason) && event->arm < io->setup->n_arms)
		snprintf(m.arm, sizeof m.arm, "%s", io->setup->arm[event->arm].name);
	io_event_publish(io, &m);
}

void io_event_send(struct io *io)
{
	struct links *l = io->links;

	for (int at; (at = queue_front(&l->event_queue)) >= 0; queue_release(&l->event_queue))
		send_event(io, &l->event[at]);
}
