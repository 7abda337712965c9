/* bench_numbers.h - what a run of the demo came to, whether that is good enough, and how it is shown. Pure: no sockets. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_NUMBERS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_NUMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_robot.h"
#include "daemon/sys/histogram.h"
#include "transport/message/message.h"

/* One distribution as it travels in status maps. */
struct spread_us {
	double p50, p99, p999, max;
};

/* A driver's own figure, as it says it. */
struct arm_own {
	char name[48];
	double value;
};

enum { ARM_OWN_MAX = 40 };

/* What one arm says of itself. */
struct arm_numbers {
	char name[NAME_BYTES];
	char mode[NAME_BYTES], trouble[NAME_BYTES]; /* now */
	uint64_t obeyed;            /* targets taken into its motion, during the run */
	uint64_t refused;           /* targets it would not follow */
	uint64_t limits_exceeded;   /* commands beyond a limit that its own check found */
	uint64_t underruns;         /* times it ran out of targets and braked by itself */
	struct spread_us interval;  /* between received targets */
	struct spread_us late;      /* of the loop that commands it, since its start */
	double late_row[HISTOGRAM_ROWS]; /* periods of that loop by lateness (daemon/sys/histogram.h), during the run */
	double path_m;              /* length of the measured TCP's path */
	double velocity_peak, acceleration_peak; /* largest share of the model's own limit it commanded, since its start */
	uint32_t n_own;
	struct arm_own own[ARM_OWN_MAX]; /* since its start */
	double piper_wanted_hz;     /* targets a second that a PiPER's driver is to send it */
	struct piper_numbers piper; /* of the simulated PiPER, as piper_numbers_since */
};

/* One sentence that was to be carried out, and what the simulated world says of it. */
struct demo_sentence {
	char text[96], verdict[32];
	double took_s;              /* until the verdict of the last try */
	uint32_t tries;
	bool done;
};

enum { DEMO_SENTENCES = 3 };

struct demo_numbers {
	double seconds;             /* from AUTO granted to the last status */
	double rate_wanted_hz, rate_hz;
	double auto_share;          /* 0..1 */
	double stolen_s;            /* processor time that the host gave to others meanwhile */
	uint64_t frames, chunks, rejected, targets, clamps, overruns;
	struct spread_us late;
	uint32_t n_stages, n_arms, n_faults;
	struct status_stage stage[STAGE_COUNT];
	struct arm_numbers arm[ARMS_MAX];
	char fault[STATUS_FAULTS_MAX][NAME_BYTES]; /* every one that was seen during the run */
	bool has_fci;
	bool has_piper;
	bool has_sentences;
	struct demo_sentence sentence[DEMO_SENTENCES];
	double policy_s;            /* of the time with sentences, what was the policy's: auto_share is of that */
	double chunks_due;          /* in this time */
	double takeover_ms;         /* from a person's message to the first target of that person */
	struct fci_numbers fci;     /* of the simulated Franka, during the run; longest_row: since its client connected */
};

enum { DEMO_CRITERIA = 15 };

/* One criterion: is low <= value <= high? A value that is not a number fails. */
struct demo_verdict {
	const char *what, *unit;
	double value, low, high;
	bool passed;
};

struct demo_verdicts {
	uint32_t n, failed;
	struct demo_verdict verdict[DEMO_CRITERIA];
};

/* All criteria of the demo that this kind of robot has. Those that grow with time are meant for 20 s and shrink in proportion for a shorter run; a run of less
 * than 10 s may miss the control rate by one pause of 100 ms, which is then more than 1 % of it. */
void demo_judge(const struct demo_numbers *n, struct demo_verdicts *v);

/* The table of numbers; then one line per failed criterion, or that all were met. */
void demo_print(FILE *out, const struct demo_numbers *n, const struct demo_verdicts *v);

/* The same as a JSON object; the caller owns it (json_decref). NULL: out of memory. */
json_t *demo_json(const struct demo_numbers *n, const struct demo_verdicts *v);

/* {"p50_us": ..., ...} and one row of a table, for others that print the same. */
json_t *spread_json(const struct spread_us *s);
void spread_print(FILE *out, const char *name, const struct spread_us *s);

#endif
