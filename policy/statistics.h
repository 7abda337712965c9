/* statistics.h - what normalised numbers mean: per-dimension ranges of a dataset's actions and proprioceptive state.
 *
 * Reads dataset_statistics.json, or, where there is none, norm_stats of config.json, and one entry ("unnorm key") of it.
 * Which numbers of an entry are the range is the fine-tune's business: files commonly hold both q01/q99 and min/max.
 * Formulas: README.md of this folder, "Normalisation". */
#ifndef DREAMVLA_POLICY_STATISTICS_H
#define DREAMVLA_POLICY_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { STATISTICS_DIM_MAX = 64, STATISTICS_KEY_BYTES = 128 };

/* AUTO: q01/q99 where an entry has one of them, else min/max. */
enum statistics_kind { STATISTICS_AUTO, STATISTICS_QUANTILES, STATISTICS_BOUNDS };

/* masked[i]: dimension i is normalised; otherwise it passes through. */
struct statistics_range {
	uint32_t dim;              /* 0: the dataset has none */
	bool quantiles;            /* low and high are q01 and q99, not min and max */
	double low[STATISTICS_DIM_MAX], high[STATISTICS_DIM_MAX];
	bool masked[STATISTICS_DIM_MAX];
	bool has_mean;
	double mean[STATISTICS_DIM_MAX];
};

struct statistics {
	char key[STATISTICS_KEY_BYTES];
	struct statistics_range action, proprio;
};

/* Reads the entry `key`; NULL takes the only one there is. 0; -ENOENT: no statistics in the directory, or no such key
 * (the text lists the keys and names the nearest); -EINVAL: several keys and none chosen, no range of the wanted kind, or
 * content that is ill-typed, of unequal lengths, not finite or beyond 1e9, or with low > high; *out is then untouched.
 * Thread: any. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int statistics_read(struct statistics *out, const char *directory, const char *key, enum statistics_kind kind,
		struct errbuf *e);

/* state[dim] in the robot's units -> normalised[dim] in [-1, 1]. -EINVAL: a value is not finite (the text names the
 * dimension); normalised is then untouched. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int statistics_normalise_state(
		const struct statistics_range *proprio, const double *state, double *normalised, struct errbuf *e);

/* The inverse of statistics_unnormalise_action, for one dimension; not clipped. Thread: any. Allocates: no. Blocks: no. */
double statistics_normalise_action(const struct statistics_range *action, uint32_t dim, double value);

/* normalised[steps][dim] -> action[steps][dim] in the dataset's units; in place is allowed.
 * Thread: any. Allocates: no. Blocks: no. */
void statistics_unnormalise_action(const struct statistics_range *action, const double *normalised, uint32_t steps,
		double *out);

#endif
