/* test_report.c - what is made of a trace: numbers, the page, the summary, and two of these compared. */
#include "daemon/bench/bench_compare.h"
#include "daemon/bench/bench_report.h"
#include "tests/unit/bench/made_up.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* Everything that `write` says, as one text. */
static char *text_of(void (*write)(FILE *out, const struct bench_trace *t), const struct bench_trace *t)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	write(f, t);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void write_page(FILE *out, const struct bench_trace *t)
{
	struct trace_stages s;

	assert_int_equal(stages_measure(&s, t, NULL), 0);
	report_write_html(out, t, &s);
	stages_free(&s);
}

static json_t *summary_of(const struct bench_trace *t)
{
	struct trace_stages s;

	assert_int_equal(stages_measure(&s, t, NULL), 0);
	json_t *j = report_summary(t, &s);

	stages_free(&s);
	assert_non_null(j);
	return j;
}

static double number(const json_t *j, const char *a, const char *b, const char *c)
{
	const json_t *at = json_object_get(json_object_get(j, a), b);

	at = c ? json_object_get(at, c) : at;
	assert_true(json_is_number(at));
	return json_number_value(at);
}

static void percentiles_are_exact(void **state)
{
	int64_t value[1000];
	struct spread s = { .n = 1000, .value_ns = value };

	(void)state;
	for (int i = 0; i < 1000; i++)
		value[i] = i + 1;
	assert_int_equal(spread_quantile(&s, 0), 1);
	assert_int_equal(spread_quantile(&s, 0.5), 500);
	assert_int_equal(spread_quantile(&s, 0.99), 990);
	assert_int_equal(spread_quantile(&s, 1), 1000);
	s.n = 0;
	assert_int_equal(spread_quantile(&s, 0.5), 0);
	assert_int_equal(spread_max(&s), 0);
}

static void the_worst_frame_is_the_slow_one(void **state)
{
	struct bench_trace t;
	struct trace_stages s;

	(void)state;
	made_up_trace(&t, 0);
	assert_int_equal(stages_measure(&s, &t, NULL), 0);
	assert_int_equal(s.worst.chunk, MADE_UP_SLOW);
	assert_true(s.typical.chunk != MADE_UP_SLOW && s.typical.chunk != 0);
	assert_int_equal(s.whole.n, MADE_UP_CHUNKS - 1);
	assert_int_equal(spread_max(&s.whole), s.worst.end_ns - s.worst.begin_ns);
	assert_int_equal(spread_quantile(&s.whole, 0.5), s.typical.end_ns - s.typical.begin_ns);
	stages_free(&s);
	trace_free(&t);
}

static void add_span(struct bench_trace *t, uint64_t chunk, const char *stage, int64_t begin_ms, int64_t ms)
{
	struct record_span span = { .chunk = chunk, .observation = chunk, .stage = trace_stage(t, stage), .begin_ns = begin_ms * NS_PER_MS };

	span.end_ns = span.begin_ns + ms * NS_PER_MS;
	assert_int_equal(trace_add_span(t, &span, NULL), 0);
}

/* A chunk that was dropped, or that the end of the run cut, is nobody's typical frame, however many there are and however long they took. */
static void ways_that_end_early_are_counted_apart(void **state)
{
	(void)state;
	for (int shadow = 0; shadow < 2; shadow++) {
		struct bench_trace t = { 0 };
		struct trace_stages s;

		for (uint64_t chunk = 1; chunk <= 9; chunk++) {
			int64_t begin_ms = 1000 * (int64_t)chunk, seen_ms = begin_ms + (chunk > 3 ? 900 : (int64_t)chunk);

			add_span(&t, chunk, "vision", begin_ms, seen_ms - begin_ms);
			if (chunk <= 4)
				add_span(&t, chunk, "publish", seen_ms, 1);
			if (chunk <= 3 && !shadow)
				add_span(&t, chunk, "driver", seen_ms + 1, 1);
		}
		trace_finish(&t);
		assert_int_equal(stages_measure(&s, &t, NULL), 0);
		assert_int_equal(s.whole.n, shadow ? 4 : 3);
		assert_int_equal(s.n_unfinished, shadow ? 5 : 6);
		assert_int_equal(s.typical.chunk, 2);
		assert_int_equal(s.worst.chunk, shadow ? 4 : 3);
		stages_free(&s);
		trace_free(&t);
	}
}

/* `receive` knows only its observation: it belongs to the chunk made of that one. */
static void a_way_begins_with_its_frames(void **state)
{
	struct bench_trace t;
	struct trace_stages s;

	(void)state;
	made_up_trace(&t, 0);
	assert_int_equal(stages_measure(&s, &t, NULL), 0);
	assert_string_equal(t.stage[s.worst.span[0].stage], "receive");
	assert_int_equal(s.worst.begin_ns, MADE_UP_BEGIN_NS + MADE_UP_SLOW * 400 * NS_PER_MS);
	stages_free(&s);
	trace_free(&t);
}

static void broken_spans_are_left_out(void **state)
{
	struct bench_trace t = { 0 };
	const struct record_span backwards = { .stage = trace_stage(&t, "decode"), .begin_ns = 2000, .end_ns = 1000 };
	const struct record_span nameless = { .stage = 7, .begin_ns = 1000, .end_ns = 2000 };

	(void)state;
	assert_int_equal(trace_add_span(&t, &backwards, NULL), 0);
	assert_int_equal(trace_add_span(&t, &nameless, NULL), 0);
	trace_finish(&t);
	assert_int_equal(t.n_spans, 0);
	trace_free(&t);
}

static void the_page_escapes_what_others_said(void **state)
{
	struct bench_trace t;

	(void)state;
	made_up_trace(&t, 0);
	char *page = text_of(write_page, &t);

	assert_null(strstr(page, "<script"));
	assert_non_null(strstr(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; &amp; more"));
	assert_non_null(strstr(page, "6.1.0 &lt;b&gt;"));
	assert_non_null(strstr(page, "model: &lt;here&gt; &amp; there"));
	assert_null(strstr(page, "http://"));
	assert_null(strstr(page, "src="));
	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "inf\""));
	free(page);
	trace_free(&t);
}

static void a_page_of_nothing_says_so(void **state)
{
	struct bench_trace t = { 0 };

	(void)state;
	trace_finish(&t);
	char *page = text_of(write_page, &t);

	assert_non_null(strstr(page, "No frame became a chunk."));
	assert_non_null(strstr(page, "No stage was recorded."));
	assert_non_null(strstr(page, "No control ticks were recorded."));
	assert_non_null(strstr(page, "No chunk was made."));
	assert_non_null(strstr(page, "</html>"));
	free(page);
}

/* Zero lengths, one value, all the same: logarithmic axes have no zero. */
static void a_page_of_one_span_has_numbers_only(void **state)
{
	struct bench_trace t = { 0 };
	const struct record_span s = { .stage = trace_stage(&t, "decode"), .begin_ns = 1000, .end_ns = 1000, .chunk = 1 };

	(void)state;
	assert_int_equal(trace_add_span(&t, &s, NULL), 0);
	trace_finish(&t);
	char *page = text_of(write_page, &t);

	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "inf\""));
	assert_non_null(strstr(page, "</html>"));
	free(page);
	trace_free(&t);
}

/* ---- summary and comparison ---------------------------------------------------------------------------------------------- */

static void the_summary_has_the_numbers(void **state)
{
	struct bench_trace t;

	(void)state;
	made_up_trace(&t, 0);
	json_t *j = summary_of(&t);

	assert_int_equal(number(j, "stages", "decoder", "n"), MADE_UP_CHUNKS - 1);
	assert_true(number(j, "stages", "decoder", "p50_us") > 81e3 && number(j, "stages", "decoder", "p50_us") < 108e3);
	assert_true(number(j, "stages", "decoder", "max_us") > 300e3);
	assert_int_equal(number(j, "lateness", "n", NULL), MADE_UP_TICKS);
	assert_true(fabs(number(j, "modes_s", "HOLD", NULL) - 1.5) < 1e-6);
	assert_true(fabs(number(j, "modes_s", "AUTO", NULL) - 18.8) < 1e-6);
	assert_true(fabs(number(j, "modes_s", "READY", NULL) - 0.2) < 1e-6);
	json_decref(j);
	trace_free(&t);
}

static void count(struct bench_trace *t, const char *name, uint64_t before, uint64_t at_end)
{
	trace_set_count(t, name, before - 2, true);
	trace_set_count(t, name, before, true);
	trace_set_count(t, name, before + 1, false);
	trace_set_count(t, name, at_end, false);
}

static void what_was_counted_and_stopped_is_in_the_summary(void **state)
{
	struct trace_event v = { .t_ns = MADE_UP_BEGIN_NS + 15 * NS_PER_S, .kind = "refused", .mode = "AUTO", .code = "UNDERRUN", .reason = "targets paused" };
	struct bench_trace t;

	(void)state;
	made_up_trace(&t, 0);
	count(&t, "overruns", 100, 107);
	trace_set_count(&t, "chunks_rejected", 3, false);
	trace_set_count(&t, "chunks_rejected", 5, false);
	assert_int_equal(trace_add_event(&t, &v, NULL), 0);
	v = (struct trace_event){ .t_ns = MADE_UP_BEGIN_NS + 16 * NS_PER_S, .kind = "mode", .mode = "FAULT", .previous = "HOLD", .code = "NAN_VALUE", .reason = "half \xc3" };
	assert_int_equal(trace_add_event(&t, &v, NULL), 0);
	t.cyclictest = (struct percentiles){ .n = 1000, .p50_ns = 42000, .p99_ns = 120000, .p999_ns = 500000, .max_ns = 1792000 };
	json_t *j = summary_of(&t), *stops = json_object_get(j, "stops"), *first = json_array_get(stops, 0);

	assert_int_equal(number(j, "counts", "overruns", NULL), 7);
	assert_int_equal(number(j, "counts", "chunks_rejected", NULL), 2);
	assert_int_equal(number(j, "counts", "underruns", NULL), 1);
	assert_int_equal(number(j, "counts", "targets_refused", NULL), 0);
	assert_int_equal(number(j, "counts", "stops", NULL), 2);
	assert_int_equal(json_array_size(stops), 2);
	assert_string_equal(json_string_value(json_object_get(first, "from")), "AUTO");
	assert_string_equal(json_string_value(json_object_get(first, "to")), "HOLD");
	assert_string_equal(json_string_value(json_object_get(first, "reason")), MADE_UP_REASON);
	assert_true(fabs(json_number_value(json_object_get(first, "s")) - 12.5) < 1e-6);
	assert_string_equal(json_string_value(json_object_get(json_array_get(stops, 1), "code")), "NAN_VALUE");
	assert_true(fabs(number(j, "cyclictest", "p999_us", NULL) - 500) < 1e-9);
	json_decref(j);
	char *page = text_of(write_page, &t);

	assert_non_null(strstr(page, "<td>overruns</td><td>7</td>"));
	assert_non_null(strstr(page, "<td>underruns</td><td>1</td>"));
	assert_non_null(strstr(page, "lateness of cyclictest beside it</td><td>1000</td><td>0.042</td>"));
	free(page);
	trace_free(&t);
}

/* Whatever time zone this runs in: the axis must say what localtime says. */
static void axes_show_the_time_of_day(void **state)
{
	time_t at = (time_t)1790000010; /* 10 s after the beginning */
	struct bench_trace t;
	struct tm local;
	char text[64];

	(void)state;
	made_up_trace(&t, 0);
	assert_non_null(localtime_r(&at, &local));
	strftime(text, sizeof text, ">%H:%M:%S.000</text>", &local); /* 20.5 s: with parts of a second */
	char *page = text_of(write_page, &t);
	const char *lateness = strstr(page, "Lateness of control ticks"), *modes = strstr(page, "Modes over time");

	assert_true(lateness && strstr(lateness, text) && modes && strstr(modes, text));
	free(page);
	t.wall_ns = 0;
	page = text_of(write_page, &t);
	assert_null(strstr(page, ".000</text>"));
	free(page);
	trace_free(&t);
}

static void compare_made_up(double extra_a_ms, double extra_b_ms, double threshold_percent, struct comparison *c)
{
	struct bench_trace a, b;

	made_up_trace(&a, extra_a_ms);
	made_up_trace(&b, extra_b_ms);
	json_t *x = summary_of(&a), *y = summary_of(&b);

	assert_int_equal(compare_summaries(c, x, y, threshold_percent, NULL), 0);
	json_decref(x);
	json_decref(y);
	trace_free(&a);
	trace_free(&b);
}

static const struct compare_row *row_of(const struct comparison *c, const char *name)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->row[i].name, name) == 0)
			return &c->row[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void a_slower_decoder_is_worse(void **state)
{
	struct comparison c;

	(void)state;
	compare_made_up(0, 100, 10, &c);
	assert_int_equal(row_of(&c, "decoder.p50_us")->verdict, COMPARE_WORSE);
	assert_true(row_of(&c, "decoder.p50_us")->b - row_of(&c, "decoder.p50_us")->a > 85e3);
	assert_int_equal(row_of(&c, "vision.p50_us")->verdict, COMPARE_SAME);
	assert_int_equal(row_of(&c, "decoder.p99_us")->verdict, COMPARE_SHOWN); /* of 49 values */
	assert_int_equal(row_of(&c, "lateness.p999_us")->verdict, COMPARE_SAME);
	compare_made_up(0, 100, 500, &c);
	assert_int_equal(c.worse, 0);
	compare_made_up(100, 0, 10, &c);
	assert_int_equal(c.worse, 0);
	assert_int_equal(row_of(&c, "decoder.p50_us")->verdict, COMPARE_BETTER);
}

static void a_stage_that_is_gone_is_worse(void **state)
{
	struct bench_trace t;
	struct comparison c;

	(void)state;
	made_up_trace(&t, 0);
	json_t *a = summary_of(&t), *b = json_deep_copy(a);

	assert_int_equal(compare_summaries(&c, a, b, 0, NULL), 0);
	assert_int_equal(c.worse, 0);
	json_object_del(json_object_get(b, "stages"), "driver");
	assert_int_equal(compare_summaries(&c, a, b, 50, NULL), 0);
	assert_int_equal(row_of(&c, "driver.n")->verdict, COMPARE_WORSE);
	assert_int_equal(c.worse, 1);
	json_decref(a);
	json_decref(b);
	trace_free(&t);
}

static void a_new_stage_is_shown(void **state)
{
	struct bench_trace t;
	struct comparison c;

	(void)state;
	made_up_trace(&t, 0);
	json_t *b = summary_of(&t), *a = json_deep_copy(b);

	json_object_del(json_object_get(a, "stages"), "driver");
	assert_int_equal(compare_summaries(&c, a, b, 50, NULL), 0);
	assert_int_equal(row_of(&c, "driver.n")->verdict, COMPARE_SHOWN);
	assert_int_equal(row_of(&c, "driver.n")->b, MADE_UP_CHUNKS - 1);
	assert_int_equal(c.worse, 0);
	json_decref(a);
	json_decref(b);
	trace_free(&t);
}

static const char *unlike(const struct comparison *c, const char *what)
{
	for (uint32_t i = 0; i < c->n_unlike; i++)
		if (strcmp(c->unlike[i].what, what) == 0)
			return c->unlike[i].b;
	return NULL;
}

static void runs_that_are_not_alike_are_told(void **state)
{
	struct bench_trace t;
	struct comparison c;

	(void)state;
	made_up_trace(&t, 0);
	json_t *a = summary_of(&t), *b = json_deep_copy(a), *notes = json_object_get(b, "notes");

	assert_int_equal(compare_summaries(&c, a, b, 0, NULL), 0);
	assert_int_equal(c.n_unlike, 0);
	json_object_set_new(notes, "cpu", json_string("another one"));
	json_object_set_new(notes, "faults", json_string("7 processor hogs"));
	json_object_del(notes, "governor");
	json_object_set_new(b, "seconds", json_real(5));
	json_object_set_new(json_object_get(b, "modes_s"), "HOLD", json_real(100));
	assert_int_equal(compare_summaries(&c, a, b, 1000, NULL), 0);
	assert_int_equal(c.n_unlike, 5);
	assert_string_equal(unlike(&c, "cpu"), "another one");
	assert_string_equal(unlike(&c, "faults"), "7 processor hogs");
	assert_string_equal(unlike(&c, "governor"), "(not said)");
	assert_string_equal(unlike(&c, "length"), "5.0 s");
	assert_string_equal(unlike(&c, "mode most of the time"), "HOLD");
	json_decref(a);
	json_decref(b);
	trace_free(&t);
}

static void what_is_no_summary_is_refused(void **state)
{
	struct comparison c;
	struct errbuf e = { 0 };
	json_t *not_one = json_pack("{s:s}", "format", "something else"), *loaded;

	(void)state;
	assert_int_equal(compare_summaries(&c, not_one, not_one, 10, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "first"));
	assert_int_equal(compare_load(&loaded, "/nowhere/at/all", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nowhere/at/all"));
	json_decref(not_one);
}

/* ---- the folder ------------------------------------------------------------------------------------------------------------ */

static void a_folder_with_something_in_it_stays_as_it_is(void **state)
{
	char folder[] = "/tmp/test_report.XXXXXX", inner[64], summary[96];
	struct bench_trace t;
	struct errbuf e = { 0 };
	json_t *loaded;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(inner, sizeof inner, "%s/report", folder);
	made_up_trace(&t, 0);
	assert_int_equal(report_make_folder(inner, &e), 0);
	assert_int_equal(report_make_folder(inner, &e), 0); /* empty */
	assert_int_equal(report_write(inner, &t, &e), 0);
	assert_int_equal(compare_load(&loaded, inner, &e), 0);
	json_decref(loaded);
	assert_int_equal(report_make_folder(inner, &e), -EEXIST);
	assert_non_null(strstr(e.text, inner));
	snprintf(summary, sizeof summary, "%s/summary.json", inner);
	assert_int_equal(report_make_folder(summary, &e), -EEXIST);
	assert_int_equal(report_write(summary, &t, &e), -ENOTDIR);
	assert_int_equal(report_make_folder("/proc/here", &e), -ENOENT);
	for (const char *const *name = (const char *const[]){ "report.html", "trace.json", "summary.json", "config.yaml", NULL }; *name; name++) {
		snprintf(summary, sizeof summary, "%s/%s", inner, *name);
		assert_int_equal(unlink(summary), 0);
	}
	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(rmdir(folder), 0);
	trace_free(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_exact),
		cmocka_unit_test(the_worst_frame_is_the_slow_one),
		cmocka_unit_test(ways_that_end_early_are_counted_apart),
		cmocka_unit_test(a_way_begins_with_its_frames),
		cmocka_unit_test(broken_spans_are_left_out),
		cmocka_unit_test(the_page_escapes_what_others_said),
		cmocka_unit_test(a_page_of_nothing_says_so),
		cmocka_unit_test(a_page_of_one_span_has_numbers_only),
		cmocka_unit_test(the_summary_has_the_numbers),
		cmocka_unit_test(a_slower_decoder_is_worse),
		cmocka_unit_test(a_stage_that_is_gone_is_worse),
		cmocka_unit_test(what_was_counted_and_stopped_is_in_the_summary),
		cmocka_unit_test(axes_show_the_time_of_day),
		cmocka_unit_test(a_new_stage_is_shown),
		cmocka_unit_test(runs_that_are_not_alike_are_told),
		cmocka_unit_test(what_is_no_summary_is_refused),
		cmocka_unit_test(a_folder_with_something_in_it_stays_as_it_is),
	};
	struct bench_trace t;

	/* A page to look at. */
	if (argc > 1) {
		made_up_trace(&t, 0);
		return report_write(argv[1], &t, NULL) < 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
