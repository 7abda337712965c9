/* bench_view.c - see bench_view.h. */
#include "daemon/bench/bench_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

#define LINE_NS (5 * NS_PER_S)
#define LIMIT_S 12.0  /* the world's, for a sentence: robots/sim/task/task.h */
enum { BAR = 24, FINGERS = 12 };
static const double widest_m = 0.08;

void view_begin(struct view *v, FILE *out)
{
	*v = (struct view){ .out = out, .terminal = isatty(fileno(out)) == 1, .begin_ns = clock_monotonic_ns() };
	setvbuf(out, NULL, _IOFBF, 1 << 14); /* a picture arrives whole */
}

static double now_s(const struct view *v)
{
	return (double)(clock_monotonic_ns() - v->begin_ns) / 1e9;
}

/* One line of the picture, in place of what stood there. */
PRINTF_LIKE(2, 3) static void line(struct view *v, const char *format, ...)
{
	va_list a;

	va_start(a, format);
	vfprintf(v->out, format, a);
	va_end(a);
	fputs("\033[K\n", v->out);
	v->lines++;
}

static const char *colour_of(const char *mode)
{
	static const struct { const char *mode, *code; } known[] = { { "AUTO", "\033[32m" }, { "TELEOP", "\033[33m" }, { "FAULT", "\033[31m" } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(mode, known[i].mode) == 0)
			return known[i].code;
	return "\033[36m";
}

static void fill(char *out, int width, double share, char full, char empty)
{
	int n = (int)(share * width + 0.5);

	for (int i = 0; i < width; i++)
		out[i] = i < n ? full : empty;
	out[width] = 0;
}

static const char *describe_held(const struct world_says *w, char out[VIEW_LINE_BYTES])
{
	if (*w->held)
		snprintf(out, VIEW_LINE_BYTES, "the %s block, %.0f cm above the table", w->held, 100 * w->lift_m);
	else
		snprintf(out, VIEW_LINE_BYTES, "nothing");
	return out;
}

/* The fingers as they stand: [   ||      ||   ]. */
static void draw_fingers(double gripper_m, char out[FINGERS + 3])
{
	int open = (int)(gripper_m / widest_m * (FINGERS - 4) / 2 + 0.5), half = FINGERS / 2;

	memset(out, ' ', FINGERS + 2);
	out[0] = '[';
	out[FINGERS + 1] = ']';
	out[FINGERS + 2] = 0;
	for (int side = -1; side <= 1; side += 2)
		out[half + (side > 0) + side * (open > half - 1 ? half - 1 : open)] = '|';
}

static void draw_sentences(struct view *v, const struct view_now *now)
{
	char bar[BAR + 1];
	bool runs = false;

	for (uint32_t i = 0; i < DEMO_SENTENCES; i++) {
		const struct demo_sentence *s = &now->sentence[i];
		bool mine = strcmp(s->verdict, "...") == 0 || (*s->text && !s->done && !runs);

		runs = runs || mine;
		fill(bar, BAR, now->world->took_s < LIMIT_S ? now->world->took_s / LIMIT_S : 1, '#', '.');
		if (s->done)
			line(v, "  \033[32mdone\033[0m  %s  (%.1f s%s)", s->text, s->took_s, s->tries > 1 ? ", second try" : "");
		else if (*s->text)
			line(v, "  %-4s  %s  %s %.1f s", s->tries > 0 ? "2nd" : "", s->text, bar, now->world->took_s);
		else
			line(v, "     %u:", i + 1);
	}
}

static void draw(struct view *v, const struct view_now *now)
{
	const struct message_status *m = now->status;
	const double *p = now->arm->ee.p_m;
	char held[VIEW_LINE_BYTES], fingers[FINGERS + 3];

	fputs("\033[?7l", v->out); /* lines that are too long for the terminal are cut, else their number would not be known */
	if (v->lines)
		fprintf(v->out, "\033[%uA", v->lines);
	v->lines = 0;
	draw_fingers(now->arm->gripper_m, fingers);
	line(v, "\033[1mDream-VLA on the simulated bench\033[0m   %.1f s", now_s(v));
	line(v, "  told     \033[1m\"%s\"\033[0m", m->instruction);
	line(v, "  mode     %s%-7s\033[0m driven by %s%s%.60s", colour_of(m->mode), m->mode, m->driver, strcmp(m->mode, "AUTO") ? ": " : "",
			strcmp(m->mode, "AUTO") ? m->reason : "");
	line(v, "  policy   %llu chunks, control %.1f Hz", (unsigned long long)now->chunks, m->rate_hz);
	line(v, "  hand     x %.2f  y %+.2f  z %.3f m   fingers %s %.0f mm", p[0], p[1], p[2], fingers, 1000 * now->arm->gripper_m);
	line(v, "  holds    %s", describe_held(now->world, held));
	line(v, "%s", "");
	draw_sentences(v, now);
	line(v, "%s", "");
	for (uint32_t i = 0; i < v->n_said; i++)
		line(v, "%s", v->said[i]);
	fputs("\033[?7h", v->out);
	fflush(v->out);
}

void view_say(struct view *v, const char *text)
{
	char when[VIEW_LINE_BYTES];

	snprintf(when, sizeof when, "%5.1f s  %.*s", now_s(v), VIEW_LINE_BYTES - 16, text);
	if (!v->terminal) {
		fprintf(v->out, "%s\n", when);
		fflush(v->out);
		return;
	}
	if (v->n_said == VIEW_SAID_MAX)
		memmove(v->said[0], v->said[1], sizeof v->said - sizeof v->said[0]), v->n_said--;
	memcpy(v->said[v->n_said++], when, sizeof when);
}

void view_show(struct view *v, const struct view_now *now)
{
	char held[VIEW_LINE_BYTES];

	if (v->terminal) {
		draw(v, now);
		return;
	}
	if (clock_monotonic_ns() < v->line_ns)
		return;
	v->line_ns = clock_monotonic_ns() + LINE_NS;
	fprintf(v->out, "%5.1f s  %s, \"%s\": %llu chunks, %.1f Hz; the hand is %.0f cm up and holds %s\n", now_s(v), now->status->mode, now->status->instruction,
			(unsigned long long)now->chunks, now->status->rate_hz, 100 * now->arm->ee.p_m[2], describe_held(now->world, held));
	fflush(v->out);
}

void view_end(struct view *v)
{
	fputc('\n', v->out);
	fflush(v->out);
	v->lines = 0;
}
