/* state_rows.h - every member of what control remembers (struct control and all that it is made of), one row each: where it lies and what
 * its values may be. Of these rows a state from a file is checked (state_check.h), and its layout has a fingerprint.
 *
 * A member without a row is found by a test: it would be believed as it comes. */
#ifndef DREAMVLA_DAEMON_RECORD_STATE_ROWS_H
#define DREAMVLA_DAEMON_RECORD_STATE_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum state_rule {
	STATE_OWN,       /* not taken from a file: our own, as control_init makes it */
	STATE_FREE,      /* any bits will do: counters, ids, masks; what is written before it is read; what has a check of its own */
	STATE_FLAG,      /* 0 or 1 */
	STATE_UPTO,      /* uint32_t or enum, at most `most` */
	STATE_NUMBER,    /* double: at most 1e9 in size */
	STATE_LOOSE,     /* double: any, NaN too, because whoever uses it copes */
	STATE_TIME,      /* int64_t: within 2^61 */
	STATE_TIME_END,  /* the same, or the largest time */
	STATE_TIME_NEVER, /* the same as STATE_TIME, or INT64_MIN / 2: never yet */
	STATE_PART,      /* a struct with rows of its own */
};

struct state_part;

struct state_row {
	const char *name;
	size_t at, bytes;             /* bytes: of one element */
	uint32_t n, most;
	enum state_rule rule;
	const struct state_part *part;
};

struct state_part {
	size_t bytes;
	uint32_t n;
	const struct state_row *row;  /* by place */
};

/* Of struct control. Thread: any. */
const struct state_part *state_of_control(void);

enum { STATE_DEPTH = 8, STATE_NAME_BYTES = 160 };

/* One row on the way through all of them, depth first. */
struct state_place {
	const struct state_part *part;
	uint32_t row, element;
	size_t at;                    /* of the struct */
};

/* Zeroed but for place[0].part and depth 1: at the beginning. */
struct state_walk {
	struct state_place place[STATE_DEPTH];
	uint32_t depth;
};

/* The next row that is no part, or NULL at the end; *at: where its first element lies. */
const struct state_row *state_next(struct state_walk *w, size_t *at);

/* "trajectory.arm[1].spline.n": the row that state_next has returned. */
void state_name(const struct state_walk *w, const struct state_row *row, char name[STATE_NAME_BYTES]);

/* Over names, places, sizes and rules of all rows: another one is another layout. */
uint32_t state_fingerprint(void);

#endif
