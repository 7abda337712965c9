/* pose_plan.h - what dreamvlad plans with when an arm gets poses (robots[].output: pose). */
#ifndef DREAMVLA_ROBOTS_SETUP_POSE_PLAN_H
#define DREAMVLA_ROBOTS_SETUP_POSE_PLAN_H

#include "daemon/flow.h"

/* Narrows the joints' limits in a->model, for planning only. An arm that takes poses also has limits for the acceleration of its
 * TCP: the joints' accelerations get so small that all of them together never exceed it, in any of a few hundred postures spread over
 * the joints' ranges. And a redundant arm solves its own inverse kinematics, with another elbow than planned: the plan leaves it
 * room. Returns the share of its joint accelerations (times limit_scale) that the arm has left. Thread: start-up. Allocates: no. */
double pose_plan(struct arm_setup *a);

#endif
