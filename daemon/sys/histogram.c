/* histogram.c - see histogram.h. */
#include "daemon/sys/histogram.h"

#define SUB (1u << HISTOGRAM_SUB_BITS)

/* Values below SUB count one by one; above, the leading bit chooses the octave and the next seven the bucket. */
static uint32_t bucket_of(uint64_t value)
{
	if (value < SUB)
		return (uint32_t)value;
	uint32_t octave = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	uint32_t bucket = ((octave + 1u) << HISTOGRAM_SUB_BITS)
			+ (uint32_t)((value >> octave) & (SUB - 1u));

	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1u;
}

static int64_t upper_edge(uint32_t bucket)
{
	if (bucket < SUB)
		return (int64_t)bucket;
	uint32_t octave = (bucket >> HISTOGRAM_SUB_BITS) - 1u;

	return (int64_t)(((uint64_t)(SUB + (bucket & (SUB - 1u)) + 1u) << octave) - 1u);
}

/* Only one thread writes, so a load and a store are enough; atomics keep the readers' view defined. */
void histogram_add(struct histogram *h, int64_t value_ns)
{
	uint64_t value = value_ns > 0 ? (uint64_t)value_ns : 0u;
	uint32_t b = bucket_of(value);
	uint32_t c = atomic_load_explicit(&h->count[b], memory_order_relaxed);
	uint64_t n = atomic_load_explicit(&h->n, memory_order_relaxed);

	atomic_store_explicit(&h->count[b], c + 1u, memory_order_relaxed);
	atomic_store_explicit(&h->n, n + 1u, memory_order_relaxed);
	if ((int64_t)value > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
		atomic_store_explicit(&h->max_ns, (int64_t)value, memory_order_relaxed);
}

int64_t histogram_quantile(const struct histogram *h, double quantile)
{
	uint64_t n = atomic_load_explicit(&h->n, memory_order_relaxed);
	int64_t max_ns = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
	double wanted = quantile * (double)n;
	uint64_t seen = 0;

	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS && n > 0; b++) {
		seen += atomic_load_explicit(&h->count[b], memory_order_relaxed);
		if ((double)seen >= wanted && seen > 0)
			return upper_edge(b) < max_ns ? upper_edge(b) : max_ns;
	}
	return max_ns;
}

struct percentiles histogram_summary(const struct histogram *h)
{
	return (struct percentiles){
		.n = atomic_load_explicit(&h->n, memory_order_relaxed),
		.p50_ns = histogram_quantile(h, 0.5),
		.p99_ns = histogram_quantile(h, 0.99),
		.p999_ns = histogram_quantile(h, 0.999),
		.max_ns = atomic_load_explicit(&h->max_ns, memory_order_relaxed),
	};
}

void histogram_rows(const struct histogram *h, uint64_t row[HISTOGRAM_ROWS])
{
	const uint32_t in_first = 4; /* octaves below 1.024 us, what counts one by one among them */

	for (uint32_t i = 0; i < HISTOGRAM_ROWS; i++)
		row[i] = 0;
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint32_t octave = b >> HISTOGRAM_SUB_BITS, i = octave < in_first ? 0 : octave - in_first + 1;

		row[i < HISTOGRAM_ROWS ? i : HISTOGRAM_ROWS - 1] += atomic_load_explicit(&h->count[b], memory_order_relaxed);
	}
}

void histogram_reset(struct histogram *h)
{
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++)
		atomic_store_explicit(&h->count[b], 0u, memory_order_relaxed);
	atomic_store_explicit(&h->n, 0u, memory_order_relaxed);
	atomic_store_explicit(&h->max_ns, 0, memory_order_relaxed);
}
