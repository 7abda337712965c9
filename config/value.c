/* value.c - see keys.h: one value between text and field, by the type of its row. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

/* ---- what is allowed, in words ---------------------------------------------------------------------------------- */

static void range_text(const struct key *key, char *out, size_t bytes)
{
	snprintf(out, bytes, "%.10g..%.10g%s%s", key->low, key->high, key->unit[0] ? " " : "", key->unit);
}

static void choices_text(const struct key *key, char *out, size_t bytes)
{
	size_t used = (size_t)snprintf(out, bytes, "one of ");

	for (const char *c = key->names; *c && used + 3 < bytes; c++) {
		if (*c == '|') {
			out[used++] = ',';
			out[used++] = ' ';
		} else {
			out[used++] = *c;
		}
	}
	out[used] = 0;
}

void key_allowed_text(const struct key *key, char *out, size_t bytes)
{
	char range[64];

	range_text(key, range, sizeof range);
	switch (key->type) {
	case KEY_BOOL:
		snprintf(out, bytes, "true or false");
		break;
	case KEY_INT:
		snprintf(out, bytes, "a whole number, %s", range);
		break;
	case KEY_REAL:
		snprintf(out, bytes, "a number, %s", range);
		break;
	case KEY_TEXT:
		snprintf(out, bytes, "a text of at most %d bytes", CONFIG_TEXT_BYTES - 1);
		break;
	case KEY_PATH:
		snprintf(out, bytes, "a path of at most %d bytes", CONFIG_TEXT_BYTES - 1);
		break;
	case KEY_CHOICE:
		choices_text(key, out, bytes);
		break;
	case KEY_NAMES:
		snprintf(out, bytes, "a list of at most %d names of letters, digits, _ and -", CONFIG_NAMES_MAX);
		break;
	case KEY_REALS:
		snprintf(out, bytes, "a list of at most %d numbers, %s", CONFIG_REALS_MAX, range);
		break;
	}
}

static int refuse_type(const struct key *key, const char *found, struct errbuf *e)
{
	char allowed[256];

	key_allowed_text(key, allowed, sizeof allowed);
	return fail(e, -EINVAL, "found %.200s, allowed %s", found, allowed);
}

static int refuse_range(const struct key *key, const char *found, struct errbuf *e)
{
	char allowed[64];

	range_text(key, allowed, sizeof allowed);
	return fail(e, -EINVAL, "found %.200s, allowed %s", found, allowed);
}

/* The scalar as the reader wrote it, for error texts. */
static int refuse_scalar(const struct key *key, const struct key_scalar *s, struct errbuf *e)
{
	char found[200];

	if (s->quoted)
		snprintf(found, sizeof found, "the text \"%.150s\"", s->text);
	else if (s->text[0] == 0)
		snprintf(found, sizeof found, "nothing");
	else
		snprintf(found, sizeof found, "%.150s", s->text);
	return refuse_type(key, found, e);
}

/* ---- text to field ---------------------------------------------------------------------------------------------- */

/* Plain decimal numbers only: no nan, inf, hexadecimal floats, blanks or trailing letters, all of which strtod takes. */
static bool read_number(const struct key_scalar *s, const char *letters, double *out)
{
	char *end;

	if (s->quoted || s->text[0] == 0 || strspn(s->text, letters) != strlen(s->text))
		return false;
	*out = strtod(s->text, &end);
	return *end == 0 && end != s->text && isfinite(*out);
}

static bool in_range(const struct key *key, double value)
{
	return value >= key->low && value <= key->high; /* NaN fails */
}

static int set_bool(const struct key *key, bool *field, const struct key_scalar *s, struct errbuf *e)
{
	bool is_true = strcmp(s->text, "true") == 0;

	if (s->quoted || (!is_true && strcmp(s->text, "false") != 0))
		return refuse_scalar(key, s, e);
	*field = is_true;
	return 0;
}

static int set_int(const struct key *key, int32_t *field, const struct key_scalar *s, struct errbuf *e)
{
	double value;

	if (!read_number(s, "+-0123456789", &value))
		return refuse_scalar(key, s, e);
	if (!in_range(key, value))
		return refuse_range(key, s->text, e);
	*field = (int32_t)value;
	return 0;
}

static int set_real(const struct key *key, double *field, const struct key_scalar *s, struct errbuf *e)
{
	double value;

	if (!read_number(s, "+-0123456789.eE", &value))
		return refuse_scalar(key, s, e);
	if (!in_range(key, value))
		return refuse_range(key, s->text, e);
	*field = value;
	return 0;
}

static int set_text(char *field, const struct key_scalar *s, struct errbuf *e)
{
	size_t n = strlen(s->text);

	if (!s->quoted && (n == 0 || strcmp(s->text, "~") == 0 || strcmp(s->text, "null") == 0))
		return fail(e, -EINVAL, "found nothing, allowed a text; write \"\" for an empty one");
	if (n >= CONFIG_TEXT_BYTES)
		return fail(e, -EINVAL, "found a text of %zu bytes, allowed at most %d", n, CONFIG_TEXT_BYTES - 1);
	memcpy(field, s->text, n + 1);
	return 0;
}

static int set_choice(const struct key *key, int32_t *field, const struct key_scalar *s, struct errbuf *e)
{
	const char *name = key->names;
	size_t n = strlen(s->text);

	for (int32_t i = 0; *name; i++) {
		size_t length = strcspn(name, "|");

		if (length == n && n > 0 && strncmp(name, s->text, n) == 0) {
			*field = i;
			return 0;
		}
		name += length + (name[length] == '|');
	}
	return refuse_scalar(key, s, e);
}

static int32_t choice_count(const struct key *key)
{
	int32_t n = 1;

	for (const char *c = key->names; *c; c++)
		n += *c == '|';
	return n;
}

static int set_names(struct config_names *field, const struct key_value *v, struct errbuf *e)
{
	struct config_names names = { .n = v->n };

	if (v->n > CONFIG_NAMES_MAX)
		return fail(e, -EINVAL, "found %u names, allowed at most %d", v->n, CONFIG_NAMES_MAX);
	for (uint32_t i = 0; i < v->n; i++) {
		if (!key_is_name(v->scalar[i].text))
			return fail(e, -EINVAL, "entry %u: found \"%.100s\", allowed 1 to %d letters, digits, _ and -", i + 1,
					v->scalar[i].text, CONFIG_NAME_BYTES - 1);
		strcpy(names.name[i], v->scalar[i].text);
	}
	*field = names;
	return 0;
}

static int set_reals(const struct key *key, struct config_reals *field, const struct key_value *v, struct errbuf *e)
{
	struct config_reals reals = { .n = v->n };
	struct errbuf why = { "" };

	if (v->n > CONFIG_REALS_MAX)
		return fail(e, -EINVAL, "found %u numbers, allowed at most %d", v->n, CONFIG_REALS_MAX);
	for (uint32_t i = 0; i < v->n; i++) {
		struct key number = *key;
		int rc;

		number.type = KEY_REAL;
		rc = set_real(&number, &reals.value[i], &v->scalar[i], &why);
		if (rc < 0)
			return fail(e, rc, "entry %u: %.900s", i + 1, why.text);
	}
	*field = reals;
	return 0;
}

int key_set(const struct key *key, void *object, const struct key_value *v, struct errbuf *e)
{
	void *field = (uint8_t *)object + key->offset;
	bool wants_list = key->type == KEY_NAMES || key->type == KEY_REALS;

	if (wants_list && !v->is_list)
		return refuse_scalar(key, &v->scalar[0], e);
	if (!wants_list && v->is_list)
		return refuse_type(key, "a list", e);
	switch (key->type) {
	case KEY_BOOL:
		return set_bool(key, field, &v->scalar[0], e);
	case KEY_INT:
		return set_int(key, field, &v->scalar[0], e);
	case KEY_REAL:
		return set_real(key, field, &v->scalar[0], e);
	case KEY_TEXT:
	case KEY_PATH:
		return set_text(field, &v->scalar[0], e);
	case KEY_CHOICE:
		return set_choice(key, field, &v->scalar[0], e);
	case KEY_NAMES:
		return set_names(field, v, e);
	case KEY_REALS:
		return set_reals(key, field, v, e);
	}
	return -EINVAL;
}

/* ---- fields that were set in code ------------------------------------------------------------------------------- */

static int check_number(const struct key *key, double value, struct errbuf *e)
{
	char found[32];

	if (in_range(key, value))
		return 0;
	snprintf(found, sizeof found, "%g", value);
	return refuse_range(key, found, e);
}

static int check_names(const struct config_names *names, struct errbuf *e)
{
	if (names->n > CONFIG_NAMES_MAX)
		return fail(e, -EINVAL, "found %u names, allowed at most %d", names->n, CONFIG_NAMES_MAX);
	for (uint32_t i = 0; i < names->n; i++)
		if (!memchr(names->name[i], 0, CONFIG_NAME_BYTES) || !key_is_name(names->name[i]))
			return fail(e, -EINVAL, "entry %u is no name of letters, digits, _ and -", i + 1);
	return 0;
}

static int check_reals(const struct key *key, const struct config_reals *reals, struct errbuf *e)
{
	int rc = 0;

	if (reals->n > CONFIG_REALS_MAX)
		return fail(e, -EINVAL, "found %u numbers, allowed at most %d", reals->n, CONFIG_REALS_MAX);
	for (uint32_t i = 0; i < reals->n && rc == 0; i++)
		rc = check_number(key, reals->value[i], e);
	return rc;
}

int key_check(const struct key *key, const void *object, struct errbuf *e)
{
	const void *field = (const uint8_t *)object + key->offset;
	int32_t choice;

	switch (key->type) {
	case KEY_BOOL:
		return 0;
	case KEY_INT:
		return check_number(key, *(const int32_t *)field, e);
	case KEY_REAL:
		return check_number(key, *(const double *)field, e);
	case KEY_TEXT:
	case KEY_PATH:
		if (!memchr(field, 0, CONFIG_TEXT_BYTES))
			return refuse_type(key, "a text without end", e);
		return 0;
	case KEY_CHOICE:
		choice = *(const int32_t *)field;
		if (choice < 0 || choice >= choice_count(key))
			return refuse_type(key, "a number outside the list", e);
		return 0;
	case KEY_NAMES:
		return check_names(field, e);
	case KEY_REALS:
		return check_reals(key, field, e);
	}
	return -EINVAL;
}

/* ---- field to text ---------------------------------------------------------------------------------------------- */

/* The shortest decimal form that reads back to the same bits; 17 digits always do. Without an exponent where people write none. */
static size_t real_text(double value, char *out, size_t bytes)
{
	bool plain = fabs(value) >= 1e-4 && fabs(value) < 1e6;
	int n = 0;

	for (int digits = 1; digits <= 17; digits++) {
		n = snprintf(out, bytes, "%.*g", digits, value);
		if (strtod(out, NULL) == value && !(plain && strchr(out, 'e')))
			break;
	}
	return (size_t)n;
}

static void choice_text(const struct key *key, int32_t index, char *out, size_t bytes)
{
	const char *name = key->names;

	while (index-- > 0 && *name) {
		name += strcspn(name, "|");
		name += *name == '|';
	}
	snprintf(out, bytes, "%.*s", (int)strcspn(name, "|"), name);
}

/* Length of the UTF-8 sequence that starts with `lead`; texts come through libyaml, which lets only valid ones pass. */
static uint32_t decode_utf8(const char *text, uint32_t *code)
{
	uint8_t lead = (uint8_t)text[0];
	uint32_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	*code = n == 1 ? lead : lead & (0xffu >> (n + 1));
	for (uint32_t i = 1; i < n; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80) { /* not UTF-8: one byte by itself */
			*code = lead;
			return 1;
		}
		*code = *code << 6 | ((uint8_t)text[i] & 0x3f);
	}
	return n;
}

/* Characters that a YAML double-quoted text may not hold as they are, or that a reader would fold
 * (YAML 1.1 section 5.1 and 5.4). */
static bool needs_escape(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == '"' || code == '\\' || code == 0x2028 ||
			code == 0x2029 || code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static void quoted_text(const char *text, char *out, size_t bytes)
{
	size_t used = 0;

	out[used++] = '"';
	while (*text && used + 8 < bytes) {
		uint32_t code;
		uint32_t n = decode_utf8(text, &code);

		if (needs_escape(code)) {
			used += (size_t)snprintf(out + used, bytes - used, "\\u%04x", code);
		} else {
			memcpy(out + used, text, n);
			used += n;
		}
		text += n;
	}
	out[used++] = '"';
	out[used] = 0;
}

static void names_text(const struct config_names *names, char *out, size_t bytes)
{
	size_t used = (size_t)snprintf(out, bytes, "[");

	for (uint32_t i = 0; i < names->n; i++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%s", i > 0 ? ", " : "", names->name[i]);
	snprintf(out + used, bytes - used, "]");
}

static void reals_text(const struct config_reals *reals, char *out, size_t bytes)
{
	size_t used = (size_t)snprintf(out, bytes, "[");

	for (uint32_t i = 0; i < reals->n; i++) {
		used += (size_t)snprintf(out + used, bytes - used, "%s", i > 0 ? ", " : "");
		used += real_text(reals->value[i], out + used, bytes - used);
	}
	snprintf(out + used, bytes - used, "]");
}

void key_value_text(const struct key *key, const void *object, char out[KEY_VALUE_BYTES])
{
	const void *field = (const uint8_t *)object + key->offset;

	switch (key->type) {
	case KEY_BOOL:
		snprintf(out, KEY_VALUE_BYTES, "%s", *(const bool *)field ? "true" : "false");
		break;
	case KEY_INT:
		snprintf(out, KEY_VALUE_BYTES, "%d", *(const int32_t *)field);
		break;
	case KEY_REAL:
		real_text(*(const double *)field, out, KEY_VALUE_BYTES);
		break;
	case KEY_TEXT:
	case KEY_PATH:
		quoted_text(field, out, KEY_VALUE_BYTES);
		break;
	case KEY_CHOICE:
		choice_text(key, *(const int32_t *)field, out, KEY_VALUE_BYTES);
		break;
	case KEY_NAMES:
		names_text(field, out, KEY_VALUE_BYTES);
		break;
	case KEY_REALS:
		reals_text(field, out, KEY_VALUE_BYTES);
		break;
	}
}
