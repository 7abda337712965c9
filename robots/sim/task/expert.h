/* expert.h - the scripted expert of both tasks (task.h): what it would do next, as a pure function of where things are.
 *
 * It remembers nothing, so that it can be asked in any state, also in those into which another policy got. An action is what a
 * Dream-VLA with end-effector deltas says: dx, dy, dz in m, a rotation vector in rad (base frame), and the gripper, 1 open, 0 closed. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_EXPERT_H
#define DREAMVLA_ROBOTS_SIM_TASK_EXPERT_H

#include "robots/sim/task/task.h"

enum { EXPERT_ACTION_DIM = 7, EXPERT_STEPS_MAX = 64 };

/* Longest way of one action: at 5 actions per second 0.15 m/s, well within the arm's limits. */
#define EXPERT_STEP_M 0.03
#define EXPERT_TURN_RAD 0.2

/* All that it looks at. */
struct expert_view {
	double tip_m[3];           /* between the finger tips, EXPERT_TCP_M along the hand */
	double hand_yaw_rad;       /* direction from finger to finger */
	double gripper_m, gripper_max_m;
	double block_m[3];         /* lower face's centre of the named block */
	double block_yaw_rad;
	bool holds_named, holds_other;
	bool put;                  /* the block on a pad, whose centre is */
	double pad_m[2];
};

/* From the hand's frame to the point between the finger pads that goes to a block's centre, along the hand: the Franka Hand's TCP. */
#define EXPERT_TCP_M 0.1034

/* Of a pad that is not there nothing is wanted: the block is picked up, no more. */
void expert_look(struct expert_view *v, const struct world *w, const struct task_words *words);

/* The next action. Steps shrink near the block. Thread: any. Allocates: no. */
void expert_act(const struct expert_view *v, double action[EXPERT_ACTION_DIM]);

/* A whole chunk: each action from where the ones before lead, with a hand that does as it is told. The first n_given are taken as they are,
 * whoever made them. Thread: any. Allocates: no. */
void expert_chunk(const struct expert_view *v, double dt_s, uint32_t n_given, uint32_t n_steps, double action[][EXPERT_ACTION_DIM]);

#endif
