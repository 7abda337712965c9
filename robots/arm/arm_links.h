/* arm_links.h - the hand-overs between dreamvla-arm's threads: who writes, who reads.
 *
 *   target   io -> control   every target for this arm, in order
 *   request  io -> control   every request that the control thread decides; open_ticket: of the one in that place, until control takes
 *                            it or io withdraws it, so that nothing is done that was answered with an error
 *   stop_asked, emergency_asked  io -> control  stops, which need no room in a queue
 *   answer   control -> io   its answers; io is woken through answer_fd
 *   report   control -> io   newest snapshot for state/<arm> and status
 *   late     control -> any  how late the periods began */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_LINKS_H
#define DREAMVLA_ROBOTS_ARM_ARM_LINKS_H

#include "daemon/sys/handover.h"
#include "daemon/sys/histogram.h"
#include "robots/arm/arm.h"

enum { ARM_TARGET_RING = 64, ARM_REQUEST_RING = 16 };

struct arm_links {
	struct queue target_queue;
	struct arm_target target[ARM_TARGET_RING];
	struct queue request_queue;
	struct arm_request request[ARM_REQUEST_RING];
	_Atomic uint32_t open_ticket[ARM_REQUEST_RING];
	_Atomic bool stop_asked, emergency_asked;
	struct queue answer_queue;
	struct arm_answer answer[ARM_REQUEST_RING];
	int answer_fd;
	struct latest report_box;
	struct arm_report report[LATEST_SLOTS];
	struct histogram late;
	_Atomic uint64_t ticks, overruns;
	_Atomic bool stop;         /* asks the control thread to end */
};

/* io: false: there is no room. r->ticket is not 0. *at: its place, for arm_links_close. */
static inline bool arm_links_ask(struct arm_links *k, const struct arm_request *r, int *at)
{
	*at = queue_claim(&k->request_queue);
	if (*at < 0)
		return false;
	k->request[*at] = *r;
	atomic_store_explicit(&k->open_ticket[*at], r->ticket, memory_order_relaxed);
	queue_publish(&k->request_queue);
	return true;
}

/* Control, to obey a request; io, to withdraw it: true for whichever comes first. */
static inline bool arm_links_close(struct arm_links *k, int at, uint32_t ticket)
{
	return atomic_compare_exchange_strong_explicit(&k->open_ticket[at], &ticket, 0, memory_order_acq_rel, memory_order_acquire);
}

#endif
