/* lower_case.c - see lower_case.h. One character to one, but for the two rules of Unicode's SpecialCasing.txt that hold in every
 * language: U+0130 becomes two characters, and a capital sigma at the end of a word becomes a final sigma. */
#include "policy/lower_case.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

enum { DOTTED_I = 0x130, SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

struct range {
	utf8proc_int32_t first, last;
};

static bool in_ranges(utf8proc_int32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* Unicode's Case_Ignorable (The Unicode Standard, section 3.13, D136): by category, or punctuation that stands inside words. */
static bool is_ignorable(utf8proc_int32_t c)
{
	/* Word_Break = MidLetter, MidNumLet, Single_Quote (WordBreakProperty.txt) */
	static const struct range inside_words[] = { { '\'', '\'' }, { '.', '.' }, { ':', ':' }, { 0xb7, 0xb7 }, { 0x387, 0x387 },
		{ 0x55f, 0x55f }, { 0x5f4, 0x5f4 }, { 0x2018, 0x2019 }, { 0x2024, 0x2024 }, { 0x2027, 0x2027 }, { 0xfe13, 0xfe13 },
		{ 0xfe52, 0xfe52 }, { 0xfe55, 0xfe55 }, { 0xff07, 0xff07 }, { 0xff0e, 0xff0e }, { 0xff1a, 0xff1a } };

	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_SK: return true;
	default: return in_ranges(c, inside_words, sizeof inside_words / sizeof inside_words[0]);
	}
}

/* Unicode's Cased (D135), of characters that are not ignorable. */
static bool is_cased(utf8proc_int32_t c)
{
	/* Other_Lowercase and Other_Uppercase (PropList.txt): ordinals, Roman numerals, letters in circles and squares */
	static const struct range others[] = { { 0xaa, 0xaa }, { 0xba, 0xba }, { 0x2160, 0x217f }, { 0x24b6, 0x24e9 },
		{ 0x1f130, 0x1f149 }, { 0x1f150, 0x1f169 }, { 0x1f170, 0x1f189 } };

	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT: return true;
	default: return in_ranges(c, others, sizeof others / sizeof others[0]);
	}
}

/* The character at the beginning of text[n_bytes], n_bytes >= 1; -1 for a byte that is not UTF-8. Returns its bytes. */
static size_t next_character(const char *text, size_t n_bytes, utf8proc_int32_t *c)
{
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n_bytes, c);

	if (n > 0)
		return (size_t)n;
	*c = -1;
	return 1;
}

/* Whether a word goes on: the first character that is not ignorable is cased. */
static bool word_goes_on(const char *text, size_t n_bytes)
{
	utf8proc_int32_t c;

	for (size_t at = 0; at < n_bytes;) {
		at += next_character(text + at, n_bytes - at, &c);
		if (!is_ignorable(c))
			return is_cased(c);
	}
	return false;
}

static size_t write_lower(utf8proc_int32_t c, char *out)
{
	static const char dotted_i[] = { 'i', '\xcc', '\x87' }; /* i and a combining dot above */

	if (c == DOTTED_I) {
		memcpy(out, dotted_i, sizeof dotted_i);
		return sizeof dotted_i;
	}
	return (size_t)utf8proc_encode_char(utf8proc_tolower(c), (utf8proc_uint8_t *)out);
}

size_t lower_case(const char *text, size_t n_bytes, char *out)
{
	bool in_word = false; /* the last character that is not ignorable is cased */
	size_t n_out = 0;

	for (size_t at = 0, n; at < n_bytes; at += n) {
		utf8proc_int32_t c;

		n = next_character(text + at, n_bytes - at, &c);
		if (c < 0)
			out[n_out++] = text[at];
		else if (c == SIGMA && in_word && !word_goes_on(text + at + n, n_bytes - at - n))
			n_out += (size_t)utf8proc_encode_char(FINAL_SIGMA, (utf8proc_uint8_t *)out + n_out);
		else
			n_out += write_lower(c, out + n_out);
		if (!is_ignorable(c))
			in_word = is_cased(c);
	}
	return n_out;
}
