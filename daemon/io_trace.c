/* io_trace.c - the stages of a frame's way that io sees (trace.h): frames in, first targets out, and the arms' word that their motors got
 * them. */
#include "daemon/io.h"
#include "daemon/trace.h"
#include "transport/stamp.h"

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t later(int64_t a_ns, int64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* A span like `like` from begin to end, into its histogram and onto the tape. */
static void put(struct io *io, const struct record_span *like, enum trace_stage stage, int64_t begin_ns, int64_t end_ns)
{
	struct record_span s = *like;

	s.stage = (uint16_t)stage;
	s.begin_ns = begin_ns;
	s.end_ns = end_ns;
	histogram_add(&io->stats->stage[stage], end_ns - begin_ns);
	trace_span(&io->links->io_tape, &s);
}

/* ---- frames ---- */

static struct record_span span_of_frame(const struct observation *o, uint32_t camera)
{
	const struct camera_frame *f = &o->frame[camera];

	return (struct record_span){ .index = (uint16_t)camera, .observation = o->id, .frame_stamp_ns = f->stamp_ns, .frame_seq = f->seq,
		.value = f->from };
}

void io_trace_observation(struct io *io, const struct observation *o)
{
	struct record_span set = span_of_frame(o, 0);

	for (uint32_t i = 0; i < o->n_cameras; i++) {
		struct record_span s = span_of_frame(o, i);
		int64_t arrival_ns = o->frame[i].arrival_ns;

		put(io, &s, STAGE_FRAME, earlier(s.frame_stamp_ns, arrival_ns), arrival_ns);
		set.index = arrival_ns == o->ready_ns ? (uint16_t)i : set.index;
	}
	put(io, &set, STAGE_RECEIVE, earlier(o->t_obs_ns, o->ready_ns), o->ready_ns);
}

/* ---- targets ---- */

/* The tick is told its nominal time and reads no clock: a chunk that came while it was late, was there in time. */
static void trace_first(struct io *io, const struct driver_target *t, int64_t published_ns)
{
	const struct chunk_origin *from = &t->origin;
	int64_t taken_ns = earlier(later(t->tick_ns, from->handed_over_ns), published_ns);
	struct io_trace *trace = &io->arm[t->arm].trace;
	struct record_span s = { .index = (uint16_t)t->arm, .step = t->step, .observation = from->observation, .chunk = t->chunk,
		.frame_stamp_ns = t->frame_stamp_ns, .frame_seq = from->frame_seq, .value = from->frame_from };

	put(io, &s, STAGE_HAND_OVER, from->handed_over_ns, taken_ns);
	put(io, &s, STAGE_PUBLISH, taken_ns, published_ns);
	put(io, &s, STAGE_FIRST_TARGET, from->handed_over_ns, published_ns);
	put(io, &s, STAGE_FRAME_TO_TARGET, from->received_ns, published_ns);
	if (t->shadow)
		return;
	s.begin_ns = taken_ns;
	s.end_ns = published_ns;
	trace->flight[trace->next_flight++ % IO_FLIGHTS] = (struct io_flight){ s, earlier(from->t_obs_ns, from->received_ns) };
}

/* The first target of a person's motion closes the take-over; one device that takes the arm from another is not told apart. What the
 * target itself says counts: the report of its tick comes after it. */
static void trace_person(struct io *io, const struct driver_target *t, uint64_t seq, int64_t published_ns)
{
	struct io_trace *trace = &io->arm[t->arm].trace;
	const struct record_span s = { .index = (uint16_t)t->arm, .frame_stamp_ns = t->stick_stamp_ns };

	if (!trace->teleop_sent)
		put(io, &s, STAGE_TAKEOVER, t->edge_ns, published_ns);
	if (t->stick_stamp_ns == trace->stick_stamp_ns)
		return; /* a message is felt with the first target made from it */
	trace->stick_stamp_ns = t->stick_stamp_ns;
	trace->stick[seq % IO_STICKS] = (struct io_stick){ seq, t->stick_stamp_ns, published_ns };
}

void io_trace_target(struct io *io, const struct driver_target *t, uint64_t seq, int64_t published_ns)
{
	struct io_trace *trace = &io->arm[t->arm].trace;
	bool driven = !t->shadow && t->source == TARGET_TELEOP;

	if (!t->shadow && t->chunk > trace->newest_chunk)
		trace->newest_chunk = t->chunk;
	if (t->first_of_chunk)
		trace_first(io, t, published_ns);
	if (driven)
		trace_person(io, t, seq, published_ns);
	if (!t->shadow)
		trace->teleop_sent = driven;
}

/* ---- the arms' word ---- */

/* Brings what an arm says into the time between publishing and hearing of it. False, and counted: it cannot be, because the target was not
 * made yet or the arm's word is older, by more than clocks may differ. (It may have left before this thread found the time to look at the
 * clock.) */
static bool believe(struct io *io, int64_t made_ns, int64_t published_ns, int64_t *sent_ns)
{
	if (*sent_ns < made_ns - STAMP_AHEAD_MAX_NS || *sent_ns > io->now_ns + STAMP_AHEAD_MAX_NS) {
		io->counters.acks_void++;
		return false;
	}
	*sent_ns = earlier(later(*sent_ns, published_ns), io->now_ns);
	return true;
}

static void land(struct io *io, const struct io_flight *f, int64_t sent_ns)
{
	int64_t published_ns = f->span.end_ns;

	if (!believe(io, f->span.begin_ns, published_ns, &sent_ns))
		return;
	put(io, &f->span, STAGE_DRIVER, published_ns, sent_ns);
	put(io, &f->span, STAGE_PHOTON_TO_MOTOR, f->photon_ns, sent_ns);
	put(io, &f->span, STAGE_ACKNOWLEDGE, sent_ns, io->now_ns);
}

/* Each chunk is told of once; one that was never executed is never told of, and its place is used again. */
static void take_chunk(struct io *io, struct io_trace *trace, const struct arm_state *s)
{
	if (s->sent_chunk == 0 || s->sent_chunk == trace->sent_chunk)
		return;
	if (s->sent_chunk > trace->newest_chunk) {
		io->counters.acks_void++;
		return;
	}
	trace->sent_chunk = s->sent_chunk;
	for (uint32_t i = 0; i < IO_FLIGHTS; i++) {
		struct io_flight f = trace->flight[i];

		if (f.span.chunk != s->sent_chunk)
			continue;
		trace->flight[i].span.chunk = 0;
		land(io, &f, s->sent_chunk_ns);
	}
}

static void take_stick(struct io *io, uint32_t arm, const struct arm_state *s)
{
	struct io_trace *trace = &io->arm[arm].trace;
	struct io_stick *stick = &trace->stick[s->sent_seq % IO_STICKS];
	struct record_span span = { .index = (uint16_t)arm, .frame_stamp_ns = stick->stamp_ns };
	int64_t sent_ns = s->sent_ns;

	if (s->sent_seq == 0 || s->sent_seq == trace->sent_seq)
		return;
	if (s->sent_seq > io->arm[arm].target_seq) {
		io->counters.acks_void++;
		return;
	}
	trace->sent_seq = s->sent_seq;
	if (stick->seq == s->sent_seq && believe(io, stick->stamp_ns, stick->published_ns, &sent_ns))
		put(io, &span, STAGE_STICK_TO_MOTOR, earlier(stick->stamp_ns, sent_ns), sent_ns);
}

void io_trace_state(struct io *io, uint32_t arm)
{
	const struct arm_state *s = &io->inputs.arm[arm];

	if (!s->attached)
		return;
	take_chunk(io, &io->arm[arm].trace, s);
	take_stick(io, arm, s);
}
