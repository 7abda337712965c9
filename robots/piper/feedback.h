/* feedback.h - what a PiPER says, put together from its frames: joints and pose from three frames each, status, gripper, motors, limits,
 * firmware; each with the time when it came, and counts of what is wrong with them.
 *
 * Three frames make a whole only when they come in order and within PIPER_WHOLE_NS, none of them twice: the protocol numbers nothing,
 * so that a lost frame would else mix two moments. Values that nobody has listed are counted and the frame left out.
 * Pure: no clock, no heap, no I/O. All functions: thread the owner's, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_PIPER_FEEDBACK_H
#define DREAMVLA_ROBOTS_PIPER_FEEDBACK_H

#include "robots/bus/bus.h"
#include "robots/piper/wire.h"

#define PIPER_WHOLE_NS INT64_C(5000000)      /* one period of the arm's feedback */

enum { PIPER_VALUES = 6 };

/* When the newest of a kind came, and how many did. count 0: none yet. */
struct piper_news {
	int64_t t_ns;
	uint64_t count;
};

/* Three frames with two numbers each. */
struct piper_whole {
	struct piper_news news;            /* of what is whole */
	int32_t raw[PIPER_VALUES];         /* mdeg; a pose: um, um, um, mdeg, mdeg, mdeg */
	/* being put together */
	uint32_t parts;                    /* frames that have come */
	int64_t first_ns;
	int32_t part[PIPER_VALUES];
};

struct piper_feedback_counters {
	uint64_t frames;                   /* every one that came */
	uint64_t unknown;                  /* no PiPER's id, or another length than its kind's */
	uint64_t odd;                      /* with a value that nobody has listed */
	uint64_t torn;                     /* joints or poses of which a frame was missing, late, or came twice */
	uint64_t wild;                     /* joints, poses, motors and fingers where, or at a speed, no arm's can be: left out */
	uint64_t errors[BUS_ERROR_COUNT];  /* of the wire */
};

struct piper_feedback {
	struct piper_dialect dialect;
	struct piper_news any;             /* whatever the arm itself says (not other hosts' commands) */
	struct piper_news status_news, odd_status_news; /* odd: with a value that nobody has listed, left out */
	struct piper_status status, status_before; /* the newest two */
	struct piper_whole joints, pose, solution;
	struct piper_news gripper_news;
	struct piper_gripper gripper;
	struct piper_news fast_news[PIPER_JOINTS], slow_news[PIPER_JOINTS];
	struct piper_motor_fast fast[PIPER_JOINTS];
	struct piper_motor_slow slow[PIPER_JOINTS], slow_before[PIPER_JOINTS];
	/* answers */
	struct piper_news limits_news[PIPER_JOINTS], acceleration_news[PIPER_JOINTS], gripper_setup_news;
	struct piper_limits limits[PIPER_JOINTS];
	uint16_t acceleration_raw[PIPER_JOINTS];
	struct piper_gripper_setup gripper_setup;
	uint8_t text[PIPER_FIRMWARE_BYTES]; /* the newest bytes of the firmware's answer, the newest last */
	bool has_version;
	struct piper_version version;
	struct piper_news others;          /* frames that only hosts and leader arms send: somebody else commands this arm */
	uint64_t settings;                 /* of those, that changed limits, zeros, loads or roles: answers from before are forgotten */
	/* the wire */
	bool bus_off;                      /* and nothing has come since */
	struct piper_news no_ack;
	const char *odd_name;              /* of the newest such value ("arm state"); constant, or NULL */
	struct piper_feedback_counters counters;
};

/* Nothing has come yet. Bases as in struct piper_dialect; formats of the firmware do not matter for what an arm says. */
void piper_feedback_init(struct piper_feedback *f, uint16_t feedback_base, uint16_t control_base);

/* Forgets what the arm has said, and keeps the counters and the state of the wire: another arm may be there. */
void piper_feedback_forget(struct piper_feedback *f);

/* One event of the bus. */
void piper_feedback_take(struct piper_feedback *f, const struct bus_event *e);

/* Whether something of that kind has come, and not longer ago than that. An event's time may be a little ahead of now_ns. */
bool piper_news_fresh(const struct piper_news *n, int64_t now_ns, int64_t age_ns);

/* Joint angles, rad. */
void piper_feedback_q(const struct piper_feedback *f, double q_rad[PIPER_JOINTS]);

/* What to have a bus receive for this: fills at most BUS_FILTERS_MAX, returns how many. */
uint32_t piper_feedback_filters(uint16_t feedback_base, uint16_t control_base, struct bus_filter out[BUS_FILTERS_MAX]);

#endif
