/* field.c - see field.h. */
#include "transport/message/field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "transport/wire.h"

static const uint64_t version = 1;

static bool in_range(const struct field *f, double value)
{
	if (f->low == 0 && f->high == 0 && f->type == FIELD_REAL)
		return true;
	return value >= f->low && value <= f->high;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------ */

/* "1..8192", "an array of 7 numbers", "one of jpeg, rgb8, bgr8" */
static const char *describe_want(const struct field *f, char *out, size_t capacity)
{
	size_t used = 0;

	switch (f->type) {
	case FIELD_VERSION:
		snprintf(out, capacity, "%d", (int)version);
		break;
	case FIELD_U64:
		snprintf(out, capacity, "an integer of 0 or more");
		break;
	case FIELD_I64:
		snprintf(out, capacity, "a signed 64-bit integer");
		break;
	case FIELD_U32:
		snprintf(out, capacity, "%.0f..%.0f", f->low, f->high);
		break;
	case FIELD_REAL:
		if (f->low == 0 && f->high == 0)
			snprintf(out, capacity, "a finite number");
		else
			snprintf(out, capacity, "%g..%g", f->low, f->high);
		break;
	case FIELD_BOOL:
		snprintf(out, capacity, "true or false");
		break;
	case FIELD_TEXT:
		snprintf(out, capacity, "a text of %u..%u bytes", f->least, f->room - 1);
		break;
	case FIELD_CHOICE:
		for (uint32_t i = 0; i < f->room && used < capacity; i++)
			used += (size_t)snprintf(out + used, capacity - used, "%s%s", i == 0 ? "one of " : ", ", f->names[i]);
		break;
	case FIELD_REALS:
		if (f->count_at)
			snprintf(out, capacity, "an array of %u..%u numbers", f->least, f->room);
		else
			snprintf(out, capacity, "an array of %u numbers", f->room);
		break;
	case FIELD_TEXTS:
		snprintf(out, capacity, "an array of texts");
		break;
	default:
		snprintf(out, capacity, "a map");
	}
	return out;
}

static int wrong(const struct field *f, const struct wire_value *v, struct errbuf *e)
{
	char found[64], want[256];

	return fail(e, -EBADMSG, "found %s, want %s", wire_describe(v, found, sizeof found), describe_want(f, want, sizeof want));
}

static bool set_u32(const struct field *f, const struct wire_value *v, void *to)
{
	uint64_t value;

	if (!wire_as_u64(v, &value) || value > UINT32_MAX || !in_range(f, (double)value))
		return false;
	memcpy(to, &(uint32_t){ (uint32_t)value }, sizeof(uint32_t));
	return true;
}

static bool set_real(const struct field *f, const struct wire_value *v, void *to)
{
	double value;

	if (!wire_as_real(v, &value) || !in_range(f, value))
		return false;
	memcpy(to, &value, sizeof value);
	return true;
}

static bool set_text(const struct field *f, const struct wire_value *v, char *to)
{
	if (v->kind != WIRE_TEXT || v->text.n < f->least || (v->text.n >= f->room && !f->cut))
		return false;
	wire_text_copy(v->text, to, f->room);
	return true;
}

static bool set_choice(const struct field *f, const struct wire_value *v, void *to)
{
	for (uint32_t i = 0; v->kind == WIRE_TEXT && i < f->room; i++)
		if (wire_text_equals(v->text, f->names[i])) {
			memcpy(to, &i, sizeof i);
			return true;
		}
	return false;
}

/* Puts "element i: " in front of what went wrong. */
static int element_error(int rc, uint32_t i, struct errbuf *e)
{
	char element[32];
	int n = snprintf(element, sizeof element, "element %u", i);

	return wire_error_at(rc, (struct wire_text){ element, (uint32_t)n }, e);
}

static int take_reals(struct wire_reader *r, const struct field *f, uint32_t count, uint8_t *base, struct errbuf *e)
{
	double *to = (double *)(void *)(base + f->at);

	for (uint32_t i = 0; i < count; i++) {
		struct wire_value v;
		char found[64];
		int rc = wire_take(r, &v, e);

		if (rc == 0 && !wire_as_real(&v, &to[i]))
			rc = fail(e, -EBADMSG, "found %s, want a finite number", wire_describe(&v, found, sizeof found));
		if (rc < 0)
			return element_error(rc, i, e);
	}
	if (f->count_at)
		memcpy(base + f->count_at, &count, sizeof count);
	return 0;
}

/* The first `room` texts; the rest is checked and dropped, each cut to what fits. */
static int take_texts(struct wire_reader *r, const struct field *f, uint32_t count, uint8_t *base, struct errbuf *e)
{
	uint32_t kept = count < f->room ? count : f->room;

	for (uint32_t i = 0; i < count; i++) {
		struct wire_value v;
		char found[64];
		int rc = wire_take(r, &v, e);

		if (rc == 0 && v.kind != WIRE_TEXT)
			rc = fail(e, -EBADMSG, "found %s, want a text", wire_describe(&v, found, sizeof found));
		if (rc < 0)
			return element_error(rc, i, e);
		if (i < kept)
			wire_text_copy(v.text, (char *)base + f->at + i * f->stride, f->stride);
	}
	memcpy(base + f->count_at, &kept, sizeof kept);
	return 0;
}

/* Everything but maps. */
static int take_plain(struct wire_reader *r, const struct field *f, uint8_t *base, struct errbuf *e)
{
	void *to = base + f->at;
	struct wire_value v;
	bool good = false;
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	if (v.kind == WIRE_NIL && f->optional)
		return 0;
	switch (f->type) {
	case FIELD_VERSION:
		good = v.kind == WIRE_UINT && v.u == version;
		break;
	case FIELD_U64:
		good = wire_as_u64(&v, to);
		break;
	case FIELD_I64:
		good = wire_as_i64(&v, to);
		break;
	case FIELD_U32:
		good = set_u32(f, &v, to);
		break;
	case FIELD_REAL:
		good = set_real(f, &v, to);
		break;
	case FIELD_BOOL:
		good = v.kind == WIRE_BOOL;
		memcpy(to, &v.boolean, sizeof v.boolean);
		break;
	case FIELD_TEXT:
		good = set_text(f, &v, to);
		break;
	case FIELD_CHOICE:
		good = set_choice(f, &v, to);
		break;
	case FIELD_REALS:
		good = v.kind == WIRE_ARRAY && v.count <= f->room && v.count >= (f->count_at ? f->least : f->room);
		rc = good ? take_reals(r, f, v.count, base, e) : 0;
		break;
	default:
		good = f->type == FIELD_TEXTS && v.kind == WIRE_ARRAY;
		rc = good ? take_texts(r, f, v.count, base, e) : 0;
	}
	if (!good)
		return wrong(f, &v, e);
	if (rc == 0 && f->flag_at)
		memcpy(base + f->flag_at, &(bool){ true }, sizeof(bool));
	return rc;
}

typedef int take_field(struct wire_reader *r, const struct field *f, uint8_t *base, struct errbuf *e);

static int check_required(const struct field *fields, uint32_t n_fields, uint64_t seen, struct errbuf *e)
{
	char want[256];

	for (uint32_t i = 0; i < n_fields; i++)
		if (!fields[i].optional && !(seen >> i & 1))
			return fail(e, -EBADMSG, "%s: missing, want %s", fields[i].key, describe_want(&fields[i], want, sizeof want));
	return 0;
}

/* One map whose values `take` reads; keys that no field names are skipped. */
static int decode_map(struct wire_reader *r, const struct field *fields, uint32_t n_fields, uint8_t *base, take_field *take,
		struct errbuf *e)
{
	struct wire_map m;
	struct wire_text key;
	uint64_t seen = 0;
	int rc = wire_map_begin(r, &m, e);

	while (rc == 0 && (rc = wire_map_next(r, &m, &key, e)) > 0) {
		uint32_t i = 0;

		while (i < n_fields && !wire_text_equals(key, fields[i].key))
			i++;
		if (i < n_fields)
			seen |= UINT64_C(1) << i;
		rc = wire_error_at(i < n_fields ? take(r, &fields[i], base, e) : wire_skip(r, e), key, e);
	}
	return rc < 0 ? rc : check_required(fields, n_fields, seen, e);
}

static int take_entry(struct wire_reader *r, const struct field *f, struct wire_text name, uint8_t *entry, struct errbuf *e)
{
	if (name.n == 0 || name.n >= f->name_room)
		return fail(e, -EBADMSG, "found a name of %u bytes, want 1..%u", name.n, f->name_room - 1);
	wire_text_copy(name, (char *)entry, f->name_room);
	if (!f->fields[0].key)
		return take_plain(r, &f->fields[0], entry, e);
	return decode_map(r, f->fields, f->n_fields, entry, take_plain, e);
}

static int take_table(struct wire_reader *r, const struct field *f, uint8_t *base, struct errbuf *e)
{
	struct wire_map m;
	struct wire_text name;
	uint32_t n = 0;
	int rc = wire_map_begin(r, &m, e);

	while (rc == 0 && (rc = wire_map_next(r, &m, &name, e)) > 0) {
		if (n == f->room)
			return fail(e, -EBADMSG, "found more than %u entries", f->room);
		rc = wire_error_at(take_entry(r, f, name, base + f->at + n * f->stride, e), name, e);
		n++;
	}
	memcpy(base + f->count_at, &n, sizeof n);
	return rc;
}

/* Tables are not nested further than message -> table -> group, so this ends. */
static int take_any(struct wire_reader *r, const struct field *f, uint8_t *base, struct errbuf *e)
{
	struct wire_reader ahead = *r;
	struct wire_value v;

	if (f->type != FIELD_GROUP && f->type != FIELD_TABLE)
		return take_plain(r, f, base, e);
	if (f->optional && wire_take(&ahead, &v, NULL) == 0 && v.kind == WIRE_NIL) {
		*r = ahead;
		return 0;
	}
	if (f->type == FIELD_TABLE)
		return take_table(r, f, base, e);
	if (f->flag_at)
		memcpy(base + f->flag_at, &(bool){ true }, sizeof(bool));
	return decode_map(r, f->fields, f->n_fields, base + f->at, take_plain, e);
}

int field_decode(const struct field *fields, uint32_t n_fields, void *base, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct wire_reader r;

	wire_read_begin(&r, bytes, n);
	int rc = decode_map(&r, fields, n_fields, base, take_any, e);

	return rc < 0 ? rc : wire_read_end(&r, e);
}

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

static uint32_t read_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static double read_real(const uint8_t *at)
{
	double value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static bool is_sent(const struct field *f, const uint8_t *base)
{
	if (f->flag_at)
		return base[f->flag_at] != 0;
	if (f->optional && f->type == FIELD_TEXT)
		return base[f->at] != '\0';
	if (f->optional && f->type == FIELD_REAL)
		return in_range(f, read_real(base + f->at));
	return true;
}

/* Length of an array or table; more than its room is our own bug and must not read beyond it. */
static uint32_t count_of(struct wire_writer *w, const struct field *f, const uint8_t *base)
{
	uint32_t count = f->count_at ? read_u32(base + f->count_at) : f->room;

	if (count <= f->room)
		return count;
	w->full = true;
	return f->room;
}

static void put_choice(struct wire_writer *w, const struct field *f, uint32_t index)
{
	if (index >= f->room)
		w->full = true; /* no name for it: not to be sent */
	else
		wire_put_text(w, f->names[index], SIZE_MAX);
}

static void put_plain(struct wire_writer *w, const struct field *f, const uint8_t *base)
{
	const uint8_t *from = base + f->at;
	uint32_t count;

	switch (f->type) {
	case FIELD_VERSION:
		wire_put_u64(w, version);
		break;
	case FIELD_U64:
		wire_put_u64(w, read_u64(from));
		break;
	case FIELD_I64:
		wire_put_i64(w, (int64_t)read_u64(from));
		break;
	case FIELD_U32:
		wire_put_u64(w, read_u32(from));
		break;
	case FIELD_REAL:
		wire_put_real(w, read_real(from));
		break;
	case FIELD_BOOL:
		wire_put_bool(w, *from != 0);
		break;
	case FIELD_TEXT:
		wire_put_text(w, (const char *)from, f->room - 1);
		break;
	case FIELD_CHOICE:
		put_choice(w, f, read_u32(from));
		break;
	case FIELD_REALS:
		count = count_of(w, f, base);
		wire_put_array(w, count);
		for (uint32_t i = 0; i < count; i++)
			wire_put_real(w, read_real(from + i * sizeof(double)));
		break;
	default: /* FIELD_TEXTS */
		count = count_of(w, f, base);
		wire_put_array(w, count);
		for (uint32_t i = 0; i < count; i++)
			wire_put_text(w, (const char *)from + i * f->stride, f->stride - 1);
	}
}

static uint32_t count_sent(const struct field *fields, uint32_t n_fields, const uint8_t *base)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_fields; i++)
		n += is_sent(&fields[i], base);
	return n;
}

static void put_group(struct wire_writer *w, const struct field *fields, uint32_t n_fields, const uint8_t *base)
{
	wire_put_map(w, count_sent(fields, n_fields, base));
	for (uint32_t i = 0; i < n_fields; i++)
		if (is_sent(&fields[i], base)) {
			wire_put_text(w, fields[i].key, SIZE_MAX);
			put_plain(w, &fields[i], base);
		}
}

static void put_table(struct wire_writer *w, const struct field *f, const uint8_t *base)
{
	uint32_t count = count_of(w, f, base);

	wire_put_map(w, count);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry = base + f->at + i * f->stride;

		wire_put_text(w, (const char *)entry, f->name_room - 1);
		if (f->fields[0].key)
			put_group(w, f->fields, f->n_fields, entry);
		else
			put_plain(w, &f->fields[0], entry);
	}
}

int field_encode(const struct field *fields, uint32_t n_fields, const void *base, uint8_t *out, size_t capacity, size_t *n,
		struct errbuf *e)
{
	struct wire_writer w;

	wire_write_begin(&w, out, capacity);
	wire_put_map(&w, count_sent(fields, n_fields, base));
	for (uint32_t i = 0; i < n_fields; i++) {
		const struct field *f = &fields[i];

		if (!is_sent(f, base))
			continue;
		wire_put_text(&w, f->key, SIZE_MAX);
		if (f->type == FIELD_GROUP)
			put_group(&w, f->fields, f->n_fields, (const uint8_t *)base + f->at);
		else if (f->type == FIELD_TABLE)
			put_table(&w, f, base);
		else
			put_plain(&w, f, base);
	}
	return wire_write_end(&w, n, e);
}

int field_check_quaternion(const char *key, double q_xyzw[4], struct errbuf *e)
{
	double norm = sqrt(q_xyzw[0] * q_xyzw[0] + q_xyzw[1] * q_xyzw[1] + q_xyzw[2] * q_xyzw[2] + q_xyzw[3] * q_xyzw[3]);

	if (!(fabs(norm - 1) <= 1e-3))
		return fail(e, -EBADMSG, "%s: found a norm of %g, want 1 within 0.001", key, norm);
	for (int i = 0; i < 4; i++)
		q_xyzw[i] /= norm;
	return 0;
}
