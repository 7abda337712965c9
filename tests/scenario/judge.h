/* judge.h - holds what leaves for the arm, and what the arm's driver commands to its motors, against the limits.
 *
 * Written without safety.c and kinematics.c: plain finite differences of the positions, and forward kinematics of its own from the
 * model's Denavit-Hartenberg rows. */
#ifndef DREAMVLA_TESTS_SCENARIO_JUDGE_H
#define DREAMVLA_TESTS_SCENARIO_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"

enum quantity { QUANTITY_POSITION, QUANTITY_STEP, QUANTITY_VELOCITY, QUANTITY_ACCELERATION, QUANTITY_JERK, QUANTITY_TCP_SPEED,
	QUANTITY_TCP_TURN, QUANTITY_WORKSPACE, QUANTITY_FLOOR, QUANTITY_AGREEMENT, QUANTITY_COUNT };

const char *quantity_name(enum quantity q);
const char *quantity_unit(enum quantity q);

/* Jerk of commands is a third difference over 3 x 5 periods of 1 ms, so a mean over 15 ms: the arm plays out cubic pieces between
 * targets, whose acceleration is continuous only as far as positions and velocities of the targets belong to one constant jerk. */
enum { JUDGE_JERK_STRIDE = 5, JUDGE_SAMPLES = 3 * JUDGE_JERK_STRIDE + 1 };

/* What the scenario asks beyond the configuration's limits; 0: nothing. */
struct judge_limits {
	double tcp_speed_m_s[MODE_COUNT + 1]; /* of sent targets, by mode; the last one: while a mode is new */
	double velocity, acceleration, jerk; /* share of the model's, of sent targets */
	int64_t stop_ns;           /* from leaving AUTO, SHADOW or TELEOP to standing targets */
};

/* Who is judged: the targets as they leave dreamvlad, or what the arm's driver commands every period. */
enum stream_kind { STREAM_TARGETS, STREAM_COMMANDS, STREAM_KINDS };

struct judge_stream {
	uint32_t n;                /* samples in a row, one period apart */
	int64_t t_ns, gap_ns;
	double q_rad[JUDGE_SAMPLES][DOF_MAX]; /* newest first */
	double tcp_m[2][3], tcp_r[2][3][3];
	bool was_inside;           /* of workspace and floor, once: it may not go out any more */
	double worst[QUANTITY_COUNT]; /* largest share of its limit */
};

struct judge {
	const struct control_setup *setup;
	const struct judge_limits *limits;
	struct judge_stream stream[STREAM_KINDS][ARMS_MAX];
	void (*found)(void *context, enum stream_kind kind, uint32_t arm, enum quantity q, uint32_t joint, double value, double limit);
	void *context;
};

void judge_init(struct judge *j, const struct control_setup *setup, const struct judge_limits *limits);

/* One sample of a stream; dq_rad_s may be NULL. mode: dreamvlad's, for limits that depend on it, or MODE_COUNT while it is new and the
 * arms still have the speed of the one before. */
void judge_take(struct judge *j, enum stream_kind kind, uint32_t arm, int64_t t_ns, const double *q_rad, const double *dq_rad_s,
		enum mode mode);

/* The stream ends: the next sample is a first one. */
void judge_restart(struct judge *j, enum stream_kind kind, uint32_t arm);

/* TCP of an arm in its base frame. */
void judge_tcp(const struct arm_setup *arm, const double *q_rad, double p_m[3], double r[3][3]);

#endif
