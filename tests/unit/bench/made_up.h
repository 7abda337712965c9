/* made_up.h - a run as there are, for tests of what is made of one: 2 cameras, a chunk each 400 ms, control at 200 Hz, one chunk that takes
 * long, and texts that a page or a JSON file could stumble over. */
#ifndef DREAMVLA_TESTS_MADE_UP_H
#define DREAMVLA_TESTS_MADE_UP_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_trace.h"
#include "daemon/sys/clock.h"

#define MADE_UP_REASON "the instruction \"<script>alert('x')</script>\" & more"
enum { MADE_UP_CHUNKS = 50, MADE_UP_SLOW = 33, MADE_UP_TICKS = 4000 };
#define MADE_UP_BEGIN_NS (1000 * NS_PER_S)

static uint32_t made_up_random = 1;

/* 0..1, always the same row of them */
static double made_up_draw(void)
{
	made_up_random = made_up_random * 1664525u + 1013904223u;
	return (made_up_random >> 8) / 16777216.0;
}

static int64_t made_up_span(struct bench_trace *t, struct record_span s, const char *stage, int64_t begin_ns, double ms)
{
	s.stage = trace_stage(t, stage);
	s.begin_ns = begin_ns;
	s.end_ns = begin_ns + (int64_t)(ms * (0.9 + 0.3 * made_up_draw()) * 1e6);
	int rc = trace_add_span(t, &s, NULL);

	assert(rc == 0);
	(void)rc;
	return s.end_ns;
}

static void made_up_chunk(struct bench_trace *t, uint64_t id, double extra_ms)
{
	static const struct { const char *stage; double ms; } stages[] = { { "decode", 3 }, { "resize", 2 }, { "patches", 0.4 }, { "vision", 30 },
		{ "decoder", 90 }, { "action_decode", 0.2 }, { "overhead", 0.5 }, { "hand_over", 4 }, { "publish", 0.3 }, { "driver", 80 } };
	int64_t stamp_ns = MADE_UP_BEGIN_NS + (int64_t)id * 400 * NS_PER_MS;
	struct record_span s = { .observation = 1000 + id, .frame_stamp_ns = stamp_ns, .frame_seq = 12 * id };
	struct trace_chunk c = { .id = id, .t_obs_ns = stamp_ns };
	int64_t at_ns;

	at_ns = made_up_span(t, s, "receive", stamp_ns, 6); /* knows its observation only */
	s = (struct record_span){ .observation = 1000 + id, .chunk = id, .frame_stamp_ns = stamp_ns, .frame_seq = 12 * id };
	c.received_ns = at_ns;
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
		at_ns = made_up_span(t, s, stages[i].stage, at_ns, stages[i].ms + (i == 4 ? extra_ms : 0));
		c.handed_over_ns = i == 6 ? at_ns : c.handed_over_ns;
		c.first_ns = i == 8 ? at_ns : c.first_ns;
	}
	made_up_span(t, s, "acknowledge", at_ns, 4);
	made_up_span(t, s, "frame_to_target", c.received_ns, (double)(c.first_ns - c.received_ns) / 1e6);
	c.inference_ns = c.handed_over_ns - c.received_ns - NS_PER_MS;
	c.last_ns = c.first_ns + 500 * NS_PER_MS;
	int rc = trace_add_chunk(t, &c, NULL);

	assert(rc == 0);
	(void)rc;
}

static void made_up_event(struct bench_trace *t, double s, const char *previous, const char *mode, const char *reason)
{
	struct trace_event v = { .t_ns = MADE_UP_BEGIN_NS + (int64_t)(s * 1e9), .kind = "mode" };

	snprintf(v.mode, sizeof v.mode, "%s", mode);
	snprintf(v.previous, sizeof v.previous, "%s", previous);
	snprintf(v.reason, sizeof v.reason, "%s", reason);
	int rc = trace_add_event(t, &v, NULL);

	assert(rc == 0);
	(void)rc;
}

static void made_up_ticks(struct bench_trace *t)
{
	for (int i = 0; i < MADE_UP_TICKS; i++) {
		struct trace_tick k = { .due_ns = MADE_UP_BEGIN_NS + i * 5 * NS_PER_MS, .late_ns = (int64_t)(20e3 + 60e3 * made_up_draw()) };
		int rc;

		k.late_ns += i % 997 == 500 ? 3 * NS_PER_MS : 0;
		rc = trace_add_tick(t, &k, NULL);
		assert(rc == 0);
		(void)rc;
	}
}

/* extra_ms: by which every decoder takes longer. */
static inline void made_up_trace(struct bench_trace *t, double extra_ms)
{
	*t = (struct bench_trace){ .begin_ns = MADE_UP_BEGIN_NS, .end_ns = MADE_UP_BEGIN_NS + 20 * NS_PER_S + 500 * NS_PER_MS,
		.wall_ns = INT64_C(1790000000) * NS_PER_S, .config = strdup("policy:\n  model: <here> & there\n") };
	made_up_random = 1;
	for (uint64_t id = 1; id < MADE_UP_CHUNKS; id++)
		made_up_chunk(t, id, extra_ms + (id == MADE_UP_SLOW ? 250 : 0));
	made_up_ticks(t);
	made_up_event(t, 0.2, "READY", "AUTO", "mode auto was asked for");
	made_up_event(t, 12.5, "AUTO", "HOLD", MADE_UP_REASON);
	made_up_event(t, 14, "HOLD", "AUTO", "mode auto was asked for");
	trace_set_note(t, "kernel", "6.1.0 <b>");
	trace_set_note(t, "governor", "performance");
	trace_finish(t);
}

#endif
