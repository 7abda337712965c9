/* arm_links.h - the hand-overs between dreamvla-arm's threads: who writes, who reads.
 *
 *   target   io -> control   every target for this arm, in order
 *   request  io -> control   every request that the control thread decides
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

#endif
