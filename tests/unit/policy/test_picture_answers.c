/* test_picture_answers.c - every picture step and kind of JPEG against the answers of TensorFlow and Pillow in data/, bit for bit. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>

#include "daemon/sys/arena.h"
#include "daemon/sys/jpeg.h"
#include "policy/image_resize.h"

enum { SIDE_MAX = 256, BYTES_MAX = SIDE_MAX * SIDE_MAX * 3 };

static json_t *header;
static const uint8_t *tensors;
static char *file;
static struct jpeg_codec *codec;
static struct errbuf e;
static uint8_t middle[BYTES_MAX], out[BYTES_MAX];
static float scratch[SIDE_MAX * 64];

static struct {
	struct arena arena;
	struct image_taps rows, columns;
	struct image_crop_axis crop_rows, crop_columns;
} tables;

static void lay_out(void)
{
	image_taps_lay_out(&tables.rows, &tables.arena, SIDE_MAX, SIDE_MAX);
	image_taps_lay_out(&tables.columns, &tables.arena, SIDE_MAX, SIDE_MAX);
	image_crop_axis_lay_out(&tables.crop_rows, &tables.arena, SIDE_MAX);
	image_crop_axis_lay_out(&tables.crop_columns, &tables.arena, SIDE_MAX);
}

static int open_answers(void **state)
{
	uint64_t length;

	(void)state;
	file = file_read("tests/unit/policy/data", "pictures.safetensors", NULL);
	memcpy(&length, file, sizeof length);
	header = json_loadb(file + sizeof length, length, 0, NULL);
	tensors = (const uint8_t *)file + sizeof length + length;
	lay_out();
	if (!header || arena_reserve(&tables.arena, "test", &e) < 0)
		return -1;
	lay_out();
	return jpeg_codec_create(&codec, &e);
}

static int close_answers(void **state)
{
	(void)state;
	jpeg_codec_destroy(codec);
	arena_finish(&tables.arena);
	json_decref(header);
	free(file);
	return 0;
}

struct tensor {
	const uint8_t *at;
	uint32_t height, width; /* of a picture; of a file height is its bytes */
};

static struct tensor find(const char *kind, const char *name)
{
	char key[128];
	const json_t *entry, *shape;

	snprintf(key, sizeof key, "%s/%s", kind, name);
	entry = json_object_get(header, key);
	if (!entry)
		fail_msg("there is no %s", key);
	shape = json_object_get(entry, "shape");
	return (struct tensor){ tensors + json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 0)),
		(uint32_t)json_integer_value(json_array_get(shape, 0)), (uint32_t)json_integer_value(json_array_get(shape, 1)) };
}

static void expect(const char *key, const uint8_t *found, struct tensor want)
{
	for (uint32_t i = 0; i < want.height * want.width * 3; i++)
		if (found[i] != want.at[i])
			fail_msg("%s: value %u is %d, want %d", key, i, found[i], want.at[i]);
}

static void check_lanczos(const char *key, struct tensor in, struct tensor want)
{
	image_taps_lanczos3(&tables.rows, in.height, want.height);
	image_taps_lanczos3(&tables.columns, in.width, want.width);
	image_resize_lanczos3(in.at, &tables.rows, &tables.columns, scratch, out);
	expect(key, out, want);
}

static void check_crop(const char *key, struct tensor in, struct tensor want)
{
	double area = strtod(key + strlen("crop."), NULL);

	image_crop_axis_prepare(&tables.crop_rows, in.height, area);
	image_crop_axis_prepare(&tables.crop_columns, in.width, area);
	image_crop(in.at, &tables.crop_rows, &tables.crop_columns, scratch, out);
	expect(key, out, want);
}

static void check_bicubic(const char *key, struct tensor in, struct tensor want)
{
	image_taps_bicubic(&tables.rows, in.height, want.height);
	image_taps_bicubic(&tables.columns, in.width, want.width);
	expect(key, image_resize_bicubic(in.at, in.height, in.width, in.height != want.height ? &tables.rows : NULL,
			in.width != want.width ? &tables.columns : NULL, middle, out), want);
}

static void check_trip(const char *key, struct tensor in, struct tensor want)
{
	size_t n;

	assert_int_equal(jpeg_encode_rgb(codec, in.at, in.width, in.height, 95, middle, sizeof middle, &n, &e), 0);
	assert_int_equal(jpeg_decode_rgb(codec, middle, n, in.width, in.height, out, sizeof out, &e), 0);
	expect(key, out, want);
}

/* Runs `check` on every answer whose name begins with `kind`. */
static void check_all(const char *kind, uint32_t at_least, void (*check)(const char *key, struct tensor in, struct tensor want))
{
	const char *key;
	json_t *entry;
	uint32_t n = 0;

	json_object_foreach(header, key, entry) {
		char step[64];
		const char *slash = strchr(key, '/');

		if (strncmp(key, kind, strlen(kind)) != 0)
			continue;
		snprintf(step, sizeof step, "%.*s", (int)(slash - key), key);
		check(key, find("picture", slash + 1), find(step, slash + 1));
		n++;
	}
	assert_true(n >= at_least);
}

static void lanczos_is_tensorflows(void **state)
{
	(void)state;
	check_all("lanczos.", 21, check_lanczos);
}

static void crop_is_tensorflows(void **state)
{
	(void)state;
	check_all("crop.", 15, check_crop);
}

static void bicubic_is_pillows(void **state)
{
	(void)state;
	check_all("bicubic.", 21, check_bicubic);
}

static void round_trip_is_tensorflows(void **state)
{
	(void)state;
	check_all("trip/", 9, check_trip);
}

static void every_kind_of_jpeg_is_decoded_as_tensorflow_does(void **state)
{
	const char *key;
	json_t *entry;
	uint32_t n = 0;

	(void)state;
	json_object_foreach(header, key, entry) {
		if (strncmp(key, "jpeg/", 5) != 0)
			continue;
		struct tensor bytes = find("jpeg", key + 5), want = find("rgb", key + 5);

		if (jpeg_decode_rgb(codec, bytes.at, bytes.height, want.width, want.height, out, sizeof out, &e) < 0)
			fail_msg("%s: %s", key, e.text);
		expect(key, out, want);
		n++;
	}
	assert_int_equal(n, 12);
}

/* Kinds that training never saw, and sizes that no memory is taken for. */
static void other_kinds_are_refused_by_name(void **state)
{
	static const char *const cases[][2] = { { "cmyk", "color conversion" }, { "12_bit", "precision 12" }, { "lossless", "SOF type 0xc3" },
		{ "arithmetic", "jpeg" }, { "65535x65535", "65535 x 65535|8192" }, { "height_0", "x 0 pixels" }, { "cut", "truncated" } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tensor bytes = find("refused", cases[i][0]);

		assert_int_equal(jpeg_decode_rgb(codec, bytes.at, bytes.height, 53, 41, out, sizeof out, &e), -EBADMSG);
		assert_names(&e, cases[i][1]);
	}
	every_kind_of_jpeg_is_decoded_as_tensorflow_does(state); /* the codec still works */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lanczos_is_tensorflows),
		cmocka_unit_test(crop_is_tensorflows),
		cmocka_unit_test(bicubic_is_pillows),
		cmocka_unit_test(round_trip_is_tensorflows),
		cmocka_unit_test(every_kind_of_jpeg_is_decoded_as_tensorflow_does),
		cmocka_unit_test(other_kinds_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, open_answers, close_answers);
}
