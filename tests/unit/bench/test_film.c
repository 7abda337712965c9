/* test_film.c - a film out of a recording: what it shows and from when, texts that would end its script, recordings without pictures. */
#include "daemon/bench/bench_film.h"
#include "daemon/record/mcap_writer.h"
#include "daemon/sys/jpeg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define WALL_MS INT64_C(1790000000000)
enum { SIDE = 16, TOPICS = 7, TEXT_BYTES = 8192, WIDE = 2100, PIXELS_MAX = 40 * WIDE };
enum topic { CAMERA, EVENT, STATUS, CHUNK, STATE, TRACE, SECOND_CAMERA };

struct file {
	char path[64], page[80];
	struct mcap_writer *writer;
	uint16_t channel[TOPICS];
	char picture[4096];
};

/* A picture in base64, written by another hand than the film's: dark on the left, bright on the right. */
static void make_picture(char *out, uint32_t width, uint32_t height, int left, int right)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static uint8_t rgb[3 * PIXELS_MAX];
	static uint8_t jpeg[1 << 19];
	struct jpeg_codec *codec;
	size_t n, used = 0;

	assert_true(width * height <= PIXELS_MAX);
	for (uint32_t i = 0; i < 3 * width * height; i++)
		rgb[i] = (uint8_t)(i / 3 % width < width / 2 ? left : right);
	assert_int_equal(jpeg_codec_create(&codec, NULL), 0);
	assert_int_equal(jpeg_encode_rgb(codec, rgb, width, height, 90, jpeg, sizeof jpeg, &n, NULL), 0);
	jpeg_codec_destroy(codec);
	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		unsigned six = 0;

		for (size_t k = bit; k < bit + 6; k++)
			six = six << 1 | (k < 8 * n ? (unsigned)jpeg[k / 8] >> (7 - k % 8) & 1u : 0u);
		out[used++] = digits[six];
	}
	while (used % 4)
		out[used++] = '=';
	out[used] = 0;
}

static void begin(struct file *f)
{
	static const char *const topics[TOPICS] = { "/camera/wrist", "/event", "/status", "/chunk", "/state/arm", "/trace", "/camera/overhead" };
	uint16_t schema;

	snprintf(f->path, sizeof f->path, "/tmp/test_film.XXXXXX");
	int fd = mkstemp(f->path);

	assert_true(fd >= 0);
	snprintf(f->page, sizeof f->page, "%s.html", f->path);
	assert_int_equal(mcap_open(&f->writer, fd, &(struct mcap_options){ f->path, "test", 65536, 65536 }, NULL), 0);
	assert_int_equal(mcap_add_schema(f->writer, "any", "jsonschema", "{}", &schema, NULL), 0);
	for (int i = 0; i < TOPICS; i++)
		assert_int_equal(mcap_add_channel(f->writer, schema, topics[i], "json", &f->channel[i], NULL), 0);
	make_picture(f->picture, SIDE, SIDE, 128, 128);
}

static void put(struct file *f, enum topic topic, int64_t t_ms, const char *text)
{
	const uint64_t at_ns = (uint64_t)(WALL_MS + t_ms) * 1000000;

	assert_int_equal(mcap_add_message(f->writer, &(struct mcap_message){ .channel = f->channel[topic], .log_ns = at_ns, .publish_ns = at_ns,
			.data = (const uint8_t *)text, .n = strlen(text) }, NULL), 0);
}

static void put_picture(struct file *f, int64_t t_ms, const char *data)
{
	char text[TEXT_BYTES];

	snprintf(text, sizeof text, "{\"from\":\"18446744073709551615\",\"format\":\"jpeg\",\"data\":\"%s\"}", data);
	put(f, CAMERA, t_ms, text);
	put(f, SECOND_CAMERA, t_ms, text);
}

static void put_event(struct file *f, int64_t t_ms, const char *kind, const char *mode, const char *reason)
{
	char text[TEXT_BYTES];

	snprintf(text, sizeof text, "{\"kind\":\"%s\",\"mode\":\"%s\",\"reason\":\"%s\"}", kind, mode, reason);
	put(f, EVENT, t_ms, text);
}

static int make(struct file *f, struct errbuf *e)
{
	bool whole;

	assert_int_equal(mcap_close(f->writer, &whole, NULL), 0);
	return film_make(&(struct film_options){ f->path, f->page, "a </script> title" }, e);
}

static char *read_page(const struct file *f)
{
	FILE *in = fopen(f->page, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(in);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
	fclose(in);
	return text;
}

/* The film's data, out of the page. */
static json_t *read_film(const struct file *f)
{
	char *page = read_page(f), *from = strstr(page, "const film = ");
	json_error_t e;

	assert_non_null(from);
	json_t *film = json_loads(from + strlen("const film = "), JSON_DISABLE_EOF_CHECK, &e);

	assert_non_null(film);
	assert_memory_equal(from + strlen("const film = ") + e.position, ";\n", 2); /* the page goes on */
	free(page);
	return film;
}

static void finish(struct file *f)
{
	unlink(f->path);
	unlink(f->page);
}

static json_int_t at(const json_t *rows, size_t i)
{
	const json_t *row = json_array_get(rows, i);

	return json_integer_value(json_is_array(row) ? json_array_get(row, 0) : row);
}

static const char *said(const json_t *rows, size_t i)
{
	return json_string_value(json_array_get(json_array_get(rows, i), 1));
}

/* 3 s of pictures at 30 Hz; the policy is told something after 2 s. */
static void put_run(struct file *f)
{
	put_event(f, 0, "mode", "READY", "all is there");
	for (int64_t t_ms = 0; t_ms < 3000; t_ms += 33) {
		put_picture(f, t_ms, f->picture);
		put(f, STATUS, t_ms + 1, t_ms < 2500 ? "{\"driver\":\"none\"}" : "{\"driver\":\"policy\"}");
		put(f, STATE, t_ms + 1, "{\"ee_pos\":[0.5,-0.25,0.125],\"gripper_m\":0.08}");
	}
	put(f, CHUNK, 500, "{}");
	put_event(f, 500, "mark", "", "too early");
	put_event(f, 2000, "instruction", "", "pick up </script> the \\\"red\\\" block");
	put_event(f, 2400, "mode", "AUTO", "asked for");
	put(f, CHUNK, 2450, "{\"id\":1}");
	put_event(f, 2900, "mark", "", "picked up: yes, 0.5 s");
	put(f, TRACE, 2950, "no JSON");
}

static void test_begins_a_second_before_the_first_instruction(void **state)
{
	struct file f;
	struct errbuf e;

	(void)state;
	begin(&f);
	put_run(&f);
	assert_int_equal(make(&f, &e), 0);
	json_t *film = read_film(&f), *cameras = json_object_get(film, "cameras"), *camera = json_array_get(cameras, 1), *frames = json_object_get(camera, "frames");

	assert_int_equal(json_array_size(cameras), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(cameras, 0), "name")), "overhead"); /* by name, whichever came first */
	assert_string_equal(json_string_value(json_object_get(camera, "name")), "wrist");
	assert_int_equal(json_integer_value(json_object_get(camera, "width")), SIDE);
	assert_in_range(json_array_size(frames), 14, 18); /* 2 s at 8 Hz, by pictures that come every 33 ms */
	assert_in_range(json_integer_value(json_object_get(film, "length")), 1850, 2000);
	assert_int_equal(at(json_object_get(film, "told"), 0), 1000);
	assert_int_equal(at(json_object_get(film, "modes"), 0), 0); /* READY held already */
	assert_int_equal(at(json_object_get(film, "modes"), 1), 1400);
	assert_string_equal(said(json_object_get(film, "modes"), 1), "AUTO");
	assert_string_equal(said(json_object_get(film, "drivers"), 1), "policy");
	assert_int_equal(json_array_size(json_object_get(film, "chunks")), 1);
	assert_int_equal(at(json_object_get(film, "chunks"), 0), 1450);
	assert_int_equal(json_array_size(json_object_get(film, "marks")), 1);
	assert_int_equal(at(json_object_get(film, "marks"), 0), 1900);
	json_decref(film);
	finish(&f);
}

static void test_texts_do_not_end_the_script(void **state)
{
	struct file f;
	struct errbuf e;

	(void)state;
	begin(&f);
	put_run(&f);
	assert_int_equal(make(&f, &e), 0);
	json_t *film = read_film(&f);
	char *page = read_page(&f), *end = strstr(page, "</script>");

	assert_string_equal(said(json_object_get(film, "told"), 0), "pick up </script> the \"red\" block");
	assert_string_equal(json_string_value(json_object_get(film, "title")), "a </script> title");
	assert_non_null(end);
	assert_null(strstr(end + 1, "</script>"));
	free(page);
	json_decref(film);
	finish(&f);
}

static void test_pictures_are_the_recorded_ones(void **state)
{
	struct file f;
	struct errbuf e;
	struct jpeg_codec *codec;
	unsigned char jpeg[4096];
	uint8_t rgb[3 * SIDE * SIDE];
	size_t n;

	(void)state;
	begin(&f);
	put_picture(&f, 0, f.picture);
	put_picture(&f, 500, "AAAA");   /* no picture */
	put_picture(&f, 1000, "A*==");
	assert_int_equal(make(&f, &e), 0);
	json_t *film = read_film(&f), *frames = json_object_get(json_array_get(json_object_get(film, "cameras"), 0), "frames");
	const char *text = said(frames, 0);

	assert_int_equal(json_array_size(frames), 1);
	assert_int_equal(film_base64(text, strlen(text), jpeg, sizeof jpeg, &n), 0);
	assert_int_equal(jpeg_codec_create(&codec, &e), 0);
	assert_int_equal(jpeg_decode_rgb(codec, jpeg, n, SIDE, SIDE, rgb, sizeof rgb, &e), 0);
	assert_in_range(rgb[100], 126, 130);
	jpeg_codec_destroy(codec);
	json_decref(film);
	finish(&f);
}

/* As cameras of 1080 lines have them. */
static void test_large_pictures_become_smaller(void **state)
{
	struct file f;
	struct errbuf e;
	struct jpeg_codec *codec;
	unsigned char jpeg[4096];
	uint8_t rgb[3 * 700 * 13];
	size_t n;

	(void)state;
	begin(&f);
	make_picture(f.picture, WIDE, 40, 40, 200);
	put_picture(&f, 0, f.picture);
	assert_int_equal(make(&f, &e), 0);
	json_t *film = read_film(&f), *camera = json_array_get(json_object_get(film, "cameras"), 0);
	const char *text = said(json_object_get(camera, "frames"), 0);

	assert_int_equal(json_integer_value(json_object_get(camera, "width")), 700);
	assert_int_equal(json_integer_value(json_object_get(camera, "height")), 13);
	assert_int_equal(film_base64(text, strlen(text), jpeg, sizeof jpeg, &n), 0);
	assert_int_equal(jpeg_codec_create(&codec, &e), 0);
	assert_int_equal(jpeg_decode_rgb(codec, jpeg, n, 700, 13, rgb, sizeof rgb, &e), 0);
	assert_in_range(rgb[3 * (700 * 12 + 300)], 37, 43);
	assert_in_range(rgb[3 * (700 * 12 + 400)], 197, 203);
	jpeg_codec_destroy(codec);
	json_decref(film);
	finish(&f);
}

static void test_without_pictures_there_is_no_film(void **state)
{
	struct file f;
	struct errbuf e;

	(void)state;
	begin(&f);
	put_event(&f, 0, "instruction", "", "pick up the red block");
	assert_int_equal(make(&f, &e), -ENODATA);
	assert_non_null(strstr(e.text, "holds no JPEG pictures; want a recording with record.cameras"));
	assert_int_equal(access(f.page, F_OK), -1);
	finish(&f);
	begin(&f);
	put_picture(&f, 0, "AAAA");
	assert_int_equal(make(&f, &e), -ENODATA); /* a camera, and no picture of it */
	assert_non_null(strstr(e.text, "none of its pictures can be read: 2 messages are damaged"));
	finish(&f);
	assert_int_equal(film_make(&(struct film_options){ "/nonexistent.mcap", "/tmp/x.html", "" }, &e), -ENOENT);
}

static void test_base64(void **state)
{
	unsigned char out[8];
	size_t n;

	(void)state;
	assert_int_equal(film_base64("Zm9vYmE=", 8, out, sizeof out, &n), 0); /* RFC 4648, section 10 */
	assert_int_equal(n, 5);
	assert_memory_equal(out, "fooba", 5);
	assert_int_equal(film_base64("Zg==", 4, out, sizeof out, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(film_base64("", 0, out, sizeof out, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(film_base64("Zm9vYmFy", 8, out, 5, &n), -ENOSPC);
	assert_int_equal(film_base64("Zm9", 3, out, sizeof out, &n), -EBADMSG);
	assert_int_equal(film_base64("Zm\n=", 4, out, sizeof out, &n), -EBADMSG);
	assert_int_equal(film_base64("====", 4, out, sizeof out, &n), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_a_second_before_the_first_instruction),
		cmocka_unit_test(test_texts_do_not_end_the_script),
		cmocka_unit_test(test_pictures_are_the_recorded_ones),
		cmocka_unit_test(test_large_pictures_become_smaller),
		cmocka_unit_test(test_without_pictures_there_is_no_film),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
