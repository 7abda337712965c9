/* target.c - target/<arm>: one sample of the motion an arm shall follow. Joint targets carry q and dq, pose targets
 * pos, quat and twist. */
#include <errno.h>
#include <math.h>

#include "transport/message/field.h"
#include "transport/message/names.h"

struct target_scratch {
	struct message_target m;
	double valid_for_ms;
	bool has_q, has_dq, has_position, has_quaternion, has_twist;
	uint32_t n_q, n_dq;
	double twist[6];
};

#define AT(member) offsetof(struct target_scratch, member)

static const struct field fields[] = {
	FIELD_HEAD(struct target_scratch, m.head),
	{ .key = "t_ns", .type = FIELD_I64, .at = AT(m.target.t_ns) },
	{ .key = "kind", .type = FIELD_CHOICE, .at = AT(m.target.kind), .names = output_kind_names, .room = OUTPUT_KIND_COUNT },
	{ .key = "q", .type = FIELD_REALS, .at = AT(m.target.q_rad), .flag_at = AT(has_q), .count_at = AT(n_q), .least = 1,
		.room = DOF_MAX, .optional = true },
	{ .key = "dq", .type = FIELD_REALS, .at = AT(m.target.dq_rad_s), .flag_at = AT(has_dq), .count_at = AT(n_dq), .least = 1,
		.room = DOF_MAX, .optional = true },
	{ .key = "pos", .type = FIELD_REALS, .at = AT(m.target.ee.p_m), .flag_at = AT(has_position), .room = 3, .optional = true },
	{ .key = "quat", .type = FIELD_REALS, .at = AT(m.target.ee.q_xyzw), .flag_at = AT(has_quaternion), .room = 4,
		.optional = true },
	{ .key = "twist", .type = FIELD_REALS, .at = AT(twist), .flag_at = AT(has_twist), .room = 6, .optional = true },
	{ .key = "gripper_m", .type = FIELD_REAL, .at = AT(m.target.gripper_m), .flag_at = AT(m.target.has_gripper),
		.optional = true },
	{ .key = "source", .type = FIELD_CHOICE, .at = AT(m.target.source), .names = target_source_names,
		.room = TARGET_SOURCE_COUNT },
	{ .key = "valid_for_ms", .type = FIELD_REAL, .at = AT(valid_for_ms), .low = 0, .high = 100 },
	{ .key = "epoch", .type = FIELD_U32, .at = AT(m.target.epoch), .high = UINT32_MAX },
	{ .key = "chunk", .type = FIELD_U64, .at = AT(m.target.chunk) },
	{ .key = "step", .type = FIELD_U32, .at = AT(m.target.step), .high = UINT32_MAX },
	{ .key = "frame_stamp_ns", .type = FIELD_I64, .at = AT(m.target.frame_stamp_ns) },
	{ .key = "intervention", .type = FIELD_BOOL, .at = AT(m.intervention) },
};

static int check_joint(struct target_scratch *s, struct errbuf *e)
{
	if (!s->has_q || !s->has_dq)
		return fail(e, -EBADMSG, "%s: missing from a joint target", s->has_q ? "dq" : "q");
	if (s->n_dq != s->n_q)
		return fail(e, -EBADMSG, "dq: found %u numbers, want %u as in q", s->n_dq, s->n_q);
	s->m.dof = s->n_q;
	return 0;
}

static int check_pose(struct target_scratch *s, struct errbuf *e)
{
	if (!s->has_position || !s->has_quaternion || !s->has_twist)
		return fail(e, -EBADMSG, "%s: missing from a pose target", !s->has_position ? "pos" : s->has_quaternion ? "twist" : "quat");
	for (int i = 0; i < 3; i++) {
		s->m.target.twist.v_m_s[i] = s->twist[i];
		s->m.target.twist.w_rad_s[i] = s->twist[3 + i];
	}
	return field_check_quaternion("quat", s->m.target.ee.q_xyzw, e);
}

int message_target_encode(const struct message_target *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	struct target_scratch s = { .m = *m, .n_q = m->dof, .n_dq = m->dof,
		.valid_for_ms = (double)m->target.valid_for_ns / 1e6 };

	s.has_q = s.has_dq = m->target.kind == OUTPUT_JOINT;
	s.has_position = s.has_quaternion = s.has_twist = m->target.kind == OUTPUT_POSE;
	for (int i = 0; i < 3; i++) {
		s.twist[i] = m->target.twist.v_m_s[i];
		s.twist[3 + i] = m->target.twist.w_rad_s[i];
	}
	return field_encode(fields, FIELD_COUNT(fields), &s, out, capacity, n, e);
}

int message_target_decode(struct message_target *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct target_scratch s = { .has_q = false };
	int rc = field_decode(fields, FIELD_COUNT(fields), &s, bytes, n, e);

	if (rc == 0)
		rc = s.m.target.kind == OUTPUT_JOINT ? check_joint(&s, e) : check_pose(&s, e);
	if (rc < 0)
		return rc;
	s.m.target.valid = true;
	s.m.target.valid_for_ns = llround(s.valid_for_ms * 1e6);
	*m = s.m;
	return 0;
}
