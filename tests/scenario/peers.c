/* peers.c - everybody around dreamvlad and its arms: cameras, people's devices, an operator, and one who should not be there. */
#include <string.h>

#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/virtual.h"
#include "transport/message/request.h"

enum { SIDE = 16, PICTURE_BYTES = 3 * SIDE * SIDE };
static const int64_t DEVICE_PERIOD_NS = 20 * NS_PER_MS;

static int64_t wire_now_ns(const struct stand *s)
{
	return s->config.clock ? clock_realtime_ns() : clock_monotonic_ns();
}

void peers_init(struct stand *s)
{
	struct errbuf e;

	s->operator_from = virtual_random_u64() | 1;
	for (uint32_t i = 0; i < s->setup.n_cameras; i++)
		s->camera[i] = (struct stand_camera){ .from = virtual_random_u64() | 1, .on = true, .period_ns = 33 * NS_PER_MS,
			.next_ns = s->begin_ns + (int64_t)i * NS_PER_MS, .late_ns = 20 * NS_PER_MS };
	for (uint32_t i = 0; i < s->scenario->n_devices; i++)
		s->device[i] = (struct stand_device){ .from = virtual_random_u64() | 1 };
	if (endpoint_open(&s->operator_door, NULL, &(struct endpoint_options){ .type = ZMQ_DEALER, .address = s->config.sockets_control }, &e) < 0)
		stand_fail(s, "%s", e.text);
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		if (endpoint_open(&s->arm_door[i], NULL, &(struct endpoint_options){ .type = ZMQ_DEALER, .address = s->config.robot[i].control }, &e) < 0)
			stand_fail(s, "%s", e.text);
}

void peers_finish(struct stand *s)
{
	endpoint_close(s->operator_door);
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		endpoint_close(s->arm_door[i]);
}

/* ---- cameras ------------------------------------------------------------------------------------------------------- */

static void send_frame(struct stand *s, uint32_t i, uint64_t from, uint64_t seq)
{
	struct stand_camera *c = &s->camera[i];
	struct message_camera m = { { from, seq, wire_now_ns(s) - c->late_ns + c->shift_ns }, ENCODING_RGB8, SIDE, SIDE };
	uint8_t map[512], pixels[PICTURE_BYTES];
	char topic[NAME_BYTES + 8];
	struct errbuf e;
	size_t n;

	memset(pixels, c->pixel, sizeof pixels);
	snprintf(topic, sizeof topic, "camera/%s", s->setup.camera_name[i]);
	if (message_camera_encode(&m, map, sizeof map, &n, &e) < 0)
		stand_fail(s, "%s", e.text);
	else
		virtual_publish(s->config.sockets_cameras, topic, map, n, pixels, sizeof pixels);
}

static void step_camera(struct stand *s, uint32_t i)
{
	struct stand_camera *c = &s->camera[i];

	if (s->now_ns < c->next_ns)
		return;
	c->next_ns += c->period_ns;
	if (!c->on)
		return;
	if (!c->frozen)
		c->pixel++;
	send_frame(s, i, c->from, ++c->seq);
	if (c->second)
		send_frame(s, i, ~c->from, c->seq + 100000);
}

/* ---- devices ------------------------------------------------------------------------------------------------------- */

static void fill_teleop(const struct stand *s, const struct stand_device *d, struct message_teleop *m)
{
	if (d->has_arm)
		snprintf(m->arm, sizeof m->arm, "%s", s->setup.arm[d->arm].name);
	m->deadman = d->deadman;
	m->has_gripper = d->has_gripper;
	m->gripper_m = d->gripper_m;
	m->kind = d->follows ? TELEOP_JOINT : TELEOP_TWIST;
	m->n_values = d->follows ? s->setup.arm[d->arm].model.dof : 6;
	memcpy(m->value, d->twist, sizeof d->twist);
	for (uint32_t j = 0; j < m->n_values && d->follows; j++)
		m->value[j] = s->setup.arm[d->arm].home_rad[j] + d->offset_rad;
}

static void send_teleop(struct stand *s, uint32_t i, uint64_t from, uint64_t seq)
{
	const struct stand_device *d = &s->device[i];
	struct message_teleop m = { .head = { from, seq, wire_now_ns(s) + d->ahead_ns } };
	char topic[NAME_BYTES + 8];
	uint8_t map[1024];
	struct errbuf e;
	size_t n;

	fill_teleop(s, d, &m);
	snprintf(topic, sizeof topic, "teleop/%s", s->scenario->device[i]);
	if (message_teleop_encode(&m, map, sizeof map, &n, &e) < 0) {
		stand_fail(s, "%s", e.text);
		return;
	}
	if (d->garbage) /* bytes that are almost a message */
		for (int k = 0; k < 4; k++)
			map[virtual_random_u64() % n] = (uint8_t)virtual_random_u64();
	virtual_publish(s->config.sockets_operators, topic, map, n, NULL, 0);
}

static void step_device(struct stand *s, uint32_t i)
{
	struct stand_device *d = &s->device[i];

	if (!d->on || s->now_ns < d->next_ns)
		return;
	d->next_ns = s->now_ns + DEVICE_PERIOD_NS;
	send_teleop(s, i, d->from, ++d->seq);
	if (d->second)
		send_teleop(s, i, ~d->from, d->seq + 100000);
}

/* ---- the operator -------------------------------------------------------------------------------------------------- */

static void send_request(struct stand *s, struct endpoint *door, struct map_builder *b, const uint8_t *bytes)
{
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)"", bytes } };
	struct errbuf e;

	if (map_finish(b, &m.bytes[1], &e) < 0)
		stand_fail(s, "%s", e.text);
	else
		(void)!endpoint_send(door, &m); /* nobody there: no reply */
}

void peers_ask(struct stand *s, struct endpoint *door, const char *command, const char *key, const char *text, double number)
{
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct map_builder b;

	request_begin(&b, bytes, sizeof bytes, command);
	if (key && text)
		map_add_text(&b, key, text);
	else if (key)
		map_add_real(&b, key, number);
	send_request(s, door, &b, bytes);
}

void peers_ask_jog(struct stand *s, const double delta[6])
{
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct map_builder b;

	request_begin(&b, bytes, sizeof bytes, "jog");
	map_add_text(&b, "arm", s->setup.arm[0].name);
	map_add_reals(&b, "delta", delta, 6);
	send_request(s, s->operator_door, &b, bytes);
}

/* Another dreamvlad takes the arm. */
void peers_ask_attach(struct stand *s, uint32_t arm)
{
	const struct arm_setup *a = &s->setup.arm[arm];
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct map_builder b;
	double tcp[7];

	memcpy(tcp, a->tcp.p_m, sizeof a->tcp.p_m);
	memcpy(tcp + 3, a->tcp.q_xyzw, sizeof a->tcp.q_xyzw);
	request_begin(&b, bytes, sizeof bytes, "attach");
	map_add_u64(&b, "from", 12345);
	map_add_text(&b, "model", a->model.name);
	map_add_u64(&b, "dof", a->model.dof);
	map_add_reals(&b, "tcp", tcp, 7);
	map_add_bool(&b, "takeover", true);
	send_request(s, s->arm_door[arm], &b, bytes);
}

void peers_instruct(struct stand *s, const char *text)
{
	struct message_instruction m = { .head = { s->operator_from, ++s->operator_seq, wire_now_ns(s) } };
	uint8_t map[2048];
	struct errbuf e;
	size_t n;

	snprintf(m.text, sizeof m.text, "%s", text);
	if (message_instruction_encode(&m, map, sizeof map, &n, &e) < 0)
		stand_fail(s, "%s", e.text);
	else
		virtual_publish(s->config.sockets_operators, "instruction", map, n, NULL, 0);
}

static void take_replies(struct stand *s, struct endpoint *door)
{
	struct endpoint_message m;
	struct reply r;
	struct errbuf e;

	while (endpoint_receive(door, &m, &e) > 0) {
		s->replies++;
		s->reply_ok = reply_decode(&r, m.part[m.n_parts - 1], m.bytes[m.n_parts - 1], &e) == 0 && r.ok;
		snprintf(s->reply, sizeof s->reply, "%.250s", s->reply_ok ? "ok" : r.error);
		if (s->trace)
			fprintf(s->out, "%9.4f reply: %s\n", (double)(clock_monotonic_ns() - s->begin_ns) * 1e-9, s->reply);
	}
}

/* Somebody else's targets, well formed, for every arm. */
static void send_rogue(struct stand *s)
{
	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		struct message_target m = { .head = { 12345, ++s->rogue_seq, wire_now_ns(s) }, .dof = s->setup.arm[i].model.dof };
		uint8_t map[2048];
		char topic[NAME_BYTES + 8];
		struct errbuf e;
		size_t n;

		m.target = (struct driver_target){ .t_ns = wire_now_ns(s) + 10 * NS_PER_MS, .valid_for_ns = 20 * NS_PER_MS };
		memcpy(m.target.q_rad, s->setup.arm[i].home_rad, sizeof m.target.q_rad);
		m.target.q_rad[0] += 0.3;
		snprintf(topic, sizeof topic, "target/%s", s->setup.arm[i].name);
		if (message_target_encode(&m, map, sizeof map, &n, &e) == 0)
			virtual_publish(s->config.sockets_targets, topic, map, n, NULL, 0);
	}
}

void peers_step(struct stand *s)
{
	for (uint32_t i = 0; i < s->setup.n_cameras; i++)
		step_camera(s, i);
	for (uint32_t i = 0; i < s->scenario->n_devices; i++)
		step_device(s, i);
	if (s->rogue && s->now_ns % (5 * NS_PER_MS) == 0)
		send_rogue(s);
	take_replies(s, s->operator_door);
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		take_replies(s, s->arm_door[i]);
}
