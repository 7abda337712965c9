/* test_mode.c - every state with every event, against a second writing of the rules: the sentences of the design. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/stage/mode.h"

static const enum mode reachable[] = { MODE_BOOT, MODE_READY, MODE_AUTO, MODE_SHADOW, MODE_TELEOP, MODE_HOLD, MODE_RETURN, MODE_FAULT };

/* What the design's sentences say about `event` in `now` when nothing is missing. */
static enum mode sentence(enum mode now, enum mode_event event)
{
	if (event == ON_FAULT_REASON && now != MODE_BOOT)
		return MODE_FAULT;
	if (now == MODE_FAULT) /* leaves only on a reset */
		return event == ON_RESET ? MODE_HOLD : MODE_FAULT;
	if (event == ON_STOP || event == ON_HOLD)
		return MODE_HOLD;
	if (event == ON_HOLD_REASON)
		return now == MODE_BOOT || now == MODE_READY || now == MODE_HOLD ? now : MODE_HOLD;
	if (event == ON_TAKEOVER)
		return now == MODE_BOOT ? MODE_BOOT : MODE_TELEOP;
	if (now == MODE_TELEOP && (event == ON_RELEASE || event == ON_TELEOP_LOST))
		return MODE_HOLD;
	if (now == MODE_TELEOP && event == ON_RELEASE_BACK)
		return MODE_RETURN;
	if (now == MODE_RETURN && event == ON_HANDED_BACK)
		return MODE_AUTO;
	if (event == ON_STARTED)
		return now == MODE_BOOT ? MODE_READY : now;
	if ((event == ON_AUTO || event == ON_SHADOW) && (now == MODE_READY || now == MODE_HOLD))
		return event == ON_AUTO ? MODE_AUTO : MODE_SHADOW;
	return now;
}

static void every_state_with_every_event(void **state)
{
	(void)state;
	for (size_t s = 0; s < sizeof reachable / sizeof reachable[0]; s++)
		for (int e = 0; e < MODE_EVENT_COUNT; e++) {
			struct mode_result r = mode_step(reachable[s], (enum mode_event)e, 0, 0);

			assert_int_equal(r.next, sentence(reachable[s], (enum mode_event)e));
			assert_true(r.granted || (r.next == reachable[s] && r.missing != 0));
		}
}

static void missing_things_keep_what_they_are_missing_for_away_and_nothing_else(void **state)
{
	const uint64_t missing = REASON_BIT(REASON_CAMERA_STALE) | REASON_BIT(REASON_NO_CHUNK);

	(void)state;
	for (size_t s = 0; s < sizeof reachable / sizeof reachable[0]; s++)
		for (int e = 0; e < MODE_EVENT_COUNT; e++) {
			struct mode_result r = mode_step(reachable[s], (enum mode_event)e, missing, 0);
			bool starts = (e == ON_AUTO || e == ON_SHADOW) && (reachable[s] == MODE_READY || reachable[s] == MODE_HOLD);

			starts |= e == ON_TAKEOVER && reachable[s] != MODE_BOOT && reachable[s] != MODE_FAULT;
			starts |= e == ON_HANDED_BACK && reachable[s] == MODE_RETURN;

			if (starts)
				assert_true(!r.granted && r.missing == missing && r.next == reachable[s]);
			else
				assert_int_equal(r.next, sentence(reachable[s], (enum mode_event)e));
		}
}

static void a_reset_waits_until_the_cause_is_gone(void **state)
{
	struct mode_result r = mode_step(MODE_FAULT, ON_RESET, 0, REASON_BIT(REASON_ARM_REFLEX));

	(void)state;
	assert_true(!r.granted && r.next == MODE_FAULT && r.missing == REASON_BIT(REASON_ARM_REFLEX));
	assert_int_equal(mode_step(MODE_FAULT, ON_RESET, ~UINT64_C(0), 0).next, MODE_HOLD); /* gates do not matter */
	/* HOLD may be where a fault that stops only its own arm has led to. */
	assert_true(!mode_step(MODE_HOLD, ON_RESET, 0, REASON_BIT(REASON_ARM_REFLEX)).granted);
	assert_true(mode_step(MODE_HOLD, ON_RESET, ~UINT64_C(0), 0).granted);
}

static void shadow_reaches_auto_only_through_hold(void **state)
{
	(void)state;
	assert_int_equal(mode_step(MODE_SHADOW, ON_AUTO, 0, 0).refusal, REASON_THROUGH_HOLD);
	assert_int_equal(mode_step(MODE_AUTO, ON_SHADOW, 0, 0).refusal, REASON_THROUGH_HOLD);
}

static void nobody_but_a_person_leads_into_teleop_and_only_from_there_into_return(void **state)
{
	(void)state;
	for (int m = 0; m < MODE_COUNT; m++)
		for (int e = 0; e < MODE_EVENT_COUNT; e++) {
			enum mode next = mode_step((enum mode)m, (enum mode_event)e, 0, 0).next;

			assert_true((int)next == m || next != MODE_TELEOP || e == ON_TAKEOVER);
			assert_true((int)next == m || next != MODE_RETURN || (m == MODE_TELEOP && e == ON_RELEASE_BACK));
		}
}

static void the_worst_reason_is_shown(void **state)
{
	(void)state;
	assert_int_equal(reasons_worst(0), REASON_NONE);
	assert_int_equal(reasons_worst(REASON_BIT(REASON_NO_CHUNK) | REASON_BIT(REASON_CAMERA_STALE)), REASON_CAMERA_STALE);
	assert_int_equal(reasons_worst(REASON_BIT(REASON_CAMERA_STALE) | REASON_BIT(REASON_ARM_REFLEX) | REASON_BIT(REASON_STATE_LOST)),
			REASON_ARM_REFLEX);
	assert_true(reason_mask(SEVERITY_FAULT) & REASON_BIT(REASON_ARM_ESTOP));
	assert_string_equal(reason_name(REASON_STATE_LOST), "STATE_LOST");
	assert_string_equal(reason_text(REASON_COUNT), "?");
}

static void causes_stand_in_the_way_of_resets_and_of_nothing_else(void **state)
{
	(void)state;
	for (int m = 0; m < MODE_COUNT; m++)
		for (int e = 0; e < MODE_EVENT_COUNT; e++) {
			struct mode_result with = mode_step((enum mode)m, (enum mode_event)e, 0, REASON_BIT(REASON_ARM_REFLEX));
			struct mode_result without = mode_step((enum mode)m, (enum mode_event)e, 0, 0);

			if (e == ON_RESET && without.granted)
				assert_true(!with.granted && with.missing == REASON_BIT(REASON_ARM_REFLEX));
			else
				assert_true(with.next == without.next && with.granted == without.granted);
		}
}

/* The order of reason.def within a severity, and of severities. */
static void the_worst_of_every_two_is_the_severer_then_the_earlier(void **state)
{
	(void)state;
	for (uint32_t a = REASON_FIRST; a < REASON_COUNT; a++)
		for (uint32_t b = REASON_FIRST; b < REASON_COUNT; b++) {
			bool first = reason_severity(a) > reason_severity(b) || (reason_severity(a) == reason_severity(b) && a <= b);

			assert_int_equal(reasons_worst(REASON_BIT(a) | REASON_BIT(b)), first ? a : b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_with_every_event),
		cmocka_unit_test(missing_things_keep_what_they_are_missing_for_away_and_nothing_else),
		cmocka_unit_test(a_reset_waits_until_the_cause_is_gone),
		cmocka_unit_test(shadow_reaches_auto_only_through_hold),
		cmocka_unit_test(nobody_but_a_person_leads_into_teleop_and_only_from_there_into_return),
		cmocka_unit_test(causes_stand_in_the_way_of_resets_and_of_nothing_else),
		cmocka_unit_test(the_worst_reason_is_shown),
		cmocka_unit_test(the_worst_of_every_two_is_the_severer_then_the_earlier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
