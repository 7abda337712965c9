/* bench_svg.h - pictures in a page: plots with axes as inline SVG, written as they are drawn. Colours and fonts are classes of the page's own
 * style (bench_html.c). Every text is escaped. Pure but for the FILE; errors stay in it (ferror). */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_SVG_H
#define DREAMVLA_DAEMON_BENCH_BENCH_SVG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Writes text into a page: & < > " ' become references, control characters "?". */
void html_text(FILE *out, const char *text);

struct svg_axis {
	double low, high;            /* high > low; log: low > 0 */
	bool log;
	const char *label;
	int64_t wall_ns;             /* along x in s: CLOCK_REALTIME at 0, shown below the numbers; 0: it is no time of day */
};

/* A rectangle (in pixels, y down) within which x and y are drawn. */
struct svg_plot {
	FILE *out;
	double left, top, width, height;
	struct svg_axis x, y;
};

/* Begin and end of one picture; `title` is read out to those who cannot see it. */
void svg_open(FILE *out, double width, double height, const char *title);
void svg_close(FILE *out);

/* Where on an axis a value is, 0..1, and which value is there. */
double svg_along(const struct svg_axis *a, double value);
double svg_value(const struct svg_axis *a, double share);

/* Where a value is in pixels; one beyond an axis is at its end. */
double svg_x(const struct svg_plot *p, double value);
double svg_y(const struct svg_plot *p, double value);

/* Grid lines with their numbers, and the axes' labels; along x they take SVG_BELOW_X below the plot, with times of day
 * SVG_BELOW_TIME. */
enum { SVG_BELOW_X = 44, SVG_BELOW_TIME = 58 };
void svg_grid_x(const struct svg_plot *p);
void svg_grid_y(const struct svg_plot *p);

/* In pixels. `class` is a CSS class, `hint` shows when pointed at (NULL: none). */
void svg_rect(FILE *out, double x, double y, double width, double height, const char *class, const char *hint);
void svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *class);

/* anchor: "start", "middle" or "end". */
void svg_text(FILE *out, double x, double y, const char *anchor, const char *class, const char *text);

/* A line through points: begin, any number of points, end. */
void svg_path_begin(FILE *out, const char *class);
void svg_path_point(const struct svg_plot *p, double x, double y, bool first);
void svg_path_end(FILE *out);

/* An axis around low..high with some room: to a decade's 1, 2 or 5 when it is logarithmic. */
struct svg_axis svg_axis_around(double low, double high, bool log, const char *label);

#endif
