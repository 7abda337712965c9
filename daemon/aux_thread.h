/* aux_thread.h - the thread that writes down what the others have put on their tapes. Nothing waits for it: when it is late, tapes run
 * full and records are dropped and counted. Ordinary priority, kept off the control thread's processor. */
#ifndef DREAMVLA_DAEMON_AUX_THREAD_H
#define DREAMVLA_DAEMON_AUX_THREAD_H

#include "config/config.h"
#include "daemon/links.h"
#include "daemon/sys/error.h"

struct aux_thread;

/* Starts it, and a recording if record.at_start; that this cannot begin is logged and shown in status, no error: the arms are not to
 * wait for a disk. `cpu` is the control thread's. *out is also set when the start failed, for aux_thread_destroy.
 * Thread: main. Allocates: yes. */
MUST_CHECK int aux_thread_start(struct aux_thread **out, const struct config *config, struct links *links, int cpu, struct errbuf *e);

/* It takes what is still on the tapes, closes the recording and ends; the writers may have ended before or go on. False if it has not
 * within patience_ns, because a disk hangs: then only the end of the process ends it. Accepts NULL. Thread: main. Blocks: patience_ns
 * at most. */
MUST_CHECK bool aux_thread_end(struct aux_thread *t, int64_t patience_ns);

/* Frees a thread that has ended. Accepts NULL. Thread: main. */
void aux_thread_destroy(struct aux_thread *t);

#endif
