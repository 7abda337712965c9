/* test_replay_control.c - what control leaves on its tape makes a second control do the same, bit for bit; and what is wrong in such a
 * record is refused before anything acts on it. */
#include "daemon/record/replay_check.h"
#include "daemon/replay_compare.h"

#include "tests/unit/daemon/teleop_bench.h"

#include <errno.h>

enum { TAPE_BYTES = 1 << 22, TICK_BYTES = 1 << 15 };

/* The second control, and the newest tick of the first. */
struct again {
	struct control control;
	struct links links;
	struct replay_tick tick;
	struct replay_differences differences;
	_Alignas(8) uint8_t bytes[TICK_BYTES];
	size_t n;
	uint64_t with_chunk, with_command;
	double nudge_m_s;            /* added to every action, as another checkpoint would */
};

static struct again *again_new(struct bench *b)
{
	struct again *a = calloc(1, sizeof *a);

	assert_non_null(a);
	tape_init(&b->links.control_tape, aligned_alloc(TAPE_ALIGN_BYTES, TAPE_BYTES), TAPE_BYTES);
	tape_want(&b->links.control_tape, RECORD_BIT(TICK));
	links_init(&a->links);
	control_init(&a->control, &b->setup, &a->links);
	return a;
}

static void free_both(struct bench *b, struct again *a)
{
	free(b->links.control_tape.memory);
	free(b);
	free(a);
}

static void give(struct again *a)
{
	struct links *l = &a->links;
	const struct replay_tick *t = &a->tick;

	l->inputs[l->inputs_box.writing] = t->inputs;
	if (t->head.has_inputs)
		latest_publish(&l->inputs_box);
	l->policy[l->policy_box.writing] = t->policy;
	if (t->head.has_policy)
		latest_publish(&l->policy_box);
	l->chunk[l->chunk_box.writing] = t->chunk;
	l->chunk[l->chunk_box.writing].action[0][1] += a->nudge_m_s;
	if (t->head.has_chunk)
		latest_publish(&l->chunk_box);
	for (uint32_t i = 0; i < t->head.n_commands; i++) {
		l->command[queue_claim(&l->command_queue)] = t->command[i];
		queue_publish(&l->command_queue);
	}
}

static void tick_again(struct again *a)
{
	struct queue *q = &a->links.target_queue;

	give(a);
	control_tick(&a->control, a->tick.head.now_ns);
	int slot = queue_front(q);

	assert_true(slot >= 0);
	replay_compare_targets(&a->differences, a->tick.head.tick, a->tick.head.now_ns, &a->links.target[slot], a->tick.target,
			a->tick.head.n_targets);
	queue_release(q);
	while (queue_front(&a->links.event_queue) >= 0)
		queue_release(&a->links.event_queue);
	a->with_chunk += a->tick.head.has_chunk;
	a->with_command += a->tick.head.n_commands > 0;
}

static void follow(struct bench *b, struct again *a)
{
	struct tape_record r;
	struct errbuf e;

	for (const void *p; (p = tape_front(&b->links.control_tape, &r)); tape_release(&b->links.control_tape)) {
		assert_int_equal(r.kind, RECORD_TICK);
		assert_true(r.n_bytes <= TICK_BYTES);
		a->n = r.n_bytes;
		memcpy(a->bytes, p, a->n);
		if (replay_take_tick(&a->tick, &b->setup, a->bytes, a->n, &e) < 0)
			fail_msg("%s", e.text);
		tick_again(a);
	}
	assert_int_equal(tape_dropped(&b->links.control_tape), 0);
}

static void live(struct bench *b, struct again *a, int64_t ms)
{
	for (int64_t done = 0; done < ms; done += 100) {
		run_ms(b, 100);
		follow(b, a);
	}
}

/* AUTO, a take-over and its end, a stop, AUTO again, a new instruction, home. */
static void live_a_day(struct bench *b, struct again *a)
{
	bench_start(b);
	tape_want(&b->links.control_tape, RECORD_BIT(TICK));
	live(b, a, 600);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	live(b, a, 2000);
	take_over(b, 0, 0.05);
	live(b, a, 700);
	press(b, 0, false);
	live(b, a, 1000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	live(b, a, 1000);
	b->inputs.instruction_id = 2;
	live(b, a, 1500);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	live(b, a, 1500);
	tell(b, (struct command){ .kind = COMMAND_HOME, .arm = ALL_ARMS });
	live(b, a, 1500);
	assert_true(a->with_chunk > 5);
	assert_true(a->with_command >= 4);
	assert_true(b->policy_targets > 100);
	assert_true(b->teleop_targets > 20);
}

static void test_same_bits(void **state)
{
	static const enum execution_method methods[] = { EXECUTE_SYNC, EXECUTE_ASYNC, EXECUTE_ENSEMBLE, EXECUTE_INPAINT };

	(void)state;
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		struct bench *b = bench_two_arms();

		b->setup.method = methods[i];
		b->setup.execution_steps = 4;
		links_init(&b->links);
		struct again *a = again_new(b);

		live_a_day(b, a);
		if (!replay_identical(&a->differences))
			fail_msg("method %d: %lu and %lu targets differ, the first in tick %lu", (int)methods[i], (unsigned long)a->differences.arm[0].targets,
					(unsigned long)a->differences.arm[1].targets, (unsigned long)a->differences.arm[0].first_tick);
		assert_int_equal(a->differences.ticks, a->control.report.ticks);
		free_both(b, a);
	}
}

/* Another policy's actions: the targets differ, and how far is told. */
static void test_other_actions(void **state)
{
	struct bench *b = bench_new();
	struct again *a;

	(void)state;
	links_init(&b->links);
	a = again_new(b);
	a->nudge_m_s = 0.002;
	live_a_day(b, a);
	assert_false(replay_identical(&a->differences));
	assert_true(a->differences.arm[0].targets > 10);
	assert_true(a->differences.arm[0].first_tick > 1);
	assert_true(a->differences.arm[0].largest_rad > 1e-6 && a->differences.arm[0].largest_rad < 1.0);
	free_both(b, a);
}

static void test_full_ring(void **state)
{
	struct bench *b = bench_new();
	struct again *a;

	(void)state;
	links_init(&b->links);
	a = again_new(b);
	bench_start(b);
	live(b, a, 200);
	for (int i = 0; i <= TARGET_RING; i++)
		control_tick(&b->control, b->now_ns += PERIOD_NS); /* nobody takes the targets */
	struct tape_record r;
	struct record_tick head = { 0 };

	for (const void *p; (p = tape_front(&b->links.control_tape, &r)); tape_release(&b->links.control_tape))
		memcpy(&head, p, sizeof head);
	assert_int_equal(head.refused, 1);
	free_both(b, a);
}

/* ---- bad records ---- */

/* A tick with everything in it. */
static struct again *full_tick(struct bench **out)
{
	struct bench *b = *out = bench_new();
	struct again *a;

	links_init(&b->links);
	a = again_new(b);
	bench_start(b);
	live(b, a, 1000);
	b->links.chunk[b->links.chunk_box.writing].id = 99;
	latest_publish(&b->links.chunk_box);
	latest_publish(&b->links.policy_box);
	tell(b, (struct command){ .kind = COMMAND_HOME, .arm = 0 });
	run_ms(b, 5);
	follow(b, a);
	assert_true(a->tick.head.has_inputs && a->tick.head.has_policy && a->tick.head.has_chunk && a->tick.head.n_commands == 1);
	return a;
}

/* Whatever one byte is changed to: refused, or something that control can be given. */
static void test_any_byte(void **state)
{
	struct bench *b;
	struct again *a = full_tick(&b);
	static struct control before;
	static const uint8_t change[] = { 0x01, 0x80, 0xff };
	uint64_t refused = 0;

	(void)state;
	before = a->control;
	for (size_t i = 0; i < a->n; i++) {
		for (size_t k = 0; k < sizeof change; k++) {
			struct errbuf e;

			a->bytes[i] ^= change[k];
			if (replay_take_tick(&a->tick, &b->setup, a->bytes, a->n, &e) < 0) {
				refused++;
			} else if (i < sizeof(struct record_tick) + sizeof(struct inputs) || i % 61 == 0) {
				a->control = before;
				a->tick.head.now_ns = before.last_ns + PERIOD_NS;
				tick_again(a);
			}
			a->bytes[i] ^= change[k];
		}
	}
	assert_true(refused > 500);
	free_both(b, a);
}

static int take(const struct bench *b, struct again *a, size_t n)
{
	struct errbuf e;
	int rc = replay_take_tick(&a->tick, &b->setup, a->bytes, n, &e);

	assert_true(rc == 0 || (rc == -EBADMSG && e.text[0]));
	return rc;
}

static void test_any_size(void **state)
{
	struct bench *b;
	struct again *a = full_tick(&b);

	(void)state;
	for (size_t n = 0; n < a->n; n++)
		assert_int_equal(take(b, a, n), -EBADMSG);
	assert_int_equal(take(b, a, a->n), 0);
	assert_int_equal(take(b, a, a->n + 1), -EBADMSG);
	free_both(b, a);
}

#define REFUSED(expression, value) do { \
	struct replay_tick *t = &good; \
	__typeof__(expression) was = (expression); \
	(expression) = (value); \
	uint8_t *at = a->bytes + sizeof t->head; \
	memcpy(a->bytes, &t->head, sizeof t->head); \
	memcpy(at, &t->inputs, sizeof t->inputs); \
	memcpy(at += sizeof t->inputs, &t->policy, sizeof t->policy); \
	memcpy(at += sizeof t->policy, &t->chunk, sizeof t->chunk); \
	memcpy(at += sizeof t->chunk, t->command, sizeof *t->command); \
	assert_int_equal(take(b, a, a->n), -EBADMSG); \
	(expression) = was; \
} while (0)

static void test_values(void **state)
{
	struct bench *b;
	struct again *a = full_tick(&b);
	static struct replay_tick good;

	(void)state;
	good = a->tick;
	REFUSED(t->head.tick, 0);
	REFUSED(t->head.now_ns, -1);
	REFUSED(t->head.now_ns, INT64_MAX);
	REFUSED(t->head.n_commands, COMMAND_RING + 1);
	REFUSED(t->head.n_commands, UINT32_MAX);
	REFUSED(t->head.n_targets, 2 * ARMS_MAX + 1);
	REFUSED(t->head.has_chunk, 2);
	REFUSED(t->inputs.arm[0].mode, (enum arm_mode)ARM_MODE_COUNT);
	REFUSED(t->inputs.arm[3].q_rad[6], NAN);
	REFUSED(t->inputs.arm[0].ee.q_xyzw[3], INFINITY);
	REFUSED(t->inputs.arm[0].stamp_ns, INT64_MIN);
	REFUSED(t->inputs.teleop[7].arm, 1);
	REFUSED(t->inputs.teleop[0].kind, (enum teleop_kind)3);
	REFUSED(t->inputs.teleop[0].value[6], NAN);
	REFUSED(t->inputs.camera[3].stamp_ns, INT64_MAX);
	REFUSED(t->inputs.instruction_ns, INT64_MAX);
	REFUSED(t->policy.health, (enum policy_health)3);
	REFUSED(t->chunk.n_steps, CHUNK_STEPS_MAX + 1);
	REFUSED(t->chunk.action_dim, ACTION_DIM_MAX + 1);
	REFUSED(t->chunk.t_obs_ns, INT64_MIN);
	REFUSED(t->chunk.arm[1].gripper_m, NAN);
	REFUSED(t->command[0].kind, (enum command_kind)(COMMAND_SHUTDOWN + 1));
	REFUSED(t->command[0].arm, 1);
	REFUSED(t->command[0].value, NAN);
	free_both(b, a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_same_bits),
		cmocka_unit_test(test_other_actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
