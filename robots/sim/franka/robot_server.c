/* robot_server.c - see robot_server.h. */
#include "robots/sim/franka/robot_server.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sys/log.h"

static const uint32_t silence_max_ms = 5000;
enum { REQUESTS_MAX = 16, DATAGRAMS_MAX = 64 }; /* a millisecond; the rest waits */

int robot_server_open(struct robot_server *s, const char *address, uint32_t version, const double *q_rad, struct errbuf *e)
{
	memset(s, 0, sizeof *s);
	s->version = version;
	franka_robot_init(&s->robot, q_rad);
	return client_open(&s->client, address, FCI_ROBOT_PORT, e);
}

void robot_server_close(struct robot_server *s)
{
	client_close(&s->client);
}

/* ---- the client comes and goes --------------------------------------------------------------------------------------------- */

static void gone(struct robot_server *s, const char *why)
{
	log_line(LOG_LEVEL_INFO, "sim: franka: client gone (%s); %llu motions, %llu commands, %llu missed (longest row %u), %llu late", why,
			(unsigned long long)s->robot.counters.motions, (unsigned long long)s->robot.counters.commands,
			(unsigned long long)s->robot.counters.missed, s->robot.counters.longest_row,
			(unsigned long long)s->robot.counters.late);
	client_drop(&s->client);
	franka_robot_leave(&s->robot);
	s->connected = s->moving = false;
	s->n_delayed = s->n_underway = 0;
}

static void gone_for(struct robot_server *s, const char *what)
{
	s->malformed++;
	gone(s, what);
}

void robot_server_drop(struct robot_server *s)
{
	if (client_here(&s->client))
		gone(s, "cut on purpose");
}

static void watch_silence(struct robot_server *s)
{
	if (!client_here(&s->client) || s->connected)
		s->silent_ms = 0;
	else if (++s->silent_ms > silence_max_ms)
		gone_for(s, "it has not said Connect for 5 s");
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

static bool answer(struct robot_server *s, uint32_t number, uint32_t id, const void *payload, size_t n)
{
	struct fci_header h = { number, id, (uint32_t)(FCI_HEADER_BYTES + n) };

	fci_put_header(&h, s->answer);
	if (payload)
		memcpy(s->answer + FCI_HEADER_BYTES, payload, n);
	return client_send(&s->client, s->answer, FCI_HEADER_BYTES + n);
}

static bool answer_status(struct robot_server *s, const struct fci_header *h, enum fci_command c, enum fci_status status)
{
	int number = fci_status_number(s->robot.version, c, status);
	uint8_t byte = (uint8_t)(number >= 0 ? number : 1);

	return answer(s, h->command, h->id, &byte, 1);
}

static bool connect_client(struct robot_server *s, const struct fci_header *h, const uint8_t *payload)
{
	struct fci_connect wish;

	memcpy(&wish, payload, sizeof wish);
	uint32_t version = s->version ? s->version : wish.version;
	bool good = wish.version == version && fci_version_known(version) && wish.udp_port != 0;
	struct fci_connected reply = { good ? 0 : 1, (uint16_t)(fci_version_known(version) ? version : FCI_VERSION_MAX) };
	struct errbuf e;

	if (good && client_states_to(&s->client, wish.udp_port, &e) < 0) {
		log_line(LOG_LEVEL_WARNING, "%s", e.text);
		return false;
	}
	if (!answer(s, h->command, h->id, &reply, sizeof reply))
		return false;
	if (!good) {
		log_line(LOG_LEVEL_INFO, "sim: franka: a client of protocol %u was refused; this robot speaks %u", wish.version, reply.version);
		return true;
	}
	s->connected = true;
	s->robot.counters = (struct franka_counters){ 0 };
	franka_robot_connect(&s->robot, version);
	log_line(LOG_LEVEL_INFO, "sim: franka: a client of protocol %u", version);
	return true;
}

_Static_assert(FCI_STATUS_BYTES + FRANKA_URDF_BYTES_MAX <= sizeof ((struct robot_server *)0)->answer, "an answer holds the URDF");
_Static_assert(FCI_STATUS_BYTES + FRANKA_LIBRARY_BYTES_MAX <= sizeof ((struct robot_server *)0)->answer, "an answer holds the library");

/* Behind the header: status, then the bytes. */
static bool answer_model(struct robot_server *s, const struct fci_header *h, const void *bytes, size_t n)
{
	s->answer[FCI_HEADER_BYTES] = 0;
	memcpy(s->answer + FCI_STATUS_BYTES, bytes, n);
	return answer(s, h->command, h->id, NULL, n + 1);
}

static bool send_library(struct robot_server *s, const struct fci_header *h, const uint8_t *payload)
{
#ifdef __x86_64__
	enum { ARCHITECTURE = 0 };
#else
	enum { ARCHITECTURE = 3 }; /* ARM64 */
#endif
	struct fci_model_request wish;
	size_t n;
	const uint8_t *library = franka_library(s->robot.version, &n);

	memcpy(&wish, payload, sizeof wish);
	if (wish.architecture != ARCHITECTURE || wish.system != 0)
		return answer_status(s, h, FCI_LOAD_MODEL_LIBRARY, FCI_STATUS_NOT_POSSIBLE);
	return answer_model(s, h, library, n);
}

static bool send_urdf(struct robot_server *s, const struct fci_header *h)
{
	size_t n = franka_urdf(&franka_dynamics_fr3, franka_limits_of(s->robot.version)->model, s->urdf);

	return answer_model(s, h, s->urdf, n);
}

static bool send_limit(struct robot_server *s, const struct fci_header *h)
{
	struct fci_cartesian_limit none = { 0 };

	return answer(s, h->command, h->id, &none, sizeof none);
}

/* The second response of a motion that has ended. false: connection lost. */
static bool tell_end(struct robot_server *s)
{
	struct fci_header h = { (uint32_t)fci_command_number(s->robot.version, FCI_MOVE), s->move_id, 0 };
	enum fci_status status;

	if (!franka_robot_take_end(&s->robot, &status) || !s->moving)
		return true;
	s->moving = false;
	if (status != FCI_STATUS_SUCCESS)
		log_line(LOG_LEVEL_INFO, "sim: franka: motion %s", fci_status_text(status));
	return answer_status(s, &h, FCI_MOVE, status);
}

static bool ask_robot(struct robot_server *s, const struct fci_header *h, enum fci_command c, const uint8_t *payload)
{
	enum fci_status status = franka_robot_request(&s->robot, c, payload);

	/* The request before this one, or this one, may have ended a motion: its response must not be taken for the next motion's. */
	if (status == FCI_STATUS_MOTION_STARTED && !tell_end(s))
		return false;
	if (status == FCI_STATUS_MOTION_STARTED) {
		s->moving = true;
		s->move_id = h->id;
	}
	return answer_status(s, h, c, status) && tell_end(s);
}

static bool obey(struct robot_server *s, const struct fci_header *h, enum fci_command c, const uint8_t *payload)
{
	switch (c) {
	case FCI_CONNECT: return connect_client(s, h, payload);
	case FCI_LOAD_MODEL_LIBRARY: return send_library(s, h, payload);
	case FCI_GET_ROBOT_MODEL: return send_urdf(s, h);
	case FCI_GET_CARTESIAN_LIMIT: return send_limit(s, h);
	default: return ask_robot(s, h, c, payload);
	}
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------- */

/* One request of the front. false: there is none whole, or the client is gone. */
static bool take_request(struct robot_server *s)
{
	struct client *c = &s->client;
	struct fci_header h;

	if (c->n_in < FCI_HEADER_BYTES || !client_has_room(c, sizeof s->answer))
		return false;
	fci_get_header(&h, c->in);
	int command = s->connected ? fci_command_find(s->robot.version, h.command) : h.command == 0 ? FCI_CONNECT : -1;

	if (h.size < FCI_HEADER_BYTES || h.size > FCI_REQUEST_BYTES_MAX || (!s->connected && command < 0) || (s->connected && command == FCI_CONNECT) ||
			(command >= 0 && h.size != fci_request_bytes(s->robot.version, (enum fci_command)command))) {
		gone_for(s, "it sent a request out of order or of a wrong size");
		return false;
	}
	if (c->n_in < h.size)
		return false;
	const uint8_t refused = 1;
	bool here = command >= 0 ? obey(s, &h, (enum fci_command)command, c->in + FCI_HEADER_BYTES)
				 : answer(s, h.command, h.id, &refused, 1);

	if (here)
		client_consume(c, h.size);
	else
		gone(s, "connection lost");
	return here;
}

static void take_requests(struct robot_server *s)
{
	/* First whether the present one has gone: the next may be at the door already. */
	if (client_here(&s->client) && (!client_receive(&s->client) || !client_flush(&s->client)))
		gone(s, "connection closed");
	if (client_accept(&s->client))
		s->silent_ms = 0;
	if (!client_here(&s->client))
		return;
	for (int i = 0; i < REQUESTS_MAX && take_request(s); i++)
		;
}

/* ---- commands ---------------------------------------------------------------------------------------------------------------- */

/* On its way to the robot for so long; what is too much gets lost, as on any network. */
static void send_on(struct robot_server *s, const struct fci_motion *m, uint32_t delay_ms)
{
	if (s->n_underway < COMMANDS_UNDERWAY_MAX)
		s->underway[s->n_underway++] = (struct command_underway){ s->now_ms + delay_ms, *m };
}

static void take_command(struct robot_server *s, const struct fci_motion *m)
{
	struct stream_faults *f = &s->faults.commands;

	if (f->drop > 0) {
		f->drop--;
		return;
	}
	send_on(s, m, f->delay_ms);
	if (f->duplicate > 0) {
		f->duplicate--;
		send_on(s, m, f->delay_ms + 1); /* an echo is later than what it echoes */
	}
}

static void deliver(struct robot_server *s)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n_underway; i++) {
		if (s->underway[i].due_ms <= s->now_ms)
			franka_robot_offer(&s->robot, &s->underway[i].command);
		else
			s->underway[kept++] = s->underway[i];
	}
	s->n_underway = kept;
}

static void take_commands(struct robot_server *s)
{
	uint8_t bytes[CLIENT_DATAGRAM_BYTES_MAX];
	struct fci_motion m;
	size_t n;

	for (int i = 0; i < DATAGRAMS_MAX && client_receive_datagram(&s->client, bytes, sizeof bytes, &n); i++) {
		if (fci_get_motion(s->robot.version, bytes, n, &m))
			take_command(s, &m);
		else
			s->malformed++;
	}
	deliver(s);
}

/* ---- states ------------------------------------------------------------------------------------------------------------------ */

/* Through the queue of delayed ones, when states are late. */
static const uint8_t *delayed(struct robot_server *s, const uint8_t *bytes, size_t n)
{
	uint32_t at = s->delayed_next, delay_ms = s->faults.states.delay_ms;

	memcpy(s->delayed[at], bytes, n);
	s->delayed_next = (at + 1) % STATES_DELAYED_MAX;
	s->n_delayed += s->n_delayed < STATES_DELAYED_MAX;
	return s->n_delayed > delay_ms ? s->delayed[(at + STATES_DELAYED_MAX - delay_ms) % STATES_DELAYED_MAX] : NULL;
}

static void send_state(struct robot_server *s)
{
	uint8_t bytes[FCI_STATE_BYTES_MAX];
	size_t n = fci_state_bytes(s->robot.version);
	struct fci_state state;

	franka_robot_state(&s->robot, &state);
	fci_put_state(s->robot.version, &state, bytes);
	const uint8_t *out = delayed(s, bytes, n);
	struct stream_faults *f = &s->faults.states;

	if (s->faults.freeze_ms > 0) {
		s->faults.freeze_ms--;
	} else if (f->drop > 0) {
		f->drop--;
	} else if (out) {
		client_send_state(&s->client, out, n);
		if (f->duplicate > 0) {
			f->duplicate--;
			client_send_state(&s->client, out, n);
		}
	}
}

/* Milliseconds that could not be simulated. States say the time of the wall all the same, but not in the middle of a motion: its client
 * would take the leap for time in which the arm has moved. */
static void skip_time(struct robot_server *s, uint32_t lost_ms)
{
	s->lost_ms += lost_ms;
	if (s->robot.moving)
		return;
	s->robot.message_id += s->lost_ms;
	s->lost_ms = 0;
}

void robot_server_step(struct robot_server *s, uint32_t missed, uint32_t lost_ms)
{
	/* What is there answers the newest state, from before the missed milliseconds. */
	take_requests(s);
	take_commands(s);
	watch_silence(s);
	/* The client's time went on while the robot could not listen, so the robot goes on along its way. */
	for (uint32_t i = 0; i <= missed; i++)
		franka_robot_step(&s->robot);
	s->now_ms += missed + 1;
	skip_time(s, lost_ms);
	if (s->connected)
		send_state(s);
	if (!tell_end(s))
		gone(s, "connection lost");
}
