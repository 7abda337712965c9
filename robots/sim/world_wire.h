/* world_wire.h - what dreamvla-sim and `dreamvla-arm --driver sim` say to each other on the world's socket.
 *
 * DEALER at the arm, ROUTER at the world, one message of 64-bit little-endian words each way; numbers are IEEE doubles.
 *
 *   command, 13 words   magic "DVWCOM01", from, seq, dof, has_gripper, gripper_m, q_rad[7]
 *                       dof = 0: a greeting that commands nothing but asks for states
 *   state, 22 words     magic "DVWSTA01", from, seq, stamp_ns, command_seq, dof, gripper_m, gripper_max_m, q_rad[7], dq_rad_s[7]
 *
 * `from` is drawn at each program's start; seq counts up. The world obeys the newest command of one peer, holds its last
 * command when the peer falls silent, and answers every step with one state; a peer silent for 500 ms gets no more.
 * Pure: no sockets, no clock. */
#ifndef DREAMVLA_ROBOTS_SIM_WORLD_WIRE_H
#define DREAMVLA_ROBOTS_SIM_WORLD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "daemon/sys/error.h"

#define WORLD_ADDRESS_DEFAULT "tcp://127.0.0.1:7431"

enum { WORLD_COMMAND_BYTES = 13 * 8, WORLD_STATE_BYTES = 22 * 8 };

struct world_wire_command {
	uint64_t from, seq;
	uint32_t dof;              /* 0: greeting */
	double q_rad[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

struct world_wire_state {
	uint64_t from, seq, command_seq; /* command_seq: of the newest command obeyed, 0 before */
	int64_t stamp_ns;          /* CLOCK_MONOTONIC */
	uint32_t dof;
	double gripper_m, gripper_max_m;
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
};

/* Encoding cannot fail. Decoding: -EBADMSG for another length, magic, dof above DOF_MAX or a number that is not finite;
 * the output is touched on success only. Thread: any. Allocates: no. Blocks: no. */
void world_wire_put_command(const struct world_wire_command *c, uint8_t out[WORLD_COMMAND_BYTES]);
MUST_CHECK int world_wire_get_command(struct world_wire_command *c, const uint8_t *bytes, size_t n, struct errbuf *e);
void world_wire_put_state(const struct world_wire_state *s, uint8_t out[WORLD_STATE_BYTES]);
MUST_CHECK int world_wire_get_state(struct world_wire_state *s, const uint8_t *bytes, size_t n, struct errbuf *e);

#endif
