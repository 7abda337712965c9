/* test_replay_state.c - a recording that begins in the middle of a session: from control's state on, a second control makes the same
 * targets, bit for bit, whatever went on; and of a state in a file nothing is believed. */
#include "tests/unit/daemon/replay_bench.h"

#include <errno.h>

#include "daemon/record/state_rows.h"

enum { BYTES = sizeof(struct record_state) + sizeof(struct control) + sizeof(struct action_chunk) };

/* A second control that knows nothing of what was before. */
static struct again *begin_later(struct bench *b)
{
	struct again *a;

	free(b->links.control_tape.memory);
	a = again_new(b);
	a->waits = true;
	ask_for_state(b);
	return a;
}

static void check_same(struct bench *b, struct again *a, const char *when, int method)
{
	live(b, a, 1500);
	assert_false(a->waits);
	assert_true(a->differences.targets >= 300);
	if (!replay_identical(&a->differences))
		fail_msg("method %d, begun %s: %lu targets differ, the first in tick %lu of %lu", method, when,
				(unsigned long)a->differences.arm[0].targets, (unsigned long)a->differences.arm[0].first_tick,
				(unsigned long)a->differences.ticks);
	free(a);
}

static void begin_anywhere(struct bench *b, int method)
{
	bench_start_in(b, COMMAND_MODE_AUTO, 1400);
	for (int i = 0; i < 400 && (b->observed_ns == 0 || b->now_ns - b->observed_ns < 60 * MS); i++)
		run_ms(b, 5);
	assert_true(b->observed_ns > 0); /* a chunk is on its way */
	check_same(b, begin_later(b), "in AUTO", method);
	b->inputs.instruction_id++;
	run_ms(b, 20);
	check_same(b, begin_later(b), "behind a new instruction", method);
	take_over(b, 0, 0.05);
	run_ms(b, 200);
	assert_int_equal(b->report.mode, MODE_TELEOP);
	check_same(b, begin_later(b), "in TELEOP", method);
	press(b, 0, false);
	run_ms(b, 60);
	check_same(b, begin_later(b), "behind a release", method);
	tell(b, (struct command){ .kind = COMMAND_HOME, .arm = ALL_ARMS });
	run_ms(b, 300);
	check_same(b, begin_later(b), "on the way home", method);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	run_ms(b, 700);
	assert_true(ask_kind(b, COMMAND_MODE_SHADOW).ok);
	run_ms(b, 300);
	check_same(b, begin_later(b), "in SHADOW", method);
}

static void test_same_bits(void **state)
{
	static const enum execution_method methods[] = { EXECUTE_SYNC, EXECUTE_ASYNC, EXECUTE_ENSEMBLE, EXECUTE_INPAINT };

	(void)state;
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		struct bench *b = bench_two_arms();

		b->setup.method = methods[i];
		b->setup.execution_steps = 4;
		begin_anywhere(b, (int)methods[i]);
		free(b->links.control_tape.memory);
		free(b);
	}
}

/* Without a wish nothing is written; and one wish is answered once, when there is room. */
static void test_when_asked(void **state)
{
	struct bench *b = bench_moving();
	struct tape *t = &b->links.control_tape;
	struct tape_record r;
	void *memory = aligned_alloc(TAPE_ALIGN_BYTES, 1 << 20);

	(void)state;
	tape_init(t, memory, 1 << 16);
	tape_want(t, RECORD_BIT(STATE));
	control_state_record(&b->control);
	assert_null(tape_front(t, &r));
	ask_for_state(b);
	assert_null(tape_front(t, &r)); /* no room */
	tape_init(t, memory, 1 << 20);
	tape_want(t, RECORD_BIT(TICK));
	control_state_record(&b->control);
	assert_null(tape_front(t, &r)); /* not wanted */
	tape_want(t, RECORD_BIT(STATE));
	control_state_record(&b->control);
	assert_non_null(tape_front(t, &r));
	assert_int_equal(r.kind, RECORD_STATE);
	assert_int_equal(r.t_ns, b->control.last_ns);
	tape_release(t);
	control_state_record(&b->control);
	assert_null(tape_front(t, &r));
	free(memory);
	free(b);
}

/* ---- bad states ---- */

struct file {
	struct bench *bench;
	struct control control;      /* as control_init makes it */
	struct links links;
	struct action_chunk chunk;
	struct record_state head;
	_Alignas(8) uint8_t bytes[BYTES];
};

static struct file *file_new(enum execution_method method)
{
	struct file *f = calloc(1, sizeof *f);
	struct tape_record r;
	const void *p;

	assert_non_null(f);
	f->bench = bench_two_arms();
	f->bench->setup.method = method;
	bench_start_in(f->bench, COMMAND_MODE_AUTO, 1445);
	struct again *a = begin_later(f->bench);

	assert_non_null(p = tape_front(&f->bench->links.control_tape, &r));
	assert_int_equal(r.n_bytes, BYTES);
	memcpy(f->bytes, p, BYTES);
	free(a);
	links_init(&f->links);
	return f;
}

static void file_free(struct file *f)
{
	free(f->bench->links.control_tape.memory);
	free(f->bench);
	free(f);
}

static struct control *control_in(struct file *f)
{
	return (struct control *)(void *)(f->bytes + sizeof f->head);
}

static int take_error(struct file *f, size_t n, struct errbuf *e)
{
	memset(&f->links, 0, sizeof f->links);
	links_init(&f->links);
	control_init(&f->control, &f->bench->setup, &f->links);
	return replay_take_state(&f->control, &f->head, &f->chunk, f->bytes, n, e);
}

static void run_some(struct file *f)
{
	for (int i = 1; i <= 4; i++) {
		control_tick(&f->control, f->head.now_ns + i * (int64_t)PERIOD_NS);
		assert_true(queue_front(&f->links.target_queue) >= 0);
		queue_release(&f->links.target_queue);
	}
}

static void test_any_size(void **state)
{
	struct file *f = file_new(EXECUTE_ASYNC);
	struct errbuf e;

	(void)state;
	for (size_t n = 0; n < BYTES; n += n < 64 || n > BYTES - 64 ? 1 : 1009)
		assert_int_equal(take_error(f, n, &e), -EBADMSG);
	assert_int_equal(take_error(f, BYTES, &e), 0);
	run_some(f);
	file_free(f);
}

#define REFUSED(expression, value, name) do { \
	struct control *c = control_in(f); \
	struct record_state *h = (struct record_state *)(void *)f->bytes; \
	struct errbuf why; \
	__typeof__(expression) was = (expression); \
	(void)c, (void)h; \
	(expression) = (value); \
	assert_int_equal(take_error(f, BYTES, &why), -EBADMSG); \
	if (!strstr(why.text, name)) \
		fail_msg("%s: not named in \"%s\"", name, why.text); \
	assert_null(f->control.chunk); \
	assert_int_equal(f->control.report.ticks, 0); /* unchanged */ \
	(expression) = was; \
} while (0)

static void test_values(void **state)
{
	struct file *f = file_new(EXECUTE_ENSEMBLE);
	struct errbuf e;

	(void)state;
	REFUSED(h->tick, h->tick + 1, "ticks");
	REFUSED(h->now_ns, INT64_MAX, "time");
	REFUSED(h->has_chunk, 2, "size");
	REFUSED(h->hand_arm, 2, "hand_arm");
	REFUSED(c->mode, MODE_COUNT, "mode");
	REFUSED(c->mode, MODE_TELEOP, "hand_arm");
	REFUSED(c->reason, REASON_COUNT, "reason");
	REFUSED(c->reason_subject, 1u << 16, "reason_subject");
	REFUSED(*(uint8_t *)&c->shutdown, 2, "shutdown");
	REFUSED(*(uint8_t *)&c->arm[1].driven, 0xff, "arm[1].driven");
	REFUSED(c->speed, (double)NAN, "speed");
	REFUSED(c->speed_wish, (double)INFINITY, "speed_wish");
	REFUSED(c->instruction_ns, INT64_MIN, "instruction_ns");
	REFUSED(c->stop_ns, INT64_MAX, "stop_ns");
	REFUSED(c->latencies.n, LATENCIES + 1, "latencies.n");
	REFUSED(c->latencies.next, LATENCIES, "latencies.next");
	REFUSED(c->past.n, PAST_ENTRIES + 1, "past.n");
	REFUSED(c->past.next, PAST_ENTRIES, "past.next");
	REFUSED(c->past.entry[1023].t_ns, INT64_MAX, "past.entry[1023].t_ns");
	REFUSED(c->past.entry[5].q_rad[3][6], (double)NAN, "past.entry[5].q_rad");
	REFUSED(c->safety[0].joint[6].v, (double)NAN, "safety[0].joint[6].v");
	REFUSED(c->shadow[1].limits[2].q_max, (double)INFINITY, "shadow[1].limits[2].q_max");
	REFUSED(c->trajectory.n_steps, CHUNK_STEPS_MAX + 1, "trajectory.n_steps");
	REFUSED(c->trajectory.n_steps, 0, "trajectory.n_steps");
	REFUSED(c->trajectory.clock.q, 1e8, "trajectory.clock");
	REFUSED(c->trajectory.end_s, 1e12, "trajectory.end_s");
	REFUSED(c->trajectory.arm[1].dim, PATH_DIM_MAX + 1, "trajectory.arm[1].dim");
	REFUSED(c->trajectory.arm[1].dim, 7, "trajectory.arm[].dim");
	REFUSED(c->trajectory.arm[1].spline.n, 0, "trajectory.arm[].spline");
	REFUSED(c->trajectory.arm[1].spline.n, 0xffffffffu, "trajectory.arm[1].spline.n");
	REFUSED(c->trajectory.arm[0].spline.step_s, 0.0, "trajectory.arm[].spline");
	REFUSED(c->trajectory.arm[0].spline.second[64][6], (double)NAN, "trajectory.arm[0].spline.second");
	REFUSED(c->trajectory.ensemble.n, ENSEMBLE_MAX + 1, "trajectory.ensemble.n");
	REFUSED(c->trajectory.ensemble.next, ENSEMBLE_MAX, "trajectory.ensemble.next");
	REFUSED(c->trajectory.ensemble.member[7].n_steps, 65, "trajectory.ensemble.member[7].n_steps");
	REFUSED(c->trajectory.ensemble.member[7].arm[3].spline.dim, 8, "trajectory.ensemble.member[7].arm[3].spline.dim");
	REFUSED(c->trajectory.ensemble.member[(c->trajectory.ensemble.next + 7) % 8].arm[0].spline.n, 1, "member[].arm[].spline");
	REFUSED(c->trajectory.ensemble.member[(c->trajectory.ensemble.next + 7) % 8].n_steps, 0, "member[].n_steps");
	REFUSED(c->arbiter.line[2].along.a, (double)NAN, "arbiter.line[2].along.a");
	REFUSED(c->teleop.device, TELEOP_DEVICES_MAX, "teleop.device");
	REFUSED(c->teleop.start.arm, 3, "teleop.start.arm");
	REFUSED(c->hand.kind, TELEOP_JOINT + 1, "hand.kind");
	REFUSED(c->report.ticks, 1, "ticks");
	REFUSED(c->inputs.teleop[0].arm, 2, "a device's arm");
	REFUSED(c->policy.health, POLICY_GONE + 1, "the policy's status");
	assert_int_equal(take_error(f, BYTES, &e), 0);
	file_free(f);
}

/* Whatever bytes are changed: refused, or something that control can go on from. Our own set-up and places in memory stand in any case. */
static void any_byte(enum execution_method method)
{
	static const uint8_t change[] = { 0x01, 0x80, 0xff };
	struct file *f = file_new(method);
	size_t step = 0, refused = 0, run = 0;
	struct errbuf e;

	for (size_t i = 0; i < BYTES; i += 1 + step) {
		for (size_t k = 0; k < sizeof change; k++) {
			f->bytes[i] ^= change[k];
			if (take_error(f, BYTES, &e) < 0) {
				refused++;
			} else {
				assert_ptr_equal(f->control.trajectory.setup, &f->control.setup);
				assert_ptr_equal(f->control.links, &f->links);
				assert_ptr_equal(f->control.safety[1].arm, &f->control.setup.arm[1]);
				run_some(f);
				run++;
			}
			f->bytes[i] ^= change[k];
		}
		step = (step * 31 + 977) % 4099; /* a few hundred places all over */
	}
	assert_true(refused > 20);
	assert_true(run > 100);
	file_free(f);
}

static void test_any_byte(void **state)
{
	(void)state;
	any_byte(EXECUTE_ENSEMBLE);
	any_byte(EXECUTE_INPAINT);
}

/* ---- the rows ---- */

static size_t align_of(const struct state_row *row)
{
	return row->rule == STATE_PART || row->bytes >= 8 ? 8 : row->bytes >= 4 ? 4 : 1;
}

/* Every member has a row: between two rows there is no more than what aligns the second. */
static void check_part(const struct state_part *part)
{
	size_t end = 0;

	for (uint32_t i = 0; i < part->n; i++) {
		const struct state_row *row = &part->row[i];
		size_t align = align_of(row), due = (end + align - 1) / align * align;

		if (row->at != end && row->at != due)
			fail_msg("%s lies at %zu, the row before ends at %zu: a member between them has no row", row->name, row->at, end);
		end = row->at + row->n * row->bytes;
		if (row->rule == STATE_PART)
			assert_true(row->bytes == row->part->bytes);
	}
	assert_true(part->bytes >= end && part->bytes - end < 8);
}

static void test_every_member_has_a_row(void **state)
{
	const struct state_part *part = state_of_control();
	uint32_t parts = 0;

	(void)state;
	struct state_walk w = { .place = { { .part = part } }, .depth = 1 };
	const struct state_row *row;
	size_t at, last = 0, leaves = 0;

	check_part(part);
	while ((row = state_next(&w, &at))) {
		assert_true(leaves == 0 || at > last);
		last = at;
		leaves++;
		if (w.place[w.depth - 1].row == 1) { /* the first row of a part that has just been entered */
			check_part(w.place[w.depth - 1].part);
			parts++;
		}
	}
	assert_true(parts > 1000 && leaves > 5000);
	assert_true(last + 64 > sizeof(struct control) - sizeof(struct control_report));
	assert_true(state_fingerprint() != 0 && state_fingerprint() == state_fingerprint());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_has_a_row),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_when_asked),
		cmocka_unit_test(test_same_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
