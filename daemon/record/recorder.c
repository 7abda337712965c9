/* recorder.c - see recorder.h. */
#include "daemon/record/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/record/layout.h"
#include "daemon/record/mcap.h"
#include "daemon/record/mcap_writer.h"
#include "daemon/record/metadata_pairs.h"
#include "daemon/record/record_file.h"
#include "daemon/record/record_metadata.h"
#include "daemon/record/record_text.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "daemon/version.h"

#define CHUNK_PERIOD_NS NS_PER_S   /* what a crash may cost at most */
/* What a power cut may cost at most. While the disk makes sure of it, control's wake-ups are late (0.3 to 0.9 ms on a virtual machine of two processors), so
 * that once a second it would be one tick in 200. */
#define SYNC_PERIOD_NS (10 * NS_PER_S)
#define FAILURE_LOGGED_NS (10 * NS_PER_S)
#define TURN_PATIENCE_NS NS_PER_S  /* control answers within a period, if it answers at all */

enum { CHUNK_BYTES = 1 << 20, SMALL_RECORD_BYTES = 1 << 20, TAPES = 3 };

struct channel {
	char topic[RECORD_TOPIC_BYTES + 8];
	enum record_schema schema;
	uint16_t id;
};

struct recorder {
	const struct config *config;
	struct links *links;
	uint32_t message_bytes_max;
	struct record_text text;
	struct record_metadata *metadata;
	/* the file that is written */
	struct mcap_writer *mcap;     /* NULL: nothing is recorded */
	char file[RECORD_FILE_BYTES];
	uint16_t schema[SCHEMA_COUNT]; /* 0: not in this file yet */
	struct channel channel[MCAP_CHANNELS_MAX];
	uint32_t n_channels;
	int64_t file_ns, due_ns;      /* when it began; when something is due by time, */
	int64_t sync_ns;              /* and when the disk is to make sure of it */
	bool has_state;               /* what control was when it began is in it, or was nothing yet */
	int64_t turn_ns;              /* since when the next file waits for control's state; 0: it does not */
	/* the recording: one file or several */
	int64_t since_ns, failure_logged_ns;
	uint64_t closed_bytes, closed_messages, failed, dropped_before;
	uint64_t taken;               /* messages of the file that is written, those in its chunk included */
	uint64_t refused_told[TAPES]; /* bytes of records too large for a tape, as told last */
	char reason[RECORD_REASON_BYTES];
};

/* ---- life cycle ---- */

/* A frame in base64, or a raw observation with a frame of each camera; all else is small. */
static uint32_t largest_message(const struct config *c)
{
	uint64_t frame = (uint64_t)c->sockets_max_frame_kb << 10, n = c->n_cameras < 2 ? 2 : c->n_cameras;

	return (uint32_t)(n * frame + SMALL_RECORD_BYTES);
}

int recorder_create(struct recorder **out, const struct config *config, struct links *links, struct errbuf *e)
{
	struct recorder *r = calloc(1, sizeof *r);

	if (!r)
		return fail(e, -ENOMEM, "recorder: out of memory");
	r->config = config;
	r->links = links;
	r->message_bytes_max = largest_message(config);
	if (!bytes_init(&r->text.json, r->message_bytes_max)) {
		free(r);
		return fail(e, -ENOMEM, "recorder: out of memory (sockets.max_frame_kb: %d)", (int)config->sockets_max_frame_kb);
	}
	if (record_metadata_create(&r->metadata, config, e) < 0) {
		recorder_destroy(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

bool recorder_runs(const struct recorder *r)
{
	return r->mcap != NULL;
}

/* ---- the tapes ---- */

static void want(struct recorder *r, uint64_t control, uint64_t policy, uint64_t io)
{
	tape_want(&r->links->control_tape, control);
	tape_want(&r->links->policy_tape, policy);
	tape_want(&r->links->io_tape, io);
}

void recorder_quieten(struct recorder *r)
{
	want(r, 0, 0, 0);
}

static uint64_t dropped_on_tape(const struct recorder *r)
{
	return tape_dropped(&r->links->control_tape) + tape_dropped(&r->links->policy_tape) + tape_dropped(&r->links->io_tape);
}

/* ---- a file's beginning and end ---- */

/* Who recorded, from what: what somebody wants to know in a year. */
static int add_metadata(struct recorder *r, struct errbuf *e)
{
	struct metadata_pairs *p = calloc(1, sizeof *p);
	struct utsname host = { .nodename = "" };
	char text[32];
	int rc;

	if (!p)
		return fail(e, -ENOMEM, "recorder: out of memory");
	uname(&host);
	metadata_pairs_add(p, "version", DREAMVLAD_VERSION);
	metadata_pairs_add(p, "host", host.nodename);
	metadata_pairs_add(p, "kernel", host.release);
	metadata_pairs_add(p, "config", r->config->path);
	metadata_pairs_add(p, "checkpoint", record_metadata_of(r->metadata)->policy_model);
	snprintf(text, sizeof text, "%" PRId64, r->text.offset_ns);
	metadata_pairs_add(p, "realtime_minus_monotonic_ns", text);
	rc = mcap_add_metadata(r->mcap, "dreamvla", p->pair, p->n, e);
	p->n = p->used = 0;
	config_visit(record_metadata_of(r->metadata), metadata_pairs_add, p);
	if (rc == 0)
		rc = mcap_add_metadata(r->mcap, "dreamvla.config", p->pair, p->n, e);
	free(p);
	return rc;
}

static int begin_file(struct recorder *r, int64_t now_ns, struct errbuf *e)
{
	struct mcap_options o = { .path = r->file, .library = "dreamvlad " DREAMVLAD_VERSION, .chunk_bytes = CHUNK_BYTES,
		.message_bytes_max = r->message_bytes_max };
	int fd, rc;

	if ((rc = record_file_check_room(r->config->record_dir, r->config->record_min_free_mb, e)) < 0)
		return rc;
	if ((fd = record_file_create(r->config->record_dir, r->file, e)) < 0)
		return fd;
	r->taken = 0;
	clock_realtime_offset_ns(&r->text.offset_ns);
	memset(r->schema, 0, sizeof r->schema); /* of the file before */
	r->n_channels = 0;
	r->has_state = false;
	r->turn_ns = 0;
	r->file_ns = now_ns;
	r->due_ns = now_ns + CHUNK_PERIOD_NS;
	r->sync_ns = now_ns + SYNC_PERIOD_NS;
	rc = mcap_open(&r->mcap, fd, &o, e);
	if (rc == 0 && ((rc = add_metadata(r, e)) < 0 || (rc = record_metadata_add(r->mcap, r->metadata, e)) < 0)) {
		mcap_close(r->mcap, &(bool){ false }, NULL);
		r->mcap = NULL;
	}
	if (rc < 0)
		unlink(r->file);
	return rc;
}

/* A file that could not be begun is nobody's: r->file stays that of the one before. */
static int open_file(struct recorder *r, int64_t now_ns, struct errbuf *e)
{
	char before[RECORD_FILE_BYTES];
	int rc;

	memcpy(before, r->file, sizeof before);
	rc = begin_file(r, now_ns, e);
	if (rc < 0)
		memcpy(r->file, before, sizeof before);
	return rc;
}

static uint64_t file_bytes(const struct recorder *r)
{
	return r->mcap ? mcap_written_bytes(r->mcap) : 0;
}

/* 0, or the first thing that went wrong with the file. */
static int close_file(struct recorder *r, struct errbuf *e)
{
	struct stat s = { .st_size = 0 };
	struct errbuf why;
	bool whole;
	int first = mcap_flush(r->mcap, e);
	uint64_t written = mcap_written_messages(r->mcap);
	int rc = mcap_close(r->mcap, &whole, first < 0 ? &why : e);

	r->mcap = NULL;
	r->closed_messages += written;
	r->failed += r->taken - written; /* those of a chunk that did not get there */
	if (whole && record_file_finish(r->file, &why) < 0)
		log_line(LOG_LEVEL_WARNING, "record: %s", why.text);
	if (stat(r->file, &s) == 0)
		r->closed_bytes += (uint64_t)s.st_size;
	return first < 0 ? first : rc;
}

/* ---- start and stop ---- */

/* Without record.cameras no picture is written, in whatever form: an observation holds those that it was made of. */
static void want_all(struct recorder *r)
{
	bool cameras = r->config->record_cameras;

	want(r, UINT64_MAX, cameras ? UINT64_MAX : ~RECORD_BIT(OBSERVATION), cameras ? UINT64_MAX : ~RECORD_BIT(CAMERA));
}

/* Ticks mean something only behind the state that they go on from. */
static void ask_for_state(struct recorder *r)
{
	atomic_fetch_add_explicit(&r->links->state_wanted, 1, memory_order_release);
}

int recorder_start(struct recorder *r, int64_t now_ns, struct errbuf *e)
{
	int rc;

	if (r->mcap)
		return fail(e, -EALREADY, "%s is being recorded already", r->file);
	if (!r->config->record_dir[0])
		return fail(e, -EINVAL, "record.dir is not set: name a directory for recordings there (and record.at_start: false to record on "
				"request only)");
	r->closed_bytes = r->closed_messages = r->failed = 0;
	r->dropped_before = dropped_on_tape(r);
	if ((rc = open_file(r, now_ns, e)) < 0) {
		snprintf(r->reason, sizeof r->reason, "%.600s", e->text);
		r->file[0] = '\0';
		return rc;
	}
	r->since_ns = now_ns;
	r->reason[0] = '\0';
	ask_for_state(r);
	want_all(r);
	log_line(LOG_LEVEL_INFO, "record: %s", r->file);
	return 0;
}

/* The recording is over; what is on the tapes still is nobody's. remedy: NULL when `why` has it. */
static void end_with_reason(struct recorder *r, const char *why, const char *remedy)
{
	struct errbuf unused;

	recorder_quieten(r);
	snprintf(r->reason, sizeof r->reason, "%.480s%s%s", why, remedy ? "; " : "", remedy ? remedy : "");
	if (r->mcap)
		close_file(r, &unused);
	log_line(LOG_LEVEL_ERROR, "record: stopped: %s", r->reason);
}

int recorder_stop(struct recorder *r, int64_t now_ns, struct errbuf *e)
{
	int rc;

	if (!r->mcap)
		return fail(e, -ENODATA, "nothing is recorded%s%s", r->reason[0] ? "; the last recording stopped: " : "", r->reason);
	recorder_quieten(r);
	rc = close_file(r, e);
	log_line(rc < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "record: %s: %.1f s, %.1f MB, %" PRIu64 " messages, %" PRIu64 " dropped%s%s", r->file,
			(double)(now_ns - r->since_ns) / (double)NS_PER_S, (double)r->closed_bytes / 1e6, r->closed_messages,
			r->failed + dropped_on_tape(r) - r->dropped_before, rc < 0 ? ": " : "", rc < 0 ? e->text : "");
	return rc;
}

void recorder_destroy(struct recorder *r)
{
	struct errbuf e;

	if (!r)
		return;
	if (r->mcap && recorder_stop(r, clock_monotonic_ns(), &e) < 0)
		log_line(LOG_LEVEL_ERROR, "record: %s", e.text);
	bytes_finish(&r->text.json);
	record_metadata_destroy(r->metadata);
	free(r);
}

/* ---- messages ---- */

static int find_schema(struct recorder *r, enum record_schema s, struct errbuf *e)
{
	char layout[RECORD_LAYOUT_BYTES];

	if (r->schema[s] != 0)
		return 0;
	if (s != SCHEMA_RAW)
		return mcap_add_schema(r->mcap, record_schema_name(s), "jsonschema", record_schema_text(s), &r->schema[s], e);
	record_layout(layout);
	return mcap_add_schema(r->mcap, "dreamvla.layout", RECORD_RAW_ENCODING, layout, &r->schema[s], e);
}

/* Cameras may change from JPEG to raw pictures: then the topic has a second channel. */
static int find_channel(struct recorder *r, uint16_t *id, struct errbuf *e)
{
	const struct record_text *t = &r->text;
	struct channel *c = r->channel;
	int rc;

	for (; c < r->channel + r->n_channels; c++) {
		if (c->schema == t->schema && strcmp(c->topic, t->topic) == 0) {
			*id = c->id;
			return 0;
		}
	}
	if (r->n_channels == MCAP_CHANNELS_MAX)
		return fail(e, -E2BIG, "%s: more than %d topics", t->topic, MCAP_CHANNELS_MAX);
	if ((rc = find_schema(r, t->schema, e)) < 0)
		return rc;
	if ((rc = mcap_add_channel(r->mcap, r->schema[t->schema], t->topic, t->schema == SCHEMA_RAW ? RECORD_RAW_ENCODING : "json", id, e)) < 0)
		return rc;
	*c = (struct channel){ .schema = t->schema, .id = *id };
	memcpy(c->topic, t->topic, sizeof c->topic);
	r->n_channels++;
	return 0;
}

static int write_message(struct recorder *r, const struct tape_record *record, const void *payload, struct errbuf *e)
{
	struct record_text *t = &r->text;
	struct mcap_message m;
	int rc;

	if ((rc = record_text_make(t, record, payload, e)) < 0 || (rc = find_channel(r, &m.channel, e)) < 0)
		return rc;
	m.log_ns = (uint64_t)record_text_wall_ns(t, record->t_ns);
	m.publish_ns = (uint64_t)record_text_wall_ns(t, t->stamp_ns);
	m.data = t->data;
	m.n = t->n;
	return mcap_add_message(r->mcap, &m, e);
}

/* One message that cannot be written is counted, and told now and then; the recording goes on. */
static void count_failure(struct recorder *r, int64_t t_ns, const char *why)
{
	r->failed++;
	if (r->failure_logged_ns != 0 && t_ns - r->failure_logged_ns < FAILURE_LOGGED_NS)
		return;
	r->failure_logged_ns = t_ns;
	log_line(LOG_LEVEL_WARNING, "record: a message is left out: %s", why);
}

/* After record.max_mb, or when the summary is full. */
static void begin_next_file(struct recorder *r, int64_t now_ns)
{
	struct errbuf e;
	int rc = close_file(r, &e);

	if (rc < 0)
		end_with_reason(r, e.text, record_file_remedy(rc));
	else if (open_file(r, now_ns, &e) < 0)
		end_with_reason(r, e.text, NULL);
	else
		log_line(LOG_LEVEL_INFO, "record: goes on in %s", r->file);
}

/* A new file begins with the state that it was waiting for: no tick is in both files or in none. */
static void follow_state(struct recorder *r, int64_t now_ns)
{
	if (r->turn_ns != 0)
		begin_next_file(r, now_ns);
	r->has_state = true;
}

/* Ticks in front of the state that this file waits for are of no use in it; the first one of all needs none. Those of a later file are in
 * none: that is counted. */
static bool is_early(struct recorder *r, const struct tape_record *record, const void *payload)
{
	const struct record_tick *tick = payload;

	if (record->kind != RECORD_TICK || r->has_state)
		return false;
	r->has_state = tick->tick == 1;
	r->failed += !r->has_state && r->closed_messages > 0;
	return !r->has_state;
}

static bool is_large(const struct recorder *r)
{
	return file_bytes(r) >> 20 >= (uint64_t)r->config->record_max_mb || mcap_is_nearly_full(r->mcap);
}

/* When the file is as large as it may be: first control's state is asked for, and the next file begins with it. By the clock, not by what
 * the records say: a slow disk lets them wait on the tape, while control answers at once. */
static void turn(struct recorder *r, int64_t now_ns)
{
	if (!is_large(r))
		return;
	if (r->turn_ns == 0) {
		r->turn_ns = now_ns;
		ask_for_state(r);
	}
	if (mcap_is_full(r->mcap) || now_ns - r->turn_ns > TURN_PATIENCE_NS) { /* control does not answer */
		begin_next_file(r, now_ns);
		if (r->mcap)
			ask_for_state(r);
	}
}

void recorder_take(struct recorder *r, const struct tape_record *record, const void *payload, int64_t now_ns)
{
	struct errbuf e;
	int rc;

	if (r->mcap && record->kind == RECORD_STATE)
		follow_state(r, now_ns);
	if (!r->mcap || is_early(r, record, payload))
		return;
	rc = write_message(r, record, payload, &e);
	if (rc == -E2BIG || rc == -EBADMSG)
		count_failure(r, record->t_ns, e.text);
	else
		r->taken++;
	if (rc < 0 && rc != -E2BIG && rc != -EBADMSG)
		end_with_reason(r, e.text, record_file_remedy(rc));
	if (r->mcap)
		turn(r, now_ns);
}

/* Pictures of cameras, raw ones above all, may be larger than what record.buffer_mb leaves for one record: then none of them is ever written. */
static void tell_of_small_tapes(struct recorder *r)
{
	const struct { const struct tape *tape; const char *whose; uint64_t share; } tapes[TAPES] = { { &r->links->control_tape, "control", 4 },
		{ &r->links->policy_tape, "the policy's observations", 4 }, { &r->links->io_tape, "messages and pictures", 2 } };

	for (int i = 0; i < TAPES; i++) {
		uint64_t bytes = tape_refused_bytes(tapes[i].tape);

		if (bytes <= r->refused_told[i])
			continue;
		r->refused_told[i] = bytes;
		log_line(LOG_LEVEL_WARNING, "record: %s: records of %.1f MB have no room in memory and are not recorded; record.buffer_mb: found %d, want at "
				"least %" PRIu64, tapes[i].whose, (double)bytes / 1e6, (int)r->config->record_buffer_mb,
				(2 * bytes * tapes[i].share >> 20) + 1);
	}
}

static int write_down(struct recorder *r, int64_t now_ns, struct errbuf *e)
{
	int rc = mcap_flush(r->mcap, e);

	if (rc < 0)
		return rc;
	mcap_urge(r->mcap); /* or the sync would have ten seconds' worth at once */
	if (now_ns < r->sync_ns)
		return 0;
	r->sync_ns = now_ns + SYNC_PERIOD_NS;
	return mcap_sync(r->mcap, e);
}

void recorder_step(struct recorder *r, int64_t now_ns)
{
	struct errbuf e;
	int rc;

	if (!r->mcap || now_ns < r->due_ns)
		return;
	r->due_ns = now_ns + CHUNK_PERIOD_NS;
	tell_of_small_tapes(r);
	if ((rc = write_down(r, now_ns, &e)) < 0)
		end_with_reason(r, e.text, record_file_remedy(rc));
	else if (record_file_check_room(r->config->record_dir, r->config->record_min_free_mb, &e) < 0)
		end_with_reason(r, e.text, NULL);
}

void recorder_report(const struct recorder *r, struct record_report *out)
{
	out->runs = r->mcap != NULL;
	out->since_ns = r->since_ns;
	out->bytes = r->closed_bytes + file_bytes(r);
	out->messages = r->closed_messages + (r->mcap ? mcap_written_messages(r->mcap) : 0);
	out->dropped = r->failed + (r->since_ns > 0 ? dropped_on_tape(r) - r->dropped_before : 0);
	memcpy(out->file, r->file, sizeof out->file);
	memcpy(out->reason, r->reason, sizeof out->reason);
}
