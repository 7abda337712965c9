/* check_numbers.c - what dreamvlad itself has counted since it started. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/doctor/doctor.h"

/* Lateness that targets do not feel: they are published two periods early (robots[].playout_ms). */
static const double late_warning_share = 0.2, late_bad_share = 0.5;
/* A skipped period in a thousand is a p99.9 of a whole one. */
static const double overruns_bad_share = 0.001;

static bool find_counter(const struct message_status *s, const char *name, uint64_t *out)
{
	for (uint32_t i = 0; i < s->n_counters; i++)
		if (strcmp(s->counter[i].name, name) == 0) {
			*out = s->counter[i].value;
			return true;
		}
	return false;
}

static bool is_away(const struct doctor *d, struct doctor_finding *f)
{
	if (!d->status)
		doctor_find(f, d->daemon_pid ? DOCTOR_UNKNOWN : DOCTOR_ABSENT, NULL, d->daemon_pid ? "dreamvlad runs and did not answer: --config or --address "
				"says where it is" : "dreamvlad does not run here");
	return !d->status;
}

void doctor_check_lateness(const struct doctor *d, struct doctor_finding *f)
{
	const struct message_status *s = d->status;
	double period_us = 1e6 / (d->config ? d->config->control_rate_hz : 200), overruns = 0.0;
	enum doctor_verdict v = DOCTOR_GOOD;
	uint64_t ticks = 0;

	if (is_away(d, f))
		return;
	if (!find_counter(s, "ticks", &ticks) || ticks == 0) {
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "dreamvlad has counted no control period");
		return;
	}
	overruns = (double)s->overruns / (double)ticks;
	if (s->overruns > 0 || !(s->late_p999_us < late_warning_share * period_us))
		v = DOCTOR_WARNING;
	if (!(overruns < overruns_bad_share) || !(s->late_p999_us < late_bad_share * period_us))
		v = DOCTOR_BAD;
	doctor_find(f, v, v == DOCTOR_GOOD ? NULL : "mend what is bad above; what is left: cyclictest -m -p 80 (package rt-tests) shows whether it is this "
			"machine, or dreamvlad", "p99.9 %.0f us late, at most %.0f us, of a period of %.0f us; %" PRIu64 " of %" PRIu64 " periods skipped",
			s->late_p999_us, s->late_max_us, period_us, s->overruns, ticks);
}

void doctor_check_losses(const struct doctor *d, struct doctor_finding *f)
{
	char list[256] = "";
	size_t n = 0;

	if (is_away(d, f))
		return;
	for (uint32_t i = 0; i < d->status->n_counters; i++) {
		const struct status_counter *c = &d->status->counter[i];

		if (c->value > 0 && (strstr(c->name, "drop") || strstr(c->name, "void")) && n + 80 < sizeof list)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%.31s %" PRIu64, n ? ", " : "", c->name, c->value);
	}
	doctor_find(f, n ? DOCTOR_WARNING : DOCTOR_GOOD, n ? "dreamvlactl status --watch shows which of them grow; the log of dreamvlad says why" : NULL, "%s",
			n ? list : "nothing");
}

void doctor_check_sources(const struct doctor *d, struct doctor_finding *f)
{
	const struct message_status *s = d->status;
	char list[256] = "";
	size_t n = 0;

	if (is_away(d, f))
		return;
	for (uint32_t i = 0; i < s->n_sources; i++)
		if (s->source[i].state != SOURCE_FRESH && strncmp(s->source[i].topic, "teleop/", 7) != 0 && n + 80 < sizeof list)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%.39s %s", n ? ", " : "", s->source[i].topic,
					source_state_name(s->source[i].state));
	doctor_find(f, n ? DOCTOR_BAD : s->n_sources ? DOCTOR_GOOD : DOCTOR_UNKNOWN, n ? "start the program that publishes it, or look at its cable; cameras.*.max_age_ms and "
			"control.state_max_age_ms say how old is stale" : NULL, "%s", n ? list : s->n_sources ? "all of them are fresh" : "nothing is expected");
}
