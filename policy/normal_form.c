/* normal_form.c - see normal_form.h. The Unicode Standard, section 3.11: decompose, order the marks (D109), compose (D117). */
#include "policy/normal_form.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

enum { CLASSES = 256, BEFORE_TRAILING = 0x11a7 };

static const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;

/* Canonical combining class; 0: a starter, which no mark crosses. */
static unsigned class_of(int32_t codepoint)
{
	return (unsigned)utf8proc_get_property(codepoint)->combining_class;
}

/* Stable counting sort of marks[n] by class. */
static void sort_marks(int32_t *marks, size_t n, int32_t *scratch)
{
	size_t next[CLASSES + 1] = { 0 };

	for (size_t i = 0; i < n; i++)
		next[class_of(marks[i]) + 1]++;
	for (int c = 1; c <= CLASSES; c++)
		next[c] += next[c - 1];
	for (size_t i = 0; i < n; i++)
		scratch[next[class_of(marks[i])]++] = marks[i];
	memcpy(marks, scratch, n * sizeof marks[0]);
}

/* Orders every run of marks; runs that are in order, as nearly all are, cost one look. */
static void order_marks(int32_t *codepoints, size_t n, int32_t *scratch)
{
	for (size_t first = 0, end; first < n; first = end) {
		unsigned last = class_of(codepoints[first]);
		bool in_order = true;

		end = first + 1;
		for (unsigned here; last > 0 && end < n && (here = class_of(codepoints[end])) > 0; end++) {
			in_order = in_order && here >= last;
			last = here;
		}
		if (!in_order)
			sort_marks(codepoints + first, end - first, scratch);
	}
}

/* Composes codepoints[n] in place and returns the new length, or utf8proc's error. utf8proc up to 2.8 takes U+11A7, the character
 * before the first trailing consonant of Korean, for a consonant that composes to nothing, and loses it. It composes with none, so
 * what stands before and behind it can be composed by itself. */
static utf8proc_ssize_t compose(int32_t *codepoints, size_t n)
{
	utf8proc_ssize_t n_out = 0;

	for (size_t first = 0, end; first < n; first = end) {
		utf8proc_ssize_t composed = 1;

		for (end = first; end < n && codepoints[end] != BEFORE_TRAILING; end++)
			;
		if (end > first)
			composed = utf8proc_normalize_utf32(codepoints + first, (utf8proc_ssize_t)(end - first), options);
		else
			end++;
		if (composed < 0)
			return composed;
		memmove(codepoints + n_out, codepoints + first, (size_t)composed * sizeof codepoints[0]);
		n_out += composed;
	}
	return n_out;
}

int normal_form_compose(const char *text, size_t n_bytes, int32_t *out, int32_t *scratch, size_t capacity, size_t *n, struct errbuf *e)
{
	utf8proc_ssize_t added = 0;
	size_t length = 0;
	int boundary = 0; /* utf8proc wants it, but only for grapheme boundaries */

	for (size_t at = 0; at < n_bytes; length += (size_t)added) {
		utf8proc_int32_t codepoint;
		utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n_bytes - at), &codepoint);

		if (bytes <= 0)
			return fail(e, -EINVAL, "text is not UTF-8");
		at += (size_t)bytes;
		added = utf8proc_decompose_char(codepoint, out + length, (utf8proc_ssize_t)(capacity - length), options, &boundary);
		if (added < 0)
			return fail(e, -EINVAL, "text cannot be normalised: %s", utf8proc_errmsg(added));
		if ((size_t)added > capacity - length)
			return fail(e, -E2BIG, "text has more than %zu code points in its decomposed form", capacity);
	}
	order_marks(out, length, scratch);
	added = compose(out, length);
	if (added < 0)
		return fail(e, -EINVAL, "text cannot be normalised: %s", utf8proc_errmsg(added));
	*n = (size_t)added;
	return 0;
}
