/* ctl_status.c - status as a table for people, once or again and again. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"

#define WATCH_PERIOD_NS (250 * NS_PER_MS)

static const char clear_screen[] = "\033[H\033[J"; /* ECMA-48: cursor home, erase below */

/* What is known about an arm is as old as its newest state. */
static bool is_fresh(const struct message_status *s, const struct status_arm *arm)
{
	char topic[sizeof s->source[0].topic];

	snprintf(topic, sizeof topic, "state/%s", arm->name);
	for (uint32_t i = 0; i < s->n_sources; i++)
		if (strcmp(s->source[i].topic, topic) == 0)
			return arm->present && s->source[i].state == SOURCE_FRESH;
	return arm->present;
}

static bool is_fault(const char *name)
{
	for (uint32_t r = 0; r < REASON_COUNT; r++)
		if (strcmp(reason_name(r), name) == 0)
			return reason_severity(r) == SEVERITY_FAULT;
	return false;
}

/* The first that is heard and takes no targets: it was switched off, or somebody else has it. NULL: none. */
static const char *away_arm(struct message_status *s)
{
	for (uint32_t i = 0; i < s->n_arms; i++)
		if (is_fresh(s, &s->arm[i]) && s->arm[i].mode != ARM_READY && s->arm[i].mode != ARM_MOVING)
			return ctl_clean(s->arm[i].name);
	return NULL;
}

/* How to get on. A fault that stopped only its own arm waits for the reset in HOLD; one that is gone still does, in FAULT. */
static void print_way_back(struct message_status *s)
{
	bool fault = strcmp(s->mode, mode_name(MODE_FAULT)) == 0, latched = false;
	const char *first = s->n_faults > 0 ? "see to the faults, " : "", *away = away_arm(s);

	for (uint32_t i = 0; i < s->n_faults; i++)
		fault = fault || is_fault(s->fault[i]);
	for (uint32_t i = 0; i < s->n_arms; i++) {
		if (!s->arm[i].stopped || !is_fresh(s, &s->arm[i]))
			continue;
		printf("stopped      the stop of arm %s is latched: it takes no target until `dreamvlactl reset`\n",
				ctl_clean(s->arm[i].name));
		latched = true;
	}
	if (fault || latched)
		printf("way back     %s`dreamvlactl reset`, then `dreamvlactl mode auto`\n", fault ? first : "");
	else if (strcmp(s->mode, mode_name(MODE_HOLD)) == 0 && away)
		printf("way back     %ssee to arm %s, which takes no targets now, `dreamvlactl reset`, then `dreamvlactl mode auto`\n", first, away);
	else if (strcmp(s->mode, mode_name(MODE_HOLD)) == 0)
		printf("way back     %s`dreamvlactl mode auto`\n", first);
}

static void print_head(struct message_status *s)
{
	printf("mode         %-10s %s\n", ctl_clean(s->mode), ctl_clean(s->reason));
	print_way_back(s);
	printf("who drives   %-10s speed %.2f\n", ctl_clean(s->driver), s->speed);
	printf("instruction  %s\n", s->instruction[0] ? ctl_clean(s->instruction) : "(none)");
	printf("faults       ");
	for (uint32_t i = 0; i < s->n_faults; i++)
		printf("%s%s", i > 0 ? ", " : "", ctl_clean(s->fault[i]));
	printf("%s\n", s->n_faults ? "" : "none");
	for (uint32_t i = 0; i < s->n_causes; i++)
		if (strcmp(s->cause[i], s->reason) != 0) /* which stands in the first line */
			printf("             %s\n", ctl_clean(s->cause[i]));
	if (s->teleop_refused[0])
		printf("teleop       refused %.1f s ago: %s\n", s->teleop_refused_age_ms / 1e3, ctl_clean(s->teleop_refused));
}

static void print_record(struct message_status *s)
{
	if (!s->has_record)
		return;
	if (s->record_runs)
		printf("recording    %s: %.0f s, %.1f MB, %" PRIu64 " dropped\n", ctl_clean(s->record_file), s->record_s, s->record_mb,
				s->record_dropped);
	else if (s->record_reason[0])
		printf("recording    STOPPED: %s\n", ctl_clean(s->record_reason));
	else
		printf("recording    none; the last is %s\n", ctl_clean(s->record_file));
}

static void print_sources(struct message_status *s)
{
	char age[32];

	printf("\n%-24s %-8s %12s %9s\n", "source", "state", "age", "rate Hz");
	for (uint32_t i = 0; i < s->n_sources; i++) {
		const struct status_source *source = &s->source[i];

		if (source->state == SOURCE_ABSENT)
			strcpy(age, "-");
		else if (fabs(source->age_ms) < 1000.0)
			snprintf(age, sizeof age, "%.1f ms", source->age_ms);
		else
			snprintf(age, sizeof age, "%.1f s", source->age_ms / 1e3);
		printf("%-24s %-8s %12s %9.1f\n", ctl_clean(s->source[i].topic), source_state_name(source->state), age,
				source->rate_hz);
	}
}

static void print_arms(struct message_status *s)
{
	char mode[48];

	printf("\n%-12s %-20s %-9s %-8s %-28s %s\n", "arm", "mode", "attached", "stopped", "control", "refused");
	for (uint32_t i = 0; i < s->n_arms; i++) {
		struct status_arm *a = &s->arm[i];
		bool fresh = is_fresh(s, a);

		snprintf(mode, sizeof mode, "%s%s%s", fresh ? "" : "lost (was ", arm_mode_name(a->mode), fresh ? "" : ")");
		printf("%-12s %-20s %-9s %-8s %-28s ", ctl_clean(a->name), a->present ? mode : "absent",
				!fresh ? "?" : a->attached ? "yes" : "no", !fresh ? "?" : a->stopped ? "yes" : "no", ctl_clean(a->control));
		if (a->refused[0] && a->refused_age_ms > 0.0)
			printf("%.0f s ago: ", a->refused_age_ms / 1e3);
		printf("%s\n", a->refused[0] ? ctl_clean(a->refused) : "-");
	}
}

/* What the arms themselves say is wrong, with what mends it. An old state tells nothing about now. */
static void print_troubles(struct message_status *s)
{
	for (uint32_t i = 0; i < s->n_arms; i++) {
		struct arm_words *w = &s->arm[i].words;

		if (!is_fresh(s, &s->arm[i]) || (!w->n_errors && !w->trouble[0]))
			continue;
		printf("%-12s ", ctl_clean(s->arm[i].name));
		for (uint32_t k = 0; k < w->n_errors; k++)
			printf("%s%s", k > 0 ? ", " : "", ctl_clean(w->error[k]));
		if (w->n_errors == 0)
			printf("%s", ctl_clean(w->trouble));
		printf("%s%s\n", w->remedy[0] ? ": " : "", ctl_clean(w->remedy));
	}
}

/* A stage that never ran has no times. */
static void print_stages(struct message_status *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->n_stages; i++) {
		if (s->stage[i].n == 0)
			continue;
		if (!any)
			printf("\n%-18s %9s %9s %9s %9s\n", "stage", "n", "p50 ms", "p99 ms", "max ms");
		any = true;
		printf("%-18s %9" PRIu64 " %9.2f %9.2f %9.2f\n", ctl_clean(s->stage[i].name), s->stage[i].n,
				s->stage[i].p50_us / 1e3, s->stage[i].p99_us / 1e3, s->stage[i].max_us / 1e3);
	}
	if (!any)
		printf("\nstages       nothing computed yet\n");
}

/* Of the targets that are sent; an arm that gets none has nothing to be measured. */
static void print_margins(const struct message_status *s)
{
	bool driven = false;

	for (uint32_t i = 0; i < s->n_arms; i++)
		driven = driven || (is_fresh(s, &s->arm[i]) && s->arm[i].attached);
	if (!driven) {
		printf("margins      not known: no arm is attached\n");
		return;
	}
	printf("margins      position %.2f, velocity %.2f, acceleration %.2f, jerk %.2f (share of each limit that is left)\n",
			s->margin_position, s->margin_velocity, s->margin_acceleration, s->margin_jerk);
	printf("             workspace %.2f, floor %.2f, TCP speed %.2f, tracking %.2f\n", s->margin_workspace, s->margin_floor,
			s->margin_tcp_speed, s->margin_tracking);
}

static void print_control(struct message_status *s)
{
	printf("\ncontrol      %.1f Hz, late p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us, overruns %" PRIu64 "\n", s->rate_hz,
			s->late_p50_us, s->late_p99_us, s->late_p999_us, s->late_max_us, s->overruns);
	print_margins(s);
	printf("counters    ");
	for (uint32_t i = 0; i < s->n_counters; i++)
		if (s->counter[i].value > 0)
			printf(" %s %" PRIu64, ctl_clean(s->counter[i].name), s->counter[i].value);
	printf("\n");
}

static int show(const struct ctl *ctl)
{
	struct message_status s;
	struct map_builder request;
	struct ctl_answer a;
	struct errbuf e = { "" };
	uint8_t bytes[64];
	int code;

	request_begin(&request, bytes, sizeof bytes, "status");
	code = ctl_ask_daemon(ctl, &request, &a);
	if (code != CTL_OK || ctl->json)
		return code;
	if (message_status_decode_reply(&s, a.bytes, a.n, &e) < 0)
		return ctl_fail(ctl, "%s: the status is not understood: %s (--json shows it as it is)", ctl->daemon.address, e.text);
	print_head(&s);
	print_record(&s);
	print_sources(&s);
	print_arms(&s);
	print_troubles(&s);
	print_stages(&s);
	print_control(&s);
	return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

/* Until interrupted, or until nobody reads any more; a daemon that is away may come back. */
static int watch(const struct ctl *ctl)
{
	int64_t due_ns = clock_monotonic_ns();

	while (!ferror(stdout)) {
		if (!ctl->json)
			fputs(clear_screen, stdout);
		show(ctl);
		due_ns += WATCH_PERIOD_NS;
		if (due_ns < clock_monotonic_ns()) /* an answer took long: no burst afterwards */
			due_ns = clock_monotonic_ns() + WATCH_PERIOD_NS;
		clock_sleep_until(due_ns);
	}
	return CTL_FAILED;
}

int ctl_run_status(const struct ctl *ctl, int n, char **argument)
{
	(void)n;
	(void)argument;
	return ctl->watch ? watch(ctl) : show(ctl);
}
