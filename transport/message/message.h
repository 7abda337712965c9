/* message.h - every message of the contract as a plain struct, with one encode and one decode function each.
 *
 * One file per message; the list is messages.def. Decoding never allocates, never reads beyond n bytes, and commits only
 * when everything was valid. Texts are copied into fixed buffers and always end with a zero. Unknown keys are skipped.
 * All functions: thread any (no state), allocates no, blocks no. Errors: -EBADMSG with "topic: key: found, want". */
#ifndef DREAMVLA_TRANSPORT_MESSAGE_MESSAGE_H
#define DREAMVLA_TRANSPORT_MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "daemon/sys/error.h"

enum { MESSAGE_ERRORS_MAX = 16, MESSAGE_ERROR_BYTES = 64, MESSAGE_TEXT_BYTES = 384, MESSAGE_BYTES_MAX = 16384 };

/* The keys that every map of a topic has. */
struct message_head {
	uint64_t from, seq;
	int64_t stamp_ns;
};

struct message_camera {
	struct message_head head;
	enum picture_encoding encoding;
	uint32_t width, height;
};

struct message_instruction {
	struct message_head head;
	char text[INSTRUCTION_BYTES];
};

/* What is wrong with an arm: the names of what keeps it from being driven, and, also where only its gripper suffers, one word with the
 * sentence that says what mends it ("": nothing is wrong). */
struct arm_words {
	uint32_t n_errors;
	char error[MESSAGE_ERRORS_MAX][MESSAGE_ERROR_BYTES];
	char trouble[NAME_BYTES];
	char remedy[MESSAGE_TEXT_BYTES];
};

struct message_state {
	struct message_head head;
	uint32_t dof;              /* length of the arrays found (all alike); 0 when absent */
	struct arm_state state;    /* arrival, attached and stamp are the receiver's to fill in */
	bool has_tau;
	double tau_nm[DOF_MAX];
	struct arm_words words;
	char refused_reason[MESSAGE_TEXT_BYTES];
	double success_rate;       /* -1 when absent */
};

struct message_teleop {
	struct message_head head;
	char arm[NAME_BYTES];      /* "" when absent */
	bool deadman;
	enum teleop_kind kind;
	uint32_t n_values;
	double value[TELEOP_VALUES_MAX];
	enum delta_frame frame;
	bool has_gripper;
	double gripper_m;
};

struct message_target {
	struct message_head head;
	uint32_t dof;              /* of q and dq when kind is joint */
	bool intervention;
	struct driver_target target; /* `arm`, tick_ns, edge_ns, first_of_chunk and shadow do not travel */
};

struct message_event {
	struct message_head head;
	char kind[NAME_BYTES], mode[NAME_BYTES], previous[NAME_BYTES];
	char reason[MESSAGE_TEXT_BYTES], source[NAME_BYTES + 8], arm[NAME_BYTES];
	char code[NAME_BYTES];     /* name of the reason's row in reason.def, for programs; "" when absent */
	bool has_began, has_ended; /* of an intervention: takeover has its beginning, intervention both */
	int64_t began_ns, ended_ns;
};

/* One entry of status.sources, .stages and .arms. */
struct status_source {
	char topic[NAME_BYTES + 8];
	double age_ms, rate_hz;
	enum source_state state;
};

struct status_stage {
	char name[NAME_BYTES];
	uint64_t n;
	double p50_us, p99_us, max_us;
};

struct status_arm {
	char name[NAME_BYTES], control[MESSAGE_TEXT_BYTES], refused[MESSAGE_TEXT_BYTES];
	enum arm_mode mode;
	bool present, attached, stopped;
	double refused_age_ms;     /* of `refused` */
	double twist[6];           /* of the TCP as sent: m/s, rad/s */
	struct arm_words words;
};

enum { STATUS_COUNTERS_MAX = 48, STATUS_FAULTS_MAX = 64, STATUS_CAUSES_MAX = 4 };

struct status_counter {
	char name[NAME_BYTES];
	uint64_t value;
};

struct message_status {
	struct message_head head;
	char mode[NAME_BYTES], reason[MESSAGE_TEXT_BYTES], driver[NAME_BYTES + 8];
	char instruction[INSTRUCTION_BYTES];
	uint32_t n_faults, n_sources, n_stages, n_arms, n_counters;
	char fault[STATUS_FAULTS_MAX][NAME_BYTES];
	uint32_t n_causes;         /* sentences of the first of these, in their order */
	char cause[STATUS_CAUSES_MAX][MESSAGE_TEXT_BYTES];
	struct status_source source[CAMERAS_MAX + ARMS_MAX + TELEOP_DEVICES_MAX];
	struct status_stage stage[STAGE_COUNT];
	struct status_arm arm[ARMS_MAX];
	struct status_counter counter[STATUS_COUNTERS_MAX];
	double rate_hz;            /* control loop, achieved over the last seconds */
	double late_p50_us, late_p99_us, late_p999_us, late_max_us;
	uint64_t overruns;
	double margin_position, margin_velocity, margin_acceleration, margin_jerk; /* worst arm, 0..1 */
	double margin_workspace, margin_floor, margin_tcp_speed, margin_tracking;  /* the same */
	double speed;
	char teleop_refused[MESSAGE_TEXT_BYTES]; /* newest refused take-over: device and why; "": none */
	double teleop_refused_age_ms;
	bool has_record, record_runs; /* something is, or was, recorded, or could not be */
	char record_file[MESSAGE_TEXT_BYTES], record_reason[MESSAGE_TEXT_BYTES]; /* why it ended by itself; "" */
	double record_s, record_mb;
	uint64_t record_messages, record_dropped;
};

/* Declares for every row of messages.def (name, struct):
 *   int message_<name>_encode(const struct message_<name> *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e);
 *       -ENOSPC when it does not fit, -EINVAL when a number is not finite
 *   int message_<name>_decode(struct message_<name> *m, const uint8_t *bytes, size_t n, struct errbuf *e); */
#define MESSAGE(name) \
	MUST_CHECK int message_##name##_encode(const struct message_##name *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e); \
	MUST_CHECK int message_##name##_decode(struct message_##name *m, const uint8_t *bytes, size_t n, struct errbuf *e);
#include "transport/message/messages.def"
#undef MESSAGE

/* The status map without v, from, seq and stamp_ns (m->head is 0): what the control request `status` is answered with. */
MUST_CHECK int message_status_decode_reply(struct message_status *m, const uint8_t *bytes, size_t n, struct errbuf *e);

/* The same for state/<arm> and an arm's answer to `status`. */
MUST_CHECK int message_state_decode_reply(struct message_state *m, const uint8_t *bytes, size_t n, struct errbuf *e);

/* Names as they stand on the wire ("AUTO", "reflex", "fresh"); NULL for a value outside the enum. */
const char *mode_name(enum mode m);
const char *arm_mode_name(enum arm_mode m);
const char *source_state_name(enum source_state s);

#endif
