/* keyboard_map.c - see keyboard_map.h. Codes are places on a US keyboard, whatever is printed on the keys. */
#include "robots/teleop/keyboard_map.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* As `dreamvlactl teleop` has them. */
static const uint16_t KEYS[KEYBOARD_KEYS] = { KEY_W, KEY_S, KEY_A, KEY_D, KEY_R, KEY_F, KEY_U, KEY_O, KEY_I, KEY_K, KEY_J, KEY_L };
static const double ramp_s = 0.3;
static const double s_per_ns = 1e-9;
static const double step_most_s = 0.05; /* a pause of the program is no time in which the person has waited */

int keyboard_map_init(struct keyboard_map *k, const struct hand_options *o, struct errbuf *e)
{
	memset(k, 0, sizeof *k);
	return hand_init(&k->hand, o, e);
}

int keyboard_map_fits(const struct input_facts *f, uint16_t deadman, struct errbuf *e)
{
	for (int i = 0; i < KEYBOARD_KEYS; i++)
		if (!f->has_key[KEYS[i]])
			return fail(e, -EINVAL, "\"%s\" is no keyboard, it is %s", f->name, input_facts_kind(f));
	if (!f->has_key[deadman])
		return fail(e, -EINVAL, "\"%s\" has not the key that is to be the dead-man (code 0x%x); choose another one with --deadman-key",
				f->name, deadman);
	return 0;
}

void keyboard_map_begin(struct keyboard_map *k, const struct input_facts *f)
{
	hand_begin(&k->hand, f);
	memset(k->way, 0, sizeof k->way);
	for (int i = 0; i < KEYBOARD_KEYS; i++) {
		k->down[i] = f->key_down[KEYS[i]];
		k->counts[i] = !k->down[i];
	}
}

void keyboard_map_take(struct keyboard_map *k, const struct input_event *ev)
{
	hand_take(&k->hand, ev);
	for (int i = 0; ev->type == EV_KEY && i < KEYBOARD_KEYS; i++) {
		if (ev->code != KEYS[i] || (ev->value != 0 && ev->value != 1)) /* 2 is autorepeat */
			continue;
		k->down[i] = ev->value == 1;
		k->counts[i] |= !k->down[i];
	}
}

static double ramped(double way, double wish, double step)
{
	if (wish == 0.0 || way * wish < 0.0)
		way = 0.0;
	return way + fmax(-step, fmin(step, wish - way));
}

void keyboard_map_read(struct keyboard_map *k, int64_t now_ns, struct device_wish *out)
{
	double dt_s = fmax(0.0, fmin(step_most_s, (double)(now_ns - k->read_ns) * s_per_ns));
	bool rearm = hand_read(&k->hand, out);

	k->read_ns = now_ns;
	for (int i = 0; i < KEYBOARD_KEYS; i++)
		k->counts[i] = !k->down[i] || (k->counts[i] && !rearm);
	for (int i = 0; i < 6; i++) {
		int wish = (k->down[2 * i] && k->counts[2 * i]) - (k->down[2 * i + 1] && k->counts[2 * i + 1]);

		k->way[i] = ramped(k->way[i], out->deadman ? wish : 0.0, dt_s / ramp_s);
	}
	hand_twist(&k->hand, k->way, out);
}
