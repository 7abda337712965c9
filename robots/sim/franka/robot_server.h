/* robot_server.h - the simulated Franka's robot service: bytes to requests and commands, answers and states to bytes, 1 kHz.
 *
 * What may go wrong on purpose is here too: states and commands that get lost, late or twice, a stream that stands still, a version
 * that does not fit. Thread: its owner. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_ROBOT_SERVER_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_ROBOT_SERVER_H

#include "robots/sim/franka/client.h"
#include "robots/sim/franka/model_files.h"
#include "robots/sim/franka/robot.h"

enum { STATES_DELAYED_MAX = 128 /* ms */, COMMANDS_UNDERWAY_MAX = 256 };

struct stream_faults {
	uint32_t drop, duplicate; /* so many of the next ones */
	uint32_t delay_ms;        /* of every one, until it is 0 again; less than STATES_DELAYED_MAX */
};

struct robot_faults {
	struct stream_faults states, commands;
	uint32_t freeze_ms;       /* no state goes out for so long */
};

struct command_underway {
	uint64_t due_ms;
	struct fci_motion command;
};

struct robot_server {
	struct client client;
	struct franka_robot robot;
	uint32_t version;          /* the one that it speaks; 0: its client's */
	bool connected;            /* the client's version was accepted */
	uint32_t silent_ms;        /* since a client came that has not said Connect */
	bool moving;               /* a motion whose second response is due */
	uint32_t move_id;          /* its request */
	struct robot_faults faults;
	uint64_t malformed;        /* connections ended for what they sent, and datagrams of a wrong size */
	uint64_t now_ms;           /* simulated so far */
	uint64_t lost_ms;          /* not simulated, and not yet in the states' numbers */
	uint32_t n_underway;
	struct command_underway underway[COMMANDS_UNDERWAY_MAX];
	/* delayed states */
	uint32_t n_delayed, delayed_next;
	uint8_t delayed[STATES_DELAYED_MAX][FCI_STATE_BYTES_MAX];
	char urdf[FRANKA_URDF_BYTES_MAX];
	uint8_t answer[CLIENT_OUT_BYTES / 2];
};

/* Listens. Errors as client_open. Allocates: no. */
MUST_CHECK int robot_server_open(struct robot_server *s, const char *address, uint32_t version, const double *q_rad, struct errbuf *e);
void robot_server_close(struct robot_server *s); /* accepts a zeroed one */

/* Cuts the client's connection. */
void robot_server_drop(struct robot_server *s);

/* One millisecond, after `missed` ones in which nobody called and which the robot makes up for, and `lost_ms` more in which it stood
 * still: takes in what has come, moves the arm, answers, sends the state. Blocks: no. Allocates: no. */
void robot_server_step(struct robot_server *s, uint32_t missed, uint32_t lost_ms);

#endif
