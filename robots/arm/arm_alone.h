/* arm_alone.h - the arm's own door, held by a program that must not run beside dreamvla-arm: whoever has it is the only one. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_ALONE_H
#define DREAMVLA_ROBOTS_ARM_ARM_ALONE_H

#include "config/config.h"
#include "daemon/sys/error.h"

struct arm_alone {
	void *zmq_context;
	struct endpoint *door;
};

/* Binds robots[].control, at which nobody is answered until the end. -EADDRINUSE: a dreamvla-arm runs for this arm; or endpoint_open's
 * errors. Call the end whatever it returns. Thread: main. Allocates: yes. Blocks: no. */
MUST_CHECK int arm_alone_begin(struct arm_alone *a, const struct config *c, const struct config_robot *robot, struct errbuf *e);
void arm_alone_end(struct arm_alone *a);

#endif
