/* arm_io.h - everything of dreamvla-arm that speaks ZeroMQ: targets in, states out, requests answered. One thread owns it.
 *
 * It decides nothing about motion: it checks form, converts times, hands over, and puts the control thread's numbers into
 * messages. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_IO_H
#define DREAMVLA_ROBOTS_ARM_ARM_IO_H

#include "config/config.h"
#include "daemon/sys/error.h"
#include "robots/arm/arm_links.h"
#include "robots/arm/arm_void.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"
#include "transport/message/request.h"

enum { ARM_PENDING_MAX = ARM_REQUEST_RING };

/* A request that the control thread has not answered yet. ticket 0: free. */
struct arm_pending {
	uint32_t ticket;
	int at;                    /* its place in the links' ring */
	int64_t asked_ns;
	struct endpoint_peer peer;
};

struct arm_io {
	const struct config *config;
	const struct config_robot *robot;
	const struct arm_setup *setup;
	const struct robot_driver *driver;
	void *driven;              /* what the driver has created; NULL: nothing yet */
	struct arm_links *links;
	struct endpoint *targets, *states, *control;
	char target_topic[NAME_BYTES + 8], state_topic[NAME_BYTES + 8];
	uint64_t from, state_seq;
	uint32_t ticket;
	struct arm_pending pending[ARM_PENDING_MAX];
	int64_t offset_ns;         /* clock of the messages - CLOCK_MONOTONIC */
	bool offset_known;
	int64_t now_ns, publish_ns;
	struct arm_void_log void_log;
	struct arm_report report;  /* newest */
	int64_t report_ns;         /* when it came */
	int64_t underrun_ns;       /* when one was last told of */
	bool stop_received;        /* a stop at our door, which the report does not show yet */
	uint64_t received, voided, requests_void;
	uint64_t interval_from;    /* whose targets' intervals are measured */
	int64_t interval_ns;       /* arrival of the last of them */
	struct histogram interval;
	uint8_t state[MESSAGE_BYTES_MAX], reply[MESSAGE_BYTES_MAX];
};

struct arm_io_options {
	const struct config *config;
	const struct config_robot *robot;
	const struct arm_setup *setup;
	const struct robot_driver *driver;
	struct arm_links *links;
	void *zmq_context;
};

/* Opens the three sockets. Errors as endpoint_open. Thread: the one that will call the rest. Allocates: yes. */
MUST_CHECK int arm_io_init(struct arm_io *io, const struct arm_io_options *o, struct errbuf *e);
void arm_io_finish(struct arm_io *io); /* accepts a zeroed one */

/* Serves the sockets until stop_fd is readable. Blocks: until then. */
void arm_io_run(struct arm_io *io, int stop_fd);

/* What arm_io_run does each time it wakes up: receives, answers, publishes what is due. Blocks: no. */
void arm_io_step(struct arm_io *io);

/* Publishes the newest state once more: the last word before leaving. */
void arm_io_publish(struct arm_io *io);

/* ---- arm_requests.c: the control socket ---- */

/* Answers or hands over every request that waits. */
void arm_requests_receive(struct arm_io *io);

/* Sends the control thread's answers; withdraws what it has not taken within 90 ms, and gives up on what it has and did not answer. */
void arm_requests_answer(struct arm_io *io);

/* The state as a message; m->head is filled in too. */
void arm_io_state_message(struct arm_io *io, struct message_state *m);

#endif
