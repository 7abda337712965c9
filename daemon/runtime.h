/* runtime.h - dreamvlad as one object: what every thread shares, and the only place that wires writers to readers. */
#ifndef DREAMVLA_DAEMON_RUNTIME_H
#define DREAMVLA_DAEMON_RUNTIME_H

#include <stdbool.h>

#include "config/config.h"
#include "daemon/aux_thread.h"
#include "daemon/control_thread.h"
#include "daemon/flow.h"
#include "daemon/io.h"
#include "daemon/links.h"
#include "daemon/policy_thread.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"

struct runtime {
	struct config config;
	struct control_setup setup;
	bool (*interrupted)(void);    /* asked while the checkpoint loads; set before runtime_start_policy */
	int cpu;                      /* of the control and io threads; the policy keeps off it */
	bool realtime;                /* SCHED_FIFO is to be had */
	struct links *links;
	struct runtime_tapes { void *memory; size_t bytes; } tapes;
	struct stats *stats;
	void *zmq;
	struct io *io;
	struct policy_thread *policy;
	struct control_thread *control;
	struct aux_thread *aux;
};

/* Makes the set-up from r->config, then links, statistics and eventfds; starts nothing. Thread: main. Allocates: yes. */
MUST_CHECK int runtime_init(struct runtime *r, struct errbuf *e);
void runtime_finish(struct runtime *r); /* everything that was started has been stopped; copes with a half-made one */

/* The parts of dreamvlad, each started and stopped by main's list. Thread: main. */
MUST_CHECK int runtime_start_aux(struct runtime *r, struct errbuf *e);
MUST_CHECK bool runtime_end_aux(struct runtime *r, int64_t patience_ns); /* before stop; false: it goes on, nothing may be freed */
void runtime_stop_aux(struct runtime *r);
MUST_CHECK int runtime_start_sockets(struct runtime *r, struct errbuf *e);
void runtime_stop_sockets(struct runtime *r);
MUST_CHECK int runtime_start_policy(struct runtime *r, struct errbuf *e); /* -EINTR: r->interrupted() while it loaded */
MUST_CHECK bool runtime_end_policy(struct runtime *r, int64_t patience_ns); /* before stop; false: it goes on, nothing may be freed */
bool runtime_policy_gone(const struct runtime *r); /* what it computes on is lost to this process, which has to stop */
void runtime_stop_policy(struct runtime *r);
MUST_CHECK int runtime_start_io(struct runtime *r, struct errbuf *e);
void runtime_stop_io(struct runtime *r);
MUST_CHECK int runtime_start_control(struct runtime *r, struct errbuf *e);
void runtime_stop_control(struct runtime *r);

#endif
