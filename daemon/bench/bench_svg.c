/* bench_svg.c - see bench_svg.h. */
#include "daemon/bench/bench_svg.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "daemon/sys/clock.h"

enum { TICKS_WANTED = 6, LABEL_BYTES = 32 };

void html_text(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		case '\'': fputs("&#39;", out); break;
		case '\n': case '\t': fputc(*p, out); break;
		default: fputc((unsigned char)*p < ' ' || *p == 127 ? '?' : *p, out);
		}
	}
}

void svg_open(FILE *out, double width, double height, const char *title)
{
	fprintf(out, "<svg viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\" role=\"img\"><title>", width, height, width, height);
	html_text(out, title);
	fputs("</title>\n", out);
}

void svg_close(FILE *out)
{
	fputs("</svg>\n", out);
}

double svg_along(const struct svg_axis *a, double value)
{
	double share = a->log ? log(fmax(value, a->low) / a->low) / log(a->high / a->low) : (value - a->low) / (a->high - a->low);

	return share > 0 ? fmin(share, 1) : 0; /* not a number: 0 */
}

double svg_value(const struct svg_axis *a, double share)
{
	return a->log ? a->low * pow(a->high / a->low, share) : a->low + share * (a->high - a->low);
}

double svg_x(const struct svg_plot *p, double value)
{
	return p->left + p->width * svg_along(&p->x, value);
}

double svg_y(const struct svg_plot *p, double value)
{
	return p->top + p->height * (1 - svg_along(&p->y, value));
}

/* ---- grid --------------------------------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, at least `least`. */
static double round_step(double least)
{
	double decade = pow(10, floor(log10(least)));
	double steps[] = { 1, 2, 5, 10 };

	for (int i = 0; i < 4; i++)
		if (steps[i] * decade >= least * (1 - 1e-9))
			return steps[i] * decade;
	return 10 * decade;
}

/* The next grid line after `value`; all decades, and 2 and 5 where there are few. */
static double next_line(const struct svg_axis *a, double value)
{
	if (!a->log)
		return value + round_step((a->high - a->low) / TICKS_WANTED);
	double decade = pow(10, floor(log10(value * (1 + 1e-9)))), share = value / decade;

	if (log10(a->high / a->low) > 2.5)
		return 10 * decade;
	return decade * (share < 1.5 ? 2 : share < 4 ? 5 : 10);
}

static double first_line(const struct svg_axis *a)
{
	if (!a->log) {
		double step = round_step((a->high - a->low) / TICKS_WANTED);

		return ceil(a->low / step - 1e-9) * step;
	}
	double line = pow(10, floor(log10(a->low * (1 + 1e-9))));

	while (line < a->low * (1 - 1e-9))
		line = next_line(a, line);
	return line;
}

static void write_number(char out[LABEL_BYTES], double value)
{
	snprintf(out, LABEL_BYTES, "%.6g", fabs(value) < 1e-12 ? 0 : value);
}

/* Parts of a second only where the lines lie so close. */
static void write_time_of_day(char out[LABEL_BYTES], const struct svg_axis *a, double value)
{
	int64_t ms = (a->wall_ns + (int64_t)(value * 1e9) + NS_PER_MS / 2) / NS_PER_MS;
	time_t whole = (time_t)(ms / 1000);
	struct tm local;

	*out = 0;
	if (!localtime_r(&whole, &local))
		return;
	size_t n = strftime(out, LABEL_BYTES, "%H:%M:%S", &local);

	if (a->high - a->low < 10 * TICKS_WANTED)
		snprintf(out + n, LABEL_BYTES - n, ".%03d", (int)(ms % 1000));
}

void svg_grid_x(const struct svg_plot *p)
{
	char number[LABEL_BYTES];
	double bottom = p->top + p->height;

	for (double v = first_line(&p->x); v <= p->x.high * (1 + 1e-9); v = next_line(&p->x, v)) {
		write_number(number, v);
		svg_line(p->out, svg_x(p, v), p->top, svg_x(p, v), bottom, "grid");
		svg_text(p->out, svg_x(p, v), bottom + 14, "middle", "tick", number);
		if (p->x.wall_ns == 0)
			continue;
		write_time_of_day(number, &p->x, v);
		svg_text(p->out, svg_x(p, v), bottom + 27, "middle", "small", number);
	}
	svg_line(p->out, p->left, bottom, p->left + p->width, bottom, "axis");
	svg_text(p->out, p->left + p->width / 2, bottom + (p->x.wall_ns == 0 ? 30 : 42), "middle", "label", p->x.label);
}

void svg_grid_y(const struct svg_plot *p)
{
	char number[LABEL_BYTES];

	for (double v = first_line(&p->y); v <= p->y.high * (1 + 1e-9); v = next_line(&p->y, v)) {
		write_number(number, v);
		svg_line(p->out, p->left, svg_y(p, v), p->left + p->width, svg_y(p, v), "grid");
		svg_text(p->out, p->left - 6, svg_y(p, v) + 4, "end", "tick", number);
	}
	svg_line(p->out, p->left, p->top, p->left, p->top + p->height, "axis");
	svg_text(p->out, p->left, p->top - 8, "start", "label", p->y.label);
}

struct svg_axis svg_axis_around(double low, double high, bool log, const char *label)
{
	struct svg_axis a = { .low = low, .high = high, .log = log, .label = label };

	if (log) {
		a.low = pow(10, floor(log10(fmax(low, 1e-6))));
		while (a.low * 2 <= low)
			a.low *= 2;
		a.high = fmax(high, a.low * 2) * 1.1;
	} else if (!(high > low)) {
		a.high = low + 1;
	}
	return a;
}

/* ---- shapes --------------------------------------------------------------------------------------------------------- */

void svg_rect(FILE *out, double x, double y, double width, double height, const char *class, const char *hint)
{
	fprintf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", class, x, y, fmax(width, 0.5), height);
	if (!hint) {
		fputs("/>\n", out);
		return;
	}
	fputs("><title>", out);
	html_text(out, hint);
	fputs("</title></rect>\n", out);
}

void svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *class)
{
	fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

void svg_text(FILE *out, double x, double y, const char *anchor, const char *class, const char *text)
{
	fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchor);
	html_text(out, text);
	fputs("</text>\n", out);
}

void svg_path_begin(FILE *out, const char *class)
{
	fprintf(out, "<path class=\"%s\" d=\"", class);
}

void svg_path_point(const struct svg_plot *p, double x, double y, bool first)
{
	fprintf(p->out, "%c%.1f %.1f", first ? 'M' : 'L', svg_x(p, x), svg_y(p, y));
}

void svg_path_end(FILE *out)
{
	fputs("\"/>\n", out);
}
