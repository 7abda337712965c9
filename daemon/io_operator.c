/* io_operator.c - the operators' socket: instructions, and teleop (io_teleop.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "policy/policy.h"
#include "transport/stamp.h"
#include "transport/topic.h"

void io_instruction_set(struct io *io, const char *text)
{
	struct message_event event = { .kind = "instruction" };

	if (strcmp(text, io->instruction) == 0)
		return;
	snprintf(io->instruction, sizeof io->instruction, "%s", text);
	io->inputs.instruction_id++;
	io->inputs.instruction_ns = io->now_ns;
	io->inputs_changed = true;
	io->counters.instructions++;
	log_line(LOG_LEVEL_INFO, "instruction: \"%s\"", text);
	snprintf(event.reason, sizeof event.reason, "%.250s", text);
	io_event_publish(io, &event);
	io_record_instruction(io);
}

static int take_instruction(struct io *io, const struct endpoint_message *m, struct errbuf *e)
{
	struct message_instruction i;
	int64_t stamp_ns;
	int rc;

	if (m->n_parts != 2)
		return fail(e, -EBADMSG, "parts: found %u, want 2: topic, map", m->n_parts);
	if ((rc = message_instruction_decode(&i, m->part[1], m->bytes[1], e)) < 0 || (rc = policy_check_instruction(i.text, e)) < 0)
		return rc;
	if ((rc = stamp_to_monotonic(i.head.stamp_ns, io->now_ns, io->clock_offset_ns, &stamp_ns, e)) < 0)
		return rc;
	if (io_sequence_take(io, &io->instruction_sequence, "instruction", NULL, i.head.from, i.head.seq))
		io_instruction_set(io, i.text);
	return 0;
}

/* Complaints are told once a second for each device that has a slot, and for all others together: whoever sends under a thousand
 * names fills neither the log nor the memory for complaints. */
static void complain(struct io *io, const char *device, const char *text)
{
	char line[sizeof(struct errbuf) + 2 * NAME_BYTES];

	snprintf(line, sizeof line, "%s (from teleop/%s)", text, device);
	if (io_teleop_knows(io, device))
		io_void(io, &io->counters.operators_void, "teleop", device, text);
	else
		io_void(io, &io->counters.operators_void, "teleop", NULL, line);
}

static void take_message(struct io *io, const struct endpoint_message *m)
{
	struct topic topic;
	struct errbuf e;

	if (topic_is(m->part[0], m->bytes[0], "instruction")) {
		if (take_instruction(io, m, &e) < 0)
			io_void(io, &io->counters.operators_void, "instruction", NULL, e.text);
	} else if (topic_split(m->part[0], m->bytes[0], &topic) && strcmp(topic.kind, "teleop") == 0 && topic.name[0]) {
		if (io_teleop_take(io, topic.name, m, &e) < 0)
			complain(io, topic.name, e.text);
	} else {
		io_void(io, &io->counters.unknown_topics, "operators", NULL, "topic: is neither instruction nor teleop/<device>");
	}
}

void io_operator_receive(struct io *io)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < IO_DRAIN_MAX && endpoint_receive(io->operators, &m, &e) > 0; i++) {
		io->now_ns = clock_monotonic_ns();
		take_message(io, &m);
	}
}
