/* session.c - see session.h. */
#include "robots/franka/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/franka/settings.h"

/* libfranka gives a robot 1 s for a state and 1 s for an answer (0.15.0 and newer); here is a machine that may stand still for a while.
 * A recovery takes 0.4 to 16 s (franka_ros, issue 317). A network that is gone shows in the socket before an answer is overdue. */
static const int64_t patience_ns = 3 * NS_PER_S, request_ns = 8 * NS_PER_S, recovery_ns = 30 * NS_PER_S, partial_max_ns = 2 * NS_PER_S;
static const int64_t refused_again_ns = 1 * NS_PER_S, backoff_min_ns = 100 * NS_PER_MS, backoff_max_ns = 2 * NS_PER_S;
static const int64_t never = INT64_MAX;

/* Who speaks what; `first` is what its newest system speaks. */
static const struct generation {
	const char *model, *name;
	uint32_t min, first, max;
} generations[] = {
	{ "panda", "a Panda", 5, 5, 5 },
	{ "fr3", "an FR3 with a system before 5.9", 6, 9, 9 },
	{ "fr3_5.9", "an FR3 with system 5.9 or newer", 10, 10, 10 },
};
enum { GENERATIONS = sizeof generations / sizeof *generations };

/* ---- what is said ------------------------------------------------------------------------------------------------------------ */

/* Where they are too many, the newest are kept. */
PRINTF_LIKE(3, 4) static void note(struct franka_session *s, enum log_level level, const char *format, ...)
{
	va_list arguments;

	if (s->n_notes == FRANKA_SESSION_NOTES)
		memmove(s->note, s->note + 1, --s->n_notes * sizeof *s->note);
	struct franka_note *n = &s->note[s->n_notes++];

	n->level = level;
	va_start(arguments, format);
	vsnprintf(n->text, sizeof n->text, format, arguments);
	va_end(arguments);
}

/* An address that nobody has shows in more ways than one, in no order. */
static bool is_said(const struct franka_session *s, enum franka_trouble trouble, const char *found)
{
	return trouble == s->said_trouble && (trouble == FRANKA_TROUBLE_UNREACHABLE || strcmp(found, s->said) == 0);
}

/* What was found; whoever shows the trouble says what mends it. */
static void complain(struct franka_session *s, enum franka_trouble trouble, const char *found)
{
	s->trouble = trouble;
	if (is_said(s, trouble, found))
		return;
	s->said_trouble = trouble;
	snprintf(s->said, sizeof s->said, "%s", found);
	note(s, LOG_LEVEL_WARNING, "%s: %s", franka_trouble(trouble)->name, found);
}

/* ---- the connection's end ---------------------------------------------------------------------------------------------------- */

static void put_event(struct franka_session *s, const struct franka_event *e)
{
	s->event[s->n_events++] = *e;
}

static bool is_connected(const struct franka_session *s)
{
	return s->phase >= FRANKA_SESSION_LISTEN;
}

/* The next try comes later each time, unless the connection was a good one. */
static void leave(struct franka_session *s, int64_t now_ns)
{
	if (is_connected(s)) /* tell keeps the last place for it */
		put_event(s, &(struct franka_event){ .kind = FRANKA_EVENT_CLOSED, .generation = s->generation, .version = s->version,
				.peer = s->peer });
	if (s->phase == FRANKA_SESSION_OPEN && now_ns - s->opened_ns >= backoff_max_ns)
		s->backoff_ns = backoff_min_ns;
	s->phase = FRANKA_SESSION_WAIT;
	s->due_ns = now_ns + s->backoff_ns;
	s->backoff_ns = 2 * s->backoff_ns < backoff_max_ns ? 2 * s->backoff_ns : backoff_max_ns;
	memset(s->request, 0, sizeof s->request);
	s->n_in = s->n_out = 0;
}

PRINTF_LIKE(4, 5) static void give_up(struct franka_session *s, int64_t now_ns, enum franka_trouble trouble, const char *format, ...)
{
	char found[FRANKA_FOUND_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(found, sizeof found, format, arguments);
	va_end(arguments);
	complain(s, trouble, found);
	leave(s, now_ns);
}

static void tell(struct franka_session *s, enum franka_event_kind kind, enum fci_status status, int64_t now_ns)
{
	if (s->n_events == FRANKA_SESSION_EVENTS - 1) {
		give_up(s, now_ns, FRANKA_TROUBLE_CONNECTION_LOST, "%u events that nobody has taken", s->n_events);
		return;
	}
	put_event(s, &(struct franka_event){ .kind = kind, .generation = s->generation, .version = s->version, .peer = s->peer,
			.status = status });
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------- */

/* The last thing that its callers do: it may end the connection. */
static void request(struct franka_session *s, enum franka_session_slot slot, enum fci_command c, const uint8_t *payload, int64_t now_ns)
{
	int64_t patient_ns = c == FCI_CONNECT ? patience_ns : c == FCI_AUTOMATIC_ERROR_RECOVERY ? recovery_ns : request_ns;
	size_t n = fci_request_bytes(s->version, c);
	struct fci_header h = { (uint32_t)fci_command_number(s->version, c), s->next_id, (uint32_t)n };

	if (n > sizeof s->out - s->n_out) { /* of each kind one waits, so it has answered what was never sent */
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers before it is asked");
		return;
	}
	fci_put_header(&h, s->out + s->n_out);
	memcpy(s->out + s->n_out + FCI_HEADER_BYTES, payload, n - FCI_HEADER_BYTES);
	s->n_out += n;
	s->request[slot] = (struct franka_request){ true, c, s->next_id++, now_ns + patient_ns };
}

static void request_setting(struct franka_session *s, int64_t now_ns)
{
	uint8_t payload[FCI_REQUEST_BYTES_MAX];

	s->due_ns = never;
	franka_setting_put(s->setup, s->ne_t_ee, s->setting, payload);
	request(s, FRANKA_SLOT_SETUP, franka_setting_command(s->setting), payload, now_ns);
}

/* ---- responses --------------------------------------------------------------------------------------------------------------- */

static const struct generation *speaker_of(uint32_t version)
{
	const struct generation *g = generations;

	while (version > g->max)
		g++;
	return g;
}

static void take_refusal(struct franka_session *s, uint32_t version, int64_t now_ns)
{
	bool followed = s->followed;

	s->followed = false;
	if (followed || version == s->version) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it refuses protocol %u, which it says it speaks", s->version);
	} else if (!fci_version_known(version)) {
		give_up(s, now_ns, FRANKA_TROUBLE_VERSION_UNKNOWN, "it speaks protocol %u, this program %u to %u", version,
				FCI_VERSION_MIN, FCI_VERSION_MAX);
	} else if (version < s->version_min || version > s->version_max) {
		give_up(s, now_ns, FRANKA_TROUBLE_WRONG_MODEL, "it speaks protocol %u: it is %s, and robots[].model is %s", version,
				speaker_of(version)->name, s->setup->model);
	} else {
		s->version = version;
		s->followed = true;
		leave(s, now_ns);
		return;
	}
	s->version = s->version_first;
}

static void take_greeting(struct franka_session *s, const uint8_t *body, int64_t now_ns)
{
	struct fci_connected c;

	memcpy(&c, body, sizeof c);
	if (c.status == 1) {
		take_refusal(s, c.version, now_ns);
		return;
	}
	if (c.status != 0 || c.version != s->version) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers Connect in protocol %u with status %u and protocol %u",
				s->version, c.status, c.version);
		return;
	}
	s->followed = s->disordered = false;
	if (s->trouble < FRANKA_TROUBLE_NO_STATES)
		s->trouble = FRANKA_TROUBLE_CONNECTING;
	s->generation++;
	s->phase = FRANKA_SESSION_LISTEN;
	s->due_ns = now_ns + patience_ns;
	tell(s, FRANKA_EVENT_CONNECTED, FCI_STATUS_SUCCESS, now_ns);
}

static void open_up(struct franka_session *s, int64_t now_ns)
{
	s->phase = FRANKA_SESSION_OPEN;
	s->due_ns = never;
	s->opened_ns = now_ns;
	s->trouble = s->said_trouble = FRANKA_TROUBLE_NONE;
	s->refused = FCI_STATUS_SUCCESS;
	note(s, LOG_LEVEL_INFO, "connected: it speaks protocol %u and has taken its settings", s->version);
	tell(s, FRANKA_EVENT_OPENED, FCI_STATUS_SUCCESS, now_ns);
}

static void take_setting(struct franka_session *s, enum fci_status status, int64_t now_ns)
{
	char found[FRANKA_FOUND_BYTES];

	if (status != FCI_STATUS_SUCCESS) {
		snprintf(found, sizeof found, "%s (%s): %s", fci_command_name(franka_setting_command(s->setting)),
				franka_setting_source(s->setting), fci_status_text(status));
		complain(s, FRANKA_TROUBLE_SETTING_REFUSED, found);
		s->due_ns = now_ns + refused_again_ns;
		return;
	}
	if (++s->setting < FRANKA_SETTINGS)
		request_setting(s, now_ns);
	else
		open_up(s, now_ns);
}

/* Of a motion that began, each end is news; of one that was refused, another reason. */
static void note_end(struct franka_session *s, bool started, enum fci_status status)
{
	if (started && status != FCI_STATUS_SUCCESS && status != FCI_STATUS_PREEMPTED)
		note(s, LOG_LEVEL_WARNING, "motion ended: %s", fci_status_text(status));
	if (!started && status != s->refused)
		note(s, LOG_LEVEL_WARNING, "Move refused: %s", fci_status_text(status));
	s->refused = started ? FCI_STATUS_SUCCESS : status;
}

static void take_move(struct franka_session *s, enum fci_status status, int64_t now_ns)
{
	struct franka_request *r = &s->request[FRANKA_SLOT_MOVE];
	bool started = r->due_ns == never;

	if (started ? status == FCI_STATUS_MOTION_STARTED : status == FCI_STATUS_SUCCESS) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers a Move %s with \"%s\"",
				started ? "that has started" : "at first", fci_status_text(status));
		return;
	}
	if (status == FCI_STATUS_MOTION_STARTED) {
		r->waits = true;
		r->due_ns = never;
		tell(s, FRANKA_EVENT_MOVE_STARTED, status, now_ns);
		return;
	}
	note_end(s, started, status);
	tell(s, FRANKA_EVENT_MOVE_ENDED, status, now_ns);
}

static void take_status(struct franka_session *s, enum franka_session_slot slot, enum fci_status status, int64_t now_ns)
{
	switch (slot) {
	case FRANKA_SLOT_SETUP:
		take_setting(s, status, now_ns);
		return;
	case FRANKA_SLOT_MOVE:
		take_move(s, status, now_ns);
		return;
	case FRANKA_SLOT_LATE:
		note(s, LOG_LEVEL_INFO, "error recovery, answered late: %s", fci_status_text(status));
		return;
	case FRANKA_SLOT_RECOVER:
		note(s, status == FCI_STATUS_SUCCESS ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "error recovery: %s", fci_status_text(status));
		tell(s, FRANKA_EVENT_RECOVERED, status, now_ns);
		return;
	default:
		if (status != FCI_STATUS_SUCCESS)
			note(s, LOG_LEVEL_WARNING, "StopMove: %s", fci_status_text(status));
	}
}

/* body: behind the header, as long as the response to this request is at least. */
static void take_body(struct franka_session *s, enum franka_session_slot slot, const uint8_t *body, int64_t now_ns)
{
	struct franka_request *r = &s->request[slot];
	int status = r->command == FCI_CONNECT ? 0 : fci_status_find(s->version, r->command, body[0]);

	r->waits = false;
	if (status < 0)
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers %s with status %u", fci_command_name(r->command), body[0]);
	else if (r->command == FCI_CONNECT)
		take_greeting(s, body, now_ns);
	else
		take_status(s, slot, (enum fci_status)status, now_ns);
}

/* The request that a response belongs to; FRANKA_SLOTS: none. Of a response, the number of the command means nothing (libfranka does not
 * look at it). */
static uint32_t slot_of(const struct franka_session *s, uint32_t id)
{
	uint32_t slot = 0;

	while (slot < FRANKA_SLOTS && !(s->request[slot].waits && s->request[slot].id == id))
		slot++;
	return slot;
}

/* Judged by its header, before the rest has come. */
static bool is_sound(struct franka_session *s, const struct fci_header *h, uint32_t slot, int64_t now_ns)
{
	if (slot == FRANKA_SLOTS) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers request %u, which waits for no answer", h->id);
		return false;
	}
	enum fci_command c = s->request[slot].command;

	if (h->size < fci_response_bytes(s->version, c) || h->size > sizeof s->in) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it answers %s with %u bytes, want %zu", fci_command_name(c), h->size,
				fci_response_bytes(s->version, c));
		return false;
	}
	return true;
}

/* The response at the front. false: it is not whole, or the connection is over. */
static bool take_response(struct franka_session *s, int64_t now_ns)
{
	uint8_t body[sizeof(struct fci_connected)] = { 0 };
	struct fci_header h;

	if (s->n_in < FCI_HEADER_BYTES)
		return false;
	fci_get_header(&h, s->in);
	uint32_t slot = slot_of(s, h.id);

	if (!is_sound(s, &h, slot, now_ns) || s->n_in < h.size)
		return false;
	size_t n = h.size - FCI_HEADER_BYTES;

	memcpy(body, s->in + FCI_HEADER_BYTES, n < sizeof body ? n : sizeof body);
	s->n_in -= h.size;
	memmove(s->in, s->in + h.size, s->n_in);
	s->partial_ns = now_ns;
	take_body(s, (enum franka_session_slot)slot, body, now_ns);
	return true;
}

void franka_session_receive(struct franka_session *s, const uint8_t *bytes, size_t n, int64_t now_ns)
{
	while (n > 0 && s->phase >= FRANKA_SESSION_GREET) {
		size_t room = sizeof s->in - s->n_in, some = n < room ? n : room;

		if (s->n_in == 0)
			s->partial_ns = now_ns;
		memcpy(s->in + s->n_in, bytes, some);
		s->n_in += some;
		bytes += some;
		n -= some;
		while (take_response(s, now_ns))
			;
	}
}

void franka_session_sent(struct franka_session *s, size_t n)
{
	s->n_out -= n;
	memmove(s->out, s->out + n, s->n_out);
}

/* ---- asks -------------------------------------------------------------------------------------------------------------------- */

static bool is_due(const struct franka_session *s, enum franka_ask_kind kind)
{
	switch (kind) {
	case FRANKA_ASK_CONFIGURE: return s->phase == FRANKA_SESSION_LISTEN;
	case FRANKA_ASK_MOVE: return s->phase == FRANKA_SESSION_OPEN && !s->request[FRANKA_SLOT_MOVE].waits;
	case FRANKA_ASK_STOP_MOVE: return s->phase == FRANKA_SESSION_OPEN && !s->request[FRANKA_SLOT_STOP].waits;
	default: return true;
	}
}

static void configure(struct franka_session *s, const double *f_t_ne, int64_t now_ns)
{
	if (!franka_settings_frame(f_t_ne, &s->setup->tcp, s->ne_t_ee)) {
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "its states give no frame for its flange's end effector (F_T_NE)");
		return;
	}
	s->phase = FRANKA_SESSION_SET;
	s->setting = 0;
	request_setting(s, now_ns);
}

static void request_move(struct franka_session *s, int64_t now_ns)
{
	uint8_t payload[FCI_REQUEST_BYTES_MAX];

	franka_settings_put_move(s->setup, s->version, payload);
	request(s, FRANKA_SLOT_MOVE, FCI_MOVE, payload, now_ns);
}

static void obey(struct franka_session *s, const struct franka_ask *a, int64_t now_ns)
{
	static const uint8_t nothing[1];

	switch (a->kind) {
	case FRANKA_ASK_CONFIGURE:
		configure(s, a->f_t_ne, now_ns);
		return;
	case FRANKA_ASK_MOVE:
		request_move(s, now_ns);
		return;
	case FRANKA_ASK_STOP_MOVE:
		request(s, FRANKA_SLOT_STOP, FCI_STOP_MOVE, nothing, now_ns);
		return;
	case FRANKA_ASK_RECOVER:
		request(s, FRANKA_SLOT_RECOVER, FCI_AUTOMATIC_ERROR_RECOVERY, nothing, now_ns);
		return;
	default:
		give_up(s, now_ns, FRANKA_TROUBLE_NO_STATES, "its states have stopped, or what it was asked for does not show in them");
	}
}

void franka_session_ask(struct franka_session *s, const struct franka_ask *a, int64_t now_ns)
{
	if (!is_connected(s) || a->generation != s->generation)
		return;
	if (a->kind == FRANKA_ASK_RECOVER && s->request[FRANKA_SLOT_RECOVER].waits)
		return; /* a person who asks twice while it runs */
	if (is_due(s, a->kind)) {
		obey(s, a, now_ns);
		return;
	}
	if (!s->disordered)
		note(s, LOG_LEVEL_ERROR, "an ask out of order (kind %d, phase %d) is void", (int)a->kind, (int)s->phase);
	s->disordered = true;
}

/* ---- time -------------------------------------------------------------------------------------------------------------------- */

static void phase_is_over(struct franka_session *s, int64_t now_ns)
{
	switch (s->phase) {
	case FRANKA_SESSION_TRY:
		franka_session_lost(s, ETIMEDOUT, now_ns);
		return;
	case FRANKA_SESSION_LISTEN:
		give_up(s, now_ns, FRANKA_TROUBLE_NO_STATES, "none within %lld s of Connect", (long long)(patience_ns / NS_PER_S));
		return;
	case FRANKA_SESSION_SET:
		request_setting(s, now_ns);
		return;
	default:
		return; /* WAIT: franka_session_begin looks at it */
	}
}

/* A motion has begun since, so the robot has recovered: no reason to end the connection under it. */
static void forget_recovery(struct franka_session *s)
{
	s->request[FRANKA_SLOT_LATE] = s->request[FRANKA_SLOT_RECOVER];
	s->request[FRANKA_SLOT_LATE].due_ns = never;
	s->request[FRANKA_SLOT_RECOVER].waits = false;
	note(s, LOG_LEVEL_WARNING, "no answer to %s, and the robot moves again", fci_command_name(FCI_AUTOMATIC_ERROR_RECOVERY));
}

static void is_overdue(struct franka_session *s, enum franka_session_slot slot, int64_t now_ns)
{
	enum fci_command c = s->request[slot].command;

	if (slot == FRANKA_SLOT_RECOVER && s->request[FRANKA_SLOT_MOVE].waits)
		forget_recovery(s);
	else
		give_up(s, now_ns, c == FCI_CONNECT ? FRANKA_TROUBLE_OTHER_CLIENT : FRANKA_TROUBLE_CONNECTION_LOST, "no answer to %s",
				fci_command_name(c));
}

void franka_session_tick(struct franka_session *s, int64_t now_ns)
{
	if (now_ns >= s->due_ns)
		phase_is_over(s, now_ns);
	for (uint32_t slot = 0; slot < FRANKA_SLOTS; slot++)
		if (s->request[slot].waits && now_ns >= s->request[slot].due_ns)
			is_overdue(s, (enum franka_session_slot)slot, now_ns);
	if (s->n_in > 0 && now_ns - s->partial_ns >= partial_max_ns)
		give_up(s, now_ns, FRANKA_TROUBLE_PROTOCOL_ERROR, "it began an answer and does not end it");
}

int64_t franka_session_due_ns(const struct franka_session *s)
{
	int64_t due_ns = s->due_ns;

	for (uint32_t slot = 0; slot < FRANKA_SLOTS; slot++)
		if (s->request[slot].waits && s->request[slot].due_ns < due_ns)
			due_ns = s->request[slot].due_ns;
	if (s->n_in > 0 && s->partial_ns + partial_max_ns < due_ns)
		due_ns = s->partial_ns + partial_max_ns;
	return due_ns;
}

/* ---- the connection's beginning ---------------------------------------------------------------------------------------------- */

int franka_session_init(struct franka_session *s, const struct franka_setup *setup, uint16_t udp_port, struct errbuf *e)
{
	const struct generation *g = generations;

	while (g < generations + GENERATIONS && strcmp(g->model, setup->model) != 0)
		g++;
	if (g == generations + GENERATIONS)
		return fail(e, -EINVAL, "robots[].model: %s is no Franka; driver franka drives panda, fr3 and fr3_5.9", setup->model);
	memset(s, 0, sizeof *s);
	s->setup = setup;
	s->udp_port = udp_port;
	s->version_min = g->min;
	s->version_max = g->max;
	s->version = s->version_first = g->first;
	s->backoff_ns = backoff_min_ns;
	s->due_ns = INT64_MIN;
	s->trouble = FRANKA_TROUBLE_CONNECTING;
	return 0;
}

bool franka_session_begin(struct franka_session *s, int64_t now_ns)
{
	if (s->phase != FRANKA_SESSION_WAIT || now_ns < s->due_ns || s->n_events > 0)
		return false;
	s->phase = FRANKA_SESSION_TRY;
	s->due_ns = never; /* resolvers have limits of their own */
	return true;
}

void franka_session_unresolved(struct franka_session *s, const char *why, int64_t now_ns)
{
	give_up(s, now_ns, FRANKA_TROUBLE_NAME_UNKNOWN, "%s", why);
}

void franka_session_dial(struct franka_session *s, int64_t now_ns)
{
	s->due_ns = now_ns + patience_ns;
}

void franka_session_connected(struct franka_session *s, struct in_addr peer, int64_t now_ns)
{
	const struct fci_connect c = { (uint16_t)s->version, s->udp_port };
	uint8_t payload[sizeof c];

	memcpy(payload, &c, sizeof c);
	s->peer = peer;
	s->next_id = 0;
	s->phase = FRANKA_SESSION_GREET;
	s->due_ns = never;
	request(s, FRANKA_SLOT_SETUP, FCI_CONNECT, payload, now_ns);
}

/* By a word of the robot, and not of the network. */
static bool by_robot(int error)
{
	return error == 0 || error == ECONNRESET || error == EPIPE;
}

static enum franka_trouble trouble_of(enum franka_session_phase phase, int error)
{
	if (error == ECONNREFUSED)
		return FRANKA_TROUBLE_FCI_INACTIVE;
	if (!by_robot(error))
		return FRANKA_TROUBLE_UNREACHABLE;
	return phase < FRANKA_SESSION_LISTEN ? FRANKA_TROUBLE_OTHER_CLIENT : FRANKA_TROUBLE_CONNECTION_LOST;
}

void franka_session_lost(struct franka_session *s, int error, int64_t now_ns)
{
	if (s->phase == FRANKA_SESSION_WAIT)
		return;
	give_up(s, now_ns, trouble_of(s->phase, error), "%s: %s", is_connected(s) ? "connection" : "connecting",
			by_robot(error) ? "the robot closed it" : strerror(error));
}

bool franka_session_wants_socket(const struct franka_session *s)
{
	return s->phase != FRANKA_SESSION_WAIT;
}

/* ---- taking ------------------------------------------------------------------------------------------------------------------ */

bool franka_session_take_event(struct franka_session *s, struct franka_event *out)
{
	if (s->n_events == 0)
		return false;
	*out = s->event[0];
	memmove(s->event, s->event + 1, --s->n_events * sizeof *s->event);
	return true;
}

bool franka_session_take_note(struct franka_session *s, struct franka_note *out)
{
	if (s->n_notes == 0)
		return false;
	*out = s->note[0];
	memmove(s->note, s->note + 1, --s->n_notes * sizeof *s->note);
	return true;
}
