/* spans.h - holds the trace (daemon/trace.h) against what it promises: the spans of a chunk follow each other without a gap and are
 * photon_to_motor together, every one has the ids of its frame, and only what was really sent has a driver's part. */
#ifndef DREAMVLA_TESTS_SCENARIO_SPANS_H
#define DREAMVLA_TESTS_SCENARIO_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/links.h"
#include "daemon/record/kinds.h"

enum { SPANS_OBSERVATIONS = 4096, SPANS_CHUNKS = 1024 };

struct spans_arm {
	uint64_t executed;         /* chunk of which a real target was published */
	int64_t end_ns, sum_ns;    /* of the newest stage; of all so far */
	enum trace_stage stage;
};

struct spans_chunk {
	struct record_span newest; /* of the policy's */
	int64_t sum_ns;
	struct spans_arm arm[ARMS_MAX];
};

struct spans {
	void (*found)(void *context, const struct record_span *s, const char *what);
	void *context;
	uint32_t n_cameras, n_arms;
	uint64_t observation, chunk; /* newest ids */
	struct record_span received[SPANS_OBSERVATIONS]; /* by observation */
	struct spans_chunk of[SPANS_CHUNKS]; /* by chunk */
	uint64_t n[STAGE_COUNT], n_of[STAGE_COUNT][ARMS_MAX];
};

/* A target of the policy, of this chunk, left for an arm's topic. */
void spans_executed(struct spans *p, uint32_t arm, uint64_t chunk);

/* Takes what the tapes hold. now_ns: no span ends later. */
void spans_take(struct spans *p, struct links *l, int64_t now_ns);

#endif
