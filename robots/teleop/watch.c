/* watch.c - see watch.h. */
#include "robots/teleop/watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "transport/message/request.h"
#include "transport/topic.h"

static const int64_t ASK_NS = 500 * NS_PER_MS, SILENT_NS = 1500 * NS_PER_MS, REFUSAL_SHOWN_NS = 5 * NS_PER_S;
enum { RECEIVE_MAX = 64, HIGH_WATER = 64, STATUS_BYTES_MAX = 65536 };

int watch_open(struct watch *w, const struct watch_options *o, struct errbuf *e)
{
	w->source = o->source;
	int rc = endpoint_open(&w->status, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_SUB, .address = o->status,
			.high_water = HIGH_WATER, .max_message_bytes = STATUS_BYTES_MAX, .curve_secret = o->curve_secret,
			.curve_server = o->curve_server, .subscribe = { "status", "event" } }, e);

	if (rc < 0 || !o->door)
		return rc;
	return endpoint_open(&w->door, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_DEALER, .address = o->door,
			.max_message_bytes = STATUS_BYTES_MAX, .curve_secret = o->curve_secret, .curve_server = o->curve_server }, e);
}

void watch_close(struct watch *w)
{
	endpoint_close(w->door);
	endpoint_close(w->status);
}

void watch_items(const struct watch *w, zmq_pollitem_t item[WATCH_ITEMS])
{
	item[0] = (zmq_pollitem_t){ .socket = endpoint_socket(w->status), .events = ZMQ_POLLIN };
	item[1] = (zmq_pollitem_t){ .fd = -1 };
	if (w->door)
		item[1] = (zmq_pollitem_t){ .socket = endpoint_socket(w->door), .events = ZMQ_POLLIN };
}

static void take_message(struct watch *w, const struct endpoint_message *m, int64_t now_ns)
{
	struct errbuf e;

	if (m->n_parts != 2)
		return;
	if (topic_is(m->part[0], m->bytes[0], "status") && message_status_decode(&w->said, m->part[1], m->bytes[1], &e) == 0)
		w->heard_ns = now_ns;
	else if (topic_is(m->part[0], m->bytes[0], "event") && message_event_decode(&w->event, m->part[1], m->bytes[1], &e) == 0 &&
			strcmp(w->event.source, w->source) == 0) {
		bool refused = strcmp(w->event.kind, "refused") == 0;

		memcpy(w->refused, w->event.reason, sizeof w->refused);
		w->refused_ns = refused ? now_ns : 0;
	}
}

/* `q` of the arm's state map. */
static int take_joints(struct watch *w, const struct endpoint_message *m, int64_t now_ns)
{
	struct wire_reader r;
	struct wire_value v;
	struct wire_text key;
	struct wire_map map;
	struct errbuf e;
	int rc;

	wire_read_begin(&r, m->part[m->n_parts - 1], m->bytes[m->n_parts - 1]);
	rc = wire_map_begin(&r, &map, &e);
	while (rc == 0 && (rc = wire_map_next(&r, &map, &key, &e)) == 1 && !wire_text_equals(key, "q"))
		rc = wire_skip(&r, &e);
	if (rc != 1 || wire_take(&r, &v, &e) < 0 || v.kind != WIRE_ARRAY || v.count > DOF_MAX)
		return -1;
	w->n_joints = v.count;
	for (uint32_t i = 0; i < w->n_joints; i++)
		if (wire_take(&r, &v, &e) < 0 || !wire_as_real(&v, &w->q_rad[i]))
			return -1;
	w->joints_ns = now_ns;
	return 0;
}

static void ask_joints(struct watch *w, int64_t now_ns)
{
	struct map_builder request;
	struct endpoint_message m = { .n_parts = 1 };
	struct errbuf e;
	uint8_t bytes[64];

	if (!w->door || now_ns - w->asked_ns < ASK_NS)
		return;
	w->asked_ns = now_ns;
	request_begin(&request, bytes, sizeof bytes, "status");
	m.part[0] = bytes;
	if (map_finish(&request, &m.bytes[0], &e) == 0)
		(void)!endpoint_send(w->door, &m); /* nobody there: then it is not known */
}

void watch_receive(struct watch *w, int64_t now_ns)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive(w->status, &m, &e) > 0; i++)
		take_message(w, &m, now_ns);
	for (int i = 0; i < RECEIVE_MAX && w->door && endpoint_receive(w->door, &m, &e) > 0; i++)
		if (m.n_parts > 0 && take_joints(w, &m, now_ns) < 0)
			w->joints_ns = 0;
	ask_joints(w, now_ns);
}

static bool recent(int64_t ns, int64_t now_ns, int64_t most_ns)
{
	return ns > 0 && now_ns - ns <= most_ns;
}

const struct message_status *watch_status(const struct watch *w, int64_t now_ns)
{
	return recent(w->heard_ns, now_ns, SILENT_NS) ? &w->said : NULL;
}

const char *watch_refusal(const struct watch *w, int64_t now_ns)
{
	return recent(w->refused_ns, now_ns, REFUSAL_SHOWN_NS) ? w->refused : "";
}

double watch_apart_rad(const struct watch *w, const struct device_wish *wish, int64_t now_ns, uint32_t *joint)
{
	double most = -1.0;

	if (wish->kind != TELEOP_JOINT || wish->n_values != w->n_joints || !recent(w->joints_ns, now_ns, SILENT_NS))
		return -1.0;
	for (uint32_t i = 0; i < w->n_joints; i++) {
		double apart = fabs(wish->value[i] - w->q_rad[i]);

		if (apart > most) {
			most = apart;
			*joint = i + 1;
		}
	}
	return most;
}
