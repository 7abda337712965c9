/* camera.c - camera/<name>: the head of a frame; its bytes are the message's third part. */
#include "daemon/sys/jpeg.h"
#include "transport/message/field.h"
#include "transport/message/names.h"

static const struct field fields[] = {
	FIELD_HEAD(struct message_camera, head),
	{ .key = "encoding", .type = FIELD_CHOICE, .at = offsetof(struct message_camera, encoding),
		.names = picture_encoding_names, .room = ENCODING_COUNT },
	{ .key = "width", .type = FIELD_U32, .at = offsetof(struct message_camera, width), .low = 1, .high = JPEG_SIDE_MAX },
	{ .key = "height", .type = FIELD_U32, .at = offsetof(struct message_camera, height), .low = 1, .high = JPEG_SIDE_MAX },
};

int message_camera_encode(const struct message_camera *m, uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	return field_encode(fields, FIELD_COUNT(fields), m, out, capacity, n, e);
}

int message_camera_decode(struct message_camera *m, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct message_camera found = { .width = 0 };
	int rc = field_decode(fields, FIELD_COUNT(fields), &found, bytes, n, e);

	if (rc == 0)
		*m = found;
	return rc;
}
