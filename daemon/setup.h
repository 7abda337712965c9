/* setup.h - from the configuration to what the stages and the policy are set up with: names become indices, defaults of the
 * robot model are filled in, and what does not fit together is refused with the key's name. Knows no thread and no socket. */
#ifndef DREAMVLA_DAEMON_SETUP_H
#define DREAMVLA_DAEMON_SETUP_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/stage/observation.h"
#include "daemon/sys/error.h"
#include "policy/policy.h"

/* Options of the policy together with the texts they point to. */
struct policy_setup {
	struct policy_options options;
	char decoder[CONFIG_NAME_BYTES], backend[CONFIG_NAME_BYTES];
};

/* Layout of the state vector: the same items for every arm, arms one after the other. */
struct proprio_setup {
	enum proprio_item item[CONFIG_NAMES_MAX];
	uint32_t n_items;
	uint32_t count[ARMS_MAX], total; /* values per arm, and of all */
	double near[STATE_DIM_MAX];      /* [total] where the training data is: its mean, or, without one, the middle of its range */
};

/* Configuration of the camera that is number `camera` of policy.cameras, or NULL.
 * Thread: any. Allocates: no. Blocks: no. */
const struct config_camera *setup_camera(const struct config *c, uint32_t camera);

/* -EINVAL names the key: unknown robot model (with the known ones), wrong length of home or tcp, action_dims that the action
 * space does not have, two arms that share an action. Thread: start-up. Allocates: no. Blocks: no. */
MUST_CHECK int setup_control(struct control_setup *s, const struct config *c, struct errbuf *e);

/* *s points into c. Thread: start-up. Allocates: no. Blocks: no. */
void setup_policy(struct policy_setup *s, const struct config *c);

/* Does the checkpoint have as many actions per step as the arms take? -EINVAL names key, found and wanted.
 * Thread: start-up. Allocates: no. Blocks: no. */
MUST_CHECK int setup_check_policy(const struct control_setup *s, const struct config *c, const struct policy_info *info,
		struct errbuf *e);

/* policy.proprio as items. -EINVAL names the key: an unknown item (with the known ones), a length that differs from
 * robots[].proprio_dims or from what the checkpoint's projector takes (state_dim 0: any), a state without a projector.
 * Thread: start-up. Allocates: no. Blocks: no. */
MUST_CHECK int setup_proprio(struct proprio_setup *s, const struct control_setup *control, const struct config *c,
		const struct policy_info *info, struct errbuf *e);

#endif
