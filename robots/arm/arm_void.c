#include "robots/arm/arm_void.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

/* The entry of that topic and key, else the one that was silent longest. */
static struct arm_void_kind *find_kind(struct arm_void_log *l, const char *topic_key)
{
	struct arm_void_kind *oldest = &l->kind[0];

	for (int i = 0; i < ARM_VOID_KINDS; i++) {
		struct arm_void_kind *k = &l->kind[i];

		if (strcmp(k->topic_key, topic_key) == 0)
			return k;
		if (k->logged_ns < oldest->logged_ns)
			oldest = k;
	}
	*oldest = (struct arm_void_kind){ 0 };
	snprintf(oldest->topic_key, sizeof oldest->topic_key, "%s", topic_key);
	return oldest;
}

bool arm_void_note(struct arm_void_log *l, int64_t now_ns, const char *topic, const char *text)
{
	size_t key_bytes = strcspn(text, ": ");
	char topic_key[ARM_VOID_KEY_BYTES];

	snprintf(topic_key, sizeof topic_key, "%s: %.*s", topic, text[key_bytes] == ':' ? (int)key_bytes : 0, text);
	struct arm_void_kind *k = find_kind(l, topic_key);

	k->since++;
	if (k->logged_ns != 0 && now_ns - k->logged_ns < NS_PER_S)
		return false;
	log_line(LOG_LEVEL_WARNING, "void message: %s: %s (%" PRIu64 " of this kind)", topic, text, k->since);
	k->logged_ns = now_ns;
	k->since = 0;
	return true;
}
