/* bench_wall.c - see bench_wall.h. */
#include "daemon/bench/bench_wall.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/sys/clock.h"

enum { TEXT_BYTES = 64, FRACTION_DIGITS = 9 };

/* Digits behind the point, as ns; NULL: there are none, or too many. */
static const char *take_fraction(const char *text, int64_t *ns)
{
	int64_t unit_ns = NS_PER_S;
	int n = 0;

	for (*ns = 0; text[n] >= '0' && text[n] <= '9' && n < FRACTION_DIGITS; n++) {
		unit_ns /= 10;
		*ns += (text[n] - '0') * unit_ns;
	}
	return n > 0 ? text + n : NULL;
}

/* strptime takes "2026-2-3" and blanks too; what it has taken must be all. */
static bool parse(const char *text, struct tm *out, bool *has_date, int64_t *fraction_ns)
{
	static const char *const formats[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%H:%M:%S" };
	const char *end = NULL;
	size_t i = 0;

	for (; !end && i < sizeof formats / sizeof *formats; i++) {
		*out = (struct tm){ .tm_isdst = -1 };
		end = strptime(text, formats[i], out);
	}
	*has_date = i < sizeof formats / sizeof *formats;
	*fraction_ns = 0;
	if (end && *end == '.')
		end = take_fraction(end + 1, fraction_ns);
	return end && *end == 0 && out->tm_sec < 60;
}

static int64_t on_day(const struct tm *clock, const struct wall_range *range, int days_later)
{
	time_t first = (time_t)(range->first_ns / NS_PER_S);
	struct tm day;

	localtime_r(&first, &day);
	struct tm at = { .tm_year = day.tm_year, .tm_mon = day.tm_mon, .tm_mday = day.tm_mday + days_later, .tm_hour = clock->tm_hour,
		.tm_min = clock->tm_min, .tm_sec = clock->tm_sec, .tm_isdst = -1 };

	return (int64_t)mktime(&at) * NS_PER_S;
}

/* Of the day on which the range begins; of the next one, where only that lies within it: it went on over midnight. */
static int64_t without_date(const struct tm *clock, const struct wall_range *range)
{
	int64_t today_ns = on_day(clock, range, 0), tomorrow_ns = on_day(clock, range, 1);

	return today_ns < range->first_ns && tomorrow_ns <= range->last_ns ? tomorrow_ns : today_ns;
}

static void write_time(int64_t t_ns, char out[TEXT_BYTES])
{
	time_t whole = (time_t)(t_ns / NS_PER_S);
	struct tm local;

	*out = 0;
	if (localtime_r(&whole, &local))
		strftime(out, TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &local);
}

static int refuse(const char *option, const char *text, const char *want, const struct wall_range *range, struct errbuf *e)
{
	char first[TEXT_BYTES], last[TEXT_BYTES];

	write_time(range->first_ns, first);
	write_time(range->last_ns, last);
	return fail(e, -EINVAL, "%s: found '%.64s', want %s; %.200s holds %s to %s", option, text, want, range->path, first, last);
}

int wall_find(int64_t *out_ns, enum wall_end end, const char *text, const struct wall_range *range, struct errbuf *e)
{
	static const char *const names[] = { [WALL_FROM] = "--from", [WALL_UNTIL] = "--until" };
	int64_t fraction_ns;
	bool has_date;
	struct tm clock;

	*out_ns = 0;
	if (!parse(text, &clock, &has_date, &fraction_ns))
		return refuse(names[end], text, "a time as 14:32:07 or \"2026-11-23 14:32:07\"", range, e);
	int64_t t_ns = (has_date ? (int64_t)mktime(&clock) * NS_PER_S : without_date(&clock, range)) + fraction_ns;

	if (end == WALL_FROM ? t_ns > range->last_ns : t_ns < range->first_ns)
		return refuse(names[end], text, end == WALL_FROM ? "a time before its end" : "a time after its beginning", range, e);
	*out_ns = t_ns;
	return 0;
}
