/* arm_text.h - the arm's numbers as words for people: why a target was refused, why a request was, why it let go. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_TEXT_H
#define DREAMVLA_ROBOTS_ARM_ARM_TEXT_H

#include <stddef.h>

#include "robots/arm/arm.h"
#include "transport/message/message.h"

/* "" before the first refusal. out has `capacity` bytes. Thread: any but control. Allocates: no. */
void arm_refusal_text(const struct arm_refusal *r, char *out, size_t capacity);

/* "" before the first loss. As arm_refusal_text. */
void arm_loss_text(const struct arm_loss *l, char *out, size_t capacity);

/* What is wrong with the arm: its errors' names, with its trouble's word behind them where that keeps the arm from being driven and
 * something is wrong, and the trouble with its remedy. More names than fit are left out. As arm_refusal_text. */
void arm_words_text(const struct arm_report *r, const struct robot_driver *driver, struct arm_words *out);

/* Error and hint of an answer that is not OK; the hint may be "". What the arm does not do now has its trouble for a reason. */
struct arm_reply_text {
	char error[160];
	const char *hint;
};
void arm_reply_text(const struct arm_answer *a, const struct robot_driver *driver, struct arm_reply_text *out);

#endif
