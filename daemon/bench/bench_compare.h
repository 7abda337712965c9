/* bench_compare.h - two summaries (bench_report.h) beside each other: what changed, and whether that is too much. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_COMPARE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_trace.h"
#include "daemon/sys/error.h"

enum { COMPARE_ROWS_MAX = 6 * TRACE_STAGES_MAX, COMPARE_NAME_BYTES = NAME_BYTES + 32, COMPARE_UNLIKE_MAX = 32, COMPARE_VALUE_BYTES = 96 };

/* SHOWN: not judged: too few values for that percentile, or a maximum, which is one value's luck. */
enum compare_verdict { COMPARE_SAME, COMPARE_BETTER, COMPARE_WORSE, COMPARE_SHOWN };

struct compare_row {
	char name[COMPARE_NAME_BYTES];
	double a, b, percent;           /* of a by which b is more; infinite from 0 */
	enum compare_verdict verdict;
};

/* What the two runs do not have in common: differences may come from there. */
struct compare_unlike {
	char what[NAME_BYTES], a[COMPARE_VALUE_BYTES], b[COMPARE_VALUE_BYTES];
};

struct comparison {
	uint32_t n, worse, n_unlike;
	struct compare_row row[COMPARE_ROWS_MAX];
	struct compare_unlike unlike[COMPARE_UNLIKE_MAX];
};

/* unlike: robot, driver, mode, faults, checkpoint, decoder, machine and so on, and lengths that differ by more than a fifth.
 * What of b is more than threshold_percent worse than in a. Stages (us) and lateness: p50 counts, p99 from 100 values on, p99.9 from 1000 on, each where
 * both have so many; less than 50 us is no difference. A stage of a that b does not have, or has nothing in, is worse; one that only b has is
 * shown. Chunks per second and share of time in AUTO: less is worse.
 * -EBADMSG: no summary. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int compare_summaries(struct comparison *c, const json_t *a, const json_t *b, double threshold_percent, struct errbuf *e);

void compare_print(FILE *out, const struct comparison *c, double threshold_percent);

/* NULL: out of memory. The caller owns it. */
json_t *compare_json(const struct comparison *c, double threshold_percent);

/* Reads FOLDER/summary.json, or the file itself. -ENOENT, -EBADMSG name it. The caller owns *out. Blocks: on the file. */
MUST_CHECK int compare_load(json_t **out, const char *path, struct errbuf *e);

#endif
