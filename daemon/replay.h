/* replay.h - a recording through policy, control and safety again, tick by tick at the times it says, and every target compared with the
 * one of then. No socket is opened: nothing of this can reach an arm.
 *
 * Each recorded tick holds all that control_tick took then (record/kinds.h), so the same ticks follow; each recorded observation all that
 * an inference took, so the policy gives its chunks again, and control gets these, at the ticks in which it took them. What the policy
 * said about its health comes from the recording. A recording that began later than its daemon holds what control was then (topic
 * /replay/state, control_state.h); of the policy an observation says all that its inference needs of the ones before. */
#ifndef DREAMVLA_DAEMON_REPLAY_H
#define DREAMVLA_DAEMON_REPLAY_H

#include "daemon/replay_compare.h"
#include "daemon/runtime.h"

struct replay_options {
	const char *path;
	bool real;                    /* at the speed of then; else as fast as it goes */
	bool json;
	const char *out;              /* NULL, or a file for its targets, see replay_out.h */
};

/* PARTLY: what could be judged is identical, but not all could: see replay_complete. */
enum replay_verdict { REPLAY_IDENTICAL, REPLAY_DIFFERENT, REPLAY_UNUSABLE, REPLAY_PARTLY };

/* r: runtime_init has been called. Prints the result on standard output, progress and what is wrong on standard error.
 * Thread: main. Allocates: yes. Blocks: for the whole of it, until r->interrupted(). */
enum replay_verdict replay_run(struct runtime *r, const struct replay_options *o);

#endif
