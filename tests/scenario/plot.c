/* plot.c - one run as an SVG picture: who drove, and what every joint was told and did, with the limits it had to keep. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/scenario/scenario.h"

/* All lengths in pixels. */
enum { WIDTH = 1620, MARGIN = 74, COLUMN = 500, CELL = 436, ROW = 112, ROW_GAP = 22, BAND = 18, TOP = 62, BINS = 2 * CELL };
static const int64_t PAUSE_NS = 45000000;

enum curve { CURVE_POSITION, CURVE_VELOCITY, CURVE_ACCELERATION, CURVE_TCP, CURVE_TCP_SPEED, CURVE_JERK };

struct picture {
	FILE *out;
	const struct record *r;
	const struct control_setup *setup;
	double begin_s, seconds;
};

/* One small diagram: where it lies, and what its y axis spans. */
struct cell {
	double x, y, low, high;
	char text[64];
};

/* The lowest and highest value within each half pixel of a cell. */
struct bins {
	double low[BINS], high[BINS];
	bool used[BINS];
};

static const char *const sent_colour = "#1f5fbf", *const plant_colour = "#ffc690", *const limit_colour = "#c62828";

static double x_of(const struct picture *p, const struct cell *c, int64_t t_ns)
{
	return c->x + CELL * ((double)t_ns * 1e-9 - p->begin_s) / p->seconds;
}

static double y_of(const struct cell *c, double v)
{
	return c->y + ROW * (c->high - v) / (c->high - c->low);
}

/* ---- curves -------------------------------------------------------------------------------------------------------- */

enum { ORDER_MAX = 3 }; /* the jerk */

/* Samples one after the other without a pause. */
static bool together(const struct record_track *t, uint32_t i, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (i < k + 1 || t->sample[i - k].t_ns - t->sample[i - k - 1].t_ns > PAUSE_NS)
			return false;
	return true;
}

/* Differences of differences of the joint's newest order + 1 samples, which are there (together()). */
static double joint_rate(const struct record_track *t, uint32_t i, uint32_t joint, uint32_t order)
{
	double rate[ORDER_MAX + 1];

	for (uint32_t back = 0; back <= order; back++)
		rate[back] = t->sample[i - back].q_rad[joint];
	for (uint32_t left = order; left > 0; left--)
		for (uint32_t back = 0; back < left; back++) {
			const struct record_sample *s = &t->sample[i - back];

			rate[back] = (rate[back] - rate[back + 1]) / ((double)(s->t_ns - (s - 1)->t_ns) * 1e-9);
		}
	return rate[0];
}

static double tcp_speed(const struct record_track *t, uint32_t i)
{
	const double *a = t->sample[i].tcp_m, *b = t->sample[i - 1].tcp_m;
	double dt_s = (double)(t->sample[i].t_ns - t->sample[i - 1].t_ns) * 1e-9;

	return sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2)) / dt_s;
}

/* Value number i of a curve; false where the samples do not give one. */
static bool curve_value(const struct record_track *t, uint32_t i, enum curve curve, uint32_t which, double *out)
{
	static const uint32_t order[] = { [CURVE_VELOCITY] = 1, [CURVE_ACCELERATION] = 2, [CURVE_TCP_SPEED] = 1, [CURVE_JERK] = ORDER_MAX };

	if (!together(t, i, order[curve]))
		return false;
	if (curve == CURVE_TCP)
		*out = t->sample[i].tcp_m[which];
	else
		*out = curve == CURVE_TCP_SPEED ? tcp_speed(t, i) : joint_rate(t, i, which, order[curve]);
	return true;
}

static void fill_bins(const struct picture *p, const struct record_track *t, enum curve curve, uint32_t which, struct bins *b)
{
	double v;

	memset(b, 0, sizeof *b);
	for (uint32_t i = 0; i < t->n; i++) {
		double at = BINS * ((double)t->sample[i].t_ns * 1e-9 - p->begin_s) / p->seconds;
		uint32_t k = at > 0.0 && at < BINS ? (uint32_t)at : 0;

		if (!(at >= 0.0 && at < BINS) || !curve_value(t, i, curve, which, &v))
			continue;
		b->low[k] = b->used[k] ? fmin(b->low[k], v) : v;
		b->high[k] = b->used[k] ? fmax(b->high[k], v) : v;
		b->used[k] = true;
	}
}

static void widen(const struct bins *b, double *low, double *high)
{
	for (uint32_t k = 0; k < BINS; k++)
		if (b->used[k]) {
			*low = fmin(*low, b->low[k]);
			*high = fmax(*high, b->high[k]);
		}
}

/* A gap of more than so many half pixels without a sample is a pause. */
static void draw_bins(const struct picture *p, const struct cell *c, const struct bins *b, const char *colour, double width)
{
	uint32_t most = (uint32_t)fmax(2.0, BINS * (double)PAUSE_NS * 1e-9 / p->seconds), empty = most;

	for (uint32_t k = 0; k < BINS; k++) {
		double x = c->x + k / 2.0;

		if (!b->used[k]) {
			empty++;
			continue;
		}
		if (empty >= most)
			fprintf(p->out, "%s<polyline fill='none' stroke='%s' stroke-width='%.1f' points='", k && empty < k ? "'/>\n" : "", colour, width);
		fprintf(p->out, "%.1f,%.1f ", x, y_of(c, b->low[k]));
		if (b->high[k] > b->low[k])
			fprintf(p->out, "%.1f,%.1f ", x, y_of(c, b->high[k]));
		empty = 0;
	}
	fputs("'/>\n", p->out);
}

/* ---- axes ---------------------------------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, about a quarter of the span. */
static double tick_step(double span, double ticks)
{
	double power = pow(10.0, floor(log10(span / ticks))), rest = span / ticks / power;

	return power * (rest < 1.5 ? 1.0 : rest < 3.5 ? 2.0 : rest < 7.5 ? 5.0 : 10.0);
}

static void draw_ticks(const struct picture *p, const struct cell *c)
{
	double step = tick_step(c->high - c->low, 4.0), step_s = tick_step(p->seconds, 8.0);

	for (double v = ceil(c->low / step) * step; v <= c->high + 1e-9; v += step) {
		fprintf(p->out, "<path class='grid' d='M%.1f %.1fh%d'/>", c->x, y_of(c, v), CELL);
		fprintf(p->out, "<text class='tick' text-anchor='end' x='%.1f' y='%.1f'>%.4g</text>\n", c->x - 4, y_of(c, v) + 3, fabs(v) < step * 1e-6 ? 0.0 : v);
	}
	for (double t = 0.0; t <= p->seconds + 1e-9; t += step_s) {
		double x = c->x + CELL * t / p->seconds;

		fprintf(p->out, "<path class='grid' d='M%.1f %.1fv%d'/>", x, c->y, ROW);
		fprintf(p->out, "<text class='tick' text-anchor='middle' x='%.1f' y='%.1f'>%g</text>\n", x, c->y + ROW + 11, t);
	}
}

static const char *mode_colour(uint32_t mode)
{
	static const char *const colour[MODE_COUNT] = { [MODE_BOOT] = "#eeeeee", [MODE_READY] = "#f4f4f4", [MODE_AUTO] = "#ddf3dd",
		[MODE_SHADOW] = "#e6e0f8", [MODE_TELEOP] = "#dbe9ff", [MODE_HOLD] = "#fff3cd", [MODE_RETURN] = "#d9f5f5", [MODE_FAULT] = "#ffdcdc" };

	return mode < MODE_COUNT ? colour[mode] : "#ffffff";
}

static int64_t band_end_ns(const struct picture *p, const struct record_band *band, uint32_t n, uint32_t i)
{
	return i + 1 < n ? band[i + 1].t_ns : p->r->end_ns;
}

static void draw_modes(const struct picture *p, const struct cell *c, double height)
{
	for (uint32_t i = 0; i < p->r->n_modes; i++) {
		double x = x_of(p, c, p->r->mode[i].t_ns), end = x_of(p, c, band_end_ns(p, p->r->mode, p->r->n_modes, i));

		fprintf(p->out, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/>\n", x, c->y, end - x, height,
				mode_colour(p->r->mode[i].value));
	}
}

static void draw_marks(const struct picture *p, const struct cell *c)
{
	for (uint32_t i = 0; i < p->r->n_marks; i++)
		fprintf(p->out, "<path class='mark' d='M%.1f %.1fv%d'/>\n", x_of(p, c, p->r->mark[i].t_ns), c->y, ROW);
}

/* A line where the axis reaches the limit. */
static void draw_limit(const struct picture *p, const struct cell *c, double low, double high)
{
	const double both[2] = { low, high };

	for (int i = 0; i < 2; i++)
		if (both[i] >= c->low && both[i] <= c->high)
			fprintf(p->out, "<path class='limit' d='M%.1f %.1fh%d'/>\n", c->x, y_of(c, both[i]), CELL);
}

/* The numbers in the corner in any case; after the curves, so that they can be read. */
static void write_limit(const struct picture *p, const struct cell *c, double low, double high, const char *unit)
{
	if (isfinite(low) && isfinite(high))
		fprintf(p->out, "<text class='tick' fill='%s' text-anchor='end' x='%.1f' y='%.1f'>limits %.4g, %.4g %s</text>\n", limit_colour,
				c->x + CELL - 4, c->y + 11, low, high, unit);
	else if (isfinite(high))
		fprintf(p->out, "<text class='tick' fill='%s' text-anchor='end' x='%.1f' y='%.1f'>limit %.4g %s</text>\n", limit_colour,
				c->x + CELL - 4, c->y + 11, high, unit);
}

struct diagram {
	enum curve curve;
	uint32_t arm, which;
	double low, high;          /* limits of targets; infinite: none */
	const char *unit;
	char text[64];
};

/* The axis holds the curves, with the limits when they are near. */
static void choose_axis(struct cell *c, const struct diagram *d, double low, double high)
{
	double span = fmax(high - low, 1e-3), room;

	if (isfinite(d->high) && d->high <= high + 1.5 * span)
		high = fmax(high, d->high);
	if (isfinite(d->low) && d->low >= low - 1.5 * span)
		low = fmin(low, d->low);
	room = 0.08 * fmax(high - low, 1e-3);
	c->low = low - room;
	c->high = high + 2.5 * room; /* the texts stand there, and no curve crosses them */
}

static void draw_diagram(const struct picture *p, double x, double y, const struct diagram *d)
{
	static struct bins sent, plant;
	struct cell c = { .x = x, .y = y };
	double low = INFINITY, high = -INFINITY;

	fill_bins(p, &p->r->plant[d->arm], d->curve, d->which, &plant);
	fill_bins(p, &p->r->sent[d->arm], d->curve, d->which, &sent);
	if (d->curve != CURVE_JERK)
		widen(&plant, &low, &high);
	widen(&sent, &low, &high);
	if (!(high >= low))
		low = high = 0.0;
	choose_axis(&c, d, low, high);
	draw_modes(p, &c, ROW);
	draw_ticks(p, &c);
	draw_marks(p, &c);
	draw_limit(p, &c, d->low, d->high);
	if (d->curve != CURVE_JERK)
		draw_bins(p, &c, &plant, plant_colour, 3.2);
	draw_bins(p, &c, &sent, sent_colour, 1.2);
	write_limit(p, &c, d->low, d->high, d->unit);
	fprintf(p->out, "<rect class='frame' x='%.1f' y='%.1f' width='%d' height='%d'/>\n", x, y, CELL, ROW);
	fprintf(p->out, "<text class='name' x='%.1f' y='%.1f'>%s</text>\n", x + 5, y + 12, d->text);
}

static void draw_joint(const struct picture *p, uint32_t arm, uint32_t joint, double y)
{
	const struct arm_setup *a = &p->setup->arm[arm];
	const struct robot_model *m = &a->model;
	double v = a->limit_scale * m->dq_max_rad_s[joint], acc = a->limit_scale * m->ddq_max_rad_s2[joint];
	struct diagram d[3] = { { CURVE_POSITION, arm, joint, m->q_min_rad[joint], m->q_max_rad[joint], "rad", "" },
		{ CURVE_VELOCITY, arm, joint, -v, v, "rad/s", "" }, { CURVE_ACCELERATION, arm, joint, -acc, acc, "rad/s²", "" } };
	static const char *const what[3] = { "position, rad", "velocity, rad/s", "acceleration, rad/s²" };

	for (int i = 0; i < 3; i++) {
		snprintf(d[i].text, sizeof d[i].text, "%s joint %u: %s", a->name, joint + 1, what[i]);
		draw_diagram(p, MARGIN + i * COLUMN, y, &d[i]);
	}
}

static void draw_tcp(const struct picture *p, uint32_t arm, double y)
{
	const struct arm_setup *a = &p->setup->arm[arm];

	for (uint32_t i = 0; i < 3; i++) {
		struct diagram d = { CURVE_TCP, arm, i, a->box_min_m[i], a->box_max_m[i], "m", "" };

		snprintf(d.text, sizeof d.text, "%s TCP %c, m", a->name, 'x' + (int)i);
		draw_diagram(p, MARGIN + i * COLUMN, y, &d);
	}
}

/* TCP speed, and the jerk of the two joints that most often are the first to reach a limit. */
static void draw_speed(const struct picture *p, uint32_t arm, double y)
{
	const struct arm_setup *a = &p->setup->arm[arm];
	double v = a->model.tcp_v_max_m_s * a->limit_scale;
	struct diagram speed = { CURVE_TCP_SPEED, arm, 0, -INFINITY, a->tcp_v_max_m_s > 0.0 ? fmin(v, a->tcp_v_max_m_s) : v, "m/s", "" };

	snprintf(speed.text, sizeof speed.text, "%s TCP speed, m/s", a->name);
	draw_diagram(p, MARGIN, y, &speed);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t joint = i == 0 ? 0 : 3;
		double j = a->limit_scale * a->model.dddq_max_rad_s3[joint];
		struct diagram d = { CURVE_JERK, arm, joint, -j, j, "rad/s³", "" };

		snprintf(d.text, sizeof d.text, "%s joint %u: jerk of targets, rad/s³", a->name, joint + 1);
		draw_diagram(p, MARGIN + (i + 1) * COLUMN, y, &d);
	}
}

/* ---- the page ------------------------------------------------------------------------------------------------------ */

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&' || *text == '<')
			fputs(*text == '&' ? "&amp;" : "&lt;", out);
		else
			fputc(*text, out);
	}
}

static void draw_band(const struct picture *p, double y, const char *name, const struct record_band *band, uint32_t n,
		const char *(*text)(uint32_t value), const char *(*colour)(uint32_t value))
{
	double wide = 2 * COLUMN + CELL;

	fprintf(p->out, "<text class='tick' text-anchor='end' x='%d' y='%.1f'>%s</text>\n", MARGIN - 6, y + 13, name);
	for (uint32_t i = 0; i < n; i++) {
		double x = MARGIN + wide * ((double)band[i].t_ns * 1e-9 - p->begin_s) / p->seconds;
		double end = MARGIN + wide * ((double)band_end_ns(p, band, n, i) * 1e-9 - p->begin_s) / p->seconds;

		fprintf(p->out, "<rect x='%.1f' y='%.1f' width='%.1f' height='%d' fill='%s' stroke='#888888' stroke-width='0.5'/>\n", x, y,
				end - x, BAND, colour(band[i].value));
		if (end - x > 44.0)
			fprintf(p->out, "<text class='band' x='%.1f' y='%.1f'>%s</text>\n", x + 4, y + 13, text(band[i].value));
	}
}

static const char *mode_text(uint32_t m)
{
	return mode_name((enum mode)m);
}

static const char *driver_text(uint32_t d)
{
	static const char *const name[TARGET_SOURCE_COUNT] = { "nobody", "policy", "teleop", "home" };

	return d < TARGET_SOURCE_COUNT ? name[d] : "?";
}

static const char *driver_colour(uint32_t d)
{
	static const char *const colour[TARGET_SOURCE_COUNT] = { "#f4f4f4", "#bfe8bf", "#b5d2ff", "#f2d5b0" };

	return d < TARGET_SOURCE_COUNT ? colour[d] : "#ffffff";
}

/* Numbers over the bands; what they mean stands at the page's foot. Those close together share a line of numbers by turns. */
static void draw_mark_numbers(const struct picture *p, double y)
{
	double wide = 2 * COLUMN + CELL, before = -100.0;
	int level = 0;

	for (uint32_t i = 0; i < p->r->n_marks; i++) {
		double x = MARGIN + wide * ((double)p->r->mark[i].t_ns * 1e-9 - p->begin_s) / p->seconds;

		level = x - before < 16.0 ? (level + 1) % 3 : 0;
		before = x;
		fprintf(p->out, "<path class='mark' d='M%.1f %.1fv%.1f'/>", x, y - 2 - 9.0 * level, 2 * BAND + 8 + 9.0 * level);
		fprintf(p->out, "<text class='number' text-anchor='middle' x='%.1f' y='%.1f'>%u</text>\n", x, y - 3 - 9.0 * level, i + 1);
	}
}

static void draw_foot(const struct picture *p, double y)
{
	for (uint32_t i = 0; i < p->r->n_marks; i++) {
		fprintf(p->out, "<text class='foot' x='%d' y='%.1f'>%u: ", MARGIN + (int)(i % 3) * COLUMN, y + 14.0 * (i / 3), i + 1);
		put_text(p->out, p->r->mark[i].text);
		fputs("</text>\n", p->out);
	}
}

static void draw_head(const struct picture *p, const struct scenario *s, double height)
{
	fprintf(p->out, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%.0f' font-family='DejaVu Sans, Arial, sans-serif'>\n", WIDTH, height);
	fputs("<style>.grid{stroke:#cfcfcf;stroke-width:0.6;fill:none}.frame{fill:none;stroke:#777}.mark{stroke:#7a3fa0;stroke-width:0.8;"
	      "stroke-dasharray:3 3;fill:none}.limit{stroke:#c62828;stroke-width:1;stroke-dasharray:7 3;fill:none}.tick{font-size:10px;paint-order:stroke;stroke:#ffffff;stroke-width:2px;stroke-opacity:0.8}"
	      ".name{font-size:11px;font-weight:bold;paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-opacity:0.8}.band{font-size:11px}.number{font-size:10px;fill:#7a3fa0}.foot{font-size:11px}</style>\n", p->out);
	fprintf(p->out, "<rect width='%d' height='%.0f' fill='#ffffff'/>\n<text x='%d' y='20' font-size='15' font-weight='bold'>", WIDTH, height, MARGIN);
	put_text(p->out, s->name);
	fputs(": ", p->out);
	put_text(p->out, s->title);
	fputs("</text>\n", p->out);
	fprintf(p->out, "<g font-size='11'><path d='M%d 32h24' stroke='%s' stroke-width='2'/><text x='%d' y='36'>targets sent</text>", WIDTH - 660,
			sent_colour, WIDTH - 630);
	fprintf(p->out, "<path d='M%d 32h24' stroke='%s' stroke-width='2'/><text x='%d' y='36'>the arm's motors</text>", WIDTH - 530, plant_colour,
			WIDTH - 500);
	fprintf(p->out, "<path class='limit' d='M%d 32h24'/><text x='%d' y='36'>limits of targets</text>", WIDTH - 380, WIDTH - 350);
	fprintf(p->out, "<path class='mark' d='M%d 32h24'/><text x='%d' y='36'>events; time in s</text></g>\n", WIDTH - 220, WIDTH - 190);
}

static double draw_arm(const struct picture *p, uint32_t arm, double y)
{
	for (uint32_t j = 0; j < p->setup->arm[arm].model.dof; j++, y += ROW + ROW_GAP)
		draw_joint(p, arm, j, y);
	draw_tcp(p, arm, y);
	draw_speed(p, arm, y + ROW + ROW_GAP);
	return y + 2 * (ROW + ROW_GAP);
}

int plot_write(const char *path, const struct record *r, const struct scenario *s, const struct control_setup *setup, struct errbuf *e)
{
	struct picture p = { .r = r, .setup = setup, .begin_s = (double)r->begin_ns * 1e-9 };
	double height = TOP + 2 * BAND + 60 + 14.0 * (r->n_marks / 3 + 1), y = TOP + 2 * BAND + 14;

	p.seconds = (double)(r->end_ns - r->begin_ns) * 1e-9;
	for (uint32_t i = 0; i < setup->n_arms; i++)
		height += (setup->arm[i].model.dof + 2) * (ROW + ROW_GAP);
	p.out = fopen(path, "w");
	if (!p.out)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	draw_head(&p, s, height);
	draw_band(&p, TOP, "mode", r->mode, r->n_modes, mode_text, mode_colour);
	draw_band(&p, TOP + BAND, "driver", r->driver, r->n_drivers, driver_text, driver_colour);
	draw_mark_numbers(&p, TOP);
	for (uint32_t i = 0; i < setup->n_arms; i++)
		y = draw_arm(&p, i, y);
	draw_foot(&p, y + 16);
	fputs("</svg>\n", p.out);
	return fclose(p.out) == 0 ? 0 : fail(e, -EIO, "%s: cannot be written", path);
}
