/* bench_film.c - see bench_film.h. */
#include "daemon/bench/bench_film.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record/mcap_reader.h"
#include "daemon/sys/jpeg.h"

/* What is shown again small needs no more quality, and no longer sides; it is the largest part of the file. */
enum { FILM_QUALITY = 72, FRAME_MS = 1000 / FILM_HZ, HAND_MS = 100, BEFORE_MS = 1000, PICTURE_BYTES_MAX = 1 << 22, SIDE_MAX = 1024 };
#define FILM_LENGTH_MS (INT64_C(60000) * FILM_MINUTES)

struct film {
	json_t *all;                  /* what the page gets; times in ms of wall time until cut() */
	struct jpeg_codec *codec;
	uint8_t *jpeg, *rgb;
	size_t rgb_bytes;
	int64_t begin_ms, end_ms;     /* begin_ms 0: no instruction yet */
	int64_t hand_ms;
	char driver[64], arm[64];     /* the newest; the topic of the first arm's state */
	uint64_t n_damaged;
};

/* ---- pictures ------------------------------------------------------------------------------------------------------------------- */

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int film_base64(const char *text, size_t n, unsigned char *out, size_t capacity, size_t *n_out)
{
	uint32_t bits = 0;
	size_t used = 0, padding = n > 0 && text[n - 1] == '=' ? 1 + (size_t)(n > 1 && text[n - 2] == '=') : 0;

	if (n % 4 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < n - padding; i++) {
		int six = sextet(text[i]);

		if (six < 0)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)six;
		if (i % 4 == 0)
			continue;
		if (used == capacity)
			return -ENOSPC;
		out[used++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	*n_out = used;
	return 0;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64_json(const uint8_t *bytes, size_t n)
{
	char *text = malloc(4 * (n / 3 + 1) + 1);
	size_t used = 0;

	for (size_t i = 0; text && i < n; i += 3) {
		uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)(i + 1 < n ? bytes[i + 1] : 0) << 8 | (i + 2 < n ? bytes[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			text[used++] = i + k > n ? '=' : digits[three >> (18 - 6 * k) & 63];
	}
	json_t *j = text ? json_stringn(text, used) : NULL;

	free(text);
	return j;
}

static bool make_room(struct film *f, size_t bytes)
{
	if (bytes <= f->rgb_bytes)
		return true;
	uint8_t *rgb = realloc(f->rgb, bytes);

	f->rgb = rgb ? rgb : f->rgb;
	f->rgb_bytes = rgb ? bytes : f->rgb_bytes;
	return rgb;
}

/* In place, to sides of SIDE_MAX at most: each pixel the mean of a square. What is left over at the right and the bottom is cut off. */
static void shrink(uint8_t *rgb, uint32_t *width, uint32_t *height)
{
	uint32_t longer = *width > *height ? *width : *height, by = (longer + SIDE_MAX - 1) / SIDE_MAX, w = *width / by, h = *height / by;
	size_t row = (size_t)3 * *width;

	for (uint32_t i = 0; by > 1 && i < 3 * w * h; i++) {
		const uint8_t *from = rgb + (size_t)(i / (3 * w)) * by * row + (size_t)(i / 3 % w) * by * 3 + i % 3;
		uint32_t sum = 0;

		for (uint32_t y = 0; y < by; y++)
			for (uint32_t x = 0; x < by; x++)
				sum += from[y * row + 3 * x];
		rgb[i] = (uint8_t)(sum / (by * by));
	}
	*width = w;
	*height = h;
}

/* The same picture in fewer bytes; NULL: it cannot be read. */
static json_t *smaller(struct film *f, const json_t *data, json_t *camera)
{
	struct errbuf ignored;
	uint32_t width, height;
	size_t n = 0;

	if (film_base64(json_string_value(data), json_string_length(data), f->jpeg, PICTURE_BYTES_MAX, &n) < 0
			|| jpeg_read_size(f->jpeg, n, &width, &height, &ignored) < 0 || !make_room(f, (size_t)3 * width * height)
			|| jpeg_decode_rgb(f->codec, f->jpeg, n, width, height, f->rgb, f->rgb_bytes, &ignored) < 0)
		return NULL;
	shrink(f->rgb, &width, &height);
	if (width == 0 || height == 0 || jpeg_encoded_bound(width, height) > PICTURE_BYTES_MAX
			|| jpeg_encode_rgb(f->codec, f->rgb, width, height, FILM_QUALITY, f->jpeg, PICTURE_BYTES_MAX, &n, &ignored) < 0)
		return NULL;
	json_object_set_new(camera, "width", json_integer(width));
	json_object_set_new(camera, "height", json_integer(height));
	return base64_json(f->jpeg, n);
}

/* In the order of their names: pictures of the same moment come in any order. */
static json_t *find_camera(struct film *f, const char *name)
{
	json_t *cameras = json_object_get(f->all, "cameras"), *camera;
	size_t i;

	json_array_foreach(cameras, i, camera) {
		int order = strcmp(json_string_value(json_object_get(camera, "name")), name);

		if (order == 0)
			return camera;
		if (order > 0)
			break;
	}
	json_array_insert_new(cameras, i, json_pack("{s:s, s:[]}", "name", name, "frames"));
	return json_array_get(cameras, i);
}

static int64_t time_of(const json_t *row)
{
	return json_integer_value(json_array_get(row, 0));
}

static void take_picture(struct film *f, const char *topic, const json_t *m, int64_t t_ms)
{
	json_t *data = json_object_get(m, "data"), *format = json_object_get(m, "format");

	if (!json_is_string(data) || !json_is_string(format) || strcmp(json_string_value(format), "jpeg") != 0)
		return;
	json_t *camera = find_camera(f, topic + strlen("/camera/")), *frames = json_object_get(camera, "frames");
	size_t n = json_array_size(frames);

	if (n > 0 && t_ms - time_of(json_array_get(frames, n - 1)) < FRAME_MS)
		return;
	json_t *picture = smaller(f, data, camera);

	f->n_damaged += !picture;
	if (picture)
		json_array_append_new(frames, json_pack("[I, o]", (json_int_t)t_ms, picture));
}

/* ---- all else ---------------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *m, const char *key)
{
	const char *text = json_string_value(json_object_get(m, key));

	return text ? text : "";
}

static void add(struct film *f, const char *what, int64_t t_ms, const char *text, const char *more)
{
	json_array_append_new(json_object_get(f->all, what), json_pack("[I, s, s]", (json_int_t)t_ms, text, more));
}

static void take_event(struct film *f, const char *topic, const json_t *m, int64_t t_ms)
{
	const char *kind = text_of(m, "kind");

	(void)topic;
	if (strcmp(kind, "instruction") == 0) {
		f->begin_ms = f->begin_ms ? f->begin_ms : t_ms - BEFORE_MS;
		add(f, "told", t_ms, text_of(m, "reason"), "");
	} else if (strcmp(kind, "mode") == 0) {
		add(f, "modes", t_ms, text_of(m, "mode"), text_of(m, "reason"));
	} else if (strcmp(kind, "mark") == 0) {
		add(f, "marks", t_ms, text_of(m, "reason"), "");
	}
}

static void take_status(struct film *f, const char *topic, const json_t *m, int64_t t_ms)
{
	const char *driver = text_of(m, "driver");

	(void)topic;
	if (strcmp(driver, f->driver) == 0)
		return;
	snprintf(f->driver, sizeof f->driver, "%s", driver);
	add(f, "drivers", t_ms, driver, "");
}

static void take_chunk(struct film *f, const char *topic, const json_t *m, int64_t t_ms)
{
	(void)topic;
	(void)m;
	json_array_append_new(json_object_get(f->all, "chunks"), json_integer(t_ms));
}

static void take_state(struct film *f, const char *topic, const json_t *m, int64_t t_ms)
{
	const json_t *at = json_object_get(m, "ee_pos");

	if (!*f->arm)
		snprintf(f->arm, sizeof f->arm, "%s", topic);
	if (strcmp(f->arm, topic) != 0 || json_array_size(at) != 3 || t_ms - f->hand_ms < HAND_MS)
		return;
	f->hand_ms = t_ms;
	json_t *row = json_pack("[I]", (json_int_t)t_ms);

	for (size_t i = 0; i < 3; i++)
		json_array_append_new(row, json_real(round(1e4 * json_number_value(json_array_get(at, i))) / 1e4));
	json_array_append_new(row, json_real(round(1e4 * json_number_value(json_object_get(m, "gripper_m"))) / 1e4));
	json_array_append_new(json_object_get(f->all, "hand"), row);
}

static const struct {
	const char *topic;            /* one that ends with / is every topic that begins so */
	void (*take)(struct film *f, const char *topic, const json_t *m, int64_t t_ms);
} topics[] = {
	{ "/camera/", take_picture }, { "/event", take_event }, { "/status", take_status }, { "/chunk", take_chunk }, { "/state/", take_state },
};
enum { TOPICS = sizeof topics / sizeof *topics };

static size_t find_topic(const char *topic)
{
	size_t i = 0;

	for (; i < TOPICS; i++) {
		size_t n = strlen(topics[i].topic);

		if (strncmp(topic, topics[i].topic, n) == 0 && (topics[i].topic[n - 1] == '/' || topic[n] == 0))
			break;
	}
	return i;
}

static bool want_topic(void *context, const char *topic)
{
	(void)context;
	return find_topic(topic) < TOPICS;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------------- */

/* Numbers of 64 bits are no concern here: they become doubles. */
static void take_message(struct film *f, const struct mcap_read_message *m)
{
	json_t *j = json_loadb((const char *)m->data, m->n, JSON_DECODE_INT_AS_REAL, NULL);
	const char *topic = m->channel->topic;
	size_t i = find_topic(topic);

	f->n_damaged += !json_is_object(j);
	if (json_is_object(j) && i < TOPICS)
		topics[i].take(f, topic, j, (int64_t)(m->publish_ns / 1000000));
	json_decref(j);
}

static int64_t first_picture_ms(const struct film *f)
{
	const json_t *camera;
	int64_t first_ms = 0;
	size_t i;

	json_array_foreach(json_object_get(f->all, "cameras"), i, camera) {
		int64_t t_ms = time_of(json_array_get(json_object_get(camera, "frames"), 0));

		first_ms = t_ms && (!first_ms || t_ms < first_ms) ? t_ms : first_ms;
	}
	return first_ms;
}

static bool is_over(const struct film *f, int64_t t_ms)
{
	int64_t begin_ms = f->begin_ms ? f->begin_ms : first_picture_ms(f);

	return begin_ms && t_ms - begin_ms > FILM_LENGTH_MS;
}

static int read_messages(struct film *f, struct mcap_reader *r, struct errbuf *e)
{
	struct mcap_read_message m;
	struct errbuf why;
	int rc;

	while ((rc = mcap_reader_next(r, &m, &why)) != 0) {
		if (rc == -ENOMEM)
			return fail(e, rc, "%s", why.text);
		f->n_damaged += rc < 0;
		if (rc > 0 && is_over(f, (int64_t)(m.publish_ns / 1000000)))
			break;
		if (rc > 0)
			take_message(f, &m);
	}
	return 0;
}

/* Times from the film's beginning. Of what says how things are from then on, the last row before it stays, at 0; with `own` all that lies
 * before goes. */
static void cut(json_t *rows, int64_t begin_ms, bool own)
{
	size_t first = 0;

	while (first < json_array_size(rows) && time_of(json_array_get(rows, first)) < begin_ms)
		first++;
	for (size_t i = own || first == 0 ? first : first - 1; i-- > 0;)
		json_array_remove(rows, i);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		int64_t t_ms = time_of(json_array_get(rows, i)) - begin_ms;

		json_array_set_new(json_array_get(rows, i), 0, json_integer(t_ms > 0 ? t_ms : 0));
	}
}

static void cut_chunks(json_t *chunks, int64_t begin_ms)
{
	for (size_t i = json_array_size(chunks); i-- > 0;) {
		int64_t t_ms = json_integer_value(json_array_get(chunks, i)) - begin_ms;

		if (t_ms < 0)
			json_array_remove(chunks, i);
		else
			json_array_set_new(chunks, i, json_integer(t_ms));
	}
}

static int64_t last_of(const json_t *rows)
{
	size_t n = json_array_size(rows);

	return n > 0 ? time_of(json_array_get(rows, n - 1)) : 0;
}

static int finish(struct film *f, const struct film_options *o, struct errbuf *e)
{
	static const char *const states[] = { "told", "modes", "drivers", "hand" };
	int64_t begin_ms = f->begin_ms ? f->begin_ms : first_picture_ms(f), length_ms = 0;
	json_t *cameras = json_object_get(f->all, "cameras"), *camera;
	size_t i;

	if (first_picture_ms(f) == 0 && f->n_damaged > 0)
		return fail(e, -ENODATA, "%s: none of its pictures can be read: %" PRIu64 " messages are damaged", o->recording, f->n_damaged);
	if (first_picture_ms(f) == 0)
		return fail(e, -ENODATA, "%s: holds no JPEG pictures; want a recording with record.cameras", o->recording);
	for (i = json_array_size(cameras); i-- > 0;)
		if (json_array_size(json_object_get(json_array_get(cameras, i), "frames")) == 0)
			json_array_remove(cameras, i);
	json_array_foreach(cameras, i, camera) {
		cut(json_object_get(camera, "frames"), begin_ms, false);
		length_ms = last_of(json_object_get(camera, "frames")) > length_ms ? last_of(json_object_get(camera, "frames")) : length_ms;
	}
	for (i = 0; i < sizeof states / sizeof *states; i++)
		cut(json_object_get(f->all, states[i]), begin_ms, false);
	cut(json_object_get(f->all, "marks"), begin_ms, true);
	cut_chunks(json_object_get(f->all, "chunks"), begin_ms);
	json_object_set_new(f->all, "length", json_integer(length_ms));
	return 0;
}

/* In a page, no text may end the script that it stands in: every slash gets its backslash. */
static int write_page(const struct film *f, const char *path, struct errbuf *e)
{
	size_t n;
	const char *page = film_page(&n), *mark = strstr(page, FILM_MARK);
	FILE *out = mark ? fopen(path, "w") : NULL;

	if (!out)
		return fail(e, mark ? -errno : -EINVAL, "%s: %s", path, mark ? strerror(errno) : "the page has no place for the film");
	const char *rest = mark + strlen(FILM_MARK);
	bool good = fwrite(page, 1, (size_t)(mark - page), out) == (size_t)(mark - page)
		&& json_dumpf(f->all, out, JSON_COMPACT | JSON_ESCAPE_SLASH | JSON_REAL_PRECISION(6)) == 0
		&& fwrite(rest, 1, n - (size_t)(rest - page), out) == n - (size_t)(rest - page);

	return fclose(out) == 0 && good ? 0 : fail(e, -EIO, "%s: cannot be written", path);
}

static int begin(struct film *f, const struct film_options *o, struct errbuf *e)
{
	*f = (struct film){ .jpeg = malloc(PICTURE_BYTES_MAX) };
	f->all = json_pack("{s:s, s:[], s:[], s:[], s:[], s:[], s:[], s:[]}", "title", o->title, "cameras", "told", "modes", "drivers", "marks",
			"chunks", "hand");
	return f->jpeg && f->all ? jpeg_codec_create(&f->codec, e) : fail(e, -ENOMEM, "out of memory");
}

int film_make(const struct film_options *o, struct errbuf *e)
{
	const struct mcap_read_options how = { .order = MCAP_ORDER_TIME, .want = want_topic };
	struct mcap_reader *r = NULL;
	struct film f;
	int rc = begin(&f, o, e);

	if (rc == 0 && (rc = mcap_reader_open(&r, o->recording, &how, e)) == 0 && (rc = read_messages(&f, r, e)) == 0
			&& (rc = finish(&f, o, e)) == 0)
		rc = write_page(&f, o->path, e);
	if (rc == 0 && f.n_damaged > 0)
		fprintf(stderr, "dreamvla-bench: %s: %" PRIu64 " damaged messages or pictures are left out\n", o->recording, f.n_damaged);
	mcap_reader_close(r);
	jpeg_codec_destroy(f.codec);
	json_decref(f.all);
	free(f.rgb);
	free(f.jpeg);
	return rc;
}

int bench_film(const struct bench_options *o)
{
	struct errbuf e;

	if (o->n_arguments != 2) {
		fprintf(stderr, "dreamvla-bench film: want FILE.mcap FILE.html\n");
		return 2;
	}
	if (film_make(&(struct film_options){ o->argument[0], o->argument[1], "Dream-VLA" }, &e) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-bench: %s\n", e.text);
	return EXIT_FAILURE;
}
