/* hand_server.h - the simulated Franka's gripper service: bytes to commands, answers and states to bytes. Thread: its owner. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_HAND_SERVER_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_HAND_SERVER_H

#include "robots/sim/franka/client.h"
#include "robots/sim/franka/hand.h"

struct hand_server {
	struct client client;
	struct franka_hand hand;
	bool connected;
	uint32_t silent_ms, state_ms;
	struct fci_gripper_header running; /* the request whose answer is due when the hand has done it */
	bool mute;                         /* on purpose: requests are taken, and not answered */
	uint64_t malformed;
	uint64_t commands;                 /* taken: homing, grasp, move, stop */
};

/* Listens. Errors as client_open. Allocates: no. */
MUST_CHECK int hand_server_open(struct hand_server *s, const char *address, double max_width_m, struct errbuf *e);
void hand_server_close(struct hand_server *s); /* accepts a zeroed one */

/* One millisecond with the measured width; s->hand.command_m is what the fingers shall do. Blocks: no. Allocates: no. */
void hand_server_step(struct hand_server *s, double measured_m);

/* Ends the connection with a reset; what the hand was doing ends with it. */
void hand_server_drop(struct hand_server *s);

#endif
