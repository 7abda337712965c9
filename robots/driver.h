/* driver.h - what dreamvla-arm needs of an arm's own protocol: one table of functions per driver, listed in drivers.def.
 *
 * A driver owns its connection and its threads. The arm's control thread calls read and write once per period, which only hand
 * values over; everything slow happens elsewhere. A driver decides nothing about who may drive and keeps no limits. */
#ifndef DREAMVLA_ROBOTS_DRIVER_H
#define DREAMVLA_ROBOTS_DRIVER_H

#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "daemon/sys/rt.h"

/* What the arm reports of itself. Zeroed: not connected. */
struct robot_state {
	enum arm_mode mode;        /* READY: it takes commands; MOVING is never reported here */
	uint64_t generation;       /* another number: the arm or its controller was restarted, nothing before holds */
	int64_t stamp_ns;          /* CLOCK_MONOTONIC */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

/* What the arm shall do now. hold = false: nothing is commanded (not connected, disabled). */
struct robot_command {
	bool hold;
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

struct robot_driver_options {
	const struct robot_model *model;
	const char *world;         /* sim: address of the world's socket */
	void *zmq_context;         /* for drivers that speak ZeroMQ */
	enum rt_wish wish;         /* of threads that carry commands and states; one priority below control's */
	int priority;
};

struct robot_driver {
	const char *name;
	int64_t period_ns;         /* rate of read and write */
	bool has_brakes;           /* without them `disable` lets the arm drop and must be confirmed */
	bool homes_gripper;

	/* Starts connecting and returns; being connected shows in read. Thread: start-up. Allocates: yes. */
	int (*create)(void **out, const struct robot_driver_options *o, struct errbuf *e);
	void (*destroy)(void *driver); /* accepts NULL */

	/* Thread: the arm's control thread. Allocate: no. Block: no. */
	void (*read)(void *driver, int64_t now_ns, struct robot_state *out);
	void (*write)(void *driver, const struct robot_command *c);
};

/* By name, or NULL; and the i-th one, or NULL beyond the last. Thread: any. */
const struct robot_driver *robot_driver_find(const char *name);
const struct robot_driver *robot_driver_at(uint32_t i);

#endif
