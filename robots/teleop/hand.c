/* hand.c - see hand.h. */
#include "robots/teleop/hand.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const double slow_share = 0.25;
static const double speed_most = 3.0, gripper_most_m = 1.0; /* m/s, rad/s: beyond every arm's; they only tell a number from nonsense */

static bool within(double value, double most)
{
	return value >= 0.0 && value <= most;
}

int hand_init(struct hand *h, const struct hand_options *o, struct errbuf *e)
{
	*h = (struct hand){ .o = *o, .frame = o->start_frame };
	if (!within(o->linear_max_m_s, speed_most) || !within(o->angular_max_rad_s, speed_most))
		return fail(e, -EINVAL, "greatest speeds: found %g m/s and %g rad/s, want 0..%g of both", o->linear_max_m_s, o->angular_max_rad_s,
				speed_most);
	if (!within(o->gripper_max_m, gripper_most_m))
		return fail(e, -EINVAL, "widest opening of the gripper: found %g m, want 0..%g", o->gripper_max_m, gripper_most_m);
	return 0;
}

void hand_begin(struct hand *h, const struct input_facts *f)
{
	deadman_begin(&h->deadman, f->key_down[h->o.deadman]);
	h->slow = f->key_down[h->o.slow];
	h->was_pressed = false;
}

/* dreamvlad moves the gripper when its opening has changed by 5 mm since the take-over: beginning in the middle, either key does that. */
static void take_key(struct hand *h, uint16_t code, bool down)
{
	if (code == h->o.deadman)
		deadman_take(&h->deadman, down);
	else if (code == h->o.slow)
		h->slow = down;
	else if (code == h->o.frame && down) {
		h->frame = h->frame == FRAME_BASE ? FRAME_TCP : FRAME_BASE;
		h->frame_changed = true;
	} else if (code == h->o.open && down && h->was_pressed)
		h->gripper_m = h->o.gripper_max_m;
	else if (code == h->o.close && down && h->was_pressed)
		h->gripper_m = 0.0;
}

void hand_take(struct hand *h, const struct input_event *ev)
{
	if (ev->type == EV_SYN && ev->code == SYN_DROPPED)
		deadman_forget(&h->deadman); /* a release may be among what was lost */
	else if (ev->type == EV_KEY && (ev->value == 0 || ev->value == 1)) /* 2 is autorepeat */
		take_key(h, ev->code, ev->value == 1);
}

bool hand_read(struct hand *h, struct device_wish *out)
{
	bool pressed = deadman_read(&h->deadman), edge = pressed && !h->was_pressed, rearm = edge || h->frame_changed;

	if (edge)
		h->gripper_m = h->o.gripper_max_m / 2.0;
	h->was_pressed = pressed;
	h->frame_changed = false;
	*out = (struct device_wish){ .deadman = pressed, .lost = deadman_lost(&h->deadman), .kind = TELEOP_TWIST, .frame = h->frame, .n_values = 6,
		.has_gripper = pressed && h->o.gripper_max_m > 0.0, .gripper_m = h->gripper_m };
	if (deadman_stuck(&h->deadman))
		strcpy(out->note, "the dead-man is held, but was never seen released: let it go, then press it again");
	return rearm;
}

/* -> v, as long as `most` at most: a stick in its corner is no faster than at its side. */
static void scale(double v[3], const double way[3], double most)
{
	double length = sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]);

	for (int i = 0; i < 3; i++)
		v[i] = isfinite(length) ? way[i] * most / fmax(length, 1.0) + 0.0 : 0.0; /* no -0 for people to read */
}

void hand_twist(const struct hand *h, const double way[6], struct device_wish *out)
{
	double share = !out->deadman ? 0.0 : h->slow ? slow_share : 1.0;

	scale(out->value, way, share * h->o.linear_max_m_s);
	scale(out->value + 3, way + 3, share * h->o.angular_max_rad_s);
}
