/* path.h - MOVE L and MOVE C of the simulated PiPER: the flange on a straight line or an arc, and joint angles for a pose.
 *
 * Each path begins at rest, whatever came before: the real firmware plans these anew at every command, which is why they cannot be
 * streamed (piper_sdk issue 80). Its own inverse kinematics is unknown and jumps between branches (issue 100); this one takes the
 * solution that it finds from where the arm is, and others only where there is none.
 * Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_PATH_H
#define DREAMVLA_ROBOTS_SIM_PIPER_PATH_H

#include <stdbool.h>

#include "daemon/flow.h"
#include "robots/piper/wire.h"

struct piper_path_limits {
	double v_m_s, w_rad_s, a_m_s2, alpha_rad_s2;
};

struct piper_path {
	bool active;
	struct pose from, to;
	double turn_rad[3];            /* rotation from `from` to `to`, in the base frame */
	double centre_m[3], axis[3], angle_rad; /* of an arc; angle 0: a line */
	double length_m;
	double s, rate_1_s;            /* way covered, 0 to 1, and how fast */
};

/* From a pose to another, straight. */
void piper_path_line(struct piper_path *p, const struct pose *from, const struct pose *to);

/* On the circle through three points; straight if they lie on a line. Turns evenly from first to last. */
void piper_path_arc(struct piper_path *p, const struct pose *from, const struct pose *middle, const struct pose *to);

/* One millisecond of it; *out is where the flange shall be. Inactive at its end. */
void piper_path_step(struct piper_path *p, const struct piper_path_limits *l, struct pose *out);

struct piper_reach {
	const struct robot_model *model;
	double low_rad[PIPER_JOINTS], high_rad[PIPER_JOINTS];
};

/* Joint angles within the limits that put the flange at `goal` within 0.1 mm and 0.01 degrees, normally much nearer; q_rad is where to
 * begin, and the result. false: found none, q_rad is unchanged. */
bool piper_reach_pose(const struct piper_reach *r, const struct pose *goal, double q_rad[PIPER_JOINTS]);

/* The same from q_rad only and at most step_rad away, for a pose close by. */
bool piper_reach_near(const struct piper_reach *r, const struct pose *goal, double step_rad, double q_rad[PIPER_JOINTS]);

#endif
