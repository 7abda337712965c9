#include "robots/arm/arm_loop.h"

#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"

static void obey(struct arm_loop *l, const struct arm_request *r, int64_t now_ns)
{
	struct arm_links *k = l->links;
	struct arm_answer answer = arm_take_request(&l->arm, r, now_ns);
	int slot = queue_claim(&k->answer_queue);

	if (slot < 0)
		return; /* io notices by its deadline */
	k->answer[slot] = answer;
	queue_publish(&k->answer_queue);
	eventfd_signal(k->answer_fd);
}

/* Stops are looked for before the queue and obeyed after it: no request that came before can undo one. */
static void take_requests(struct arm_loop *l, int64_t now_ns)
{
	struct arm_links *k = l->links;
	bool stop = atomic_exchange_explicit(&k->stop_asked, false, memory_order_acq_rel);
	bool emergency = atomic_exchange_explicit(&k->emergency_asked, false, memory_order_acq_rel);

	for (int at; (at = queue_front(&k->request_queue)) >= 0; queue_release(&k->request_queue))
		if (arm_links_close(k, at, k->request[at].ticket))
			obey(l, &k->request[at], now_ns);
	if (stop)
		(void)arm_take_request(&l->arm, &(struct arm_request){ .ask = ARM_ASK_STOP }, now_ns);
	if (emergency)
		(void)arm_take_request(&l->arm, &(struct arm_request){ .ask = ARM_ASK_EMERGENCY_STOP }, now_ns);
}

static void take_targets(struct arm_loop *l, int64_t now_ns)
{
	struct arm_links *k = l->links;

	for (int at; (at = queue_front(&k->target_queue)) >= 0; queue_release(&k->target_queue))
		arm_take_target(&l->arm, &k->target[at], now_ns);
}

/* What was asked for and takes its time at the arm. */
static void act(struct arm_loop *l)
{
	if (arm_take_disable(&l->arm))
		l->driver->disable(l->robot);
	if (arm_take_recover(&l->arm))
		l->driver->recover(l->robot);
	if (arm_take_stop_homing(&l->arm) && l->driver->stop_homing)
		l->driver->stop_homing(l->robot);
	if (arm_take_home_gripper(&l->arm))
		l->driver->home_gripper(l->robot);
	if (arm_take_enable(&l->arm))
		l->driver->enable(l->robot);
	if (arm_take_emergency_stop(&l->arm))
		l->driver->emergency_stop(l->robot);
}

void arm_loop_tick(struct arm_loop *l, int64_t now_ns)
{
	struct arm_links *k = l->links;
	struct robot_state measured;
	struct robot_command command;

	l->driver->read(l->robot, now_ns, &measured);
	take_requests(l, now_ns);
	take_targets(l, now_ns);
	act(l);
	arm_tick(&l->arm, &measured, now_ns, &command);
	l->driver->write(l->robot, &command);
	arm_get_report(&l->arm, &k->report[k->report_box.writing]);
	latest_publish(&k->report_box);
	atomic_fetch_add_explicit(&k->ticks, 1, memory_order_relaxed);
}

/* The time that the next tick is for: due_ns where the clock sets it. */
static int64_t wait_for_period(struct arm_loop *l, int64_t due_ns)
{
	if (l->driver->wait)
		return l->driver->wait(l->robot, due_ns);
	clock_sleep_until(due_ns);
	return due_ns;
}

/* The arm's time, where it sets one, may be ahead of this clock or behind: whole periods that no tick was for, rounded. */
static int64_t next_due(struct arm_loop *l, int64_t due_ns, int64_t tick_ns)
{
	const int64_t period_ns = l->driver->period_ns;
	int64_t next_ns = tick_ns + period_ns, missed = (tick_ns - due_ns + period_ns / 2) / period_ns;

	for (int64_t now_ns = clock_monotonic_ns(); !l->driver->wait && next_ns <= now_ns; next_ns += period_ns)
		missed++;
	if (missed > 0)
		atomic_fetch_add_explicit(&l->links->overruns, (uint64_t)missed, memory_order_relaxed);
	return next_ns;
}

void *arm_loop_run(void *loop)
{
	struct arm_loop *l = loop;
	int64_t due_ns = clock_monotonic_ns() + l->driver->period_ns;

	while (!atomic_load_explicit(&l->links->stop, memory_order_relaxed)) {
		int64_t tick_ns = wait_for_period(l, due_ns);

		histogram_add(&l->links->late, clock_monotonic_ns() - tick_ns);
		arm_loop_tick(l, tick_ns);
		due_ns = next_due(l, due_ns, tick_ns);
	}
	return NULL;
}
