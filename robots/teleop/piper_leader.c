/* piper_leader.c - the kind `piper-leader` of dreamvla-teleop: a PiPER that was made a leader, guided by hand, on a CAN bus of its own; the
 * dead-man is a key of another device (a pedal), or the leader's gripper. Nothing is ever sent to that bus. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "robots/teleop/bus_ear.h"
#include "robots/teleop/pedal.h"
#include "robots/teleop/piper_leader_map.h"

static const char HELP[] =
	"      --bus ADDRESS: the leader's own, an interface (can1) or socketcand://HOST:PORT[/CHANNEL]. It is only listened to. No follower may\n"
	"      be on it: one that hears its leader obeys it at once, without dreamvlad's limits. The arm to drive is a PiPER too, and goes where\n"
	"      the leader is; a take-over is refused while they are more than 0.8 rad apart. dreamvla-arm --driver piper --maintenance leader\n"
	"      makes an arm a leader.\n"
	"      --deadman-evdev FILE [--deadman-key KEY_SPACE] or --deadman-gripper M: as of --device leader.\n";

/* Far more than comes between two messages, and an end for who floods. */
enum { RECEIVE_MAX = 8192 };

struct piper_leader {
	const char *address;
	struct bus_ear *ear;
	struct pedal pedal;
	struct leader_map map;
	struct piper_leader_map leader;
	struct errbuf refused;         /* why the last stand was not used; "" when it was */
};

static void piper_leader_destroy(void *device)
{
	struct piper_leader *l = device;

	if (l) {
		pedal_close(&l->pedal);
		bus_ear_destroy(l->ear);
	}
	free(l);
}

static int check(const struct device_options *o, struct errbuf *e)
{
	if (!o->bus)
		return fail(e, -EINVAL, "--device piper-leader: --bus is missing, see --help");
	if (o->dof != 0 && o->dof != PIPER_JOINTS)
		return fail(e, -EINVAL, "--device piper-leader: it has %d joints, the arm to drive %u", PIPER_JOINTS, o->dof);
	return pedal_check(o, e);
}

static int set_up(struct piper_leader *l, const struct device_options *o, struct errbuf *e)
{
	struct bus_filter filter[PIPER_LEADER_FILTERS];
	int rc = check(o, e);

	if (rc < 0)
		return rc;
	l->address = o->bus;
	leader_map_init(&l->map, o->dof, o->deadman_gripper_m);
	piper_leader_map_init(&l->leader);
	piper_leader_filters(filter);
	rc = pedal_open(&l->pedal, o, e);
	return rc < 0 ? rc : bus_ear_create(&l->ear, &(struct bus_options){ .address = o->bus, .bitrate = PIPER_BITRATE, .filter = filter,
			.filters = PIPER_LEADER_FILTERS }, e);
}

static int piper_leader_create(void **out, const struct device_options *o, struct errbuf *e)
{
	struct piper_leader *l = calloc(1, sizeof *l);

	if (!l)
		return fail(e, -ENOMEM, "out of memory");
	int rc = set_up(l, o, e);

	if (rc < 0)
		piper_leader_destroy(l);
	else
		*out = l;
	return rc;
}

static uint32_t piper_leader_items(const void *device, zmq_pollitem_t *item)
{
	const struct piper_leader *l = device;
	uint32_t n = 0;

	if (bus_ear_fd(l->ear) >= 0)
		item[n++] = (zmq_pollitem_t){ .fd = bus_ear_fd(l->ear), .events = ZMQ_POLLIN };
	return n + pedal_item(&l->pedal, item + n);
}

static void take_frames(struct piper_leader *l, int64_t now_ns)
{
	struct leader_stand stand;
	struct bus_event ev;

	for (int i = 0; i < RECEIVE_MAX && bus_ear_next(l->ear, now_ns, &ev); i++) {
		enum piper_leader_news news = piper_leader_take(&l->leader, &ev, &stand);

		if (news == PIPER_LEADER_NOTHING)
			continue;
		l->refused.text[0] = '\0';
		(void)!leader_map_hear(&l->map, &stand, news == PIPER_LEADER_LEAPT, now_ns, &l->refused);
	}
}

/* What comes may be anybody's while an arm is there that obeys it. */
static bool is_alone(struct piper_leader *l, int64_t now_ns, struct errbuf *e)
{
	if (!piper_leader_has_company(&l->leader, now_ns))
		return true;
	leader_map_forget_deadman(&l->map);
	(void)!fail(e, -EBUSY, "nothing is sent: the arm on %s is no leader (it says its joints, 0x2A5, or moved 0x2B5, 0x2C5), or there is a follower beside it, which "
			"obeys it by itself; give the leader a bus of its own, or make the arm one: dreamvla-arm --driver piper --maintenance leader",
			l->address);
	return false;
}

static bool piper_leader_read(void *device, int64_t now_ns, int64_t offset_ns, struct device_wish *out, struct errbuf *e)
{
	struct piper_leader *l = device;

	(void)offset_ns; /* what comes from a bus is stamped here */
	take_frames(l, now_ns);
	if (!pedal_take(&l->pedal, &l->map, now_ns, e) || !is_alone(l, now_ns, e))
		return false;
	const char *why = l->refused.text[0] ? l->refused.text : bus_ear_trouble(l->ear);

	if (!leader_map_read(&l->map, now_ns, out)) {
		(void)!fail(e, -ENODATA, "nothing is sent: no joints of a leader yet on %s%s%s; is it on? An interface that only listens "
				"(listen-only) acknowledges nothing, and it needs somebody who does. One whose control ids were moved (0x165 or 0x175 "
				"instead of 0x155) is not heard: move them back (AgileX's SDK: MasterSlaveConfig(0xFA, 0, 0, 0)), switch it off and on",
				l->address, why[0] ? ": " : "", why);
		return false;
	}
	if (why[0])
		snprintf(out->note, sizeof out->note, "%.*s", DEVICE_NOTE_BYTES - 1, why);
	return true;
}

const struct teleop_device teleop_device_piper_leader = {
	.name = "piper-leader",
	.help = HELP,
	.create = piper_leader_create,
	.destroy = piper_leader_destroy,
	.items = piper_leader_items,
	.read = piper_leader_read,
};
