/* bench_trace.h - one run in memory, as reports are made of it: what each stage took, how late each tick was, which chunks there were, what
 * happened. Filled from a recording (bench_recording.h) or by a test; looked at by bench_stages.h and what draws and writes it.
 * Times are ns of CLOCK_MONOTONIC of the machine that ran. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_TRACE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/record/kinds.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/error.h"
#include "daemon/sys/histogram.h"
#include "transport/message/message.h"

enum { TRACE_STAGES_MAX = 32, TRACE_NOTES_MAX = 40, TRACE_NOTE_BYTES = 256, TRACE_COUNTS_MAX = 16 };

/* When a control tick was due, and how much later it began. */
struct trace_tick {
	int64_t due_ns, late_ns;
};

/* A change that somebody will ask about. */
struct trace_event {
	int64_t t_ns;
	char kind[NAME_BYTES], mode[NAME_BYTES], previous[NAME_BYTES], code[NAME_BYTES];
	char reason[MESSAGE_TEXT_BYTES];
};

/* One chunk, from its observation to its last action. */
struct trace_chunk {
	uint64_t id;
	int64_t t_obs_ns, received_ns;      /* the oldest frame's stamp; the last frame's arrival */
	int64_t handed_over_ns, inference_ns;
	int64_t first_ns, last_ns;          /* when its first and its last target were sent; 0: none was */
};

/* A fact about the machine or the programs: "kernel", "6.1.0". */
struct trace_note {
	char name[NAME_BYTES], value[TRACE_NOTE_BYTES];
};

/* What dreamvlad counts since its start: when the trace begins, and at its end. */
struct trace_count {
	char name[NAME_BYTES];
	uint64_t first, last;
};

struct bench_trace {
	int64_t begin_ns, end_ns;
	int64_t wall_ns;                    /* CLOCK_REALTIME at begin_ns; 0: unknown */
	uint32_t n_stages, n_notes, n_counts;
	char stage[TRACE_STAGES_MAX][NAME_BYTES]; /* record_span.stage is an index into these */
	struct trace_note note[TRACE_NOTES_MAX];
	struct trace_count count[TRACE_COUNTS_MAX];
	struct percentiles cyclictest;      /* n 0: it did not run beside */
	size_t n_spans, n_ticks, n_events, n_chunks;
	size_t spans_room, ticks_room, events_room, chunks_room;
	struct record_span *span;
	struct trace_tick *tick;
	struct trace_event *event;
	struct trace_chunk *chunk;
	uint64_t n_lost;                    /* records that the daemon had no room for */
	char *config;                       /* the configuration as text; NULL: unknown */
};

/* The number of a stage's name, a new one if need be; TRACE_STAGES_MAX - 1 for all beyond. Thread: its owner. Allocates: no. Blocks: no. */
uint16_t trace_stage(struct bench_trace *t, const char *name);

/* Each adds a copy. -ENOMEM. Thread: its owner. Allocates: yes. Blocks: no. */
MUST_CHECK int trace_add_span(struct bench_trace *t, const struct record_span *s, struct errbuf *e);
MUST_CHECK int trace_add_tick(struct bench_trace *t, const struct trace_tick *k, struct errbuf *e);
MUST_CHECK int trace_add_event(struct bench_trace *t, const struct trace_event *v, struct errbuf *e);
MUST_CHECK int trace_add_chunk(struct bench_trace *t, const struct trace_chunk *c, struct errbuf *e);

/* A fact; one of the same name is replaced, what does not fit is cut, beyond TRACE_NOTES_MAX left out. */
void trace_set_note(struct bench_trace *t, const char *name, const char *value);

/* The fact of that name, or "". */
const char *trace_note(const struct bench_trace *t, const char *name);

/* One value of a counter, in the order of time. `before`: of before the trace begins; then it is the beginning. Beyond TRACE_COUNTS_MAX left out. */
void trace_set_count(struct bench_trace *t, const char *name, uint64_t value, bool before);

/* By how much it has grown; a counter that went back was begun anew. */
uint64_t trace_count_grown(const struct trace_count *c);

/* How often dreamvlad refused to go on for that reason: UNDERRUN, TARGET_REFUSED (daemon/stage/reason.def). */
uint64_t trace_refusals(const struct bench_trace *t, enum reason reason);

/* An event that ended motion: AUTO, SHADOW, TELEOP or RETURN became HOLD or FAULT, or HOLD became FAULT. */
bool trace_is_stop(const struct trace_event *v);

/* Stages that are the sum of others (daemon/trace.h). */
bool trace_is_sum(const char *stage);

/* The wall clock's time of a moment as `format` of strftime says, in this machine's time zone; "" when it is unknown. */
void trace_wall_text(const struct bench_trace *t, int64_t t_ns, const char *format, char *out, size_t capacity);

/* Puts everything into the order of time, gives spans that know only their observation the chunk made of it, and finds begin and end where
 * nobody has set them. Spans that end before they begin, which only a broken clock or file has, are taken out. Call it once, after the last add. */
void trace_finish(struct bench_trace *t);

/* Gives back what the adds took; copes with one that is all zero. */
void trace_free(struct bench_trace *t);

#endif
