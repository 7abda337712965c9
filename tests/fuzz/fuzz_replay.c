/* fuzz_replay.c - raw records of a recording: first byte 't' is a tick, 's' control's state, any other an observation. What is accepted is
 * safe to act on: control runs some periods with it, an observation's bytes and ids lie in the record.
 *
 * A state is control's memory, too large and too particular to be hit upon: behind 's' comes the digit of a situation, whose true state is
 * then changed by patches of a place (4 bytes, little-endian, modulo its size) and 8 bytes each; with another byte than a digit of these,
 * what follows is the state itself. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_state.h"
#include "daemon/control_tick.h"
#include "daemon/record/replay_check.h"
#include "daemon/record/state_check.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

enum { PERIOD_NS = 5000000, TICKS = 4, SITUATION_TICKS = 400, CHUNK_TICKS = 80, CHUNK_STEPS = 8, PATCH_BYTES = 8, TAPE_BYTES = 1 << 20 };
enum { STATE_BYTES = sizeof(struct record_state) + sizeof(struct control) + sizeof(struct action_chunk) };

enum situation { SITUATION_READY, SITUATION_AUTO, SITUATION_TELEOP, SITUATIONS };

static struct control control;
static struct links links;
static struct replay_tick tick;
static _Alignas(TAPE_ALIGN_BYTES) uint8_t tape[TAPE_BYTES];
static struct { size_t n; uint8_t bytes[STATE_BYTES]; } state[SITUATIONS];

static void make_arm(struct arm_setup *a, uint32_t i)
{
	a->model = *robot_model_find("panda");
	a->tcp = pose_identity;
	a->action_first = 7 * i;
	a->action_count = 7;
	a->has_gripper = true;
	a->gripper_max_m = 0.08;
	memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
	a->playout_ns = 2 * PERIOD_NS;
	for (int k = 0; k < 3; k++) {
		a->box_min_m[k] = -1.0;
		a->box_max_m[k] = 1.0;
	}
	a->limit_scale = 0.5;
	a->tracking_error_rad = 0.1;
}

static struct control_setup make_setup(void)
{
	struct control_setup s = { .period_ns = PERIOD_NS, .n_arms = 2, .n_cameras = 1, .state_max_age_ns = 50000000, .action_dim = 14,
		.action_dt_ns = 100000000, .method = EXECUTE_INPAINT, .speed_default = 1.0, .valid_for_ns = 20000000,
		.teleop_timeout_ns = 100000000, .teleop_v_max_m_s = 0.25, .teleop_w_max_rad_s = 1.0, .starve_ns = 1000000000 };

	s.camera_max_age_ns[0] = 200000000;
	for (uint32_t i = 0; i < s.action_dim; i++)
		s.action_scale[i] = 1.0;
	for (uint32_t i = 0; i < s.n_arms; i++)
		make_arm(&s.arm[i], i);
	return s;
}

static void give(void)
{
	links.inputs[links.inputs_box.writing] = tick.inputs;
	if (tick.head.has_inputs)
		latest_publish(&links.inputs_box);
	links.policy[links.policy_box.writing] = tick.policy;
	if (tick.head.has_policy)
		latest_publish(&links.policy_box);
	links.chunk[links.chunk_box.writing] = tick.chunk;
	if (tick.head.has_chunk)
		latest_publish(&links.chunk_box);
	for (uint32_t i = 0; i < tick.head.n_commands; i++) {
		links.command[queue_claim(&links.command_queue)] = tick.command[i];
		queue_publish(&links.command_queue);
	}
}

static void begin(const struct control_setup *setup)
{
	memset(&links, 0, sizeof links);
	links_init(&links);
	control_init(&control, setup, &links);
}

static void step(int64_t now_ns)
{
	control_tick(&control, now_ns);
	fuzz_require(queue_front(&links.target_queue) >= 0);
	queue_release(&links.target_queue);
	while (queue_front(&links.event_queue) >= 0)
		queue_release(&links.event_queue);
}

static void run_tick(const struct control_setup *setup)
{
	begin(setup);
	for (int k = 0; k < TICKS; k++) {
		give();
		step(tick.head.now_ns + k * (int64_t)PERIOD_NS);
	}
}

/* ---- control's state --------------------------------------------------------------------------------------------------- */

static void make_inputs(const struct control_setup *setup, enum situation situation, int64_t now_ns)
{
	struct inputs *in = &tick.inputs;

	in->instruction_id = 1;
	in->camera[0] = (struct camera_status){ .present = true, .stamp_ns = now_ns, .arrival_ns = now_ns };
	for (uint32_t i = 0; i < setup->n_arms; i++) {
		struct arm_state *s = &in->arm[i];

		s->present = s->has_q = s->attached = s->has_gripper = true;
		s->mode = ARM_READY;
		s->from = 1;
		s->stamp_ns = s->arrival_ns = now_ns;
		memcpy(s->q_rad, setup->arm[i].home_rad, sizeof s->q_rad);
		memcpy(s->q_d_rad, s->q_rad, sizeof s->q_d_rad);
		kinematics_forward(&setup->arm[i].model, &setup->arm[i].tcp, s->q_rad, &s->ee);
	}
	if (situation == SITUATION_TELEOP)
		in->teleop[0] = (struct teleop_input){ .present = true, .from = 2, .kind = TELEOP_TWIST, .stamp_ns = now_ns, .arrival_ns = now_ns };
}

static void make_chunk(const struct control_setup *setup, int64_t now_ns)
{
	struct action_chunk *c = &tick.chunk;

	c->id++;
	c->epoch = links.hint[links.hint_box.reading].epoch;
	c->instruction_id = tick.inputs.instruction_id;
	c->t_obs_ns = c->frame_stamp_ns = c->received_ns = now_ns - 10 * (int64_t)PERIOD_NS;
	c->handed_over_ns = now_ns;
	c->n_steps = CHUNK_STEPS;
	c->action_dim = setup->action_dim;
	for (uint32_t k = 0; k < CHUNK_STEPS; k++)
		c->action[k][1] = 0.001;
	memcpy(c->arm, tick.inputs.arm, sizeof c->arm);
}

/* AUTO: asked for, with chunks. TELEOP: the dead-man switch pressed on the way, and a motion asked for. */
static void make_tick(const struct control_setup *setup, enum situation situation, int k, int64_t now_ns)
{
	struct teleop_input *t = &tick.inputs.teleop[0];

	make_inputs(setup, situation, now_ns);
	t->deadman = situation == SITUATION_TELEOP && k > SITUATION_TICKS / 2;
	t->edges = t->deadman;
	t->edge_ns = t->deadman ? PERIOD_NS * (int64_t)(SITUATION_TICKS / 2 + 1) : 0;
	t->value[1] = 0.02;
	tick.policy = (struct policy_status){ .health = POLICY_WARM, .chunks = tick.chunk.id };
	tick.head.has_inputs = tick.head.has_policy = true;
	tick.head.n_commands = situation == SITUATION_AUTO && k == SITUATION_TICKS / 2;
	tick.command[0] = (struct command){ .kind = COMMAND_MODE_AUTO, .ticket = 1, .arm = ALL_ARMS };
	(void)latest_refresh(&links.hint_box);
	tick.head.has_chunk = situation == SITUATION_AUTO && k % CHUNK_TICKS == CHUNK_TICKS / 2;
	if (tick.head.has_chunk)
		make_chunk(setup, now_ns);
}

/* As a recording gets it: from control's tape. */
static void make_state(const struct control_setup *setup, enum situation situation)
{
	static const enum mode modes[SITUATIONS] = { MODE_READY, MODE_AUTO, MODE_TELEOP };
	struct tape_record r;
	const void *p;

	begin(setup);
	memset(&tick, 0, sizeof tick);
	tape_init(&links.control_tape, tape, sizeof tape);
	tape_want(&links.control_tape, RECORD_BIT(STATE));
	for (int k = 1; k <= SITUATION_TICKS; k++) {
		make_tick(setup, situation, k, k * (int64_t)PERIOD_NS);
		give();
		step(k * (int64_t)PERIOD_NS);
	}
	fuzz_require(control.mode == modes[situation]);
	atomic_fetch_add(&links.state_wanted, 1);
	control_state_record(&control);
	p = tape_front(&links.control_tape, &r);
	fuzz_require(p && r.n_bytes <= STATE_BYTES && (situation != SITUATION_AUTO || r.n_bytes == STATE_BYTES));
	memcpy(state[situation].bytes, p, r.n_bytes);
	state[situation].n = r.n_bytes;
}

/* A copy of its own size, so that what lies behind it is seen; NULL: out of memory. */
static uint8_t *patched(const struct control_setup *setup, enum situation situation, const uint8_t *patch, size_t n)
{
	uint8_t *copy = malloc(STATE_BYTES);

	if (state[situation].n == 0)
		make_state(setup, situation);
	if (!copy)
		return NULL;
	memcpy(copy, state[situation].bytes, state[situation].n);
	for (; n >= 4 + PATCH_BYTES; patch += 4 + PATCH_BYTES, n -= 4 + PATCH_BYTES) {
		size_t at = (patch[0] | (uint32_t)patch[1] << 8 | (uint32_t)patch[2] << 16 | (uint32_t)patch[3] << 24) % (state[situation].n - PATCH_BYTES);

		memcpy(copy + at, patch + 4, PATCH_BYTES);
	}
	return copy;
}

/* What is taken runs for some periods, in which the world is silent. 0, or why it was not taken. */
static int run_state(const struct control_setup *setup, const uint8_t *bytes, size_t n)
{
	static struct action_chunk chunk;
	struct record_state head;
	struct errbuf e = { "" };
	int rc;

	begin(setup);
	rc = replay_take_state(&control, &head, &chunk, bytes, n, &e);
	fuzz_require(rc == 0 || (rc == -EBADMSG && e.text[0]));
	for (int k = 1; rc == 0 && k <= TICKS; k++)
		step(head.now_ns + k * (int64_t)PERIOD_NS);
	return rc;
}

static void take_state(const struct control_setup *setup, const uint8_t *data, size_t n)
{
	unsigned int situation = n > 0 ? data[0] - '0' : SITUATIONS;
	uint8_t *copy;

	if (n == 0)
		return;
	if (situation < SITUATIONS) {
		if (!(copy = patched(setup, situation, data + 1, n - 1)))
			return;
		int rc = run_state(setup, copy, state[situation].n);

		fuzz_require(rc == 0 || n > PATCH_BYTES); /* a true one is taken */
	} else {
		if (!(copy = malloc(n)))
			return;
		memcpy(copy, data + 1, n - 1);
		run_state(setup, copy, n - 1);
	}
	free(copy);
}

/* ---- observations -------------------------------------------------------------------------------------------------------- */

static void touch_observation(const struct record_observation *o, const struct replay_parts *parts)
{
	fuzz_touch(parts->ids, o->n_ids * sizeof(int32_t));
	fuzz_touch(parts->action, o->n_said * sizeof(double));
	fuzz_touch(parts->token, o->n_said * sizeof(int32_t));
	for (uint32_t i = 0; i < o->observation.n_cameras; i++)
		fuzz_touch(o->observation.frame[i].bytes, o->observation.frame[i].n_bytes);
	fuzz_touch(o->observation.instruction, strlen(o->observation.instruction));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct control_setup setup = make_setup();
	struct record_observation o;
	struct replay_parts parts;
	struct errbuf e = { "" };
	uint8_t *copy;

	if (n > 0 && data[0] == 's')
		take_state(&setup, data + 1, n - 1);
	if (n == 0 || data[0] == 's' || !(copy = malloc(n)))
		return 0;
	memcpy(copy, data + 1, n - 1); /* aligned, and nothing behind it */
	if (data[0] == 't') {
		if (replay_take_tick(&tick, &setup, copy, n - 1, &e) == 0)
			run_tick(&setup);
	} else if (replay_take_observation(&o, &setup, copy, n - 1, &parts, &e) == 0) {
		touch_observation(&o, &parts);
	}
	free(copy);
	return 0;
}
