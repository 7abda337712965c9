/* bench_recording.c - see bench_recording.h. */
#include "daemon/bench/bench_recording.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_wall.h"
#include "daemon/record/mcap_reader.h"

enum { PROGRESS_EVERY = 4096 };

struct reading {
	struct bench_trace *trace;
	const struct recording_options *options;
	struct mcap_reader *reader;
	uint64_t n_damaged, n_seen;
	bool has_clock, has_offset;
	int64_t offset_ns;            /* CLOCK_REALTIME - CLOCK_MONOTONIC of the machine that ran: has_offset: the file's own word; else as the newest span tells it */
	int64_t from_ns, until_ns;    /* of what is wanted, CLOCK_MONOTONIC; 0: the ends */
};

/* No clock shows more, and sums of two still are numbers. */
#define TIME_MAX_NS (INT64_C(1) << 62)

/* 0 where there is no such number. */
static int64_t whole(const json_t *m, const char *key)
{
	const json_t *n = json_object_get(m, key);

	if (!json_is_real(n))
		return json_integer_value(n);
	return fabs(json_real_value(n)) < (double)TIME_MAX_NS ? (int64_t)json_real_value(n) : 0;
}

/* A publisher's number (`from`) has 64 bits, of which jansson reads 63. Such a message's numbers are then doubles: whole ns for the first 104
 * days of a machine's life, and to 0.3 us in any case. */
static json_t *parse(const struct mcap_read_message *m)
{
	json_t *j = json_loadb((const char *)m->data, m->n, JSON_REJECT_DUPLICATES, NULL);

	return j ? j : json_loadb((const char *)m->data, m->n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
}

static void copy_text(const json_t *m, const char *key, char *out, size_t capacity)
{
	const char *text = json_string_value(json_object_get(m, key));

	snprintf(out, capacity, "%s", text ? text : "");
}

static bool is_time(int64_t t_ns)
{
	return t_ns > 0 && t_ns < TIME_MAX_NS;
}

static bool is_before(const struct reading *r, int64_t t_ns)
{
	return r->from_ns != 0 && t_ns < r->from_ns;
}

/* Within what was asked for. */
static bool is_wanted(const struct reading *r, int64_t t_ns)
{
	return is_time(t_ns) && !is_before(r, t_ns) && (r->until_ns == 0 || t_ns <= r->until_ns);
}

/* When a message says it was made. On the wire that may be wall time (`clock: realtime`); in the file it always is. */
static int64_t stamp_of(const struct reading *r, const json_t *m, const struct mcap_read_message *message)
{
	return r->has_offset && message->publish_ns < (uint64_t)TIME_MAX_NS ? (int64_t)message->publish_ns - r->offset_ns : whole(m, "stamp_ns");
}

/* ---- messages ----------------------------------------------------------------------------------------------------------- */

static int take_tick(struct reading *r, const json_t *m, struct errbuf *e)
{
	const struct trace_tick k = { .due_ns = whole(m, "begin_ns"), .late_ns = whole(m, "value") };

	return k.late_ns < 0 || !is_time(k.late_ns + 1) ? 0 : trace_add_tick(r->trace, &k, e);
}

static int take_span(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e)
{
	const char *stage = json_string_value(json_object_get(m, "stage"));
	struct record_span s = { .index = (uint16_t)whole(m, "index"), .step = (uint32_t)whole(m, "step"), .begin_ns = whole(m, "begin_ns"),
		.end_ns = whole(m, "end_ns"), .observation = (uint64_t)whole(m, "observation"), .chunk = (uint64_t)whole(m, "chunk"),
		.frame_stamp_ns = whole(m, "frame_stamp_ns"), .frame_seq = (uint64_t)whole(m, "frame_seq"), .value = (uint64_t)whole(m, "value") };

	if (!stage || !is_time(s.begin_ns) || !is_time(s.end_ns) || message->log_ns > TIME_MAX_NS) {
		r->n_damaged++;
		return 0;
	}
	if (!r->has_offset)
		r->offset_ns = (int64_t)message->log_ns - s.end_ns;
	r->has_clock = true;
	if (!is_wanted(r, s.begin_ns) || !is_wanted(r, s.end_ns))
		return 0;
	if (strcmp(stage, "tick") == 0 && take_tick(r, m, e) < 0)
		return -ENOMEM;
	s.stage = trace_stage(r->trace, stage);
	return trace_add_span(r->trace, &s, e);
}

static int take_chunk(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e)
{
	const struct trace_chunk c = { .id = (uint64_t)whole(m, "id"), .t_obs_ns = whole(m, "t_obs_ns"), .received_ns = whole(m, "received_ns"),
		.handed_over_ns = whole(m, "handed_over_ns"), .inference_ns = whole(m, "inference_ns") };

	(void)message;
	return is_wanted(r, c.handed_over_ns) && is_time(c.t_obs_ns) && is_time(c.received_ns) && is_time(c.inference_ns) ? trace_add_chunk(r->trace, &c, e) : 0;
}

static int take_event(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e)
{
	struct trace_event v = { .t_ns = stamp_of(r, m, message) };

	copy_text(m, "kind", v.kind, sizeof v.kind);
	copy_text(m, "mode", v.mode, sizeof v.mode);
	copy_text(m, "previous", v.previous, sizeof v.previous);
	copy_text(m, "code", v.code, sizeof v.code);
	copy_text(m, "reason", v.reason, sizeof v.reason);
	return is_wanted(r, v.t_ns) ? trace_add_event(r->trace, &v, e) : 0;
}

static void take_lost(struct reading *r, const json_t *m)
{
	int64_t n = whole(json_object_get(m, "record"), "dropped");

	r->trace->n_lost = n > 0 && (uint64_t)n > r->trace->n_lost ? (uint64_t)n : r->trace->n_lost;
}

/* What a look at a run should not miss. */
static void take_counts(struct reading *r, const json_t *m, bool before)
{
	static const char *const wanted[] = { "chunks_rejected", "chunks_dropped", "frames_void", "targets_dropped", "clamps", "limit_stops", "events_dropped" };
	const json_t *counters = json_object_get(m, "counters"), *overruns = json_object_get(json_object_get(m, "control"), "overruns");

	if (json_is_number(overruns))
		trace_set_count(r->trace, "overruns", (uint64_t)whole(json_object_get(m, "control"), "overruns"), before);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		if (json_is_number(json_object_get(counters, wanted[i])))
			trace_set_count(r->trace, wanted[i], (uint64_t)whole(counters, wanted[i]), before);
	}
}

/* Where no event says which mode held. */
static int take_status(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e)
{
	int64_t t_ns = stamp_of(r, m, message);
	char mode[NAME_BYTES];

	(void)e;
	take_lost(r, m);
	if (is_wanted(r, t_ns) || (is_time(t_ns) && is_before(r, t_ns)))
		take_counts(r, m, is_before(r, t_ns));
	copy_text(m, "mode", mode, sizeof mode);
	if (*mode && is_wanted(r, t_ns))
		trace_set_note(r->trace, "mode", mode);
	return 0;
}

/* The targets of a chunk come soon after it: looked for from the newest on. */
static int take_target(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e)
{
	uint64_t id = (uint64_t)whole(m, "chunk");
	int64_t sent_ns = stamp_of(r, m, message);
	const char *source = json_string_value(json_object_get(m, "source"));

	(void)e;
	if (id == 0 || !is_time(sent_ns) || !source || strcmp(source, "policy") != 0)
		return 0;
	for (size_t i = r->trace->n_chunks; i-- > 0 && r->trace->chunk[i].id >= id;) {
		struct trace_chunk *c = &r->trace->chunk[i];

		if (c->id != id)
			continue;
		c->first_ns = c->first_ns == 0 || sent_ns < c->first_ns ? sent_ns : c->first_ns;
		c->last_ns = sent_ns > c->last_ns ? sent_ns : c->last_ns;
	}
	return 0;
}

static const struct {
	const char *topic;            /* one that ends with / is every topic that begins so */
	int (*take)(struct reading *r, const json_t *m, const struct mcap_read_message *message, struct errbuf *e);
} topics[] = {
	{ "/trace", take_span }, { "/chunk", take_chunk }, { "/event", take_event }, { "/status", take_status }, { "/target/", take_target },
};
enum { TOPICS = sizeof topics / sizeof *topics };

static size_t find_topic(const char *topic)
{
	size_t i = 0;

	for (; i < TOPICS; i++) {
		size_t n = strlen(topics[i].topic);

		if (topics[i].topic[n - 1] == '/' ? strncmp(topic, topics[i].topic, n) == 0 : strcmp(topic, topics[i].topic) == 0)
			break;
	}
	return i;
}

static bool want_topic(void *context, const char *topic)
{
	(void)context;
	return find_topic(topic) < TOPICS;
}

static int take_message(struct reading *r, const struct mcap_read_message *message, struct errbuf *e)
{
	size_t i = find_topic(message->channel->topic);
	json_t *m = parse(message);
	int rc = 0;

	if (!json_is_object(m))
		r->n_damaged++;
	else if (i < TOPICS)
		rc = topics[i].take(r, m, message, e);
	json_decref(m);
	return rc;
}

/* ---- the file --------------------------------------------------------------------------------------------------------------- */

static void tell_progress(const struct reading *r, const struct mcap_read_message *m)
{
	const struct mcap_read_info *info = mcap_reader_info(r->reader);

	if (r->options->progress && r->n_seen % PROGRESS_EVERY == 0 && info->last_ns > info->first_ns)
		r->options->progress(r->options->context, (double)(m->log_ns - info->first_ns) / (double)(info->last_ns - info->first_ns));
}

static int read_messages(struct reading *r, struct errbuf *e)
{
	struct mcap_read_message m;
	struct errbuf why;
	int rc;

	while ((rc = mcap_reader_next(r->reader, &m, &why)) != 0) {
		/* What lies behind a damaged chunk may be whole. */
		if (rc == -ENOMEM)
			return fail(e, rc, "%s", why.text);
		r->n_damaged += rc < 0;
		r->n_seen++;
		if (rc < 0)
			continue;
		tell_progress(r, &m);
		if ((rc = take_message(r, &m, e)) < 0)
			return rc;
	}
	return 0;
}

static void note_damage(struct reading *r)
{
	const struct mcap_read_info *info = mcap_reader_info(r->reader);
	char text[TRACE_NOTE_BYTES];

	if (info->cut) {
		snprintf(text, sizeof text, "it ends without its end: what is shown is what lies in its first %" PRIu64 " bytes", info->whole_bytes);
		trace_set_note(r->trace, "recording was cut", text);
	}
	if (r->n_damaged > 0) {
		snprintf(text, sizeof text, "%" PRIu64 " messages or chunks", r->n_damaged);
		trace_set_note(r->trace, "damaged in the recording", text);
	}
}

static void copy_metadata(struct reading *r)
{
	static const struct { const char *record, *key, *note; } known[] = { { "dreamvla", "version", "dreamvlad" }, { "dreamvla", "checkpoint", "checkpoint" },
		{ "dreamvla", "host", "host" }, { "dreamvla", "kernel", "kernel" }, { "dreamvla.config", "robots[0].model", "robot" },
		{ "dreamvla.config", "control.rate_hz", "control rate" }, { "dreamvla.config", "policy.decoder", "decoder" },
		{ "dreamvla.config", "policy.steps", "steps" }, { "dreamvla.config", "policy.backend", "backend" },
		{ "dreamvla.config", "policy.precision", "precision" }, { "dreamvla.config", "execution.method", "execution" } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *value = mcap_reader_metadata(r->reader, known[i].record, known[i].key);

		if (value)
			trace_set_note(r->trace, known[i].note, value);
	}
	if (!r->trace->config)
		r->trace->config = mcap_reader_metadata_lines(r->reader, "dreamvla.config");
}

static int finish(struct reading *r, struct errbuf *e)
{
	struct bench_trace *t = r->trace;

	note_damage(r);
	copy_metadata(r);
	trace_set_note(t, "recording", r->options->path);
	if (!r->has_clock)
		return fail(e, -ENODATA, "%s: holds no trace (topic /trace)%s; want a recording of this dreamvlad (record.dir), with more than a moment in it",
				r->options->path, mcap_reader_info(r->reader)->n_chunks == 0 ? ", and nothing else" : "");
	trace_finish(t);
	t->wall_ns = t->begin_ns + r->offset_ns;
	return 0;
}

/* The file's own word for its clocks; one without it is of another writer, or older. */
static void find_offset(struct reading *r)
{
	const char *text = mcap_reader_metadata(r->reader, "dreamvla", "realtime_minus_monotonic_ns");
	char *end;
	long long offset_ns = text ? strtoll(text, &end, 10) : 0;

	r->has_offset = text && *text && *end == 0 && offset_ns > -TIME_MAX_NS && offset_ns < TIME_MAX_NS;
	r->offset_ns = r->has_offset ? offset_ns : 0;
}

/* One end of what is wanted, in the recording's own clock. */
static int find_end(struct reading *r, enum wall_end end, const char *text, int64_t *out_ns, struct errbuf *e)
{
	const struct mcap_read_info *info = mcap_reader_info(r->reader);
	const struct wall_range range = { r->options->path, (int64_t)info->first_ns, (int64_t)info->last_ns };
	int64_t wall_ns;

	if (!text)
		return 0;
	if (!r->has_offset || info->last_ns >= (uint64_t)TIME_MAX_NS)
		return fail(e, -EINVAL, "%s does not say which time of day its clock showed; leave out --from and --until", r->options->path);
	int rc = wall_find(&wall_ns, end, text, &range, e);

	*out_ns = wall_ns - r->offset_ns;
	return rc;
}

static int find_ends(struct reading *r, struct errbuf *e)
{
	int rc;

	find_offset(r);
	r->from_ns = r->options->from_ns;
	r->until_ns = r->options->until_ns;
	if ((rc = find_end(r, WALL_FROM, r->options->from, &r->from_ns, e)) < 0 || (rc = find_end(r, WALL_UNTIL, r->options->until, &r->until_ns, e)) < 0)
		return rc;
	return r->options->from && r->options->until && r->from_ns >= r->until_ns
			? fail(e, -EINVAL, "--from %s --until %s: found no time between them", r->options->from, r->options->until) : 0;
}

int recording_read(struct bench_trace *t, const struct recording_options *o, struct errbuf *e)
{
	struct reading r = { .trace = t, .options = o };
	const struct mcap_read_options how = { .order = MCAP_ORDER_TIME, .want = want_topic };
	int rc = mcap_reader_open(&r.reader, o->path, &how, e);

	if (rc == 0 && (rc = find_ends(&r, e)) == 0 && (rc = read_messages(&r, e)) == 0)
		rc = finish(&r, e);
	mcap_reader_close(r.reader);
	return rc;
}
