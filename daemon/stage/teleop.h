/* teleop.h - which person's device drives: dead-man edges, freshness and priority. It decides, control acts.
 *
 * Devices are ordered by priority, the first one wins. Nobody ever drives without an edge of the dead-man that came while driving
 * was possible: edges that could not be used are void, so that a dead-man that is still held never takes an arm by itself.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_TELEOP_H
#define DREAMVLA_DAEMON_STAGE_TELEOP_H

#include "daemon/flow.h"

struct teleop {
	int64_t timeout_ns;
	bool driving;
	uint32_t device;          /* that drives */
	struct teleop_input start; /* its message at the take-over */
	uint32_t edges[TELEOP_DEVICES_MAX], releases; /* known already; releases: of the device that drives */
};

enum teleop_event {
	TELEOP_NOTHING,
	TELEOP_EDGE,     /* a dead-man was pressed, and may be up again: device wants to take over */
	TELEOP_RELEASED, /* the driver's dead-man was released, and a message said so */
	TELEOP_LOST,     /* the driver fell silent, started again, or changed arm or kind: nobody drives any more */
};

struct teleop_change {
	enum teleop_event event;
	uint32_t device;          /* it happened to; TELEOP_NOTHING: that drives, if one does */
	int64_t silent_ns;        /* TELEOP_LOST: since the newest message; 0 when silence was not the cause */
	uint32_t outranked;       /* bit i: device i was pressed in vain, because `device` has priority */
};

void teleop_init(struct teleop *t, int64_t timeout_ns);

/* Is the device's newest message young enough by its stamp and by its arrival? */
bool teleop_fresh(const struct teleop *t, const struct teleop_input *in, int64_t now_ns);

/* What happened since the last call; the driver's end comes before anybody's beginning. A device below the driver's priority
 * cannot take over from it: it is outranked. TELEOP_RELEASED and TELEOP_LOST have ended the driving already. */
struct teleop_change teleop_watch(struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], int64_t now_ns);

/* The device drives from now on. */
void teleop_take(struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], uint32_t device);

/* Nobody drives; the next one needs a new edge. */
void teleop_let_go(struct teleop *t);

/* Some fresh device holds its dead-man down. */
bool teleop_pressed(const struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], int64_t now_ns);

#endif
