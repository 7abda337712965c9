/* state.c - state/<arm>: what an arm's driver measured and commanded. Joint values and the pose are there whenever the arm is
 * connected; while it is not, whatever stands in their place is ignored. */
#include <errno.h>

#include "transport/message/field.h"
#include "transport/message/names.h"

/* The message, and which of its parts are there. */
struct state_scratch {
	struct message_state m;
	bool has_q, has_dq, has_q_d, has_position, has_quaternion, has_refusal, has_sent;
	uint32_t n_q, n_dq, n_q_d, n_tau;
};

#define AT(member) offsetof(struct state_scratch, member)
#define JOINTS(name, member, flag, count) { .key = name, .type = FIELD_REALS, .at = AT(member), .flag_at = AT(flag), \
	.count_at = AT(count), .least = 1, .room = DOF_MAX, .optional = true }

static const struct field refusal_fields[] = {
	{ .key = "seq", .type = FIELD_U64, .at = AT(m.state.refused_seq) },
	{ .key = "reason", .type = FIELD_TEXT, .at = AT(m.refused_reason), .room = MESSAGE_TEXT_BYTES, .cut = true },
};

static const struct field sent_fields[] = {
	{ .key = "seq", .type = FIELD_U64, .at = offsetof(struct arm_state, sent_seq) },
	{ .key = "t_ns", .type = FIELD_I64, .at = offsetof(struct arm_state, sent_ns) },
	{ .key = "chunk", .type = FIELD_U64, .at = offsetof(struct arm_state, sent_chunk) },
	{ .key = "chunk_t_ns", .type = FIELD_I64, .at = offsetof(struct arm_state, sent_chunk_ns) },
};

/* The rows of the head come first: a reply to the control request is read with the rows after them. */
enum { HEAD_FIELDS = 4 };

static const struct field fields[] = {
	FIELD_HEAD(struct state_scratch, m.head),
	JOINTS("q", m.state.q_rad, has_q, n_q),
	JOINTS("dq", m.state.dq_rad_s, has_dq, n_dq),
	JOINTS("q_d", m.state.q_d_rad, has_q_d, n_q_d),
	JOINTS("tau", m.tau_nm, m.has_tau, n_tau),
	{ .key = "ee_pos", .type = FIELD_REALS, .at = AT(m.state.ee.p_m), .flag_at = AT(has_position), .room = 3, .optional = true },
	{ .key = "ee_quat", .type = FIELD_REALS, .at = AT(m.state.ee.q_xyzw), .flag_at = AT(has_quaternion), .room = 4,
		.optional = true },
	{ .key = "gripper_m", .type = FIELD_REAL, .at = AT(m.state.gripper_m), .flag_at = AT(m.state.has_gripper), .optional = true },
	{ .key = "mode", .type = FIELD_CHOICE, .at = AT(m.state.mode), .names = arm_mode_names, .room = ARM_MODE_COUNT },
	{ .key = "errors", .type = FIELD_TEXTS, .at = AT(m.words.error), .count_at = AT(m.words.n_errors), .room = MESSAGE_ERRORS_MAX,
		.stride = MESSAGE_ERROR_BYTES },
	{ .key = "trouble", .type = FIELD_TEXT, .at = AT(m.words.trouble), .room = NAME_BYTES, .optional = true, .cut = true },
	{ .key = "remedy", .type = FIELD_TEXT, .at = AT(m.words.remedy), .room = MESSAGE_TEXT_BYTES, .optional = true, .cut = true },
	{ .key = "ack_seq", .type = FIELD_U64, .at = AT(m.state.ack_seq) },
	{ .key = "ack_t_ns", .type = FIELD_I64, .at = AT(m.state.ack_t_ns) },
	{ .key = "sent", .type = FIELD_GROUP, .at = AT(m.state), .flag_at = AT(has_sent), .fields = sent_fields,
		.n_fields = FIELD_COUNT(sent_fields), .optional = true },
	{ .key = "accepted_from", .type = FIELD_U64, .at = AT(m.state.accepted_from) },
	/* Before the first refusal there is none to report. */
	{ .key = "refused", .type = FIELD_GROUP, .flag_at = AT(has_refusal), .fields = refusal_fields,
		.n_fields = FIELD_COUNT(refusal_fields), .optional = true },
	{ .key = "stopped", .type = FIELD_BOOL, .at = AT(m.state.stopped) },
	{ .key = "success_rate", .type = FIELD_REAL, .at = AT(m.success_rate), .low = 0, .high = 1, .optional = true },
};

static int check_joints(const char *key, bool present, uint32_t n, uint32_t dof, struct errbuf *e)
{
	if (!present)
		return fail(e, -EBADMSG, "%s: missing from an arm that is not disconnected", key);
	if (n != dof)
		return fail(e, -EBADMSG, "%s: found %u numbers, want %u as in q", key, n, dof);
	return 0;
}

static int check_connected(struct state_scratch *s, struct errbuf *e)
{
	int rc = check_joints("q", s->has_q, s->n_q, s->n_q, e);

	if (rc == 0)
		rc = check_joints("dq", s->has_dq, s->n_dq, s->n_q, e);
	if (rc == 0)
		rc = check_joints("q_d", s->has_q_d, s->n_q_d, s->n_q, e);
	if (rc == 0 && s->m.has_tau)
		rc = check_joints("tau", true, s->n_tau, s->n_q, e);
	if (rc == 0)
		rc = check_joints("ee_pos", s->has_position, s->n_q, s->n_q, e);
	if (rc == 0)
		rc = check_joints("ee_quat", s->has_quaternion, s->n_q, s->n_q, e);
	if (rc == 0)
		rc = field_check_quaternion("ee_quat", s->m.state.ee.q_xyzw, e);
	return rc;
}

int message_state_encode(const struct message_state *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	struct state_scratch s = { .m = *m, .has_refusal = true, .n_q = m->dof, .n_dq = m->dof, .n_q_d = m->dof, .n_tau = m->dof };

	s.has_q = s.has_dq = s.has_q_d = s.has_position = s.has_quaternion = m->state.has_q;
	s.has_sent = m->state.sent_seq > 0;
	return field_encode(fields, FIELD_COUNT(fields), &s, out, capacity, n, e);
}

static int decode(const struct field *rows, uint32_t n_rows, struct message_state *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct state_scratch s = { .m = { .success_rate = -1 } };
	int rc = field_decode(rows, n_rows, &s, bytes, n, e);

	if (rc == 0 && s.m.state.mode != ARM_DISCONNECTED) {
		rc = check_connected(&s, e);
		s.m.state.has_q = true;
		s.m.dof = s.n_q;
	}
	if (rc < 0)
		return rc;
	s.m.state.present = true;
	s.m.state.has_errors = s.m.words.n_errors > 0;
	s.m.state.from = s.m.head.from;
	s.m.state.seq = s.m.head.seq;
	s.m.state.stamp_ns = s.m.head.stamp_ns;
	*m = s.m;
	return 0;
}

int message_state_decode(struct message_state *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return decode(fields, FIELD_COUNT(fields), m, bytes, n, e);
}

int message_state_decode_reply(struct message_state *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return decode(fields + HEAD_FIELDS, FIELD_COUNT(fields) - HEAD_FIELDS, m, bytes, n, e);
}
