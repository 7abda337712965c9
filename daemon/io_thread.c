/* io_thread.c - the io thread's life, its poll, and the order of work in one wake-up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "daemon/io.h"
#include "daemon/setup.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/log.h"

enum { POLL_TIMEOUT_MS = 10, POLL_MAX = 6 + ARMS_MAX };

/* Small messages: maps of a few hundred bytes; a frame's map and topic besides its bytes. */
enum { SMALL_MESSAGE_BYTES = 65536, STATUS_HIGH_WATER = 1000, CONTROL_HIGH_WATER = 64 };

#define PAUSE_NOTED_NS (200 * NS_PER_MS) /* a wake-up takes 10 ms at most, a busy machine some more */

/* ---- sockets ---- */

static int open_socket(struct endpoint **out, void *zmq_context, const struct config *c, int type, const char *address,
		struct endpoint_options special, struct errbuf *e)
{
	struct endpoint_options o = special;

	o.type = type;
	o.bind = true;
	o.address = address;
	o.max_message_bytes = special.max_message_bytes > 0 ? special.max_message_bytes : SMALL_MESSAGE_BYTES;
	o.insecure = c->sockets_insecure;
	o.curve_secret = c->sockets_curve_secret;
	o.curve_clients = c->sockets_curve_clients;
	return endpoint_open(out, zmq_context, &o, e);
}

static int open_bound(struct io *io, void *zmq, struct errbuf *e)
{
	const struct config *c = io->config;
	struct endpoint_options frames = { .max_message_bytes = io->frame_bytes_max, .subscribe = { "camera/" } };
	struct endpoint_options states = { .subscribe = { "state/" } };
	struct endpoint_options status = { .high_water = STATUS_HIGH_WATER };
	struct endpoint_options control = { .high_water = CONTROL_HIGH_WATER };
	struct endpoint_options none = { 0 };
	int rc;

	if ((rc = open_socket(&io->cameras, zmq, c, ZMQ_SUB, c->sockets_cameras, frames, e)) < 0)
		return rc;
	if ((rc = open_socket(&io->operators, zmq, c, ZMQ_SUB, c->sockets_operators, none, e)) < 0)
		return rc;
	if ((rc = open_socket(&io->states, zmq, c, ZMQ_SUB, c->sockets_states, states, e)) < 0)
		return rc;
	if ((rc = open_socket(&io->targets, zmq, c, ZMQ_PUB, c->sockets_targets, none, e)) < 0)
		return rc;
	if ((rc = open_socket(&io->status, zmq, c, ZMQ_PUB, c->sockets_status, status, e)) < 0)
		return rc;
	return open_socket(&io->control, zmq, c, ZMQ_ROUTER, c->sockets_control, control, e);
}

static int open_doors(struct io *io, void *zmq, struct errbuf *e)
{
	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		struct endpoint_options o = {
			.type = ZMQ_DEALER,
			.address = io->config->robot[i].control,
			.max_message_bytes = SMALL_MESSAGE_BYTES,
			.curve_secret = io->config->sockets_curve_secret,
		};
		int rc = endpoint_open(&io->arm[i].door, zmq, &o, e);

		if (rc < 0)
			return rc;
		io->arm[i].attach_wanted = true;
		io->arm[i].attach_asked_ns = INT64_MIN / 2;
	}
	return 0;
}

/* ---- life cycle ---- */

/* Address space only: pages come with the first frame that needs them. */
static int make_frame_buffers(struct io *io, struct errbuf *e)
{
	for (uint32_t i = 0; i < io->setup->n_cameras; i++) {
		void *room = mmap(NULL, FRAME_HISTORY * io->frame_bytes_max, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (room == MAP_FAILED)
			return fail(e, -ENOMEM, "frame buffers: %s (sockets.max_frame_kb: %d)", strerror(errno),
					io->config->sockets_max_frame_kb);
		for (uint32_t k = 0; k < FRAME_HISTORY; k++)
			io->camera[i].frame[k].bytes = (uint8_t *)room + k * io->frame_bytes_max;
		io->camera[i].config = setup_camera(io->config, i);
	}
	return 0;
}

static int draw_number(uint64_t *out, struct errbuf *e)
{
	do {
		if (getrandom(out, sizeof *out, 0) != (ssize_t)sizeof *out)
			return fail(e, -errno, "getrandom: %s", strerror(errno));
	} while (*out == 0); /* 0 means nobody in accepted_from */
	return 0;
}

int io_create(struct io **out, const struct config *c, const struct control_setup *setup, struct links *links,
		struct stats *stats, void *zmq_context, struct errbuf *e)
{
	struct io *io = calloc(1, sizeof *io);
	int rc;

	if (!io)
		return fail(e, -ENOMEM, "io: out of memory");
	io->config = c;
	io->setup = setup;
	io->links = links;
	io->stats = stats;
	io->inputs_changed = true; /* control leaves BOOT with the first inputs, be they empty, and a warm policy */
	io_teleop_init(io);
	io->frame_bytes_max = (uint64_t)c->sockets_max_frame_kb * 1024;
	if ((rc = draw_number(&io->from, e)) < 0)
		goto err;
	if ((rc = make_frame_buffers(io, e)) < 0)
		goto err;
	if ((rc = open_bound(io, zmq_context, e)) < 0 || (rc = open_doors(io, zmq_context, e)) < 0)
		goto err;
	*out = io;
	return 0;
err:
	io_destroy(io);
	return rc;
}

void io_destroy(struct io *io)
{
	if (!io)
		return;
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		endpoint_close(io->arm[i].door);
	endpoint_close(io->control);
	endpoint_close(io->status);
	endpoint_close(io->targets);
	endpoint_close(io->states);
	endpoint_close(io->operators);
	endpoint_close(io->cameras);
	for (uint32_t i = 0; i < CAMERAS_MAX; i++)
		if (io->camera[i].frame[0].bytes)
			munmap(io->camera[i].frame[0].bytes, FRAME_HISTORY * io->frame_bytes_max);
	free(io);
}

/* ---- one wake-up ---- */

static void read_links(struct io *io)
{
	struct links *l = io->links;

	if (latest_refresh(&l->report_box))
		io->report = l->report[l->report_box.reading];
	if (latest_refresh(&l->policy_io_box))
		io->policy = l->policy_io[l->policy_io_box.reading];
}

static void write_inputs(struct io *io)
{
	struct links *l = io->links;
	bool stepped = io->now_ns < io->clock_stepped_until_ns;

	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		stepped |= !io_attach_clock_good(io, i);
	if (stepped != io->inputs.clock_stepped || io->skewed != io->inputs.cameras_skewed)
		io->inputs_changed = true;
	if (!io->inputs_changed)
		return;
	io->inputs_changed = false;
	io->inputs.clock_stepped = stepped;
	io->inputs.cameras_skewed = io->skewed;
	io_camera_status(io);
	l->inputs[l->inputs_box.writing] = io->inputs;
	latest_publish(&l->inputs_box);
}

/* What main has asked for: the way out, one step at a time. */
static void step_phase(struct io *io)
{
	int wanted = atomic_load_explicit(&io->wanted_phase, memory_order_acquire);
	int phase = atomic_load_explicit(&io->phase, memory_order_relaxed);

	if (wanted == IO_STOPPING && phase == IO_RUNNING) {
		if (!io_command(io, (struct command){ .kind = COMMAND_SHUTDOWN, .arm = ALL_ARMS, .ticket = ++io->ticket }))
			log_line(LOG_LEVEL_ERROR, "stop: the control thread takes no commands any more");
		io->shutdown_ticket = io->ticket;
		phase = IO_STOPPING;
	} else if (phase == IO_STOPPING && io->report.standing
			&& io->report.recent[io->shutdown_ticket % ANSWERS_RECENT].ticket == io->shutdown_ticket) {
		phase = IO_STANDING;
	} else if (wanted == IO_DETACHING && phase != IO_DETACHED && io_attach_let_go(io)) {
		phase = IO_DETACHED;
	}
	atomic_store_explicit(&io->phase, phase, memory_order_release);
}

/* This process was held up: what comes next is judged as old, and this line says whose fault that is. */
static void note_pause(const struct io *io, int64_t now_ns)
{
	int64_t gap_ns = now_ns - io->now_ns;

	if (io->now_ns > 0 && gap_ns > PAUSE_NOTED_NS)
		log_line(LOG_LEVEL_WARNING, "io: dreamvlad itself stood still for %.2f s: it took and sent nothing meanwhile",
				(double)gap_ns / (double)NS_PER_S);
}

void io_wake(struct io *io)
{
	note_pause(io, clock_monotonic_ns());
	io->now_ns = clock_monotonic_ns();
	io_clock_read(io);
	eventfd_clear(io->links->target_eventfd);
	read_links(io);
	io_target_send(io);
	io_state_receive(io);
	io_target_send(io);
	io_operator_receive(io);
	io_told_follow(io);
	io_record_follow(io);
	io_control_receive(io);
	write_inputs(io);
	io_control_answer(io);
	io_camera_receive(io); /* large, and of all the most patient */
	io_observation_publish(io);
	write_inputs(io);
	if (atomic_load_explicit(&io->wanted_phase, memory_order_relaxed) != IO_DETACHING)
		io_attach_step(io);
	io_event_send(io);
	io_status_send(io);
	step_phase(io);
}

static void fill_poll(const struct io *io, zmq_pollitem_t *item, int *n)
{
	const struct endpoint *const readable[] = { io->cameras, io->operators, io->states, io->control };

	*n = 0;
	item[(*n)++] = (zmq_pollitem_t){ .fd = io->links->target_eventfd, .events = ZMQ_POLLIN };
	for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
		item[(*n)++] = (zmq_pollitem_t){ .socket = endpoint_socket(readable[i]), .events = ZMQ_POLLIN };
	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		item[(*n)++] = (zmq_pollitem_t){ .socket = endpoint_socket(io->arm[i].door), .events = ZMQ_POLLIN };
}

static void *run(void *argument)
{
	struct io *io = argument;
	zmq_pollitem_t item[POLL_MAX];
	int n;

	fill_poll(io, item, &n);
	while (!atomic_load_explicit(&io->quit, memory_order_acquire)) {
		if (zmq_poll(item, n, POLL_TIMEOUT_MS) < 0 && errno != EINTR)
			log_line(LOG_LEVEL_ERROR, "io: zmq_poll: %s", zmq_strerror(errno));
		io_wake(io);
	}
	return NULL;
}

int io_thread_start(struct io *io, int cpu, bool *realtime, struct errbuf *e)
{
	int below = io->config->control_priority > 1 ? io->config->control_priority - 1 : 1;
	struct rt_thread_options o = {
		.name = "io",
		.run = run,
		.argument = io,
		.wish = (enum rt_wish)io->config->control_realtime,
		.priority = below,
		.cpu = cpu,
	};
	int rc = rt_thread_start(&io->thread, &o, realtime, e);

	io->thread_runs = rc == 0;
	return rc;
}

void io_thread_stop(struct io *io)
{
	if (!io->thread_runs)
		return;
	atomic_store_explicit(&io->quit, true, memory_order_release);
	pthread_join(io->thread, NULL);
	io->thread_runs = false;
}

void io_ask_phase(struct io *io, enum io_phase phase)
{
	atomic_store_explicit(&io->wanted_phase, (int)phase, memory_order_release);
}

enum io_phase io_phase_reached(const struct io *io)
{
	return (enum io_phase)atomic_load_explicit(&io->phase, memory_order_acquire);
}
