/* control_pose.c - see control_pose.h. */
#include "daemon/control_pose.h"

#include <math.h>

#include "daemon/control_mode.h"
#include "daemon/control_watch.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

/* Further apart the plan says little about the arm's joints, and how far they are from their limits. */
static const double posture_max_rad = 0.5;
/* An arm that is not where it is sent; clocks of two hosts may differ by 5 ms, in which a fast arm moves 1 cm. */
static const double follow_m = 0.02, follow_rad = 0.1;
/* Joints are taken over from here on, provided that the target's pose stays the same to what rounding leaves. */
static const double differs_rad = 0.005, same_m = 2e-5, same_rad = 5e-5;
static const double same_joint_rad = 1e-9;

struct posture control_posture(const struct control *c, uint32_t i)
{
	const struct arm_setup *arm = &c->setup.arm[i];
	const struct arm_state *s = &c->inputs.arm[i];
	struct posture p = { .settled = true };
	struct past_entry sent;
	struct pose own, planned;
	double apart[6];

	if (arm->output != OUTPUT_POSE || !c->safety[i].seeded || !s->has_q ||
			s->stamp_ns < c->arm[i].seeded_ns + arm->playout_ns || !past_at(&c->past, s->stamp_ns, &sent))
		return (struct posture){ 0 };
	for (uint32_t j = 0; j < arm->model.dof; j++) {
		p.joint_rad = fmax(p.joint_rad, fabs(s->q_d_rad[j] - sent.q_rad[i][j]));
		p.settled &= fabs(c->safety[i].joint[j].q - sent.q_rad[i][j]) <= same_joint_rad;
	}
	kinematics_forward(&arm->model, &arm->tcp, s->q_d_rad, &own);
	kinematics_forward(&arm->model, &arm->tcp, sent.q_rad[i], &planned);
	pose_difference(&own, &planned, apart);
	p.tcp_m = vec3_norm(apart);
	p.tcp_rad = vec3_norm(apart + 3);
	p.known = true;
	return p;
}

void control_watch_posture(const struct control *c, uint32_t i, struct reasons *r)
{
	struct posture p = control_posture(c, i);

	if (!p.known)
		return;
	if (!(p.tcp_m <= follow_m))
		reasons_add(r, REASON_POSE_APART, i, p.tcp_m, follow_m);
	else if (!(p.tcp_rad <= follow_rad))
		reasons_add(r, REASON_TURN_APART, i, p.tcp_rad, follow_rad);
	if (!(p.joint_rad <= posture_max_rad))
		reasons_add(r, REASON_POSTURE_APART, i, p.joint_rad, posture_max_rad);
}

bool control_posture_differs(const struct control *c, uint32_t i)
{
	bool driven = control_runs_policy(c) || c->mode == MODE_TELEOP || c->mode == MODE_RETURN;

	if (c->setup.arm[i].output != OUTPUT_POSE || driven || arbiter_busy(&c->arbiter) || !control_standing(c))
		return false;
	struct posture p = control_posture(c, i);

	return p.known && p.settled && p.joint_rad > differs_rad && p.tcp_m <= same_m && p.tcp_rad <= same_rad;
}

bool control_posture_settled(const struct control *c, uint32_t i)
{
	if (c->setup.arm[i].output != OUTPUT_POSE || !c->safety[i].seeded)
		return true;
	struct posture p = control_posture(c, i);

	return p.known && p.settled && !control_posture_differs(c, i);
}
