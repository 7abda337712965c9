/* gamepad.c - the kind `gamepad` of dreamvla-teleop: a device of Linux evdev, through gamepad_map.c. */
#include <errno.h>
#include <stdlib.h>

#include "robots/teleop/device.h"
#include "robots/teleop/evdev.h"
#include "robots/teleop/gamepad_map.h"

static const char HELP[] =
	"      hold BTN_TR, the right shoulder button: the dead-man          BTN_TL, the left one: four times slower\n"
	"      left stick up/down   x forward, backward     right stick up/down      z up, down\n"
	"      left stick l/r       y left, right           right stick l/r          turn about z\n"
	"      cross up/down        tip about y             cross l/r                tip about x\n"
	"      BTN_SOUTH (A, cross) close the gripper       BTN_EAST (B, circle)     open it\n"
	"      BTN_START            directions of the base / of the tool\n";

struct gamepad {
	struct evdev *evdev;
	struct gamepad_map map;
};

static void gamepad_destroy(void *device)
{
	struct gamepad *g = device;

	if (g)
		evdev_destroy(g->evdev);
	free(g);
}

static int set_up(struct gamepad *g, const struct device_options *o, struct errbuf *e)
{
	struct hand_options hand = { .open = BTN_EAST, .close = BTN_SOUTH, .frame = BTN_START, .slow = BTN_TL, .start_frame = o->frame,
		.linear_max_m_s = o->linear_max_m_s, .angular_max_rad_s = o->angular_max_rad_s, .gripper_max_m = o->gripper_max_m };
	int rc = evdev_key_code(o->deadman_key, BTN_TR, &hand.deadman, e);

	if (rc == 0)
		rc = gamepad_map_init(&g->map, &hand, o->dead_band, e);
	return rc < 0 ? rc : evdev_create(&g->evdev, &(struct evdev_options){ .path = o->evdev, .what = "gamepad", .fits = gamepad_map_fits,
			.deadman = hand.deadman, .grab = o->grab }, e);
}

static int gamepad_create(void **out, const struct device_options *o, struct errbuf *e)
{
	struct gamepad *g = calloc(1, sizeof *g);

	if (!g)
		return fail(e, -ENOMEM, "out of memory");
	int rc = set_up(g, o, e);

	if (rc < 0)
		gamepad_destroy(g);
	else
		*out = g;
	return rc;
}

static uint32_t gamepad_items(const void *device, zmq_pollitem_t *item)
{
	const struct gamepad *g = device;

	item[0] = (zmq_pollitem_t){ .fd = evdev_fd(g->evdev), .events = ZMQ_POLLIN };
	return evdev_fd(g->evdev) >= 0;
}

static bool gamepad_read(void *device, int64_t now_ns, int64_t offset_ns, struct device_wish *out, struct errbuf *e)
{
	struct gamepad *g = device;
	struct input_event ev;

	(void)offset_ns;
	if (evdev_look(g->evdev, now_ns, e) == EVDEV_NEW)
		gamepad_map_begin(&g->map, evdev_facts(g->evdev));
	for (int i = 0; i < EVDEV_EVENTS_MAX && evdev_next(g->evdev, &ev) > 0; i++)
		gamepad_map_take(&g->map, &ev);
	if (evdev_look(g->evdev, now_ns, e) == EVDEV_AWAY) /* it may have gone just now */
		return false;
	gamepad_map_read(&g->map, out);
	return true;
}

const struct teleop_device teleop_device_gamepad = {
	.name = "gamepad",
	.help = HELP,
	.create = gamepad_create,
	.destroy = gamepad_destroy,
	.items = gamepad_items,
	.read = gamepad_read,
};
