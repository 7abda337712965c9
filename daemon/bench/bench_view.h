/* bench_view.h - a course of sentences for a person to watch: a picture of it that stays in its place where the stream is a terminal, else one
 * line for each thing that happens. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_VIEW_H
#define DREAMVLA_DAEMON_BENCH_BENCH_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_world.h"
#include "daemon/flow.h"
#include "transport/message/message.h"

enum { VIEW_LINE_BYTES = 160, VIEW_SAID_MAX = 24 };

struct view {
	FILE *out;
	bool terminal;
	uint32_t lines;                   /* of the picture that is on the terminal; 0: none */
	int64_t begin_ns, line_ns;        /* CLOCK_MONOTONIC; when the next line without an event is due */
	uint32_t n_said;
	char said[VIEW_SAID_MAX][VIEW_LINE_BYTES];
};

struct view_now {
	const struct message_status *status;
	const struct arm_state *arm;
	const struct world_says *world;
	const struct demo_sentence *sentence; /* DEMO_SENTENCES of them */
	uint64_t chunks;
};

/* Thread: main, for all of them. Allocates: inside stdio. Blocks: on the stream. */
void view_begin(struct view *v, FILE *out);

/* Something has happened. */
void view_say(struct view *v, const char *text);

/* How things are; as often as anybody likes. */
void view_show(struct view *v, const struct view_now *now);

/* What follows is printed below. */
void view_end(struct view *v);

#endif
