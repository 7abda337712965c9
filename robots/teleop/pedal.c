/* pedal.c - see pedal.h. */
#include "robots/teleop/pedal.h"

#include <errno.h>

int pedal_check(const struct device_options *o, struct errbuf *e)
{
	if (!o->deadman_evdev == !(o->deadman_gripper_m > 0.0))
		return fail(e, -EINVAL, "a leader's dead-man: want --deadman-evdev FILE or --deadman-gripper M, one of them: without a dead-man "
				"nothing moves");
	return 0;
}

/* A pedal, a keyboard, a button: everything that has the key. */
static int has_key(const struct input_facts *f, uint16_t key, struct errbuf *e)
{
	return f->has_key[key] ? 0 : fail(e, -EINVAL, "\"%s\" (%s) has not the key that is to be the dead-man (code 0x%x); choose another "
			"one with --deadman-key", f->name, input_facts_kind(f), key);
}

int pedal_open(struct pedal *p, const struct device_options *o, struct errbuf *e)
{
	if (!o->deadman_evdev)
		return 0;
	int rc = evdev_key_code(o->deadman_key, KEY_SPACE, &p->key, e);

	return rc < 0 ? rc : evdev_create(&p->evdev, &(struct evdev_options){ .path = o->deadman_evdev, .what = "pedal", .fits = has_key,
			.deadman = p->key, .grab = o->grab }, e);
}

void pedal_close(struct pedal *p)
{
	evdev_destroy(p->evdev);
}

uint32_t pedal_item(const struct pedal *p, zmq_pollitem_t *item)
{
	if (!p->evdev || evdev_fd(p->evdev) < 0)
		return 0;
	*item = (zmq_pollitem_t){ .fd = evdev_fd(p->evdev), .events = ZMQ_POLLIN };
	return 1;
}

bool pedal_take(struct pedal *p, struct leader_map *map, int64_t now_ns, struct errbuf *e)
{
	struct input_event ev;

	if (!p->evdev)
		return true;
	if (evdev_look(p->evdev, now_ns, e) == EVDEV_NEW)
		leader_map_begin_deadman(map, evdev_facts(p->evdev)->key_down[p->key]);
	for (int i = 0; i < EVDEV_EVENTS_MAX && evdev_next(p->evdev, &ev) > 0; i++) {
		if (ev.type == EV_SYN && ev.code == SYN_DROPPED)
			leader_map_forget_deadman(map);
		else if (ev.type == EV_KEY && ev.code == p->key && ev.value != 2)
			leader_map_press(map, ev.value == 1);
	}
	return evdev_look(p->evdev, now_ns, e) != EVDEV_AWAY;
}
