/* judge.h - the simulated world as the judge of what a policy was told to do: asked over a socket, by flat maps as on every control socket.
 *
 *   status               what is held ("" or a colour) and how high (lift_m); what was named last (colour, "" before; pad, "" where
 *                        none was), the verdict ("none"
 *                        before, then task_verdict_name) and how long it took or has taken so far (took_s)
 *   task    colour, pad  from now on it is this block that is to be picked up, or, with a pad, to be put on this one (robots/sim/task/task.h)
 *
 * Nobody else has a say: neither the policy nor the arm are asked, only where things are in the world. */
#ifndef DREAMVLA_ROBOTS_SIM_JUDGE_H
#define DREAMVLA_ROBOTS_SIM_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "robots/sim/task/task.h"
#include "transport/endpoint.h"
#include "transport/message/request.h"

struct judge {
	struct endpoint *socket;
	bool named;
	struct task task;
	uint8_t reply[REQUEST_BYTES_MAX];
};

/* Binds the socket. Errors as endpoint_open. Thread: start-up. Allocates: inside libzmq. Blocks: no. */
MUST_CHECK int judge_open(struct judge *j, const char *address, void *zmq_context, struct errbuf *e);
void judge_close(struct judge *j); /* accepts a zeroed one */

/* After each step of the world. Thread: the world's. Allocates: no. Blocks: no. */
void judge_look(struct judge *j, const struct world *w);

/* Answers what has come. Thread: the world's. Allocates: inside libzmq. Blocks: no. */
void judge_answer(struct judge *j, const struct world *w);

#endif
