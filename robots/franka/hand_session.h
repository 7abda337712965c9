/* hand_session.h - how a Franka Hand is driven: from the opening that is wanted to the hand's commands, and what becomes of them.
 *
 * The hand takes one command at a time, answers it when its motion has ended (up to a second, or never), and has no way to be given a
 * new goal meanwhile. What follows from that, and from what its users found (issues of frankarobotics on GitHub, by repository):
 *
 *   closing     Grasp of width 0, with epsilons so wide that whatever is between the fingers counts, and so does nothing: a grasp
 *               outside its epsilons lets go again (panda-py 50). Not Move: one that meets an object is not answered for some 100 s
 *               and cannot be relied on to be stopped (libfranka 18, franka_ros 281).
 *   held        A second Grasp of what is held fails or hangs (libfranka 93, 108): while the wish is not wider than the fingers
 *               stand, nothing is sent.
 *   opening     Move, which also lets go of what is held.
 *   in between  A wish narrower than the fingers stand, but not closed (a continuous gripper's), is a Move, because a Grasp closes
 *               until something stops it. Where the fingers are stopped on their way there is something between them, and a wish
 *               for less is a wish to hold it: Stop, then Grasp. Fingers that never began were stopped by nothing: that move failed.
 *   busy        A command that runs is waited for. Stop is only for one that is stuck or takes too long, since it often does nothing
 *               (libfranka 52, 111). The newest wish counts when the hand is free again; nothing queues.
 *   rest        Commands in quick succession make a hand hang until it is switched off (libfranka 28): HAND_DWELL_NS after the end of
 *               one, and none for a wish that changed by less than HAND_HYSTERESIS_M.
 *   failures    What fails, or holds nothing, is tried five times, ever more rarely, and then no more until something else is wanted.
 *   homing      Before it max_width reads 0 (franka_ros 276) and a grasp lets go again (franka_ros 238): nothing is commanded then. It
 *               moves the fingers and drops what they hold: an operator's business, and the one command that an arm's stop ends. A
 *               grasp goes on through it: what is held stays held.
 *
 * Nothing moves by itself: after a connection was made, a homing, or a time in which nobody wanted anything, only a wish that differs
 * by more than HAND_HYSTERESIS_M from the one before counts (of two for a closed hand, none does). Pure: no clock, no heap, no I/O, no log. */
#ifndef DREAMVLA_ROBOTS_FRANKA_HAND_SESSION_H
#define DREAMVLA_ROBOTS_FRANKA_HAND_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/clock.h"
#include "robots/franka/setup.h"
#include "robots/franka/trouble.h"
#include "robots/franka/wire.h"

/* 2 mm: ten times what a width at rest varies by, and no more than a finger's pad gives way. 200 ms: five commands a second at most. */
#define HAND_HYSTERESIS_M 0.002
#define HAND_DWELL_NS (200 * NS_PER_MS)
/* A wish below this is for a closed hand. */
#define HAND_CLOSED_M 0.005
/* States are for so long taken for how the hand is. */
#define HAND_FRESH_NS NS_PER_S

enum { HAND_IN_BYTES = 512, HAND_OUT_BYTES = 128 };

enum hand_phase {
	HAND_APART,        /* not connected, nor being */
	HAND_CALLING,      /* the connection is being opened */
	HAND_GREETING,     /* Connect is under way */
	HAND_FREE,
	HAND_BUSY,         /* a command runs */
	HAND_STOPPING,     /* it runs, and shall not */
};

/* What somebody wants of the gripper. */
struct hand_wish {
	bool given;
	double width_m;
};

struct hand_request {
	bool open;                 /* sent, not answered yet */
	uint32_t id;
	enum fci_gripper_command command;
	double goal_m;
};

struct hand_counters {
	uint64_t moves, grasps, homings, stops;
	uint64_t failures;         /* commands that failed, were aborted or not answered; a grasp that held nothing is none */
	uint64_t connections;
	uint64_t strange;          /* datagrams and answers that were none of this hand's */
};

struct hand_session {
	struct franka_hand_setup setup;
	enum hand_phase phase;
	bool hang_up;              /* at the next step */
	int64_t due_ns;            /* when the phase has taken too long; APART: when to call again */
	uint32_t calls_in_vain;    /* in a row */
	enum franka_trouble why;   /* it is not connected */
	uint32_t next_id;
	struct hand_request request, stop;

	bool has_state;            /* of this connection */
	struct fci_gripper_state state;
	int64_t state_ns, connected_ns;
	double began_m;            /* where the fingers stood when the command was sent */
	double crept_m;            /* where the fingers stood when they last had moved visibly */
	int64_t crept_ns;

	enum fci_gripper_command did; /* the last one of MOVE and GRASP that ended well, or CONNECT */
	double did_m;
	bool blocked;              /* a Move to a narrower width was stopped by something between the fingers */
	bool blocks;               /* STOPPING for that */
	bool homing_asked;
	bool homing_failed;        /* the last one, or it was stopped */
	int64_t ended_ns;          /* the last command; the next one needs a newer state and HAND_DWELL_NS */
	uint32_t in_vain, failed;  /* commands in a row: without effect, for the same wish; failed */
	double tried_m, vain_m;    /* the wishes that the last command, and these, were for */
	int64_t vain_ns;
	bool stuck;                /* the last command could not be stopped */
	struct hand_wish wish;     /* newest; its width stays when nobody wants any more */
	bool wished;               /* somebody wanted something once */
	bool barred;               /* a wish that is as good as this one does not count */
	double barred_m;

	struct hand_counters counters;
	size_t n_in, n_out;
	uint8_t in[HAND_IN_BYTES];
	uint8_t out[HAND_OUT_BYTES]; /* to be sent: n_out bytes, of which the caller takes away what it has sent */
};

/* What the owner of the socket shall do. */
enum hand_action { HAND_GO_ON, HAND_CALL, HAND_HANG_UP };

/* All functions: thread of the owner, allocate no, block no. */
void hand_session_init(struct hand_session *s, const struct franka_hand_setup *setup);

/* Time passes. CALL: open a connection, then opened or closed; HANG_UP: it is closed as far as the session is concerned. */
enum hand_action hand_session_step(struct hand_session *s, int64_t now_ns, const struct hand_wish *wish);

/* The connection is there, and states may be sent to udp_port. */
void hand_session_opened(struct hand_session *s, uint16_t udp_port, int64_t now_ns);

/* The connection could not be made, or has ended. */
void hand_session_closed(struct hand_session *s, int64_t now_ns);

/* A datagram is a state (true) if its number grows; any other number is believed when none that grew came for HAND_FRESH_NS: the hand has begun anew.
 * Bytes of the connection, in pieces of any size; a datagram. What is none of the hand's is counted, or ends the connection. */
void hand_session_receive(struct hand_session *s, const uint8_t *bytes, size_t n, int64_t now_ns);
bool hand_session_datagram(struct hand_session *s, const uint8_t *bytes, size_t n, int64_t now_ns);

/* As soon as the hand is free; forgotten when it is not connected. */
void hand_session_home(struct hand_session *s);

/* A homing is stopped, or does not begin; whatever else runs goes on. */
void hand_session_stop_homing(struct hand_session *s, int64_t now_ns);

/* A state that is new enough to be believed is there. */
bool hand_session_knows(const struct hand_session *s, int64_t now_ns);
enum franka_trouble hand_session_trouble(const struct hand_session *s, int64_t now_ns);

#endif
