/* topic.h - topics are compared as a whole: a ZeroMQ subscription is only a prefix ("camera/a" also delivers "camera/ab"). */
#ifndef DREAMVLA_TRANSPORT_TOPIC_H
#define DREAMVLA_TRANSPORT_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOPIC_PART_BYTES = 32 }; /* as NAME_BYTES: 31 characters and the zero */

/* "camera/wrist" is kind "camera" and name "wrist"; "instruction" has the name "". */
struct topic {
	char kind[TOPIC_PART_BYTES], name[TOPIC_PART_BYTES];
};

/* False: empty, a part longer than 31, or characters other than letters, digits, _ and -, more than one slash, an empty name.
 * Thread: any. Allocates: no. Blocks: no. */
bool topic_split(const uint8_t *bytes, size_t n, struct topic *out);

/* True when the n bytes are exactly that text. */
bool topic_is(const uint8_t *bytes, size_t n, const char *topic);

#endif
