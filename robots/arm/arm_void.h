/* arm_void.h - messages that are not obeyed, in the log: once per second for each topic and key (messages.md section 2). */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_VOID_H
#define DREAMVLA_ROBOTS_ARM_ARM_VOID_H

#include <stdbool.h>
#include <stdint.h>

enum { ARM_VOID_KINDS = 16, ARM_VOID_KEY_BYTES = 96 };

struct arm_void_kind {
	char topic_key[ARM_VOID_KEY_BYTES];
	int64_t logged_ns;
	uint64_t since;            /* of this kind, not logged yet */
};

/* Zeroed: nothing was logged yet. */
struct arm_void_log {
	struct arm_void_kind kind[ARM_VOID_KINDS];
};

/* text: "key: what was found, what is allowed", or words without a key, which count under the topic alone.
 * true: it was logged. Thread: the owner's. Allocates: no. Blocks: in the log only. */
bool arm_void_note(struct arm_void_log *l, int64_t now_ns, const char *topic, const char *text);

#endif
