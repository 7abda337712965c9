/* test_arm_sent.c - when the first command made from a target has left: of streams, chunks, gaps, brakes and other drivers. */
#include "tests/unit/robots/arm_bench.h"

static const struct robot_driver driver = { .name = "none", .period_ns = 1000000, .has_brakes = true };

static struct bench *b;
static struct bench memory;
static int commands_per_packet; /* the driver sends every so many periods */
static int64_t due_ns;

static int set_up(void **state)
{
	(void)state;
	b = &memory;
	make_bench(b, &driver);
	assert_int_equal(ask(b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	commands_per_packet = 1;
	due_ns = b->now_ns + 10 * MS;
	return 0;
}

static void period(void)
{
	tick(b);
	if (b->now_ns / MS % commands_per_packet == 0)
		robot_sent_note(&b->robot.sent, b->command.mark, b->now_ns);
}

/* One target every 5 ms, due 10 ms later, on one grid. */
static void send_target(uint64_t from, uint64_t chunk)
{
	struct arm_target t = target_at(b, 0, 0, 0);

	t.from = from;
	t.target.chunk = chunk;
	t.target.t_ns = due_ns;
	due_ns += 5 * MS;
	arm_take_target(&b->arm, &t, b->now_ns);
}

static void stream(int n, uint64_t chunk)
{
	for (int k = 0; k < n; k++) {
		send_target(ME, chunk);
		for (int i = 0; i < 5; i++)
			period();
	}
}

static void nothing_is_told_before_the_first_target(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		period();
	assert_int_equal(b->command.mark, 0);
	assert_int_equal(report(b).sent.seq, 0);
	assert_int_equal(report(b).sent.t_ns, 0);
}

/* The curve to a target begins at the one before it: with the first command after that one's time the target is felt. */
static void a_target_leaves_when_the_one_before_it_was_reached(void **state)
{
	(void)state;
	stream(8, 0);
	for (int k = 0; k < 40; k++) {
		struct arm_sent s;
		int64_t before_ns;

		if (k % 5 == 0)
			send_target(ME, 0);
		period();
		s = report(b).sent;
		before_ns = due_ns - 5 * MS - (int64_t)(b->seq - s.seq + 1) * 5 * MS; /* when the one before s.seq was due */
		assert_int_equal(s.t_ns, before_ns);
		assert_in_range(b->now_ns - s.t_ns, MS, 5 * MS);
	}
	assert_int_equal(b->arm.counters.accepted, b->seq);
}

static void a_chunk_is_told_by_its_first_target(void **state)
{
	int64_t first_ns;

	(void)state;
	stream(8, 0);
	stream(8, 41);
	assert_int_equal(report(b).sent.chunk, 41);
	first_ns = report(b).sent.chunk_t_ns;
	stream(8, 41);
	assert_int_equal(report(b).sent.chunk_t_ns, first_ns);
	stream(8, 0); /* a hold between two targets of one chunk begins no other */
	stream(8, 41);
	assert_int_equal(report(b).sent.chunk_t_ns, first_ns);
	stream(8, 42);
	assert_int_equal(report(b).sent.chunk, 42);
	assert_int_equal(report(b).sent.chunk_t_ns, first_ns + 32 * 5 * MS);
}

static void targets_that_a_slow_driver_passes_over_leave_with_the_next(void **state)
{
	(void)state;
	commands_per_packet = 20;
	stream(8, 0);
	stream(1, 7); /* one target, which no packet is made for */
	stream(12, 0);
	assert_int_equal(report(b).sent.chunk, 7);
	assert_int_equal(report(b).sent.chunk_t_ns / MS % 20, 0);
	assert_in_range(report(b).sent.chunk_t_ns, due_ns - 14 * 5 * MS, due_ns - 9 * 5 * MS);
}

/* What waited when the arm braked was never commanded, whatever comes afterwards. */
static void a_chunk_that_was_dropped_is_not_told(void **state)
{
	(void)state;
	stream(8, 41);
	send_target(ME, 42); /* due after the stop */
	assert_int_equal(ask(b, ARM_ASK_STOP, ME, false, false).reply, ARM_REPLY_OK);
	for (int i = 0; i < 100; i++)
		period();
	assert_int_equal(b->command.mark, 0);
	assert_int_equal(ask(b, ARM_ASK_ATTACH, ME, false, true).reply, ARM_REPLY_OK);
	due_ns = b->now_ns + 10 * MS;
	stream(8, 0);
	assert_int_equal(report(b).sent.seq, b->seq - 1);
	assert_int_equal(report(b).sent.chunk, 41);
	stream(8, 43);
	assert_int_equal(report(b).sent.chunk, 43);
}

static void a_refused_target_has_no_mark(void **state)
{
	uint64_t marks;

	(void)state;
	stream(8, 41);
	marks = b->arm.sent.marks;
	struct arm_target far = target_at(b, 10, 1.0, 0);

	far.target.chunk = 42;
	arm_take_target(&b->arm, &far, b->now_ns);
	assert_int_equal(b->arm.counters.refused, 1);
	assert_int_equal(b->arm.sent.marks, marks);
	for (int i = 0; i < 100; i++)
		period();
	assert_int_equal(report(b).sent.chunk, 41);
}

/* Who takes over begins with nothing: numbers of another's targets are not his. */
static void another_driver_begins_anew(void **state)
{
	(void)state;
	stream(8, 41);
	assert_int_equal(ask(b, ARM_ASK_ATTACH, 78, true, false).reply, ARM_REPLY_OK);
	assert_int_equal(report(b).sent.seq, 0);
	assert_int_equal(report(b).sent.chunk, 0);
	for (int i = 0; i < 100; i++)
		period();
	assert_int_equal(report(b).sent.seq, 0);
	b->seq = 0;
	due_ns = b->now_ns + 10 * MS;
	for (int k = 0; k < 4; k++) {
		send_target(78, 5);
		for (int i = 0; i < 5; i++)
			period();
	}
	assert_int_equal(report(b).sent.chunk, 5);
	assert_int_equal(report(b).sent.seq, 3);
}

static void a_driver_that_tells_nonsense_is_not_believed(void **state)
{
	(void)state;
	stream(8, 41);
	struct arm_sent before = report(b).sent;

	sent_take(&b->arm.sent, UINT64_MAX, 1);
	sent_take(&b->arm.sent, b->arm.sent.marks + 1, 1);
	sent_take(&b->arm.sent, 1, 1);
	sent_take(&b->arm.sent, 0, 1);
	assert_memory_equal(&before, &b->arm.sent.now, sizeof before);
}

static void a_silent_driver_that_wakes_up_tells_the_newest(void **state)
{
	struct sent s = { .marks = 0 };

	(void)state;
	for (uint64_t seq = 1; seq <= 10 * SENT_MARKS; seq++) {
		assert_int_equal(sent_mark(&s, seq, seq / 100), seq);
		sent_accept(&s);
	}
	sent_take(&s, 10 * SENT_MARKS, 77);
	assert_int_equal(s.now.seq, 10 * SENT_MARKS);
	assert_int_equal(s.now.chunk, 10 * SENT_MARKS / 100);
	assert_int_equal(s.now.chunk_t_ns, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_told_before_the_first_target, set_up),
		cmocka_unit_test_setup(a_target_leaves_when_the_one_before_it_was_reached, set_up),
		cmocka_unit_test_setup(a_chunk_is_told_by_its_first_target, set_up),
		cmocka_unit_test_setup(targets_that_a_slow_driver_passes_over_leave_with_the_next, set_up),
		cmocka_unit_test_setup(a_chunk_that_was_dropped_is_not_told, set_up),
		cmocka_unit_test_setup(a_refused_target_has_no_mark, set_up),
		cmocka_unit_test_setup(another_driver_begins_anew, set_up),
		cmocka_unit_test_setup(a_driver_that_tells_nonsense_is_not_believed, set_up),
		cmocka_unit_test_setup(a_silent_driver_that_wakes_up_tells_the_newest, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
