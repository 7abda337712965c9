/* test_io_trace.c - the stages that io and policy see, on virtual time: the parts are the whole, ids travel, and what an arm says of its
 * times is believed only where it can be. */
#include "daemon/io.h"
#include "daemon/policy_trace.h"
#include "daemon/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TAPE_BYTES = 1 << 16, SPANS_MAX = 256 };
static const int64_t BEGIN_NS = INT64_C(1000000000000), MS = 1000000;

static struct io *io;
static struct links *links;
static struct stats *stats;
static struct control_setup setup;
static _Alignas(TAPE_ALIGN_BYTES) uint8_t io_memory[TAPE_BYTES], policy_memory[TAPE_BYTES];
static struct record_span span[SPANS_MAX];
static uint32_t n_spans;

static int set_up(void **state)
{
	(void)state;
	io = calloc(1, sizeof *io);
	links = aligned_alloc(_Alignof(struct links), sizeof *links);
	stats = calloc(1, sizeof *stats);
	if (!io || !links || !stats)
		return -1;
	memset(links, 0, sizeof *links);
	links_init(links);
	tape_init(&links->io_tape, io_memory, sizeof io_memory);
	tape_init(&links->policy_tape, policy_memory, sizeof policy_memory);
	tape_want(&links->io_tape, RECORD_BIT(SPAN));
	tape_want(&links->policy_tape, RECORD_BIT(SPAN));
	setup = (struct control_setup){ .n_arms = 2, .n_cameras = 2 };
	io->links = links;
	io->stats = stats;
	io->setup = &setup;
	io->now_ns = BEGIN_NS;
	n_spans = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(io);
	free(links);
	free(stats);
	return 0;
}

static void drain(struct tape *t)
{
	struct tape_record r;

	for (const void *at; (at = tape_front(t, &r)); tape_release(t)) {
		assert_int_equal(r.kind, RECORD_SPAN);
		assert_int_equal(r.n_bytes, sizeof span[0]);
		assert_true(n_spans < SPANS_MAX);
		memcpy(&span[n_spans++], at, sizeof span[0]);
		assert_int_equal(r.t_ns, span[n_spans - 1].end_ns);
	}
}

static const struct record_span *find(enum trace_stage stage, uint64_t chunk, uint32_t index)
{
	drain(&links->io_tape);
	drain(&links->policy_tape);
	for (uint32_t i = 0; i < n_spans; i++)
		if (span[i].stage == stage && span[i].chunk == chunk && span[i].index == index)
			return &span[i];
	return NULL;
}

static uint64_t values(enum trace_stage stage)
{
	return histogram_summary(&stats->stage[stage]).n;
}

/* ---- a frame's way, made by hand ---- */

/* Camera 0's frame came last. */
static void see(uint64_t id, int64_t t_ns, struct observation *o)
{
	*o = (struct observation){ .id = id, .t_obs_ns = t_ns, .ready_ns = t_ns + 20 * MS, .n_cameras = 2, .n_arms = 2,
		.frame = { { .stamp_ns = t_ns + 3 * MS, .arrival_ns = t_ns + 20 * MS, .from = 5, .seq = 100 + id },
			{ .stamp_ns = t_ns, .arrival_ns = t_ns + 11 * MS, .from = 6, .seq = 200 + id } } };
	io_trace_observation(io, o);
}

/* Ready at 20 ms, free at 25, begun at 26; decode 3, state 1, resize 2, patches 1, vision 10, decoder 30, actions 2, the rest 5: 80 ms. */
static int64_t infer(const struct observation *o, uint64_t chunk)
{
	const struct policy_times times = { .resize_ns = 2 * MS, .patches_ns = MS, .vision_ns = 10 * MS, .decoder_ns = 30 * MS,
		.action_decode_ns = 2 * MS };
	int64_t t_ns = o->t_obs_ns;
	const struct policy_moments when = { t_ns + 25 * MS, t_ns + 26 * MS, t_ns + 29 * MS, t_ns + 30 * MS, t_ns + 80 * MS };

	policy_trace(stats, &links->policy_tape, o, chunk, &when, &times);
	return when.handed_over_ns;
}

static struct driver_target first_target(const struct observation *o, uint64_t chunk, uint32_t arm, int64_t tick_ns)
{
	return (struct driver_target){ .valid = true, .arm = arm, .tick_ns = tick_ns, .t_ns = tick_ns + 10 * MS, .source = TARGET_POLICY,
		.chunk = chunk, .step = 1, .frame_stamp_ns = o->frame[0].stamp_ns, .first_of_chunk = true,
		.origin = { o->id, o->t_obs_ns, o->ready_ns, o->t_obs_ns + 80 * MS, o->frame[0].from, o->frame[0].seq } };
}

static uint64_t publish(const struct driver_target *t, int64_t published_ns)
{
	uint64_t seq = ++io->arm[t->arm].target_seq;

	io_trace_target(io, t, seq, published_ns);
	return seq;
}

static void hear(uint32_t arm, uint64_t chunk, int64_t sent_ns, int64_t now_ns)
{
	io->now_ns = now_ns;
	io->inputs.arm[arm] = (struct arm_state){ .present = true, .attached = true, .sent_chunk = chunk, .sent_chunk_ns = sent_ns };
	io_trace_state(io, arm);
}

/* From the light at 0 to the motor at 94 ms. */
static void whole_way(uint64_t id, uint64_t chunk, int64_t t_ns)
{
	struct observation o;

	see(id, t_ns, &o);
	infer(&o, chunk);
	for (uint32_t arm = 0; arm < 2; arm++) {
		struct driver_target t = first_target(&o, chunk, arm, t_ns + 84 * MS);

		publish(&t, t_ns + 85 * MS + arm);
	}
}

/* Stages that follow each other, without gap and overlap. */
static int64_t sum_of_parts(uint64_t id, uint64_t chunk, uint32_t arm)
{
	static const enum trace_stage ends[] = { STAGE_HAND_OVER, STAGE_PUBLISH, STAGE_DRIVER };
	int64_t at_ns = find(STAGE_RECEIVE, 0, 0)->end_ns, sum_ns = at_ns - find(STAGE_RECEIVE, 0, 0)->begin_ns;

	for (uint32_t i = 0; i < n_spans; i++) {
		if (span[i].chunk != chunk || span[i].stage > STAGE_OVERHEAD)
			continue;
		assert_int_equal(span[i].begin_ns, at_ns);
		assert_int_equal(span[i].observation, id);
		sum_ns += span[i].end_ns - span[i].begin_ns;
		at_ns = span[i].end_ns;
	}
	for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
		const struct record_span *s = find(ends[k], chunk, arm);

		assert_non_null(s);
		assert_int_equal(s->begin_ns, at_ns);
		sum_ns += s->end_ns - s->begin_ns;
		at_ns = s->end_ns;
	}
	return sum_ns;
}

/* ---- the parts and the whole ---- */

static void the_parts_are_the_whole(void **state)
{
	const struct record_span *all;

	(void)state;
	whole_way(7, 3, BEGIN_NS);
	hear(0, 3, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS);
	hear(1, 3, BEGIN_NS + 95 * MS, BEGIN_NS + 99 * MS);
	all = find(STAGE_PHOTON_TO_MOTOR, 3, 0);
	assert_int_equal(all->end_ns - all->begin_ns, 94 * MS);
	assert_int_equal(sum_of_parts(7, 3, 0), 94 * MS);
	assert_int_equal(sum_of_parts(7, 3, 1), 95 * MS);
	assert_int_equal(find(STAGE_ACKNOWLEDGE, 3, 0)->end_ns, BEGIN_NS + 97 * MS);
	assert_int_equal(find(STAGE_ACKNOWLEDGE, 3, 0)->begin_ns, BEGIN_NS + 94 * MS);
	assert_int_equal(values(STAGE_PHOTON_TO_MOTOR), 2);
	assert_int_equal(histogram_summary(&stats->stage[STAGE_OVERHEAD]).max_ns, 7 * MS); /* 1 + 1 + 5 */
	assert_int_equal(histogram_summary(&stats->stage[STAGE_WAIT]).max_ns, 5 * MS);
	assert_int_equal(histogram_summary(&stats->stage[STAGE_FIRST_TARGET]).max_ns, 5 * MS + 1);
	assert_int_equal(histogram_summary(&stats->stage[STAGE_FRAME_TO_TARGET]).max_ns, 65 * MS + 1);
}

static void every_span_has_its_frame(void **state)
{
	(void)state;
	whole_way(7, 3, BEGIN_NS);
	hear(0, 3, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS);
	drain(&links->io_tape);
	drain(&links->policy_tape);
	for (uint32_t i = 0; i < n_spans; i++) {
		bool other = span[i].stage == STAGE_FRAME && span[i].index == 1;

		assert_int_equal(span[i].observation, 7);
		assert_int_equal(span[i].frame_seq, other ? 207 : 107);
		assert_int_equal(span[i].value, other ? 6 : 5);
		assert_int_equal(span[i].frame_stamp_ns, BEGIN_NS + (other ? 0 : 3 * MS));
		assert_true(span[i].chunk == (span[i].stage <= STAGE_RECEIVE ? 0 : 3));
	}
	assert_int_equal(find(STAGE_RECEIVE, 0, 0)->begin_ns, BEGIN_NS); /* the older stamp; camera 0 came last */
	assert_int_equal(find(STAGE_DRIVER, 3, 0)->step, 1);
}

/* A stamp may lie up to 5 ms ahead of its arrival. */
static void a_stamp_ahead_counts_as_its_arrival(void **state)
{
	struct observation o = { .id = 1, .t_obs_ns = BEGIN_NS + 4 * MS, .ready_ns = BEGIN_NS, .n_cameras = 1,
		.frame = { { .stamp_ns = BEGIN_NS + 4 * MS, .arrival_ns = BEGIN_NS, .from = 5, .seq = 1 } } };

	(void)state;
	io_trace_observation(io, &o);
	assert_int_equal(find(STAGE_RECEIVE, 0, 0)->begin_ns, BEGIN_NS);
	assert_int_equal(find(STAGE_FRAME, 0, 0)->begin_ns, BEGIN_NS);
	struct driver_target t = first_target(&o, 1, 0, BEGIN_NS + 90 * MS);

	publish(&t, BEGIN_NS + 91 * MS);
	hear(0, 1, BEGIN_NS + 95 * MS, BEGIN_NS + 96 * MS);
	assert_int_equal(find(STAGE_PHOTON_TO_MOTOR, 1, 0)->begin_ns, BEGIN_NS);
}

/* The chunk came while the tick was late: after its nominal time, before it ran. */
static void a_chunk_that_overtakes_its_tick_has_no_hand_over(void **state)
{
	struct observation o;

	(void)state;
	see(1, BEGIN_NS, &o);
	struct driver_target t = first_target(&o, 1, 0, BEGIN_NS + 79 * MS);

	publish(&t, BEGIN_NS + 81 * MS);
	assert_int_equal(find(STAGE_HAND_OVER, 1, 0)->end_ns, find(STAGE_HAND_OVER, 1, 0)->begin_ns);
	assert_int_equal(find(STAGE_PUBLISH, 1, 0)->begin_ns, BEGIN_NS + 80 * MS);
}

/* Times of stages that add up to more than the clock saw stay in order. */
static void times_that_are_too_long_go_not_back(void **state)
{
	const struct policy_times times = { .decoder_ns = 200 * MS, .vision_ns = -5 };
	const struct policy_moments when = { 0, BEGIN_NS + 30 * MS, BEGIN_NS + 30 * MS, BEGIN_NS + 30 * MS, BEGIN_NS + 80 * MS };
	struct observation o;

	(void)state;
	see(1, BEGIN_NS, &o);
	policy_trace(stats, &links->policy_tape, &o, 1, &when, &times);
	drain(&links->policy_tape);
	for (uint32_t i = 0; i < n_spans; i++)
		assert_true(span[i].end_ns >= span[i].begin_ns && (i == 0 || span[i].begin_ns == span[i - 1].end_ns));
}

/* ---- what does not go all the way ---- */

static void a_chunk_that_is_never_executed_has_no_end(void **state)
{
	struct observation o;

	(void)state;
	see(1, BEGIN_NS, &o);
	infer(&o, 1); /* dropped by control: another epoch, say */
	whole_way(2, 2, BEGIN_NS + 100 * MS);
	hear(0, 2, BEGIN_NS + 194 * MS, BEGIN_NS + 197 * MS);
	assert_non_null(find(STAGE_DECODER, 1, 0));
	assert_null(find(STAGE_HAND_OVER, 1, 0));
	assert_null(find(STAGE_DRIVER, 1, 0));
	assert_int_equal(find(STAGE_PHOTON_TO_MOTOR, 2, 0)->observation, 2);
}

/* Published, and replaced before the arm came to it: it tells of the next one. */
static void a_chunk_that_was_overtaken_has_no_end(void **state)
{
	(void)state;
	for (uint64_t k = 1; k <= 3; k++)
		whole_way(k, k, BEGIN_NS + (int64_t)k * 100 * MS);
	hear(0, 3, BEGIN_NS + 394 * MS, BEGIN_NS + 397 * MS);
	assert_null(find(STAGE_DRIVER, 1, 0));
	assert_null(find(STAGE_DRIVER, 2, 0));
	assert_int_equal(find(STAGE_DRIVER, 3, 0)->end_ns, BEGIN_NS + 394 * MS);
	assert_int_equal(io->counters.acks_void, 0);
}

static void shadow_ends_with_its_target(void **state)
{
	struct observation o;

	(void)state;
	see(1, BEGIN_NS, &o);
	struct driver_target t = first_target(&o, 1, 0, BEGIN_NS + 84 * MS);

	t.shadow = true;
	publish(&t, BEGIN_NS + 85 * MS);
	assert_non_null(find(STAGE_PUBLISH, 1, 0));
	hear(0, 1, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS); /* an arm that says so lies */
	assert_null(find(STAGE_DRIVER, 1, 0));
	assert_int_equal(io->counters.acks_void, 1);
}

/* What was there before the operator asked for AUTO has waited for the operator. */
static void a_chunk_that_waited_is_not_measured(void **state)
{
	struct observation o;

	(void)state;
	see(1, BEGIN_NS, &o);
	struct driver_target t = first_target(&o, 1, 0, BEGIN_NS + 9000 * MS);

	t.first_of_chunk = false;
	publish(&t, BEGIN_NS + 9001 * MS);
	hear(0, 1, BEGIN_NS + 9010 * MS, BEGIN_NS + 9012 * MS);
	assert_int_equal(values(STAGE_HAND_OVER), 0);
	assert_int_equal(values(STAGE_DRIVER), 0);
	assert_int_equal(io->counters.acks_void, 0);
}

static void an_arm_says_it_again_and_again(void **state)
{
	(void)state;
	whole_way(1, 1, BEGIN_NS);
	for (int k = 0; k < 50; k++)
		hear(0, 1, BEGIN_NS + 94 * MS, BEGIN_NS + (97 + 5 * k) * MS);
	assert_int_equal(values(STAGE_DRIVER), 1);
	assert_int_equal(values(STAGE_ACKNOWLEDGE), 1);
}

static void late_word_is_as_good(void **state)
{
	(void)state;
	whole_way(1, 1, BEGIN_NS);
	hear(0, 1, BEGIN_NS + 94 * MS, BEGIN_NS + 5000 * MS);
	assert_int_equal(find(STAGE_PHOTON_TO_MOTOR, 1, 0)->end_ns, BEGIN_NS + 94 * MS);
	assert_int_equal(find(STAGE_ACKNOWLEDGE, 1, 0)->end_ns, BEGIN_NS + 5000 * MS);
}

static void the_word_of_an_arm_that_obeys_another_does_not_count(void **state)
{
	(void)state;
	whole_way(1, 1, BEGIN_NS);
	io->inputs.arm[0] = (struct arm_state){ .present = true, .sent_chunk = 1, .sent_chunk_ns = BEGIN_NS + 94 * MS };
	io->now_ns = BEGIN_NS + 97 * MS;
	io_trace_state(io, 0);
	assert_int_equal(values(STAGE_DRIVER), 0);
}

/* ---- nonsense ---- */

static void times_that_cannot_be_are_counted_and_left_out(void **state)
{
	static const int64_t wrong_ns[] = { INT64_MIN, -1, 0, 1, INT64_MAX };

	(void)state;
	for (uint64_t k = 1; k <= sizeof wrong_ns / sizeof *wrong_ns; k++) {
		whole_way(k, k, BEGIN_NS + (int64_t)k * 100 * MS);
		hear(0, k, wrong_ns[k - 1], BEGIN_NS + (int64_t)k * 100 * MS + 97 * MS);
		assert_int_equal(io->counters.acks_void, k);
	}
	whole_way(9, 9, BEGIN_NS + 1000 * MS); /* 5 ms of clocks' difference are believed, more are not */
	hear(0, 9, BEGIN_NS + 1000 * MS + 78 * MS, BEGIN_NS + 1097 * MS);
	hear(1, 9, BEGIN_NS + 1000 * MS + 103 * MS, BEGIN_NS + 1097 * MS);
	assert_int_equal(io->counters.acks_void, 7);
	assert_int_equal(values(STAGE_DRIVER), 0);
	assert_int_equal(values(STAGE_PHOTON_TO_MOTOR), 0);
	assert_int_equal(values(STAGE_ACKNOWLEDGE), 0);
}

static void clocks_that_differ_a_little_make_nothing_negative(void **state)
{
	(void)state;
	whole_way(1, 1, BEGIN_NS);
	hear(0, 1, BEGIN_NS + 82 * MS, BEGIN_NS + 97 * MS);
	hear(1, 1, BEGIN_NS + 100 * MS, BEGIN_NS + 97 * MS);
	assert_int_equal(find(STAGE_DRIVER, 1, 0)->end_ns, BEGIN_NS + 85 * MS);
	assert_int_equal(find(STAGE_DRIVER, 1, 1)->end_ns, BEGIN_NS + 97 * MS);
	assert_int_equal(find(STAGE_ACKNOWLEDGE, 1, 1)->begin_ns, BEGIN_NS + 97 * MS);
	assert_int_equal(io->counters.acks_void, 0);
}

static void chunks_and_targets_that_were_never_sent_are_counted(void **state)
{
	(void)state;
	whole_way(1, 1, BEGIN_NS);
	hear(0, UINT64_MAX, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS);
	hear(0, 2, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS);
	assert_int_equal(io->counters.acks_void, 2);
	io->inputs.arm[0] = (struct arm_state){ .present = true, .attached = true, .sent_seq = UINT64_MAX, .sent_ns = BEGIN_NS };
	io_trace_state(io, 0);
	assert_int_equal(io->counters.acks_void, 3);
	hear(0, 1, BEGIN_NS + 94 * MS, BEGIN_NS + 97 * MS);
	assert_int_equal(values(STAGE_DRIVER), 1);
}

/* ---- people ---- */

static void a_stick_is_felt_with_the_first_target_made_from_it(void **state)
{
	struct driver_target t = { .valid = true, .arm = 1, .source = TARGET_TELEOP, .edge_ns = BEGIN_NS - 9 * MS };
	uint64_t seq = 0;

	(void)state;
	for (int k = 0; k < 4; k++) { /* two targets of each message */
		t.stick_stamp_ns = BEGIN_NS + k / 2 * 10 * MS;
		uint64_t at = publish(&t, BEGIN_NS + (2 + 5 * k) * MS);

		seq = k == 2 ? at : seq;
	}
	assert_int_equal(values(STAGE_TAKEOVER), 1);
	io->now_ns = BEGIN_NS + 25 * MS;
	io->inputs.arm[1] = (struct arm_state){ .present = true, .attached = true, .sent_seq = seq, .sent_ns = BEGIN_NS + 17 * MS };
	io_trace_state(io, 1);
	io_trace_state(io, 1);
	assert_int_equal(values(STAGE_STICK_TO_MOTOR), 1);
	assert_int_equal(find(STAGE_STICK_TO_MOTOR, 0, 1)->begin_ns, BEGIN_NS + 10 * MS);
	assert_int_equal(find(STAGE_STICK_TO_MOTOR, 0, 1)->end_ns, BEGIN_NS + 17 * MS);
	io->inputs.arm[1].sent_seq = seq + 1; /* the second of its message */
	io_trace_state(io, 1);
	assert_int_equal(values(STAGE_STICK_TO_MOTOR), 1);
}

/* ---- nobody listens ---- */

static void without_a_reader_nothing_is_written_and_all_is_counted(void **state)
{
	(void)state;
	tape_want(&links->io_tape, 0);
	tape_want(&links->policy_tape, 0);
	for (uint64_t k = 1; k <= 3000; k++)
		whole_way(k, k, BEGIN_NS + (int64_t)k * 100 * MS);
	drain(&links->io_tape);
	drain(&links->policy_tape);
	assert_int_equal(n_spans, 0);
	assert_int_equal(tape_dropped(&links->io_tape) + tape_dropped(&links->policy_tape), 0);
	assert_int_equal(values(STAGE_DECODER), 3000);
}

static void a_full_tape_drops_and_counts(void **state)
{
	(void)state;
	for (uint64_t k = 1; k <= 3000; k++)
		whole_way(k, k, BEGIN_NS + (int64_t)k * 100 * MS);
	assert_true(tape_dropped(&links->io_tape) > 0 && tape_dropped(&links->policy_tape) > 0);
	assert_int_equal(values(STAGE_PUBLISH), 6000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_parts_are_the_whole),
		TEST(every_span_has_its_frame),
		TEST(a_stamp_ahead_counts_as_its_arrival),
		TEST(a_chunk_that_overtakes_its_tick_has_no_hand_over),
		TEST(times_that_are_too_long_go_not_back),
		TEST(a_chunk_that_is_never_executed_has_no_end),
		TEST(a_chunk_that_was_overtaken_has_no_end),
		TEST(shadow_ends_with_its_target),
		TEST(a_chunk_that_waited_is_not_measured),
		TEST(an_arm_says_it_again_and_again),
		TEST(late_word_is_as_good),
		TEST(the_word_of_an_arm_that_obeys_another_does_not_count),
		TEST(times_that_cannot_be_are_counted_and_left_out),
		TEST(clocks_that_differ_a_little_make_nothing_negative),
		TEST(chunks_and_targets_that_were_never_sent_are_counted),
		TEST(a_stick_is_felt_with_the_first_target_made_from_it),
		TEST(without_a_reader_nothing_is_written_and_all_is_counted),
		TEST(a_full_tape_drops_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
