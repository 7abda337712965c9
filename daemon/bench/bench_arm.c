/* bench_arm.c - see bench_arm.h. */
#include "daemon/bench/bench_arm.h"

#include "daemon/bench/bench_keys.h"

#define U64(key, member) { key, NUMBER_U64, offsetof(struct arm_numbers, member) }
#define REAL(key, member) { key, NUMBER_REAL, offsetof(struct arm_numbers, member) }
static const struct number_key keys[] = {
	U64("targets_accepted", obeyed),
	U64("targets_refused", refused),
	U64("limits_exceeded", limits_exceeded),
	U64("underruns", underruns),
	REAL("interval_p50_us", interval.p50),
	REAL("interval_p99_us", interval.p99),
	REAL("interval_p999_us", interval.p999),
	REAL("interval_max_us", interval.max),
	REAL("tcp_path_m", path_m),
	REAL("velocity_peak", velocity_peak),
	REAL("acceleration_peak", acceleration_peak),
	REAL("late_p50_us", late.p50),
	REAL("late_p99_us", late.p99),
	REAL("late_p999_us", late.p999),
	REAL("late_max_us", late.max),
};
#undef U64
#undef REAL

int arm_status_decode(struct arm_numbers *a, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return numbers_decode(keys, sizeof keys / sizeof *keys, "the arm's", a, bytes, n, e);
}
