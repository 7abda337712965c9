/* test_options.c - a command line by a table: every type, its ends, and what is refused with which words. */
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/sys/options.h"

#include <cmocka.h> /* last: it defines fail() */

#undef fail

struct arguments {
	bool flag;
	const char *text;
	double number;
	uint32_t whole;
	uint64_t seed;
	int length;
};

static int take_length(const char *text, void *at, struct errbuf *e)
{
	*(int *)at = (int)strlen(text);
	return *text ? 0 : fail(e, -EINVAL, "--by-hand: is empty");
}

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "flag", OPTION_FLAG, AT(flag) },
	{ "text", OPTION_TEXT, AT(text) },
	{ "number", OPTION_NUMBER, AT(number), -1.5, 2 },
	{ "whole", OPTION_WHOLE, AT(whole), 1, 1000000 },
	{ "seed", OPTION_SEED, AT(seed), .low = 10 },
	{ "by-hand", OPTION_BY_HAND, AT(length), .take = take_length },
};

static int take(struct arguments *a, uint64_t *seen, struct errbuf *e, int n, char **word)
{
	char *argv[8] = { "program" };

	memcpy(argv + 1, word, (size_t)n * sizeof *word);
	optind = 0;
	opterr = 0;
	return options_take(ROWS, sizeof ROWS / sizeof *ROWS, "program", n + 1, argv, a, seen, e);
}

static void test_every_type(void **state)
{
	char *words[] = { "--flag", "--text=a b", "--number=-1.5", "--whole=1e6", "--seed=18446744073709551605", "--by-hand=four" };
	struct arguments a = { 0 };
	struct errbuf e;
	uint64_t seen;

	(void)state;
	assert_int_equal(take(&a, &seen, &e, 6, words), 0);
	assert_true(a.flag && a.number == -1.5 && a.whole == 1000000 && a.seed == UINT64_MAX - 10 && a.length == 4);
	assert_string_equal(a.text, "a b");
	assert_int_equal(seen, 0x3f);
	a = (struct arguments){ .whole = 7 };
	assert_int_equal(take(&a, &seen, &e, 1, (char *[]){ "--seed=0x10" }), 0);
	assert_true(seen == 0x10 && a.seed == 16 && a.whole == 7);
}

static void refused(char *one, char *two, const char *text)
{
	struct arguments a = { 0 };
	struct errbuf e;
	uint64_t seen;

	assert_int_equal(take(&a, &seen, &e, two ? 2 : 1, (char *[]){ one, two }), -EINVAL);
	assert_string_equal(e.text, text);
}

static void test_refused(void **state)
{
	static const struct { char *one, *two; const char *text; } cases[] = {
		{ "--number=2.1", NULL, "--number: found 2.1, want a number, -1.5..2" },
		{ "--number=nan", NULL, "--number: found nan, want a number, -1.5..2" },
		{ "--number=", NULL, "--number: found , want a number, -1.5..2" },
		{ "--number=1x", NULL, "--number: found 1x, want a number, -1.5..2" },
		{ "--whole=1.5", NULL, "--whole: found 1.5, want a whole number, 1..1000000" },
		{ "--whole=0", NULL, "--whole: found 0, want a whole number, 1..1000000" },
		{ "--whole=inf", NULL, "--whole: found inf, want a whole number, 1..1000000" },
		{ "--seed=-1", NULL, "--seed: found -1, want a whole number, 0..18446744073709551605" },
		{ "--seed= 1", NULL, "--seed: found  1, want a whole number, 0..18446744073709551605" },
		{ "--seed=18446744073709551606", NULL, "--seed: found 18446744073709551606, want a whole number, 0..18446744073709551605" },
		{ "--seed=99999999999999999999", NULL, "--seed: found 99999999999999999999, want a whole number, 0..18446744073709551605" },
		{ "--by-hand=", NULL, "--by-hand: is empty" },
		{ "--flag", "--flag", "--flag: given twice" },
		{ "--unknown", NULL, "program --help lists the options" },
		{ "--flag=1", NULL, "program --help lists the options" },
		{ "--text", NULL, "program --help lists the options" },
		{ "word", NULL, "word: not an option; program --help lists them" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(cases[i].one, cases[i].two, cases[i].text);
}

/* Wherever they stand, and after "--" whatever they look like. */
static void test_with_arguments_that_are_no_options(void **state)
{
	char *argv[] = { "program", "one", "--flag", "two", "--", "--text", NULL };
	struct arguments a = { 0 };
	struct errbuf e;
	uint64_t seen;
	int rest = 0;

	(void)state;
	optind = 0;
	assert_int_equal(options_take_some(ROWS, sizeof ROWS / sizeof *ROWS, "program", 6, argv, &a, &seen, &rest, &e), 0);
	assert_true(a.flag && !a.text);
	assert_int_equal(6 - rest, 3);
	assert_string_equal(argv[rest], "one");
	assert_string_equal(argv[rest + 1], "two");
	assert_string_equal(argv[rest + 2], "--text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_with_arguments_that_are_no_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
