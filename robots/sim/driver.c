/* driver.c - `dreamvla-arm --driver sim`: the arm is the one in dreamvla-sim's world, reached over the world's socket.
 *
 * A thread of its own speaks ZeroMQ: it sends each command of the control thread (woken through an eventfd) and keeps the newest
 * state. A world that is silent for SILENT_NS is not connected. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/handover.h"
#include "daemon/sys/log.h"
#include "daemon/sys/rt.h"
#include "robots/driver.h"
#include "robots/sim/world_wire.h"
#include "transport/endpoint.h"

/* Longer than hosts let a virtual machine stand (100 ms); how old a state may be is judged by whoever uses it. */
static const int64_t SILENT_NS = 300 * NS_PER_MS;
static const int64_t GREETING_NS = 50 * NS_PER_MS;
enum { POLL_MS = 20, RECEIVE_MAX = 32 };

struct sim_driver {
	uint32_t dof;
	uint64_t from, seq;
	int64_t sent_ns;
	struct robot_sent sent;    /* link thread */
	struct endpoint *socket;
	int wake_fd;               /* control -> link: a command is there */
	struct latest command_box; /* control -> link */
	struct robot_command command[LATEST_SLOTS];
	struct latest state_box;   /* link -> control */
	struct robot_state state[LATEST_SLOTS];
	struct robot_state seen;   /* control thread: the newest */
	bool strange;              /* link thread: a message of another protocol was reported */
	pthread_t thread;
	bool started;
	_Atomic bool stop;
};

static int decode_state(const struct sim_driver *d, const struct endpoint_message *m, struct world_wire_state *s, struct errbuf *e)
{
	if (m->n_parts != 1)
		return fail(e, -EBADMSG, "world socket: a message in %u parts, want 1", m->n_parts);
	int rc = world_wire_get_state(s, m->part[0], m->bytes[0], e);
	if (rc == 0 && s->dof != d->dof)
		rc = fail(e, -EINVAL, "the sim world's arm has %u joints, robots[].model has %u: start dreamvla-sim with the same --model",
				s->dof, d->dof);
	return rc;
}

static void take_state(struct sim_driver *d, const struct endpoint_message *m)
{
	struct world_wire_state s;
	struct errbuf e;

	if (decode_state(d, m, &s, &e) < 0) {
		if (!d->strange)
			log_line(LOG_LEVEL_ERROR, "arm: sim: %s", e.text);
		d->strange = true;
		return;
	}
	struct robot_state *slot = &d->state[d->state_box.writing];
	*slot = (struct robot_state){ .mode = ARM_READY, .generation = s.from, .stamp_ns = s.stamp_ns,
		.engaged = true, .has_gripper = s.gripper_max_m > 0, .gripper_m = s.gripper_m, .sent = d->sent };
	memcpy(slot->q_rad, s.q_rad, sizeof slot->q_rad);
	memcpy(slot->dq_rad_s, s.dq_rad_s, sizeof slot->dq_rad_s);
	latest_publish(&d->state_box);
}

static void receive(struct sim_driver *d)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < RECEIVE_MAX; i++) {
		if (endpoint_receive(d->socket, &m, &e) <= 0)
			return;
		take_state(d, &m);
	}
}

static void send_command(struct sim_driver *d, const struct robot_command *c, int64_t now_ns)
{
	struct world_wire_command w = { .from = d->from, .seq = ++d->seq };
	uint8_t packet[WORLD_COMMAND_BYTES];

	if (c && c->hold) {
		w.dof = d->dof;
		w.has_gripper = c->has_gripper;
		w.gripper_m = c->has_gripper ? c->gripper_m : 0;
		memcpy(w.q_rad, c->q_rad, sizeof w.q_rad);
	}
	world_wire_put_command(&w, packet);
	/* A full queue means that the world stands still; its silence is noticed anyway. */
	if (endpoint_send(d->socket, &(struct endpoint_message){ 1, { packet }, { sizeof packet } }) == 0 && c)
		robot_sent_note(&d->sent, c->mark, clock_monotonic_ns());
	d->sent_ns = now_ns;
}

static void *run(void *argument)
{
	struct sim_driver *d = argument;

	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		zmq_pollitem_t item[2] = {
			{ .socket = endpoint_socket(d->socket), .events = ZMQ_POLLIN },
			{ .fd = d->wake_fd, .events = ZMQ_POLLIN },
		};

		zmq_poll(item, 2, POLL_MS);
		if (item[1].revents)
			eventfd_clear(d->wake_fd);
		int64_t now_ns = clock_monotonic_ns();
		if (latest_refresh(&d->command_box) && d->command[d->command_box.reading].hold)
			send_command(d, &d->command[d->command_box.reading], now_ns);
		else if (now_ns - d->sent_ns > GREETING_NS)
			send_command(d, NULL, now_ns);
		receive(d);
	}
	return NULL;
}

static void sim_destroy(void *driver)
{
	struct sim_driver *d = driver;

	if (!d)
		return;
	if (d->started) {
		atomic_store(&d->stop, true);
		pthread_join(d->thread, NULL);
	}
	endpoint_close(d->socket);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	free(d);
}

static int start(struct sim_driver *d, const struct robot_driver_options *o, struct errbuf *e)
{
	bool realtime;

	d->wake_fd = eventfd_open(e);
	if (d->wake_fd < 0)
		return d->wake_fd;
	int rc = endpoint_open(&d->socket, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_DEALER, .address = o->world,
			.high_water = 16, .max_message_bytes = WORLD_STATE_BYTES }, e);
	if (rc == 0)
		rc = rt_thread_start(&d->thread, &(struct rt_thread_options){ .name = "arm-world", .run = run, .argument = d,
				.wish = o->wish, .priority = o->priority, .cpu = -1 }, &realtime, e);
	d->started = rc == 0;
	return rc;
}

static int sim_create(void **out, const struct robot_driver_options *o, struct errbuf *e)
{
	struct sim_driver *d = calloc(1, sizeof *d);

	if (!d)
		return fail(e, -ENOMEM, "driver sim: out of memory");
	d->wake_fd = -1;
	d->dof = o->setup->model.dof;
	if (getrandom(&d->from, sizeof d->from, 0) != (ssize_t)sizeof d->from)
		d->from = (uint64_t)clock_monotonic_ns();
	latest_init(&d->command_box);
	latest_init(&d->state_box);
	int rc = start(d, o, e);
	if (rc < 0) {
		sim_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

static void sim_read(void *driver, int64_t now_ns, struct robot_state *out)
{
	struct sim_driver *d = driver;

	if (latest_refresh(&d->state_box))
		d->seen = d->state[d->state_box.reading];
	*out = d->seen;
	if (!d->seen.stamp_ns || now_ns - d->seen.stamp_ns > SILENT_NS)
		out->mode = ARM_DISCONNECTED;
}

static void sim_write(void *driver, const struct robot_command *c)
{
	struct sim_driver *d = driver;

	d->command[d->command_box.writing] = *c;
	latest_publish(&d->command_box);
	eventfd_signal(d->wake_fd);
}

extern const struct robot_driver robot_driver_sim;

const struct robot_driver robot_driver_sim = {
	.name = "sim",
	.needs = "dreamvla-sim at --world, with the same model; any robots[].model",
	.period_ns = NS_PER_MS,
	.has_brakes = true,
	.homes_gripper = false,
	.create = sim_create,
	.destroy = sim_destroy,
	.read = sim_read,
	.write = sim_write,
};
