/* samples.h - one fully filled message of every kind, and every encode and decode function behind one signature: for the tests
 * and the fuzz target that treat all messages alike. */
#ifndef DREAMVLA_TESTS_UNIT_TRANSPORT_SAMPLES_H
#define DREAMVLA_TESTS_UNIT_TRANSPORT_SAMPLES_H

#include "transport/message/message.h"

#define SAMPLE_HEAD { .from = UINT64_C(0xfedcba9876543210), .seq = 7, .stamp_ns = INT64_C(1234567890123) }
#define SAMPLE_JOINTS { 0.1, -0.5, 0, -2, 0.25, 1.5, 0.75 }

static const struct message_camera sample_camera = { .head = SAMPLE_HEAD, .encoding = ENCODING_BGR8, .width = 224, .height = 300 };

static const struct message_instruction sample_instruction = { .head = SAMPLE_HEAD, .text = "pick up the gr\xc3\xbcn block" };

static const struct message_state sample_state = { .head = SAMPLE_HEAD, .dof = 7,
	.state = { .has_gripper = true, .has_q = true, .stopped = true, .mode = ARM_MOVING, .accepted_from = UINT64_MAX,
		.refused_seq = 3, .ack_seq = 41, .ack_t_ns = 99, .q_rad = SAMPLE_JOINTS, .dq_rad_s = { 1, 2 }, .q_d_rad = SAMPLE_JOINTS,
		.ee = { { 0.5, 0, 0.25 }, { 1, 0, 0, 0 } }, .gripper_m = 0.04 },
	.has_tau = true, .tau_nm = { 7, 6, 5 }, .words = { 2, { "joint_position_limits", "power" }, "reflex", "recover it" },
	.refused_reason = "0.3 rad from q_d", .success_rate = 0.98 };

static const struct message_teleop sample_teleop = { .head = SAMPLE_HEAD, .arm = "left", .deadman = true, .kind = TELEOP_TWIST,
	.n_values = 6, .value = { 0, 0, 0.1, 0, 0, -0.2 }, .frame = FRAME_TCP, .has_gripper = true, .gripper_m = 0.01 };

static const struct message_target sample_target = { .head = SAMPLE_HEAD, .dof = 7, .intervention = true,
	.target = { .t_ns = INT64_C(2000000000), .kind = OUTPUT_JOINT, .q_rad = SAMPLE_JOINTS, .dq_rad_s = { 0.5, -0.5 },
		.has_gripper = true, .gripper_m = 0.08, .source = TARGET_POLICY, .valid_for_ns = 20000000, .epoch = 2, .chunk = 11,
		.step = 3, .frame_stamp_ns = INT64_C(1900000000) } };

static const struct message_event sample_event = { .head = SAMPLE_HEAD, .kind = "mode", .mode = "HOLD", .previous = "AUTO",
	.reason = "stop by an operator", .source = "control", .arm = "left", .code = "OPERATOR_STOP", .has_began = true, .has_ended = true,
	.began_ns = INT64_C(1700000000), .ended_ns = INT64_C(1800000000) };

static const struct message_status sample_status = { .head = SAMPLE_HEAD, .mode = "AUTO", .reason = "running", .driver = "policy",
	.instruction = "push the red block", .n_faults = 2, .fault = { "camera_stale", "nan" },
	.n_sources = 2, .source = { { "camera/top", 12.5, 30, SOURCE_FRESH }, { "state/arm", 3, 200, SOURCE_STALE } },
	.n_stages = 1, .stage = { { "vision", 4, 1, 2, 3 } },
	.n_arms = 1, .arm = { { "arm", "ipc:///run/arm", "too far", ARM_READY, true, true, false, 1500, { 0.1, 0, -0.2, 0, 0, 0.5 },
		{ 1, { "joint_reflex" }, "reflex", "recover it" } } },
	.n_counters = 2, .counter = { { "chunks", 9 }, { "clamps", UINT64_MAX } },
	.rate_hz = 200, .late_p50_us = 1, .late_p99_us = 2, .late_p999_us = 3, .late_max_us = 4, .overruns = 5,
	.margin_position = 1, .margin_velocity = 0.5, .margin_acceleration = 0.25, .margin_jerk = 0.125,
	.margin_workspace = 0.0625, .margin_floor = 0.75, .margin_tcp_speed = 0.875, .margin_tracking = 0.375, .speed = 0.25,
	.teleop_refused = "teleop/pad: not attached", .teleop_refused_age_ms = 250 };

/* Room for any decoded message. */
union any_message {
#define MESSAGE(name) struct message_##name name;
#include "transport/message/messages.def"
#undef MESSAGE
};

#define MESSAGE(name) \
	static int encode_##name(const void *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e) \
	{ \
		return message_##name##_encode(m, out, capacity, n, e); \
	} \
	static int decode_##name(void *m, const uint8_t *bytes, size_t n, struct errbuf *e) \
	{ \
		return message_##name##_decode(m, bytes, n, e); \
	}
#include "transport/message/messages.def"
#undef MESSAGE

struct sample {
	const char *name;
	const void *message;
	size_t size;
	int (*encode)(const void *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e);
	int (*decode)(void *m, const uint8_t *bytes, size_t n, struct errbuf *e);
};

static const struct sample samples[] = {
#define MESSAGE(name) { #name, &sample_##name, sizeof(struct message_##name), encode_##name, decode_##name },
#include "transport/message/messages.def"
#undef MESSAGE
};

enum { SAMPLES = sizeof samples / sizeof samples[0] };

#endif
