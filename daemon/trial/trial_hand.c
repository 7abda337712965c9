/* trial_hand.c - a person who takes the arm over in the middle of an episode, pushes it aside and up, lets go, and asks for AUTO again:
 * messages of one teleop device, as io hands them to control. The arm goes by control's own teleop stage. */
#include "daemon/trial/trial_parts.h"

static const int64_t FROM_NS = 2 * NS_PER_S, FOR_NS = 2 * NS_PER_S, BACK_NS = 5 * NS_PER_S;
/* 8 cm aside, towards the middle of the table; so little up that a block in the hand is not lifted by the person. */
static const double ASIDE_M_S = 0.04, UP_M_S = 0.02;
static const uint64_t DEVICE = 2;

static void say(struct trial *t)
{
	struct trial_hand *h = &t->hand;

	h->input.stamp_ns = h->input.arrival_ns = t->now_ns;
	t->inputs.teleop[0] = h->input;
}

static void press(struct trial *t)
{
	struct trial_hand *h = &t->hand;
	struct frame hand = world_hand(&t->world);

	h->phase = HAND_DRIVES;
	h->since_ns = t->now_ns;
	h->input = (struct teleop_input){ .present = true, .from = DEVICE, .deadman = true, .edges = 1, .edge_ns = t->now_ns,
		.kind = TELEOP_TWIST, .frame = FRAME_BASE, .value = { 0, hand.p.y > 0 ? -ASIDE_M_S : ASIDE_M_S, UP_M_S } };
}

static void let_go(struct trial *t)
{
	struct trial_hand *h = &t->hand;

	h->phase = HAND_GIVES_BACK;
	h->since_ns = t->now_ns;
	h->input.deadman = false;
	h->input.releases = 1;
}

void trial_hand_step(struct trial *t)
{
	struct trial_hand *h = &t->hand;

	if (!t->options.take_over || !t->started)
		return;
	if (h->phase == HAND_AWAY && t->now_ns >= t->began_ns + FROM_NS)
		press(t);
	else if (h->phase == HAND_DRIVES && t->now_ns >= h->since_ns + FOR_NS)
		let_go(t);
	else if (h->phase == HAND_GIVES_BACK && t->control.mode == MODE_AUTO)
		h->phase = HAND_DONE;
	if (h->phase != HAND_AWAY)
		say(t);
}

/* TELEOP begins in the control period after the dead-man was pressed, which is told to nobody else than control. */
bool trial_hand_holds(const struct trial *t)
{
	const struct trial_hand *h = &t->hand;
	enum mode mode = t->control.mode;

	if (h->phase == HAND_DRIVES)
		return mode == MODE_TELEOP;
	return h->phase == HAND_GIVES_BACK && t->now_ns < h->since_ns + BACK_NS &&
			(mode == MODE_TELEOP || mode == MODE_HOLD || mode == MODE_RETURN);
}
