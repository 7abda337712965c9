/* bench_robot.h - which simulated robot a session drives, and what that robot has to say of the run. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_ROBOT_H
#define DREAMVLA_DAEMON_BENCH_BENCH_ROBOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* SIM: the simulated world itself. FRANKA_FCI: the same world's arm behind Franka's control interface, driven as a Franka is. PIPER: a world
 * with a PiPER on a CAN bus over TCP, driven as a PiPER is; PIPER_PAIR: two of them from one policy, each in a world of its own. */
enum bench_robot { BENCH_ROBOT_SIM, BENCH_ROBOT_FRANKA_FCI, BENCH_ROBOT_PIPER, BENCH_ROBOT_PIPER_PAIR, BENCH_ROBOTS };

/* By the name on the command line. -EINVAL: the text lists the names. Allocates: no. Blocks: no. */
MUST_CHECK int bench_robot_find(const char *name, enum bench_robot *out, struct errbuf *e);

/* Of dreamvla-arm: --driver. */
const char *bench_robot_driver(enum bench_robot robot);

/* The demo's configuration for it, of the source tree. */
const char *bench_robot_config(enum bench_robot robot);

/* PIPER or PIPER_PAIR. Such an arm comes up without power: an operator enables it, and brings it home. */
bool bench_robot_is_piper(enum bench_robot robot);

/* How many arms it is; 0: as many as the configuration has. */
uint32_t bench_robot_arms(enum bench_robot robot);

/* What the simulated Franka counts since its client connected; its periods are 1 ms. */
struct fci_numbers {
	uint64_t motions, reflexes;    /* begun; ended by the robot */
	uint64_t violations;           /* of those, communication_constraints_violation */
	uint64_t commands, missed, late; /* periods with a command in time, without one; commands for another period */
	uint64_t longest_row;          /* of periods without one; 20 end a motion */
	uint64_t stood_still_ms;       /* in which this machine did not run the robot */
};

/* Reads what its faults' socket answers to `status`. -EBADMSG names the key. Allocates: no. Blocks: no. */
MUST_CHECK int fci_status_decode(struct fci_numbers *f, const uint8_t *bytes, size_t n, struct errbuf *e);

/* What a simulated PiPER counts since its start. */
struct piper_numbers {
	uint64_t pairs;                /* of joint angles obeyed; three make a target */
	uint64_t ignored;              /* frames about motion that did not count */
	uint64_t unknown, never, maintenance; /* frames that no PiPER has, that nobody may send, that only maintenance may */
	uint64_t stood_still_ms;       /* in which this machine did not run the robot */
};

/* As fci_status_decode. */
MUST_CHECK int piper_status_decode(struct piper_numbers *p, const uint8_t *bytes, size_t n, struct errbuf *e);

/* Takes off what `first` had already, but for the frames that must not be sent at all: while connecting, enabling and going home no more than
 * later. */
void piper_numbers_since(const struct piper_numbers *first, struct piper_numbers *p);

/* `n` TCP ports of 127.0.0.1 that nobody has, for a bus each. -errno: the system has none. Thread: any. Allocates: no. Blocks: no. */
enum { FREE_PORTS_MAX = 8 };
MUST_CHECK int bench_free_ports(uint16_t *port, uint32_t n, struct errbuf *e);

/* An address of the loopback network whose two ports, which the protocol fixes, nobody has: "127.x.y.z".
 * -EADDRINUSE: none of many. Thread: any. Allocates: no. Blocks: no. */
enum { FCI_ADDRESS_BYTES = 16 };
MUST_CHECK int fci_free_address(char out[FCI_ADDRESS_BYTES], struct errbuf *e);

#endif
