/* io_record.c - what io puts on its tape (messages as they came or went), and requests about the recording, which the aux thread obeys. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/record/kinds.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

#define RECORD_PATIENCE_NS (90 * NS_PER_MS) /* replies come within 100 ms (messages.md section 6) */

/* ---- onto the tape ---- */

void io_record_bytes(struct io *io, enum record_kind kind, const char *topic, int64_t stamp_ns, const struct endpoint_message *m)
{
	struct tape *t = &io->links->io_tape;
	size_t n_picture = m->n_parts > 2 ? m->bytes[2] : 0, n = sizeof(struct record_message) + m->bytes[1] + n_picture;
	struct record_message *r;

	if (!tape_wants(t, (uint16_t)kind) || n > UINT32_MAX || !(r = tape_claim(t, (uint16_t)kind, (uint32_t)n, io->now_ns)))
		return;
	*r = (struct record_message){ .stamp_ns = stamp_ns, .n_map = (uint32_t)m->bytes[1], .n_picture = (uint32_t)n_picture };
	snprintf(r->topic, sizeof r->topic, "%s", topic);
	memcpy(r + 1, m->part[1], m->bytes[1]);
	if (n_picture > 0)
		memcpy((uint8_t *)(r + 1) + m->bytes[1], m->part[2], n_picture);
	tape_publish(t);
}

void io_record_received(struct io *io, enum record_kind kind, const char *what, const char *name, int64_t stamp_ns,
		const struct endpoint_message *m)
{
	char topic[RECORD_TOPIC_BYTES];

	if (!tape_wants(&io->links->io_tape, (uint16_t)kind))
		return;
	snprintf(topic, sizeof topic, "%s/%s", what, name);
	io_record_bytes(io, kind, topic, stamp_ns, m);
}

/* However it was set, by a message or a request: it stands in the recording as the message. */
void io_record_instruction(struct io *io)
{
	struct message_instruction i = { .head = { .from = io->from, .seq = io->inputs.instruction_id, .stamp_ns = io_to_wire_ns(io, io->now_ns) } };
	uint8_t map[MESSAGE_BYTES_MAX];
	struct endpoint_message m = { .n_parts = 2, .part = { NULL, map } };

	if (!io->instruction[0] || !tape_wants(&io->links->io_tape, RECORD_MESSAGE))
		return;
	memcpy(i.text, io->instruction, sizeof i.text);
	if (message_instruction_encode(&i, map, sizeof map, &m.bytes[1], NULL) == 0)
		io_record_bytes(io, RECORD_MESSAGE, "instruction", io->now_ns, &m);
}

/* ---- requests ---- */

int io_record_ask(struct io *io, const struct endpoint_peer *peer, enum record_action action, struct errbuf *e)
{
	struct links *l = io->links;
	int at = io->record_pending.ticket == 0 ? queue_claim(&l->record_queue) : -1;

	if (at < 0)
		return fail(e, -EBUSY, "record: the recorder is busy with an earlier request, or with a slow disk; ask again, `status` shows how it stands");
	l->record_command[at] = (struct record_command){ .action = action, .ticket = ++io->record_ticket };
	queue_publish(&l->record_queue);
	io->record_pending = (struct io_pending){ .peer = *peer, .ticket = io->record_ticket, .deadline_ns = io->now_ns + RECORD_PATIENCE_NS };
	return 0;
}

int io_record_mark(struct io *io, const char *label, struct errbuf *e)
{
	struct message_event m = { .kind = "mark", .source = "operator" };

	if (!io->record.runs)
		return fail(e, -ENODATA, "record: nothing is recorded that could be marked: `dreamvlactl record start` first");
	if (strlen(label) > RECORD_LABEL_BYTES)
		return fail(e, -EINVAL, "label: has %zu bytes: want at most %d", strlen(label), RECORD_LABEL_BYTES);
	snprintf(m.reason, sizeof m.reason, "%.*s", RECORD_LABEL_BYTES, label);
	io_event_publish(io, &m);
	log_line(LOG_LEVEL_INFO, "record: mark \"%s\"", m.reason);
	return 0;
}

/* ---- how it stands ---- */

static void publish(struct io *io, const char *what, const char *which)
{
	struct message_event m = { .kind = "record", .source = "recorder" };

	snprintf(m.reason, sizeof m.reason, "%s%.*s", what, MESSAGE_TEXT_BYTES - 32, which);
	io_event_publish(io, &m);
}

/* Its edges are events: who watches learns that nothing is recorded any more. */
void io_record_follow(struct io *io)
{
	struct links *l = io->links;
	bool ran = io->record.runs, failed;

	if (!latest_refresh(&l->record_box))
		return;
	failed = strcmp(io->record.reason, l->record_report[l->record_box.reading].reason) != 0;
	io->record = l->record_report[l->record_box.reading];
	if (io->record.runs && !ran) {
		publish(io, "started: ", io->record.file);
		io_record_instruction(io); /* the one that stands already */
	} else if (failed && io->record.reason[0]) {
		publish(io, "stopped: ", io->record.reason);
	} else if (ran && !io->record.runs) {
		publish(io, "stopped: ", io->record.file);
	}
}

static const char *end_of_path(const char *path, size_t room)
{
	size_t n = strlen(path);

	return n > room ? path + (n - room) : path;
}

void io_record_status(const struct io *io, struct message_status *m)
{
	const struct record_report *r = &io->record;

	m->has_record = r->file[0] || r->reason[0];
	m->record_runs = r->runs;
	m->record_s = r->runs ? (double)(io->now_ns - r->since_ns) / (double)NS_PER_S : 0.0;
	m->record_mb = (double)r->bytes / 1e6;
	m->record_messages = r->messages;
	m->record_dropped = r->dropped;
	snprintf(m->record_file, sizeof m->record_file, "%s", end_of_path(r->file, sizeof m->record_file - 1));
	snprintf(m->record_reason, sizeof m->record_reason, "%.*s", MESSAGE_TEXT_BYTES - 1, r->reason);
}
