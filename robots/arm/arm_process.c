#include "robots/arm/arm_process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/log.h"
#include "daemon/sys/rt.h"
#include "robots/arm/arm_choose.h"
#include "robots/arm/arm_io.h"
#include "robots/arm/arm_loop.h"

static const int64_t STOP_PATIENCE_NS = 2 * NS_PER_S; /* the longest brake takes well under 1 s */

struct arm_process {
	struct arm_setup setup;
	const struct config_robot *robot;
	const struct robot_driver *driver;
	struct arm_links links;
	struct arm_loop loop;
	struct arm_io io;
	void *zmq_context;
	pthread_t thread;
	bool started;
	int signal_fd;
	enum rt_wish wish;         /* OFF when real-time was not to be had */
	int below;                 /* priority of everything that serves the control thread */
};

/* Before any thread starts, so that all of them inherit it and the signals arrive at the descriptor only. */
static int catch_signals(struct arm_process *p, struct errbuf *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd < 0 ? fail(e, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static int choose(struct arm_process *p, const struct arm_process_options *o, struct errbuf *e)
{
	struct arm_choice choice;
	int rc = arm_choose(&choice, &o->config, o->arm, o->driver, e);

	if (rc < 0)
		return rc;
	p->robot = choice.robot;
	p->driver = choice.driver;
	p->setup = choice.setup;
	return 0;
}

static int init_links(struct arm_links *k, struct errbuf *e)
{
	queue_init(&k->target_queue, ARM_TARGET_RING);
	queue_init(&k->request_queue, ARM_REQUEST_RING);
	queue_init(&k->answer_queue, ARM_REQUEST_RING);
	latest_init(&k->report_box);
	k->answer_fd = eventfd_open(e);
	return k->answer_fd < 0 ? k->answer_fd : 0;
}

static void *do_nothing(void *unused)
{
	return unused;
}

/* Finds out, before libzmq starts a thread of its own, whether real-time threads are to be had: libzmq aborts if not. */
static int probe_realtime(struct arm_process *p, const struct config *c, struct errbuf *e)
{
	bool realtime = false;
	pthread_t thread;

	p->wish = (enum rt_wish)c->control_realtime;
	p->below = c->control_priority > 1 ? c->control_priority - 1 : 1;
	int rc = rt_thread_start(&thread, &(struct rt_thread_options){ .name = "arm-control", .run = do_nothing, .wish = p->wish,
			.priority = c->control_priority, .cpu = -1 }, &realtime, e);
	if (rc < 0)
		return rc;
	pthread_join(thread, NULL);
	if (!realtime && p->wish != RT_OFF)
		log_line(LOG_LEVEL_WARNING, "arm: %s", e->text);
	if (!realtime)
		p->wish = RT_OFF;
	return 0;
}

/* libzmq's own thread moves every message, so it is as urgent as ours. */
static int make_zmq_context(struct arm_process *p, struct errbuf *e)
{
	p->zmq_context = zmq_ctx_new();
	if (!p->zmq_context)
		return fail(e, -ENOMEM, "ZeroMQ: %s", zmq_strerror(errno));
	if (p->wish == RT_OFF)
		return 0;
	zmq_ctx_set(p->zmq_context, ZMQ_THREAD_SCHED_POLICY, SCHED_FIFO);
	zmq_ctx_set(p->zmq_context, ZMQ_THREAD_PRIORITY, p->below);
	return 0;
}

static int start_loop(struct arm_process *p, const struct config *c, struct errbuf *e)
{
	bool realtime;

	arm_init(&p->loop.arm, &p->setup, p->driver);
	p->loop.driver = p->driver;
	p->io.driven = p->loop.robot; /* for its numbers */
	p->loop.links = &p->links;
	rt_lock_memory(&p->links, sizeof p->links);
	rt_lock_memory(&p->loop, sizeof p->loop);
	int rc = rt_thread_start(&p->thread, &(struct rt_thread_options){ .name = "arm-control", .run = arm_loop_run,
			.argument = &p->loop, .wish = p->wish, .priority = c->control_priority, .cpu = -1 }, &realtime, e);
	p->started = rc == 0;
	return rc;
}

static int start(struct arm_process *p, const struct arm_process_options *o, struct errbuf *e)
{
	int rc = choose(p, o, e);

	if (rc < 0 || (rc = catch_signals(p, e)) < 0 || (rc = init_links(&p->links, e)) < 0 ||
			(rc = probe_realtime(p, &o->config, e)) < 0 || (rc = make_zmq_context(p, e)) < 0)
		return rc;
	rc = arm_io_init(&p->io, &(struct arm_io_options){ &o->config, p->robot, &p->setup, p->driver, &p->links, p->zmq_context }, e);
	if (rc == 0)
		rc = p->driver->create(&p->loop.robot, &(struct robot_driver_options){ .setup = &p->setup, .config = p->robot,
				.robot = (uint32_t)(p->robot - o->config.robot), .world = o->world, .zmq_context = p->zmq_context,
				.wish = p->wish, .priority = p->below }, e);
	return rc == 0 ? start_loop(p, &o->config, e) : rc;
}

static void *serve(void *process)
{
	struct arm_process *p = process;

	arm_io_run(&p->io, p->signal_fd);
	return NULL;
}

/* The sockets in a thread of their own, because only that can be real-time; until a signal comes. */
static int serve_until_signal(struct arm_process *p, struct errbuf *e)
{
	pthread_t thread;
	bool realtime;
	int rc = rt_thread_start(&thread, &(struct rt_thread_options){ .name = "arm-io", .run = serve, .argument = p, .wish = p->wish,
			.priority = p->below, .cpu = -1 }, &realtime, e);

	if (rc == 0)
		pthread_join(thread, NULL);
	return rc;
}

/* Brakes, lets go of whoever drives, and says so once more before leaving. */
static void stop_arm(struct arm_process *p)
{
	struct arm_links *k = &p->links;
	int at = queue_claim(&k->request_queue);

	atomic_store_explicit(&k->stop_asked, true, memory_order_release); /* even if others have filled the queue */
	if (at >= 0) {
		k->request[at] = (struct arm_request){ .ask = ARM_ASK_SHUTDOWN };
		queue_publish(&k->request_queue);
	}
	for (int64_t end_ns = clock_monotonic_ns() + STOP_PATIENCE_NS; clock_monotonic_ns() < end_ns;) {
		arm_io_publish(&p->io);
		if (p->io.report.stopped && p->io.report.mode != ARM_MOVING)
			break;
		clock_sleep_until(clock_monotonic_ns() + 5 * NS_PER_MS);
	}
}

/* Accepts whatever start left behind. */
static void end(struct arm_process *p)
{
	if (p->started) {
		stop_arm(p);
		atomic_store(&p->links.stop, true);
		pthread_join(p->thread, NULL);
	}
	if (p->driver && p->loop.robot)
		p->driver->destroy(p->loop.robot);
	arm_io_finish(&p->io);
	if (p->zmq_context)
		zmq_ctx_term(p->zmq_context);
	if (p->links.answer_fd >= 0)
		close(p->links.answer_fd);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	free(p);
}

int arm_process_run(const struct arm_process_options *o, struct errbuf *e)
{
	struct arm_process *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "out of memory");
	p->signal_fd = p->links.answer_fd = -1;
	int rc = start(p, o, e);
	if (rc == 0) {
		log_line(LOG_LEVEL_INFO, "arm: %s, %s through driver %s; control at %s", p->setup.name, p->setup.model.name,
				p->driver->name, endpoint_address(p->io.control));
		rc = serve_until_signal(p, e);
		log_line(LOG_LEVEL_INFO, "arm: %s: stopping", p->setup.name);
	}
	end(p);
	return rc;
}
