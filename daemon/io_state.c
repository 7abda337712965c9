/* io_state.c - arm states: checked, dated, and kept for a second so that the policy gets the one of its frames' time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/reason_text.h"
#include "daemon/sys/clock.h"
#include "transport/stamp.h"
#include "transport/topic.h"

static int find_arm(const struct io *io, const struct endpoint_message *m)
{
	struct topic topic;

	if (!topic_split(m->part[0], m->bytes[0], &topic) || strcmp(topic.kind, "state") != 0)
		return -1;
	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		if (strcmp(topic.name, io->setup->arm[i].name) == 0)
			return (int)i;
	return -1;
}

/* 0 stands for none, and for what cannot be. */
static int64_t to_monotonic_ns(const struct io *io, int64_t t_ns)
{
	int64_t when_ns;

	return t_ns > 0 && !__builtin_sub_overflow(t_ns, io->clock_offset_ns, &when_ns) && when_ns > 0 ? when_ns : 0;
}

/* What the decoder could not know: which arm it is, and whose clock. */
static int check_state(const struct io *io, uint32_t arm, struct message_state *s, struct errbuf *e)
{
	const struct arm_setup *setup = &io->setup->arm[arm];
	int rc;

	if (s->state.has_q && s->dof != setup->model.dof)
		return fail(e, -EBADMSG, "q: found %u joints, want %u (model %s)", s->dof,
				setup->model.dof, setup->model.name);
	rc = stamp_to_monotonic(s->head.stamp_ns, io->now_ns, io->clock_offset_ns, &s->head.stamp_ns, e);
	s->state.ack_t_ns = to_monotonic_ns(io, s->state.ack_t_ns);
	s->state.sent_ns = to_monotonic_ns(io, s->state.sent_ns);
	s->state.sent_chunk_ns = to_monotonic_ns(io, s->state.sent_chunk_ns);
	return rc;
}

static void keep_state(struct io *io, uint32_t arm, const struct message_state *s)
{
	struct io_arm *a = &io->arm[arm];
	/* One of somebody else's targets, while that one drives, is not ours to report: it would hide why we may not drive. */
	bool ours = s->state.accepted_from == io->from || io->inputs.arm[arm].attached;
	bool refused = ours && s->refused_reason[0] && s->state.refused_seq != io->inputs.arm[arm].refused_seq;
	struct arm_state state = s->state;

	state.present = true;
	state.from = s->head.from;
	state.seq = s->head.seq;
	state.stamp_ns = s->head.stamp_ns;
	state.arrival_ns = io->now_ns;
	state.attached = s->state.accepted_from == io->from;
	state.has_errors = s->words.n_errors > 0;
	if (refused) {
		snprintf(a->refused, sizeof a->refused, "target %" PRIu64 ": %.200s", s->state.refused_seq, s->refused_reason);
		a->refused_ns = io->now_ns;
	}
	a->words = s->words;
	state_history_push(&a->history, &state);
	io->inputs.arm[arm] = state;
	io->inputs_changed = true;
	io_trace_state(io, arm);
}

static int take_state(struct io *io, uint32_t arm, const struct endpoint_message *m, struct errbuf *e)
{
	struct message_state s;
	int rc;

	if (m->n_parts != 2)
		return fail(e, -EBADMSG, "parts: found %u, want 2: topic, map", m->n_parts);
	if ((rc = message_state_decode(&s, m->part[1], m->bytes[1], e)) < 0)
		return rc;
	if ((rc = check_state(io, arm, &s, e)) < 0)
		return rc;
	if (io_sequence_take(io, &io->arm[arm].source.sequence, "state", io->setup->arm[arm].name, s.head.from, s.head.seq)) {
		io->counters.states++;
		keep_state(io, arm, &s);
		io_record_received(io, RECORD_MESSAGE, "state", io->setup->arm[arm].name, s.head.stamp_ns, m);
	}
	return 0;
}

static void void_state(struct io *io, uint32_t arm, const char *text)
{
	io_void(io, &io->counters.states_void, "state", io->setup->arm[arm].name, text);
	io->inputs.state_void_ns[arm] = io->now_ns;
	io->inputs_changed = true;
}

void io_state_receive(struct io *io)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < IO_DRAIN_MAX && endpoint_receive(io->states, &m, &e) > 0; i++) {
		int arm = find_arm(io, &m);

		io->now_ns = clock_monotonic_ns();
		if (arm < 0)
			io_void(io, &io->counters.unknown_topics, "states", NULL, io_void_topic(&m, "state/ and one of robots[].name", &e));
		else if (take_state(io, (uint32_t)arm, &m, &e) < 0)
			void_state(io, (uint32_t)arm, e.text);
	}
}

const struct arm_words *io_words(const struct io *io, uint32_t reason, uint32_t arm)
{
	const struct arm_words *w = arm < io->setup->n_arms ? &io->arm[arm].words : NULL;
	enum arm_mode mode = w ? io->inputs.arm[arm].mode : ARM_IDLE;
	bool lesser = mode == ARM_READY || mode == ARM_MOVING; /* its trouble does not keep it from being driven */

	return w && (w->n_errors > 0 || (w->trouble[0] && (!lesser || reason_tells_trouble(reason)))) ? w : NULL;
}
