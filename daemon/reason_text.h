/* reason_text.h - the sentence of a reason with its names and numbers filled in. Stages know only numbers. */
#ifndef DREAMVLA_DAEMON_REASON_TEXT_H
#define DREAMVLA_DAEMON_REASON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/flow.h"

/* Writes the sentence of stage/reason.def: %n becomes the name of arm or camera number `subject`, %v and %l the numbers.
 * Cut at the end if too long. Thread: any but control. Allocates: no. Blocks: no. */
void reason_sentence(const struct control_setup *setup, uint32_t reason, uint32_t subject, double value, double limit,
		char *out, size_t capacity);

/* Does the sentence name an arm? Thread: any. Allocates: no. Blocks: no. */
bool reason_is_about_arm(uint32_t reason);

#endif
