/* bench_pad.h - a person's device as dreamvlad meets one: a publisher of teleop/bench at 100 Hz, with its ear on the targets. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PAD_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/bench/bench_session.h"
#include "daemon/sys/error.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"

struct pad {
	const struct session *session;
	struct endpoint *operators, *targets, *control;
	struct message_teleop message;   /* what is sent next: its dead-man and values are the caller's to change */
	int64_t send_ns;                 /* CLOCK_MONOTONIC: the next repetition is due */
	int64_t sent_ns;                 /* just before the newest message was handed to libzmq */
	struct message_target target;    /* newest one received */
	int64_t target_ns;               /* when; 0: none yet */
	pthread_t thread;
	bool streams;
	_Atomic bool stop;
};

/* Connects; the dead-man is released. 0 or -errno; on an error nothing stays open. Allocates: yes. Blocks: no. */
MUST_CHECK int pad_open(struct pad *p, const struct session *s, struct errbuf *e);
void pad_close(struct pad *p);

/* Sends at once instead of when it is due. Thread: the pad's. Blocks: no. */
void pad_send(struct pad *p);

/* Repeats the message whenever it is due, until a target comes (1) or until_ns (0). -errno: a target that cannot be read.
 * Thread: the pad's. Blocks: yes. */
MUST_CHECK int pad_step(struct pad *p, int64_t until_ns, struct errbuf *e);

/* Time there and back of one `ping` at dreamvlad's control socket: two hops between processes. -ETIMEDOUT after a second. */
MUST_CHECK int pad_ping(struct pad *p, int64_t *round_trip_ns, struct errbuf *e);

/* Streams in a thread of its own until pad_stream_stop; the pad belongs to that thread meanwhile. */
MUST_CHECK int pad_stream_start(struct pad *p, struct errbuf *e);
void pad_stream_stop(struct pad *p);

#endif
