/* test_mcap_reader.c - files made here byte by byte: bad ones first. */
#include "daemon/record/mcap_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "daemon/record/mcap.h"

#include <cmocka.h>

enum { FILE_BYTES = 1 << 16 };

/* ---- making files ---- */

struct buffer {
	uint8_t at[FILE_BYTES];
	size_t n;
};

static char path[] = "/tmp/test_mcap_reader.XXXXXX";
static struct buffer file, chunk;

static void put(struct buffer *b, uint64_t value, int n)
{
	for (int i = 0; i < n; i++)
		b->at[b->n++] = (uint8_t)(i < 8 ? value >> (8 * i) : 0);
}

static void put_bytes(struct buffer *b, const void *from, size_t n)
{
	memcpy(b->at + b->n, from, n);
	b->n += n;
}

static void put_text(struct buffer *b, const char *text)
{
	put(b, strlen(text), 4);
	put_bytes(b, text, strlen(text));
}

static void begin_file(void)
{
	file.n = 0;
	put_bytes(&file, mcap_magic, sizeof mcap_magic);
	put(&file, MCAP_HEADER, 1);
	put(&file, 8, 8);
	put_text(&file, "");
	put_text(&file, "");
}

static void put_channel(struct buffer *b, uint16_t id, uint16_t schema, const char *topic)
{
	put(b, MCAP_CHANNEL, 1);
	put(b, 2 + 2 + 4 + strlen(topic) + 4 + 4 + 4, 8);
	put(b, id, 2);
	put(b, schema, 2);
	put_text(b, topic);
	put_text(b, "json");
	put(b, 0, 4);
}

static void put_schema(struct buffer *b, uint16_t id, const char *text)
{
	put(b, MCAP_SCHEMA, 1);
	put(b, 2 + 4 + 1 + 4 + 1 + 4 + strlen(text), 8);
	put(b, id, 2);
	put_text(b, "n");
	put_text(b, "e");
	put_text(b, text);
}

static void put_message(struct buffer *b, uint16_t channel, uint64_t log_ns, const char *text)
{
	put(b, MCAP_MESSAGE, 1);
	put(b, MCAP_MESSAGE_HEAD_BYTES + strlen(text), 8);
	put(b, channel, 2);
	put(b, 7, 4);
	put(b, log_ns, 8);
	put(b, log_ns + 1, 8);
	put_bytes(b, text, strlen(text));
}

struct chunk_lie {
	uint64_t size;                /* 0: the truth */
	uint32_t crc;                 /* is changed by this */
	const char *compression;      /* NULL: zstd */
};

/* What `chunk` holds, which is then empty. */
static void end_chunk(uint64_t first_ns, uint64_t last_ns, const struct chunk_lie *lie)
{
	static uint8_t packed[FILE_BYTES];
	const char *compression = lie->compression ? lie->compression : "zstd";
	size_t n = *compression ? ZSTD_compress(packed, sizeof packed, chunk.at, chunk.n, 1) : chunk.n;

	put(&file, MCAP_CHUNK, 1);
	put(&file, 8 + 8 + 8 + 4 + 4 + strlen(compression) + 8 + n, 8);
	put(&file, first_ns, 8);
	put(&file, last_ns, 8);
	put(&file, lie->size > 0 ? lie->size : chunk.n, 8);
	put(&file, (uint32_t)crc32_z(0, chunk.at, chunk.n) ^ lie->crc, 4);
	put_text(&file, compression);
	put(&file, n, 8);
	put_bytes(&file, *compression ? packed : chunk.at, n);
	chunk.n = 0;
}

static void end_file(void)
{
	put(&file, MCAP_DATA_END, 1);
	put(&file, 4, 8);
	put(&file, 0, 4);
	put_channel(&file, 9, 0, "/b"); /* the summary */
	put(&file, MCAP_FOOTER, 1);
	put(&file, 20, 8);
	put(&file, 0, 8);
	put(&file, 0, 8);
	put(&file, 0, 4);
	put_bytes(&file, mcap_magic, sizeof mcap_magic);
}

static void save(size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(file.at, 1, n, f), n);
	fclose(f);
}

/* Two chunks whose times overlap: a 10 30 40, b 20 50 | a 35, b 36 60. */
static void make_good(void)
{
	const struct chunk_lie none = { 0 }, unpacked = { .compression = "" };

	begin_file();
	put_schema(&file, 1, "what");
	put_channel(&file, 3, 1, "/a");
	put_channel(&chunk, 9, 0, "/b"); /* of others' files: told in a chunk */
	put_message(&chunk, 3, 10, "a10");
	put_message(&chunk, 9, 20, "b20");
	put_message(&chunk, 3, 40, "a40");
	put_message(&chunk, 3, 30, "a30");
	put_message(&chunk, 9, 50, "b50");
	end_chunk(10, 50, &none);
	put_message(&chunk, 9, 36, "b36");
	put_message(&chunk, 3, 35, "a35");
	put_message(&chunk, 9, 60, "b60");
	end_chunk(35, 60, &unpacked);
	end_file();
	save(file.n);
}

/* ---- reading ---- */

static bool only_a(void *context, const char *topic)
{
	(void)context;
	return strcmp(topic, "/a") == 0;
}

static int open_it(struct mcap_reader **r, enum mcap_order order, mcap_want *want)
{
	struct mcap_read_options o = { .order = order, .want = want };
	struct errbuf e;
	int rc = mcap_reader_open(r, path, &o, &e);

	if (rc < 0)
		assert_non_null(strstr(e.text, path));
	return rc;
}

/* The messages up to the end or the first error (returned), one behind the other. */
static int read_all(struct mcap_reader *r, char *text)
{
	struct mcap_read_message m;
	struct errbuf e;
	int rc;

	*text = 0;
	while ((rc = mcap_reader_next(r, &m, &e)) > 0) {
		assert_int_equal(m.publish_ns, m.log_ns + 1);
		assert_int_equal(m.sequence, 7);
		assert_int_equal(m.data[0], m.channel->topic[1]);
		strncat(strcat(text, " "), (const char *)m.data, m.n);
	}
	if (rc < 0)
		assert_non_null(strstr(e.text, path));
	return rc;
}

static void expect(enum mcap_order order, mcap_want *want, uint64_t from_ns, int rc, const char *wanted)
{
	struct mcap_reader *r = NULL;
	char text[256];

	assert_int_equal(open_it(&r, order, want), 0);
	if (from_ns > 0)
		mcap_reader_seek(r, from_ns);
	assert_int_equal(read_all(r, text), rc);
	assert_string_equal(text, wanted);
	mcap_reader_close(r);
}

/* ---- bad files ---- */

static void test_no_mcap(void **state)
{
	struct mcap_reader *r = NULL;
	struct mcap_read_options o = { 0 };
	struct errbuf e;

	(void)state;
	assert_int_equal(mcap_reader_open(&r, "/nowhere/x.mcap", &o, &e), -ENOENT);
	assert_int_equal(mcap_reader_open(&r, "/tmp", &o, &e), -EBADMSG);
	make_good();
	save(0);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), -EBADMSG);
	save(7);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), -EBADMSG);
	file.at[1] = 'X';
	save(file.n);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), -EBADMSG);
	assert_null(r);
	mcap_reader_close(NULL);
}

/* Cut anywhere: never an error, never more than whole chunks, and said. */
static void test_cut_anywhere(void **state)
{
	static const char *const may_be[] = { "", " a10 b20 a40 a30 b50", " a10 b20 a40 a30 b50 b36 a35 b60" };
	char text[256];

	(void)state;
	make_good();
	for (size_t n = MCAP_MAGIC_BYTES; n <= file.n; n++) {
		struct mcap_reader *r = NULL;

		save(n);
		assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), 0);
		const struct mcap_read_info *info = mcap_reader_info(r);

		assert_int_equal(info->cut, n < file.n);
		assert_true(info->whole_bytes <= n);
		assert_int_equal(read_all(r, text), 0);
		assert_string_equal(text, may_be[info->n_chunks]);
		mcap_reader_close(r);
	}
}

/* Any byte changed: an end or an error, and never more messages than there were, nor bytes outside of the file's. */
static void test_byte_changed(void **state)
{
	(void)state;
	make_good();
	for (size_t i = 0; i < file.n; i++) {
		struct mcap_reader *r = NULL;

		file.at[i] ^= 0x55;
		save(file.n);
		if (open_it(&r, MCAP_ORDER_TIME, only_a) == 0) {
			struct mcap_read_message m;
			struct errbuf e;
			int left = 20;

			while (mcap_reader_next(r, &m, &e) != 0 && left-- > 0)
				;
			assert_true(left > 0);
		}
		mcap_reader_close(r);
		file.at[i] ^= 0x55;
	}
}

static void bad_chunk(const struct chunk_lie *lie, int rc)
{
	const struct chunk_lie none = { 0 };
	struct mcap_reader *r = NULL;
	char text[256];

	begin_file();
	put_channel(&file, 3, 0, "/a");
	put_message(&chunk, 3, 10, "a10");
	end_chunk(10, 10, lie);
	put_message(&chunk, 3, 20, "a20");
	end_chunk(20, 20, &none);
	end_file();
	save(file.n);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), 0);
	assert_int_equal(read_all(r, text), rc);
	assert_string_equal(text, "");
	assert_int_equal(read_all(r, text), 0); /* goes on behind it */
	assert_string_equal(text, " a20");
	mcap_reader_close(r);
}

static void test_bad_chunks(void **state)
{
	(void)state;
	bad_chunk(&(struct chunk_lie){ .crc = 1 }, -EBADMSG);
	bad_chunk(&(struct chunk_lie){ .size = 1 }, -EBADMSG);
	bad_chunk(&(struct chunk_lie){ .size = 100000 }, -EBADMSG);
	bad_chunk(&(struct chunk_lie){ .size = UINT64_MAX }, -E2BIG);
	bad_chunk(&(struct chunk_lie){ .compression = "", .size = 5 }, -EBADMSG);
	bad_chunk(&(struct chunk_lie){ .compression = "lz4" }, -ENOTSUP);
	bad_chunk(&(struct chunk_lie){ .compression = "a compression of a very long name" }, -ENOTSUP);
}

/* Whole by its checksum, and nonsense inside. */
static void bad_content(void)
{
	const struct chunk_lie none = { 0 };

	end_chunk(10, 10, &none);
	end_file();
	save(file.n);
	expect(MCAP_ORDER_FILE, NULL, 0, -EBADMSG, "");
}

static void test_bad_content(void **state)
{
	(void)state;
	begin_file();
	put_message(&chunk, 3, 10, "a channel that nobody named");
	bad_content();
	begin_file();
	put_channel(&file, 3, 0, "/a");
	put(&chunk, MCAP_MESSAGE, 1);
	put(&chunk, 21, 8); /* one less than a message's head */
	put(&chunk, 3, 21);
	bad_content();
	begin_file();
	put(&chunk, MCAP_MESSAGE, 1);
	put(&chunk, UINT64_MAX, 8);
	bad_content();
	begin_file();
	put(&chunk, MCAP_CHANNEL, 1);
	put(&chunk, 8, 8);
	put(&chunk, 3, 4);
	put(&chunk, UINT32_MAX, 4); /* a topic longer than everything */
	bad_content();
}

static void test_too_many(void **state)
{
	const struct chunk_lie none = { 0 };
	struct mcap_reader *r = NULL;

	(void)state;
	begin_file();
	for (uint16_t i = 0; i <= MCAP_READ_NAMES_MAX; i++)
		put_channel(&file, (uint16_t)(i + 1), 0, "/a");
	save(file.n);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), -E2BIG);
	begin_file();
	put_channel(&file, 3, 0, "/a");
	for (int i = 0; i <= MCAP_READ_OVERLAP_MAX; i++) {
		put_message(&chunk, 3, 10, "a10");
		put_message(&chunk, 3, 20, "a20");
		end_chunk(10, 20, &none);
	}
	save(file.n);
	expect(MCAP_ORDER_TIME, NULL, 0, -E2BIG, " a10 a10 a10 a10");
	expect(MCAP_ORDER_FILE, NULL, 0, 0, " a10 a20 a10 a20 a10 a20 a10 a20 a10 a20");
}

/* ---- good files ---- */

static void test_orders(void **state)
{
	(void)state;
	make_good();
	expect(MCAP_ORDER_FILE, NULL, 0, 0, " a10 b20 a40 a30 b50 b36 a35 b60");
	expect(MCAP_ORDER_TIME, NULL, 0, 0, " a10 b20 a30 a35 b36 a40 b50 b60");
	expect(MCAP_ORDER_TIME, only_a, 0, 0, " a10 a30 a35 a40");
	expect(MCAP_ORDER_FILE, only_a, 35, 0, " a40 a35");
	expect(MCAP_ORDER_TIME, NULL, 36, 0, " b36 a40 b50 b60");
	expect(MCAP_ORDER_TIME, NULL, 51, 0, " b60");
	expect(MCAP_ORDER_TIME, NULL, 61, 0, "");
}

static void test_seek_again(void **state)
{
	struct mcap_reader *r = NULL;
	char text[256];

	(void)state;
	make_good();
	assert_int_equal(open_it(&r, MCAP_ORDER_TIME, NULL), 0);
	assert_int_equal(mcap_reader_info(r)->first_ns, 10);
	assert_int_equal(mcap_reader_info(r)->last_ns, 60);
	assert_int_equal(read_all(r, text), 0);
	mcap_reader_seek(r, 50);
	assert_int_equal(read_all(r, text), 0);
	assert_string_equal(text, " b50 b60");
	mcap_reader_seek(r, 0);
	assert_int_equal(read_all(r, text), 0);
	assert_string_equal(text, " a10 b20 a30 a35 b36 a40 b50 b60");
	mcap_reader_close(r);
}

static void test_names(void **state)
{
	struct mcap_reader *r = NULL;
	struct mcap_read_message m;
	struct errbuf e;

	(void)state;
	make_good();
	file.n -= 13 + 31 + 29 + 8; /* in front of Data End */
	put(&file, MCAP_METADATA, 1);
	put(&file, 4 + 4 + 4 + 4 + 1 + 4 + 3, 8);
	put_text(&file, "meta");
	put(&file, 12, 4);
	put_text(&file, "k");
	put_text(&file, "val");
	end_file();
	save(file.n);
	assert_int_equal(open_it(&r, MCAP_ORDER_FILE, NULL), 0);
	assert_string_equal(mcap_reader_metadata(r, "meta", "k"), "val");
	assert_null(mcap_reader_metadata(r, "meta", "v"));
	assert_null(mcap_reader_metadata(r, "met", "k"));
	assert_int_equal(mcap_reader_next(r, &m, &e), 1);
	assert_string_equal(m.channel->topic, "/a");
	assert_string_equal(m.channel->encoding, "json");
	assert_string_equal(m.channel->schema->text, "what");
	assert_int_equal(mcap_reader_next(r, &m, &e), 1);
	assert_null(m.channel->schema);
	mcap_reader_close(r);
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_mcap),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_byte_changed),
		cmocka_unit_test(test_bad_chunks),
		cmocka_unit_test(test_bad_content),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_seek_again),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
