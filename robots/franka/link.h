/* link.h - what crosses between the two threads that drive a Franka: the session (TCP: requests, answers, the connection's life) and
 * the motion (UDP: states in, commands out, 1 kHz, the arm's control thread). Wait-free both ways; nothing else is shared.
 *
 * The session connects, configures and reports; it begins no motion by itself. The motion asks for one and hears what became of it. */
#ifndef DREAMVLA_ROBOTS_FRANKA_LINK_H
#define DREAMVLA_ROBOTS_FRANKA_LINK_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/sys/handover.h"
#include "robots/franka/wire.h"

enum { FRANKA_ASKS = 16, FRANKA_EVENTS = 64 };

/* Motion -> session. */
enum franka_ask_kind { FRANKA_ASK_MOVE, FRANKA_ASK_STOP_MOVE, FRANKA_ASK_RECOVER };

struct franka_ask {
	enum franka_ask_kind kind;
	uint64_t generation;       /* of the connection that it is meant for: void for another */
};

/* Session -> motion. OPENED: version, generation and peer are known, the robot is configured, states may be believed from now on.
 * MOVE_STARTED and MOVE_ENDED: the first and the second response of a Move; a Move that is rejected has only ENDED. RECOVERED: the
 * response of a recovery. CLOSED: the connection is gone, whatever moved. */
enum franka_event_kind { FRANKA_EVENT_OPENED, FRANKA_EVENT_MOVE_STARTED, FRANKA_EVENT_MOVE_ENDED, FRANKA_EVENT_RECOVERED,
	FRANKA_EVENT_CLOSED };

struct franka_event {
	enum franka_event_kind kind;
	uint64_t generation;
	uint32_t version;
	struct in_addr peer;       /* OPENED: the robot; datagrams of others are void */
	enum fci_status status;    /* ENDED, RECOVERED */
};

struct franka_link {
	struct queue ask_queue;    /* motion writes, session reads */
	struct franka_ask ask[FRANKA_ASKS];
	int ask_fd;                /* eventfd: an ask is there */
	struct queue event_queue;  /* session writes, motion reads */
	struct franka_event event[FRANKA_EVENTS];
	_Atomic uint32_t trouble;  /* session writes: enum franka_trouble, of the connection */
};

#endif
