/* motion.h - life of a motion, as the arm's control thread sees it: what the session reports, states and what the arm shall do in; asks
 * and commands out. One command per state, never one for an old state.
 *
 *   CLOSED    no connection, or one that is being given up
 *   RESTS     nothing is asked for
 *   ASKED     a Move is asked for; begins to run when the first response is there and a state shows all three modes, in either order
 *   RUNS      every state is answered; the first with q_d itself
 *   FINISHES  the last command, with its finished flag, answers every state until one is idle; until the second response is there
 *   ENDS      the robot ended it, or we asked it to stop: no command; until a state is idle and the second response is there
 *
 * What the robot refuses or ends without a reflex is named, and keeps the arm from being READY (so that whoever drives is let go of) for a
 * time that doubles from 1 s to 8 s while it goes on: no Move is asked for in that time. Nothing recovers from a reflex by itself.
 * Pure. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_MOTION_H
#define DREAMVLA_ROBOTS_FRANKA_MOTION_H

#include "robots/driver.h"
#include "robots/franka/cartesian.h"
#include "robots/franka/link.h"
#include "robots/franka/shape.h"

enum franka_phase { FRANKA_CLOSED, FRANKA_RESTS, FRANKA_ASKED, FRANKA_RUNS, FRANKA_FINISHES, FRANKA_ENDS };

enum { FRANKA_MOTION_ASKS = 4 };

struct franka_motion_life {
	const struct franka_setup *setup;
	enum franka_phase phase;
	int64_t phase_ns;          /* since when */
	uint64_t generation;       /* of the connection */
	uint32_t version;
	bool opened, configuring;  /* the robot took its settings; they were asked for */
	bool heard_start, heard_end;
	enum fci_status end_status; /* of the motion that ended last */
	bool has_state, fresh;     /* fresh: not answered yet */
	struct fci_state state;
	int64_t state_ns;          /* when it came, or since when one is awaited */
	bool engage;               /* the newest wish */
	int64_t let_go_ns;         /* since when nobody wants the motion that runs */
	struct franka_shape shape;
	struct franka_cartesian cartesian;
	struct fci_motion command; /* the newest */
	enum franka_trouble trouble; /* what was refused or ended last */
	int64_t pause_ns, not_before_ns; /* how long that keeps the arm from being READY, and until when */
	uint32_t n_asks;
	struct franka_ask ask[FRANKA_MOTION_ASKS];
};

/* setup must outlive m. */
void franka_motion_init(struct franka_motion_life *m, const struct franka_setup *setup);

void franka_motion_event(struct franka_motion_life *m, const struct franka_event *e, int64_t now_ns);

/* The newest state; its id has grown. Unsound: only its modes and id are to be believed. */
void franka_motion_state(struct franka_motion_life *m, const struct fci_state *s, bool sound, int64_t now_ns);

/* True: out is the command to send, once, now. */
bool franka_motion_command(struct franka_motion_life *m, const struct robot_command *wish, int64_t now_ns, struct fci_motion *out);

/* An operator asked for error recovery. */
void franka_motion_recover(struct franka_motion_life *m);

/* The oldest ask that was not taken yet; false: none. */
bool franka_motion_take_ask(struct franka_motion_life *m, struct franka_ask *out);

/* Mode, joints, errors, trouble; not the gripper. */
void franka_motion_report(const struct franka_motion_life *m, int64_t now_ns, struct robot_state *out);

#endif
