/* io_control.c - the control socket: one row per request. What the control thread decides waits in a list, at most
 * REPLY_PATIENCE_NS; everything else is answered at once. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/reason_text.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "policy/policy.h"

#define REPLY_PATIENCE_NS (90 * NS_PER_MS) /* replies come within 100 ms (messages.md section 6) */
#define JOG_MAX_M 0.010
#define JOG_MAX_RAD 0.05

static void answer_record(struct io *io);

/* ---- replies ---- */

static void send_reply(struct io *io, const struct endpoint_peer *peer, struct map_builder *b)
{
	struct errbuf e;
	size_t n;

	if (map_finish(b, &n, &e) < 0) {
		reply_error(b, io->reply, sizeof io->reply, e.text, NULL);
		if (map_finish(b, &n, &e) < 0)
			return;
	}
	if (endpoint_send_reply(io->control, peer, io->reply, n) < 0)
		log_line(LOG_LEVEL_DEBUG, "control: an answer was lost, the peer does not read");
}

static void send_error(struct io *io, const struct endpoint_peer *peer, const char *error, const char *hint)
{
	struct map_builder b;

	io->counters.requests_refused++;
	reply_error(&b, io->reply, sizeof io->reply, error, hint);
	send_reply(io, peer, &b);
}

static void send_mode(struct io *io, const struct endpoint_peer *peer, enum mode mode)
{
	struct map_builder b;

	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_text(&b, "mode", mode_name(mode));
	send_reply(io, peer, &b);
}

/* ---- commands to the control thread ---- */

static const char stuck[] = "the control thread takes no commands any more";
static const char stuck_hint[] = "stop every arm at its own door (dreamvlactl stop knocks there too), then restart dreamvlad";

bool io_command(struct io *io, struct command command)
{
	struct links *l = io->links;
	int at = queue_claim(&l->command_queue);

	if (at < 0)
		return false;
	command.received_ns = io->now_ns;
	l->command[at] = command;
	queue_publish(&l->command_queue);
	return true;
}

static void drop_pending(struct io *io, uint32_t at)
{
	io->n_pending--;
	memmove(&io->pending[at], &io->pending[at + 1], (io->n_pending - at) * sizeof io->pending[0]);
}

static void wait_for_control(struct io *io, const struct endpoint_peer *peer, struct command command)
{
	if (io->n_pending == IO_PENDING_MAX) {
		send_error(io, peer, "too many requests wait already", "ask again");
		return;
	}
	command.ticket = ++io->ticket;
	if (!io_command(io, command)) {
		send_error(io, peer, stuck, stuck_hint);
		return;
	}
	io->pending[io->n_pending++] = (struct io_pending){
		.peer = *peer,
		.ticket = command.ticket,
		.deadline_ns = io->now_ns + REPLY_PATIENCE_NS,
	};
}

/* A reason names the first camera or arm it is about. Those that any of them can give get a line for each. */
static bool also_about(const struct io *io, uint32_t reason, uint32_t subject)
{
	const struct inputs *in = &io->inputs;

	switch (reason) {
	case REASON_CAMERA_ABSENT:
		return subject < io->setup->n_cameras && !in->camera[subject].present;
	case REASON_CAMERA_FROZEN:
		return subject < io->setup->n_cameras && in->camera[subject].frozen;
	case REASON_STATE_ABSENT:
		return subject < io->setup->n_arms && !in->arm[subject].present;
	case REASON_ARM_DETACHED:
		return subject < io->setup->n_arms && in->arm[subject].present && !in->arm[subject].attached;
	default:
		return false;
	}
}

/* Appends a line; returns the new length of the text. */
static size_t add_line(const struct io *io, uint32_t reason, uint32_t subject, char *text, size_t n, size_t capacity)
{
	if (n + 2 > capacity)
		return n;
	if (n > 0)
		text[n++] = '\n';
	reason_sentence(io->setup, &(struct reason_case){ reason, subject, io->report.about_value[reason], io->report.about_limit[reason],
			io_told_cause(io, reason, subject) }, text + n, capacity - n);
	return n + strlen(text + n);
}

/* One line for each thing that stands in the way. */
static void answer_refused(struct io *io, const struct endpoint_peer *peer, const struct control_answer *answer)
{
	char text[REPLY_ERROR_BYTES - 64] = "refused";
	size_t n = 0;

	for (uint32_t r = 0; r < REASON_COUNT; r++) {
		uint32_t first = io->report.about_subject[r];

		if (!(answer->missing & REASON_BIT(r)))
			continue;
		if (r == REASON_WRONG_MODE && n + 64 < sizeof text)
			n += (size_t)snprintf(text + n, sizeof text - n, "the mode is %s", mode_name(answer->mode));
		n = add_line(io, r, first, text, n, sizeof text);
		for (uint32_t i = 0; i < ARMS_MAX || i < CAMERAS_MAX; i++)
			if (i != first && also_about(io, r, i))
				n = add_line(io, r, i, text, n, sizeof text);
	}
	send_error(io, peer, text, NULL);
}

/* True when the request was answered. */
static bool answer_pending(struct io *io, const struct io_pending *p)
{
	const struct control_answer *answer = &io->report.recent[p->ticket % ANSWERS_RECENT];

	if (answer->ticket == p->ticket && answer->ok) {
		send_mode(io, &p->peer, answer->mode);
		return true;
	}
	if (answer->ticket == p->ticket) {
		answer_refused(io, &p->peer, answer);
		return true;
	}
	if (io->now_ns <= p->deadline_ns)
		return false;
	send_error(io, &p->peer, "the control thread did not answer within 90 ms", stuck_hint);
	return true;
}

void io_control_answer(struct io *io)
{
	for (uint32_t i = 0; i < io->n_pending;) {
		if (answer_pending(io, &io->pending[i]))
			drop_pending(io, i);
		else
			i++;
	}
	answer_record(io);
}

/* ---- one function per request ---- */

static int handle_status(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct map_builder b;
	size_t n;
	int rc;

	(void)q;
	io_status_fill(io);
	if ((rc = message_status_encode(&io->status_message, bytes, sizeof bytes, &n, e)) < 0)
		return rc;
	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_topic(&b, bytes, n);
	send_reply(io, peer, &b);
	return 0;
}

static int handle_ping(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct map_builder b;
	int64_t t_ns;
	int rc = request_i64(q, "t_ns", &t_ns, e);

	if (rc < 0)
		return rc;
	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_i64(&b, "t_ns", t_ns);
	map_add_i64(&b, "recv_ns", io_to_wire_ns(io, io->now_ns));
	map_add_i64(&b, "send_ns", io_to_wire_ns(io, clock_monotonic_ns()));
	send_reply(io, peer, &b);
	return 0;
}

static int handle_mode(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	static const struct {
		const char *name;
		enum command_kind kind;
	} modes[] = { { "auto", COMMAND_MODE_AUTO }, { "hold", COMMAND_MODE_HOLD }, { "shadow", COMMAND_MODE_SHADOW } };
	const char *mode;
	int rc = request_text(q, "mode", &mode, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(mode, modes[i].name) != 0)
			continue;
		wait_for_control(io, peer, (struct command){ .kind = modes[i].kind, .arm = ALL_ARMS });
		return 0;
	}
	return fail(e, -EINVAL, "mode: \"%.40s\": want auto, hold or shadow", mode);
}

static int handle_instruction(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	const char *text;
	int rc = request_text(q, "text", &text, e);

	if (rc < 0)
		return rc;
	if (text[0] == '\0' || strlen(text) >= INSTRUCTION_BYTES)
		return fail(e, -EINVAL, "text: has %zu bytes: want 1 to %d", strlen(text), INSTRUCTION_BYTES - 1);
	if ((rc = policy_check_instruction(text, e)) < 0)
		return rc;
	io_instruction_set(io, text);
	send_mode(io, peer, io->report.mode);
	return 0;
}

/* Who looks for why an arm stood still, or was let go again, finds it in the log whatever the mode was. Once a second at most, for a
 * peer that asks all the time. */
static void log_operator(const struct io *io, const char *what, int64_t *logged_ns)
{
	if (*logged_ns != 0 && io->now_ns - *logged_ns < NS_PER_S)
		return;
	*logged_ns = io->now_ns;
	log_line(LOG_LEVEL_INFO, "control: an operator's %s in %s", what, mode_name(io->report.mode));
}

/* Never refused for want of room: if too many requests wait already, it is carried out and answered at once. Otherwise `ok`
 * means that the control thread has it. */
static int handle_stop(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct command stop = { .kind = COMMAND_STOP, .arm = ALL_ARMS };

	(void)q;
	(void)e;
	log_operator(io, "stop", &io->stop_logged_ns);
	if (io->n_pending < IO_PENDING_MAX)
		wait_for_control(io, peer, stop);
	else if (io_command(io, stop))
		send_mode(io, peer, io->report.mode);
	else
		send_error(io, peer, stuck, stuck_hint);
	return 0;
}

static int handle_reset(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	(void)q;
	(void)e;
	log_operator(io, "reset", &io->reset_logged_ns);
	wait_for_control(io, peer, (struct command){ .kind = COMMAND_RESET, .arm = ALL_ARMS });
	return 0;
}

static int handle_speed(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct command command = { .kind = COMMAND_SPEED, .arm = ALL_ARMS };
	int rc = request_number(q, "scale", 0.05, 1.0, &command.value, e);

	if (rc < 0)
		return rc;
	wait_for_control(io, peer, command);
	return 0;
}

/* `optional`: absent means all arms. */
static int take_arm(const struct io *io, const struct request *q, bool optional, uint32_t *arm, struct errbuf *e)
{
	const char *name;
	int rc;

	*arm = io->setup->n_arms == 1 ? 0 : ALL_ARMS;
	if (!request_has(q, "arm") && (optional || io->setup->n_arms == 1))
		return 0;
	if ((rc = request_text(q, "arm", &name, e)) < 0)
		return rc;
	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		if (strcmp(io->setup->arm[i].name, name) == 0) {
			*arm = i;
			return 0;
		}
	}
	return fail(e, -EINVAL, "arm: \"%.40s\": want one of robots[].name, the first is \"%s\"", name, io->setup->arm[0].name);
}

static int handle_home(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct command command = { .kind = COMMAND_HOME };
	int rc = take_arm(io, q, true, &command.arm, e);

	if (rc < 0)
		return rc;
	wait_for_control(io, peer, command);
	return 0;
}

static int check_jog(const double delta[6], struct errbuf *e)
{
	double way = sqrt(delta[0] * delta[0] + delta[1] * delta[1] + delta[2] * delta[2]);
	double turn = sqrt(delta[3] * delta[3] + delta[4] * delta[4] + delta[5] * delta[5]);

	if (!(way <= JOG_MAX_M) || !(turn <= JOG_MAX_RAD))
		return fail(e, -EINVAL, "delta: %g m and %g rad: want at most %g m and %g rad", way, turn, JOG_MAX_M, JOG_MAX_RAD);
	return 0;
}

static int handle_jog(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct command command = { .kind = COMMAND_JOG };
	double delta[6];
	int rc = take_arm(io, q, false, &command.arm, e);

	if (rc < 0 || (rc = request_numbers(q, "delta", 6, delta, e)) < 0 || (rc = check_jog(delta, e)) < 0)
		return rc;
	memcpy(command.delta.v_m_s, delta, sizeof command.delta.v_m_s);
	memcpy(command.delta.w_rad_s, delta + 3, sizeof command.delta.w_rad_s);
	wait_for_control(io, peer, command);
	return 0;
}

static void send_record(struct io *io, const struct endpoint_peer *peer)
{
	struct map_builder b;

	reply_ok(&b, io->reply, sizeof io->reply);
	map_add_text(&b, "mode", mode_name(io->report.mode));
	map_add_text(&b, "file", io->record.file);
	send_reply(io, peer, &b);
}

static int handle_record(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	const char *action, *label = "";
	int rc = request_text(q, "action", &action, e);

	if (rc < 0 || (request_has(q, "label") && (rc = request_text(q, "label", &label, e)) < 0))
		return rc;
	if (strcmp(action, "mark") == 0) {
		if ((rc = io_record_mark(io, label, e)) == 0)
			send_record(io, peer);
		return rc;
	}
	if (request_has(q, "label"))
		return fail(e, -EINVAL, "label: belongs to the action mark");
	if (strcmp(action, "start") == 0)
		return io_record_ask(io, peer, RECORD_START, e);
	if (strcmp(action, "stop") == 0)
		return io_record_ask(io, peer, RECORD_STOP, e);
	return fail(e, -EINVAL, "action: \"%.40s\": want start, stop or mark", action);
}

static void answer_record(struct io *io)
{
	struct io_pending *p = &io->record_pending;

	if (p->ticket == 0 || (io->record.ticket != p->ticket && io->now_ns <= p->deadline_ns))
		return;
	if (io->record.ticket != p->ticket)
		send_error(io, &p->peer, "the recorder did not answer within 90 ms: the disk is slow", "it goes on by itself; `status` shows how it stands");
	else if (io->record.ok)
		send_record(io, &p->peer);
	else
		send_error(io, &p->peer, io->record.answer, NULL);
	p->ticket = 0;
}

static void add_key(void *context, const char *key, const char *value)
{
	map_add_text(context, key, value);
}

static int handle_config(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e)
{
	struct map_builder b;

	(void)q;
	(void)e;
	reply_ok(&b, io->reply, sizeof io->reply);
	config_visit(io->config, add_key, &b);
	send_reply(io, peer, &b);
	return 0;
}

/* ---- the table ---- */

static const char *const no_keys[] = { NULL };
static const char *const ping_keys[] = { "t_ns", NULL };
static const char *const mode_keys[] = { "mode", NULL };
static const char *const instruction_keys[] = { "text", NULL };
static const char *const speed_keys[] = { "scale", NULL };
static const char *const home_keys[] = { "arm", NULL };
static const char *const record_keys[] = { "action", "label", NULL };
static const char *const jog_keys[] = { "arm", "delta", NULL };

/* A handler answers the peer itself and returns 0, or returns an error whose text the peer gets. */
static const struct {
	const char *name;
	const char *const *keys;
	int (*handle)(struct io *io, const struct request *q, const struct endpoint_peer *peer, struct errbuf *e);
} requests[] = {
	{ "status", no_keys, handle_status },
	{ "ping", ping_keys, handle_ping },
	{ "mode", mode_keys, handle_mode },
	{ "instruction", instruction_keys, handle_instruction },
	{ "stop", no_keys, handle_stop },
	{ "reset", no_keys, handle_reset },
	{ "speed", speed_keys, handle_speed },
	{ "home", home_keys, handle_home },
	{ "jog", jog_keys, handle_jog },
	{ "record", record_keys, handle_record },
	{ "config", no_keys, handle_config },
};

static int unknown_request(const char *name, struct errbuf *e)
{
	char known[256] = "";

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", requests[i].name);
	return fail(e, -EINVAL, "cmd: \"%.40s\" is not known: want one of %s", name, known);
}

static int handle(struct io *io, const struct endpoint_peer *peer, const uint8_t *body, size_t n, struct errbuf *e)
{
	struct request q;
	int rc = request_decode(&q, body, n, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (strcmp(request_command(&q), requests[i].name) != 0)
			continue;
		rc = request_check_keys(&q, requests[i].keys, e);
		return rc < 0 ? rc : requests[i].handle(io, &q, peer, e);
	}
	return unknown_request(request_command(&q), e);
}

void io_control_receive(struct io *io)
{
	struct endpoint_peer peer;
	const uint8_t *body;
	struct errbuf e;
	size_t n;

	for (int i = 0; i < IO_DRAIN_MAX && endpoint_receive_request(io->control, &peer, &body, &n, &e) > 0; i++) {
		io->now_ns = clock_monotonic_ns();
		io->counters.requests++;
		if (handle(io, &peer, body, n, &e) < 0)
			send_error(io, &peer, e.text, NULL);
		io_target_send(io);
	}
}
