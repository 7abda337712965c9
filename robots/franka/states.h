/* states.h - which datagrams are states of the robot: of its address, from one port, of the exact size, of an id that grows, made of
 * numbers. What is not, moves nothing and is counted.
 *
 * Nothing in the protocol is signed; what comes from the robot's own address and port is believed. An id that leaps ahead of any
 * stall is void too: one such datagram would make every later state an old one.
 * Pure but for the counters, which another thread may read. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_STATES_H
#define DREAMVLA_ROBOTS_FRANKA_STATES_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "robots/franka/wire.h"

enum { FRANKA_LEAP_MAX_MS = 60000 };

enum { FRANKA_ROW_BINS = 5, FRANKA_SUCCESS_BINS = 5 };

/* Missed: ids between two states that were taken. Old: ids that do not grow, or leap. row: how often so many in a row were missed: 1, 2 to 3,
 * 4 to 7, 8 to 15, more. success: ms of motions in which the robot's rate was 1, at least 0.99, 0.95, 0.9, less. */
struct franka_state_counters {
	_Atomic uint64_t taken, missed, longest_row, foreign, wrong_size, old, unsound, row[FRANKA_ROW_BINS], success[FRANKA_SUCCESS_BINS];
};

/* Zeroed: of no robot; everything is foreign. */
struct franka_states {
	uint32_t version;
	struct in_addr peer;
	struct sockaddr_in from;   /* where the states of this connection come from, and its commands go; port 0: none came yet */
	uint64_t id;               /* of the newest */
	struct franka_state_counters counters;
};

enum franka_datagram { FRANKA_DATAGRAM_STATE, FRANKA_DATAGRAM_FOREIGN, FRANKA_DATAGRAM_WRONG_SIZE, FRANKA_DATAGRAM_OLD,
	FRANKA_DATAGRAM_UNSOUND };

/* A connection begins; counters go on. */
void franka_states_begin(struct franka_states *s, uint32_t version, struct in_addr peer);

/* STATE: out is one to act on. UNSOUND: a new state with what is no number, or none that an arm can have: out is set and its modes
 * may be looked at, its numbers not. For all others out is undefined. */
enum franka_datagram franka_states_take(struct franka_states *s, const struct sockaddr_in *from, const uint8_t *in, size_t n,
		struct fci_state *out);

#endif
