/* arm_setup.h - one entry of `robots` as the struct that control, safety and the arm's own check work with. One place for both
 * sides, so that dreamvlad and dreamvla-arm cannot read different limits from the same configuration. */
#ifndef DREAMVLA_ROBOTS_SETUP_ARM_SETUP_H
#define DREAMVLA_ROBOTS_SETUP_ARM_SETUP_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"

/* The entry of `robots` with that name; with name NULL the only one. NULL and an error that lists the names otherwise.
 * Thread: any. Allocates: no. Blocks: no. */
const struct config_robot *arm_setup_find(const struct config *c, const char *name, struct errbuf *e);

/* Everything but what the policy's actions decide: model, home, tool, workspace, floor, limits, gripper, output, play-out.
 * `r` is an entry of c->robot. -EINVAL names the key: an unknown model (with the known ones), a list of the wrong length, home
 * outside the joints' limits, no unit quaternion, an empty workspace. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int arm_setup_make(struct arm_setup *a, const struct config *c, const struct config_robot *r, struct errbuf *e);

#endif
