/* test_replay_control.c - what control leaves on its tape makes a second control do the same, bit for bit; and what is wrong in such a
 * record is refused before anything acts on it. */
#include "tests/unit/daemon/replay_bench.h"

#include <errno.h>

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
