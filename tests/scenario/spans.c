/* spans.c - see spans.h. */
#include "tests/scenario/spans.h"

static void check(struct spans *p, const struct record_span *s, bool good, const char *what)
{
	if (!good)
		p->found(p->context, s, what);
}

static bool same_frame(const struct record_span *a, const struct record_span *b)
{
	return a->observation == b->observation && a->frame_stamp_ns == b->frame_stamp_ns && a->frame_seq == b->frame_seq && a->value == b->value;
}

static void take_receive(struct spans *p, const struct record_span *s)
{
	check(p, s, s->observation == p->observation + 1 && s->chunk == 0, "the next observation, and no chunk yet");
	check(p, s, s->index < p->n_cameras, "a camera");
	p->observation = s->observation;
	p->received[s->observation % SPANS_OBSERVATIONS] = *s;
}

static void take_frame(struct spans *p, const struct record_span *s)
{
	check(p, s, s->observation == p->observation + 1 && s->chunk == 0, "frames come before their observation's receive");
	check(p, s, s->index < p->n_cameras && s->value != 0 && s->frame_seq != 0, "a camera, its publisher and a number");
	check(p, s, s->begin_ns == s->frame_stamp_ns || s->begin_ns == s->end_ns, "it begins with its stamp");
}

static void take_policy(struct spans *p, const struct record_span *s)
{
	const struct record_span *received = &p->received[s->observation % SPANS_OBSERVATIONS];
	struct spans_chunk *c = &p->of[s->chunk % SPANS_CHUNKS];

	if (s->stage == STAGE_WAIT) {
		check(p, s, s->chunk == p->chunk + 1, "the next chunk");
		p->chunk = s->chunk;
		*c = (struct spans_chunk){ .newest = *received, .sum_ns = received->end_ns - received->begin_ns };
	}
	check(p, s, same_frame(s, received), "of a frame that was received");
	check(p, s, s->begin_ns == c->newest.end_ns, "it begins where the one before it ended");
	c->sum_ns += s->end_ns - s->begin_ns;
	c->newest = *s;
}

/* What has to come before a stage. */
static enum trace_stage stage_before(enum trace_stage s)
{
	return s == STAGE_PUBLISH ? STAGE_HAND_OVER : s == STAGE_DRIVER ? STAGE_PUBLISH : STAGE_DRIVER;
}

static void take_chain(struct spans *p, const struct record_span *s, struct spans_chunk *c)
{
	struct spans_arm *a = &c->arm[s->index];

	if (s->stage == STAGE_HAND_OVER) {
		check(p, s, a->end_ns == 0 && c->newest.stage == STAGE_OVERHEAD, "once, and after the inference");
		*a = (struct spans_arm){ .executed = a->executed, .end_ns = c->newest.end_ns, .sum_ns = c->sum_ns, .stage = stage_before(STAGE_PUBLISH) };
	} else {
		check(p, s, a->stage == stage_before((enum trace_stage)s->stage), "in order");
	}
	check(p, s, s->begin_ns == a->end_ns, "it begins where the one before it ended");
	a->stage = (enum trace_stage)s->stage;
	a->end_ns = s->end_ns;
	if (s->stage != STAGE_ACKNOWLEDGE)
		a->sum_ns += s->end_ns - s->begin_ns;
}

static void take_arm(struct spans *p, const struct record_span *s)
{
	struct spans_chunk *c = &p->of[s->chunk % SPANS_CHUNKS];
	const struct record_span *received = &p->received[s->observation % SPANS_OBSERVATIONS];
	const struct spans_arm *a = &c->arm[s->index];
	int64_t length_ns = s->end_ns - s->begin_ns;

	check(p, s, s->index < p->n_arms && c->newest.chunk == s->chunk && same_frame(s, received), "an arm, a chunk and its frame");
	switch (s->stage) {
	case STAGE_FIRST_TARGET:
		check(p, s, s->begin_ns == c->newest.end_ns && s->end_ns == a->end_ns, "from hand-over to publishing");
		break;
	case STAGE_FRAME_TO_TARGET:
		check(p, s, s->begin_ns == received->end_ns && s->end_ns == a->end_ns, "from the last frame to publishing");
		break;
	case STAGE_PHOTON_TO_MOTOR:
		check(p, s, a->stage == STAGE_DRIVER && s->begin_ns == received->begin_ns && s->end_ns == a->end_ns, "from the light to the motor");
		check(p, s, length_ns == a->sum_ns, "the sum of its stages");
		check(p, s, a->executed == s->chunk, "only of targets that were sent to the arm");
		break;
	default:
		take_chain(p, s, c);
	}
}

static void take_person(struct spans *p, const struct record_span *s)
{
	check(p, s, s->chunk == 0 && s->observation == 0 && s->index < p->n_arms, "an arm, and nothing of the policy");
	check(p, s, s->stage != STAGE_STICK_TO_MOTOR || (s->begin_ns == s->frame_stamp_ns && s->end_ns > s->begin_ns),
			"from the message's stamp");
}

static void take(struct spans *p, const struct record_span *s, int64_t now_ns)
{
	p->n[s->stage]++;
	p->n_of[s->stage][s->index % ARMS_MAX]++;
	check(p, s, s->begin_ns <= s->end_ns && s->end_ns <= now_ns && s->begin_ns > 0, "it has ended, and not before it began");
	if (s->stage == STAGE_FRAME)
		take_frame(p, s);
	else if (s->stage == STAGE_RECEIVE)
		take_receive(p, s);
	else if (s->stage <= STAGE_OVERHEAD)
		take_policy(p, s);
	else if (s->stage == STAGE_TAKEOVER || s->stage == STAGE_STICK_TO_MOTOR)
		take_person(p, s);
	else
		take_arm(p, s);
}

static void drain(struct spans *p, struct tape *t, int64_t now_ns)
{
	struct tape_record r;

	for (const void *at; (at = tape_front(t, &r)); tape_release(t))
		if (r.kind == RECORD_SPAN)
			take(p, at, now_ns);
}

void spans_executed(struct spans *p, uint32_t arm, uint64_t chunk)
{
	p->of[chunk % SPANS_CHUNKS].arm[arm].executed = chunk;
}

void spans_take(struct spans *p, struct links *l, int64_t now_ns)
{
	drain(p, &l->io_tape, now_ns); /* frames first: the policy's spans tell of them */
	drain(p, &l->policy_tape, now_ns);
}
