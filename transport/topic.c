/* topic.c - see topic.h. */
#include "transport/topic.h"

#include <string.h>

static bool is_name_character(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool copy_part(const uint8_t *bytes, size_t n, char out[TOPIC_PART_BYTES])
{
	if (n == 0 || n >= TOPIC_PART_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_name_character(bytes[i]))
			return false;
	memcpy(out, bytes, n);
	out[n] = '\0';
	return true;
}

bool topic_split(const uint8_t *bytes, size_t n, struct topic *out)
{
	const uint8_t *slash = n > 0 ? memchr(bytes, '/', n) : NULL;
	struct topic t = { .name = "" };
	size_t kind = slash ? (size_t)(slash - bytes) : n;

	if (!copy_part(bytes, kind, t.kind))
		return false;
	if (slash && !copy_part(slash + 1, n - kind - 1, t.name))
		return false;
	*out = t;
	return true;
}

bool topic_is(const uint8_t *bytes, size_t n, const char *topic)
{
	return strlen(topic) == n && memcmp(bytes, topic, n) == 0;
}
