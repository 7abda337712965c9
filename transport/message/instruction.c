/* instruction.c - instruction: what the robot shall do, in words. */
#include "transport/message/field.h"
#include "transport/message/message.h"

static const struct field fields[] = {
	FIELD_HEAD(struct message_instruction, head),
	{ .key = "text", .type = FIELD_TEXT, .at = offsetof(struct message_instruction, text), .least = 1, .room = INSTRUCTION_BYTES },
};

int message_instruction_encode(const struct message_instruction *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	return field_encode(fields, FIELD_COUNT(fields), m, out, capacity, n, e);
}

int message_instruction_decode(struct message_instruction *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct message_instruction found = { .text = "" };
	int rc = field_decode(fields, FIELD_COUNT(fields), &found, bytes, n, e);

	if (rc == 0)
		*m = found;
	return rc;
}
