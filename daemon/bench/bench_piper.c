/* bench_piper.c - see bench_piper.h. */
#include "daemon/bench/bench_piper.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_stream.h"

enum { RATES = 3, CASES = RATES * 4 };
static const uint32_t rates_hz[RATES] = { 50, 100, 200 };
static const char *const mode_name[2] = { "planned", "high_follow" };
static const char *const target_name[2] = { "raw", "played out" };

struct row {
	struct stream_case c;
	struct stream_result r;
};

static void print_head(const struct stream_wish *w)
{
	printf("a simulated PiPER follows streamed joint targets (MOVE J); virtual time; the worst joint, the lag of all together\n"
		"wanted: up to %.2f rad/s and %.1f rad/s2, which is %.3f rad/s within 10 ms\n\n"
		"%-11s  %-11s  %4s  %7s  %9s  %10s  %10s  %13s  %10s  %9s\n", w->speed_rad_s, w->acceleration_rad_s2, w->jolt_rad_s, "targets",
		"mode", "Hz", "lag", "off by", "sway", "jolt", "after a pause", "overshoot", "at rest");
	printf("%-11s  %-11s  %4s  %7s  %9s  %10s  %10s  %13s  %10s  %9s\n", "", "", "", "ms", "mrad", "rad/s", "rad/s", "rad/s", "mrad", "mrad");
}

static void print_row(const struct row *row)
{
	const struct stream_result *r = &row->r;

	printf("%-11s  %-11s  %4u  %7.0f  %9.1f  %10.3f  %10.3f  %13.3f  %10.2f  %9.3f\n", target_name[row->c.played_out],
			mode_name[row->c.high_follow], row->c.rate_hz, r->lag_ms, 1e3 * r->apart_rad, r->sway_rad_s, r->jolt_rad_s,
			r->pause_jolt_rad_s, 1e3 * r->overshoot_rad, 1e3 * r->final_rad);
}

static void print_all(const struct row *row, const struct stream_wish *w)
{
	print_head(w);
	for (int i = 0; i < CASES; i++)
		print_row(&row[i]);
	printf("\n"
		"lag            by which the arm's motion fits what was wanted best, and how far it is then off\n"
		"sway           while a constant speed is wanted, from its slowest to its fastest\n"
		"jolt           largest change of speed within 10 ms; after a pause: with a host that stands still once, for %d ms\n"
		"at rest        how far from the last target the arm comes to rest\n", STREAM_PAUSE_MS);
}

static json_t *row_json(const struct row *row)
{
	const struct stream_result *r = &row->r;

	return json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "targets", target_name[row->c.played_out], "mode",
			mode_name[row->c.high_follow], "rate_hz", (int)row->c.rate_hz, "lag_ms", r->lag_ms, "off_by_rad", r->apart_rad,
			"sway_rad_s", r->sway_rad_s, "jolt_rad_s", r->jolt_rad_s, "pause_jolt_rad_s", r->pause_jolt_rad_s, "overshoot_rad",
			r->overshoot_rad, "final_rad", r->final_rad, "ignored", (json_int_t)r->ignored);
}

static void print_json(const struct row *row, const struct stream_wish *w)
{
	json_t *all = json_array();

	for (int i = 0; i < CASES; i++)
		json_array_append_new(all, row_json(&row[i]));
	json_t *j = json_pack("{s:{s:f, s:f, s:f, s:f}, s:o}", "wanted", "speed_rad_s", w->speed_rad_s, "acceleration_rad_s2",
			w->acceleration_rad_s2, "sway_rad_s", w->sway_rad_s, "jolt_rad_s", w->jolt_rad_s, "cases", all);

	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	json_decref(j);
}

int bench_piper(const struct bench_options *o)
{
	struct row row[CASES];
	struct stream_wish wish;

	for (int i = 0; i < CASES; i++) {
		row[i].c = (struct stream_case){ .rate_hz = rates_hz[i % RATES], .high_follow = i / RATES % 2, .played_out = i / (2 * RATES) == 0 };
		int rc = stream_measure(&row[i].c, &row[i].r, &wish);

		if (rc < 0) {
			fprintf(stderr, "dreamvla-bench: piper: %s\n", strerror(-rc));
			return EXIT_FAILURE;
		}
	}
	if (o->json)
		print_json(row, &wish);
	else
		print_all(row, &wish);
	return EXIT_SUCCESS;
}
