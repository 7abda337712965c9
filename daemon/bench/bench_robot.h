/* bench_robot.h - which simulated robot a session drives, and what that robot has to say of the run. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_ROBOT_H
#define DREAMVLA_DAEMON_BENCH_BENCH_ROBOT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* SIM: the simulated world itself. FRANKA_FCI: the same world's arm behind Franka's control interface, driven as a Franka is. */
enum bench_robot { BENCH_ROBOT_SIM, BENCH_ROBOT_FRANKA_FCI, BENCH_ROBOTS };

/* By the name on the command line. -EINVAL: the text lists the names. Allocates: no. Blocks: no. */
MUST_CHECK int bench_robot_find(const char *name, enum bench_robot *out, struct errbuf *e);

/* Of dreamvla-arm: --driver. */
const char *bench_robot_driver(enum bench_robot robot);

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

/* An address of the loopback network whose two ports, which the protocol fixes, nobody has: "127.x.y.z".
 * -EADDRINUSE: none of many. Thread: any. Allocates: no. Blocks: no. */
enum { FCI_ADDRESS_BYTES = 16 };
MUST_CHECK int fci_free_address(char out[FCI_ADDRESS_BYTES], struct errbuf *e);

#endif
