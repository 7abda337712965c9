/* mode.c - the table of modes. A row that is not there means: refused. TELEOP and RETURN get their rows, and their events
 * (take-over, release, loss, handed back), between the marks; until then no row leads into them. */
#include "daemon/stage/mode.h"

#include <stddef.h>

enum guard {
	GUARD_NONE,
	GUARD_PREFLIGHT,   /* nothing may be missing */
	GUARD_CAUSES_GONE, /* no fault may be left */
	GUARD_NEVER,       /* always refused, with the row's reason */
};

struct transition {
	enum mode now;
	enum mode_event event;
	enum guard guard;
	enum mode next;
	enum reason refusal; /* of GUARD_NEVER */
};

static const struct transition table[] = {
	{ MODE_BOOT, ON_STARTED, GUARD_NONE, MODE_READY, 0 },
	{ MODE_BOOT, ON_AUTO, GUARD_NEVER, MODE_BOOT, REASON_NOT_STARTED },
	{ MODE_BOOT, ON_SHADOW, GUARD_NEVER, MODE_BOOT, REASON_NOT_STARTED },
	{ MODE_BOOT, ON_HOLD, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_BOOT, ON_STOP, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_BOOT, ON_RESET, GUARD_NEVER, MODE_BOOT, REASON_NOT_STARTED },

	{ MODE_READY, ON_AUTO, GUARD_PREFLIGHT, MODE_AUTO, 0 },
	{ MODE_READY, ON_SHADOW, GUARD_PREFLIGHT, MODE_SHADOW, 0 },
	{ MODE_READY, ON_HOLD, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_READY, ON_STOP, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_READY, ON_RESET, GUARD_NONE, MODE_READY, 0 },
	{ MODE_READY, ON_FAULT_REASON, GUARD_NONE, MODE_FAULT, 0 },

	{ MODE_AUTO, ON_AUTO, GUARD_NONE, MODE_AUTO, 0 },
	{ MODE_AUTO, ON_SHADOW, GUARD_NEVER, MODE_AUTO, REASON_THROUGH_HOLD },
	{ MODE_AUTO, ON_HOLD, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_AUTO, ON_STOP, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_AUTO, ON_HOLD_REASON, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_AUTO, ON_FAULT_REASON, GUARD_NONE, MODE_FAULT, 0 },

	{ MODE_SHADOW, ON_AUTO, GUARD_NEVER, MODE_SHADOW, REASON_THROUGH_HOLD },
	{ MODE_SHADOW, ON_SHADOW, GUARD_NONE, MODE_SHADOW, 0 },
	{ MODE_SHADOW, ON_HOLD, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_SHADOW, ON_STOP, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_SHADOW, ON_HOLD_REASON, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_SHADOW, ON_FAULT_REASON, GUARD_NONE, MODE_FAULT, 0 },

	/* TELEOP */
	/* RETURN */

	{ MODE_HOLD, ON_AUTO, GUARD_PREFLIGHT, MODE_AUTO, 0 },
	{ MODE_HOLD, ON_SHADOW, GUARD_PREFLIGHT, MODE_SHADOW, 0 },
	{ MODE_HOLD, ON_HOLD, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_HOLD, ON_STOP, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_HOLD, ON_RESET, GUARD_NONE, MODE_HOLD, 0 },
	{ MODE_HOLD, ON_FAULT_REASON, GUARD_NONE, MODE_FAULT, 0 },

	{ MODE_FAULT, ON_AUTO, GUARD_NEVER, MODE_FAULT, REASON_FAULT_STANDS },
	{ MODE_FAULT, ON_SHADOW, GUARD_NEVER, MODE_FAULT, REASON_FAULT_STANDS },
	{ MODE_FAULT, ON_HOLD, GUARD_NEVER, MODE_FAULT, REASON_FAULT_STANDS },
	{ MODE_FAULT, ON_STOP, GUARD_NONE, MODE_FAULT, 0 },
	{ MODE_FAULT, ON_RESET, GUARD_CAUSES_GONE, MODE_HOLD, 0 },
	{ MODE_FAULT, ON_FAULT_REASON, GUARD_NONE, MODE_FAULT, 0 },
};

static struct mode_result refused(enum mode now, uint32_t refusal, uint64_t missing)
{
	return (struct mode_result){ .next = now, .granted = false, .refusal = refusal, .missing = missing };
}

static struct mode_result apply(const struct transition *t, uint64_t missing, uint64_t causes)
{
	if (t->guard == GUARD_NEVER)
		return refused(t->now, t->refusal, REASON_BIT(t->refusal));
	if (t->guard == GUARD_PREFLIGHT && missing)
		return refused(t->now, REASON_COUNT, missing);
	if (t->guard == GUARD_CAUSES_GONE && causes)
		return refused(t->now, REASON_COUNT, causes);
	return (struct mode_result){ .next = t->next, .granted = true, .refusal = REASON_NONE };
}

struct mode_result mode_step(enum mode now, enum mode_event event, uint64_t missing, uint64_t causes)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].now == now && table[i].event == event)
			return apply(&table[i], missing, causes);
	return refused(now, REASON_WRONG_MODE, REASON_BIT(REASON_WRONG_MODE));
}
