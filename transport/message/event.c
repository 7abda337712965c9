/* event.c - event: one per edge, in words. */
#include "transport/message/field.h"
#include "transport/message/message.h"

#define AT(member) offsetof(struct message_event, member)

static const struct field fields[] = {
	FIELD_HEAD(struct message_event, head),
	{ .key = "kind", .type = FIELD_TEXT, .at = AT(kind), .least = 1, .room = NAME_BYTES },
	{ .key = "mode", .type = FIELD_TEXT, .at = AT(mode), .room = NAME_BYTES },
	{ .key = "previous", .type = FIELD_TEXT, .at = AT(previous), .room = NAME_BYTES },
	{ .key = "reason", .type = FIELD_TEXT, .at = AT(reason), .room = MESSAGE_TEXT_BYTES, .cut = true },
	{ .key = "source", .type = FIELD_TEXT, .at = AT(source), .room = NAME_BYTES + 8 },
	{ .key = "arm", .type = FIELD_TEXT, .at = AT(arm), .room = NAME_BYTES },
	{ .key = "code", .type = FIELD_TEXT, .at = AT(code), .room = NAME_BYTES, .optional = true },
	{ .key = "began_ns", .type = FIELD_I64, .at = AT(began_ns), .flag_at = AT(has_began), .optional = true },
	{ .key = "ended_ns", .type = FIELD_I64, .at = AT(ended_ns), .flag_at = AT(has_ended), .optional = true },
};

int message_event_encode(const struct message_event *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	return field_encode(fields, FIELD_COUNT(fields), m, out, capacity, n, e);
}

int message_event_decode(struct message_event *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct message_event found = { .kind = "" };
	int rc = field_decode(fields, FIELD_COUNT(fields), &found, bytes, n, e);

	if (rc == 0)
		*m = found;
	return rc;
}
