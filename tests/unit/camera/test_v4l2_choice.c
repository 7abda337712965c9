/* test_v4l2_choice.c - which format, size and rate is taken, and what is said when there is none; when a frame was exposed. */
#include "transport/camera/v4l2_choice.h"
#include "transport/camera/v4l2_stamp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SINGLE(f, w, h, r) { .fourcc = V4L2_PIX_FMT_##f, .width_min = w, .width_max = w, .width_step = 1, .height_min = h, \
	.height_max = h, .height_step = 1, .rate_min_hz = r, .rate_max_hz = r }

/* As a usual webcam has them. */
static const struct v4l2_mode WEBCAM[] = {
	SINGLE(YUYV, 640, 480, 30), SINGLE(YUYV, 640, 480, 15), SINGLE(YUYV, 1280, 720, 10), SINGLE(NV12, 640, 480, 60),
	SINGLE(MJPEG, 1920, 1080, 30), SINGLE(MJPEG, 1280, 720, 60), SINGLE(MJPEG, 1280, 720, 30), SINGLE(MJPEG, 640, 360, 30),
};

static const struct v4l2_mode RANGE[] = {
	{ .fourcc = V4L2_PIX_FMT_UYVY, .width_min = 48, .width_max = 4096, .width_step = 8, .height_min = 32, .height_max = 2160,
		.height_step = 2, .rate_min_hz = 1, .rate_max_hz = 120 },
};

enum { WEBCAM_N = sizeof WEBCAM / sizeof *WEBCAM };

static struct v4l2_wish wish(const char *format, uint32_t w, uint32_t h, double rate_hz)
{
	return (struct v4l2_wish){ format, w, h, rate_hz, 1920, 1200 };
}

static void takes(const struct v4l2_mode *mode, uint32_t n, struct v4l2_wish w, const char *name, uint32_t width, uint32_t height, double rate_hz)
{
	struct v4l2_chosen c;
	struct errbuf e = { "" };

	if (v4l2_choose(mode, n, &w, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(c.kind->name, name);
	assert_int_equal(c.width, width);
	assert_int_equal(c.height, height);
	assert_true(c.rate_hz == rate_hz);
}

static void refuses(const struct v4l2_mode *mode, uint32_t n, struct v4l2_wish w, const char *says)
{
	struct v4l2_chosen c = { .width = 7 };
	struct errbuf e = { "" };

	assert_int_equal(v4l2_choose(mode, n, &w, &c, &e), -EINVAL);
	if (!strstr(e.text, says))
		fail_msg("want \"%s\" in: %s", says, e.text);
	assert_int_equal(c.width, 7);
}

static void without_a_wish_the_usual_is_taken(void **state)
{
	(void)state;
	takes(WEBCAM, WEBCAM_N, wish(NULL, 0, 0, 0), "mjpeg", 640, 360, 30);
	takes(WEBCAM, 4, wish(NULL, 0, 0, 0), "yuyv", 640, 480, 30);
	takes(RANGE, 1, wish(NULL, 0, 0, 0), "uyvy", 640, 480, 30);
}

static void a_wish_is_taken_as_it_is(void **state)
{
	(void)state;
	takes(WEBCAM, WEBCAM_N, wish("yuyv", 1280, 720, 0), "yuyv", 1280, 720, 10);
	takes(WEBCAM, WEBCAM_N, wish("mjpeg", 1280, 720, 60), "mjpeg", 1280, 720, 60);
	takes(WEBCAM, WEBCAM_N, wish(NULL, 1920, 1080, 29.97), "mjpeg", 1920, 1080, 30);
	takes(RANGE, 1, wish("uyvy", 648, 482, 12.5), "uyvy", 648, 482, 12.5);
}

static void what_it_cannot_do_is_refused_with_what_it_can(void **state)
{
	(void)state;
	refuses(WEBCAM, WEBCAM_N, wish("uyvy", 0, 0, 0), "it has only mjpeg, yuyv");
	refuses(WEBCAM, WEBCAM_N, wish("h264", 0, 0, 0), "allowed mjpeg, yuyv and uyvy");
	refuses(WEBCAM, WEBCAM_N, wish("yuyv", 1920, 1080, 0), "it has only 640x480, 1280x720");
	refuses(WEBCAM, WEBCAM_N, wish("yuyv", 640, 480, 60), "it has only 30, 15");
	refuses(WEBCAM + 3, 1, wish(NULL, 0, 0, 0), "no format that can be published");
	refuses(WEBCAM, 0, wish(NULL, 0, 0, 0), "no format that can be published");
	refuses(RANGE, 1, wish(NULL, 649, 480, 0), "48x32 to 4096x2160 in steps of 8x2");
	refuses(RANGE, 1, wish(NULL, 640, 480, 500), "1 to 120");
}

/* It would only be told to be too large by dreamvlad. */
static void nothing_larger_than_is_accepted(void **state)
{
	struct v4l2_wish w = wish(NULL, 0, 0, 0);

	(void)state;
	refuses(RANGE, 1, wish(NULL, 4096, 2160, 0), "camera.max_width");
	w.width_max = w.height_max = 224;
	refuses(WEBCAM, WEBCAM_N, w, "camera.max_width");
	takes(RANGE, 1, w, "uyvy", 224, 224, 30);
}

/* A driver that lists neither sizes nor rates. */
static void rates_that_are_not_told_are_believed(void **state)
{
	const struct v4l2_mode silent[] = { SINGLE(YUYV, 640, 480, 0) };

	(void)state;
	takes(silent, 1, wish(NULL, 0, 0, 0), "yuyv", 640, 480, 30);
	takes(silent, 1, wish(NULL, 0, 0, 50), "yuyv", 640, 480, 50);
}

/* ---- stamps ------------------------------------------------------------------------------------------------------------------------ */

#define MS INT64_C(1000000)

static int64_t stamp(uint32_t flags, int64_t kernel_ns, int64_t latency_ns, bool *usable)
{
	const struct v4l2_buffer b = { .flags = flags, .timestamp = { kernel_ns / (1000 * MS), kernel_ns % (1000 * MS) / 1000 } };
	int64_t out;

	*usable = v4l2_stamp(&b, 100000 * MS, 33 * MS, latency_ns, &out);
	return out;
}

static void the_start_of_exposure_is_taken_as_it_is(void **state)
{
	const uint32_t start = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_TSTAMP_SRC_SOE;
	bool usable;

	(void)state;
	assert_int_equal(stamp(start, 99990 * MS, -1, &usable), 99990 * MS);
	assert_true(usable);
	assert_int_equal(stamp(start, 99990 * MS, 5 * MS, &usable), 99985 * MS);
}

static void the_end_of_a_frame_is_one_frame_later(void **state)
{
	const uint32_t at_end = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_TSTAMP_SRC_EOF;
	bool usable;

	(void)state;
	assert_int_equal(stamp(at_end, 99990 * MS, -1, &usable), 99957 * MS);
	assert_true(usable);
	assert_int_equal(stamp(at_end, 99990 * MS, 20 * MS, &usable), 99970 * MS);
}

static void stamps_of_no_clock_are_those_of_arrival(void **state)
{
	static const struct {
		uint32_t flags;
		int64_t kernel_ns;
	} bad[] = { { V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN, 99990 * MS }, { V4L2_BUF_FLAG_TIMESTAMP_COPY, 99990 * MS },
		{ V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, 100001 * MS }, { V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, 0 },
		{ V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_TSTAMP_SRC_SOE, 89000 * MS } };
	bool usable;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(stamp(bad[i].flags, bad[i].kernel_ns, -1, &usable), 99967 * MS);
		assert_false(usable);
		assert_int_equal(stamp(bad[i].flags, bad[i].kernel_ns, 10 * MS, &usable), 99990 * MS);
	}
}

static void gaps_in_the_numbers_are_lost_frames(void **state)
{
	(void)state;
	assert_int_equal(v4l2_lost_between(7, 8), 0);
	assert_int_equal(v4l2_lost_between(7, 10), 2);
	assert_int_equal(v4l2_lost_between(UINT32_MAX, 1), 1);
	assert_int_equal(v4l2_lost_between(7, 7), 0);
	assert_int_equal(v4l2_lost_between(5000, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_wish_the_usual_is_taken),
		cmocka_unit_test(a_wish_is_taken_as_it_is),
		cmocka_unit_test(what_it_cannot_do_is_refused_with_what_it_can),
		cmocka_unit_test(nothing_larger_than_is_accepted),
		cmocka_unit_test(rates_that_are_not_told_are_believed),
		cmocka_unit_test(the_start_of_exposure_is_taken_as_it_is),
		cmocka_unit_test(the_end_of_a_frame_is_one_frame_later),
		cmocka_unit_test(stamps_of_no_clock_are_those_of_arrival),
		cmocka_unit_test(gaps_in_the_numbers_are_lost_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
