/* driver.h - what dreamvla-arm needs of an arm's own protocol: one table of functions per driver, listed in drivers.def.
 *
 * A driver owns its connection and its threads. The arm's control thread calls read and write once per period, which only hand
 * values over; everything slow happens elsewhere. A driver decides nothing about who may drive and keeps no limits. */
#ifndef DREAMVLA_ROBOTS_DRIVER_H
#define DREAMVLA_ROBOTS_DRIVER_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "daemon/sys/rt.h"

/* What an operator asks of a driver. */
enum robot_ask { ROBOT_ENABLE, ROBOT_DISABLE, ROBOT_RECOVER };

/* The newest target, by its mark (robots/arm/sent.h), that a command for it has left for: the arm's own protocol's packet or frame was
 * handed to the system. t_ns: when the first such command did. mark 0: none yet. */
struct robot_sent {
	uint64_t mark;
	int64_t t_ns;              /* CLOCK_MONOTONIC */
};

/* What the arm reports of itself. Zeroed: not connected. */
struct robot_state {
	enum arm_mode mode;        /* READY: it takes commands; MOVING is never reported here */
	uint64_t generation;       /* another number: the arm or its controller was restarted, nothing before holds */
	int64_t stamp_ns;          /* CLOCK_MONOTONIC */
	bool engaged;              /* commands take effect now; where motions have to be begun, some time after robot_command.engage */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	bool has_q_d;
	double q_d_rad[DOF_MAX];   /* what the arm's own controller holds it to: a motion begins there */
	bool has_tau;
	double tau_nm[DOF_MAX];    /* measured, gravity included */
	bool has_success_rate;
	double success_rate;       /* 0..1: of the newest commands, those that came in time */
	uint64_t errors;           /* bit i: driver->error_name(i) */
	uint32_t trouble;          /* why it is not READY: driver->trouble(trouble); 0: nothing is wrong */
	uint32_t void_asks;        /* bits 1 << enum robot_ask: what the driver would not do now if it were asked */
	bool limp;                 /* no motor has power, by what the arm says: whoever holds it bears all of it */
	bool has_gripper;
	double gripper_m;
	struct robot_sent sent;    /* counts whatever the mode is */
};

/* What the arm shall do now. hold = false: nothing is commanded (not connected, disabled). */
struct robot_command {
	bool hold;
	bool engage;               /* somebody drives, or the arm is not at rest yet: an arm whose motions have to be begun begins one */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	bool has_gripper;
	double gripper_m;
	uint64_t mark;             /* of the target that it is made from; 0: of none (the arm is held, or brakes) */
};

/* A command has left at t_ns. Thread: the one that sends. Allocates: no. Blocks: no. */
static inline void robot_sent_note(struct robot_sent *s, uint64_t mark, int64_t t_ns)
{
	if (mark != 0 && mark != s->mark)
		*s = (struct robot_sent){ mark, t_ns };
}

struct robot_driver_options {
	const struct arm_setup *setup;
	const struct config_robot *config;
	uint32_t robot;            /* which of `robots` that is, for errors */
	const char *world;         /* sim: address of the world's socket */
	void *zmq_context;         /* for drivers that speak ZeroMQ */
	enum rt_wish wish;         /* of threads that carry commands and states; one priority below control's */
	int priority;
};

/* A state of the connection or the arm that a person has to know of. */
struct robot_trouble {
	const char *name;          /* one word: in state's errors and status */
	const char *remedy;        /* a sentence: what it is and what mends it */
	bool expected;             /* nothing is wrong: the arm is off, or on its way; no error, though it cannot be driven */
};

/* A driver's own figure for `status`, e.g. states missed. */
struct robot_number {
	const char *name;          /* constant */
	double value;
};

enum { ROBOT_NUMBERS_MAX = 40 };

struct robot_driver {
	const char *name;
	const char *needs;         /* for --help: what has to be in the command line, in the configuration, and at the arm */
	int64_t period_ns;         /* rate of read and write */
	int64_t coast_ns;          /* so long the arm goes on by itself when no command comes (constant acceleration); 0: it stands still */
	bool has_brakes;           /* without them `disable` and `recover` let the arm drop and must be confirmed */
	uint32_t recovers;         /* modes besides REFLEX that recover ends: bits 1 << enum arm_mode */
	bool homes_gripper;        /* home_gripper is there */

	/* Starts connecting and returns; being connected shows in read. Thread: start-up. Allocates: yes. */
	int (*create)(void **out, const struct robot_driver_options *o, struct errbuf *e);
	void (*destroy)(void *driver); /* accepts NULL */

	/* Waits for the arm's own period where the arm sets the time, until due_ns where it does not come; the time that the tick is for.
	 * NULL: the clock sets the time. Thread: the arm's control thread. Allocates: no. Blocks: at most a few periods. */
	int64_t (*wait)(void *driver, int64_t due_ns);

	/* Thread: the arm's control thread. Allocate: no. Block: no. */
	void (*read)(void *driver, int64_t now_ns, struct robot_state *out);
	void (*write)(void *driver, const struct robot_command *c);

	/* Of its numbers, the longest row of missed states counts from now on; NULL where it has none. Thread: the arm's control thread.
	 * Allocates: no. Blocks: no. */
	void (*count_anew)(void *driver);

	/* Asks for what takes its time and shows in later states; NULL where the arm has no such thing. Thread: the arm's control thread.
	 * Allocate: no. Block: no. */
	void (*recover)(void *driver);
	void (*home_gripper)(void *driver);
	void (*stop_homing)(void *driver); /* of the gripper; what it holds stays held */

	/* The motors' power, by an operator's word only; NULL where the arm's own switches have it. With enable the arm is IDLE until it is
	 * ready. As recover. */
	void (*enable)(void *driver);
	void (*disable)(void *driver);

	/* The arm's own, harder than standing still: one without brakes sinks. It wins over every other wish that came before; twice is once.
	 * For an arm that is not reached it is kept for 10 s. NULL: it has a button only. Thread: any, the io thread at once and control's
	 * after everything else that was asked for. Allocates: no. Blocks: no. */
	void (*emergency_stop)(void *driver);

	/* NULL where it has none. Thread: any; numbers: the io thread, fills at most ROBOT_NUMBERS_MAX and returns how many. */
	const char *(*error_name)(uint32_t bit);
	const struct robot_trouble *(*trouble)(uint32_t trouble);
	uint32_t (*numbers)(void *driver, struct robot_number *out);
};

/* By name, or NULL; and the i-th one, or NULL beyond the last. Thread: any. */
const struct robot_driver *robot_driver_find(const char *name);
const struct robot_driver *robot_driver_at(uint32_t i);

#endif
