/* load.c - see load.h. Formats: proc(5), /proc/stat and /proc/interrupts. */
#include "daemon/doctor/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of /proc/stat; guests are counted in user and nice already. */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, TIMES };

static bool read_times(const char *stat, int cpu, uint64_t out[TIMES])
{
	char begin[24], *end;
	const char *at;

	snprintf(begin, sizeof begin, "cpu%d ", cpu);
	at = line_of(stat, begin);
	if (!at)
		return false;
	at += strlen(begin);
	for (int i = 0; i < TIMES; i++, at = end) {
		out[i] = strtoull(at, &end, 10);
		if (end == at)
			return false;
	}
	return true;
}

/* Of all the time between: false where a counter ran backwards, or nothing was counted. */
static bool times_between(const struct doctor *d, int cpu, double share[TIMES])
{
	uint64_t before[TIMES], after[TIMES], sum = 0;

	if (!read_times(d->before.stat, cpu, before) || !read_times(d->after.stat, cpu, after))
		return false;
	for (int i = 0; i < TIMES; i++) {
		after[i] = after[i] >= before[i] ? after[i] - before[i] : 0; /* iowait may run backwards, says proc(5) */
		sum += after[i];
	}
	for (int i = 0; i < TIMES; i++)
		share[i] = sum ? (double)after[i] / (double)sum : 0.0;
	return sum > 0;
}

bool load_busy_share(const struct doctor *d, int cpu, double *out)
{
	double share[TIMES];
	bool known = times_between(d, cpu, share);

	*out = known ? 1.0 - share[IDLE] - share[IOWAIT] : 0.0;
	return known;
}

bool load_stolen_share(const struct doctor *d, int cpu, double *out)
{
	double share[TIMES];
	bool known = times_between(d, cpu, share);

	*out = known ? share[STEAL] : 0.0;
	return known;
}

/* Which column of the table is the processor's: offline ones have none. -1: not there. */
static int find_column(const char *interrupts, int cpu)
{
	const char *end = strchr(interrupts, '\n');
	int column = 0;

	for (const char *at = strstr(interrupts, "CPU"); at && end && at < end; at = strstr(at + 1, "CPU"), column++)
		if (atoi(at + 3) == cpu)
			return column;
	return -1;
}

/* The count in a column of a line that stands behind its "41:"; *rest: what follows the counts. */
static bool take_count(const char *at, int column, uint64_t *out, const char **rest)
{
	char *end;
	bool found = false;

	for (int i = 0; *at != '\n' && *at; i++, at = end) {
		uint64_t count = strtoull(at, &end, 10);

		if (end == at || (*end != ' ' && *end != '\n' && *end != '\0'))
			break;
		if (i == column) {
			*out = count;
			found = true;
		}
		if (*end == '\n')
			break;
	}
	*rest = at;
	return found;
}

/* An interrupt of a device has a number; timers and calls between processors have names and belong to the kernel. */
static bool count_before(const struct doctor *d, const char *line, int column, uint64_t *out)
{
	char number[16];
	const char *found, *rest;
	const char *colon = strchr(line, ':');

	snprintf(number, sizeof number, "\n%.*s", (int)(colon - line + 1 < 14 ? colon - line + 1 : 14), line);
	found = strstr(d->before.interrupts, number);
	return found && take_count(found + strlen(number), column, out, &rest);
}

static void name_worst(const char *line, const char *rest, char out[64])
{
	const char *name = rest + strcspn(rest, "\n");

	while (name > rest && name[-1] != ' ')
		name--;
	snprintf(out, 64, "%d %.*s", atoi(line), (int)strcspn(name, "\n"), name);
}

static void add_line(const struct doctor *d, const char *line, int before_column, int after_column, struct load_interrupts *out)
{
	const char *rest, *colon = strchr(line, ':');
	uint64_t before = 0, after;
	double rate_hz;

	if (!colon || line + strspn(line, " 0123456789") != colon || !take_count(colon + 1, after_column, &after, &rest))
		return;
	if (!count_before(d, line, before_column, &before) || before > after)
		before = before > after ? after : 0; /* one that came up in between began at 0 */
	rate_hz = (double)(after - before) / d->between_s;
	out->rate_hz += rate_hz;
	if (rate_hz > out->worst_hz) {
		out->worst_hz = rate_hz;
		name_worst(line, rest, out->worst);
	}
}

bool load_interrupts(const struct doctor *d, int cpu, struct load_interrupts *out)
{
	int before = find_column(d->before.interrupts, cpu), after = find_column(d->after.interrupts, cpu);

	*out = (struct load_interrupts){ .worst = "" };
	if (before < 0 || after < 0 || !(d->between_s > 0.0))
		return false;
	for (const char *line = strchr(d->after.interrupts, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
		add_line(d, line + 1, before, after, out);
	return true;
}
