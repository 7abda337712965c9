/* test_renderer.c - pictures: every block can be seen, the arm's motion shows, the same world gives the same bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/sim/renderer.h"

#include <cmocka.h> /* last: it defines fail() */

enum { SIDE = 224, BYTES = 3 * SIDE * SIDE };

static struct world make_world(uint64_t seed)
{
	struct world w;

	world_init(&w, &(struct world_options){ .seed = seed, .model = robot_model_find("panda") });
	return w;
}

static void draw(const struct world *w, enum sim_camera camera, uint8_t *rgb)
{
	struct renderer *r;
	struct errbuf e;

	assert_int_equal(renderer_create(&r, SIDE, SIDE, &e), 0);
	renderer_draw(r, w, camera, rgb);
	renderer_destroy(r);
}

static int is_colour(const uint8_t *p, enum block_colour colour)
{
	switch (colour) {
	case BLOCK_RED: return p[0] > 90 && p[1] < 60 && p[2] < 60;
	case BLOCK_GREEN: return p[1] > 70 && p[0] < 60 && p[2] < 90 && p[1] > p[2] + 40;
	case BLOCK_BLUE: return p[2] > 90 && p[0] < 60 && p[1] < 110;
	case BLOCK_YELLOW: return p[0] > 110 && p[1] > 90 && p[2] < 60;
	}
	return 0;
}

static int count_colour(const uint8_t *rgb, enum block_colour colour)
{
	int n = 0;

	for (int i = 0; i < SIDE * SIDE; i++)
		n += is_colour(&rgb[3 * i], colour);
	return n;
}

static void test_every_block_is_seen(void **state)
{
	static uint8_t rgb[BYTES];

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world w = make_world(seed);

		draw(&w, SIM_CAMERA_OVERHEAD, rgb);
		for (int colour = 0; colour < WORLD_BLOCKS; colour++)
			assert_true(count_colour(rgb, (enum block_colour)colour) > 30);
	}
}

static void test_wrist_sees_what_is_under_it(void **state)
{
	static uint8_t rgb[BYTES];
	struct world w = make_world(1);

	(void)state;
	for (int i = 0; i < WORLD_BLOCKS; i++) {
		w.block[i].x_m = 0.40 + 0.07 * i;
		w.block[i].y_m = 0;
	}
	draw(&w, SIM_CAMERA_WRIST, rgb);
	assert_true(count_colour(rgb, w.block[0].colour) > 100);
	w.block[0].x_m = -0.2; /* behind the arm */
	draw(&w, SIM_CAMERA_WRIST, rgb);
	assert_int_equal(count_colour(rgb, w.block[0].colour), 0);
}

static void test_motion_shows(void **state)
{
	static uint8_t first[BYTES], same[BYTES], moved[BYTES];
	struct world w = make_world(1);

	(void)state;
	for (int camera = 0; camera < SIM_CAMERA_COUNT; camera++) {
		int differ = 0;
		struct world v = w;

		draw(&w, (enum sim_camera)camera, first);
		draw(&w, (enum sim_camera)camera, same);
		assert_memory_equal(first, same, BYTES);
		v.q_rad[0] += 0.2;
		draw(&v, (enum sim_camera)camera, moved);
		for (int i = 0; i < BYTES; i++)
			differ += abs(first[i] - moved[i]) > 20;
		assert_true(differ > BYTES / 100);
	}
}

static void test_any_size_and_posture(void **state)
{
	static const uint32_t size[][2] = { { 16, 16 }, { 17, 33 }, { 640, 16 }, { 33, 200 } };
	struct world w = make_world(3);

	(void)state;
	for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
		size_t bytes = (size_t)3 * size[i][0] * size[i][1];
		uint8_t *rgb = malloc(bytes); /* exact, so that a sanitizer sees a byte too many */
		struct renderer *r;
		struct errbuf e;

		assert_non_null(rgb);
		assert_int_equal(renderer_create(&r, size[i][0], size[i][1], &e), 0);
		for (int k = 0; k < 8; k++) {
			for (uint32_t j = 0; j < w.model->dof; j++)
				w.q_rad[j] = w.model->q_min_rad[j] + (w.model->q_max_rad[j] - w.model->q_min_rad[j]) * (double)(((uint32_t)k + j) % 8) / 7.0;
			renderer_draw(r, &w, (enum sim_camera)(k % SIM_CAMERA_COUNT), rgb);
		}
		renderer_destroy(r);
		free(rgb);
	}
}

static void test_size_is_bounded(void **state)
{
	static const uint32_t bad[][2] = { { 0, 224 }, { 224, 0 }, { 15, 224 }, { 224, 2049 }, { UINT32_MAX, UINT32_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct renderer *r = NULL;
		struct errbuf e = { "" };

		assert_int_equal(renderer_create(&r, bad[i][0], bad[i][1], &e), -EINVAL);
		assert_null(r);
		assert_non_null(strstr(e.text, "16..2048"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_block_is_seen),
		cmocka_unit_test(test_wrist_sees_what_is_under_it),
		cmocka_unit_test(test_motion_shows),
		cmocka_unit_test(test_any_size_and_posture),
		cmocka_unit_test(test_size_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
