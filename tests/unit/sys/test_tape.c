/* test_tape.c - records of every size through a small tape: whole, in order, or dropped and counted; alone and with two threads.
 * In real time: threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/sys/tape.h"

#include <cmocka.h>

enum { TAPE_BYTES = 1024, KIND = 5, OTHER = 6, ROUNDS = 100000, SIZES = 201 };

static _Alignas(TAPE_ALIGN_BYTES) uint8_t memory[TAPE_BYTES + 7];
static struct tape tape;
static _Atomic uint64_t published;
static _Atomic bool done;

static int set_up(void **state)
{
	(void)state;
	tape_init(&tape, memory, sizeof memory); /* 7 bytes too many: not used */
	tape_want(&tape, UINT64_C(1) << KIND);
	return 0;
}

static uint32_t size_of(uint64_t i)
{
	return (uint32_t)(i * 37 % SIZES);
}

/* Every byte depends on the number. */
static bool put(uint64_t i)
{
	uint8_t *p = tape_claim(&tape, KIND, size_of(i), (int64_t)i);

	if (!p)
		return false;
	memset(p, (int)(i % 251), size_of(i));
	tape_publish(&tape);
	return true;
}

static bool intact(const struct tape_record *r, const uint8_t *p)
{
	if (r->kind != KIND || r->n_bytes != size_of((uint64_t)r->t_ns) || (uintptr_t)p % 8 != 0)
		return false;
	for (uint32_t i = 0; i < r->n_bytes; i++)
		if (p[i] != (uint64_t)r->t_ns % 251)
			return false;
	return p >= memory && p + r->n_bytes <= memory + TAPE_BYTES;
}

/* Crowded: no room now, but some once it has been read. A record for which the tape is too small is not waited for. */
static void who_can_wait_is_told_so(void **state)
{
	struct tape_record r;

	(void)state;
	assert_false(tape_is_crowded(&tape, TAPE_BYTES / 4));
	while (!tape_is_crowded(&tape, TAPE_BYTES / 4))
		assert_true(put(SIZES - 1));
	assert_false(tape_is_crowded(&tape, TAPE_BYTES));
	assert_int_equal(tape_dropped(&tape), 0);
	while (tape_front(&tape, &r))
		tape_release(&tape);
	assert_false(tape_is_crowded(&tape, TAPE_BYTES / 4));
}

static void only_wanted_kinds_are_written(void **state)
{
	struct tape_record r;

	(void)state;
	assert_null(tape_front(&tape, &r));
	assert_null(tape_claim(&tape, OTHER, 8, 1));
	assert_false(tape_wants(&tape, OTHER));
	assert_null(tape_front(&tape, &r));
	assert_int_equal(tape_dropped(&tape), 0);
	tape_want(&tape, 0);
	assert_false(put(1));
	assert_int_equal(tape_dropped(&tape), 0);
}

static void a_claim_is_nothing_until_published(void **state)
{
	struct tape_record r;

	(void)state;
	assert_non_null(tape_claim(&tape, KIND, 500, 1));
	assert_null(tape_front(&tape, &r));
	assert_true(put(2));
	assert_true(intact(&r, tape_front(&tape, &r)));
	assert_int_equal(r.t_ns, 2);
	tape_release(&tape);
	assert_null(tape_front(&tape, &r));
}

static void the_largest_record_fits_and_one_byte_more_does_not(void **state)
{
	enum { LARGEST = TAPE_BYTES - TAPE_ALIGN_BYTES };
	struct tape_record r;

	(void)state;
	assert_null(tape_claim(&tape, KIND, LARGEST + 1, 1));
	assert_null(tape_claim(&tape, KIND, UINT32_MAX, 1));
	assert_int_equal(tape_dropped(&tape), 2);
	assert_true(tape_refused_bytes(&tape) > UINT32_MAX);
	assert_non_null(tape_claim(&tape, KIND, LARGEST, 1));
	tape_publish(&tape);
	assert_null(tape_claim(&tape, KIND, 0, 1));
	assert_int_equal(tape_dropped(&tape), 3);
	assert_non_null(tape_front(&tape, &r));
	assert_int_equal(r.n_bytes, LARGEST);
	tape_release(&tape);
	assert_null(tape_front(&tape, &r));
}

/* A full tape is no reason to want a larger one; a record that an empty one may have no room for is. */
static void what_never_fits_is_told_apart_from_a_full_tape(void **state)
{
	enum { HALF = TAPE_BYTES / 2 - TAPE_ALIGN_BYTES };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tape_refused_bytes(&tape), 0);
		assert_non_null(tape_claim(&tape, KIND, HALF, 1));
		tape_publish(&tape);
	}
	assert_null(tape_claim(&tape, KIND, HALF, 1));
	assert_int_equal(tape_dropped(&tape), 1);
	assert_int_equal(tape_refused_bytes(&tape), 0);
	assert_null(tape_claim(&tape, KIND, HALF + 1, 1));
	assert_int_equal(tape_refused_bytes(&tape), TAPE_BYTES / 2 + TAPE_ALIGN_BYTES);
	assert_null(tape_claim(&tape, KIND, HALF, 1));
	assert_int_equal(tape_refused_bytes(&tape), TAPE_BYTES / 2 + TAPE_ALIGN_BYTES);
}

static void sizes_mix_and_wrap(void **state)
{
	uint64_t next = 0, dropped = 0;
	struct tape_record r;
	const void *p;

	(void)state;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		dropped += !put(i);
		for (int take = i % 3 > 0; take > 0 && (p = tape_front(&tape, &r)); take--, tape_release(&tape)) {
			assert_true(intact(&r, p));
			assert_true((uint64_t)r.t_ns >= next);
			next = (uint64_t)r.t_ns + 1;
		}
	}
	assert_true(dropped > 0 && dropped < ROUNDS / 2);
	assert_int_equal(tape_dropped(&tape), dropped);
}

static void *write_all(void *unused)
{
	for (uint64_t i = 1; i <= ROUNDS; i++)
		if (put(i))
			atomic_fetch_add(&published, 1);
	atomic_store(&done, true);
	return unused;
}

static void two_threads_lose_nothing_uncounted(void **state)
{
	uint64_t taken = 0, last = 0;
	struct tape_record r;
	pthread_t thread;
	const void *p;
	bool ended;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_all, NULL), 0);
	do {
		ended = atomic_load(&done); /* before the last look, so that nothing is left */
		for (; (p = tape_front(&tape, &r)); tape_release(&tape), taken++) {
			assert_true(intact(&r, p));
			assert_true((uint64_t)r.t_ns > last);
			last = (uint64_t)r.t_ns;
		}
	} while (!ended);
	pthread_join(thread, NULL);
	assert_true(taken > 0);
	assert_int_equal(taken, atomic_load(&published));
	assert_int_equal(taken + tape_dropped(&tape), ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_can_wait_is_told_so, set_up),
		cmocka_unit_test_setup(only_wanted_kinds_are_written, set_up),
		cmocka_unit_test_setup(a_claim_is_nothing_until_published, set_up),
		cmocka_unit_test_setup(the_largest_record_fits_and_one_byte_more_does_not, set_up),
		cmocka_unit_test_setup(what_never_fits_is_told_apart_from_a_full_tape, set_up),
		cmocka_unit_test_setup(sizes_mix_and_wrap, set_up),
		cmocka_unit_test_setup(two_threads_lose_nothing_uncounted, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
