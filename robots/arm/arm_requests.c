/* arm_requests.c - the arm's control socket: one row per request. What concerns the motion is decided by the control thread
 * and answered when it has; the rest at once. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "robots/arm/arm_io.h"
#include "robots/arm/arm_text.h"

static const int64_t PATIENCE_NS = 90 * NS_PER_MS; /* replies come within 100 ms (messages.md section 6) */
static const double TCP_TOLERANCE = 1e-4;          /* m, and of the quaternion's parts */
enum { RECEIVE_MAX = 16, KEYS_MAX = 8 };

/* ---- replies ----------------------------------------------------------------------------------------------------- */

static void send_map(struct arm_io *io, const struct endpoint_peer *to, struct map_builder *b)
{
	struct errbuf e;
	size_t n;

	if (map_finish(b, &n, &e) < 0)
		log_line(LOG_LEVEL_ERROR, "arm: a reply could not be made: %s", e.text);
	else if (endpoint_send_reply(io->control, to, io->reply, n) < 0)
		log_line(LOG_LEVEL_DEBUG, "arm: a reply was lost, the peer does not read");
}

static void send_error(struct arm_io *io, const struct endpoint_peer *to, const char *error, const char *hint)
{
	struct map_builder b;

	reply_error(&b, io->reply, sizeof io->reply, error, hint);
	send_map(io, to, &b);
}

static void send_answer(struct arm_io *io, const struct endpoint_peer *to, const struct arm_answer *a)
{
	struct arm_reply_text text;
	struct map_builder b;

	if (a->reply != ARM_REPLY_OK) {
		arm_reply_text(a, io->driver, &text);
		send_error(io, to, text.error, text.hint);
		return;
	}
	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_text(&b, "mode", arm_mode_name(a->mode));
	map_add_u64(&b, "accepted_from", a->accepted_from);
	send_map(io, to, &b);
}

/* ---- what needs the control thread ------------------------------------------------------------------------------- */

static int hand_over(struct arm_io *io, const struct endpoint_peer *from, struct arm_request *r, struct errbuf *e)
{
	struct arm_pending *free_one = NULL;
	int at;

	for (int i = 0; i < ARM_PENDING_MAX; i++)
		if (!io->pending[i].ticket)
			free_one = &io->pending[i];
	r->ticket = ++io->ticket ? io->ticket : ++io->ticket; /* 0 means free */
	if (!free_one || !arm_links_ask(io->links, r, &at))
		return fail(e, -EAGAIN, "too many requests at once: ask again");
	*free_one = (struct arm_pending){ r->ticket, at, io->now_ns, *from };
	return 0;
}

static void answer_pending(struct arm_io *io, const struct arm_answer *a)
{
	for (int i = 0; i < ARM_PENDING_MAX; i++)
		if (io->pending[i].ticket == a->ticket) {
			send_answer(io, &io->pending[i].peer, a);
			io->pending[i].ticket = 0;
		}
}

static void give_up(struct arm_io *io, struct arm_pending *p)
{
	bool withdrawn = arm_links_close(io->links, p->at, p->ticket);

	send_error(io, &p->peer, "the control thread does not answer",
			withdrawn ? "nothing was done; see the log of dreamvla-arm" : "it may be done all the same: see `dreamvlactl status`");
	p->ticket = 0;
}

void arm_requests_answer(struct arm_io *io)
{
	struct arm_links *k = io->links;

	for (int at; (at = queue_front(&k->answer_queue)) >= 0; queue_release(&k->answer_queue))
		answer_pending(io, &k->answer[at]);
	for (int i = 0; i < ARM_PENDING_MAX; i++)
		if (io->pending[i].ticket && io->now_ns - io->pending[i].asked_ns > PATIENCE_NS)
			give_up(io, &io->pending[i]);
}

/* ---- the requests ------------------------------------------------------------------------------------------------ */

struct row {
	const char *name;
	const char *key[KEYS_MAX]; /* allowed besides cmd, NULL-ended */
	int (*handle)(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
			struct errbuf *e);
	enum arm_ask ask;
};

static int optional_bool(const struct request *q, const char *key, bool *out, struct errbuf *e)
{
	return request_has(q, key) ? request_bool(q, key, out, e) : 0;
}

/* Both sides must mean the same arm and the same tool before anything moves. */
static int compare_model(const struct arm_io *io, const struct request *q, struct errbuf *e)
{
	const struct robot_model *m = &io->setup->model;
	const struct pose *tcp = &io->setup->tcp;
	const char *model;
	double dof, want[7], sign = 0;
	int rc = request_text(q, "model", &model, e);

	if (rc < 0 || (rc = request_number(q, "dof", 0, 64, &dof, e)) < 0 || (rc = request_numbers(q, "tcp", 7, want, e)) < 0)
		return rc;
	if (strcmp(model, m->name) != 0)
		return fail(e, -EINVAL, "model: asked for %.32s, this arm is %s: compare robots[].model of both configurations",
				model, m->name);
	if (dof != m->dof)
		return fail(e, -EINVAL, "dof: asked for %g, this arm has %u", dof, m->dof);
	for (int i = 0; i < 4; i++)
		sign += want[3 + i] * tcp->q_xyzw[i];
	for (int i = 0; i < 7; i++) {
		double have = i < 3 ? tcp->p_m[i] : tcp->q_xyzw[i - 3] * (sign < 0 ? -1 : 1);

		if (!(fabs(want[i] - have) <= TCP_TOLERANCE))
			return fail(e, -EINVAL, "tcp[%d]: asked for %g, this arm has %g: compare robots[].tcp of both configurations",
					i, want[i], have);
	}
	return 0;
}

static int handle_attach(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	struct arm_request r = { .ask = row->ask };
	int rc = request_u64(q, "from", &r.from, e);

	if (rc == 0 && !r.from)
		rc = fail(e, -EINVAL, "from: found 0, want the publisher's random number");
	if (rc == 0)
		rc = compare_model(io, q, e);
	if (rc == 0)
		rc = optional_bool(q, "takeover", &r.takeover, e);
	if (rc == 0)
		rc = optional_bool(q, "clear_stop", &r.clear_stop, e);
	return rc == 0 ? hand_over(io, from, &r, e) : rc;
}

static int handle_detach(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	struct arm_request r = { .ask = row->ask };
	int rc = request_u64(q, "from", &r.from, e);

	return rc == 0 ? hand_over(io, from, &r, e) : rc;
}

static int handle_plain(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	struct arm_request r = { .ask = row->ask };
	int rc = optional_bool(q, "confirm", &r.confirm, e);

	return rc == 0 ? hand_over(io, from, &r, e) : rc;
}

/* Whatever has become of the control thread. */
static void stop_at_once(struct arm_io *io)
{
	if (io->driven && io->driver->emergency_stop)
		io->driver->emergency_stop(io->driven);
	log_line(LOG_LEVEL_WARNING, "arm: emergency stop asked for at its own door");
}

/* It is passed on in any case. */
static enum arm_reply emergency_reply(const struct arm_io *io)
{
	if (!io->driver->emergency_stop)
		return ARM_REPLY_NO_EMERGENCY_STOP;
	return io->report.connected ? ARM_REPLY_OK : ARM_REPLY_NOT_REACHED;
}

/* Needs no room in a queue, so that no other peer's requests can crowd it out; answered at once. */
static int handle_stop(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	bool emergency = row->ask == ARM_ASK_EMERGENCY_STOP;
	enum arm_reply reply = emergency ? emergency_reply(io) : ARM_REPLY_OK;

	(void)q;
	atomic_store_explicit(emergency ? &io->links->emergency_asked : &io->links->stop_asked, true, memory_order_release);
	io->stop_received = true;
	if (emergency)
		stop_at_once(io);
	if (io->now_ns - io->report_ns > PATIENCE_NS)
		return fail(e, -ETIMEDOUT, "the control thread does not answer: see the log of dreamvla-arm, press the arm's own emergency stop");
	send_answer(io, from, &(struct arm_answer){ 0, reply, io->report.mode, io->report.accepted_from, io->report.trouble });
	return 0;
}

static int handle_ping(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	int64_t received_ns = clock_monotonic_ns(), t_ns = 0;
	struct map_builder b;
	int rc = request_i64(q, "t_ns", &t_ns, e);

	(void)row;
	if (rc < 0)
		return rc;
	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_i64(&b, "t_ns", t_ns);
	map_add_i64(&b, "recv_ns", received_ns + io->offset_ns);
	map_add_i64(&b, "send_ns", clock_monotonic_ns() + io->offset_ns);
	send_map(io, from, &b);
	return 0;
}

static void add_percentiles(struct map_builder *b, const char *const key[4], const struct histogram *h)
{
	struct percentiles p = histogram_summary(h);
	const int64_t value_ns[4] = { p.p50_ns, p.p99_ns, p.p999_ns, p.max_ns };

	for (int i = 0; i < 4; i++)
		map_add_real(b, key[i], (double)value_ns[i] * 1e-3);
}

static void add_rows(struct map_builder *b, const char *key, const struct histogram *h)
{
	uint64_t row[HISTOGRAM_ROWS];
	double value[HISTOGRAM_ROWS];

	histogram_rows(h, row);
	for (int i = 0; i < HISTOGRAM_ROWS; i++)
		value[i] = (double)row[i];
	map_add_reals(b, key, value, HISTOGRAM_ROWS);
}

static void add_counters(struct arm_io *io, struct map_builder *b)
{
	static const char *const INTERVAL[4] = { "interval_p50_us", "interval_p99_us", "interval_p999_us", "interval_max_us" };
	static const char *const LATE[4] = { "late_p50_us", "late_p99_us", "late_p999_us", "late_max_us" };
	const struct arm_counters *c = &io->report.counters;

	map_add_u64(b, "targets_received", io->received);
	map_add_u64(b, "targets_accepted", c->accepted);
	map_add_u64(b, "targets_refused", c->refused);
	map_add_u64(b, "targets_foreign", c->foreign);
	map_add_u64(b, "targets_late", c->late);
	map_add_u64(b, "targets_old", c->old);
	map_add_u64(b, "targets_void", io->voided);
	map_add_u64(b, "underruns", c->underruns);
	map_add_u64(b, "held_up", c->held_up);
	map_add_u64(b, "limits_exceeded", c->limits_exceeded);
	map_add_u64(b, "reconnects", c->reconnects);
	map_add_u64(b, "requests_void", io->requests_void);
	map_add_real(b, "q_d_step_max_rad", c->q_d_step_max_rad);
	map_add_real(b, "velocity_peak", c->velocity_peak);
	map_add_real(b, "acceleration_peak", c->acceleration_peak);
	map_add_real(b, "tcp_path_m", c->tcp_path_m);
	add_percentiles(b, INTERVAL, &io->interval);
	add_percentiles(b, LATE, &io->links->late);
	add_rows(b, "late_rows", &io->links->late);
	map_add_u64(b, "ticks", atomic_load_explicit(&io->links->ticks, memory_order_relaxed));
	map_add_u64(b, "overruns", atomic_load_explicit(&io->links->overruns, memory_order_relaxed));
}

/* The driver's own figures; its name in front keeps them apart from ours. */
static void add_numbers(struct arm_io *io, struct map_builder *b)
{
	struct robot_number number[ROBOT_NUMBERS_MAX];
	uint32_t n = io->driven && io->driver->numbers ? io->driver->numbers(io->driven, number) : 0;
	char key[64];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(key, sizeof key, "%s_%s", io->driver->name, number[i].name);
		if (isfinite(number[i].value)) /* one that is not would void the whole answer */
			map_add_real(b, key, number[i].value);
	}
}

static int handle_status(struct arm_io *io, const struct row *row, const struct request *q, const struct endpoint_peer *from,
		struct errbuf *e)
{
	struct message_state m;
	struct map_builder b;
	size_t n;

	(void)row;
	(void)q;
	arm_io_state_message(io, &m);
	int rc = message_state_encode(&m, io->state, sizeof io->state, &n, e);
	if (rc < 0)
		return rc;
	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_topic(&b, io->state, n);
	map_add_text(&b, "arm", io->setup->name);
	map_add_text(&b, "model", io->setup->model.name);
	map_add_text(&b, "driver", io->driver->name);
	map_add_bool(&b, "brakes", io->driver->has_brakes);
	map_add_bool(&b, "limp", io->report.limp);
	add_counters(io, &b);
	add_numbers(io, &b);
	send_map(io, from, &b);
	return 0;
}

static const struct row ROWS[] = {
	{ "status", { NULL }, handle_status, 0 },
	{ "ping", { "t_ns" }, handle_ping, 0 },
	{ "stop", { NULL }, handle_stop, ARM_ASK_STOP },
	{ "emergency_stop", { NULL }, handle_stop, ARM_ASK_EMERGENCY_STOP },
	{ "attach", { "from", "model", "dof", "tcp", "takeover", "clear_stop" }, handle_attach, ARM_ASK_ATTACH },
	{ "detach", { "from" }, handle_detach, ARM_ASK_DETACH },
	{ "enable", { "confirm" }, handle_plain, ARM_ASK_ENABLE },
	{ "disable", { "confirm" }, handle_plain, ARM_ASK_DISABLE },
	{ "recover", { "confirm" }, handle_plain, ARM_ASK_RECOVER },
	{ "home_gripper", { NULL }, handle_plain, ARM_ASK_HOME_GRIPPER },
};

static int dispatch(struct arm_io *io, const struct request *q, const struct endpoint_peer *from, struct errbuf *e)
{
	const char *name = request_command(q);

	for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
		const struct row *row = &ROWS[i];

		if (strcmp(name, row->name) != 0)
			continue;
		int rc = request_check_keys(q, row->key, e);
		return rc < 0 ? rc : row->handle(io, row, q, from, e);
	}
	return fail(e, -EINVAL, "cmd: \"%.32s\" is not known: want status, ping, stop, emergency_stop, attach, detach, enable, disable, "
			"recover or home_gripper", name);
}

void arm_requests_receive(struct arm_io *io)
{
	struct endpoint_peer from;
	const uint8_t *body;
	struct request q;
	struct errbuf e;
	size_t n;

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive_request(io->control, &from, &body, &n, &e) > 0; i++) {
		int rc = request_decode(&q, body, n, &e);

		if (rc == 0)
			rc = dispatch(io, &q, &from, &e);
		if (rc < 0) {
			io->requests_void++;
			send_error(io, &from, e.text, NULL);
		}
	}
}
