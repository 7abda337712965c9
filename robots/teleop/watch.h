/* watch.h - what dreamvlad and the arm say meanwhile, for the live line: the status and event topics, and where the arm is, from its
 * own door. Nothing that is sent depends on it; nobody need be there. */
#ifndef DREAMVLA_ROBOTS_TELEOP_WATCH_H
#define DREAMVLA_ROBOTS_TELEOP_WATCH_H

#include <zmq.h>

#include "robots/teleop/device.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"

enum { WATCH_ITEMS = 2 };

struct watch_options {
	void *zmq_context;
	const char *status;           /* address of dreamvlad's status socket */
	const char *door;             /* of the arm's control socket, or NULL */
	const char *curve_secret, *curve_server;
	const char *source;           /* teleop/<device>: whose refusals count */
};

struct watch {
	struct endpoint *status, *door;
	const char *source;
	int64_t heard_ns, asked_ns, joints_ns, refused_ns; /* 0: never */
	struct message_status said;
	struct message_event event;
	char refused[MESSAGE_TEXT_BYTES]; /* why the newest take-over was refused */
	uint32_t n_joints;
	double q_rad[DOF_MAX];        /* of the arm */
};

/* Errors as endpoint_open. */
MUST_CHECK int watch_open(struct watch *w, const struct watch_options *o, struct errbuf *e);
void watch_close(struct watch *w); /* accepts a zeroed one */

void watch_items(const struct watch *w, zmq_pollitem_t item[WATCH_ITEMS]);

/* Takes in what has come, and asks the arm twice a second. Blocks: no. */
void watch_receive(struct watch *w, int64_t now_ns);

/* NULL: dreamvlad was silent for a second. */
const struct message_status *watch_status(const struct watch *w, int64_t now_ns);

/* "" or why a take-over was refused within the last seconds. */
const char *watch_refusal(const struct watch *w, int64_t now_ns);

/* How far the wish's joints are from the arm's, and which joint (from 1); -1: not known, or no wish for joints. */
double watch_apart_rad(const struct watch *w, const struct device_wish *wish, int64_t now_ns, uint32_t *joint);

#endif
