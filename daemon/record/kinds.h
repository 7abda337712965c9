/* kinds.h - the records that the threads of dreamvlad put on their tapes (daemon/sys/tape.h) and that the aux thread writes down: fixed
 * structs and bytes as they came or went, never text that had to be formatted. Times are ns of CLOCK_MONOTONIC.
 *
 * Each record's header on tape holds its kind (enum record_kind) and the time at which it was put there. */
#ifndef DREAMVLA_DAEMON_RECORD_KINDS_H
#define DREAMVLA_DAEMON_RECORD_KINDS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "daemon/sys/tape.h"

enum record_kind {
	RECORD_NONE,
#define RECORD_KIND(NAME, name, type, tape) RECORD_##NAME,
#include "daemon/record/kinds.def"
#undef RECORD_KIND
	RECORD_KIND_COUNT
};

_Static_assert((int)RECORD_KIND_COUNT <= (int)TAPE_KINDS_MAX, "a bit of tape_want for every kind");

/* The bit of a kind in tape_want. */
#define RECORD_BIT(NAME) (UINT64_C(1) << RECORD_##NAME)

/* One stage of one frame's way, chunk or target. What does not apply is 0. */
struct record_span {
	uint16_t stage;
	uint16_t index;               /* camera or arm */
	uint32_t step;                /* of the chunk */
	int64_t begin_ns, end_ns;
	uint64_t observation, chunk;  /* ids */
	int64_t frame_stamp_ns;
	uint64_t frame_seq;
	uint64_t value;               /* what else the stage has to tell */
};

_Static_assert(sizeof(struct record_span) == 64, "spans are many");

enum { RECORD_TOPIC_BYTES = 40 };     /* "camera/" and a name of NAME_BYTES, with the terminating zero */

/* A message as it was received or sent: the topic, then n_map bytes of the map and n_picture bytes of a frame's third part. */
struct record_message {
	char topic[RECORD_TOPIC_BYTES];
	int64_t stamp_ns;             /* the message's own time, in our clock */
	uint32_t n_map, n_picture;
};

/* ---- replay: everything that one step of control or of the policy started from, and what came out of it --------- */

#define RECORD_RAW_ENCODING "x-dreamvla"

/* One control tick. Behind it lie, in this order and as far as it says that they are there: struct inputs, struct policy_status,
 * struct action_chunk (what was new in this tick), n_commands of struct command (those it obeyed), n_targets of struct
 * driver_target (its result). */
struct record_tick {
	uint64_t tick;                /* counts up from 1 with the daemon's start */
	int64_t now_ns;               /* its nominal time */
	uint32_t n_commands, n_targets;
	uint8_t has_inputs, has_policy, has_chunk;
	uint8_t refused;              /* io's ring of targets was full: they were not handed over */
	uint8_t reserved[4];
};

/* What control remembers after a tick, in a file that does not begin with its daemon. Behind it lie struct control as it is in memory
 * (pointers and set-up left out) and, if has_chunk, the newest struct action_chunk. */
struct record_state {
	uint64_t tick;                /* the last one that is in it */
	int64_t now_ns;               /* its nominal time */
	uint32_t hand_arm;            /* that a person's device moves or moved last; ALL_ARMS: none yet */
	uint8_t has_chunk;
	uint8_t reserved[3];
};

/* One inference, written as it begins. Behind it lie n_ids int32 (the committed actions' ids), n_said doubles and n_said int32 (actions
 * and tokens of the chunk that it continues), then the frames' bytes in the order of the cameras, each rounded up to RECORD_PART_BYTES. */
struct record_observation {
	uint64_t inference;           /* counts up from 1 with the daemon's start: of all */
	uint64_t chunk;               /* id of the chunk that it will give if it succeeds */
	uint32_t epoch;               /* of the chunk */
	uint32_t n_ids;
	uint64_t noise;               /* place in the policy's stream of noise */
	uint64_t said_chunk;          /* the chunk that it continues */
	uint32_t n_said, reserved;    /* 0: it continues none that is known */
	int64_t hint_ns, motion_ns;   /* the ticks that told the hint and the motion it went by; 0: none yet */
	int64_t latency_ns;           /* that it reckoned with */
	struct observation observation; /* frame[].bytes are NULL */
};

enum { RECORD_PART_BYTES = 8 };

#endif
