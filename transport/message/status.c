/* status.c - status: the state of everything, ten times a second, and the answer to the control request `status`. */
#include "transport/message/field.h"
#include "transport/message/names.h"

#define AT(member) offsetof(struct message_status, member)
#define SOURCE_AT(member) offsetof(struct status_source, member)
#define STAGE_AT(member) offsetof(struct status_stage, member)
#define ARM_AT(member) offsetof(struct status_arm, member)
#define ROOM(array) ((uint32_t)(sizeof(((struct message_status *)NULL)->array) / sizeof(((struct message_status *)NULL)->array[0])))

/* field.c takes the name of a table's entry from the entry's first bytes. */
_Static_assert(SOURCE_AT(topic) == 0 && STAGE_AT(name) == 0 && ARM_AT(name) == 0 && offsetof(struct status_counter, name) == 0,
		"the name comes first");

static const struct field source_fields[] = {
	{ .key = "age_ms", .type = FIELD_REAL, .at = SOURCE_AT(age_ms) },
	{ .key = "rate_hz", .type = FIELD_REAL, .at = SOURCE_AT(rate_hz) },
	{ .key = "state", .type = FIELD_CHOICE, .at = SOURCE_AT(state), .names = source_state_names, .room = SOURCE_STATE_COUNT },
};

static const struct field stage_fields[] = {
	{ .key = "n", .type = FIELD_U64, .at = STAGE_AT(n) },
	{ .key = "p50_us", .type = FIELD_REAL, .at = STAGE_AT(p50_us) },
	{ .key = "p99_us", .type = FIELD_REAL, .at = STAGE_AT(p99_us) },
	{ .key = "max_us", .type = FIELD_REAL, .at = STAGE_AT(max_us) },
};

static const struct field arm_fields[] = {
	{ .key = "mode", .type = FIELD_CHOICE, .at = ARM_AT(mode), .names = arm_mode_names, .room = ARM_MODE_COUNT },
	{ .key = "present", .type = FIELD_BOOL, .at = ARM_AT(present) },
	{ .key = "attached", .type = FIELD_BOOL, .at = ARM_AT(attached) },
	{ .key = "refused", .type = FIELD_TEXT, .at = ARM_AT(refused), .room = MESSAGE_TEXT_BYTES, .cut = true },
	{ .key = "refused_age_ms", .type = FIELD_REAL, .at = ARM_AT(refused_age_ms), .optional = true },
	{ .key = "stopped", .type = FIELD_BOOL, .at = ARM_AT(stopped) },
	{ .key = "control", .type = FIELD_TEXT, .at = ARM_AT(control), .room = MESSAGE_TEXT_BYTES },
	{ .key = "twist", .type = FIELD_REALS, .at = ARM_AT(twist), .room = 6, .optional = true },
	{ .key = "errors", .type = FIELD_TEXTS, .at = ARM_AT(words.error), .count_at = ARM_AT(words.n_errors), .room = MESSAGE_ERRORS_MAX,
		.stride = MESSAGE_ERROR_BYTES, .optional = true },
	{ .key = "trouble", .type = FIELD_TEXT, .at = ARM_AT(words.trouble), .room = NAME_BYTES, .optional = true, .cut = true },
	{ .key = "remedy", .type = FIELD_TEXT, .at = ARM_AT(words.remedy), .room = MESSAGE_TEXT_BYTES, .optional = true, .cut = true },
};

static const struct field counter_fields[] = {
	{ .key = NULL, .type = FIELD_U64, .at = offsetof(struct status_counter, value) },
};

static const struct field control_fields[] = {
	{ .key = "rate_hz", .type = FIELD_REAL, .at = AT(rate_hz) },
	{ .key = "late_p50_us", .type = FIELD_REAL, .at = AT(late_p50_us) },
	{ .key = "late_p99_us", .type = FIELD_REAL, .at = AT(late_p99_us) },
	{ .key = "late_p999_us", .type = FIELD_REAL, .at = AT(late_p999_us) },
	{ .key = "late_max_us", .type = FIELD_REAL, .at = AT(late_max_us) },
	{ .key = "overruns", .type = FIELD_U64, .at = AT(overruns) },
};

static const struct field margin_fields[] = {
	{ .key = "position", .type = FIELD_REAL, .at = AT(margin_position) },
	{ .key = "velocity", .type = FIELD_REAL, .at = AT(margin_velocity) },
	{ .key = "acceleration", .type = FIELD_REAL, .at = AT(margin_acceleration) },
	{ .key = "jerk", .type = FIELD_REAL, .at = AT(margin_jerk) },
	{ .key = "workspace", .type = FIELD_REAL, .at = AT(margin_workspace) },
	{ .key = "floor", .type = FIELD_REAL, .at = AT(margin_floor) },
	{ .key = "tcp_speed", .type = FIELD_REAL, .at = AT(margin_tcp_speed) },
	{ .key = "tracking", .type = FIELD_REAL, .at = AT(margin_tracking) },
};

static const struct field teleop_fields[] = {
	{ .key = "refused", .type = FIELD_TEXT, .at = AT(teleop_refused), .room = MESSAGE_TEXT_BYTES, .cut = true },
	{ .key = "refused_age_ms", .type = FIELD_REAL, .at = AT(teleop_refused_age_ms) },
};

static const struct field record_fields[] = {
	{ .key = "runs", .type = FIELD_BOOL, .at = AT(record_runs) },
	{ .key = "file", .type = FIELD_TEXT, .at = AT(record_file), .room = MESSAGE_TEXT_BYTES, .cut = true },
	{ .key = "s", .type = FIELD_REAL, .at = AT(record_s) },
	{ .key = "mb", .type = FIELD_REAL, .at = AT(record_mb) },
	{ .key = "messages", .type = FIELD_U64, .at = AT(record_messages) },
	{ .key = "dropped", .type = FIELD_U64, .at = AT(record_dropped) },
	{ .key = "reason", .type = FIELD_TEXT, .at = AT(record_reason), .room = MESSAGE_TEXT_BYTES, .cut = true },
};

#define TABLE(name, member, count, entry_fields, name_bytes) { .key = name, .type = FIELD_TABLE, .at = AT(member), \
	.count_at = AT(count), .room = ROOM(member), .stride = sizeof(((struct message_status *)NULL)->member[0]), \
	.name_room = name_bytes, .fields = entry_fields, .n_fields = FIELD_COUNT(entry_fields) }

/* The rows of the head come first: a reply to the control request is read with the rows after them. */
enum { HEAD_FIELDS = 4 };

static const struct field fields[] = {
	FIELD_HEAD(struct message_status, head),
	{ .key = "mode", .type = FIELD_TEXT, .at = AT(mode), .least = 1, .room = NAME_BYTES },
	{ .key = "reason", .type = FIELD_TEXT, .at = AT(reason), .room = MESSAGE_TEXT_BYTES, .cut = true },
	{ .key = "driver", .type = FIELD_TEXT, .at = AT(driver), .room = NAME_BYTES + 8 },
	{ .key = "instruction", .type = FIELD_TEXT, .at = AT(instruction), .room = INSTRUCTION_BYTES },
	{ .key = "faults", .type = FIELD_TEXTS, .at = AT(fault), .count_at = AT(n_faults), .room = STATUS_FAULTS_MAX,
		.stride = NAME_BYTES },
	{ .key = "causes", .type = FIELD_TEXTS, .at = AT(cause), .count_at = AT(n_causes), .room = STATUS_CAUSES_MAX,
		.stride = MESSAGE_TEXT_BYTES, .optional = true },
	TABLE("sources", source, n_sources, source_fields, sizeof ((struct status_source *)NULL)->topic),
	TABLE("stages", stage, n_stages, stage_fields, NAME_BYTES),
	{ .key = "control", .type = FIELD_GROUP, .fields = control_fields, .n_fields = FIELD_COUNT(control_fields) },
	{ .key = "margins", .type = FIELD_GROUP, .fields = margin_fields, .n_fields = FIELD_COUNT(margin_fields) },
	{ .key = "speed", .type = FIELD_REAL, .at = AT(speed) },
	{ .key = "teleop", .type = FIELD_GROUP, .fields = teleop_fields, .n_fields = FIELD_COUNT(teleop_fields), .optional = true },
	{ .key = "record", .type = FIELD_GROUP, .flag_at = AT(has_record), .fields = record_fields, .n_fields = FIELD_COUNT(record_fields),
		.optional = true },
	TABLE("arms", arm, n_arms, arm_fields, NAME_BYTES),
	TABLE("counters", counter, n_counters, counter_fields, NAME_BYTES),
};

int message_status_encode(const struct message_status *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	return field_encode(fields, FIELD_COUNT(fields), m, out, capacity, n, e);
}

static int decode(const struct field *rows, uint32_t n_rows, struct message_status *m, const uint8_t *bytes, size_t n,
		struct errbuf *e)
{
	struct message_status found = { .n_faults = 0 };
	int rc = field_decode(rows, n_rows, &found, bytes, n, e);

	if (rc == 0)
		*m = found;
	return rc;
}

int message_status_decode(struct message_status *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return decode(fields, FIELD_COUNT(fields), m, bytes, n, e);
}

int message_status_decode_reply(struct message_status *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return decode(fields + HEAD_FIELDS, FIELD_COUNT(fields) - HEAD_FIELDS, m, bytes, n, e);
}
