/* policy_trace.c - see policy_trace.h. */
#include "daemon/policy_trace.h"

#include "daemon/trace.h"

struct way {
	struct stats *stats;
	struct tape *tape;
	struct record_span span;   /* the newest; the next one begins where it ends */
	int64_t overhead_ns;
};

/* On to `until_ns`, never back. */
static void go(struct way *w, enum trace_stage stage, int64_t until_ns)
{
	struct record_span *s = &w->span;

	s->stage = (uint16_t)stage;
	s->begin_ns = s->end_ns;
	s->end_ns = until_ns > s->begin_ns ? until_ns : s->begin_ns;
	if (stage == STAGE_OVERHEAD)
		w->overhead_ns += s->end_ns - s->begin_ns;
	else
		histogram_add(&w->stats->stage[stage], s->end_ns - s->begin_ns);
	trace_span(w->tape, s);
}

static void go_for(struct way *w, enum trace_stage stage, int64_t duration_ns)
{
	go(w, stage, w->span.end_ns + duration_ns);
}

void policy_trace(struct stats *stats, struct tape *tape, const struct observation *o, uint64_t chunk, const struct policy_moments *when,
		const struct policy_times *times)
{
	const struct camera_frame *f = &o->frame[0];
	struct way w = { .stats = stats, .tape = tape, .span = { .observation = o->id, .chunk = chunk, .frame_stamp_ns = f->stamp_ns,
			.frame_seq = f->seq, .value = f->from, .end_ns = o->ready_ns } };

	go(&w, STAGE_WAIT, when->free_ns);
	go(&w, STAGE_OVERHEAD, when->begin_ns);
	go(&w, STAGE_DECODE, when->decoded_ns);
	go(&w, STAGE_OVERHEAD, when->infer_ns);
	go_for(&w, STAGE_RESIZE, times->resize_ns);
	go_for(&w, STAGE_PATCHES, times->patches_ns);
	go_for(&w, STAGE_VISION, times->vision_ns);
	go_for(&w, STAGE_DECODER, times->decoder_ns);
	go_for(&w, STAGE_ACTION_DECODE, times->action_decode_ns);
	go(&w, STAGE_OVERHEAD, when->handed_over_ns);
	histogram_add(&stats->stage[STAGE_OVERHEAD], w.overhead_ns);
}
