/* test_recording.c - a trace out of a recording: whole, cut, empty, of something else. */
#include "daemon/bench/bench_recording.h"
#include "daemon/record/mcap_writer.h"
#include "daemon/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WALL_NS (INT64_C(1790000000) * NS_PER_S)
#define BEGIN_NS (100 * NS_PER_S)
enum { TEXT_BYTES = 1024, CHUNKS = 20, TOPIC_COUNT = 6 };

struct file {
	char path[64];
	struct mcap_writer *writer;
	uint16_t channel[TOPIC_COUNT];
};

enum topic { TRACE, CHUNK, EVENT, STATUS, TARGET, CAMERA };

static void begin(struct file *f, bool with_trace)
{
	static const char *const topics[] = { "/trace", "/chunk", "/event", "/status", "/target/arm", "/camera/wrist" };
	uint16_t schema;

	snprintf(f->path, sizeof f->path, "/tmp/test_recording.XXXXXX");
	int fd = mkstemp(f->path);

	assert_true(fd >= 0);
	assert_int_equal(mcap_open(&f->writer, fd, &(struct mcap_options){ f->path, "test", 4096, 4096 }, NULL), 0);
	assert_int_equal(mcap_add_metadata(f->writer, "dreamvla.config", (const struct mcap_pair[]){ { "policy.steps", "1" }, { "policy.seed", "7" } }, 2, NULL), 0);
	assert_int_equal(mcap_add_schema(f->writer, "any", "jsonschema", "{}", &schema, NULL), 0);
	for (int i = with_trace ? 0 : 1; i < TOPIC_COUNT; i++)
		assert_int_equal(mcap_add_channel(f->writer, schema, topics[i], "json", &f->channel[i], NULL), 0);
}

static void put(struct file *f, enum topic topic, int64_t t_ns, const char *text)
{
	const struct mcap_message m = { .channel = f->channel[topic], .log_ns = (uint64_t)(WALL_NS + t_ns), .publish_ns = (uint64_t)(WALL_NS + t_ns),
		.data = (const uint8_t *)text, .n = strlen(text) };

	assert_int_equal(mcap_add_message(f->writer, &m, NULL), 0);
}

static void put_span(struct file *f, const char *stage, uint64_t chunk, int64_t begin_ns, int64_t end_ns, uint64_t value)
{
	char text[TEXT_BYTES];

	snprintf(text, sizeof text, "{\"stage\":\"%s\",\"index\":0,\"step\":0,\"begin_ns\":%" PRId64 ",\"end_ns\":%" PRId64 ",\"observation\":%" PRIu64
			",\"chunk\":%" PRIu64 ",\"frame_stamp_ns\":%" PRId64 ",\"frame_seq\":7,\"value\":%" PRIu64 "}", stage, begin_ns, end_ns, chunk ? chunk + 500 : 0,
			chunk, begin_ns, value);
	put(f, TRACE, end_ns, text);
}

static void put_chunk(struct file *f, uint64_t id, int64_t at_ns)
{
	char text[TEXT_BYTES];

	snprintf(text, sizeof text, "{\"id\":%" PRIu64 ",\"t_obs_ns\":%" PRId64 ",\"received_ns\":%" PRId64 ",\"handed_over_ns\":%" PRId64
			",\"inference_ns\":80000000}", id, at_ns - 100 * NS_PER_MS, at_ns - 90 * NS_PER_MS, at_ns);
	put(f, CHUNK, at_ns, text);
	for (int i = 1; i <= 3; i++) {
		snprintf(text, sizeof text, "{\"source\":\"policy\",\"chunk\":%" PRIu64 ",\"stamp_ns\":%" PRId64 "}", id, at_ns + i * 5 * NS_PER_MS);
		put(f, TARGET, at_ns + i * 5 * NS_PER_MS, text);
	}
}

static void finish(struct file *f)
{
	bool is_whole;

	assert_int_equal(mcap_close(f->writer, &is_whole, NULL), 0);
	assert_true(is_whole);
}

static void record(struct file *f)
{
	begin(f, true);
	put(f, STATUS, BEGIN_NS, "{\"mode\":\"AUTO\",\"from\":18446744073709551615,\"stamp_ns\":100000000000}");
	for (uint64_t id = 1; id <= CHUNKS; id++) {
		int64_t at_ns = BEGIN_NS + (int64_t)id * NS_PER_S;

		put_span(f, "decoder", id, at_ns - 50 * NS_PER_MS, at_ns, 0);
		put_span(f, "tick", 0, at_ns, at_ns + 70 * NS_PER_US, 30 * NS_PER_US);
		put_chunk(f, id, at_ns);
	}
	put(f, EVENT, BEGIN_NS + 30 * NS_PER_S, "{\"kind\":\"mode\",\"mode\":\"HOLD\",\"previous\":\"AUTO\",\"reason\":\"<b>\",\"stamp_ns\":130000000000}");
	put(f, CAMERA, BEGIN_NS + 30 * NS_PER_S, "this is not read");
	finish(f);
}

static int read_file(struct bench_trace *t, const struct file *f, struct errbuf *e)
{
	*t = (struct bench_trace){ 0 };
	return recording_read(t, &(struct recording_options){ .path = f->path }, e);
}

static void a_whole_recording_is_read(void **state)
{
	struct bench_trace t;
	struct file f;

	(void)state;
	record(&f);
	assert_int_equal(read_file(&t, &f, NULL), 0);
	assert_int_equal(t.n_spans, 2 * CHUNKS);
	assert_int_equal(t.n_ticks, CHUNKS);
	assert_int_equal(t.tick[0].due_ns, BEGIN_NS + NS_PER_S);
	assert_int_equal(t.tick[0].late_ns, 30 * NS_PER_US);
	assert_int_equal(t.n_chunks, CHUNKS);
	assert_int_equal(t.chunk[4].first_ns, BEGIN_NS + 5 * NS_PER_S + 5 * NS_PER_MS);
	assert_int_equal(t.chunk[4].last_ns, BEGIN_NS + 5 * NS_PER_S + 15 * NS_PER_MS);
	assert_int_equal(t.n_events, 1);
	assert_string_equal(t.event[0].reason, "<b>");
	assert_string_equal(t.config, "policy.steps: 1\npolicy.seed: 7\n");
	assert_int_equal(t.wall_ns, WALL_NS + t.begin_ns);
	assert_string_equal(trace_note(&t, "recording was cut"), "");
	trace_free(&t);
	unlink(f.path);
}

static void only_the_wanted_time_is_read(void **state)
{
	struct bench_trace t = { 0 };
	struct file f;

	(void)state;
	record(&f);
	assert_int_equal(recording_read(&t, &(struct recording_options){ .path = f.path, .from_ns = BEGIN_NS + 3 * NS_PER_S, .until_ns = BEGIN_NS + 6 * NS_PER_S },
			NULL), 0);
	assert_int_equal(t.n_chunks, 4);
	assert_int_equal(t.n_events, 0);
	trace_free(&t);
	unlink(f.path);
}

/* Asked for in wall time; with `clock: realtime` the stamps on the wire are wall time too. Counters are those since the status before. */
static void wall_times_are_found(void **state)
{
	struct bench_trace t = { 0 };
	struct errbuf e = { 0 };
	struct file f;
	char offset[32], text[TEXT_BYTES];

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	begin(&f, true);
	snprintf(offset, sizeof offset, "%" PRId64, (int64_t)WALL_NS);
	assert_int_equal(mcap_add_metadata(f.writer, "dreamvla", (const struct mcap_pair[]){ { "realtime_minus_monotonic_ns", offset } }, 1, NULL), 0);
	for (int64_t s = 1; s <= CHUNKS; s++) {
		put_span(&f, "decoder", (uint64_t)s, BEGIN_NS + s * NS_PER_S - 50 * NS_PER_MS, BEGIN_NS + s * NS_PER_S, 0);
		snprintf(text, sizeof text, "{\"mode\":\"AUTO\",\"from\":18446744073709551615,\"stamp_ns\":%" PRId64 ",\"control\":{\"overruns\":%d},\"counters\":{\"chunks_rejected\":%d}}",
				WALL_NS + BEGIN_NS + s * NS_PER_S, (int)(10 * s), (int)s);
		put(&f, STATUS, BEGIN_NS + s * NS_PER_S, text);
	}
	snprintf(text, sizeof text, "{\"kind\":\"mode\",\"mode\":\"HOLD\",\"code\":\"CAMERA_STALE\",\"stamp_ns\":%" PRId64 "}", WALL_NS + BEGIN_NS + 7 * NS_PER_S);
	put(&f, EVENT, BEGIN_NS + 7 * NS_PER_S, text);
	finish(&f);
	/* WALL_NS is 2026-09-21 14:13:20, and BEGIN_NS 100 s more. */
	struct recording_options o = { .path = f.path, .from = "14:15:05.5", .until = "2026-09-21 14:15:10" };

	assert_int_equal(recording_read(&t, &o, &e), 0);
	assert_int_equal(t.n_spans, 5);
	assert_int_equal(t.n_events, 1);
	assert_int_equal(t.event[0].t_ns, BEGIN_NS + 7 * NS_PER_S);
	assert_string_equal(t.event[0].code, "CAMERA_STALE");
	assert_int_equal(trace_count_grown(&t.count[0]), 50);
	assert_string_equal(t.count[1].name, "chunks_rejected");
	assert_int_equal(trace_count_grown(&t.count[1]), 5);
	trace_free(&t);
	o.until = "14:15:05.5";
	assert_int_equal(recording_read(&t, &o, &e), -EINVAL);
	trace_free(&t);
	o.from = "14:20:00";
	assert_int_equal(recording_read(&t, &o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "2026-09-21 14:15:0"));
	trace_free(&t);
	unlink(f.path);
}

static void a_cut_recording_is_read_as_far_as_it_goes(void **state)
{
	struct bench_trace t;
	struct file f;

	(void)state;
	record(&f);
	off_t n = 0;
	int fd = open(f.path, O_RDWR);

	n = lseek(fd, 0, SEEK_END);
	for (off_t cut = n; cut > 0; cut -= n / 13 + 1) {
		assert_int_equal(ftruncate(fd, cut - 1), 0);
		int rc = read_file(&t, &f, NULL);

		assert_true(rc == 0 || rc == -ENODATA || rc == -EBADMSG);
		if (rc == 0)
			assert_non_null(strstr(trace_note(&t, "recording was cut"), "bytes"));
		trace_free(&t);
	}
	close(fd);
	unlink(f.path);
}

static void without_a_trace_there_is_no_report(void **state)
{
	struct bench_trace t;
	struct errbuf e = { 0 };
	struct file f;

	(void)state;
	begin(&f, false);
	put_chunk(&f, 1, BEGIN_NS);
	finish(&f);
	assert_int_equal(read_file(&t, &f, &e), -ENODATA);
	assert_non_null(strstr(e.text, f.path));
	assert_non_null(strstr(e.text, "/trace"));
	trace_free(&t);
	assert_int_equal(truncate(f.path, 0), 0);
	assert_true(read_file(&t, &f, &e) < 0);
	assert_non_null(strstr(e.text, f.path));
	trace_free(&t);
	unlink(f.path);
	assert_int_equal(read_file(&t, &f, &e), -ENOENT);
	trace_free(&t);
}

/* Texts where numbers should be, no object, backwards, negative: nothing of it may count, nothing may crash. */
static void messages_that_make_no_sense_do_not_count(void **state)
{
	static const char *const bad[] = { "[]", "{", "null", "{\"stage\":5}", "{\"stage\":\"decoder\"}", "{\"stage\":\"decoder\",\"begin_ns\":\"x\",\"end_ns\":{}}",
		"{\"stage\":\"decoder\",\"begin_ns\":9000000000000000000,\"end_ns\":1000}", "{\"stage\":\"tick\",\"begin_ns\":1,\"end_ns\":2,\"value\":-5}" };
	struct bench_trace t;
	struct file f;

	(void)state;
	begin(&f, true);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put(&f, TRACE, BEGIN_NS, bad[i]);
		put(&f, CHUNK, BEGIN_NS, bad[i]);
		put(&f, EVENT, BEGIN_NS, bad[i]);
		put(&f, STATUS, BEGIN_NS, bad[i]);
		put(&f, TARGET, BEGIN_NS, bad[i]);
	}
	put_span(&f, "decoder", 1, BEGIN_NS, BEGIN_NS + NS_PER_MS, 0);
	finish(&f);
	assert_int_equal(read_file(&t, &f, NULL), 0);
	assert_int_equal(t.n_ticks, 0);
	assert_string_equal(t.stage[t.span[t.n_spans - 1].stage], "decoder");
	assert_true(strlen(trace_note(&t, "damaged in the recording")) > 0);
	trace_free(&t);
	unlink(f.path);
}

/* The number of a publisher, in `value` and `from`, may need all of 64 bits. */
static void large_numbers_do_not_void_a_message(void **state)
{
	struct bench_trace t;
	struct file f;

	(void)state;
	begin(&f, true);
	put_span(&f, "frame", 1, BEGIN_NS, BEGIN_NS + NS_PER_MS + 1, UINT64_MAX);
	put(&f, EVENT, BEGIN_NS, "{\"kind\":\"mode\",\"mode\":\"HOLD\",\"from\":18446744073709551615,\"stamp_ns\":130000000001}");
	finish(&f);
	assert_int_equal(read_file(&t, &f, NULL), 0);
	assert_int_equal(t.n_spans, 1);
	assert_int_equal(t.span[0].end_ns, BEGIN_NS + NS_PER_MS + 1);
	assert_int_equal(t.n_events, 1);
	assert_int_equal(t.event[0].t_ns, INT64_C(130000000001));
	assert_string_equal(trace_note(&t, "damaged in the recording"), "");
	trace_free(&t);
	unlink(f.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_recording_is_read),
		cmocka_unit_test(only_the_wanted_time_is_read),
		cmocka_unit_test(wall_times_are_found),
		cmocka_unit_test(a_cut_recording_is_read_as_far_as_it_goes),
		cmocka_unit_test(without_a_trace_there_is_no_report),
		cmocka_unit_test(large_numbers_do_not_void_a_message),
		cmocka_unit_test(messages_that_make_no_sense_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
