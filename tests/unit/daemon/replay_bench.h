/* replay_bench.h - a bench whose control leaves its ticks, and its state where one is asked for, on tape, and a second control that is given
 * them. */
#ifndef DREAMVLA_TESTS_UNIT_DAEMON_REPLAY_BENCH_H
#define DREAMVLA_TESTS_UNIT_DAEMON_REPLAY_BENCH_H

#include "daemon/control_state.h"
#include "daemon/record/replay_check.h"
#include "daemon/record/state_check.h"
#include "daemon/replay_compare.h"

#include "tests/unit/daemon/teleop_bench.h"

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
	bool waits;                  /* for a state: ticks before it are not its own */
	struct record_state state;
	struct action_chunk chunk;
};

static inline struct again *again_new(struct bench *b)
{
	struct again *a = calloc(1, sizeof *a);

	assert_non_null(a);
	tape_init(&b->links.control_tape, aligned_alloc(TAPE_ALIGN_BYTES, TAPE_BYTES), TAPE_BYTES);
	tape_want(&b->links.control_tape, RECORD_BIT(TICK) | RECORD_BIT(STATE));
	links_init(&a->links);
	control_init(&a->control, &b->setup, &a->links);
	return a;
}

static inline void free_both(struct bench *b, struct again *a)
{
	free(b->links.control_tape.memory);
	free(b);
	free(a);
}

static inline void give(struct again *a)
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

static inline void tick_again(struct again *a)
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

static inline void go_on_from(struct again *a, const void *p, size_t n)
{
	struct errbuf e;

	if (replay_take_state(&a->control, &a->state, &a->chunk, p, n, &e) < 0)
		fail_msg("%s", e.text);
	a->waits = false;
}

static inline void follow(struct bench *b, struct again *a)
{
	struct tape_record r;
	struct errbuf e;

	for (const void *p; (p = tape_front(&b->links.control_tape, &r)); tape_release(&b->links.control_tape)) {
		if (r.kind == RECORD_STATE)
			go_on_from(a, p, r.n_bytes);
		if (r.kind == RECORD_STATE || a->waits)
			continue;
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

static inline void live(struct bench *b, struct again *a, int64_t ms)
{
	for (int64_t done = 0; done < ms; done += 100) {
		run_ms(b, 100);
		follow(b, a);
	}
}

/* Control's state as it is now, on the tape. */
static inline void ask_for_state(struct bench *b)
{
	atomic_fetch_add(&b->links.state_wanted, 1);
	control_state_record(&b->control);
}

#endif
