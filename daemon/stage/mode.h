/* mode.h - the mode machine as a table: state, event, guard, next. Pure: it decides, control_tick acts.
 * Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_MODE_H
#define DREAMVLA_DAEMON_STAGE_MODE_H

#include "daemon/flow.h"
#include "daemon/stage/reason.h"

enum mode_event {
	ON_STARTED,      /* control and io run */
	ON_AUTO,         /* operator's requests */
	ON_SHADOW,
	ON_HOLD,
	ON_STOP,         /* stop from any source, shutdown included */
	ON_RESET,
	ON_HOLD_REASON,  /* a reason of severity HOLD came up */
	ON_FAULT_REASON, /* a reason of severity FAULT came up */
	ON_TAKEOVER,     /* a person's dead-man was pressed, and the arm can be driven */
	ON_RELEASE,      /* it was released */
	ON_RELEASE_BACK, /* it was released, and the policy is to go on where the person took over */
	ON_TELEOP_LOST,  /* the person's device fell silent */
	ON_HANDED_BACK,  /* the arms stand and the policy has a chunk for where they stand */
	MODE_EVENT_COUNT,
};

/* What happened to an event. refusal: REASON_NONE when it was granted; else why not, or REASON_COUNT when the reasons in
 * `missing` are why. next = the present mode when refused. */
struct mode_result {
	enum mode next;
	bool granted;
	uint32_t refusal;
	uint64_t missing;
};

/* missing: what AUTO and SHADOW still lack, or a person to take over, all at once. causes: faults that are still there. */
struct mode_result mode_step(enum mode now, enum mode_event event, uint64_t missing, uint64_t causes);

#endif
