/* preflight_motion.h - the motion of a preflight: the arm's own begins, holds it still for a while, and ends. A step function of the arm's
 * state, so that a test runs it on virtual time.
 *
 * All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_ARM_PREFLIGHT_MOTION_H
#define DREAMVLA_ROBOTS_ARM_PREFLIGHT_MOTION_H

#include "robots/driver.h"

/* WAITS: for the arm to be ready. SETTLES: until the arm's success rate is that of this motion alone. OVER: nothing moves, see `failed`. */
enum preflight_phase { PREFLIGHT_WAITS, PREFLIGHT_BEGINS, PREFLIGHT_SETTLES, PREFLIGHT_MEASURES, PREFLIGHT_ENDS, PREFLIGHT_OVER };

struct preflight_motion {
	uint32_t dof;
	int64_t measure_ns;
	enum preflight_phase phase;
	int64_t since_ns;          /* of the phase; 0: the first step is still to come */
	int64_t connected_ns;      /* WAITS: when it was not connected last */
	bool failed;               /* the motion did not run for the whole time */
	bool held;                 /* hold_rad is where the motion began */
	double hold_rad[DOF_MAX];
	struct robot_state state;  /* newest; of a failure: the one that shows it */
	uint64_t n_rates;
	double rate_min, rate_sum, rate_max;
};

void preflight_motion_init(struct preflight_motion *m, uint32_t dof, int64_t measure_ns);

/* One period. stop: end now. */
void preflight_motion_step(struct preflight_motion *m, const struct robot_state *s, int64_t now_ns, bool stop, struct robot_command *out);

#endif
