/* link.h - the two threads that drive a Franka, and what crosses between them: the session (thread franka-link; TCP: requests, answers,
 * the connection's life) and the motion (UDP: states in, commands out, 1 kHz, the arm's control thread). Wait-free both ways; nothing
 * else is shared.
 *
 * The life of a connection, each with a number of its own, the generation:
 *   CONNECTED   version and peer are known; states come from now on and may be believed. Nothing can be moved yet.
 *   CONFIGURE   the motion's answer, with the first good state: the settings need what it says of the robot's flange.
 *   OPENED      the robot took every setting: motions may be asked for.
 *   CLOSED      the connection is gone, whatever moved. The session connects again by itself, and begins no motion.
 * Settings that the robot refuses are tried again every second until it takes them; until then there is no OPENED. */
#ifndef DREAMVLA_ROBOTS_FRANKA_LINK_H
#define DREAMVLA_ROBOTS_FRANKA_LINK_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/handover.h"
#include "robots/franka/setup.h"
#include "robots/franka/trouble.h"
#include "robots/franka/wire.h"

enum { FRANKA_ASKS = 16, FRANKA_EVENTS = 64 };

/* Motion -> session. CONFIGURE once per generation, after CONNECTED. MOVE, as setup->generator says, and STOP_MOVE only after OPENED;
 * one Move at a time: the next after the MOVE_ENDED of the last. RECOVER after CONNECTED: a robot in a reflex may refuse settings.
 * RECONNECT when states have stopped or an answer is overdue: the session ends the connection (CLOSED follows) and begins anew.
 * What comes out of order is void and logged. */
enum franka_ask_kind { FRANKA_ASK_CONFIGURE, FRANKA_ASK_MOVE, FRANKA_ASK_STOP_MOVE, FRANKA_ASK_RECOVER, FRANKA_ASK_RECONNECT };

struct franka_ask {
	enum franka_ask_kind kind;
	uint64_t generation;       /* of the connection that it is meant for: void for another */
	double f_t_ne[16];         /* CONFIGURE: as the state says it */
};

/* Session -> motion. MOVE_STARTED and MOVE_ENDED: the first and the second response of a Move; a Move that is rejected has only ENDED,
 * and the second response may take as long as the motion does. RECOVERED: the response of a recovery, which takes up to 30 s.
 * Every CONNECTED has its CLOSED; after it there is no other event of its generation. */
enum franka_event_kind { FRANKA_EVENT_CONNECTED, FRANKA_EVENT_OPENED, FRANKA_EVENT_MOVE_STARTED, FRANKA_EVENT_MOVE_ENDED,
	FRANKA_EVENT_RECOVERED, FRANKA_EVENT_CLOSED };

struct franka_event {
	enum franka_event_kind kind;
	uint64_t generation;       /* 1, 2, ... */
	uint32_t version;
	struct in_addr peer;       /* the robot; datagrams of others are void */
	enum fci_status status;    /* ENDED, RECOVERED */
};

struct franka_link {
	struct queue ask_queue;    /* motion writes, session reads */
	struct franka_ask ask[FRANKA_ASKS];
	int ask_fd;                /* eventfd: an ask is there */
	struct queue event_queue;  /* session writes, motion reads */
	struct franka_event event[FRANKA_EVENTS];
	_Atomic uint32_t trouble;  /* session writes: enum franka_trouble, of the connection; none from OPENED to CLOSED */
	int udp_fd;                /* the motion's: states and commands; bound to any address, one for the life of the link, non-blocking */
	uint16_t udp_port;         /* of udp_fd, as the session tells the robot */
};

/* Queues empty, trouble connecting, no descriptors (-1): for franka_link_create, and for tests without a thread. */
static inline void franka_link_init(struct franka_link *l)
{
	*l = (struct franka_link){ .ask_fd = -1, .udp_fd = -1 };
	queue_init(&l->ask_queue, FRANKA_ASKS);
	queue_init(&l->event_queue, FRANKA_EVENTS);
	atomic_init(&l->trouble, (uint32_t)FRANKA_TROUBLE_CONNECTING);
}

/* Motion: asks. false: the queue is full and the ask is lost. Thread: the arm's control thread. Allocates: no. Blocks: no. */
static inline bool franka_link_ask(struct franka_link *l, const struct franka_ask *a)
{
	int at = queue_claim(&l->ask_queue);

	if (at < 0)
		return false;
	l->ask[at] = *a;
	queue_publish(&l->ask_queue);
	if (l->ask_fd >= 0)
		eventfd_signal(l->ask_fd);
	return true;
}

/* Motion: the oldest event that was not taken yet. false: none. Thread: the arm's control thread. Allocates: no. Blocks: no. */
static inline bool franka_link_take(struct franka_link *l, struct franka_event *out)
{
	int at = queue_front(&l->event_queue);

	if (at < 0)
		return false;
	*out = l->event[at];
	queue_release(&l->event_queue);
	return true;
}

/* Opens udp_fd and starts the thread, which connects, and again whenever the connection is gone. setup is copied. -EINVAL: a model that
 * is no Franka. Other errors: no socket, no thread. Thread: start-up. Allocates: yes. Blocks: no. */
MUST_CHECK int franka_link_create(struct franka_link **out, const struct franka_setup *setup, struct errbuf *e);

/* Ends thread and connection; a robot whose connection ends stops what moves. Waits for the resolver where a name is just being looked
 * up. Accepts NULL. Thread: start-up. */
void franka_link_destroy(struct franka_link *l);

#endif
