/* safety_edge.h - workspace, floor and TCP speed of one arm, as safety.c sees them: where a state is, how far a motion may bend
 * between two looks, and how a wish is turned aside in front of an edge. For safety.c, and for sources that slow down by themselves before it has to.
 * Functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_SAFETY_EDGE_H
#define DREAMVLA_DAEMON_STAGE_SAFETY_EDGE_H

#include "daemon/stage/safety.h"

/* Kept from workspace and floor: braking motions are looked at in places so close that they bend by less in between. */
#define EDGE_KEPT_M 0.002

struct edge_view {
	struct pose ee;
	struct twist twist;
	uint32_t n;
	double inside_m[SAFETY_EDGES]; /* to the boundaries of s, which lie EDGE_KEPT_M inside the configured ones */
};

/* Reach of every joint. */
void edge_init(struct safety *s);

/* The arm in this state. */
void edge_look(const struct safety *s, const struct axis *joint, struct edge_view *out);

/* Boundaries for an arm at this place: the configured ones, or where it stood outside at its start; they come in with it and never go out. */
void edge_follow(struct safety *s, const struct edge_view *view, bool start);

/* How far outside the configured edge (less EDGE_KEPT_M) its present boundary is; 0 for an arm that is inside. */
double edge_widened_m(const struct safety *s, uint32_t edge);

/* No point of the arm leaves the straight line between two looks by more, while the joints brake from one to the other. */
double edge_bend_m(const struct safety *s, const struct axis *from, const struct axis *to, double gap_s);

/* References beyond an edge are moved onto it, and do not move further out. Returns the mask of such edges. */
uint32_t edge_pull_in(const struct safety *s, struct axis *reference);

/* Takes from the jerk what would lead into an edge faster than the arm can gently stop there; what leads along it stays. */
void edge_soften(const struct safety *s, double *jerk);

/* Takes from joint speeds what would bring the arm (joint: where it is) nearer to an edge by more than rate (1/s) times what is left;
 * kept_m: from the floor that much is not to be used up. */
void edge_slow(const struct safety *s, const struct axis *joint, double rate, double kept_m, double *speed);

/* How far the lowest point of what moves with the TCP (last link, hand, fingers) is above the floor; joint: where the arm is. */
double edge_hand_above_m(const struct safety *s, const struct axis *joint);

#endif
