/* replay_out.h - the targets of a replay as lines of JSON, one each, for who wants to compare them:
 *
 *   {"tick":12,"now_ns":..,"arm":"left","shadow":false,"valid":true,"t_ns":..,"source":"policy","chunk":3,"step":1,
 *    "q":[..],"dq":[..],"gripper_m":0.04,"same":true,"q_recorded":[..]}
 *
 * Joints in rad and rad/s, with 17 digits (exact); a number that is none is null; gripper_m null: none is commanded. same: equal to the
 * recorded target in every bit of every member; q_recorded only where it is not. Thread: the replay's. */
#ifndef DREAMVLA_DAEMON_REPLAY_OUT_H
#define DREAMVLA_DAEMON_REPLAY_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/flow.h"
#include "daemon/record/kinds.h"
#include "daemon/sys/error.h"

struct replay_out {
	FILE *file;                   /* NULL: nobody wants them */
	const char *path;
	bool written;
};

/* path: NULL, or a file that is not there yet: none is written over, the recording least of all. -errno. */
MUST_CHECK int replay_out_open(struct replay_out *o, const char *path, struct errbuf *e);

/* was: t->n_targets of them. */
void replay_out_targets(struct replay_out *o, const struct control_setup *setup, const struct record_tick *t,
		const struct target_batch *now, const struct driver_target *was);

/* -EIO: not all of it was written. A file without any line is taken away again: the next try may want its name. Copes with one that was not
 * opened. */
MUST_CHECK int replay_out_close(struct replay_out *o, struct errbuf *e);

#endif
