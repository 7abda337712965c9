/* replay.c - see replay.h. */
#include "daemon/replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control_tick.h"
#include "daemon/policy_tick.h"
#include "daemon/record/checkpoint.h"
#include "daemon/record/kinds.h"
#include "daemon/record/layout.h"
#include "daemon/record/mcap_reader.h"
#include "daemon/record/record_metadata.h"
#include "daemon/record/replay_check.h"
#include "daemon/record/state_check.h"
#include "daemon/replay_out.h"
#include "daemon/replay_report.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

#define TICK_TOPIC "/replay/tick"
#define STATE_TOPIC "/replay/state"
#define OBSERVATION_TOPIC "/replay/observation"
#define PROGRESS_NS NS_PER_S
#define SLICE_NS (NS_PER_S / 10)

/* Of chunks begun before the recording: the one under way, and one that continues a motion told before. */
enum { CHUNKS = 8, CHUNKS_BEFORE = 2 };

/* One topic of the file, in its order. */
struct stream {
	struct mcap_reader *reader;
	const struct mcap_read_channel *known; /* whose layout has been checked */
};

struct replay {
	struct runtime *runtime;
	const struct replay_options *o;
	struct control control;
	struct policy_runner policy;
	struct stream ticks, observations; /* ticks: states too */
	struct record_state state;    /* that it began from; tick 0: none */
	struct action_chunk state_chunk;
	struct replay_tick tick;
	/* the observation that comes next */
	bool has_observation;
	struct record_observation observation;
	struct replay_parts parts;
	uint64_t first_chunk;         /* that an inference of the recording may give; 0: none */
	uint8_t *bytes;
	size_t room;
	/* chunks that were made again, slot id % CHUNKS; the next one may have been begun before control has taken the one before */
	struct action_chunk chunk[CHUNKS];
	uint64_t chunk_tried;         /* the newest that an inference was to give */
	int64_t begin_ns, shown_ns;   /* of the clock */
	bool stopped;                 /* by a signal */
	struct replay_out out;
	struct replay_report report;
	struct errbuf error;
};

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

static bool is_control(void *context, const char *topic)
{
	(void)context;
	return strcmp(topic, TICK_TOPIC) == 0 || strcmp(topic, STATE_TOPIC) == 0;
}

static bool is_observation(void *context, const char *topic)
{
	(void)context;
	return strcmp(topic, OBSERVATION_TOPIC) == 0;
}

static int open_stream(struct replay *r, struct stream *s, mcap_want *want)
{
	struct mcap_read_options o = { .order = MCAP_ORDER_FILE, .want = want };

	return mcap_reader_open(&s->reader, r->o->path, &o, &r->error);
}

/* The schema's text is the layout and the program that wrote it. */
static int check_layout(struct replay *r, const struct mcap_read_channel *c)
{
	char own[RECORD_LAYOUT_BYTES];
	const char *text = c->schema && c->schema->text ? c->schema->text : "", *build = strstr(text, RECORD_BUILD), *own_build;

	record_layout(own);
	own_build = strstr(own, RECORD_BUILD);
	if (!own_build || strcmp(c->encoding, RECORD_RAW_ENCODING) != 0 || !build || build - text != own_build - own
			|| memcmp(text, own, (size_t)(build - text)) != 0)
		return fail(&r->error, -EBADMSG, "%s: recorded by another version of dreamvlad, whose records this one cannot read: replay it with "
				"the version that recorded it", r->o->path);
	r->report.other_build = strcmp(build, own_build) != 0;
	return 0;
}

/* 1, 0 at the end, or an error. */
static int next_record(struct replay *r, struct stream *s, struct mcap_read_message *m)
{
	int rc = mcap_reader_next(s->reader, m, &r->error);

	if (rc <= 0 || s->known == m->channel)
		return rc;
	s->known = m->channel;
	rc = check_layout(r, m->channel);
	return rc < 0 ? rc : 1;
}

/* A copy, because the next record of the other stream may be read before it is used, and for its alignment. */
static int next_observation(struct replay *r)
{
	struct mcap_read_message m;
	int rc = next_record(r, &r->observations, &m);

	r->has_observation = false;
	if (rc <= 0)
		return rc;
	if (m.n > r->room) {
		uint8_t *more = realloc(r->bytes, m.n);

		if (!more)
			return fail(&r->error, -ENOMEM, "replay: out of memory");
		r->bytes = more;
		r->room = m.n;
	}
	memcpy(r->bytes, m.data, m.n);
	rc = replay_take_observation(&r->observation, &r->runtime->setup, r->bytes, m.n, &r->parts, &r->error);
	r->has_observation = rc == 0;
	return rc;
}

/* ---- the policy ----------------------------------------------------------------------------------------------------------- */

static void count_missing(struct replay *r)
{
	bool first = r->state.tick > 0 && r->policy.n_inferences == 0;

	r->report.inferences_missing += first ? 0 : r->observation.inference - 1 - r->policy.n_inferences;
}

static int infer_again(struct replay *r)
{
	struct links *l = r->runtime->links;
	struct action_chunk *chunk = &r->chunk[r->observation.chunk % CHUNKS];
	struct errbuf why;

	if (r->observation.inference <= r->policy.n_inferences)
		return fail(&r->error, -EBADMSG, "%s: inference %llu comes twice: the file is damaged", r->o->path,
				(unsigned long long)r->observation.inference);
	count_missing(r);
	(void)latest_refresh(&l->motion_box);
	r->chunk_tried = r->observation.chunk;
	if (policy_again(&r->policy, &r->observation, &r->parts, &l->motion[l->motion_box.reading], chunk, &why) < 0)
		chunk->id = 0;
	r->policy.n_inferences = r->observation.inference;
	return next_observation(r);
}

/* What the policy had begun when that tick had been: the motion that it continues is then the newest. */
static int infer_until(struct replay *r, int64_t now_ns)
{
	int rc = 0;

	while (rc >= 0 && r->has_observation && r->observation.hint_ns <= now_ns && r->observation.motion_ns <= now_ns)
		rc = infer_again(r);
	return rc < 0 ? rc : 0;
}

/* What continues a motion that was told before the recording's state cannot be inferred again; control tells it anew behind that. */
static int skip_early(struct replay *r)
{
	int rc = 0;

	while (rc == 0 && r->policy.commit && r->has_observation && r->observation.motion_ns <= r->state.now_ns)
		rc = next_observation(r);
	r->first_chunk = r->has_observation ? r->observation.chunk : 0;
	return rc < 0 ? rc : 0;
}

/* ---- control -------------------------------------------------------------------------------------------------------------- */

/* The chunk of the recording, with the actions that the policy has given now. */
static void give_chunk(struct replay *r)
{
	struct links *l = r->runtime->links;
	struct action_chunk *was = &r->tick.chunk, *to = &l->chunk[l->chunk_box.writing];
	const struct action_chunk *now = &r->chunk[was->id % CHUNKS];
	struct replay_differences *d = &r->report.differences;

	*to = *was;
	if (now->id == was->id) {
		replay_compare_chunk(d, now, was);
		*to = *now;
		to->handed_over_ns = was->handed_over_ns;
		to->inference_ns = was->inference_ns;
	} else if (r->state.tick > 0 && was->id < r->first_chunk && r->report.chunks_before < CHUNKS_BEFORE) {
		r->report.chunks_before++;
	} else if (was->id <= r->chunk_tried && was->id + CHUNKS > r->chunk_tried && now->id == 0) {
		d->chunks_missing++;
		return;
	} else {
		d->chunks_unproven++;
	}
	latest_publish(&l->chunk_box);
}

static void give_inputs(struct replay *r)
{
	struct links *l = r->runtime->links;
	const struct replay_tick *t = &r->tick;

	if (t->head.has_inputs) {
		l->inputs[l->inputs_box.writing] = t->inputs;
		latest_publish(&l->inputs_box);
	}
	if (t->head.has_policy) {
		l->policy[l->policy_box.writing] = t->policy;
		latest_publish(&l->policy_box);
	}
	if (t->head.has_chunk)
		give_chunk(r);
	for (uint32_t i = 0; i < t->head.n_commands; i++) {
		int slot = queue_claim(&l->command_queue);

		if (slot < 0)
			break; /* cannot be: every tick empties it, and the tick has been checked */
		l->command[slot] = t->command[i];
		queue_publish(&l->command_queue);
	}
}

static void compare(struct replay *r)
{
	struct links *l = r->runtime->links;
	int slot = queue_front(&l->target_queue);
	const struct record_tick *t = &r->tick.head;

	if (slot >= 0) {
		replay_compare_targets(&r->report.differences, t->tick, t->now_ns, &l->target[slot], r->tick.target, t->n_targets);
		replay_out_targets(&r->out, &r->runtime->setup, t, &l->target[slot], r->tick.target);
		queue_release(&l->target_queue);
	}
	while (queue_front(&l->event_queue) >= 0)
		queue_release(&l->event_queue);
}

static void run_tick(struct replay *r)
{
	struct queue *targets = &r->runtime->links->target_queue;
	uint32_t capacity = targets->capacity;

	give_inputs(r);
	targets->capacity = r->tick.head.refused ? 0 : capacity; /* as full as it was then */
	control_tick(&r->control, r->tick.head.now_ns);
	targets->capacity = capacity;
	compare(r);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

/* False: from here on nothing can be exact, and why is in the report. */
static bool follows(struct replay *r)
{
	const struct record_tick *t = &r->tick.head;
	struct replay_report *report = &r->report;

	if (report->last_tick == 0 && r->state.tick == 0)
		return true;
	if (t->tick == report->last_tick + 1 && t->now_ns > report->last_ns)
		return true;
	snprintf(report->ended, sizeof report->ended, "ticks %llu to %llu are missing: the recording had no room for them",
			(unsigned long long)report->last_tick + 1, (unsigned long long)t->tick - 1);
	return false;
}

static int take_tick(struct replay *r, const struct mcap_read_message *m)
{
	struct replay_report *report = &r->report;
	struct errbuf why;

	if (replay_take_tick(&r->tick, &r->runtime->setup, m->data, m->n, &why) < 0)
		return fail(&r->error, -EBADMSG, "%s: after tick %llu: %.900s", r->o->path, (unsigned long long)report->last_tick, why.text);
	if (report->last_tick == 0 && r->tick.head.tick != 1)
		return fail(&r->error, -EBADMSG, "%s: begins with tick %llu of its daemon, and what control was then is not in it (topic " STATE_TOPIC
				"): it cannot be replayed", r->o->path, (unsigned long long)r->tick.head.tick);
	return 0;
}

/* Only in front of the first tick: later the state is what the replay has made. */
static int take_state(struct replay *r, const struct mcap_read_message *m)
{
	struct replay_report *report = &r->report;
	struct errbuf why;
	int rc;

	if (report->last_tick > 0)
		return 0;
	if (replay_take_state(&r->control, &r->state, &r->state_chunk, m->data, m->n, &why) < 0)
		return fail(&r->error, -EBADMSG, "%s: %.900s", r->o->path, why.text);
	report->from_state = true;
	report->last_tick = r->state.tick;
	report->first_ns = report->last_ns = r->state.now_ns;
	rc = skip_early(r);
	return rc < 0 ? rc : infer_until(r, r->state.now_ns);
}

/* Asking takes the signal. */
static bool stopped(struct replay *r)
{
	return r->stopped = r->stopped || r->runtime->interrupted();
}

/* In slices: a signal ends it, however long a gap the file has. */
static void wait_until(struct replay *r, int64_t t_ns)
{
	for (int64_t now_ns = clock_monotonic_ns(); now_ns < t_ns && !stopped(r); now_ns = clock_monotonic_ns())
		clock_sleep_until(t_ns - now_ns < SLICE_NS ? t_ns : now_ns + SLICE_NS);
}

static void keep_time(struct replay *r)
{
	if (r->report.last_tick == 0)
		r->report.first_ns = r->tick.head.now_ns;
	r->report.last_tick = r->tick.head.tick;
	r->report.last_ns = r->tick.head.now_ns;
	if (r->o->real)
		wait_until(r, r->begin_ns + r->report.last_ns - r->report.first_ns);
	if (clock_monotonic_ns() - r->shown_ns < PROGRESS_NS)
		return;
	r->shown_ns = clock_monotonic_ns();
	const struct mcap_read_info *info = mcap_reader_info(r->ticks.reader);

	replay_report_progress(&r->report, (double)(info->last_ns - info->first_ns) * 1e-9);
}

static int run_ticks(struct replay *r)
{
	struct mcap_read_message m;
	int rc = 1;

	while (!stopped(r) && (rc = next_record(r, &r->ticks, &m)) > 0) {
		if (strcmp(m.channel->topic, STATE_TOPIC) == 0) {
			if ((rc = take_state(r, &m)) < 0)
				return rc;
			continue;
		}
		if ((rc = take_tick(r, &m)) < 0)
			return rc;
		if (!follows(r))
			return 0;
		keep_time(r);
		run_tick(r);
		if ((rc = infer_until(r, r->tick.head.now_ns)) < 0)
			return rc;
	}
	if (r->stopped)
		snprintf(r->report.ended, sizeof r->report.ended, "a signal ended it");
	return rc < 0 ? rc : 0;
}

/* Keys that no target depends on. */
static bool key_matters(const char *key)
{
	static const char *const prefix[] = { "sockets.", "record.", "log." };

	for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
		if (strncmp(key, prefix[i], strlen(prefix[i])) == 0)
			return false;
	return true;
}

static void compare_key(void *context, const char *key, const char *value)
{
	struct replay *r = context;
	struct replay_report *report = &r->report;
	const char *was = mcap_reader_metadata(r->ticks.reader, "dreamvla.config", key);

	if (!key_matters(key) || (was && strcmp(was, value) == 0))
		return;
	if (report->n_keys < REPLAY_KEYS_MAX)
		snprintf(report->key[report->n_keys], REPLAY_KEY_BYTES, "%s", key);
	report->n_keys++;
}

/* A file that only the recording has shows in their number. */
static void compare_weights(void *context, const char *key, const char *value)
{
	struct replay *r = context;
	struct replay_report *report = &r->report;
	const char *was = mcap_reader_metadata(r->ticks.reader, CHECKPOINT_METADATA, key);

	if (was && strcmp(was, value) == 0)
		return;
	if (report->n_weights < REPLAY_WEIGHTS_MAX)
		snprintf(report->weights[report->n_weights], REPLAY_KEY_BYTES, "%.63s", key);
	report->n_weights++;
}

static void check_weights(struct replay *r)
{
	struct replay_report *report = &r->report;

	report->weights_known = mcap_reader_metadata(r->ticks.reader, CHECKPOINT_METADATA, "files") != NULL;
	if (report->weights_known)
		checkpoint_visit(&r->runtime->config, compare_weights, r);
	if (report->n_weights > 0)
		log_line(LOG_LEVEL_WARNING, "replay: %s is another checkpoint than the recorded one: %u of its files differ, the first is %s",
				r->runtime->config.policy_model, report->n_weights, report->weights[0]);
}

static int prepare(struct replay *r)
{
	struct runtime *runtime = r->runtime;
	int rc;

	if ((rc = open_stream(r, &r->ticks, is_control)) < 0 || (rc = open_stream(r, &r->observations, is_observation)) < 0)
		return rc;
	r->report.cut = mcap_reader_info(r->ticks.reader)->cut;
	record_metadata_absolute(&runtime->config); /* as recorded */
	config_visit(&runtime->config, compare_key, r);
	check_weights(r);
	if ((rc = next_observation(r)) < 0)
		return rc;
	if ((rc = policy_runner_init(&r->policy, &runtime->config, &runtime->setup, runtime->links, runtime->stats, &r->error)) < 0)
		return rc;
	(void)latest_refresh(&runtime->links->policy_box); /* the recording says what control knew of the policy */
	control_init(&r->control, &runtime->setup, runtime->links);
	r->begin_ns = r->shown_ns = clock_monotonic_ns();
	return 0;
}

/* On a thread like the policy's own, whose processors say into how many parts its sums are cut. */
static void *run(void *argument)
{
	struct replay *r = argument;
	int rc = prepare(r);

	if (rc == 0)
		rc = run_ticks(r);
	r->report.failed = rc < 0;
	if (rc == 0 && r->report.differences.ticks == 0)
		r->report.failed = fail(&r->error, -ENODATA, "%s: holds no tick of control (topic " TICK_TOPIC "): it was not recorded for replay",
				r->o->path) < 0;
	return NULL;
}

static int run_on_thread(struct replay *r)
{
	struct rt_thread_options o = { .name = "policy", .run = run, .argument = r, .wish = RT_OFF, .cpu = r->runtime->cpu, .avoid_cpu = true };
	pthread_t thread;
	bool realtime;
	int rc = rt_thread_start(&thread, &o, &realtime, &r->error);

	if (rc == 0)
		pthread_join(thread, NULL);
	return rc;
}

enum replay_verdict replay_run(struct runtime *runtime, const struct replay_options *o)
{
	struct replay *r = calloc(1, sizeof *r);
	enum replay_verdict verdict = REPLAY_UNUSABLE;

	if (!r)
		return verdict;
	r->runtime = runtime;
	r->o = o;
	r->report.setup = &runtime->setup;
	if (replay_out_open(&r->out, o->out, &r->error) < 0 || run_on_thread(r) < 0 || r->report.failed)
		log_line(LOG_LEVEL_ERROR, "replay: %s", r->error.text);
	else
		verdict = !replay_identical(&r->report.differences) ? REPLAY_DIFFERENT : replay_complete(&r->report) ? REPLAY_IDENTICAL : REPLAY_PARTLY;
	if (verdict != REPLAY_UNUSABLE)
		replay_report_print(&r->report, o->json);
	if (replay_out_close(&r->out, &r->error) < 0) {
		log_line(LOG_LEVEL_ERROR, "replay: %s", r->error.text);
		verdict = REPLAY_UNUSABLE;
	}
	policy_runner_finish(&r->policy);
	mcap_reader_close(r->ticks.reader);
	mcap_reader_close(r->observations.reader);
	free(r->bytes);
	free(r);
	return verdict;
}
