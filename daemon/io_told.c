/* io_told.c - what an arm said of itself when a reason about it came up. A reason outlives its cause: an arm that was recovered, or whose
 * stop was released, says nothing any more, and its sentence would be empty or about something else. But who is told what still stands in
 * the way is told what to do now: as long as the arm says something, that. */
#include "daemon/io.h"
#include "daemon/reason_text.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"

/* The driver may find words for it a little later than the arm has stopped. */
#define TOLD_LATE_NS (500 * NS_PER_MS)

static void begin(struct io *io, struct io_told *t, uint32_t reason, uint32_t subject)
{
	*t = (struct io_told){ .stands = true, .reason = reason, .subject = subject, .since_ns = io->now_ns };
}

/* What keeps it from being driven weighs more than what does not. */
static int weight(const struct arm_words *w)
{
	return w->n_errors > 0 ? 2 : w->trouble[0] != '\0';
}

/* Of why it has nothing new to tell, the first word is the cause: once it tells again, it speaks of what follows. */
static void listen(const struct io *io, struct io_told *t)
{
	const struct arm_words *w = reason_is_about_arm(t->reason) ? io_words(io, t->reason, t->subject) : NULL;
	bool late = io->now_ns - t->since_ns > TOLD_LATE_NS;

	if (w && !late && !(reason_tells_trouble(t->reason) && weight(w) <= weight(&t->words)))
		t->words = *w;
}

/* Of faults only: all else stands no longer than its cause, and the present words are about it. */
static void follow_causes(struct io *io)
{
	const struct control_report *r = &io->report;
	uint64_t faults = r->faults & reason_mask(SEVERITY_FAULT);

	for (uint32_t i = REASON_FIRST; i < REASON_COUNT; i++) {
		struct io_told *t = &io->told_cause[i];

		if (!(faults & REASON_BIT(i))) {
			t->stands = false;
			continue;
		}
		if (!t->stands || t->subject != r->about_subject[i])
			begin(io, t, i, r->about_subject[i]);
		listen(io, t);
	}
}

void io_told_follow(struct io *io)
{
	const struct control_report *r = &io->report;
	const struct io_told *cause = &io->told_cause[r->reason];

	follow_causes(io);
	if (!io->told.stands || io->told.reason != r->reason || io->told.subject != r->reason_arm) {
		begin(io, &io->told, r->reason, r->reason_arm);
		if (cause->stands && cause->subject == r->reason_arm) /* it may have stood before it became the mode's reason */
			io->told = *cause;
	}
	listen(io, &io->told);
}

static const struct arm_words *spoken(const struct io_told *t)
{
	return weight(&t->words) > 0 ? &t->words : NULL;
}

const struct arm_words *io_told_reason(const struct io *io)
{
	return spoken(&io->told);
}

const struct arm_words *io_told_cause(const struct io *io, uint32_t reason, uint32_t arm)
{
	const struct io_told *t = &io->told_cause[reason];
	const struct arm_words *now = io_words(io, reason, arm);

	bool keeps = t->stands && t->subject == arm && (!now || reason_tells_trouble(reason));

	return keeps ? spoken(t) : now;
}
