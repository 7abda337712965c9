/* doctor.c - the table of checks, and how a finding is written down. */
#include "daemon/doctor/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct doctor_check checks[] = {
#define CHECK(name, about) { #name, about, doctor_check_##name },
#include "daemon/doctor/checks.def"
#undef CHECK
};

static const char *const verdicts[] = {
	[DOCTOR_GOOD] = "good", [DOCTOR_WARNING] = "warning", [DOCTOR_BAD] = "bad", [DOCTOR_UNKNOWN] = "cannot tell",
	[DOCTOR_ABSENT] = "not here",
};

const struct doctor_check *doctor_check_at(uint32_t i)
{
	return i < sizeof checks / sizeof checks[0] ? &checks[i] : NULL;
}

const char *doctor_verdict_name(enum doctor_verdict v)
{
	return verdicts[v];
}

void doctor_find(struct doctor_finding *f, enum doctor_verdict v, const char *remedy, const char *evidence, ...)
{
	va_list arguments;

	f->verdict = v;
	snprintf(f->remedy, sizeof f->remedy, "%s", remedy ? remedy : "");
	va_start(arguments, evidence);
	vsnprintf(f->evidence, sizeof f->evidence, evidence, arguments);
	va_end(arguments);
	text_tame(f->evidence, false);
	text_tame(f->remedy, false);
}

void doctor_cannot_read(struct doctor_finding *f, const char *path, int error)
{
	const char *why = error == -EBADMSG ? "what it says is not understood" : strerror(-error);

	doctor_find(f, DOCTOR_UNKNOWN, error == -EACCES || error == -EPERM ? "run it as root: sudo dreamvlactl doctor" : NULL, "%s: %s", path,
			why);
}
