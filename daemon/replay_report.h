/* replay_report.h - what a replay found, for people and for scripts. */
#ifndef DREAMVLA_DAEMON_REPLAY_REPORT_H
#define DREAMVLA_DAEMON_REPLAY_REPORT_H

#include "daemon/replay_compare.h"

enum { REPLAY_ENDED_BYTES = 160, REPLAY_KEYS_MAX = 16, REPLAY_KEY_BYTES = 64, REPLAY_WEIGHTS_MAX = 4 };

struct replay_report {
	const struct control_setup *setup;
	struct replay_differences differences;
	uint64_t last_tick;           /* replayed; 0: none yet */
	int64_t first_ns, last_ns;    /* nominal times of the first and of the last one */
	bool failed, cut;             /* cut: the file ends without its end */
	bool other_build;             /* another program recorded it */
	uint32_t n_keys;              /* of the configuration that differ from the recorded one; the first of them: */
	char key[REPLAY_KEYS_MAX][REPLAY_KEY_BYTES];
	bool weights_known;           /* the recording has the checkpoint's fingerprint (record/checkpoint.h) */
	uint32_t n_weights;           /* files of the checkpoint that are not those of then; the first of them: */
	char weights[REPLAY_WEIGHTS_MAX][REPLAY_KEY_BYTES];
	uint64_t inferences_missing;  /* whose observations are not in the recording, of those since the first that is */
	uint64_t chunks_before;       /* begun before the recording: its actions are inputs of it */
	bool from_state;              /* the recording began later than its daemon */
	char ended[REPLAY_ENDED_BYTES]; /* why it ended before the recording did; empty: it did not */
};

/* All that the recorded session did was judged: the file has its end, no ticks are missing, and every chunk was inferred again.
 * Thread: any. */
bool replay_complete(const struct replay_report *r);

/* One line on standard error: how far of about whole_s seconds. Thread: any. */
void replay_report_progress(const struct replay_report *r, double whole_s);

/* The result, on standard output. Thread: main. */
void replay_report_print(const struct replay_report *r, bool json);

#endif
