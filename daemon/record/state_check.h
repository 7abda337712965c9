/* state_check.h - what control remembered, from a file: nothing of it is believed. Every member by its row (state_rows.h), then those that
 * must fit together; -EBADMSG names the member. */
#ifndef DREAMVLA_DAEMON_RECORD_STATE_CHECK_H
#define DREAMVLA_DAEMON_RECORD_STATE_CHECK_H

#include "daemon/control_tick.h"
#include "daemon/record/kinds.h"
#include "daemon/sys/error.h"

/* c: as control_init has made it, of the set-up that is replayed; it goes on from the state when that is good, and is unchanged otherwise.
 * *chunk is where its newest chunk lies from then on, and outlives it. Thread: any. Allocates: for the time of the call. -ENOMEM. */
MUST_CHECK int replay_take_state(struct control *c, struct record_state *head, struct action_chunk *chunk, const void *data, size_t n,
		struct errbuf *e);

#endif
