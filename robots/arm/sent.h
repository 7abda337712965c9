/* sent.h - when the arm got what it was told: from accepted targets to the moments at which commands made from them left.
 *
 * A command is made from the target that it moves towards (playout.h: it lies on the curve that ends there). What counts is the first
 * command that would have been another one without that target: with it the motor feels the target, one target's distance before the
 * target is due. For a driver that interpolates that is the answer to "when did the motor get it"; `ack_seq` tells when it was due.
 *
 * Every accepted target gets a mark, a number that is never used again; commands carry it to the driver, which tells the newest one that
 * has left and when its first command did (robot_sent). A target whose mark was passed over, because the driver commands less often than
 * targets come, has left with the next one that has not.
 * Pure. All functions: thread of the owner (the arm's control thread), allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_ARM_SENT_H
#define DREAMVLA_ROBOTS_ARM_SENT_H

#include <stdint.h>

#include "robots/arm/playout.h"

enum { SENT_MARKS = 2 * PLAYOUT_SAMPLES }; /* those that wait, and those that the driver has not answered for yet */

/* Of whoever drives now; 0: nothing yet. The newest target that commands were made from, and when the first of them left; the newest
 * chunk with such a target, and when the first command made from its first one left. Times: CLOCK_MONOTONIC. */
struct arm_sent {
	uint64_t seq, chunk;
	int64_t t_ns, chunk_t_ns;
};

struct sent {
	uint64_t marks;            /* given so far */
	uint64_t void_marks;       /* up to this one: of whoever drove before, or dropped when the arm braked */
	uint64_t taken;            /* newest that the driver has told of */
	struct {
		uint64_t seq, chunk;
	} of[SENT_MARKS];          /* by mark */
	struct arm_sent now;
};

/* Somebody drives from now on, who has sent nothing yet. */
void sent_begin(struct sent *s);

/* Targets that were accepted and not commanded yet never will be. */
void sent_drop(struct sent *s);

/* The mark that a target has if it is accepted, which sent_accept says; chunk 0: of no chunk. */
uint64_t sent_mark(struct sent *s, uint64_t seq, uint64_t chunk);
void sent_accept(struct sent *s);

/* The driver's word. */
void sent_take(struct sent *s, uint64_t mark, int64_t t_ns);

#endif
