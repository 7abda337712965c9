/* link.h - the thread piper-link, which owns a PiPER's bus: opens it again and again until it is there, hands what comes to the session
 * (session.h), sends what that says, and carries the control thread's commands in and the arm's newest state out.
 *
 * Who writes, who reads:
 *   command     control -> link   newest, wakes the link
 *   asks        control -> link   the operator's, in order
 *   emergency   any -> link       obeyed after every ask that came before it
 *   state       link -> control   newest
 *   numbers     link -> io        newest */
#ifndef DREAMVLA_ROBOTS_PIPER_LINK_H
#define DREAMVLA_ROBOTS_PIPER_LINK_H

#include "daemon/sys/error.h"
#include "daemon/sys/rt.h"
#include "robots/driver.h"
#include "robots/piper/session.h"
#include "robots/piper/setup.h"

struct piper_link;

struct piper_link_options {
	const struct piper_setup *setup; /* copied */
	enum rt_wish wish;         /* of its thread */
	int priority;
};

/* Starts the thread. Errors: no memory, no descriptor, no thread. Thread: start-up. Allocates: yes. Blocks: no. */
MUST_CHECK int piper_link_create(struct piper_link **out, const struct piper_link_options *o, struct errbuf *e);

/* Ends the thread and closes the bus, and says nothing to the arm, which holds its last target. Waits for what opens the bus. Accepts
 * NULL. Thread: start-up. */
void piper_link_destroy(struct piper_link *l);

/* Newest state; one whose thread has said nothing for PIPER_SILENT_NS is not connected. Thread: control. Allocate: no. Block: no. */
void piper_link_read(struct piper_link *l, int64_t now_ns, struct robot_state *out);
void piper_link_write(struct piper_link *l, const struct robot_command *c);

/* An operator's request but an emergency stop. false: too many wait, it is void. Thread: control. Allocates: no. Blocks: no. */
bool piper_link_ask(struct piper_link *l, enum piper_ask ask);

/* Thread: any. Allocates: no. Blocks: no. */
void piper_link_emergency_stop(struct piper_link *l);

/* Fills at most ROBOT_NUMBERS_MAX, returns how many. Thread: io. Allocates: no. Blocks: no. */
uint32_t piper_link_numbers(struct piper_link *l, struct robot_number *out);

#endif
