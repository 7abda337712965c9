/* test_wire.c - the pull reader against every form of the format, and against what a peer must not be able to send. */
#include "transport/wire.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int take(const char *bytes, size_t n, struct wire_value *v)
{
	struct wire_reader r;
	struct errbuf e;

	wire_read_begin(&r, (const uint8_t *)bytes, n);
	int rc = wire_take(&r, v, &e);

	return rc == 0 ? wire_read_end(&r, &e) : rc;
}

static int skip_whole(const uint8_t *bytes, size_t n)
{
	struct wire_reader r;
	struct errbuf e;

	wire_read_begin(&r, bytes, n);
	int rc = wire_skip(&r, &e);

	return rc == 0 ? wire_read_end(&r, &e) : rc;
}

static void numbers_of_every_width(void **state)
{
	static const struct { const char *bytes; size_t n; int64_t want; } cases[] = {
		{ "\x00", 1, 0 }, { "\x7f", 1, 127 }, { "\xff", 1, -1 }, { "\xe0", 1, -32 },
		{ "\xcc\x80", 2, 128 }, { "\xcd\x01\x00", 3, 256 }, { "\xce\xff\xff\xff\xff", 5, UINT32_MAX },
		{ "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX },
		{ "\xd0\x80", 2, -128 }, { "\xd0\x05", 2, 5 }, { "\xd1\x80\x00", 3, -32768 },
		{ "\xd2\x80\x00\x00\x00", 5, INT32_MIN }, { "\xd3\x80\0\0\0\0\0\0\0", 9, INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wire_value v;
		int64_t value;
		uint64_t unsigned_value;
		double real;

		assert_int_equal(take(cases[i].bytes, cases[i].n, &v), 0);
		assert_true(wire_as_i64(&v, &value));
		assert_int_equal(value, cases[i].want);
		assert_true(wire_as_real(&v, &real));
		assert_true(real == (double)cases[i].want);
		assert_int_equal(wire_as_u64(&v, &unsigned_value), cases[i].want >= 0);
	}
}

static void widths_are_checked(void **state)
{
	struct wire_value v;
	int64_t value = 5;
	uint64_t unsigned_value;

	(void)state;
	assert_int_equal(take("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, &v), 0);
	assert_false(wire_as_i64(&v, &value));
	assert_int_equal(value, 5);
	assert_true(wire_as_u64(&v, &unsigned_value));
	assert_true(unsigned_value == UINT64_MAX);
	assert_int_equal(take("\xca\x3f\x80\x00\x00", 5, &v), 0); /* 1.0 is no integer */
	assert_false(wire_as_i64(&v, &value));
	assert_false(wire_as_u64(&v, &unsigned_value));
	assert_true(v.real == 1.0);
}

static void floats_that_are_not_finite_are_refused(void **state)
{
	static const char *const bad[] = { "\xca\x7f\x80\x00\x00", "\xca\xff\x80\x00\x00", "\xca\x7f\xc0\x00\x00" };
	struct wire_value v;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(take(bad[i], 5, &v), -EBADMSG);
	assert_int_equal(take("\xcb\x7f\xf8\0\0\0\0\0\0", 9, &v), -EBADMSG);
	assert_int_equal(take("\xcb\xff\xf0\0\0\0\0\0\0", 9, &v), -EBADMSG);
}

static void every_head_skips_as_a_whole(void **state)
{
	static const struct { const char *bytes; size_t n; } cases[] = {
		{ "\xc0", 1 }, { "\xc2", 1 }, { "\xc4\x02xx", 4 }, { "\xc5\x00\x01x", 4 }, { "\xc6\x00\x00\x00\x01x", 6 },
		{ "\xc7\x01tx", 4 }, { "\xc8\x00\x01tx", 5 }, { "\xc9\x00\x00\x00\x01tx", 7 }, { "\xd4tx", 3 }, { "\xd5txx", 4 },
		{ "\xd6txxxx", 6 }, { "\xd7txxxxxxxx", 10 }, { "\xd8txxxxxxxxxxxxxxxx", 18 }, { "\xa2xx", 3 }, { "\xd9\x01x", 3 },
		{ "\xda\x00\x01x", 4 }, { "\xdb\x00\x00\x00\x01x", 6 }, { "\x92\x01\xa1x", 4 }, { "\xdc\x00\x01\x01", 4 },
		{ "\xdd\x00\x00\x00\x01\x01", 6 }, { "\x81\xa1x\x90", 4 }, { "\xde\x00\x01\xa1x\x80", 6 },
		{ "\xdf\x00\x00\x00\x01\xa1x\x01", 8 }, { "\xcb\x7f\xf8\0\0\0\0\0\0", 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(skip_whole((const uint8_t *)cases[i].bytes, cases[i].n), 0);
		for (size_t n = 0; n < cases[i].n; n++)
			assert_int_equal(skip_whole((const uint8_t *)cases[i].bytes, n), -EBADMSG);
	}
	assert_int_equal(skip_whole((const uint8_t *)"\xc1", 1), -EBADMSG);
}

static void nesting_is_bounded(void **state)
{
	uint8_t nested[100000];

	(void)state;
	memset(nested, 0x91, sizeof nested);
	nested[WIRE_DEPTH_MAX] = 0xc0;
	assert_int_equal(skip_whole(nested, WIRE_DEPTH_MAX + 1), 0);
	memset(nested, 0x91, sizeof nested);
	nested[sizeof nested - 1] = 0xc0;
	assert_int_equal(skip_whole(nested, sizeof nested), -EBADMSG);
}

static void containers_cannot_claim_more_than_there_is(void **state)
{
	struct wire_value v;

	(void)state;
	assert_int_equal(take("\xdd\xff\xff\xff\xff", 5, &v), -EBADMSG);
	assert_int_equal(take("\xdf\xff\xff\xff\xff", 5, &v), -EBADMSG);
	assert_int_equal(take("\xdb\xff\xff\xff\xff", 5, &v), -EBADMSG);
	assert_int_equal(take("\xc9\xff\xff\xff\xff", 5, &v), -EBADMSG);
	assert_int_equal(take("\x93\x01\x01", 3, &v), -EBADMSG);
}

static void texts_are_utf8(void **state)
{
	static const char *const good[] = { "", "a", "gr\xc3\xbcn", "\xe2\x82\xac", "\xf0\x9f\xa6\xbe", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff" };
	struct wire_value v;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(wire_utf8_prefix(good[i], strlen(good[i])), strlen(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(wire_utf8_prefix(bad[i], strlen(bad[i])), 0);
	assert_int_equal(take("\xa2\xc3\x28", 3, &v), -EBADMSG);
	assert_int_equal(take("\xa3" "a\0b", 4, &v), -EBADMSG); /* a zero byte would cut it unseen */
}

static int read_map(const char *bytes, size_t n)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;
	struct errbuf e;

	wire_read_begin(&r, (const uint8_t *)bytes, n);
	int rc = wire_map_begin(&r, &m, &e);

	while (rc == 0 && (rc = wire_map_next(&r, &m, &key, &e)) > 0)
		rc = wire_skip(&r, &e);
	return rc;
}

static void maps_have_few_different_text_keys(void **state)
{
	uint8_t crowded[3 + 2 * (WIRE_MAP_MAX + 1)] = { 0xde, (WIRE_MAP_MAX + 1) >> 8, (WIRE_MAP_MAX + 1) & 0xff };

	(void)state;
	assert_int_equal(read_map("\x82\xa1" "a\x01\xa1" "b\x01", 7), 0);
	assert_int_equal(read_map("\x82\xa1" "a\x01\xa1" "a\x01", 7), -EBADMSG);
	assert_int_equal(read_map("\x81\x01\x01", 3), -EBADMSG);
	assert_int_equal(read_map("\x91\x01", 2), -EBADMSG);
	assert_int_equal(read_map("", 0), -EBADMSG);
	assert_int_equal(read_map((const char *)crowded, sizeof crowded), -EBADMSG);
}

static void copies_are_cut_between_characters(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(wire_text_copy((struct wire_text){ "ab\xc3\xbc", 4 }, out, sizeof out), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(wire_text_copy((struct wire_text){ "abc", 3 }, out, sizeof out), 3);
	assert_string_equal(out, "abc");
}

static void writing_stops_at_the_end(void **state)
{
	struct wire_writer w;
	uint8_t out[8], guard = 0xaa;
	size_t n;

	(void)state;
	wire_write_begin(&w, out, 4);
	out[4] = guard;
	wire_put_text(&w, "abc", SIZE_MAX);
	assert_int_equal(wire_write_end(&w, &n, NULL), 0);
	assert_int_equal(n, 4);
	wire_put_bool(&w, true);
	assert_int_equal(wire_write_end(&w, &n, NULL), -ENOSPC);
	assert_int_equal(out[4], guard);
	wire_write_begin(&w, out, sizeof out);
	wire_put_real(&w, (double)NAN);
	assert_int_equal(wire_write_end(&w, &n, NULL), -ENOSPC);
}

static void what_is_not_finite_is_not_sent(void **state)
{
	struct wire_writer w;
	uint8_t out[64];
	size_t n;

	(void)state;
	wire_write_begin(&w, out, sizeof out);
	wire_put_real(&w, (double)INFINITY);
	assert_int_equal(wire_write_end(&w, &n, NULL), -EINVAL);
	wire_write_begin(&w, out, sizeof out);
	wire_put_text(&w, "ab\xc3", SIZE_MAX); /* a text that was cut inside a character */
	assert_int_equal(wire_write_end(&w, &n, NULL), 0);
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_every_width),
		cmocka_unit_test(widths_are_checked),
		cmocka_unit_test(floats_that_are_not_finite_are_refused),
		cmocka_unit_test(every_head_skips_as_a_whole),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(containers_cannot_claim_more_than_there_is),
		cmocka_unit_test(texts_are_utf8),
		cmocka_unit_test(maps_have_few_different_text_keys),
		cmocka_unit_test(copies_are_cut_between_characters),
		cmocka_unit_test(writing_stops_at_the_end),
		cmocka_unit_test(what_is_not_finite_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
