/* aux_thread.h - the thread that writes down what the others have put on their tapes. Nothing waits for it: when it is late, tapes run
 * full and records are dropped and counted. Ordinary priority, kept off the control thread's processor. */
#ifndef DREAMVLA_DAEMON_AUX_THREAD_H
#define DREAMVLA_DAEMON_AUX_THREAD_H

#include "config/config.h"
#include "daemon/links.h"
#include "daemon/sys/error.h"

struct aux_thread;

/* Starts it, and a recording if record.at_start; that this cannot begin is logged and shown in status, no error: the arms are not to
 * wait for a disk. `cpu` is the control thread's. *out is also set when the start failed, for aux_thread_stop.
 * Thread: main. Allocates: yes. */
MUST_CHECK int aux_thread_start(struct aux_thread **out, const struct config *config, struct links *links, int cpu, struct errbuf *e);

/* Takes what is still on the tapes and ends; the writers may have ended before or go on. Accepts NULL. Thread: main. Blocks: yes. */
void aux_thread_stop(struct aux_thread *t);

#endif
