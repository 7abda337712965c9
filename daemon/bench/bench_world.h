/* bench_world.h - what the simulated world says of the task: the judge of dreamvla-sim (robots/sim/judge.h), asked as any client would. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_WORLD_H
#define DREAMVLA_DAEMON_BENCH_BENCH_WORLD_H

#include "daemon/bench/bench_session.h"
#include "daemon/sys/error.h"

enum { WORLD_WORD_BYTES = 24 };

struct world_says {
	char held[WORLD_WORD_BYTES];    /* colour, or "" */
	double lift_m;                  /* of what is held, above the table */
	char colour[WORLD_WORD_BYTES];  /* that was named */
	char verdict[WORLD_WORD_BYTES]; /* "none", "runs", "done", "wrong block", "too late" */
	double took_s;                  /* until the verdict, or so far */
};

/* Asks for all of it. Errors as session_ask, and -EBADMSG names what is missing. *w is touched on success only. Blocks: up to 1 s. */
MUST_CHECK int world_ask(struct session *s, struct world_says *w, struct errbuf *e);

/* From now on it is the block of that colour that shall be picked up. Errors as session_ask. Blocks: up to 1 s. */
MUST_CHECK int world_name(struct session *s, const char *colour, struct errbuf *e);

/* The answer to `status`. Pure. */
MUST_CHECK int world_says_decode(struct world_says *w, const uint8_t *bytes, size_t n, struct errbuf *e);

#endif
