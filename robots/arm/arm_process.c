#include "robots/arm/arm_process.h"

#include <errno.h>
#include <pthread.h>
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
#include "robots/arm/arm_io.h"
#include "robots/arm/arm_loop.h"
#include "robots/arm/arm_setup.h"

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
	char names[128] = "";
	size_t n = 0;

	p->robot = arm_setup_find(&o->config, o->arm, e);
	if (!p->robot)
		return -EINVAL;
	p->driver = robot_driver_find(o->driver);
	for (uint32_t i = 0; !p->driver && robot_driver_at(i) && n < sizeof names; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, " %s", robot_driver_at(i)->name);
	if (!p->driver)
		return fail(e, -EINVAL, "--driver %s: want one of%s", o->driver, names);
	return arm_setup_make(&p->setup, p->robot, e);
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

static int start_loop(struct arm_process *p, const struct config *c, struct errbuf *e)
{
	bool realtime = false;

	arm_init(&p->loop.arm, &p->setup, p->driver);
	p->loop.driver = p->driver;
	p->loop.links = &p->links;
	rt_lock_memory(&p->links, sizeof p->links);
	rt_lock_memory(&p->loop, sizeof p->loop);
	int rc = rt_thread_start(&p->thread, &(struct rt_thread_options){ .name = "arm-control", .run = arm_loop_run,
			.argument = &p->loop, .wish = (enum rt_wish)c->control_realtime, .priority = c->control_priority, .cpu = -1 },
			&realtime, e);
	if (rc < 0)
		return rc;
	p->started = true;
	if (!realtime && c->control_realtime != RT_OFF)
		log_line(LOG_LEVEL_WARNING, "arm: %s", e->text);
	return 0;
}

static int start(struct arm_process *p, const struct arm_process_options *o, struct errbuf *e)
{
	int rc = choose(p, o, e);

	if (rc < 0 || (rc = catch_signals(p, e)) < 0 || (rc = init_links(&p->links, e)) < 0)
		return rc;
	p->zmq_context = zmq_ctx_new();
	if (!p->zmq_context)
		return fail(e, -ENOMEM, "ZeroMQ: %s", zmq_strerror(errno));
	rc = arm_io_init(&p->io, &(struct arm_io_options){ &o->config, p->robot, &p->setup, p->driver, &p->links, p->zmq_context }, e);
	if (rc == 0)
		rc = p->driver->create(&p->loop.robot, &(struct robot_driver_options){ &p->setup.model, o->world }, e);
	return rc == 0 ? start_loop(p, &o->config, e) : rc;
}

/* Brakes, lets go of whoever drives, and says so once more before leaving. */
static void stop_arm(struct arm_process *p)
{
	struct arm_links *k = &p->links;
	int at = queue_claim(&k->request_queue);

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
		arm_io_run(&p->io, p->signal_fd);
		log_line(LOG_LEVEL_INFO, "arm: %s: stopping", p->setup.name);
	}
	end(p);
	return rc;
}
