/* policy_thread.h - the policy in a thread of its own: newest observation in, action chunk out. If it is late or dead, control
 * decelerates and holds; nothing here can stall it. Knows no socket. */
#ifndef DREAMVLA_DAEMON_POLICY_THREAD_H
#define DREAMVLA_DAEMON_POLICY_THREAD_H

#include <stdbool.h>

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"

struct policy_thread;

/* Starts the thread, which keeps off processor `cpu` together with every worker it starts, loads the checkpoint, checks it
 * against the set-up and warms up with one inference of blank pictures. Returns when that is done or has failed; the error is
 * the policy's own (file, tensor, key). Loading is announced to the service manager. -EINTR: `interrupted` (asked again and
 * again meanwhile) returned true; the thread then goes on loading and only the end of the process ends it.
 * Thread: main. Allocates: yes. Blocks: for loading. */
MUST_CHECK int policy_thread_start(struct policy_thread **out, const struct config *c, const struct control_setup *setup,
		struct links *links, struct stats *stats, int cpu, bool (*interrupted)(void), struct errbuf *e);

/* Ends the thread after the inference that is running, and frees everything. Accepts NULL. Thread: main. Blocks: for that. */
void policy_thread_stop(struct policy_thread *t);

#endif
