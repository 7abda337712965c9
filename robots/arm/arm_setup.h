/* arm_setup.h - one arm of the configuration as the struct that its control and its safety check work with. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_SETUP_H
#define DREAMVLA_ROBOTS_ARM_ARM_SETUP_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"

/* The entry of `robots` with that name; with name NULL the only one. NULL and an error that lists the names otherwise.
 * Thread: any. Allocates: no. */
const struct config_robot *arm_setup_find(const struct config *c, const char *name, struct errbuf *e);

/* What the arm itself needs: model, tool, workspace, floor, limits, gripper; nothing of actions.
 * -EINVAL names the key: an unknown model (with the known ones), a list of the wrong length, no unit quaternion.
 * Thread: any. Allocates: no. */
MUST_CHECK int arm_setup_make(struct arm_setup *a, const struct config_robot *r, struct errbuf *e);

#endif
