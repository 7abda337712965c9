/* test_sensor_noise.c - small, within range, the same for the same key, another for another. */
#include "robots/sim/sensor_noise.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BYTES = 3001 };

static void noise_is_small_and_everywhere(void **state)
{
	uint8_t rgb[BYTES];
	int count[3] = { 0 };

	(void)state;
	memset(rgb, 100, sizeof rgb);
	sensor_noise_add(rgb, sizeof rgb, 7);
	for (int i = 0; i < BYTES; i++) {
		assert_in_range(rgb[i], 99, 101);
		count[rgb[i] - 99]++;
	}
	assert_in_range(count[0], 600, 900);
	assert_in_range(count[2], 600, 900);
}

static void range_is_kept(void **state)
{
	uint8_t dark[BYTES] = { 0 }, bright[BYTES];

	(void)state;
	memset(bright, 255, sizeof bright);
	sensor_noise_add(dark, sizeof dark, 1);
	sensor_noise_add(bright, sizeof bright, 1);
	for (int i = 0; i < BYTES; i++) {
		assert_in_range(dark[i], 0, 1);
		assert_in_range(bright[i], 254, 255);
	}
}

static void key_decides(void **state)
{
	uint8_t a[BYTES] = { 0 }, b[BYTES] = { 0 }, c[BYTES] = { 0 };

	(void)state;
	sensor_noise_add(a, sizeof a, 41);
	sensor_noise_add(b, sizeof b, 41);
	sensor_noise_add(c, sizeof c, 42);
	assert_memory_equal(a, b, BYTES);
	assert_memory_not_equal(a, c, BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_is_small_and_everywhere),
		cmocka_unit_test(range_is_kept),
		cmocka_unit_test(key_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
