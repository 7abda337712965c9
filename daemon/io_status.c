/* io_status.c - the status map: ten times a second on the topic, and in reply to `status`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/reason_text.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

#define STATUS_PERIOD_NS (100 * NS_PER_MS)

/* ---- parts ---- */

static void fill_mode(struct io *io, struct message_status *m)
{
	static const char *const driver[] = { "none", "policy", "teleop/", "home" };
	const struct control_report *r = &io->report;
	bool loading = r->mode == MODE_BOOT && io->policy.health == POLICY_LOADING;

	_Static_assert(sizeof driver / sizeof *driver == TARGET_SOURCE_COUNT, "a name for every source");
	snprintf(m->mode, sizeof m->mode, "%s", mode_name(r->mode));
	reason_sentence(io->setup, &(struct reason_case){ loading ? REASON_POLICY_LOADING : r->reason, r->reason_arm, r->reason_value,
			r->reason_limit, io_told_reason(io) }, m->reason, sizeof m->reason);
	snprintf(m->driver, sizeof m->driver, "%s%s", r->jogging ? "jog" : driver[r->driver],
			r->driver == TARGET_TELEOP ? io->teleop[r->device].name : "");
	snprintf(m->instruction, sizeof m->instruction, "%s", io->instruction);
	m->speed = r->speed;
}

/* All that stands in the way now: what came under an earlier HOLD or FAULT has a sentence of its own too. */
static void fill_faults(struct io *io, struct message_status *m)
{
	const struct control_report *r = &io->report;
	uint64_t shown = r->faults & (reason_mask(SEVERITY_HOLD) | reason_mask(SEVERITY_FAULT));

	m->n_faults = m->n_causes = 0;
	for (uint32_t i = 0; i < REASON_COUNT; i++) {
		if (!(shown & REASON_BIT(i)))
			continue;
		snprintf(m->fault[m->n_faults++], sizeof m->fault[0], "%s", reason_name(i));
		if (m->n_causes < STATUS_CAUSES_MAX)
			reason_sentence(io->setup, &(struct reason_case){ i, r->about_subject[i], r->about_value[i], r->about_limit[i],
					io_told_cause(io, i, r->about_subject[i]) }, m->cause[m->n_causes++], sizeof m->cause[0]);
	}
}

static enum source_state state_of(const struct io *io, bool present, bool frozen, int64_t stamp_ns, int64_t max_age_ns)
{
	if (!present)
		return SOURCE_ABSENT;
	if (io->now_ns - stamp_ns > max_age_ns)
		return SOURCE_STALE;
	return frozen ? SOURCE_FROZEN : SOURCE_FRESH;
}

static void fill_source(struct io *io, struct message_status *m, struct io_source *s, const char *kind, const char *name,
		int64_t stamp_ns, enum source_state state)
{
	struct status_source *out = &m->source[m->n_sources++];

	io_source_rate(io, s);
	snprintf(out->topic, sizeof out->topic, "%s/%s", kind, name);
	out->age_ms = state == SOURCE_ABSENT ? 0.0 : (double)(io->now_ns - stamp_ns) / (double)NS_PER_MS;
	out->rate_hz = s->rate_hz;
	out->state = state;
}

static void fill_sources(struct io *io, struct message_status *m)
{
	m->n_sources = 0;
	for (uint32_t i = 0; i < io->setup->n_cameras; i++) {
		const struct camera_status *c = &io->inputs.camera[i];

		fill_source(io, m, &io->camera[i].source, "camera", io->setup->camera_name[i], c->stamp_ns,
				state_of(io, c->present, c->frozen, c->stamp_ns, io->setup->camera_max_age_ns[i]));
	}
	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		const struct arm_state *a = &io->inputs.arm[i];

		fill_source(io, m, &io->arm[i].source, "state", io->setup->arm[i].name, a->stamp_ns,
				state_of(io, a->present, false, a->stamp_ns, io->setup->state_max_age_ns));
	}
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++) {
		const struct teleop_input *t = &io->inputs.teleop[i];

		if (io->teleop[i].name[0])
			fill_source(io, m, &io->teleop[i].source, "teleop", io->teleop[i].name, t->stamp_ns,
					state_of(io, t->present, false, t->stamp_ns, io->setup->teleop_timeout_ns));
	}
}

static void fill_stages(const struct io *io, struct message_status *m)
{
	m->n_stages = 0;
	for (uint32_t i = 0; i < STAGE_COUNT; i++) {
		struct percentiles p = histogram_summary(&io->stats->stage[i]);
		struct status_stage *out = &m->stage[m->n_stages++];

		snprintf(out->name, sizeof out->name, "%s", trace_stage_name((enum trace_stage)i));
		out->n = p.n;
		out->p50_us = (double)p.p50_ns / (double)NS_PER_US;
		out->p99_us = (double)p.p99_ns / (double)NS_PER_US;
		out->max_us = (double)p.max_ns / (double)NS_PER_US;
	}
}

static void fill_control(struct io *io, struct message_status *m)
{
	struct percentiles late = histogram_summary(&io->stats->late);
	uint64_t ticks = atomic_load_explicit(&io->stats->ticks, memory_order_relaxed);
	int64_t passed_ns = io->now_ns - io->ticks_counted_ns;

	if (passed_ns >= NS_PER_S) {
		io->rate_hz = (double)(ticks - io->ticks_counted) * (double)NS_PER_S / (double)passed_ns;
		io->ticks_counted = ticks;
		io->ticks_counted_ns = io->now_ns;
	}
	m->rate_hz = io->rate_hz;
	m->late_p50_us = (double)late.p50_ns / (double)NS_PER_US;
	m->late_p99_us = (double)late.p99_ns / (double)NS_PER_US;
	m->late_p999_us = (double)late.p999_ns / (double)NS_PER_US;
	m->late_max_us = (double)late.max_ns / (double)NS_PER_US;
	m->overruns = atomic_load_explicit(&io->stats->overruns, memory_order_relaxed);
}

static double least(const double *value, uint32_t n)
{
	double least = 1.0;

	for (uint32_t i = 0; i < n; i++)
		least = value[i] < least ? value[i] : least;
	return least;
}

static void fill_arms(const struct io *io, struct message_status *m)
{
	const struct control_report *r = &io->report;

	m->margin_position = least(r->margin_position, io->setup->n_arms);
	m->margin_velocity = least(r->margin_velocity, io->setup->n_arms);
	m->margin_acceleration = least(r->margin_acceleration, io->setup->n_arms);
	m->margin_jerk = least(r->margin_jerk, io->setup->n_arms);
	m->margin_workspace = least(r->margin_workspace, io->setup->n_arms);
	m->margin_floor = least(r->margin_floor, io->setup->n_arms);
	m->margin_tcp_speed = least(r->margin_tcp_speed, io->setup->n_arms);
	m->margin_tracking = least(r->margin_tracking, io->setup->n_arms);
	m->n_arms = io->setup->n_arms;
	for (uint32_t i = 0; i < m->n_arms; i++) {
		const struct arm_state *a = &io->inputs.arm[i];
		struct status_arm *out = &m->arm[i];

		snprintf(out->name, sizeof out->name, "%s", io->setup->arm[i].name);
		snprintf(out->control, sizeof out->control, "%s", io->config->robot[i].control);
		memcpy(out->refused, io->arm[i].refused, sizeof out->refused);
		out->words = io->arm[i].words;
		out->refused_age_ms = io->arm[i].refused[0] ? (double)(io->now_ns - io->arm[i].refused_ns) / (double)NS_PER_MS : 0.0;
		out->present = a->present;
		out->mode = a->present ? a->mode : ARM_DISCONNECTED;
		out->attached = a->attached;
		out->stopped = a->stopped;
		memcpy(out->twist, r->twist_sent[i].v_m_s, sizeof r->twist_sent[i].v_m_s);
		memcpy(out->twist + 3, r->twist_sent[i].w_rad_s, sizeof r->twist_sent[i].w_rad_s);
	}
}

static void fill_teleop(const struct io *io, struct message_status *m)
{
	snprintf(m->teleop_refused, sizeof m->teleop_refused, "%.*s", MESSAGE_TEXT_BYTES - 1, io->teleop_refused);
	m->teleop_refused_age_ms = io->teleop_refused_ns > 0 ? (double)(io->now_ns - io->teleop_refused_ns) / (double)NS_PER_MS : 0.0;
}

static void add_counter(struct message_status *m, const char *name, uint64_t value)
{
	if (m->n_counters == STATUS_COUNTERS_MAX)
		return;
	snprintf(m->counter[m->n_counters].name, sizeof m->counter[0].name, "%s", name);
	m->counter[m->n_counters++].value = value;
}

static void fill_io_counters(const struct io *io, struct message_status *m)
{
	const struct io_counters *c = &io->counters;

	add_counter(m, "frames", c->frames);
	add_counter(m, "frames_void", c->frames_void);
	add_counter(m, "teleop", c->teleop);
	add_counter(m, "states", c->states);
	add_counter(m, "states_void", c->states_void);
	add_counter(m, "acks_void", c->acks_void);
	add_counter(m, "instructions", c->instructions);
	add_counter(m, "operators_void", c->operators_void);
	add_counter(m, "unknown_topics", c->unknown_topics);
	add_counter(m, "duplicates", c->duplicates);
	add_counter(m, "foreign", c->foreign);
	add_counter(m, "observations", c->observations);
	add_counter(m, "targets", c->targets);
	add_counter(m, "targets_dropped", c->targets_dropped
			+ atomic_load_explicit(&io->links->target_queue.dropped, memory_order_relaxed));
	add_counter(m, "shadows", c->shadows);
	add_counter(m, "requests", c->requests);
	add_counter(m, "requests_refused", c->requests_refused);
	add_counter(m, "events_dropped", atomic_load_explicit(&io->links->event_queue.dropped, memory_order_relaxed));
}

/* What the sockets themselves gave up: messages that could be none of ours, and ones a slow reader had no room for. */
static void fill_socket_counters(const struct io *io, struct message_status *m)
{
	const struct endpoint *const bound[] = { io->cameras, io->operators, io->states, io->targets, io->status, io->control };
	uint64_t malformed = 0, dropped = 0;

	for (uint32_t i = 0; i < sizeof bound / sizeof *bound + io->setup->n_arms; i++) {
		const uint32_t n = sizeof bound / sizeof *bound;
		struct endpoint_counters c = endpoint_counters(i < n ? bound[i] : io->arm[i - n].door);

		malformed += c.malformed;
		dropped += c.dropped_send;
	}
	add_counter(m, "malformed", malformed);
	add_counter(m, "dropped_send", dropped);
}

static void fill_control_counters(const struct io *io, struct message_status *m)
{
	const struct control_report *r = &io->report;
	double path_m = 0.0;

	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		path_m += r->tcp_path_m[i];
	add_counter(m, "ticks", r->ticks);
	add_counter(m, "ticks_auto", r->ticks_in_mode[MODE_AUTO]);
	add_counter(m, "ticks_hold", r->ticks_in_mode[MODE_HOLD]);
	add_counter(m, "ticks_fault", r->ticks_in_mode[MODE_FAULT]);
	add_counter(m, "chunks", io->policy.chunks);
	add_counter(m, "chunks_rejected", io->policy.rejected);
	add_counter(m, "actions_committed", io->policy.committed);
	add_counter(m, "chunks_adopted", r->chunks_adopted);
	add_counter(m, "chunks_dropped", r->chunks_dropped);
	add_counter(m, "clamps", r->clamps);
	add_counter(m, "limit_stops", r->limit_stops);
	add_counter(m, "tcp_path_mm", path_m > 0.0 ? (uint64_t)(1000.0 * path_m) : 0);
}

void io_status_fill(struct io *io)
{
	struct message_status *m = &io->status_message;

	fill_mode(io, m);
	fill_faults(io, m);
	fill_sources(io, m);
	fill_stages(io, m);
	fill_control(io, m);
	fill_arms(io, m);
	fill_teleop(io, m);
	io_record_status(io, m);
	m->n_counters = 0;
	fill_io_counters(io, m);
	fill_socket_counters(io, m);
	fill_control_counters(io, m);
	m->head.from = io->from;
	m->head.seq = io->status_seq;
	m->head.stamp_ns = io_to_wire_ns(io, io->now_ns);
}

void io_status_send(struct io *io)
{
	static const char topic[] = "status";
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct endpoint_message out = { .n_parts = 2, .part = { (const uint8_t *)topic, bytes }, .bytes = { sizeof topic - 1 } };
	struct errbuf e;

	if (io->now_ns < io->status_due_ns)
		return;
	io->status_due_ns = io->now_ns + STATUS_PERIOD_NS;
	io->status_seq++;
	io_status_fill(io);
	if (message_status_encode(&io->status_message, bytes, sizeof bytes, &out.bytes[1], &e) < 0)
		log_line(LOG_LEVEL_ERROR, "status: %s", e.text);
	else {
		if (endpoint_send(io->status, &out) < 0)
			log_line(LOG_LEVEL_DEBUG, "status: a subscriber does not read");
		io_record_bytes(io, RECORD_MESSAGE, topic, io->now_ns, &out);
	}
}
