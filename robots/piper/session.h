/* session.h - everything that is said to a PiPER, and when: from the first frame heard to targets streamed at setup->rate_hz.
 *
 * The owner opens the bus and hands over what it receives (piper_session_take), the control thread's commands and the operator's
 * requests, and sends what piper_session_step puts into the outbox, in order, telling how that went.
 *
 *   CLOSED      no bus
 *   LISTENS     nothing is sent until status, joints and all motors are heard
 *   ASKS        firmware, limits, the gripper's setting; asked again every 100 ms
 *   REFUSES     the firmware, its model or the limits do not allow it to be driven
 *   LEADS       a leader arm, or somebody else commands this one: nothing is sent but an emergency stop, an id that leaders never use
 *   STOPS       an emergency stop was asked for and is not confirmed yet: sent again and again
 *   EMERGENCY   the arm says emergency stop
 *   RESUMES     its end was asked for: power is cut
 *   ERRORS      the arm or its joints say that something is wrong, or contradict each other
 *   TEACHES     it is guided by hand
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
#include "robots/piper/errors.h"
#include "robots/piper/feedback.h"
#include "robots/piper/grip.h"
#include "robots/piper/setup.h"
#include "robots/piper/trouble.h"

#define PIPER_STALE_NS INT64_C(50000000)
#define PIPER_SILENT_NS INT64_C(200000000)

/* An interface that nobody has set queues 10 frames. */
enum { PIPER_OUTBOX_MAX = 9 };

enum piper_phase { PIPER_CLOSED, PIPER_LISTENS, PIPER_ASKS, PIPER_REFUSES, PIPER_LEADS, PIPER_STOPS, PIPER_EMERGENCY, PIPER_RESUMES,
	PIPER_ERRORS, PIPER_TEACHES, PIPER_OFF, PIPER_ENABLES, PIPER_DISABLES, PIPER_HOLDS, PIPER_PHASES };

/* ENABLE counts in OFF, and in HOLDS for the gripper; DISABLE and RESUME, at which the arm falls, wherever it is heard and nobody else
 * commands it, DISABLE not in STOPS, EMERGENCY, RESUMES and ERRORS, out of which RESUME leads; EMERGENCY_STOP everywhere, until the arm confirms it or was silent, or a leader's, for 10 s. Elsewhere they are void and
 * counted, and none but a stop goes on after somebody else commanded the arm or it was silent. */
enum piper_ask { PIPER_ASK_ENABLE, PIPER_ASK_DISABLE, PIPER_ASK_EMERGENCY_STOP, PIPER_ASK_RESUME };

/* Frames to send now, in order. */
struct piper_outbox {
	uint32_t n;
	struct bus_frame frame[PIPER_OUTBOX_MAX];
};

struct piper_session_counters {
	uint64_t targets;              /* streamed */
	uint64_t void_commands;        /* not finite or out of range: the last good one was held */
	uint64_t leaps;                /* commands too far from the one before: left out, and the generation changes */
	uint64_t clamped;              /* targets that were brought nearer to the one before */
	uint64_t void_asks;
	uint64_t send_failures;        /* of outboxes, by piper_session_sent */
	uint64_t stale;                /* times that feedback was older than PIPER_STALE_NS while it held */
	uint64_t connects;             /* times that an arm was heard anew */
};

/* What the arm has told when asked. */
struct piper_gate {
	bool begun;
	int64_t begun_ns, firmware_ns, query_ns; /* when it was asked first; the newest questions */
	uint32_t next;                 /* question, in rotation */
	bool open;                     /* all is known that has to be */
	bool narrowed;                 /* the arm's limits have become such that what it is held at lies outside */
	uint64_t settings;             /* of others, that had come when it was asked first */
	enum piper_trouble refusal;    /* it is not to be driven */
	enum piper_trouble warning;    /* it is, but */
};

/* What the operator has asked for and is under way. */
enum piper_job_kind { PIPER_JOB_NONE, PIPER_JOB_ENABLE, PIPER_JOB_DISABLE, PIPER_JOB_RESUME };

struct piper_job {
	enum piper_job_kind kind;
	bool begun, sent;
	int64_t begun_ns, sent_ns;
	bool takes;                    /* ENABLE: all motors are on, control was asked for */
	bool heard;                    /* RESUME: by the arm, as its status says; its power is waited for */
	uint64_t statuses;             /* ENABLE, RESUME: had come when that was sent first */
};

struct piper_stream {
	int64_t due_ns, target_ns;     /* the next target; when the last one was sent */
	bool has_target, sending;      /* sending: the outbox has one */
	double target_rad[PIPER_JOINTS], before_rad[PIPER_JOINTS]; /* sent last, and before that */
	bool has_command;
	int64_t commands;              /* since the last target */
	int64_t command_ns;
	uint64_t command_mark, target_mark; /* robot_command.mark of the newest command, and of the one that the target was made from */
	double command_rad[PIPER_JOINTS];
	bool refused;                  /* the newest command is out of range */
	int64_t anew_ns;               /* when the generation was last changed for a leap */
};

struct piper_session {
	const struct piper_setup *setup; /* outlives the session */
	struct piper_feedback feedback;
	int64_t now_ns;                /* of the last step */
	enum piper_phase phase;
	int64_t phase_ns;              /* since when */
	enum piper_trouble trouble;    /* of the phase */
	uint64_t generation;
	/* the bus */
	bool open, alive, heard, stale; /* alive: status and joints come; heard: all groups have come since it was silent */
	int64_t alive_ns, steady_ns;   /* since when; when two statuses in a row said the same last */
	enum piper_trouble closed;     /* why it is not open */
	int64_t opened_ns;
	uint32_t failures;             /* outboxes in a row that did not go out */
	int64_t failing_ns, spoken_ns;
	/* the operator */
	bool stop, stop_begun, stop_sent; /* an emergency stop is to be sent until the arm confirms it */
	int64_t stop_ns, stop_sent_ns, stop_heard_ns; /* heard: since then nobody may have heard it */
	uint64_t stop_statuses;        /* that had come when it was sent first */
	struct piper_job job;
	enum piper_trouble failed;     /* why the last job did not succeed: until something else is asked for */
	/* joints */
	struct piper_gate gate;
	double q_min_rad[PIPER_JOINTS], q_max_rad[PIPER_JOINTS]; /* of the model and of the arm, the narrower */
	double speed_rad_s[PIPER_JOINTS], acceleration_rad_s2[PIPER_JOINTS]; /* the arm's own, in units found out; 0: not known */
	bool motors_in_mrad;           /* 0x25x have shown a position that is none in whole radians */
	bool differs, differing;       /* joints and motors: latched; right now, */
	int64_t differing_ns;          /* since then */
	bool leapt;                    /* joints are where no motion has brought them, not long ago */
	int64_t leapt_ns, joints_ns;   /* when; of the joints then compared with the ones before */
	double joints_rad[PIPER_JOINTS]; /* those */
	uint64_t compared;             /* joints that had come by then */
	struct piper_stream stream;
	struct piper_grip grip;
	struct piper_session_counters counters;
};

/* Not open. */
void piper_session_init(struct piper_session *s, const struct piper_setup *setup);

/* The bus is open; or it is not (any more), with bus_open's or bus_receive's answer (negative errno; 0: closed on purpose). */
void piper_session_opened(struct piper_session *s, int64_t now_ns);
void piper_session_closed(struct piper_session *s, int code, int64_t now_ns);

/* What the bus has received. */
void piper_session_take(struct piper_session *s, const struct bus_event *e);

/* The control thread's newest command. One that may not be sent is counted, and the last good one stays. */
void piper_session_command(struct piper_session *s, const struct robot_command *c, int64_t now_ns);

/* An operator's request, in the order in which they come: a later one overrides what an earlier one has begun. false: it was void. */
bool piper_session_ask(struct piper_session *s, enum piper_ask ask);

/* Goes on in time; *out is what to send now. Call it after everything that was received, at least at piper_session_next_ns; without a
 * bus too. */
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

#endif
