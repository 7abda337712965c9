#include "robots/sim/sim_process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "daemon/sys/rt.h"
#include "robots/sim/camera_server.h"
#include "robots/sim/franka/station.h"
#include "robots/sim/piper/station.h"
#include "robots/sim/world_server.h"

struct sim {
	void *zmq_context;
	struct world_server *world;
	struct station *franka;
	struct piper_station *piper;
	struct world_robot robot;
	struct camera_server *cameras;
	pthread_t thread;
	bool started;
	enum rt_wish wish;         /* OFF when real-time was not to be had */
	int priority;
};

/* Before any thread starts, so that all of them inherit it and only wait_for_end sees the signals. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void wait_for_end(const sigset_t *set, double duration_s)
{
	int64_t end_ns = duration_s > 0 ? clock_monotonic_ns() + (int64_t)(duration_s * 1e9) : INT64_MAX;

	for (int64_t left_ns = 1; left_ns > 0; left_ns = end_ns - clock_monotonic_ns()) {
		const int64_t part_ns = left_ns < NS_PER_S ? left_ns : NS_PER_S;
		const struct timespec part = { .tv_sec = part_ns / NS_PER_S, .tv_nsec = part_ns % NS_PER_S };

		if (sigtimedwait(set, NULL, &part) > 0)
			return;
	}
}

static void *do_nothing(void *unused)
{
	return unused;
}

/* The world stands for hardware, which no busy processor delays: its thread and libzmq's are real-time where that is
 * permitted, less urgent than the arm's. Probed first, because libzmq aborts when it may not. */
static int probe_realtime(struct sim *s, const struct config *c, struct errbuf *e)
{
	bool realtime = false;
	pthread_t thread;

	s->wish = (enum rt_wish)c->control_realtime;
	s->priority = c->control_priority > 2 ? c->control_priority - 2 : 1;
	int rc = rt_thread_start(&thread, &(struct rt_thread_options){ .name = "sim-world", .run = do_nothing, .wish = s->wish,
			.priority = s->priority, .cpu = -1 }, &realtime, e);
	if (rc < 0)
		return rc;
	pthread_join(thread, NULL);
	if (!realtime && s->wish != RT_OFF)
		log_line(LOG_LEVEL_WARNING, "sim: %s", e->text);
	if (!realtime)
		s->wish = RT_OFF;
	return 0;
}

static void step_franka(void *self, uint32_t steps, const struct world *w, struct world_command *out)
{
	station_obey(self);
	station_step(self, steps, w, out);
}

static int start_franka(struct sim *s, const struct sim_options *o, struct errbuf *e)
{
	if (o->model->dof != FRANKA_DOF)
		return fail(e, -EINVAL, "sim: --franka with --model %s: want a Franka's model", o->model->name);
	s->franka = calloc(1, sizeof *s->franka);
	if (!s->franka)
		return fail(e, -ENOMEM, "sim: out of memory");
	s->robot = (struct world_robot){ s->franka, step_franka };
	return station_open(s->franka, &(struct station_options){ .address = o->franka, .version = o->franka_version, .faults = o->faults,
			.model = o->model, .zmq_context = s->zmq_context }, e);
}

static void step_piper(void *self, uint32_t steps, const struct world *w, struct world_command *out)
{
	piper_station_obey(self);
	piper_station_step(self, steps, w, out);
}

static int start_piper(struct sim *s, const struct sim_options *o, struct errbuf *e)
{
	s->piper = calloc(1, sizeof *s->piper);
	if (!s->piper)
		return fail(e, -ENOMEM, "sim: out of memory");
	s->robot = (struct world_robot){ s->piper, step_piper };
	return piper_station_open(s->piper, &(struct piper_station_options){ .address = o->piper, .firmware = o->piper_firmware,
			.faults = o->faults, .model = o->model, .zmq_context = s->zmq_context }, e);
}

static int start_robot(struct sim *s, const struct sim_options *o, struct errbuf *e)
{
	if (o->franka)
		return start_franka(s, o, e);
	return o->piper ? start_piper(s, o, e) : 0;
}

static int start_world(struct sim *s, const struct sim_options *o, struct errbuf *e)
{
	bool realtime;

	s->world = calloc(1, sizeof *s->world);
	if (!s->world)
		return fail(e, -ENOMEM, "sim: out of memory");
	int rc = start_robot(s, o, e);
	if (rc < 0)
		return rc;
	rc = world_server_init(s->world, &(struct world_server_options){ .seed = o->seed, .task = o->task, .pads = o->pads, .address = o->world,
			.judge = o->judge, .robot = s->robot,
			.zmq_context = s->zmq_context, .model = o->model }, e);
	if (rc < 0)
		return rc;
	rc = rt_thread_start(&s->thread, &(struct rt_thread_options){ .name = "sim-world", .run = world_server_run,
			.argument = s->world, .wish = s->wish, .priority = s->priority, .cpu = -1 }, &realtime, e);
	s->started = rc == 0;
	return rc;
}

static int start(struct sim *s, const struct sim_options *o, struct errbuf *e)
{
	int rc = probe_realtime(s, &o->config, e);

	if (rc < 0)
		return rc;
	s->zmq_context = zmq_ctx_new();
	if (!s->zmq_context)
		return fail(e, -ENOMEM, "sim: ZeroMQ: %s", zmq_strerror(errno));
	if (s->wish != RT_OFF) {
		zmq_ctx_set(s->zmq_context, ZMQ_THREAD_SCHED_POLICY, SCHED_FIFO);
		zmq_ctx_set(s->zmq_context, ZMQ_THREAD_PRIORITY, s->priority);
	}
	rc = start_world(s, o, e);
	if (rc < 0 || !o->cameras)
		return rc;
	return camera_server_create(&s->cameras, &(struct camera_server_options){ .config = &o->config, .world = s->world,
			.rate_hz = o->rate_hz, .prefix = o->camera_prefix, .width = o->width, .height = o->height, .zmq_context = s->zmq_context }, e);
}

static void report(const struct sim *s)
{
	struct camera_server_counters c = { 0 };

	if (s->cameras)
		c = camera_server_counters(s->cameras);
	log_line(LOG_LEVEL_INFO, "sim: %llu steps, %llu given up, %llu malformed; %llu pictures at %.2f ms each, %llu skipped",
			(unsigned long long)atomic_load(&s->world->steps), (unsigned long long)atomic_load(&s->world->given_up),
			(unsigned long long)atomic_load(&s->world->malformed), (unsigned long long)c.pictures,
			(double)c.draw_ns * 1e-6, (unsigned long long)c.skipped);
}

/* Accepts whatever start left behind. */
static void end(struct sim *s)
{
	if (s->started) {
		atomic_store(&s->world->stop, true);
		pthread_join(s->thread, NULL);
		report(s);
	}
	camera_server_destroy(s->cameras);
	if (s->world)
		world_server_finish(s->world);
	free(s->world);
	if (s->franka)
		station_close(s->franka);
	free(s->franka);
	if (s->piper)
		piper_station_close(s->piper);
	free(s->piper);
	if (s->zmq_context)
		zmq_ctx_term(s->zmq_context);
}

static void announce(const struct sim *s, const struct sim_options *o)
{
	const char *what = s->franka ? "Franka" : s->piper ? "PiPER" : "world";
	const char *where = s->franka ? o->franka : s->piper ? bus_address(s->piper->bus) : o->world;

	log_line(LOG_LEVEL_INFO, "sim: %s at %s, seed %llu; cameras %s", what, where, (unsigned long long)o->seed,
			o->cameras ? o->config.sockets_cameras : "off");
}

int sim_run(const struct sim_options *o, struct errbuf *e)
{
	struct sim s = { 0 };
	sigset_t set;

	block_signals(&set);
	int rc = start(&s, o, e);
	if (rc == 0) {
		announce(&s, o);
		wait_for_end(&set, o->duration_s);
	}
	end(&s);
	return rc;
}
