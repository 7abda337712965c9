/* histogram.h - latency distribution with at most 1 % error from 1 us to 100 s, written by one thread, read by any.
 *
 * Buckets are 1/128 of an octave apart from 64 ns up (log-linear, as in HdrHistogram), so that recording is a
 * shift, a mask and one relaxed atomic store: no division, no allocation, usable in the control thread. */
#ifndef DREAMVLA_DAEMON_SYS_HISTOGRAM_H
#define DREAMVLA_DAEMON_SYS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_OCTAVES = 32,
	HISTOGRAM_BUCKETS = HISTOGRAM_OCTAVES << HISTOGRAM_SUB_BITS, HISTOGRAM_ROWS = 16 };

struct histogram {
	_Atomic uint32_t count[HISTOGRAM_BUCKETS];
	_Atomic uint64_t n;
	_Atomic int64_t max_ns;
};

/* A summary of a histogram at one moment. All 0 when nothing was recorded. */
struct percentiles {
	uint64_t n;
	int64_t p50_ns, p99_ns, p999_ns, max_ns;
};

/* Counts one value; below 0 counts as 0, beyond 270 s as the last bucket. Thread: the one writer. Allocates: no. Blocks: no. */
void histogram_add(struct histogram *h, int64_t value_ns);

/* Value below which the share `quantile` (0..1) lies, upper edge of its bucket; 0 when empty.
 * Thread: any. Allocates: no. Blocks: no. */
int64_t histogram_quantile(const struct histogram *h, double quantile);

/* Thread: any. Allocates: no. Blocks: no. */
struct percentiles histogram_summary(const struct histogram *h);

/* For people: row[i] counts the values below 1.024 us * 2^i that are in no row before it; the last one all others, from 16.8 ms up.
 * Thread: any. Allocates: no. Blocks: no. */
void histogram_rows(const struct histogram *h, uint64_t row[HISTOGRAM_ROWS]);

/* Forgets everything. Thread: the one writer. Allocates: no. Blocks: no. */
void histogram_reset(struct histogram *h);

#endif
