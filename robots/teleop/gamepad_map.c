/* gamepad_map.c - see gamepad_map.h. Axes and buttons as the kernel's Documentation/input/gamepad.rst gives them. */
#include "robots/teleop/gamepad_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Sticks report down and right as positive; the arm's x is forward, y left, z up. `other`: where a device that has neither ABS_RX nor
 * ABS_RY keeps its right stick. */
static const struct {
	uint16_t axis, other;
	double sign;
	const char *name;
} WAYS[6] = {
	{ ABS_Y, ABS_Y, -1.0, "the left stick, up and down," },
	{ ABS_X, ABS_X, -1.0, "the left stick, left and right," },
	{ ABS_RY, ABS_RZ, -1.0, "the right stick, up and down," },
	{ ABS_HAT0X, ABS_HAT0X, 1.0, "the cross, left and right," },
	{ ABS_HAT0Y, ABS_HAT0Y, -1.0, "the cross, up and down," },
	{ ABS_RX, ABS_Z, -1.0, "the right stick, left and right," },
};
enum { ABOUT_X = 3, ABOUT_Y = 4, UP = 0, DOWN, LEFT, RIGHT };

static const uint16_t CROSS[4] = { BTN_DPAD_UP, BTN_DPAD_DOWN, BTN_DPAD_LEFT, BTN_DPAD_RIGHT };

int gamepad_map_init(struct gamepad_map *g, const struct hand_options *o, double dead_band, struct errbuf *e)
{
	memset(g, 0, sizeof *g);
	g->dead_band = dead_band;
	if (!(dead_band >= 0.0 && dead_band <= 0.5))
		return fail(e, -EINVAL, "dead band: found %g of a stick's way, want 0..0.5", dead_band);
	return hand_init(&g->hand, o, e);
}

int gamepad_map_fits(const struct input_facts *f, uint16_t deadman, struct errbuf *e)
{
	if (!f->has_axis[ABS_X] || !f->has_axis[ABS_Y] || !(f->has_key[BTN_SOUTH] || f->has_key[BTN_TRIGGER]))
		return fail(e, -EINVAL, "\"%s\" is no gamepad, it is %s", f->name, input_facts_kind(f));
	if (!f->has_key[deadman])
		return fail(e, -EINVAL, "\"%s\" has not the button that is to be the dead-man (code 0x%x); choose another one with --deadman-key",
				f->name, deadman);
	return 0;
}

void gamepad_map_begin(struct gamepad_map *g, const struct input_facts *f)
{
	bool others = !(f->has_axis[ABS_RX] && f->has_axis[ABS_RY]);

	hand_begin(&g->hand, f);
	for (int i = 0; i < 6; i++) {
		g->axis[i] = others ? WAYS[i].other : WAYS[i].axis;
		g->stick[i] = (struct stick){ 0 };
		if (f->has_axis[g->axis[i]])
			stick_begin(&g->stick[i], &f->axis[g->axis[i]], g->dead_band);
	}
	for (int i = 0; i < 4; i++)
		g->cross[i] = f->key_down[CROSS[i]];
}

void gamepad_map_take(struct gamepad_map *g, const struct input_event *ev)
{
	hand_take(&g->hand, ev);
	for (int i = 0; ev->type == EV_ABS && i < 6; i++)
		if (ev->code == g->axis[i])
			stick_take(&g->stick[i], ev->value);
	for (int i = 0; ev->type == EV_KEY && i < 4; i++)
		if (ev->code == CROSS[i] && ev->value != 2)
			g->cross[i] = ev->value == 1;
}

static bool cross_rests(const struct gamepad_map *g)
{
	return !g->cross[UP] && !g->cross[DOWN] && !g->cross[LEFT] && !g->cross[RIGHT];
}

static void tell_waiting(const struct gamepad_map *g, struct device_wish *out)
{
	for (int i = 0; i < 6 && out->deadman && !out->note[0]; i++)
		if (stick_waits(&g->stick[i]))
			snprintf(out->note, sizeof out->note, "%s was not at rest at the take-over: it counts after it has been", WAYS[i].name);
}

void gamepad_map_read(struct gamepad_map *g, struct device_wish *out)
{
	bool rearm = hand_read(&g->hand, out);
	double way[6];

	for (int i = 0; i < 6; i++) {
		if (rearm)
			stick_rearm(&g->stick[i]);
		way[i] = WAYS[i].sign * stick_value(&g->stick[i]);
	}
	g->cross_counts = cross_rests(g) || (g->cross_counts && !rearm);
	if (g->cross_counts) {
		way[ABOUT_Y] += g->cross[UP] - g->cross[DOWN];
		way[ABOUT_X] += g->cross[RIGHT] - g->cross[LEFT];
	}
	hand_twist(&g->hand, way, out);
	tell_waiting(g, out);
}
