/* test_trace_json.c - trace.json, event by event, against the Trace Event Format
 * (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU) and what ui.perfetto.dev wants beyond it: slices of one track nest
 * to the nanosecond, every track has one name, every arrow has one beginning and one end and binds to a slice. */
#include "daemon/bench/bench_report.h"
#include "tests/unit/bench/made_up.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

enum { OPEN_MAX = 16, TIDS = 512, CHUNKS_MAX = 256 };

/* What the events so far have said. */
struct seen {
	struct { uint32_t n; int64_t until_ns[OPEN_MAX]; int64_t begin_ns; } open[TIDS]; /* slices that still hold; the newest one's beginning */
	uint32_t names[TIDS], indices[TIDS], events[TIDS];
	uint32_t processes, slices, arrows, arrow_begins, arrow_ends;
	char arrow[CHUNKS_MAX];             /* the newest ph of each chunk's */
	int64_t arrow_ns[CHUNKS_MAX], last_ns;
};

static json_t *trace_of(const struct bench_trace *t)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	json_error_t why;

	assert_non_null(f);
	report_write_trace(f, t);
	assert_int_equal(fclose(f), 0);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &why);

	if (!j)
		fail_msg("line %d: %s", why.line, why.text);
	free(text);
	return j;
}

/* us with three digits are whole ns. */
static int64_t whole_ns(const json_t *event, const char *key)
{
	const json_t *us = json_object_get(event, key);
	double ns = 1000 * json_number_value(us);

	assert_true(json_is_number(us) && isfinite(ns) && ns >= 0 && fabs(ns - round(ns)) < 1e-3);
	return (int64_t)round(ns);
}

static int tid_of(const json_t *event)
{
	json_int_t tid = json_integer_value(json_object_get(event, "tid"));

	assert_true(json_is_integer(json_object_get(event, "tid")) && json_is_integer(json_object_get(event, "pid")));
	assert_int_equal(json_integer_value(json_object_get(event, "pid")), 1);
	assert_in_range(tid, 0, TIDS - 1);
	return (int)tid;
}

static const char *text_at(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	assert_non_null(text);
	assert_true(*text != 0);
	return text;
}

/* Keys that the format has for this ph; a typing error would be ignored by every viewer. */
static void check_keys(json_t *event, const char *allowed)
{
	const char *key;
	json_t *value;
	char quoted[32];

	json_object_foreach(event, key, value) {
		snprintf(quoted, sizeof quoted, " %s ", key);
		if (!strstr(allowed, quoted))
			fail_msg("key %s, want%s", key, allowed);
	}
}

static void check_metadata(json_t *event, struct seen *s)
{
	const char *name = text_at(event, "name");
	const json_t *args = json_object_get(event, "args");
	int tid = tid_of(event);

	check_keys(event, " ph pid tid ts name args ");
	assert_int_equal(json_object_size(args), 1);
	if (strcmp(name, "thread_sort_index") == 0) {
		assert_true(json_is_integer(json_object_get(args, "sort_index")));
		s->indices[tid]++;
		return;
	}
	text_at(args, "name");
	if (strcmp(name, "thread_name") == 0) {
		s->names[tid]++;
		return;
	}
	assert_string_equal(name, "process_name");
	s->processes++;
}

/* Within a slice that holds, or after all: to the nanosecond. */
static void check_slice(json_t *event, struct seen *s, int64_t ts_ns)
{
	int tid = tid_of(event);
	int64_t end_ns = ts_ns + whole_ns(event, "dur");

	check_keys(event, " ph cat name pid tid ts dur args ");
	text_at(event, "cat");
	while (s->open[tid].n > 0 && s->open[tid].until_ns[s->open[tid].n - 1] <= ts_ns)
		s->open[tid].n--;
	if (s->open[tid].n > 0)
		assert_true(end_ns <= s->open[tid].until_ns[s->open[tid].n - 1]);
	assert_true(s->open[tid].n < OPEN_MAX);
	s->open[tid].until_ns[s->open[tid].n++] = end_ns;
	s->open[tid].begin_ns = ts_ns;
	s->slices++;
}

/* "s" once, then "t" as often as there is something, then "f" once, in the order of time; each on a slice that holds its time. */
static void check_arrow(json_t *event, struct seen *s, int64_t ts_ns, char ph)
{
	json_int_t id = json_integer_value(json_object_get(event, "id"));
	int tid = tid_of(event);

	check_keys(event, ph == 'f' ? " ph bp cat name id pid tid ts " : " ph cat name id pid tid ts ");
	assert_string_equal(text_at(event, "cat"), "way");
	assert_string_equal(text_at(event, "name"), "chunk");
	assert_in_range(id, 1, CHUNKS_MAX - 1);
	assert_true(s->open[tid].n > 0 && s->open[tid].begin_ns == ts_ns && s->open[tid].until_ns[s->open[tid].n - 1] > ts_ns);
	assert_true(ph == 's' ? s->arrow[id] == 0 : s->arrow[id] == 's' || s->arrow[id] == 't');
	assert_true(ts_ns >= s->arrow_ns[id]);
	if (ph == 'f')
		assert_string_equal(text_at(event, "bp"), "e");
	s->arrow[id] = ph;
	s->arrow_ns[id] = ts_ns;
	s->arrows++;
	s->arrow_begins += ph == 's';
	s->arrow_ends += ph == 'f';
}

static void check_event(json_t *event, struct seen *s)
{
	const char *ph = text_at(event, "ph");
	int64_t ts_ns = whole_ns(event, "ts");

	assert_int_equal(strlen(ph), 1);
	text_at(event, "name");
	if (*ph == 'M') {
		check_metadata(event, s);
		return;
	}
	assert_true(ts_ns >= s->last_ns);
	s->last_ns = ts_ns;
	s->events[tid_of(event)]++;
	if (*ph == 'X') {
		check_slice(event, s, ts_ns);
	} else if (*ph == 'i') {
		check_keys(event, " ph s cat name pid tid ts args ");
		assert_non_null(strchr("gpt", *text_at(event, "s")));
	} else {
		assert_true(*ph == 's' || *ph == 't' || *ph == 'f');
		check_arrow(event, s, ts_ns, *ph);
	}
}

static void check_trace(const struct bench_trace *t, struct seen *s)
{
	json_t *j = trace_of(t), *event;
	size_t i;

	*s = (struct seen){ .processes = 0 };
	check_keys(j, " displayTimeUnit traceEvents ");
	assert_string_equal(text_at(j, "displayTimeUnit"), "ms");
	assert_true(json_is_array(json_object_get(j, "traceEvents")));
	json_array_foreach(json_object_get(j, "traceEvents"), i, event)
		check_event(event, s);
	assert_int_equal(s->processes, 1);
	for (i = 1; i < TIDS; i++) {
		assert_int_equal(s->names[i], s->indices[i]);
		assert_in_range(s->names[i], s->events[i] > 0, 1);
	}
	for (i = 0; i < CHUNKS_MAX; i++)
		assert_true(s->arrow[i] == 0 || s->arrow[i] == 'f');
	json_decref(j);
}

static void every_event_is_as_the_format_says(void **state)
{
	struct bench_trace t;
	struct seen s;

	(void)state;
	made_up_trace(&t, 0);
	check_trace(&t, &s);
	assert_int_equal(s.slices, t.n_spans + t.n_ticks);
	assert_int_equal(s.arrow_begins, MADE_UP_CHUNKS - 1);
	assert_int_equal(s.arrow_ends, MADE_UP_CHUNKS - 1);
	assert_int_equal(s.arrows, t.n_spans - (MADE_UP_CHUNKS - 1)); /* all but frame_to_target, which is a sum */
	trace_free(&t);
}

/* Two frames on their way at a time, slices that touch, of no length, of chunks with one span only; more at a time than tracks. */
static void slices_that_overlap_go_onto_tracks_of_their_own(void **state)
{
	struct bench_trace t = { 0 };
	struct seen s;

	(void)state;
	for (int64_t i = 0; i < 30; i++) {
		struct record_span span = { .stage = trace_stage(&t, i % 3 == 0 ? "frame" : "vision"), .chunk = (uint64_t)(1 + i / 2), .begin_ns = 1000000 + 333 * i };

		span.end_ns = span.begin_ns + (i % 5 == 0 ? 0 : i % 5 == 1 ? 333 : 1001 + i);
		assert_int_equal(trace_add_span(&t, &span, NULL), 0);
	}
	trace_finish(&t);
	check_trace(&t, &s);
	assert_int_equal(s.slices, 30);
	assert_true(s.arrow_begins > 0);
	for (int i = 0; i < 12; i++)
		assert_int_equal(trace_add_span(&t, &(struct record_span){ .begin_ns = 2000000, .end_ns = 3000000 }, NULL), 0);
	trace_finish(&t);
	check_trace(&t, &s);
	assert_int_equal(s.slices, 30 + 8); /* as many as there are tracks */
	trace_free(&t);
}

static void a_trace_of_nothing_is_one(void **state)
{
	struct bench_trace t = { 0 };
	struct seen s;

	(void)state;
	check_trace(&t, &s);
	assert_int_equal(s.slices, 0);
}

static void texts_in_the_trace_are_whole_or_replaced(void **state)
{
	struct bench_trace t = { 0 };
	struct trace_event v = { .t_ns = 1000, .kind = "mode", .mode = "HOLD", .reason = "tab\t quote\" back\\slash \x01" }, cut = v;

	(void)state;
	snprintf(cut.reason, sizeof cut.reason, "half of a letter \xc3");
	assert_int_equal(trace_add_event(&t, &v, NULL), 0);
	assert_int_equal(trace_add_event(&t, &cut, NULL), 0);
	trace_finish(&t);
	json_t *j = trace_of(&t), *events = json_object_get(j, "traceEvents");
	size_t n = json_array_size(events);

	assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(events, n - 2), "args"), "reason")), v.reason);
	assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(events, n - 1), "args"), "reason")), "?");
	json_decref(j);
	trace_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_is_as_the_format_says),
		cmocka_unit_test(slices_that_overlap_go_onto_tracks_of_their_own),
		cmocka_unit_test(a_trace_of_nothing_is_one),
		cmocka_unit_test(texts_in_the_trace_are_whole_or_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
