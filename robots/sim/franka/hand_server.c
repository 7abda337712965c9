/* hand_server.c - see hand_server.h. */
#include "robots/sim/franka/hand_server.h"

#include <string.h>

#include "daemon/sys/log.h"

static const uint32_t silence_max_ms = 5000;
static const uint32_t state_period_ms = 20; /* 50 Hz; the real rate is not published */
enum { REQUESTS_MAX = 16, REQUEST_BYTES_MAX = 428 /* the largest of any service of the robot's */ };

int hand_server_open(struct hand_server *s, const char *address, double max_width_m, struct errbuf *e)
{
	memset(s, 0, sizeof *s);
	franka_hand_init(&s->hand, max_width_m);
	return client_open(&s->client, address, FCI_GRIPPER_PORT, e);
}

void hand_server_close(struct hand_server *s)
{
	client_close(&s->client);
}

void hand_server_drop(struct hand_server *s)
{
	enum fci_gripper_status ignored;

	client_drop(&s->client);
	franka_hand_start(&s->hand, FCI_GRIPPER_STOP, NULL, &ignored);
	s->connected = false;
	s->running = (struct fci_gripper_header){ 0 };
}

static bool send_answer(struct hand_server *s, const struct fci_gripper_header *to, const void *payload, size_t n)
{
	uint8_t bytes[FCI_GRIPPER_CONNECTED_BYTES];
	struct fci_gripper_header h = { to->command, to->id, (uint32_t)(FCI_GRIPPER_HEADER_BYTES + n) };

	memcpy(bytes, &h, sizeof h);
	memcpy(bytes + sizeof h, payload, n);
	return s->mute || client_send(&s->client, bytes, sizeof h + n);
}

static bool answer_status(struct hand_server *s, const struct fci_gripper_header *to, enum fci_gripper_status status)
{
	uint16_t number = (uint16_t)status;

	return send_answer(s, to, &number, sizeof number);
}

static bool connect_client(struct hand_server *s, const struct fci_gripper_header *h, const uint8_t *payload)
{
	struct fci_connect wish;

	memcpy(&wish, payload, sizeof wish);
	bool good = wish.version == FCI_GRIPPER_VERSION && wish.udp_port != 0;
	struct fci_gripper_connected reply = { good ? 0 : 1, FCI_GRIPPER_VERSION };

	struct errbuf e;

	if (good && client_states_to(&s->client, wish.udp_port, &e) < 0) {
		log_line(LOG_LEVEL_WARNING, "%s", e.text);
		return false;
	}
	s->connected = good;
	return send_answer(s, h, &reply, sizeof reply);
}

static bool obey(struct hand_server *s, const struct fci_gripper_header *h, const uint8_t *payload)
{
	enum fci_gripper_status status;

	if (h->command == FCI_GRIPPER_CONNECT)
		return connect_client(s, h, payload);
	if (fci_gripper_request_bytes(h->command) == 0) /* a client waits for ever on what is not answered */
		return answer_status(s, h, FCI_GRIPPER_FAIL);
	s->commands++;
	/* What runs is ended by anything new. */
	if (s->running.command != FCI_GRIPPER_CONNECT && !answer_status(s, &s->running, FCI_GRIPPER_ABORTED))
		return false;
	s->running = (struct fci_gripper_header){ 0 };
	if (!franka_hand_start(&s->hand, (enum fci_gripper_command)h->command, payload, &status))
		return answer_status(s, h, status);
	s->running = *h;
	return true;
}

/* In order, and as long as its command says; one that nobody knows is as long as it says itself. */
static bool in_order(const struct hand_server *s, const struct fci_gripper_header *h)
{
	size_t bytes = fci_gripper_request_bytes(h->command);

	if (s->connected != (h->command != FCI_GRIPPER_CONNECT) || h->size < sizeof *h || h->size > REQUEST_BYTES_MAX)
		return false;
	return bytes == 0 || h->size == bytes;
}

/* One request of the front. false: there is none whole, or the client is gone. */
static bool take_request(struct hand_server *s)
{
	struct client *c = &s->client;
	struct fci_gripper_header h;

	if (c->n_in < sizeof h || !client_has_room(c, 2 * FCI_GRIPPER_CONNECTED_BYTES))
		return false;
	memcpy(&h, c->in, sizeof h);
	if (!in_order(s, &h)) {
		s->malformed++;
		log_line(LOG_LEVEL_INFO, "sim: franka hand: client dropped: it sent a request out of order or of a wrong size");
		hand_server_drop(s);
		return false;
	}
	if (c->n_in < h.size)
		return false;
	if (!obey(s, &h, c->in + sizeof h)) {
		hand_server_drop(s);
		return false;
	}
	client_consume(c, h.size);
	return true;
}

static void take_requests(struct hand_server *s)
{
	/* First whether the present one has gone: the next may be at the door already. */
	if (client_here(&s->client) && (!client_receive(&s->client) || !client_flush(&s->client)))
		hand_server_drop(s);
	if (client_accept(&s->client))
		s->silent_ms = 0;
	if (!client_here(&s->client))
		return;
	for (int i = 0; i < REQUESTS_MAX && take_request(s); i++)
		;
	s->silent_ms = s->connected ? 0 : s->silent_ms + 1;
	if (s->silent_ms > silence_max_ms)
		hand_server_drop(s);
}

static void send_state(struct hand_server *s)
{
	const struct fci_gripper_state state = { s->hand.message_id, s->hand.width_m, s->hand.max_width_m, s->hand.is_grasped, 30 };
	uint8_t bytes[FCI_GRIPPER_STATE_BYTES];

	memcpy(bytes, &state, sizeof bytes);
	client_send_state(&s->client, bytes, sizeof bytes);
}

void hand_server_step(struct hand_server *s, double measured_m)
{
	enum fci_gripper_status status;

	take_requests(s);
	if (franka_hand_step(&s->hand, measured_m, &status) && s->running.command != FCI_GRIPPER_CONNECT) {
		struct fci_gripper_header done = s->running;

		s->running = (struct fci_gripper_header){ 0 };
		if (!answer_status(s, &done, status))
			hand_server_drop(s);
	}
	if (s->connected && ++s->state_ms >= state_period_ms) {
		s->state_ms = 0;
		send_state(s);
	}
}
