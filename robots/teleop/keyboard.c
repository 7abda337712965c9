/* keyboard.c - the kind `keyboard` of dreamvla-teleop: a device of Linux evdev, through keyboard_map.c. It hears every key, whatever
 * window has the focus: only the dead-man tells whether the person means the arm. */
#include <errno.h>
#include <stdlib.h>

#include "robots/teleop/device.h"
#include "robots/teleop/evdev.h"
#include "robots/teleop/keyboard_map.h"

static const char HELP[] =
	"      hold KEY_SPACE: the dead-man      left shift: four times slower     (places of keys on a US keyboard)\n"
	"      w s  x forward, backward   a d  y left, right   r f  z up, down\n"
	"      u o  about x               i k  about y         j l  about z\n"
	"      g    close the gripper     t    open it         b    directions of the base / of the tool\n"
	"      It hears its keys whatever window has the focus. With --grab nobody else gets them, the console included;\n"
	"      Esc ends the program then, as Ctrl-C does not reach it.\n";

struct keyboard {
	struct evdev *evdev;
	bool grabbed;                 /* Ctrl-C does not reach the terminal either */
	struct keyboard_map map;
};

static void keyboard_destroy(void *device)
{
	struct keyboard *k = device;

	if (k)
		evdev_destroy(k->evdev);
	free(k);
}

static int set_up(struct keyboard *k, const struct device_options *o, struct errbuf *e)
{
	struct hand_options hand = { .open = KEY_T, .close = KEY_G, .frame = KEY_B, .slow = KEY_LEFTSHIFT, .start_frame = o->frame,
		.linear_max_m_s = o->linear_max_m_s, .angular_max_rad_s = o->angular_max_rad_s, .gripper_max_m = o->gripper_max_m };
	int rc = evdev_key_code(o->deadman_key, KEY_SPACE, &hand.deadman, e);

	k->grabbed = o->grab;
	if (rc == 0)
		rc = keyboard_map_init(&k->map, &hand, e);
	return rc < 0 ? rc : evdev_create(&k->evdev, &(struct evdev_options){ .path = o->evdev, .what = "keyboard", .fits = keyboard_map_fits,
			.deadman = hand.deadman, .grab = o->grab }, e);
}

static int keyboard_create(void **out, const struct device_options *o, struct errbuf *e)
{
	struct keyboard *k = calloc(1, sizeof *k);

	if (!k)
		return fail(e, -ENOMEM, "out of memory");
	int rc = set_up(k, o, e);

	if (rc < 0)
		keyboard_destroy(k);
	else
		*out = k;
	return rc;
}

static uint32_t keyboard_items(const void *device, zmq_pollitem_t *item)
{
	const struct keyboard *k = device;

	item[0] = (zmq_pollitem_t){ .fd = evdev_fd(k->evdev), .events = ZMQ_POLLIN };
	return evdev_fd(k->evdev) >= 0;
}

static bool keyboard_read(void *device, int64_t now_ns, int64_t offset_ns, struct device_wish *out, struct errbuf *e)
{
	struct keyboard *k = device;
	struct input_event ev;
	bool ends = false;

	(void)offset_ns;
	if (evdev_look(k->evdev, now_ns, e) == EVDEV_NEW)
		keyboard_map_begin(&k->map, evdev_facts(k->evdev));
	for (int i = 0; i < EVDEV_EVENTS_MAX && evdev_next(k->evdev, &ev) > 0; i++) {
		keyboard_map_take(&k->map, &ev);
		ends |= k->grabbed && ev.type == EV_KEY && ev.code == KEY_ESC && ev.value == 1;
	}
	if (evdev_look(k->evdev, now_ns, e) == EVDEV_AWAY) /* it may have gone just now */
		return false;
	keyboard_map_read(&k->map, now_ns, out);
	out->ends = ends;
	return true;
}

const struct teleop_device teleop_device_keyboard = {
	.name = "keyboard",
	.help = HELP,
	.create = keyboard_create,
	.destroy = keyboard_destroy,
	.items = keyboard_items,
	.read = keyboard_read,
};
