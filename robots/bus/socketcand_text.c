/* socketcand_text.c - see socketcand_text.h. */
#include "robots/bus/socketcand_text.h"

#include <string.h>

enum { FIELDS_MAX = 16, EXTENDED_DIGITS = 8 };

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

struct field {
	const char *at;
	size_t n;
};

/* Words between spaces. false: more than FIELDS_MAX. */
static bool split(const char *text, struct field field[FIELDS_MAX], size_t *fields)
{
	*fields = 0;
	for (;;) {
		text += strspn(text, " ");
		if (!*text)
			return true;
		if (*fields == FIELDS_MAX)
			return false;
		field[*fields] = (struct field){ text, strcspn(text, " ") };
		text += field[(*fields)++].n;
	}
}

static bool is_word(const struct field *f, const char *word)
{
	return f->n == strlen(word) && memcmp(f->at, word, f->n) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* At most 8 digits. */
static bool get_hex(const struct field *f, uint32_t *out)
{
	uint32_t value = 0;

	if (f->n < 1 || f->n > 8)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		int digit = hex_digit(f->at[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*out = value;
	return true;
}

static bool get_id(const struct field *f, struct bus_frame *out)
{
	bool extended = f->n == EXTENDED_DIGITS;

	if (extended)
		out->flags |= BUS_FRAME_EXTENDED;
	return get_hex(f, &out->id) && out->id <= (extended ? (uint32_t)BUS_EXTENDED_ID_MAX : (uint32_t)BUS_ID_MAX);
}

static bool get_length(const struct field *f, struct bus_frame *out)
{
	uint32_t length;

	if (f->n != 1 || !get_hex(f, &length) || length > BUS_DATA_BYTES)
		return false;
	out->length = (uint8_t)length;
	return true;
}

/* Seconds, to the microsecond or not; nobody here needs the number: clocks of two machines are two. */
static bool is_time(const struct field *f)
{
	size_t n = strspn(f->at, "0123456789.");

	return f->n > 0 && n >= f->n && f->at[0] != '.';
}

/* "155 8 0 0 0 1 0 0 0 2": a field for each byte. */
static bool get_send(const struct field *field, size_t fields, struct bus_frame *out)
{
	if (fields < 2 || !get_id(&field[0], out) || !get_length(&field[1], out) || fields != 2u + out->length)
		return false;
	for (size_t i = 0; i < out->length; i++) {
		uint32_t byte;

		if (!get_hex(&field[2 + i], &byte) || byte > 0xFF)
			return false;
		out->data[i] = (uint8_t)byte;
	}
	return true;
}

/* "2A5 1795312696.098305 0000000100000002"; the document has the bytes apart, so that they may be. */
static bool get_frame(const struct field *field, size_t fields, struct bus_frame *out)
{
	if (fields < 2 || !get_id(&field[0], out) || !is_time(&field[1]))
		return false;
	for (size_t i = 2; i < fields; i++) {
		for (size_t at = 0; at < field[i].n; at += 2) {
			struct field two = { field[i].at + at, 2 };
			uint32_t byte;

			if (out->length == BUS_DATA_BYTES || field[i].n - at < 2 || !get_hex(&two, &byte))
				return false;
			out->data[out->length++] = (uint8_t)byte;
		}
	}
	return true;
}

static bool get_remote(const struct field *id, const struct field *length, struct bus_frame *out)
{
	out->flags = BUS_FRAME_REMOTE;
	return get_id(id, out) && get_length(length, out);
}

static bool get_channel(const struct field *field, size_t fields, char out[SOCKETCAND_CHANNEL_BYTES])
{
	if (fields != 1 || field->n >= SOCKETCAND_CHANNEL_BYTES)
		return false;
	memcpy(out, field->at, field->n);
	out[field->n] = '\0';
	return true;
}

/* A class and a time; anything else are words. */
static uint32_t get_error_class(const struct field *field, size_t fields)
{
	uint32_t value = 0;

	return fields == 2 && is_time(&field[1]) && get_hex(&field[0], &value) ? value : 0;
}

/* `field` are those after the word. */
static enum socketcand_kind get_fields(const struct field *word, const struct field *field, size_t fields, struct socketcand_message *m)
{
	if (is_word(word, "frame"))
		return get_frame(field, fields, &m->frame) ? SOCKETCAND_FRAME : SOCKETCAND_BAD;
	if (is_word(word, "send"))
		return get_send(field, fields, &m->frame) ? SOCKETCAND_SEND : SOCKETCAND_BAD;
	if (is_word(word, "rtr"))
		return fields == 3 && is_time(&field[1]) && get_remote(&field[0], &field[2], &m->frame) ? SOCKETCAND_FRAME : SOCKETCAND_BAD;
	if (is_word(word, "sendrtr"))
		return fields == 2 && get_remote(&field[0], &field[1], &m->frame) ? SOCKETCAND_SEND : SOCKETCAND_BAD;
	if (is_word(word, "open"))
		return get_channel(field, fields, m->channel) ? SOCKETCAND_OPEN : SOCKETCAND_BAD;
	if (is_word(word, "error")) {
		m->error_class = get_error_class(field, fields);
		return SOCKETCAND_ERROR;
	}
	return SOCKETCAND_OTHER;
}

static enum socketcand_kind get_bare(const struct field *word)
{
	static const struct { const char *word; enum socketcand_kind kind; } bare[] = {
		{ "hi", SOCKETCAND_HI }, { "ok", SOCKETCAND_OK }, { "rawmode", SOCKETCAND_RAWMODE }, { "echo", SOCKETCAND_ECHO },
	};

	for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
		if (is_word(word, bare[i].word))
			return bare[i].kind;
	return SOCKETCAND_OTHER;
}

static void get_message(const char *text, struct socketcand_message *out)
{
	struct field field[FIELDS_MAX];
	size_t fields;

	*out = (struct socketcand_message){ 0 };
	if (!split(text, field, &fields) || fields == 0)
		return;
	out->kind = fields == 1 ? get_bare(&field[0]) : SOCKETCAND_OTHER;
	if (out->kind == SOCKETCAND_OTHER)
		out->kind = get_fields(&field[0], field + 1, fields - 1, out);
}

/* Text within a message; line ends and spaces between them. */
static bool belongs(const struct socketcand_reader *r, char c)
{
	if (!r->inside)
		return c == '<' || c == ' ' || c == '\n' || c == '\r';
	return c >= ' ' && c <= '~' && c != '<' && (c == '>' || r->n + 1 < sizeof r->text);
}

int socketcand_read(struct socketcand_reader *r, char c, struct socketcand_message *out)
{
	if (!belongs(r, c)) {
		*r = (struct socketcand_reader){ 0 };
		return -1;
	}
	if (!r->inside) {
		r->inside = c == '<';
		r->n = 0;
		return 0;
	}
	if (c != '>') {
		r->text[r->n++] = c;
		return 0;
	}
	r->text[r->n] = '\0';
	r->inside = false;
	get_message(r->text, out);
	return 1;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static char *put_text(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n);
	return at + n;
}

static char *put_hex(char *at, uint32_t value, int digits)
{
	for (int i = digits - 1; i >= 0; i--)
		*at++ = "0123456789ABCDEF"[value >> (4 * i) & 0xFu];
	return at;
}

static char *put_decimal(char *at, uint64_t value, int digits_min)
{
	char reversed[20];
	int n = 0;

	do
		reversed[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0 || n < digits_min);
	while (n > 0)
		*at++ = reversed[--n];
	return at;
}

static char *put_id(char *at, const struct bus_frame *f)
{
	return put_hex(at, f->id, f->flags & BUS_FRAME_EXTENDED ? EXTENDED_DIGITS : 3);
}

static char *put_time(char *at, int64_t realtime_ns)
{
	uint64_t us = (uint64_t)realtime_ns / 1000;

	at = put_text(put_decimal(at, us / 1000000, 1), ".");
	return put_decimal(at, us % 1000000, 6);
}

size_t socketcand_put_frame(char out[SOCKETCAND_TEXT_BYTES], const struct bus_frame *f, int64_t realtime_ns)
{
	bool remote = f->flags & BUS_FRAME_REMOTE;
	char *at = put_id(put_text(out, remote ? "< rtr " : "< frame "), f);

	at = put_text(put_time(put_text(at, " "), realtime_ns), " ");
	if (remote)
		at = put_decimal(at, f->length, 1);
	for (int i = 0; !remote && i < f->length; i++)
		at = put_hex(at, f->data[i], 2);
	return (size_t)(put_text(at, " >") - out);      /* without data: two spaces, which python-can needs */
}

size_t socketcand_put_send(char out[SOCKETCAND_TEXT_BYTES], const struct bus_frame *f)
{
	bool remote = f->flags & BUS_FRAME_REMOTE;
	char *at = put_id(put_text(out, remote ? "< sendrtr " : "< send "), f);

	at = put_decimal(put_text(at, " "), f->length, 1);
	for (int i = 0; !remote && i < f->length; i++)
		at = put_hex(put_text(at, " "), f->data[i], 2);
	return (size_t)(put_text(at, " >") - out);
}

size_t socketcand_put_error(char out[SOCKETCAND_TEXT_BYTES], uint32_t error_class, int64_t realtime_ns)
{
	char *at = put_hex(put_text(out, "< error "), error_class, 3);

	return (size_t)(put_text(put_time(put_text(at, " "), realtime_ns), " >") - out);
}
