/* test_text.c - lower case as Python's str.lower() and NFC as Python's unicodedata.normalize: what both said is written here.
 * In real time: processor time. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <time.h>

#include "policy/lower_case.h"
#include "policy/normal_form.h"

enum { TEXT_MAX = 16384 };

static int32_t codepoints[3 * TEXT_MAX], scratch[3 * TEXT_MAX];

static void lower_case_is_pythons(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "Pick Up THE Block 7!", "pick up the block 7!" },
		{ "\u0130", "i\u0307" },                                      /* two characters */
		{ "I\u0131\u00df\u1e9e\u01c5", "i\u0131\u00df\u00df\u01c6" }, /* no Turkish rule; titlecase */
		{ "\u212a\u2126\u023a\U00010400", "k\u03c9\u2c65\U00010428" },
		/* a final sigma: behind a letter, and no letter behind it */
		{ "\u03a3", "\u03c3" },
		{ "A\u03a3", "a\u03c2" },
		{ "A\u03a3A", "a\u03c3a" },
		{ "\u039f\u0394\u039f\u03a3 \u03a3\u039f\u03a6\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2 \u03c3\u03bf\u03c6\u03bf\u03c2" },
		{ "A\u03a3\u03a3", "a\u03c3\u03c2" },
		{ "1\u03a3", "1\u03c3" },
		{ "A\u03a3" "1", "a\u03c2" "1" },
		/* marks, apostrophes and format characters count as nothing */
		{ "A\u0301\u03a3", "a\u0301\u03c2" },
		{ "A'\u03a3", "a'\u03c2" },
		{ "A\u03a3'A", "a\u03c3'a" },
		{ "A\u03a3.", "a\u03c2." },
		{ "A\u03a3\u00ad\u0301:A", "a\u03c3\u00ad\u0301:a" },
		{ "A \u03a3", "a \u03c3" },
		{ "\u02b0\u03a3", "\u02b0\u03c3" },                           /* cased, but passed over first */
		{ "\u2160\u03a3", "\u2170\u03c2" },                           /* a Roman numeral is cased */
		{ "\u00aa\u03a3", "\u00aa\u03c2" },
		{ "A\u03a3\u24b6", "a\u03c3\u24d0" },
		{ "A\u03a3\u4e2d", "a\u03c2\u4e2d" },
		{ "A\xff\u03a3", "a\xff\u03c3" },                             /* what is no UTF-8 stays and is no letter */
		{ "\xce", "\xce" },
		{ "", "" },
	};
	char out[LOWER_CASE_GROWTH * 64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = lower_case(cases[i].text, strlen(cases[i].text), out);

		if (n != strlen(cases[i].want) || memcmp(out, cases[i].want, n) != 0)
			fail_msg("\"%s\" became \"%.*s\", want \"%s\"", cases[i].text, (int)n, out, cases[i].want);
	}
}

/* The longest that lower case can become is what callers make room for. */
static void lower_case_keeps_within_its_room(void **state)
{
	(void)state;
	for (uint32_t c = 1; c < 0x800; c++) {
		const char text[] = { (char)(c < 0x80 ? c : 0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) };
		size_t n_bytes = c < 0x80 ? 1 : 2;
		char out[16];

		assert_true(lower_case(text, n_bytes, out) <= LOWER_CASE_GROWTH * n_bytes);
	}
}

static size_t compose(const char *text, size_t n_bytes)
{
	struct errbuf e = { "" };
	size_t n = 0;

	if (normal_form_compose(text, n_bytes, codepoints, scratch, 3 * TEXT_MAX, &n, &e) < 0)
		fail_msg("%s", e.text);
	return n;
}

static void normal_form_is_pythons(void **state)
{
	static const struct {
		const char *text;
		int32_t want[6];
	} cases[] = {
		{ "e\u0301", { 0xe9 } },
		{ "a\u0323\u0302", { 0x1ead } },
		{ "a\u0302\u0323", { 0x1ead } },                              /* marks in order first */
		{ "a\u0301\u0315\u0300", { 0xe1, 0x300, 0x315 } },
		{ "a\u0315\u0301\u0300", { 0xe1, 0x300, 0x315 } },            /* equal classes keep their order */
		{ "\u0344", { 0x308, 0x301 } },
		{ "\u1100\u1161\u11a8", { 0xac01 } },
		{ "\u1100\u1161\u11a7", { 0xac00, 0x11a7 } },                 /* the character before the trailing consonants is none */
		{ "\uac00\u11a7\u0301\u11a8", { 0xac00, 0x11a7, 0x301, 0x11a8 } },
		{ "\u11a7\u1100\u1161", { 0x11a7, 0xac00 } },
		{ "\u11a7", { 0x11a7 } },
		{ "\u212b\uf900", { 0xc5, 0x8c48 } },
		{ "\u0958", { 0x915, 0x93c } },                               /* excluded from composition */
		{ "", { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = compose(cases[i].text, strlen(cases[i].text)), want = 0;

		while (cases[i].want[want])
			want++;
		if (n != want || memcmp(codepoints, cases[i].want, n * sizeof codepoints[0]) != 0)
			fail_msg("case %zu: %zu code points, the first %x; want %zu", i, n, (unsigned)codepoints[0], want);
	}
}

static double processor_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Ordered pair by pair, as utf8proc does it, these would take 300 ms and more. */
static void many_marks_take_no_more_than_their_share(void **state)
{
	enum { PAIRS = TEXT_MAX / 4 };
	static char text[TEXT_MAX];
	double before = processor_ms();

	(void)state;
	for (size_t i = 0; i < PAIRS; i++)
		memcpy(text + 4 * i, "\u0301\u0316", 4);
	assert_int_equal(compose(text, TEXT_MAX), 2 * PAIRS);
	assert_true(processor_ms() - before < 60.0);
	for (size_t i = 0; i < 2 * PAIRS; i++)
		assert_int_equal(codepoints[i], i < PAIRS ? 0x316 : 0x301);
}

static void too_little_room_and_foreign_bytes_are_refused(void **state)
{
	struct errbuf e = { "" };
	size_t n = 77;

	(void)state;
	assert_int_equal(normal_form_compose("a\u0958", 4, codepoints, scratch, 2, &n, &e), -E2BIG);
	assert_names(&e, "more than 2 code points");
	assert_int_equal(normal_form_compose("a\xff", 2, codepoints, scratch, 9, &n, &e), -EINVAL);
	assert_names(&e, "not UTF-8");
	assert_int_equal(n, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_case_is_pythons),
		cmocka_unit_test(lower_case_keeps_within_its_room),
		cmocka_unit_test(normal_form_is_pythons),
		cmocka_unit_test(many_marks_take_no_more_than_their_share),
		cmocka_unit_test(too_little_room_and_foreign_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
