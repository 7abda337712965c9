/* axis.h - one jerk-limited coordinate that can always stop: a joint, or the clock of a path.
 *
 * The state (q, v, a) moves by piecewise constant jerk and is known exactly at every sample, so that finite differences of
 * the samples are averages of v, a and jerk and never exceed a limit that those keep. The idea of safety: a state is
 * *admissible* when braking from it as fast as allowed breaks no limit. From an admissible state the first piece of that
 * braking leads to an admissible state again; so whatever is asked for, there is always a way to stop.
 * All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_AXIS_H
#define DREAMVLA_DAEMON_STAGE_AXIS_H

#include <stdbool.h>

struct axis {
	double q, v, a;
};

/* The bound of newer FR3 arms: v <= sqrt(2 decel (q_max - q)) - offset, and mirrored; decel = 0: none. */
struct axis_limits {
	double q_min, q_max, v_min, v_max, a_max, j_max;
	double offset, decel;
};

/* The state after t_s of constant jerk. */
struct axis axis_move(const struct axis *s, double jerk, double t_s);

/* Fastest stop within a_max and j_max: how long it takes, and the state t_s into it (standing from its end on). */
double axis_brake_time_s(const struct axis *s, const struct axis_limits *l);
struct axis axis_brake(const struct axis *s, const struct axis_limits *l, double t_s);

/* Lowest and highest place on the way to that stand, its beginning and a turn included. */
void axis_brake_range(const struct axis *s, const struct axis_limits *l, double *low, double *high);

/* Does braking from s keep every limit? NaN: no. */
bool axis_admissible(const struct axis *s, const struct axis_limits *l);

/* Velocity bounds at q, with the position-dependent ones. */
double axis_v_high(const struct axis_limits *l, double q);
double axis_v_low(const struct axis_limits *l, double q);

/* Jerk that brings s onto the reference, whose state is given for the *end* of the coming sample of dt_s. Linear near it
 * (triple pole), with nested saturations far from it that keep velocity, acceleration and jerk takeable back, so that a distant
 * reference is approached without overshoot worth mentioning (at most a fifth of a_max^3 / j_max^2, the way on which acceleration
 * builds up) and without a limit cycle, whatever the ratio of jerk to acceleration. Not yet admissible: axis_step makes it so. */
double axis_track(const struct axis *s, const struct axis *reference, const struct axis_limits *l, double dt_s);

/* The parts of that law, for who follows a reference in several coordinates at once: the speed at which to close a distance, near by
 * gain_1_s times it; the acceleration for a missing speed, not yet within a_max; the jerk for a missing acceleration, not yet within
 * j_max. Gains up to AXIS_BANDWIDTH_RAD_S / 3 leave no overshoot. */
#define AXIS_BANDWIDTH_RAD_S 60.0
double axis_approach(double distance, double gain_1_s, const struct axis_limits *l);
double axis_push(double missing, const struct axis_limits *l, double dt_s);
double axis_jerk(double missing, double dt_s);

/* Jerk that brings v to v_wish. */
double axis_track_velocity(const struct axis *s, double v_wish, const struct axis_limits *l, double dt_s);

/* Moves s by dt_s with the jerk nearest to the wish (between it and braking) that ends admissible. Returns the share of the
 * wish that was granted: 1 all, 0 pure braking. A jerk that is not finite brakes. */
double axis_step(struct axis *s, const struct axis_limits *l, double jerk, double dt_s);

#endif
