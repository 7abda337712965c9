/* arm_choose.h - which arm, through which driver: what the command line and the configuration say together. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_CHOOSE_H
#define DREAMVLA_ROBOTS_ARM_ARM_CHOOSE_H

#include "robots/driver.h"

struct arm_choice {
	const struct config_robot *robot;
	const struct robot_driver *driver;
	struct arm_setup setup;
};

/* arm: a name of `robots`, or NULL for the only one; driver: a name of drivers.def. -EINVAL: names what is wrong and what there is.
 * *out points into *c. Thread: start-up. Allocates: no. Blocks: no. */
MUST_CHECK int arm_choose(struct arm_choice *out, const struct config *c, const char *arm, const char *driver, struct errbuf *e);

#endif
