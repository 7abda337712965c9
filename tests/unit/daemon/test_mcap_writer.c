/* test_mcap_writer.c - what the writer puts into a file, byte by byte against https://mcap.dev/spec: a walk of its own over the file, which
 * shares nothing with ours; and what is left of a file whose disk says no. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "daemon/record/mcap_writer.h"

#include <cmocka.h>

enum { FILE_MAX = 8 << 20, CHUNK = 4096, LARGEST = 20000, MESSAGES = 300, CHANNELS = 2 };

#define T0_NS UINT64_C(1800000000000000000)

static uint8_t file[FILE_MAX];
static size_t file_n;
static char path[64];

/* ---- the walk ---- */

static uint64_t number(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static uint64_t u64(size_t at)
{
	assert_true(at + 8 <= file_n);
	return number(file + at, 8);
}

struct seen {
	uint32_t of[256];             /* records by opcode, those in chunks too */
	uint64_t messages[CHANNELS + 1], first_ns, last_ns;
	uint32_t next[CHANNELS + 1];  /* sequence */
	size_t data_end, summary_end; /* places of Data End and Footer */
};

/* The test's messages: every byte follows from the number, as do channel and times. */
static size_t size_of(uint32_t i)
{
	return i % 50 == 7 ? LARGEST : i * 13 % 90;
}

static uint64_t log_of(uint32_t i)
{
	return T0_NS + i * UINT64_C(1000003) - (i % 5 == 4 ? 3000000 : 0); /* some come late */
}

/* p: content of a Message record. The sequence counts per channel and says which of the test's messages it must be. */
static void check_message(struct seen *s, const uint8_t *p, uint64_t n)
{
	uint16_t channel = (uint16_t)number(p, 2);
	uint32_t sequence = (uint32_t)number(p + 2, 4), i;

	assert_in_range(channel, 1, CHANNELS);
	assert_int_equal(sequence, ++s->next[channel]);
	i = (sequence - 1) * CHANNELS + channel - 1;
	assert_int_equal(n, 22 + size_of(i));
	assert_true(number(p + 6, 8) == log_of(i) && number(p + 14, 8) == log_of(i) - 5);
	for (size_t k = 0; k < size_of(i); k++)
		assert_int_equal(p[22 + k], (i + k) & 0xff);
	s->messages[channel]++;
	s->messages[0]++;
	s->first_ns = s->messages[0] == 1 || log_of(i) < s->first_ns ? log_of(i) : s->first_ns;
	s->last_ns = log_of(i) > s->last_ns ? log_of(i) : s->last_ns;
}

/* at: content of a Chunk. Returns its messages, uncompressed, to be freed. */
static uint8_t *unpack(size_t at, size_t *n)
{
	size_t packed = u64(at + 36);
	uint8_t *room;

	*n = u64(at + 16);
	room = malloc(*n);
	assert_int_equal(number(file + at + 28, 4), 4);
	assert_memory_equal(file + at + 32, "zstd", 4);
	assert_int_equal(ZSTD_decompress(room, *n, file + at + 44, packed), *n);
	assert_int_equal(number(file + at + 24, 4), crc32(0, room, (uInt)*n));
	return room;
}

static void check_chunk(struct seen *s, size_t at)
{
	uint64_t first = UINT64_MAX, last = 0;
	size_t n;
	uint8_t *messages = unpack(at, &n);

	for (size_t k = 0; k < n; k += 9 + number(messages + k + 1, 8)) {
		uint64_t log_ns = number(messages + k + 9 + 6, 8);

		assert_int_equal(messages[k], 0x05);
		check_message(s, messages + k + 9, number(messages + k + 1, 8));
		first = log_ns < first ? log_ns : first;
		last = log_ns > last ? log_ns : last;
	}
	assert_true(u64(at) == first && u64(at + 8) == last);
	free(messages);
}

/* Of the chunk in front: every entry points to the message of its channel and time. */
static void check_message_index(size_t chunk, size_t at)
{
	uint32_t bytes = (uint32_t)number(file + at + 2, 4);
	size_t n;
	uint8_t *messages = unpack(chunk, &n);

	assert_true(bytes > 0 && bytes % 16 == 0);
	for (size_t k = at + 6; k < at + 6 + bytes; k += 16) {
		uint64_t place = u64(k + 8);

		assert_true(place < n);
		assert_int_equal(messages[place], 0x05);
		assert_int_equal(number(messages + place + 9, 2), number(file + at, 2));
		assert_true(number(messages + place + 15, 8) == u64(k));
	}
	free(messages);
}

/* at: content of a Chunk Index, which must agree with the chunk that it names. */
static void check_chunk_index(size_t at)
{
	size_t chunk = u64(at + 16), length = u64(at + 24), map = (size_t)number(file + at + 32, 4), behind = at + 36 + map;

	assert_int_equal(file[chunk], 0x06);
	assert_int_equal(length, 9 + u64(chunk + 1));
	assert_true(u64(at) == u64(chunk + 9) && u64(at + 8) == u64(chunk + 17));
	for (size_t k = at + 36; k < behind; k += 10) {
		size_t index = u64(k + 2);

		assert_true(index >= chunk + length && index < chunk + length + u64(behind));
		assert_int_equal(file[index], 0x07);
		assert_int_equal(number(file + index + 9, 2), number(file + k, 2));
	}
	assert_memory_equal(file + behind + 12, "zstd", 4);
	assert_true(u64(behind + 16) == u64(chunk + 9 + 36) && u64(behind + 24) == u64(chunk + 9 + 16));
}

static void check_statistics(const struct seen *s, size_t at)
{
	assert_int_equal(u64(at), s->messages[0]);
	assert_int_equal(number(file + at + 8, 2), 1);
	assert_int_equal(number(file + at + 10, 4), CHANNELS);
	assert_int_equal(number(file + at + 18, 4), 1);
	assert_int_equal(number(file + at + 22, 4), s->of[0x06]);
	assert_true(u64(at + 26) == s->first_ns && u64(at + 34) == s->last_ns);
	for (size_t k = at + 46; k < at + 46 + number(file + at + 42, 4); k += 10)
		assert_int_equal(u64(k + 2), s->messages[number(file + k, 2)]);
}

/* Every Summary Offset names one unbroken group of records of its kind. */
static void check_summary_offset(size_t at)
{
	size_t start = u64(at + 1), end = start + u64(at + 9);

	for (; start < end; start += 9 + u64(start + 1))
		assert_int_equal(file[start], file[at]);
	assert_int_equal(start, end);
	assert_int_not_equal(file[end], file[at]);
}

static void check_record(struct seen *s, size_t *chunk, size_t at)
{
	switch (file[at]) {
	case 0x06:
		*chunk = at + 9;
		check_chunk(s, *chunk);
		break;
	case 0x07:
		check_message_index(*chunk, at + 9);
		break;
	case 0x08:
		check_chunk_index(at + 9);
		break;
	case 0x0b:
		check_statistics(s, at + 9);
		break;
	case 0x0e:
		check_summary_offset(at + 9);
		break;
	case 0x0f:
		s->data_end = at;
		assert_int_equal(number(file + at + 9, 4), crc32(0, file, (uInt)at));
		break;
	case 0x02:
		s->summary_end = at;
		assert_int_equal(u64(at + 9), s->data_end + 13);
		assert_int_equal(file[u64(at + 17)], 0x0e);
		assert_int_equal(number(file + at + 25, 4), crc32(0, file + s->data_end + 13, (uInt)(at + 25 - s->data_end - 13)));
		break;
	default:
		break;
	}
}

/* The whole file, which must end with a footer. */
static struct seen walk(void)
{
	static const uint8_t magic[8] = { 0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a };
	struct seen s = { 0 };
	size_t chunk = 0, at = 8;
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	file_n = fread(file, 1, sizeof file, f);
	fclose(f);
	assert_in_range(file_n, 16, sizeof file - 1);
	assert_memory_equal(file, magic, 8);
	assert_int_equal(file[8], 0x01);
	while (s.summary_end == 0) {
		assert_true(at + 9 <= file_n && u64(at + 1) <= file_n - at - 9);
		s.of[file[at]]++;
		check_record(&s, &chunk, at);
		at += 9 + u64(at + 1);
	}
	assert_int_equal(at + 8, file_n);
	assert_memory_equal(file + at, magic, 8);
	return s;
}

/* ---- writing ---- */

static struct mcap_writer *begin(void)
{
	struct mcap_options o = { .path = path, .library = "test", .chunk_bytes = CHUNK, .message_bytes_max = LARGEST };
	struct mcap_writer *w = NULL;
	struct errbuf e;
	uint16_t schema, channel;

	assert_int_equal(mcap_open(&w, open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), &o, &e), 0);
	assert_int_equal(mcap_add_schema(w, "thing", "jsonschema", "{\"type\":\"object\"}", &schema, &e), 0);
	assert_int_equal(mcap_add_metadata(w, "about", (struct mcap_pair[]){ { "a", "b" } }, 1, &e), 0);
	for (uint16_t i = 1; i <= CHANNELS; i++) {
		assert_int_equal(mcap_add_channel(w, schema, i == 1 ? "/one" : "/two", "json", &channel, &e), 0);
		assert_int_equal(channel, i);
	}
	return w;
}

static int put(struct mcap_writer *w, uint32_t i, struct errbuf *e)
{
	uint8_t data[LARGEST];

	for (size_t k = 0; k < size_of(i); k++)
		data[k] = (uint8_t)(i + k);
	return mcap_add_message(w, &(struct mcap_message){ .channel = (uint16_t)(1 + i % CHANNELS), .log_ns = log_of(i),
			.publish_ns = log_of(i) - 5, .data = data, .n = size_of(i) }, e);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "test_mcap_writer.%d", (int)getpid());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void every_record_is_as_the_spec_says(void **state)
{
	struct mcap_writer *w = begin();
	struct errbuf e;
	struct seen s;
	bool whole;

	(void)state;
	for (uint32_t i = 0; i < MESSAGES; i++)
		assert_int_equal(put(w, i, &e), 0);
	assert_int_equal(mcap_sync(w, &e), 0);
	assert_false(mcap_is_full(w));
	assert_int_equal(mcap_close(w, &whole, &e), 0);
	assert_true(whole);
	s = walk();
	assert_int_equal(s.messages[0], MESSAGES);
	assert_int_equal(s.of[0x03], 2); /* the schema and its copy in the summary */
	assert_int_equal(s.of[0x04], 2 * CHANNELS);
	assert_true(s.of[0x06] > 6 && s.of[0x06] == s.of[0x08]);
	assert_int_equal(s.of[0x0e], 5);
}

static void a_file_without_messages_is_whole(void **state)
{
	struct mcap_writer *w = begin();
	struct errbuf e;
	bool whole;

	(void)state;
	assert_int_equal(mcap_flush(w, &e), 0);
	assert_int_equal(mcap_close(w, &whole, &e), 0);
	assert_true(whole);
	assert_int_equal(walk().messages[0], 0);
}

static void what_does_not_fit_is_refused_and_the_file_goes_on(void **state)
{
	static uint8_t large[LARGEST + 1];
	struct mcap_writer *w = begin();
	struct errbuf e;
	uint16_t id;
	bool whole;

	(void)state;
	assert_int_equal(mcap_add_message(w, &(struct mcap_message){ .channel = 1, .data = large, .n = LARGEST + 1 }, &e), -E2BIG);
	assert_non_null(strstr(e.text, "20001 bytes, allowed at most 20000"));
	assert_int_equal(mcap_add_message(w, &(struct mcap_message){ .channel = CHANNELS + 1 }, &e), -EINVAL);
	assert_int_equal(mcap_add_message(w, &(struct mcap_message){ .channel = 0 }, &e), -EINVAL);
	char *text = malloc(1 << 20);
	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = 0;
	assert_int_equal(mcap_add_schema(w, "s", "jsonschema", text, &id, &e), -E2BIG);
	assert_int_equal(mcap_add_metadata(w, "m", (struct mcap_pair[]){ { "k", text } }, 1, &e), -E2BIG);
	free(text);
	assert_int_equal(put(w, 0, &e), 0);
	assert_int_equal(mcap_close(w, &whole, &e), 0);
	assert_int_equal(walk().messages[0], 1);
}

/* The limit stands in for a full disk: write(2) says EFBIG where that says ENOSPC. */
static void a_full_disk_leaves_whole_chunks_and_a_summary(void **state)
{
	struct rlimit old, low = { .rlim_cur = 60000 };
	struct mcap_writer *w = begin();
	struct errbuf e = { "" };
	struct seen s;
	int rc = 0;
	bool whole;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	low.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &low);
	for (uint32_t i = 0; rc == 0; i++)
		rc = put(w, i, &e);
	assert_int_equal(rc, -EFBIG);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(mcap_flush(w, &e), -EFBIG);
	assert_int_equal(mcap_sync(w, &e), -EFBIG);
	assert_in_range(mcap_written_bytes(w), 1000, 60000);
	setrlimit(RLIMIT_FSIZE, &old); /* somebody made room: the summary finds some */
	assert_int_equal(mcap_close(w, &whole, &e), -EFBIG);
	assert_true(whole);
	s = walk();
	assert_true(s.of[0x06] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_record_is_as_the_spec_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_without_messages_is_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused_and_the_file_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_whole_chunks_and_a_summary, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
