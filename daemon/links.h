/* links.h - the hand-overs between the threads of dreamvlad: who writes, who reads. runtime.c makes them all before any
 * thread starts; a thread touches only the side that is its own.
 *
 *   box     from -> to            carries
 *   inputs  io -> control         newest arm states, camera status, instruction (struct inputs)
 *   command io -> control         every operator's request (struct command)
 *   chunk   policy -> control     newest action chunk
 *   policy  policy -> control     health of the policy; io reads its own copy, policy_io
 *   target  control -> io         every batch of targets; io is woken through target_eventfd
 *   report  control -> io         newest snapshot for status
 *   event   control -> io         every edge
 *   hint    control -> policy     mode and epoch: which observations are wanted
 *   motion  control -> policy     the running motion, with execution.method inpaint (stage/motion.h)
 *   observation io -> policy      newest set of frames, states and instruction; policy is woken through observation_eventfd
 *   record_queue io -> aux        every request about the recording;  record_box aux -> io: how it stands
 *   state_wanted aux -> control   a recording goes on from here: what control remembers is to be on its tape
 *   control_tape, policy_tape, io_tape  each -> aux   what is to be written down (record/kinds.h); without memory nothing is */
#ifndef DREAMVLA_DAEMON_LINKS_H
#define DREAMVLA_DAEMON_LINKS_H

#include "daemon/flow.h"
#include "daemon/record/report.h"
#include "daemon/stage/motion.h"
#include "daemon/sys/handover.h"
#include "daemon/sys/tape.h"

enum { COMMAND_RING = 64, TARGET_RING = 16, EVENT_RING = 256, RECORD_RING = 8 };

struct links {
	struct latest inputs_box;
	struct inputs inputs[LATEST_SLOTS];
	struct queue command_queue;
	struct command command[COMMAND_RING];
	struct latest chunk_box;
	struct action_chunk chunk[LATEST_SLOTS];
	struct latest policy_box, policy_io_box;
	struct policy_status policy[LATEST_SLOTS], policy_io[LATEST_SLOTS];
	struct queue target_queue;
	struct target_batch target[TARGET_RING];
	int target_eventfd;
	struct latest report_box;
	struct control_report report[LATEST_SLOTS];
	struct queue event_queue;
	struct control_event event[EVENT_RING];
	struct latest hint_box;
	struct policy_hint hint[LATEST_SLOTS];
	struct latest motion_box;
	struct running_motion motion[LATEST_SLOTS];
	struct latest observation_box;
	struct observation observation[LATEST_SLOTS]; /* frame bytes: buffers that io allocated at start */
	int observation_eventfd;
	struct queue record_queue;
	struct record_command record_command[RECORD_RING];
	struct latest record_box;
	struct record_report record_report[LATEST_SLOTS];
	_Atomic uint32_t state_wanted; /* aux counts up: control is to put its state on its tape (control_state.h) */
	struct tape control_tape, policy_tape, io_tape; /* memory: reserved at start, locked */
};

/* Before anything is handed over; the links are zeroed, their eventfds are the owner's. Thread: start-up. Allocates: no. Blocks: no. */
static inline void links_init(struct links *l)
{
	latest_init(&l->inputs_box);
	latest_init(&l->chunk_box);
	latest_init(&l->policy_box);
	latest_init(&l->policy_io_box);
	latest_init(&l->report_box);
	latest_init(&l->hint_box);
	latest_init(&l->motion_box);
	latest_init(&l->observation_box);
	latest_init(&l->record_box);
	queue_init(&l->command_queue, COMMAND_RING);
	queue_init(&l->target_queue, TARGET_RING);
	queue_init(&l->event_queue, EVENT_RING);
	queue_init(&l->record_queue, RECORD_RING);
}

#endif
