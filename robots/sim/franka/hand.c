/* hand.c - see hand.h. */
#include "robots/sim/franka/hand.h"

#include <math.h>
#include <string.h>

/* 50 mm/s for each finger (data sheet of the Franka Hand). */
static const double speed_max_m_s = 0.1;
/* Data sheet: 140 N at most; a hand cannot press with less than nothing. */
static const double force_max_n = 140.0;
static const double arrived_m = 1e-4, stalled_apart_m = 1e-3;
static const uint32_t stalled_ms = 100, move_stalled_ms = 100000;
static const double period_s = 1e-3;

void franka_hand_init(struct franka_hand *h, double stroke_m)
{
	*h = (struct franka_hand){ .stroke_m = stroke_m, .max_width_m = stroke_m, .width_m = stroke_m, .command_m = stroke_m };
}

/* Nothing that was commanded holds or moves the fingers any more. */
static void relax(struct franka_hand *h)
{
	h->running = FCI_GRIPPER_CONNECT;
	h->command_m = h->width_m;
	h->is_grasped = h->pressing = h->opening = h->has_closed = false;
	h->stalled_ms = 0;
}

void franka_hand_forget(struct franka_hand *h)
{
	relax(h);
	h->max_width_m = 0.0;
}

static bool goal_sound(const struct franka_hand *h, const struct fci_grasp *g)
{
	return g->width_m >= 0.0 && g->width_m <= h->max_width_m && g->speed_m_s > 0.0 && g->speed_m_s <= 10.0 && g->force_n >= 0.0 &&
			g->force_n <= force_max_n && g->epsilon_inner_m >= 0.0 && g->epsilon_inner_m <= 1.0 && g->epsilon_outer_m >= 0.0 &&
			g->epsilon_outer_m <= 1.0;
}

static void take_goal(enum fci_gripper_command c, const uint8_t *payload, double stroke_m, struct fci_grasp *goal)
{
	struct fci_gripper_move m;

	*goal = (struct fci_grasp){ .width_m = stroke_m, .speed_m_s = speed_max_m_s };
	if (c == FCI_GRIPPER_GRASP)
		memcpy(goal, payload, sizeof *goal);
	if (c == FCI_GRIPPER_MOVE) {
		memcpy(&m, payload, sizeof m);
		goal->width_m = m.width_m;
		goal->speed_m_s = m.speed_m_s;
	}
}

bool franka_hand_start(struct franka_hand *h, enum fci_gripper_command c, const uint8_t *payload, enum fci_gripper_status *status)
{
	struct fci_grasp goal;

	*status = FCI_GRIPPER_SUCCESS;
	if (c == FCI_GRIPPER_STOP) {
		relax(h);
		return false;
	}
	take_goal(c, payload, h->stroke_m, &goal);
	if (c != FCI_GRIPPER_HOMING && !goal_sound(h, &goal)) {
		*status = FCI_GRIPPER_FAIL;
		return false;
	}
	bool again = c == FCI_GRIPPER_GRASP && h->is_grasped;

	relax(h);
	h->goal = goal;
	h->opening = again;
	h->running = again ? FCI_GRIPPER_CONNECT : c;
	*status = again ? FCI_GRIPPER_UNSUCCESSFUL : FCI_GRIPPER_SUCCESS;
	return !again;
}

/* A grasp closes until something stops it, a homing likewise before it opens. */
static double destination(const struct franka_hand *h)
{
	bool closes = h->running == FCI_GRIPPER_GRASP || (h->running == FCI_GRIPPER_HOMING && !h->has_closed);

	return closes ? 0.0 : h->goal.width_m;
}

static bool within_epsilons(const struct franka_hand *h)
{
	const struct fci_grasp *g = &h->goal;

	return h->width_m > g->width_m - g->epsilon_inner_m && h->width_m < g->width_m + g->epsilon_outer_m;
}

static enum fci_gripper_status judge(struct franka_hand *h)
{
	bool there = fabs(h->width_m - h->goal.width_m) <= stalled_apart_m;

	if (h->running == FCI_GRIPPER_HOMING)
		h->max_width_m = there ? h->stroke_m : 0.0;
	if (h->running != FCI_GRIPPER_GRASP)
		return there ? FCI_GRIPPER_SUCCESS : FCI_GRIPPER_UNSUCCESSFUL;
	h->is_grasped = h->max_width_m > 0.0 && within_epsilons(h);
	h->pressing = h->is_grasped && h->width_m - h->command_m > stalled_apart_m;
	h->opening = !h->is_grasped;
	if (h->opening)
		h->command_m = h->width_m;
	return h->is_grasped ? FCI_GRIPPER_SUCCESS : FCI_GRIPPER_UNSUCCESSFUL;
}

static void go_towards(struct franka_hand *h, double width_m)
{
	double reach_m = fmin(h->goal.speed_m_s, speed_max_m_s) * period_s;

	h->command_m += fmin(fmax(width_m - h->command_m, -reach_m), reach_m);
}

/* Between commands: what was held can be lost, and what could not be held is let go. */
static void rest(struct franka_hand *h)
{
	bool closed = h->pressing && h->width_m - h->command_m <= stalled_apart_m / 2;

	if (closed || !within_epsilons(h))
		h->is_grasped = false;
	if (h->opening)
		go_towards(h, h->stroke_m);
}

bool franka_hand_step(struct franka_hand *h, double measured_m, enum fci_gripper_status *status)
{
	h->message_id++;
	h->width_m = measured_m;
	if (h->running == FCI_GRIPPER_CONNECT) {
		rest(h);
		return false;
	}
	go_towards(h, destination(h));
	bool behind = fabs(h->command_m - measured_m) > stalled_apart_m;

	h->stalled_ms = behind ? h->stalled_ms + 1 : 0;
	bool there = fabs(measured_m - destination(h)) <= arrived_m;

	if (!there && h->stalled_ms < (h->running == FCI_GRIPPER_MOVE ? move_stalled_ms : stalled_ms))
		return false;
	if (h->running == FCI_GRIPPER_HOMING && !h->has_closed) {
		h->has_closed = true;
		h->stalled_ms = 0;
		return false;
	}
	*status = judge(h);
	h->running = FCI_GRIPPER_CONNECT;
	return true;
}
