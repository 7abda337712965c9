/* plan.h - MOVE P and MOVE J of the simulated PiPER: every joint on its way to stand still at its target.
 *
 * The real firmware's planner is unknown. This one keeps what is told of it: it works at 200 Hz, within a speed and an acceleration,
 * targets may be replaced on the way, and each is where the arm shall come to rest. So an arm that stands starts all its joints so that they
 * arrive together; one that moves is re-planned joint by joint from its present speed, braking for the newest target as if no other were to
 * come: with dense targets the speed sways between braking and going on, which is the jitter that users report (piper_ros issue 52).
 * Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_PLAN_H
#define DREAMVLA_ROBOTS_SIM_PIPER_PLAN_H

#include <stdbool.h>

#include "robots/piper/wire.h"

enum { PIPER_PLAN_TICK_MS = 5 };

struct piper_plan {
	double q_rad[PIPER_JOINTS], dq_rad_s[PIPER_JOINTS]; /* wanted at the end of the millisecond */
	double target_rad[PIPER_JOINTS];
	double share[PIPER_JOINTS];       /* of speed and acceleration, so that all arrive together; 1 on the way */
	double ddq_rad_s2[PIPER_JOINTS];  /* of this tick */
	uint32_t phase_ms;
	bool fresh;                       /* targets that no tick has seen */
};

struct piper_plan_limits {
	double v_rad_s[PIPER_JOINTS], a_rad_s2[PIPER_JOINTS];
};

/* Joint j stands at q_rad and stays there. */
void piper_plan_rest(struct piper_plan *p, int j, double q_rad);

/* Where joint j shall stand; seen at the next tick. */
void piper_plan_aim(struct piper_plan *p, int j, double target_rad);

/* Stop all joints as soon as their accelerations permit. */
void piper_plan_brake(struct piper_plan *p, const struct piper_plan_limits *l);

/* One millisecond. */
void piper_plan_step(struct piper_plan *p, const struct piper_plan_limits *l);

bool piper_plan_still(const struct piper_plan *p);

#endif
