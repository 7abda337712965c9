/* preflight.h - is this machine fit to drive an arm that sets the time? What was measured and found in, what is wrong and what mends it
 * out. Pure. The measuring is preflight_run.h's. */
#ifndef DREAMVLA_ROBOTS_ARM_PREFLIGHT_H
#define DREAMVLA_ROBOTS_ARM_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

/* What the machine is like, whatever runs on it. */
struct preflight_host {
	bool realtime_kernel;      /* PREEMPT_RT */
	bool locks_memory;
	char governor[32];         /* of the first processor that does not run at full speed always; "": all do, or it is not to be seen */
	char network[32];          /* the card on the way to the arm; "": not known */
	bool wireless;
};

/* What was measured while the arm's motion held it still. */
struct preflight_facts {
	bool measured;             /* the motion ran for the whole time */
	bool realtime_off;         /* the configuration asks for no real-time thread */
	bool realtime;             /* the thread was one */
	double seconds;            /* in which the states below were counted */
	uint64_t states, missed, longest_row; /* states that came, that did not, and the most of these in a row */
	double success_min, success_avg, success_max; /* of the newest commands, those that came in time, as the arm says: 0..1 */
	double answer_p50_us, answer_p99_us, answer_max_us; /* from a state's arrival to the command that answers it */
	double late_p50_us, late_p99_us, late_max_us; /* how late states arrive, by the arm's own time */
	struct preflight_host host;
};

struct preflight_finding {
	const char *name;          /* one word */
	bool keeps;                /* it keeps this machine from being fit; else it may become the reason one day */
	char found[160];
	const char *remedy;        /* a sentence with the command */
};

enum { PREFLIGHT_FINDINGS_MAX = 12 };

struct preflight_verdict {
	bool fit;
	uint32_t n;
	struct preflight_finding finding[PREFLIGHT_FINDINGS_MAX]; /* what keeps it from being fit comes first */
};

/* A number that is not finite keeps it from being fit. Thread: any. Allocates: no. Blocks: no. */
void preflight_judge(const struct preflight_facts *f, struct preflight_verdict *out);

#endif
