/* reason_text.h - the sentence of a reason with its names and numbers filled in. Stages know only numbers. */
#ifndef DREAMVLA_DAEMON_REASON_TEXT_H
#define DREAMVLA_DAEMON_REASON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "transport/message/message.h"

/* What a sentence is about. */
struct reason_case {
	uint32_t reason, subject;      /* subject: number of an arm or camera */
	double value, limit;
	const struct arm_words *words; /* what that arm says of itself, or NULL */
};

/* Writes the sentence of stage/reason.def, whose head says what its places become. Cut at the end if too long. Thread: any but control.
 * Allocates: no. Blocks: no. */
void reason_sentence(const struct control_setup *setup, const struct reason_case *c, char *out, size_t capacity);

/* Does the sentence name an arm? Thread: any. Allocates: no. Blocks: no. */
bool reason_is_about_arm(uint32_t reason);

/* Does it say what that arm says is wrong, also where that alone keeps nobody from driving it? Thread: any. Allocates: no. Blocks: no. */
bool reason_tells_trouble(uint32_t reason);

#endif
