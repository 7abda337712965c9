/* policy_thread.h - the policy in a thread of its own: newest observation in, action chunk out. If it is late or dead, control
 * decelerates and holds; nothing here can stall it. Knows no socket. */
#ifndef DREAMVLA_DAEMON_POLICY_THREAD_H
#define DREAMVLA_DAEMON_POLICY_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"

struct policy_thread;

/* Starts the thread, which keeps off processor `cpu` together with every worker it starts, loads the checkpoint, checks it
 * against the set-up and warms up with one inference of blank pictures. Returns when that is done or has failed; the error is
 * the policy's own (file, tensor, key). Loading is announced to the service manager. -EINTR: `interrupted` (asked again and
 * again meanwhile) returned true. *out is the thread, whatever is returned; NULL when there was no memory for it.
 * Thread: main. Allocates: yes. Blocks: for loading. */
MUST_CHECK int policy_thread_start(struct policy_thread **out, const struct config *c, const struct control_setup *setup,
		struct links *links, struct stats *stats, int cpu, bool (*interrupted)(void), struct errbuf *e);

/* Asks the thread to end after what it is at, loading or an inference, neither of which can be cut short. False: it has not
 * within patience_ns; then only the end of the process ends it. Accepts NULL. Thread: main. Blocks: patience_ns at most. */
MUST_CHECK bool policy_thread_end(struct policy_thread *t, int64_t patience_ns);

/* Whether what the policy computes on is lost to this process (POLICY_GONE): only a new one can go on. Accepts NULL. Thread: main. */
bool policy_thread_gone(const struct policy_thread *t);

/* Frees a thread that has ended. Accepts NULL. Thread: main. */
void policy_thread_destroy(struct policy_thread *t);

#endif
