/* teleop.c - teleop/<device>: what a person's device wants. */
#include <errno.h>

#include "transport/message/field.h"
#include "transport/message/names.h"

struct teleop_scratch {
	struct message_teleop m;
	bool has_frame;
};

#define AT(member) offsetof(struct teleop_scratch, member)

static const struct field fields[] = {
	FIELD_HEAD(struct teleop_scratch, m.head),
	{ .key = "arm", .type = FIELD_TEXT, .at = AT(m.arm), .room = NAME_BYTES, .optional = true },
	{ .key = "deadman", .type = FIELD_BOOL, .at = AT(m.deadman) },
	{ .key = "kind", .type = FIELD_CHOICE, .at = AT(m.kind), .names = teleop_kind_names, .room = TELEOP_KIND_COUNT },
	{ .key = "values", .type = FIELD_REALS, .at = AT(m.value), .count_at = AT(m.n_values), .least = 1, .room = DOF_MAX },
	{ .key = "frame", .type = FIELD_CHOICE, .at = AT(m.frame), .flag_at = AT(has_frame), .names = delta_frame_names,
		.room = DELTA_FRAME_COUNT, .optional = true },
	{ .key = "gripper_m", .type = FIELD_REAL, .at = AT(m.gripper_m), .flag_at = AT(m.has_gripper), .optional = true },
};

/* What the kinds ask for: messages.md section 5. */
static int check_kind(struct teleop_scratch *s, struct errbuf *e)
{
	static const uint32_t wanted[TELEOP_KIND_COUNT] = { [TELEOP_TWIST] = 6, [TELEOP_POSE] = 7 };
	uint32_t want = wanted[s->m.kind];

	if (want != 0 && s->m.n_values != want)
		return fail(e, -EBADMSG, "values: found %u numbers, want %u for a %s", s->m.n_values, want, teleop_kind_names[s->m.kind]);
	if (s->m.kind == TELEOP_TWIST && !s->has_frame)
		return fail(e, -EBADMSG, "frame: missing, want base or tcp with a twist");
	if (s->m.kind == TELEOP_POSE)
		return field_check_quaternion("values[3..6]", s->m.value + 3, e);
	return 0;
}

int message_teleop_encode(const struct message_teleop *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	struct teleop_scratch s = { .m = *m, .has_frame = m->kind == TELEOP_TWIST };

	return field_encode(fields, FIELD_COUNT(fields), &s, out, capacity, n, e);
}

int message_teleop_decode(struct message_teleop *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct teleop_scratch s = { .has_frame = false };
	int rc = field_decode(fields, FIELD_COUNT(fields), &s, bytes, n, e);

	if (rc == 0)
		rc = check_kind(&s, e);
	if (rc == 0)
		*m = s.m;
	return rc;
}
