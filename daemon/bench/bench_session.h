/* bench_session.h - one whole set-up for a measurement: dreamvla-sim, dreamvla-arm and dreamvlad started from one
 * configuration, heard through the status socket and told what to do through the control socket, then ended. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_SESSION_H
#define DREAMVLA_DAEMON_BENCH_BENCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/bench/bench_process.h"
#include "daemon/bench/bench_robot.h"
#include "daemon/sys/error.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"
#include "transport/message/request.h"

enum { SESSION_ADDRESS_BYTES = PROCESS_PATH_BYTES + 64 };

struct session_options {
	const char *programs;       /* folder of the programs; NULL: PATH */
	const char *config;         /* file */
	enum bench_robot robot;
	const char *count_malloc;   /* library to preload into dreamvlad, or NULL */
	const char *record;         /* folder into which dreamvlad records; NULL: as the configuration says */
	bool record_cameras;        /* pictures too */
	int policy_latency_ms;      /* more than the policy takes by itself (policy.extra_latency_ms) */
	bool attach;                /* to the dreamvlad that runs with this configuration: nothing is started, nor ended */
	bool task;                  /* one arm in a world for tasks, whose judge answers at session_judge_address (robots/sim/judge.h) */
	uint64_t seed;              /* of that world */
	bool no_sim_cameras;        /* dreamvla-sim publishes no pictures: somebody else does */
	bool divert_cameras;        /* the simulated cameras publish to session.cameras instead of dreamvlad (bench_frames.h) */
};

struct session {
	struct config config;
	enum bench_robot robot;
	struct process_group group;
	void *zmq;
	struct endpoint *status_socket;
	char sim_config[PROCESS_PATH_BYTES + 64], cameras[PROCESS_PATH_BYTES + 64]; /* file of dreamvla-sim, "": dreamvlad's; address, "": dreamvlad's */
	bool has_status;
	int64_t status_ns;          /* when `status` arrived, CLOCK_MONOTONIC */
	struct message_status status;
};

/* From now on SIGINT and SIGTERM wait until session_step asks for them, so that what was started is always ended.
 * Thread: main, before any other. */
void session_hold_signals(void);

/* Reads the configuration, makes sure that nobody has its addresses, starts the programs and listens to the status.
 * -EADDRINUSE names the address. On an error nothing runs any more. Allocates: yes. Blocks: no. */
MUST_CHECK int session_start(struct session **out, const struct session_options *o, struct errbuf *e);

/* Waits up to wait_ms for the next status. 1: s->status is new, 0: there was none, -ECHILD: a program has ended (which, and its
 * last words), -EINTR: SIGINT or SIGTERM came. */
MUST_CHECK int session_step(struct session *s, int wait_ms, struct errbuf *e);

/* Waits for a status in which the mode is no longer BOOT. -ETIMEDOUT says what the last one said. */
MUST_CHECK int session_wait_ready(struct session *s, int64_t wait_ms, struct errbuf *e);

/* As an operator does with arms that come up without power: enables each at its own door, lets all go home, and waits until they are there.
 * Prints what is in the way whenever that changes. -ETIMEDOUT says what was in the way last. */
MUST_CHECK int session_wake_arms(struct session *s, int64_t wait_ms, struct errbuf *e);

/* Sends the instruction, then asks for AUTO until it is granted; prints what is still missing whenever that changes.
 * -ETIMEDOUT says what was missing last. */
MUST_CHECK int session_enter_auto(struct session *s, const char *instruction, int64_t wait_ms, struct errbuf *e);

/* Asks for a mode once. -EPROTO: what stands in the way. */
MUST_CHECK int session_set_mode(struct session *s, const char *mode, struct errbuf *e);

/* record start or stop. -EPROTO: why not. */
MUST_CHECK int session_record(struct session *s, const char *action, struct errbuf *e);

/* Asks a control socket for something without fields and reads the reply. -ETIMEDOUT, or the server's error as -EPROTO. */
MUST_CHECK int session_ask(struct session *s, const char *address, const char *command, uint8_t *answer, size_t capacity,
		size_t *n, struct errbuf *e);

/* Any request, begun by request_begin in `request` and not finished yet. Errors as session_ask. */
MUST_CHECK int session_call(struct session *s, const char *address, const struct map_builder *b, const uint8_t *request, uint8_t *answer,
		size_t capacity, size_t *n, struct errbuf *e);

/* One request with one text field to dreamvlad. Errors as session_ask. */
MUST_CHECK int session_tell(struct session *s, const char *command, const char *key, const char *text, struct errbuf *e);

/* Of the judge in a world for tasks. */
void session_judge_address(const struct session *s, char out[SESSION_ADDRESS_BYTES]);

/* What the simulated robot says of itself, where it is one that does (FRANKA_FCI). Errors as session_ask. */
MUST_CHECK int session_ask_robot(struct session *s, struct fci_numbers *f, struct errbuf *e);

/* The same of arm i, where it is a PiPER. */
MUST_CHECK int session_ask_piper(struct session *s, uint32_t i, struct piper_numbers *p, struct errbuf *e);

/* The recording in a folder: once dreamvlad has ended, whole or not. -ENOENT: there is none. */
MUST_CHECK int session_find_recording(const char *folder, char *out, size_t capacity, struct errbuf *e);

/* Ends what was started. Returns how many programs did not end well; their names go into e. Frees s; accepts NULL.
 * explain: print the ends of the logs and keep them. Blocks: some seconds at most. */
int session_stop(struct session *s, bool explain, struct errbuf *e);

/* One of status.counters by name; false when there is none of that name. */
bool session_counter(const struct message_status *m, const char *name, uint64_t *value);

#endif
