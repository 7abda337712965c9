/* request.c - see request.h. */
#include "transport/message/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- decoding a request ------------------------------------------------------------------------------------------- */

static int pool_add(struct request *q, struct wire_text t, uint32_t *at, struct errbuf *e)
{
	if (t.n >= REQUEST_POOL_BYTES - q->pool_used)
		return fail(e, -EBADMSG, "the texts of a request may have %d bytes together", REQUEST_POOL_BYTES);
	*at = q->pool_used;
	memcpy(q->pool + q->pool_used, t.at, t.n);
	q->pool[q->pool_used + t.n] = '\0';
	q->pool_used += t.n + 1;
	return 0;
}

static int take_numbers(struct wire_reader *r, struct request_entry *entry, uint32_t count, struct errbuf *e)
{
	struct wire_value v;

	if (count > REQUEST_NUMBERS_MAX)
		return fail(e, -EBADMSG, "found an array of %u, want at most %d numbers", count, REQUEST_NUMBERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		int rc = wire_take(r, &v, e);

		if (rc < 0)
			return rc;
		if (!wire_as_real(&v, &entry->number[i]))
			return fail(e, -EBADMSG, "element %u is no number", i);
	}
	entry->n_numbers = count;
	return 0;
}

static int take_entry(struct wire_reader *r, struct request *q, struct request_entry *entry, struct errbuf *e)
{
	char found[64];
	int rc = wire_take(r, &entry->value, e);

	if (rc < 0)
		return rc;
	switch (entry->value.kind) {
	case WIRE_BOOL:
	case WIRE_UINT:
	case WIRE_NEGATIVE:
	case WIRE_FLOAT:
		return 0;
	case WIRE_TEXT:
		return pool_add(q, entry->value.text, &entry->text_at, e);
	case WIRE_ARRAY:
		return take_numbers(r, entry, entry->value.count, e);
	default:
		return fail(e, -EBADMSG, "found %s, want a text, a number, a bool or an array of numbers",
				wire_describe(&entry->value, found, sizeof found));
	}
}

int request_decode(struct request *q, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;
	int rc;

	q->n = 0;
	q->pool_used = 0;
	if (n > REQUEST_BYTES_MAX)
		return fail(e, -EBADMSG, "found a request of %zu bytes, want at most %d", n, REQUEST_BYTES_MAX);
	wire_read_begin(&r, bytes, n);
	rc = wire_map_begin(&r, &m, e);
	if (rc < 0)
		return rc;
	while ((rc = wire_map_next(&r, &m, &key, e)) > 0) {
		struct request_entry *entry = &q->entry[q->n];

		if (q->n == REQUEST_ENTRIES_MAX)
			return fail(e, -EBADMSG, "found more than %d keys", REQUEST_ENTRIES_MAX);
		*entry = (struct request_entry){ .n_numbers = 0 };
		rc = pool_add(q, key, &entry->key_at, e);
		if (rc == 0)
			rc = wire_error_at(take_entry(&r, q, entry, e), key, e);
		if (rc < 0)
			return rc;
		q->n++;
	}
	return rc < 0 ? rc : wire_read_end(&r, e);
}

/* ---- typed getters ------------------------------------------------------------------------------------------------ */

static const struct request_entry *find(const struct request *q, const char *key)
{
	for (uint32_t i = 0; i < q->n; i++)
		if (strcmp(q->pool + q->entry[i].key_at, key) == 0)
			return &q->entry[i];
	return NULL;
}

bool request_has(const struct request *q, const char *key)
{
	return find(q, key) != NULL;
}

const char *request_command(const struct request *q)
{
	const struct request_entry *entry = find(q, "cmd");

	return entry && entry->value.kind == WIRE_TEXT ? q->pool + entry->text_at : "";
}

static bool is_listed(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

int request_check_keys(const struct request *q, const char *const *allowed, struct errbuf *e)
{
	char names[512] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < q->n; i++) {
		const char *key = q->pool + q->entry[i].key_at;

		if (strcmp(key, "cmd") == 0 || is_listed(allowed, key))
			continue;
		for (const char *const *a = allowed; *a && used < sizeof names; a++)
			used += (size_t)snprintf(names + used, sizeof names - used, " %s", *a);
		return fail(e, -EINVAL, "%.64s: unknown key; %s takes:%s", key, request_command(q), *names ? names : " nothing else");
	}
	return 0;
}

/* The entry under `key`, or NULL with the error set. */
static const struct request_entry *need(const struct request *q, const char *key, const char *want, int *rc, struct errbuf *e)
{
	const struct request_entry *entry = find(q, key);

	*rc = 0;
	if (!entry)
		*rc = fail(e, -ENOENT, "%s: missing, want %s", key, want);
	return entry;
}

static int ill_typed(const struct request_entry *entry, const char *key, const char *want, struct errbuf *e)
{
	char found[64];

	return fail(e, -EINVAL, "%s: found %s, want %s", key, wire_describe(&entry->value, found, sizeof found), want);
}

int request_text(const struct request *q, const char *key, const char **out, struct errbuf *e)
{
	int rc;
	const struct request_entry *entry = need(q, key, "a text", &rc, e);

	if (!entry)
		return rc;
	if (entry->value.kind != WIRE_TEXT)
		return ill_typed(entry, key, "a text", e);
	*out = q->pool + entry->text_at;
	return 0;
}

int request_number(const struct request *q, const char *key, double low, double high, double *out, struct errbuf *e)
{
	int rc;
	double value;
	char want[64];

	snprintf(want, sizeof want, "%g..%g", low, high);
	const struct request_entry *entry = need(q, key, want, &rc, e);

	if (!entry)
		return rc;
	if (!wire_as_real(&entry->value, &value) || !(value >= low && value <= high))
		return ill_typed(entry, key, want, e);
	*out = value;
	return 0;
}

int request_u64(const struct request *q, const char *key, uint64_t *out, struct errbuf *e)
{
	int rc;
	const char *want = "an integer of 0 or more";
	const struct request_entry *entry = need(q, key, want, &rc, e);

	if (!entry)
		return rc;
	return wire_as_u64(&entry->value, out) ? 0 : ill_typed(entry, key, want, e);
}

int request_i64(const struct request *q, const char *key, int64_t *out, struct errbuf *e)
{
	int rc;
	const char *want = "a signed 64-bit integer";
	const struct request_entry *entry = need(q, key, want, &rc, e);

	if (!entry)
		return rc;
	return wire_as_i64(&entry->value, out) ? 0 : ill_typed(entry, key, want, e);
}

int request_bool(const struct request *q, const char *key, bool *out, struct errbuf *e)
{
	int rc;
	const struct request_entry *entry = need(q, key, "true or false", &rc, e);

	if (!entry)
		return rc;
	if (entry->value.kind != WIRE_BOOL)
		return ill_typed(entry, key, "true or false", e);
	*out = entry->value.boolean;
	return 0;
}

int request_numbers(const struct request *q, const char *key, uint32_t count, double *out, struct errbuf *e)
{
	int rc;
	char want[64];

	snprintf(want, sizeof want, "an array of %u numbers", count);
	const struct request_entry *entry = need(q, key, want, &rc, e);

	if (!entry)
		return rc;
	if (entry->value.kind != WIRE_ARRAY || entry->n_numbers != count)
		return ill_typed(entry, key, want, e);
	memcpy(out, entry->number, count * sizeof *out);
	return 0;
}
