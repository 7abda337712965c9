/* io_target.c - targets leave the moment control hands them over: one message per arm, shadows on a topic of their own. */
#include <stdio.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

static int send_message(struct io *io, const char *topic, size_t topic_bytes, const struct message_target *m)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct endpoint_message out = { .n_parts = 2 };
	struct errbuf e;
	size_t n;
	int rc = message_target_encode(m, bytes, sizeof bytes, &n, &e);

	if (rc < 0) {
		io_void(io, &io->counters.targets_dropped, topic, NULL, e.text);
		return rc;
	}
	out.part[0] = (const uint8_t *)topic;
	out.bytes[0] = topic_bytes;
	out.part[1] = bytes;
	out.bytes[1] = n;
	rc = endpoint_send(io->targets, &out);
	io_record_bytes(io, RECORD_MESSAGE, topic, m->head.stamp_ns - io->clock_offset_ns, &out);
	io->counters.targets_dropped += rc < 0;
	return rc;
}

static void send_target(struct io *io, const struct driver_target *t)
{
	struct io_arm *a = &io->arm[t->arm];
	struct message_target m = { .dof = io->setup->arm[t->arm].model.dof, .target = *t };
	char topic[NAME_BYTES + 8];
	int length = snprintf(topic, sizeof topic, "%s/%s", t->shadow ? "shadow" : "target", io->setup->arm[t->arm].name);

	m.intervention = t->intervention;
	m.head.from = io->from;
	m.head.seq = t->shadow ? ++a->shadow_seq : ++a->target_seq;
	m.head.stamp_ns = io_to_wire_ns(io, clock_monotonic_ns());
	m.target.t_ns = io_to_wire_ns(io, t->t_ns);
	m.target.frame_stamp_ns = t->frame_stamp_ns > 0 ? io_to_wire_ns(io, t->frame_stamp_ns) : 0;
	if (send_message(io, topic, (size_t)length, &m) < 0)
		return;
	io->counters.targets += !t->shadow;
	io->counters.shadows += t->shadow;
	io_trace_target(io, t, m.head.seq, clock_monotonic_ns());
}

void io_target_send(struct io *io)
{
	struct links *l = io->links;

	for (int at; (at = queue_front(&l->target_queue)) >= 0; queue_release(&l->target_queue))
		for (uint32_t i = 0; i < l->target[at].n; i++)
			if (l->target[at].target[i].valid && l->target[at].target[i].arm < io->setup->n_arms)
				send_target(io, &l->target[at].target[i]);
}
