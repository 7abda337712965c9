/* bench_arm.c - see bench_arm.h. */
#include "daemon/bench/bench_arm.h"

#include <errno.h>
#include <stdbool.h>

#include "transport/wire.h"

/* What stands under which key; all of them must be there. */
enum { KEY_COUNT = 11 };
static const struct arm_key {
	const char *key;
	size_t u64_at, real_at; /* offset in struct arm_numbers; of the two, the other is 0 */
} keys[KEY_COUNT] = {
	{ .key = "targets_accepted", .u64_at = offsetof(struct arm_numbers, obeyed) },
	{ .key = "targets_refused", .u64_at = offsetof(struct arm_numbers, refused) },
	{ .key = "limits_exceeded", .u64_at = offsetof(struct arm_numbers, limits_exceeded) },
	{ .key = "underruns", .u64_at = offsetof(struct arm_numbers, underruns) },
	{ .key = "interval_p50_us", .real_at = offsetof(struct arm_numbers, interval.p50) },
	{ .key = "interval_p99_us", .real_at = offsetof(struct arm_numbers, interval.p99) },
	{ .key = "interval_p999_us", .real_at = offsetof(struct arm_numbers, interval.p999) },
	{ .key = "interval_max_us", .real_at = offsetof(struct arm_numbers, interval.max) },
	{ .key = "tcp_path_m", .real_at = offsetof(struct arm_numbers, path_m) },
	{ .key = "velocity_peak", .real_at = offsetof(struct arm_numbers, velocity_peak) },
	{ .key = "acceleration_peak", .real_at = offsetof(struct arm_numbers, acceleration_peak) },
};

static int take_number(struct wire_reader *r, const struct arm_key *k, struct arm_numbers *a, struct errbuf *e)
{
	struct wire_value v;
	char found[64];
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	void *member = (char *)a + k->u64_at + k->real_at; /* one of them is 0 */
	bool fits = k->u64_at ? wire_as_u64(&v, member) : wire_as_real(&v, member);

	return fits ? 0 : fail(e, -EBADMSG, "found %s, want a number", wire_describe(&v, found, sizeof found));
}

/* Index of the key in the table, or KEY_COUNT. */
static uint32_t find_key(struct wire_text key)
{
	uint32_t i = 0;

	while (i < KEY_COUNT && !wire_text_equals(key, keys[i].key))
		i++;
	return i;
}

int arm_status_decode(struct arm_numbers *a, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;
	uint32_t seen = 0;
	int rc;

	wire_read_begin(&r, bytes, n);
	rc = wire_map_begin(&r, &m, e);
	while (rc == 0 && (rc = wire_map_next(&r, &m, &key, e)) == 1) {
		uint32_t k = find_key(key);

		rc = k == KEY_COUNT ? wire_skip(&r, e) : take_number(&r, &keys[k], a, e);
		if (rc < 0)
			return wire_error_at(rc, key, e);
		seen |= k < KEY_COUNT ? 1u << k : 0u;
	}
	for (uint32_t k = 0; rc == 0 && k < KEY_COUNT; k++)
		if (!(seen & 1u << k))
			rc = fail(e, -EBADMSG, "the arm's status lacks %s", keys[k].key);
	return rc;
}
