/* bench_charts.c - see bench_charts.h: distributions; bench_timelines.c draws what happened when. */
#include "daemon/bench/bench_charts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bench/bench_svg.h"

enum { WIDTH = 960, BINS = 32, PANEL_COLUMNS = 3, PANEL_WIDTH = 320, PANEL_HEIGHT = 150, CURVE_POINTS = 160, COLOURS = 12, TEXT_BYTES = 160 };

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static void nothing(FILE *out, const char *what)
{
	fprintf(out, "<p class=\"none\">%s</p>\n", what);
}

/* ---- histograms --------------------------------------------------------------------------------------------------------- */

/* Of which share of the axis is each value; a stage that always takes the same is one bar. */
static size_t count_bins(const struct spread *s, const struct svg_axis *x, size_t bin[BINS])
{
	size_t most = 0;

	memset(bin, 0, BINS * sizeof *bin);
	for (size_t i = 0; i < s->n; i++) {
		size_t k = (size_t)fmin(svg_along(x, ms(s->value_ns[i])) * BINS, BINS - 1);

		most = ++bin[k] > most ? bin[k] : most;
	}
	return most;
}

static void draw_bins(const struct svg_plot *p, const struct spread *s)
{
	size_t bin[BINS], most = count_bins(s, &p->x, bin);
	char hint[TEXT_BYTES];

	for (int k = 0; k < BINS; k++) {
		double height = p->height * (double)bin[k] / (double)most;

		if (bin[k] == 0)
			continue;
		snprintf(hint, sizeof hint, "%zu from %.3g to %.3g ms", bin[k], svg_value(&p->x, k / (double)BINS), svg_value(&p->x, (k + 1) / (double)BINS));
		svg_rect(p->out, p->left + p->width * k / BINS, p->top + p->height - height, p->width / BINS - 1, height, "bar", hint);
	}
}

/* Logarithmic where the longest is much longer than the shortest: what is rare is what matters. */
static struct svg_axis panel_axis(const struct spread *s)
{
	double low = ms(s->value_ns[0]), high = ms(spread_max(s));

	if (low > 0 && high > 4 * low)
		return svg_axis_around(low, high, true, "ms");
	return svg_axis_around(fmax(low - 0.1 * (high - low), 0), high + 0.1 * (high - low), false, "ms");
}

static void draw_panel(FILE *out, double left, double top, const char *name, const struct spread *s)
{
	struct svg_plot p = { .out = out, .left = left + 12, .top = top + 40, .width = PANEL_WIDTH - 36, .height = PANEL_HEIGHT - 78,
		.x = panel_axis(s) };
	char numbers[TEXT_BYTES];

	snprintf(numbers, sizeof numbers, "p50 %.3g  p99 %.3g  max %.3g ms  (%zu)", ms(spread_quantile(s, 0.5)), ms(spread_quantile(s, 0.99)),
			ms(spread_max(s)), s->n);
	svg_text(out, p.left, top + 16, "start", "name", name);
	svg_text(out, p.left, top + 32, "start", "tick", numbers);
	svg_grid_x(&p);
	draw_bins(&p, s);
}

void chart_histograms(FILE *out, const struct bench_trace *t, const struct trace_stages *s)
{
	uint32_t n = 0, drawn = 0;

	for (uint32_t k = 0; k < t->n_stages; k++)
		n += s->stage[k].n > 0;
	if (n == 0) {
		nothing(out, "No stage was recorded.");
		return;
	}
	svg_open(out, WIDTH, PANEL_HEIGHT * ((n + PANEL_COLUMNS - 1) / PANEL_COLUMNS), "Histogram of each stage");
	for (uint32_t k = 0; k < t->n_stages; k++) {
		if (s->stage[k].n == 0)
			continue;
		draw_panel(out, PANEL_WIDTH * (drawn % PANEL_COLUMNS), PANEL_HEIGHT * (drawn / PANEL_COLUMNS), t->stage[k], &s->stage[k]);
		drawn++;
	}
	svg_close(out);
}

/* ---- percentiles -------------------------------------------------------------------------------------------------------- */

/* Nines after the point get as much room as those before it: 50 % is 0.3, 90 % 1, 99 % 2. */
static double nines(double quantile)
{
	return -log10(1 - quantile);
}

static void draw_shares(const struct svg_plot *p)
{
	static const double shares[] = { 0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999 };
	char text[TEXT_BYTES];

	for (size_t i = 0; i < sizeof shares / sizeof *shares && nines(shares[i]) <= p->x.high; i++) {
		double x = svg_x(p, nines(shares[i]));

		snprintf(text, sizeof text, "%g %%", 100 * shares[i]);
		svg_line(p->out, x, p->top, x, p->top + p->height, "grid");
		svg_text(p->out, x, p->top + p->height + 14, "middle", "tick", text);
	}
	svg_line(p->out, p->left, p->top + p->height, p->left + p->width, p->top + p->height, "axis");
	svg_text(p->out, p->left + p->width / 2, p->top + p->height + 30, "middle", "label", p->x.label);
}

static void draw_curve(const struct svg_plot *p, const struct spread *s, const char *class)
{
	/* Beyond this share there is only the longest value. */
	double last = fmin(nines(1 - 1 / (double)s->n / 2), p->x.high);

	svg_path_begin(p->out, class);
	for (int i = 0; i <= CURVE_POINTS; i++) {
		double x = last * i / CURVE_POINTS;

		svg_path_point(p, x, ms(spread_quantile(s, 1 - pow(10, -x))), i == 0);
	}
	svg_path_end(p->out);
}

/* Beyond the colours, dashed ones. */
static void class_of_curve(char out[TEXT_BYTES], uint32_t k)
{
	snprintf(out, TEXT_BYTES, "curve c%u%s", k % COLOURS, k < COLOURS ? "" : " dashed");
}

static void draw_legend(FILE *out, double x, double y, uint32_t colour, const char *name)
{
	char class[TEXT_BYTES];

	class_of_curve(class, colour);
	svg_line(out, x, y - 4, x + 18, y - 4, class);
	svg_text(out, x + 24, y, "start", "tick", name);
}

static void find_range(const struct bench_trace *t, const struct trace_stages *s, double *low, double *high, size_t *most)
{
	*low = INFINITY;
	*high = 0;
	*most = 0;
	for (uint32_t k = 0; k < t->n_stages; k++) {
		if (s->stage[k].n == 0)
			continue;
		*low = fmin(*low, ms(s->stage[k].value_ns[0]));
		*high = fmax(*high, ms(spread_max(&s->stage[k])));
		*most = s->stage[k].n > *most ? s->stage[k].n : *most;
	}
}

void chart_percentiles(FILE *out, const struct bench_trace *t, const struct trace_stages *s)
{
	char class[TEXT_BYTES];
	double low, high;
	size_t most;
	uint32_t drawn = 0;

	find_range(t, s, &low, &high, &most);
	if (most == 0) {
		nothing(out, "No stage was recorded.");
		return;
	}
	struct svg_plot p = { .out = out, .left = 60, .top = 30, .width = WIDTH - 240, .height = 330,
		.x = { .low = 0, .high = nines(1 - 1 / (double)(most + 1) / 2), .label = "share of all that take no longer" },
		.y = svg_axis_around(fmax(low, 0.001), high, true, "ms") };

	svg_open(out, WIDTH, 410, "Percentiles of each stage");
	draw_shares(&p);
	svg_grid_y(&p);
	for (uint32_t k = 0; k < t->n_stages; k++) {
		if (s->stage[k].n == 0)
			continue;
		class_of_curve(class, drawn);
		draw_curve(&p, &s->stage[k], class);
		draw_legend(out, p.left + p.width + 16, p.top + 10 + 18 * drawn, drawn, t->stage[k]);
		drawn++;
	}
	svg_close(out);
}
