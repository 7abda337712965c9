/* test_handover.c - the three ways across threads, each with a writer and a reader that really run at the same time.
 * In real time: threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/sys/handover.h"

enum { ROUNDS = 100000, QUEUE_SLOTS = 8, WORDS = 8 };

/* A value that shows a torn read: every word is the same. */
struct sample {
	uint64_t word[WORDS];
};

static struct {
	struct latest box;
	struct sample slot[LATEST_SLOTS];
	struct board board;
	struct queue queue;
	uint64_t ring[QUEUE_SLOTS];
	_Atomic uint64_t pushed;
	_Atomic bool done;
} shared;

static void fill(struct sample *s, uint64_t value)
{
	for (int i = 0; i < WORDS; i++)
		s->word[i] = value;
}

static bool whole(const struct sample *s)
{
	for (int i = 1; i < WORDS; i++)
		if (s->word[i] != s->word[0])
			return false;
	return true;
}

static void *write_latest(void *unused)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		fill(&shared.slot[shared.box.writing], i);
		latest_publish(&shared.box);
	}
	atomic_store(&shared.done, true);
	return unused;
}

static void latest_is_never_torn_and_never_older(void **state)
{
	uint64_t newest = 0;
	pthread_t thread;
	bool done;

	(void)state;
	latest_init(&shared.box);
	atomic_store(&shared.done, false);
	assert_false(latest_refresh(&shared.box));
	assert_int_equal(pthread_create(&thread, NULL, write_latest, NULL), 0);
	do {
		done = atomic_load(&shared.done); /* before the refresh, so that the last value is seen */
		if (!latest_refresh(&shared.box))
			continue;
		const struct sample *s = &shared.slot[shared.box.reading];

		assert_true(whole(s));
		assert_true(s->word[0] > newest);
		newest = s->word[0];
	} while (!done);
	pthread_join(thread, NULL);
	assert_int_equal(newest, ROUNDS);
	assert_false(latest_refresh(&shared.box));
}

static void *write_board(void *unused)
{
	struct sample s;

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		fill(&s, i);
		board_write(&shared.board, s.word, WORDS);
	}
	atomic_store(&shared.done, true);
	return unused;
}

static void board_shows_whole_values_only(void **state)
{
	struct sample s = { { 0 } };
	pthread_t thread;

	(void)state;
	atomic_store(&shared.done, false);
	assert_int_equal(pthread_create(&thread, NULL, write_board, NULL), 0);
	while (!atomic_load(&shared.done))
		if (board_read(&shared.board, s.word, WORDS))
			assert_true(whole(&s));
	pthread_join(thread, NULL);
	assert_true(board_read(&shared.board, s.word, WORDS));
	assert_int_equal(s.word[WORDS - 1], ROUNDS);
}

static void *write_queue(void *unused)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		int at = queue_claim(&shared.queue);

		if (at < 0)
			continue;
		shared.ring[at] = i;
		queue_publish(&shared.queue);
		atomic_fetch_add(&shared.pushed, 1);
	}
	atomic_store(&shared.done, true);
	return unused;
}

static void queue_keeps_order_and_counts_drops(void **state)
{
	uint64_t taken = 0, last = 0;
	pthread_t thread;
	bool done;

	(void)state;
	queue_init(&shared.queue, QUEUE_SLOTS);
	atomic_store(&shared.done, false);
	assert_int_equal(queue_front(&shared.queue), -1);
	assert_int_equal(pthread_create(&thread, NULL, write_queue, NULL), 0);
	do {
		done = atomic_load(&shared.done);
		for (int at; (at = queue_front(&shared.queue)) >= 0; queue_release(&shared.queue)) {
			assert_true(shared.ring[at] > last);
			last = shared.ring[at];
			taken++;
		}
	} while (!done);
	pthread_join(thread, NULL);
	assert_int_equal(taken, atomic_load(&shared.pushed));
	assert_int_equal(taken + atomic_load(&shared.queue.dropped), ROUNDS);
}

static void full_queue_refuses(void **state)
{
	(void)state;
	queue_init(&shared.queue, QUEUE_SLOTS);
	for (int i = 0; i < QUEUE_SLOTS; i++) {
		assert_int_equal(queue_claim(&shared.queue), i);
		queue_publish(&shared.queue);
	}
	assert_int_equal(queue_claim(&shared.queue), -1);
	assert_int_equal(atomic_load(&shared.queue.dropped), 1);
	assert_int_equal(queue_front(&shared.queue), 0);
	queue_release(&shared.queue);
	assert_int_equal(queue_claim(&shared.queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latest_is_never_torn_and_never_older),
		cmocka_unit_test(board_shows_whole_values_only),
		cmocka_unit_test(queue_keeps_order_and_counts_drops),
		cmocka_unit_test(full_queue_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
