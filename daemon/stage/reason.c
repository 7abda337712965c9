/* reason.c - the table behind reason.h. */
#include "daemon/stage/reason.h"

#include <stddef.h>

static const struct {
	const char *name;
	enum severity severity;
	const char *text;
} table[] = {
#define REASON(name, severity, text) [REASON_##name] = { #name, SEVERITY_##severity, text },
#include "daemon/stage/reason.def"
#undef REASON
};

_Static_assert(sizeof table / sizeof table[0] == REASON_COUNT, "a row for every reason");

/* INFO rows first, and only INFO rows: REASON_BIT relies on it. */
#define REASON(name, severity, text) \
	_Static_assert((SEVERITY_##severity == SEVERITY_INFO) == ((int)REASON_##name < (int)REASON_FIRST), "reason.def: " #name " is out of order");
#include "daemon/stage/reason.def"
#undef REASON

const char *reason_name(uint32_t r)
{
	return r < REASON_COUNT ? table[r].name : "?";
}

const char *reason_text(uint32_t r)
{
	return r < REASON_COUNT ? table[r].text : "?";
}

enum severity reason_severity(uint32_t r)
{
	return r < REASON_COUNT ? table[r].severity : SEVERITY_INFO;
}

uint64_t reason_mask(enum severity s)
{
	uint64_t mask = 0;

	for (uint32_t r = REASON_FIRST; r < REASON_COUNT; r++)
		if (table[r].severity == s)
			mask |= REASON_BIT(r);
	return mask;
}

void reasons_add(struct reasons *r, enum reason reason, uint32_t subject, double value, double limit)
{
	if (r->bits & REASON_BIT(reason))
		return;
	r->bits |= REASON_BIT(reason);
	r->subject[reason] = subject;
	r->value[reason] = value;
	r->limit[reason] = limit;
}

void reasons_merge(struct reasons *r, const struct reasons *more)
{
	for (uint32_t i = 0; i < REASON_COUNT; i++)
		if (more->bits & REASON_BIT(i))
			reasons_add(r, (enum reason)i, more->subject[i], more->value[i], more->limit[i]);
}

enum reason reasons_worst(uint64_t bits)
{
	enum reason worst = REASON_NONE;

	for (uint32_t i = 0; i < REASON_COUNT; i++)
		if ((bits & REASON_BIT(i)) && (worst == REASON_NONE || table[i].severity > table[worst].severity))
			worst = (enum reason)i;
	return worst;
}
