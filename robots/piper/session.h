/* session.h - everything that is said to a PiPER, and when: from the first frame heard to targets streamed at setup->rate_hz.
 *
 * The owner opens the bus and hands over what it receives (piper_session_take), the control thread's commands and the operator's
 * requests, and sends what piper_session_step puts into the outbox, in order, telling how that went.
 *
 *   CLOSED      no bus
 *   LISTENS     nothing is sent until status, joints and all motors are heard
 *   ASKS        firmware, limits, the gripper's setting; asked again every 100 ms
 *   REFUSES     the firmware, its model or the limits do not allow it to be driven
 *   LEADER      a leader arm, or somebody else commands this one: nothing is sent
 *   STOPS       an emergency stop was asked for and is not confirmed yet: sent again and again
 *   EMERGENCY   the arm says emergency stop
 *   RESUMES     its end was asked for: power is cut
 *   ERRORS      the arm or its joints say that something is wrong, or contradict each other
 *   TEACH       it is guided by hand
 *   OFF         motors off, or not under CAN control
 *   ENABLES     1 to 6 one by one until all say so, the measured joints as target, then CAN control and MOVE J, read back
 *   DISABLES    1 to 6 until none says so
 *   HOLDS       ready: each stream period the mode and the newest command, or the last target again
 *
 * Only piper_session_ask leads to frames that enable, disable, stop or resume. An arm that is found enabled and under CAN control is
 * taken over where it stands: the measured joints become the target. Nothing is said when it ends: the arm holds its last target.
 * Feedback older than PIPER_STALE_NS: no targets are sent (robot_state.engaged is false); older than PIPER_SILENT_NS: not connected.
 * Pure: no clock, no heap, no I/O. All functions: thread the owner's, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_PIPER_SESSION_H
#define DREAMVLA_ROBOTS_PIPER_SESSION_H

#include "robots/driver.h"
#include "robots/piper/feedback.h"
#include "robots/piper/setup.h"
#include "robots/piper/trouble.h"

#define PIPER_STALE_NS INT64_C(50000000)
#define PIPER_SILENT_NS INT64_C(200000000)

enum { PIPER_OUTBOX_MAX = 32 };

enum piper_phase { PIPER_CLOSED, PIPER_LISTENS, PIPER_ASKS, PIPER_REFUSES, PIPER_LEADS, PIPER_STOPS, PIPER_EMERGENCY, PIPER_RESUMES,
	PIPER_ERRORS, PIPER_TEACHES, PIPER_OFF, PIPER_ENABLES, PIPER_DISABLES, PIPER_HOLDS, PIPER_PHASES };

/* ENABLE counts in OFF; DISABLE wherever the arm is heard; EMERGENCY_STOP wherever the bus is open and the arm is no leader;
 * RESUME wherever the arm is heard, and it falls. Elsewhere they are void and counted. */
enum piper_ask { PIPER_ASK_ENABLE, PIPER_ASK_DISABLE, PIPER_ASK_EMERGENCY_STOP, PIPER_ASK_RESUME };

/* Frames to send now, in order. */
struct piper_outbox {
	uint32_t n;
	struct bus_frame frame[PIPER_OUTBOX_MAX];
};

struct piper_session_counters {
	uint64_t targets;              /* streamed */
	uint64_t void_commands;        /* not finite, out of range, or no number that fits: the last target was held */
	uint64_t leaps;                /* commands too far from the last one: left out */
	uint64_t clamped;              /* targets that were brought nearer to the one before */
	uint64_t void_asks;
	uint64_t send_failures;        /* of outboxes, by piper_session_sent */
	uint64_t stale;                /* times that feedback was older than PIPER_STALE_NS while it held */
	uint64_t connects;             /* times that an arm was heard anew */
};

struct piper_session {
	const struct piper_setup *setup; /* outlives the session */
	struct piper_feedback feedback;
	enum piper_phase phase;
	int64_t phase_ns;              /* since when */
	uint32_t trouble;              /* enum piper_trouble: of the phase */
	uint64_t generation;
	/* the bus */
	bool open;
	int64_t opened_ns;
	uint32_t failures;             /* outboxes in a row that did not go out */
	/* asked for by the operator, not yet begun */
	bool ask[PIPER_ASK_RESUME + 1];
	/* being enabled, disabled, asked, stopped, resumed */
	int64_t sent_ns;               /* the last time that was sent */
	bool taking;                   /* ENABLES: all are on, CAN control was asked for */
	/* limits: of the model and the arm, the narrower */
	bool has_limits;
	double q_min_rad[PIPER_JOINTS], q_max_rad[PIPER_JOINTS];
	double speed_rad_s[PIPER_JOINTS], acceleration_rad_s2[PIPER_JOINTS]; /* the arm's own, in units found out; 0: not known */
	/* the stream */
	int64_t stream_ns;             /* when the next target is due */
	bool has_target;
	double target_rad[PIPER_JOINTS], target_before_rad[PIPER_JOINTS]; /* sent last, and before */
	bool has_command;
	int64_t command_ns;
	double command_rad[PIPER_JOINTS];
	bool has_gripper_command;
	double gripper_m;
	struct piper_session_counters counters;
};

/* Not open. */
void piper_session_init(struct piper_session *s, const struct piper_setup *setup);

/* The bus is open; or it is not (any more), with bus_open's or bus_receive's answer (negative errno; 0: closed on purpose). */
void piper_session_opened(struct piper_session *s, int64_t now_ns);
void piper_session_closed(struct piper_session *s, int code, int64_t now_ns);

/* What the bus has received. */
void piper_session_take(struct piper_session *s, const struct bus_event *e);

/* The control thread's newest command. One that may not be sent is counted, and the last target stays. */
void piper_session_command(struct piper_session *s, const struct robot_command *c, int64_t now_ns);

/* An operator's request, in the order in which they come: a later one overrides what an earlier one has begun. */
void piper_session_ask(struct piper_session *s, enum piper_ask ask);

/* Goes on in time; *out is what to send now. Call it after everything that was received, at least at piper_session_next_ns. */
void piper_session_step(struct piper_session *s, int64_t now_ns, struct piper_outbox *out);

/* How the sending of the last outbox ended, if it had frames: 0, or bus_send's answer to the first frame that did not go out, after which
 * the rest must not be sent. */
void piper_session_sent(struct piper_session *s, int code);

/* When the next step is due if nothing happens before. */
int64_t piper_session_next_ns(const struct piper_session *s);

/* Everything that robot_driver's read reports. stamp_ns is that of the joints. */
void piper_session_report(const struct piper_session *s, int64_t now_ns, struct robot_state *out);

/* "listens"; for the log. */
const char *piper_phase_name(enum piper_phase phase);

/* The errors of robot_state.errors by bit: "joint_2_hot", "gripper_overcurrent". NULL beyond the last. Thread: any. */
const char *piper_error_name(uint32_t bit);

#endif
