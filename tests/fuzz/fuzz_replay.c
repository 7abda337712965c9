/* fuzz_replay.c - raw records of a recording: first byte 't' is a tick, any other an observation. What is accepted is safe to act on:
 * control runs some periods with it, an observation's bytes and ids lie in the record. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_tick.h"
#include "daemon/record/replay_check.h"
#include "daemon/stage/geometry.h"
#include "robots/model/model.h"

enum { PERIOD_NS = 5000000, TICKS = 4 };

static struct control control;
static struct links links;
static struct replay_tick tick;

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

static void run_tick(const struct control_setup *setup)
{
	memset(&links, 0, sizeof links);
	links_init(&links);
	control_init(&control, setup, &links);
	for (int k = 0; k < TICKS; k++) {
		give();
		control_tick(&control, tick.head.now_ns + k * (int64_t)PERIOD_NS);
		fuzz_require(queue_front(&links.target_queue) >= 0);
		queue_release(&links.target_queue);
		while (queue_front(&links.event_queue) >= 0)
			queue_release(&links.event_queue);
	}
}

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

	if (n == 0 || !(copy = malloc(n)))
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
