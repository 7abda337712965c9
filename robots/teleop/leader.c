/* leader.c - the kind `leader` of dreamvla-teleop: an arm that a person guides by hand, as its dreamvla-arm publishes it; the dead-man
 * is a key of another device (a pedal), or the leader's gripper. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "robots/teleop/leader_map.h"
#include "robots/teleop/pedal.h"
#include "transport/endpoint.h"
#include "transport/stamp.h"
#include "transport/topic.h"

static const char HELP[] =
	"      --state ADDRESS --topic state/NAME: where the leader's dreamvla-arm publishes, its configuration's sockets.states. The\n"
	"      follower goes where the leader is; a take-over is refused while they are more than 0.8 rad apart.\n"
	"      --deadman-evdev FILE [--deadman-key KEY_SPACE]: a pedal or a key; or --deadman-gripper M: the leader's gripper,\n"
	"      closed to less than M metres (the follower's gripper is then left alone). Only a gripper that a spring opens is a dead-man:\n"
	"      one that stays where it is put goes on pressing when nobody holds it.\n";

enum { RECEIVE_MAX = 64, HIGH_WATER = 16 };

struct leader {
	struct endpoint *states;
	struct pedal pedal;
	const char *topic;
	struct leader_map map;
	struct errbuf refused;        /* why the last state was not used; "" when it was */
	struct message_state message;
};

static void leader_destroy(void *device)
{
	struct leader *l = device;

	if (l) {
		pedal_close(&l->pedal);
		endpoint_close(l->states);
	}
	free(l);
}

static int check(const struct device_options *o, struct errbuf *e)
{
	struct topic topic;

	if (!o->state || !o->topic)
		return fail(e, -EINVAL, "--device leader: --%s is missing, see --help", o->state ? "topic" : "state");
	if (!topic_split((const uint8_t *)o->topic, strlen(o->topic), &topic) || strcmp(topic.kind, "state") != 0 || !topic.name[0])
		return fail(e, -EINVAL, "--topic: found %s, want state/<leader>", o->topic);
	return pedal_check(o, e);
}

static int set_up(struct leader *l, const struct device_options *o, struct errbuf *e)
{
	int rc = check(o, e);

	if (rc < 0)
		return rc;
	l->topic = o->topic;
	leader_map_init(&l->map, o->dof, o->deadman_gripper_m);
	rc = pedal_open(&l->pedal, o, e);
	return rc < 0 ? rc : endpoint_open(&l->states, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_SUB, .bind = true,
			.address = o->state, .high_water = HIGH_WATER, .max_message_bytes = MESSAGE_BYTES_MAX, .insecure = o->insecure,
			.curve_secret = o->curve_secret, .curve_clients = o->curve_clients, .subscribe = { o->topic } }, e);
}

static int leader_create(void **out, const struct device_options *o, struct errbuf *e)
{
	struct leader *l = calloc(1, sizeof *l);

	if (!l)
		return fail(e, -ENOMEM, "out of memory");
	int rc = set_up(l, o, e);

	if (rc < 0)
		leader_destroy(l);
	else
		*out = l;
	return rc;
}

static uint32_t leader_items(const void *device, zmq_pollitem_t *item)
{
	const struct leader *l = device;

	item[0] = (zmq_pollitem_t){ .socket = endpoint_socket(l->states), .events = ZMQ_POLLIN };
	return 1 + pedal_item(&l->pedal, item + 1);
}

static int take_state(struct leader *l, const struct endpoint_message *m, int64_t now_ns, int64_t offset_ns, struct errbuf *e)
{
	int64_t stamp_ns;
	int rc = m->n_parts == 2 ? message_state_decode(&l->message, m->part[1], m->bytes[1], e)
		: fail(e, -EBADMSG, "found %u parts, want 2", m->n_parts);

	if (rc == 0)
		rc = stamp_to_monotonic(l->message.head.stamp_ns, now_ns, offset_ns, &stamp_ns, e);
	return rc == 0 ? leader_map_take(&l->map, &l->message, stamp_ns, now_ns, e) : rc;
}

static void take_states(struct leader *l, int64_t now_ns, int64_t offset_ns)
{
	struct endpoint_message m;
	struct errbuf e = { "" };

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive(l->states, &m, &e) > 0; i++) {
		if (m.n_parts == 0 || !topic_is(m.part[0], m.bytes[0], l->topic)) /* a subscription is only a prefix */
			continue;
		l->refused.text[0] = 0;
		(void)!take_state(l, &m, now_ns, offset_ns, &l->refused);
	}
}

static bool leader_read(void *device, int64_t now_ns, int64_t offset_ns, struct device_wish *out, struct errbuf *e)
{
	struct leader *l = device;

	take_states(l, now_ns, offset_ns);
	if (!pedal_take(&l->pedal, &l->map, now_ns, e))
		return false;
	if (!leader_map_read(&l->map, now_ns, out)) {
		(void)!fail(e, -ENODATA, "nothing is sent: no state of the leader yet on %s, topic %s%s%s", endpoint_address(l->states), l->topic,
				l->refused.text[0] ? ": " : "", l->refused.text);
		return false;
	}
	if (l->refused.text[0])
		snprintf(out->note, sizeof out->note, "%.*s", DEVICE_NOTE_BYTES - 1, l->refused.text);
	return true;
}

const struct teleop_device teleop_device_leader = {
	.name = "leader",
	.help = HELP,
	.create = leader_create,
	.destroy = leader_destroy,
	.items = leader_items,
	.read = leader_read,
};
