#include "robots/sim/world_server.h"

#include <string.h>
#include <sys/random.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "robots/sim/world_wire.h"

static const int64_t STEP_NS = NS_PER_MS;
static const int64_t PEER_SILENT_NS = 500 * NS_PER_MS;
enum { BATCH_MAX = 100, RECEIVE_MAX = 32 };

int world_server_init(struct world_server *s, const struct world_server_options *o, struct errbuf *e)
{
	memset(s, 0, sizeof *s);
	if (getrandom(&s->from, sizeof s->from, 0) != (ssize_t)sizeof s->from)
		s->from = (uint64_t)clock_monotonic_ns();
	world_init(&s->world, &(struct world_options){ .seed = o->seed, .model = o->model, .task = o->task, .pads = o->pads });
	latest_init(&s->snapshot_box);
	s->robot = o->robot;
	int rc = o->judge ? judge_open(&s->judge, o->judge, o->zmq_context, e) : 0;
	if (rc < 0 || s->robot.step)
		return rc;
	return endpoint_open(&s->socket, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true,
			.address = o->address, .high_water = 16, .max_message_bytes = WORLD_COMMAND_BYTES }, e);
}

void world_server_finish(struct world_server *s)
{
	judge_close(&s->judge);
	endpoint_close(s->socket);
	s->socket = NULL;
}

static void take_command(struct world_server *s, const struct endpoint_peer *from, const uint8_t *body, size_t n, int64_t now_ns)
{
	struct world_wire_command c;

	if (world_wire_get_command(&c, body, n, NULL) < 0) {
		atomic_fetch_add_explicit(&s->malformed, 1, memory_order_relaxed);
		return;
	}
	enum sequence_verdict verdict = sequence_check(&s->peer, c.from, c.seq, now_ns);
	if (verdict != SEQUENCE_NEW && verdict != SEQUENCE_RESTART)
		return;
	s->address = *from;
	if (c.dof != s->world.model->dof)
		return; /* a greeting */
	s->command_seq = c.seq;
	s->command = (struct world_command){ .valid = true, .has_gripper = c.has_gripper, .gripper_m = c.gripper_m };
	memcpy(s->command.q_rad, c.q_rad, sizeof s->command.q_rad);
}

static void receive(struct world_server *s, int64_t now_ns)
{
	struct endpoint_peer from;
	const uint8_t *body;
	struct errbuf e;
	size_t n;

	if (!s->socket)
		return;
	/* Bounded: a flood must not keep the world from stepping. */
	for (int i = 0; i < RECEIVE_MAX && endpoint_receive_request(s->socket, &from, &body, &n, &e) > 0; i++)
		take_command(s, &from, body, n, now_ns);
}

static void answer(struct world_server *s, int64_t now_ns)
{
	const struct world *w = &s->world;
	uint8_t packet[WORLD_STATE_BYTES];
	struct world_wire_state state = { .from = s->from, .seq = ++s->state_seq, .command_seq = s->command_seq, .stamp_ns = now_ns,
		.dof = w->model->dof, .gripper_m = w->gripper_m, .gripper_max_m = w->model->gripper_max_m };

	if (!s->peer.known || now_ns - s->peer.last_ns > PEER_SILENT_NS)
		return;
	memcpy(state.q_rad, w->q_rad, sizeof state.q_rad);
	memcpy(state.dq_rad_s, w->dq_rad_s, sizeof state.dq_rad_s);
	world_wire_put_state(&state, packet);
	/* A full queue means that the peer does not read: newest wins, it gets the next one. */
	(void)!endpoint_send_reply(s->socket, &s->address, packet, sizeof packet);
}

static void publish_snapshot(struct world_server *s, int64_t now_ns)
{
	struct world_snapshot *slot = &s->snapshot[s->snapshot_box.writing];

	slot->stamp_ns = now_ns;
	slot->world = s->world;
	latest_publish(&s->snapshot_box);
}

/* A robot of its own is asked once for all the steps that are due. */
static void move_robot(struct world_server *s, int64_t due_ns, int64_t now_ns)
{
	int64_t steps = (now_ns - due_ns) / STEP_NS + 1;

	if (s->robot.step && due_ns <= now_ns)
		s->robot.step(s->robot.self, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX, &s->world, &s->command);
}

/* Makes up for every step that is due at now_ns; returns when the next one is. */
static int64_t step_until(struct world_server *s, int64_t due_ns, int64_t now_ns)
{
	move_robot(s, due_ns, now_ns);
	for (int i = 0; i < BATCH_MAX && due_ns <= now_ns; i++, due_ns += STEP_NS) {
		world_step(&s->world, &s->command, STEP_NS);
		judge_look(&s->judge, &s->world);
		s->command.valid = s->robot.step != NULL; /* a placed arm stays where it is placed */
		atomic_fetch_add_explicit(&s->steps, 1, memory_order_relaxed);
	}
	if (due_ns <= now_ns) {
		int64_t behind = (now_ns - due_ns) / STEP_NS + 1;

		atomic_fetch_add_explicit(&s->given_up, (uint64_t)behind, memory_order_relaxed);
		due_ns += behind * STEP_NS;
	}
	return due_ns;
}

void *world_server_run(void *server)
{
	struct world_server *s = server;
	int64_t due_ns = clock_monotonic_ns() + STEP_NS;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		clock_sleep_until(due_ns);
		int64_t now_ns = clock_monotonic_ns();

		receive(s, now_ns);
		due_ns = step_until(s, due_ns, now_ns);
		publish_snapshot(s, now_ns);
		answer(s, now_ns);
		if (s->judge.socket)
			judge_answer(&s->judge, &s->world);
	}
	return NULL;
}
