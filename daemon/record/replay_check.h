/* replay_check.h - records of a file become structs that control and policy may be given: nothing of a file is believed. Every flag is 0
 * or 1, every enum one of its values, every index within its bounds, every number finite, every time within +-2^61 ns, every size the
 * record's own; -EBADMSG names what is not. Pure: no clock, no thread, no heap. */
#ifndef DREAMVLA_DAEMON_RECORD_REPLAY_CHECK_H
#define DREAMVLA_DAEMON_RECORD_REPLAY_CHECK_H

#include <stddef.h>

#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/record/kinds.h"
#include "daemon/sys/error.h"

/* A tick taken apart. */
struct replay_tick {
	struct record_tick head;
	struct inputs inputs;
	struct policy_status policy;
	struct action_chunk chunk;
	struct command command[COMMAND_RING];
	struct driver_target target[2 * ARMS_MAX]; /* as recorded, only to compare with */
};

MUST_CHECK int replay_take_tick(struct replay_tick *t, const struct control_setup *setup, const void *data, size_t n, struct errbuf *e);

/* NULL, or what is wrong with it. */
const char *replay_wrong_inputs(const struct inputs *in, const struct control_setup *setup);
const char *replay_wrong_policy(const struct policy_status *p);
const char *replay_wrong_chunk(const struct action_chunk *c);

/* What lies behind an observation's head, 8-byte aligned if the record is. */
struct replay_parts {
	const uint8_t *ids;
	const double *action;         /* [n_said], finite */
	const int32_t *token;         /* [n_said] */
};

/* Takes the head; frames' bytes and *parts point into data, which is 8-byte aligned and outlives both. */
MUST_CHECK int replay_take_observation(struct record_observation *o, const struct control_setup *setup, const void *data, size_t n,
		struct replay_parts *parts, struct errbuf *e);

#endif
