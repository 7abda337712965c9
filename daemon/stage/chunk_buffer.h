/* chunk_buffer.h - which chunk may be executed, and where in it we are: the record of what was sent when, and the checks.
 *
 * Path time is a clock that runs only while a chunk moves the arms, at the rate of the speed scale. A chunk begins at the path
 * time of its observation. So, without any special case: what was moved since the observation is skipped, and if the arms stood
 * still meanwhile path time stood still too, nothing is skipped, and the chunk begins now.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_CHUNK_BUFFER_H
#define DREAMVLA_DAEMON_STAGE_CHUNK_BUFFER_H

#include "daemon/flow.h"

enum { PAST_ENTRIES = 1024 };

struct past_entry {
	int64_t t_ns;    /* when the arms were to be there */
	double path_s;
	double q_rad[ARMS_MAX][DOF_MAX];
	double gripper_m[ARMS_MAX]; /* opening that was commanded; NaN: none yet */
};

/* The last seconds of sent motion, one entry every 5 ms at most. Zeroed: empty. */
struct past {
	uint32_t n, next;
	struct past_entry entry[PAST_ENTRIES];
};

void past_push(struct past *p, const struct past_entry *e);

/* Sent motion at t_ns, interpolated; the oldest or newest entry outside the record; false when it is empty. */
bool past_at(const struct past *p, int64_t t_ns, struct past_entry *out);

/* Sent motion at a path time; while that stood, as it was last. False when the record does not reach back so far. */
bool past_at_path(const struct past *p, double path_s, struct past_entry *out);

/* The newest entries, at most `most`, oldest first; returns how many. */
uint32_t past_newest(const struct past *p, uint32_t most, struct past_entry *out);

enum chunk_verdict { CHUNK_GOOD, CHUNK_OTHER_EPOCH, CHUNK_OTHER_INSTRUCTION, CHUNK_TOO_EARLY, CHUNK_OLD, CHUNK_NOT_FINITE,
	CHUNK_WRONG_SHAPE };

struct chunk_rules {
	uint32_t epoch, instruction_id, action_dim;
	int64_t after_ns;  /* observations before this are of a situation that is no more */
	int64_t oldest_ns; /* and those before this too long ago */
};

/* May this chunk be executed at all? */
enum chunk_verdict chunk_judge(const struct action_chunk *c, const struct chunk_rules *r);

enum { LATENCIES = 16 };

/* From observation to hand-over, of the newest chunks. Zeroed: none yet. */
struct latencies {
	uint32_t n, next;
	int64_t ns[LATENCIES];
};

void latency_push(struct latencies *l, int64_t latency_ns);

/* How long it usually takes: the 90th percentile. Of two or more the longest never counts, so that one inference that hung says
 * nothing about the usual. 0 when there are none. */
int64_t latency_usual_ns(const struct latencies *l);

/* Binary grippers: threshold with hysteresis and dwell; continuous ones: a straight line. Zeroed: nothing decided yet. */
struct gripper {
	bool decided, open;
	int64_t changed_ns;
};

/* Another source has commanded the gripper: the next decision starts from there, with hysteresis and dwell. */
void gripper_resume(struct gripper *g, double commanded_m, double gripper_max_m, int64_t now_ns);

/* The opening that an action's gripper value asks for at now_ns. NaN: the last decision; false when there is none. */
bool gripper_step(struct gripper *g, const struct gripper_setup *setup, double value, double gripper_max_m, int64_t now_ns, double *out_m);

#endif
