/* bench_course.h - three sentences carried out one after another on the simulated bench, in real time: the second one is changed while the
 * arm moves, and a person takes over during the third, puts down what the hand holds and hands back. What was done is judged by the
 * simulated world alone (bench_world.h). Every turn is marked in the recording, so that it can be shown again (bench_film.h). */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_COURSE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_COURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_pad.h"
#include "daemon/bench/bench_run.h"
#include "daemon/bench/bench_session.h"
#include "daemon/bench/bench_view.h"
#include "daemon/bench/bench_world.h"
#include "daemon/sys/error.h"

struct course {
	struct session *session;
	struct run run;
	bool runs;                        /* from AUTO on */
	struct pad pad;
	bool pad_is_open;
	struct view view;
	int64_t look_ns, policy_since_ns; /* next look at world and arm; since when it is the policy's turn, 0: it is not */
	double policy_s, takeover_ms;
	struct world_says world;
	struct message_state arm;
	struct demo_sentence sentence[DEMO_SENTENCES];
};

/* In a session with a world for tasks whose dreamvlad is ready; shown on `out` (bench_view.h). What it came to stands in *c also after an error.
 * Errors as session_step, and -ETIMEDOUT: something was not granted within a minute. Thread: main. Blocks: 40 s, 2 minutes when nothing works. */
MUST_CHECK int course_run(struct course *c, struct session *s, FILE *out, struct errbuf *e);

/* What it came to; only once it runs. */
void course_numbers(const struct course *c, struct demo_numbers *n);

#endif
