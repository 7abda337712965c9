/* bench_keys.c - see bench_keys.h. */
#include "daemon/bench/bench_keys.h"

#include <errno.h>
#include <stdbool.h>

#include "transport/wire.h"

static int take_reals(struct wire_reader *r, const struct wire_value *array, uint32_t n, double *out, struct errbuf *e)
{
	struct wire_value v;
	char found[64];
	int rc = array->kind == WIRE_ARRAY && array->count == n ? 0
			: fail(e, -EBADMSG, "found %s, want %u numbers", wire_describe(array, found, sizeof found), n);

	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if ((rc = wire_take(r, &v, e)) == 0 && !wire_as_real(&v, &out[i]))
			rc = fail(e, -EBADMSG, "[%u]: found %s, want a number", i, wire_describe(&v, found, sizeof found));
	return rc;
}

static int take_number(struct wire_reader *r, const struct number_key *k, void *out, struct errbuf *e)
{
	struct wire_value v;
	char found[64];
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	void *member = (char *)out + k->at;

	if (k->kind == NUMBER_REALS)
		return take_reals(r, &v, k->n, member, e);
	bool fits = k->kind == NUMBER_U64 ? wire_as_u64(&v, member) : wire_as_real(&v, member);

	return fits ? 0 : fail(e, -EBADMSG, "found %s, want a number", wire_describe(&v, found, sizeof found));
}

/* Index of the key in the table, or n_keys. */
static uint32_t find_key(const struct number_key *keys, uint32_t n_keys, struct wire_text key)
{
	uint32_t i = 0;

	while (i < n_keys && !wire_text_equals(key, keys[i].key))
		i++;
	return i;
}

int numbers_decode(const struct number_key *keys, uint32_t n_keys, const char *whose, void *out, const uint8_t *bytes, size_t n,
		struct errbuf *e)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;
	uint32_t seen = 0;
	int rc;

	wire_read_begin(&r, bytes, n);
	rc = wire_map_begin(&r, &m, e);
	while (rc == 0 && (rc = wire_map_next(&r, &m, &key, e)) == 1) {
		uint32_t k = find_key(keys, n_keys, key);

		rc = k == n_keys ? wire_skip(&r, e) : take_number(&r, &keys[k], out, e);
		if (rc < 0)
			return wire_error_at(rc, key, e);
		seen |= k < n_keys ? UINT32_C(1) << k : 0;
	}
	for (uint32_t k = 0; rc == 0 && k < n_keys; k++)
		if (!(seen & UINT32_C(1) << k))
			rc = fail(e, -EBADMSG, "%s status lacks %s", whose, keys[k].key);
	return rc;
}
