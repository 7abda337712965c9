/* test_arm_text.c - what an arm says of itself: errors by name, its trouble, and what mends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "robots/arm/arm_text.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

static const char *name_error(uint32_t bit)
{
	static char name[16];

	if (bit >= 41)
		return NULL;
	snprintf(name, sizeof name, "error_%u", bit);
	return name;
}

static const struct robot_trouble *name_trouble(uint32_t trouble)
{
	static const struct robot_trouble known[] = { { "reflex", "recover it", false }, { "hand_absent", "plug it in", false },
		{ "motors_off", "enable it", true } };

	return trouble >= 1 && trouble <= 3 ? &known[trouble - 1] : NULL;
}

static const struct robot_driver talks = { .name = "talks", .error_name = name_error, .trouble = name_trouble };
static const struct robot_driver mute = { .name = "mute" };

static void nothing_wrong(void **state)
{
	const struct arm_report r = { .mode = ARM_READY };
	struct arm_words w;

	(void)state;
	memset(&w, 0x5a, sizeof w);
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, 0);
	assert_string_equal(w.trouble, "");
	assert_string_equal(w.remedy, "");
}

static void errors_by_name_then_the_trouble(void **state)
{
	const struct arm_report r = { .mode = ARM_REFLEX, .errors = 1u << 6 | UINT64_C(1) << 40 | UINT64_C(1) << 63, .trouble = 1 };
	struct arm_words w;

	(void)state;
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, 3); /* bit 63 has no name */
	assert_string_equal(w.error[0], "error_6");
	assert_string_equal(w.error[1], "error_40");
	assert_string_equal(w.error[2], "reflex");
	assert_string_equal(w.trouble, "reflex");
	assert_string_equal(w.remedy, "recover it");
}

/* dreamvlad ends AUTO for an arm with errors; a hand that is away is none, as long as the arm can be driven. */
static void a_trouble_that_does_not_stop_the_arm_is_no_error(void **state)
{
	struct arm_report r = { .mode = ARM_MOVING, .trouble = 2 };
	struct arm_words w;

	(void)state;
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, 0);
	assert_string_equal(w.trouble, "hand_absent");
	assert_string_equal(w.remedy, "plug it in");
	r.mode = ARM_DISCONNECTED;
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, 1);
}

/* What was an error until it was recovered is none any more once its motors are off; what to do is said all the same. */
static void what_is_expected_is_no_error(void **state)
{
	const struct arm_report r = { .mode = ARM_IDLE, .trouble = 3 };
	struct arm_words w;

	(void)state;
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, 0);
	assert_string_equal(w.trouble, "motors_off");
	assert_string_equal(w.remedy, "enable it");
}

static void more_errors_than_fit(void **state)
{
	const struct arm_report r = { .mode = ARM_REFLEX, .errors = UINT64_MAX, .trouble = 1 };
	struct arm_words w;

	(void)state;
	arm_words_text(&r, &talks, &w);
	assert_int_equal(w.n_errors, MESSAGE_ERRORS_MAX);
	assert_string_equal(w.error[MESSAGE_ERRORS_MAX - 2], "error_14");
	assert_string_equal(w.error[MESSAGE_ERRORS_MAX - 1], "reflex");
}

static void drivers_without_words(void **state)
{
	const struct arm_report r = { .mode = ARM_REFLEX, .errors = UINT64_MAX, .trouble = 7 };
	struct arm_words w;

	(void)state;
	arm_words_text(&r, &mute, &w);
	assert_int_equal(w.n_errors, 0);
	arm_words_text(&r, &talks, &w); /* and a trouble that the driver does not know */
	assert_string_equal(w.trouble, "");
}

/* Every word of every driver reaches whoever reads it whole. */
static void every_drivers_words_fit(void **state)
{
	const struct robot_driver *d;

	(void)state;
	for (uint32_t i = 0; (d = robot_driver_at(i)); i++) {
		for (uint32_t k = 0; k < 64 && d->error_name; k++)
			assert_true(!d->error_name(k) || strlen(d->error_name(k)) < MESSAGE_ERROR_BYTES);
		for (uint32_t k = 0; k < 64 && d->trouble && d->trouble(k); k++) {
			assert_true(strlen(d->trouble(k)->name) < NAME_BYTES);
			assert_true(strlen(d->trouble(k)->remedy) < MESSAGE_TEXT_BYTES);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_wrong),
		cmocka_unit_test(errors_by_name_then_the_trouble),
		cmocka_unit_test(a_trouble_that_does_not_stop_the_arm_is_no_error),
		cmocka_unit_test(what_is_expected_is_no_error),
		cmocka_unit_test(more_errors_than_fit),
		cmocka_unit_test(drivers_without_words),
		cmocka_unit_test(every_drivers_words_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
