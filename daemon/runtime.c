/* runtime.c - see runtime.h. */
#include "daemon/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zmq.h>

#include "daemon/control_tick.h"
#include "daemon/setup.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/log.h"

/* ---- memory between the threads ---- */

/* Frame bytes of the observations: address space only, pages come with the first frame that needs them. */
static int make_observation_buffers(struct runtime *r, struct errbuf *e)
{
	size_t bytes = (size_t)r->config.sockets_max_frame_kb * 1024;

	for (uint32_t slot = 0; slot < LATEST_SLOTS; slot++) {
		for (uint32_t i = 0; i < r->setup.n_cameras; i++) {
			void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
					0);

			if (room == MAP_FAILED)
				return fail(e, -ENOMEM, "frame buffers: %s (sockets.max_frame_kb: %zu)", strerror(errno),
						bytes / 1024);
			r->links->observation[slot].frame[i].bytes = room;
		}
	}
	return 0;
}

static void free_links(struct runtime *r)
{
	size_t bytes = (size_t)r->config.sockets_max_frame_kb * 1024;
	struct links *l = r->links;

	if (!l)
		return;
	for (uint32_t slot = 0; slot < LATEST_SLOTS; slot++)
		for (uint32_t i = 0; i < CAMERAS_MAX; i++)
			if (l->observation[slot].frame[i].bytes)
				munmap(l->observation[slot].frame[i].bytes, bytes);
	if (l->target_eventfd > 0)
		close(l->target_eventfd);
	if (l->observation_eventfd > 0)
		close(l->observation_eventfd);
	free(l);
	r->links = NULL;
}

/* Half of the room is io's, whose frames are large; a quarter each is plenty for numbers. Locked: control and io write there. */
static int make_tapes(struct runtime *r, struct errbuf *e)
{
	size_t bytes = (size_t)r->config.record_buffer_mb << 20;
	uint8_t *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct links *l = r->links;

	if (room == MAP_FAILED)
		return fail(e, -ENOMEM, "record.buffer_mb: %d MB: %s", (int)r->config.record_buffer_mb, strerror(errno));
	r->tapes.memory = room;
	r->tapes.bytes = bytes;
	rt_lock_memory(room, bytes);
	tape_init(&l->control_tape, room, bytes / 4);
	tape_init(&l->policy_tape, room + bytes / 4, bytes / 4);
	tape_init(&l->io_tape, room + bytes / 2, bytes / 2);
	return 0;
}

static int make_links(struct runtime *r, struct errbuf *e)
{
	struct links *l = aligned_alloc(_Alignof(struct links), sizeof *l);

	if (!l)
		return fail(e, -ENOMEM, "links: out of memory");
	memset(l, 0, sizeof *l);
	r->links = l;
	links_init(l);
	if ((l->target_eventfd = eventfd_open(e)) < 0)
		return l->target_eventfd;
	if ((l->observation_eventfd = eventfd_open(e)) < 0)
		return l->observation_eventfd;
	return make_observation_buffers(r, e);
}

/* ---- real time ---- */

static void *do_nothing(void *unused)
{
	return unused;
}

/* Finds out, before libzmq starts a thread of its own, whether real-time threads are to be had: libzmq aborts if not. */
static int probe_realtime(struct runtime *r, struct errbuf *e)
{
	struct rt_thread_options o = {
		.name = "control",
		.run = do_nothing,
		.wish = (enum rt_wish)r->config.control_realtime,
		.priority = r->config.control_priority,
		.cpu = r->cpu,
	};
	pthread_t thread;
	int rc = rt_thread_start(&thread, &o, &r->realtime, e);

	if (rc < 0)
		return rc;
	pthread_join(thread, NULL);
	if (!r->realtime && o.wish != RT_OFF)
		log_line(LOG_LEVEL_WARNING, "real-time: %s", e->text);
	return 0;
}

int runtime_init(struct runtime *r, struct errbuf *e)
{
	int rc = setup_control(&r->setup, &r->config, e);
	const char *problem = rc == 0 ? control_setup_problem(&r->setup) : NULL;

	if (rc < 0)
		return rc;
	if (problem)
		return fail(e, -EINVAL, "%s", problem);
	r->cpu = r->config.control_cpu >= 0 ? r->config.control_cpu : rt_last_cpu();
	r->stats = calloc(1, sizeof *r->stats);
	if (!r->stats)
		return fail(e, -ENOMEM, "statistics: out of memory");
	if ((rc = make_links(r, e)) < 0)
		return rc;
	rt_lock_memory(r->links, sizeof *r->links); /* touching rewrites every page: before any other thread does */
	rt_lock_memory(r->stats, sizeof *r->stats);
	return make_tapes(r, e);
}

void runtime_finish(struct runtime *r)
{
	if (r->tapes.memory)
		munmap(r->tapes.memory, r->tapes.bytes);
	r->tapes.memory = NULL;
	free_links(r);
	free(r->stats);
	r->stats = NULL;
}

/* ---- parts ---- */

int runtime_start_aux(struct runtime *r, struct errbuf *e)
{
	return aux_thread_start(&r->aux, &r->config, r->links, r->cpu, e);
}

void runtime_stop_aux(struct runtime *r)
{
	aux_thread_destroy(r->aux);
	r->aux = NULL;
}

bool runtime_end_aux(struct runtime *r, int64_t patience_ns)
{
	return aux_thread_end(r->aux, patience_ns);
}

/* libzmq's own thread moves every message, so it is as urgent as the io thread and shares its processor. */
static void set_zmq_thread(struct runtime *r)
{
	int below = r->config.control_priority > 1 ? r->config.control_priority - 1 : 1;

	if (!r->realtime)
		return;
	zmq_ctx_set(r->zmq, ZMQ_THREAD_AFFINITY_CPU_ADD, r->cpu);
	zmq_ctx_set(r->zmq, ZMQ_THREAD_SCHED_POLICY, SCHED_FIFO);
	zmq_ctx_set(r->zmq, ZMQ_THREAD_PRIORITY, below);
}

int runtime_start_sockets(struct runtime *r, struct errbuf *e)
{
	int rc = probe_realtime(r, e);

	if (rc < 0)
		return rc;
	r->zmq = zmq_ctx_new();
	if (!r->zmq)
		return fail(e, -errno, "ZeroMQ: %s", zmq_strerror(errno));
	set_zmq_thread(r);
	return io_create(&r->io, &r->config, &r->setup, r->links, r->stats, r->zmq, e);
}

void runtime_stop_sockets(struct runtime *r)
{
	io_destroy(r->io);
	r->io = NULL;
	if (r->zmq)
		zmq_ctx_term(r->zmq);
	r->zmq = NULL;
}

int runtime_start_policy(struct runtime *r, struct errbuf *e)
{
	return policy_thread_start(&r->policy, &r->config, &r->setup, r->links, r->stats, r->cpu,
			r->interrupted, e);
}

bool runtime_end_policy(struct runtime *r, int64_t patience_ns)
{
	return policy_thread_end(r->policy, patience_ns);
}

bool runtime_policy_gone(const struct runtime *r)
{
	return policy_thread_gone(r->policy);
}

void runtime_stop_policy(struct runtime *r)
{
	policy_thread_destroy(r->policy);
	r->policy = NULL;
}

int runtime_start_io(struct runtime *r, struct errbuf *e)
{
	bool realtime;

	return io_thread_start(r->io, r->cpu, &realtime, e);
}

void runtime_stop_io(struct runtime *r)
{
	if (r->io)
		io_thread_stop(r->io);
}

int runtime_start_control(struct runtime *r, struct errbuf *e)
{
	struct control_thread_options o = {
		.setup = &r->setup,
		.links = r->links,
		.stats = r->stats,
		.wish = (enum rt_wish)r->config.control_realtime,
		.priority = r->config.control_priority,
		.cpu = r->cpu,
	};
	bool realtime;
	int rc;

	if ((rc = control_thread_start(&r->control, &o, &realtime, e)) < 0)
		return rc;
	log_line(LOG_LEVEL_INFO, "control: %d Hz on processor %d, %s", r->config.control_rate_hz, r->cpu,
			realtime ? "SCHED_FIFO" : "not real-time");
	return 0;
}

void runtime_stop_control(struct runtime *r)
{
	control_thread_stop(r->control);
	r->control = NULL;
}
