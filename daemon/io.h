/* io.h - the io thread: everything that talks ZeroMQ. Cameras, arm states, instructions and requests come in, targets,
 * status and events go out; control and policy are reached through links.h only.
 *
 * One thread, one poll; each kind of traffic has a file of its own (io_camera.c, io_state.c, ...) and this struct in common.
 * Nothing here waits for a peer: sockets are drained newest-wins, a bounded number of messages per wake-up, targets go
 * first and frames last. All functions: thread io, allocates no, blocks no, unless they say otherwise. */
#ifndef DREAMVLA_DAEMON_IO_H
#define DREAMVLA_DAEMON_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/record/kinds.h"
#include "daemon/stage/observation.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"
#include "daemon/sys/rt.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"
#include "transport/message/request.h"
#include "transport/sequence.h"

enum {
	IO_DRAIN_MAX = 32,            /* messages taken from one socket before the others get their turn */
	IO_CAMERA_BYTES = 8 << 20,    /* of frames per wake-up: a few milliseconds of copying and hashing */
	IO_PENDING_MAX = ANSWERS_RECENT, /* requests that wait for the control thread, as many as it remembers */
	IO_VOID_KINDS = 32,           /* different complaints remembered for the once-a-second log */
	IO_REPLY_BYTES = 32768,
	RECORD_LABEL_BYTES = 200,     /* of a mark, at most */
};

/* One publisher of one topic, as status shows it. */
struct io_source {
	struct sequence sequence;
	uint64_t counted;             /* sequence.accepted when the rate was last computed */
	int64_t counted_ns;
	double rate_hz;
};

struct io_camera {
	struct io_source source;
	const struct config_camera *config;
	struct frame_history history;
	struct camera_frame frame[FRAME_HISTORY]; /* by the history's slots; bytes: buffers made at start */
	uint32_t newest;              /* slot */
	struct frozen_watch watch;
	bool frozen;
};

/* A person's device; its slot is its place in inputs.teleop. name "": free. */
struct io_teleop {
	char name[NAME_BYTES];
	struct io_source source;
	bool armed;                   /* its dead-man was seen released: pressing it is an edge */
};

/* What an arm said of itself when a reason about it came up: the sentence stays true once the arm says something else. */
struct io_told {
	bool stands;
	uint32_t reason, subject;
	int64_t since_ns;
	struct arm_words words;
};

/* A chunk whose first target was published and whose command the arm has not told of yet. */
struct io_flight {
	struct record_span span;      /* whose it is; begin: the tick that made the target; end: when it was published */
	int64_t photon_ns;            /* when its oldest frame was taken */
};

/* A person's target that was the first one made from its message. */
struct io_stick {
	uint64_t seq;
	int64_t stamp_ns, published_ns;
};

enum { IO_FLIGHTS = 8, IO_STICKS = 128 };

/* What io_trace.c waits for from one arm. */
struct io_trace {
	struct io_flight flight[IO_FLIGHTS];
	uint32_t next_flight;
	uint64_t newest_chunk;        /* that targets were published of */
	uint64_t sent_chunk, sent_seq; /* newest that the arm has told of */
	struct io_stick stick[IO_STICKS]; /* by seq */
	int64_t stick_stamp_ns;       /* of the newest of these */
	bool teleop_sent;             /* the newest target was a person's */
};

enum io_door_wait { DOOR_IDLE, DOOR_ATTACH, DOOR_DETACH, DOOR_PING };

struct io_arm {
	struct io_source source;
	struct state_history history;
	char refused[MESSAGE_TEXT_BYTES]; /* the arm's or the attach's last refusal */
	int64_t refused_ns;           /* when we heard of it */
	struct arm_words words;       /* of its newest state */
	uint64_t target_seq, shadow_seq;
	struct io_trace trace;
	/* its control socket */
	struct endpoint *door;
	enum io_door_wait waiting;    /* for the reply to what was asked last */
	int64_t asked_ns, attach_asked_ns; /* when it was asked; when attach was asked last */
	bool attach_wanted, ever_attached, clear_stop, detach_asked;
	int64_t attach_until_ns;      /* an operator's wish is given up after that */
	int64_t pinged_ns;
	int64_t ping_ns;              /* CLOCK_REALTIME in that ping, which its reply must echo */
	bool ping_lost;               /* the newest one, and the log has said so */
	bool clock_off;               /* its realtime clock differs by more than 5 ms */
	int64_t clock_measured_ns;    /* when that was found out last, 0: never */
};

/* A request that waits for the control thread's answer. */
struct io_pending {
	struct endpoint_peer peer;
	uint32_t ticket;
	int64_t deadline_ns;
};

/* A complaint and when it was last logged. */
struct io_void_kind {
	char topic_key[96];
	int64_t logged_ns;
	uint64_t since;               /* void messages since then */
};

struct io_counters {
	uint64_t frames, frames_void, states, states_void, instructions, teleop, operators_void, unknown_topics, duplicates, foreign,
			acks_void, observations, targets, targets_dropped, shadows, requests, requests_refused, events;
};

enum io_phase { IO_RUNNING, IO_STOPPING, IO_STANDING, IO_DETACHING, IO_DETACHED };

struct io {
	/* given by runtime.c, constant */
	const struct config *config;
	const struct control_setup *setup;
	struct links *links;
	struct stats *stats;
	/* main asks for a phase, io answers with the one it has reached */
	_Atomic int wanted_phase, phase;
	_Atomic bool quit;
	pthread_t thread;
	bool thread_runs;
	/* sockets */
	struct endpoint *cameras, *operators, *states, *targets, *status, *control;
	uint64_t from;                /* our own random number */
	int64_t now_ns;               /* of this wake-up; while messages are received, of the newest one */
	int64_t clock_offset_ns;      /* 0, or CLOCK_REALTIME - CLOCK_MONOTONIC */
	bool clock_known;             /* the offset has been read before */
	int64_t clock_stepped_until_ns;
	/* what came in */
	struct io_camera camera[CAMERAS_MAX];
	struct io_arm arm[ARMS_MAX];
	uint64_t frame_bytes_max;
	struct inputs inputs;
	bool inputs_changed, frames_changed;
	struct io_teleop teleop[TELEOP_DEVICES_MAX];
	char teleop_refused[MESSAGE_TEXT_BYTES + 2 * NAME_BYTES]; /* why a device may not drive, the newest refusal */
	int64_t teleop_refused_ns;    /* when; 0: never */
	char instruction[INSTRUCTION_BYTES];
	struct sequence instruction_sequence;
	bool skewed;                  /* there are frames of every camera, but no set within camera.max_skew_ms */
	uint64_t observation_id;
	int64_t observed_ns;          /* t_obs of the newest observation published */
	int64_t stop_logged_ns, reset_logged_ns; /* an operator's newest, 0: never */
	/* what control and policy said last */
	struct control_report report;
	struct policy_status policy;
	uint32_t attach_ticket;
	struct io_told told;          /* of the mode's reason */
	struct io_told told_cause[REASONS_MAX]; /* of each fault that stands */
	/* the recording */
	struct record_report record;  /* as the aux thread said last */
	uint32_t record_ticket;
	struct io_pending record_pending; /* ticket 0: none waits */
	/* requests */
	struct io_pending pending[IO_PENDING_MAX];
	uint32_t n_pending, ticket, shutdown_ticket;
	uint8_t reply[IO_REPLY_BYTES];
	/* status */
	int64_t status_due_ns;
	uint64_t status_seq, event_seq;
	uint64_t ticks_counted;
	int64_t ticks_counted_ns;
	double rate_hz;
	struct message_status status_message;
	struct io_void_kind void_kind[IO_VOID_KINDS];
	struct io_counters counters;
};

/* ---- life cycle: io_thread.c ---- */

/* Opens every socket and makes the frame buffers. The error names the socket and the remedy. Thread: main. Allocates: yes. */
MUST_CHECK int io_create(struct io **out, const struct config *c, const struct control_setup *setup, struct links *links,
		struct stats *stats, void *zmq_context, struct errbuf *e);
void io_destroy(struct io *io); /* accepts NULL */

/* Starts the thread one below the control thread's priority; io_thread_stop waits for its end. Thread: main. */
MUST_CHECK int io_thread_start(struct io *io, int cpu, bool *realtime, struct errbuf *e);
void io_thread_stop(struct io *io);

/* Asks for IO_STOPPING (answered by IO_STANDING once every arm stands) or IO_DETACHING (answered by IO_DETACHED).
 * Thread: main. Blocks: no. */
void io_ask_phase(struct io *io, enum io_phase phase);
enum io_phase io_phase_reached(const struct io *io);

/* Everything that the thread does when it wakes up, once: what is there is received, what is due is sent. It waits for nothing, so
 * that a test can run it on a time of its own. */
void io_wake(struct io *io);                      /* io_thread.c */

/* ---- pieces of one wake-up ---- */

void io_camera_receive(struct io *io);            /* io_camera.c */
void io_camera_status(struct io *io);             /* copies into inputs what the control thread needs */
void io_observation_publish(struct io *io);       /* io_observation.c: the newest set of frames, if there is a newer one */
void io_state_receive(struct io *io);             /* io_state.c */
const struct arm_words *io_words(const struct io *io, uint32_t reason, uint32_t arm); /* what it says about that, or NULL */
void io_told_follow(struct io *io);               /* io_told.c: keeps what arms say of themselves when a reason comes up */
const struct arm_words *io_told_reason(const struct io *io); /* for the sentence of the mode's reason; may be NULL */
const struct arm_words *io_told_cause(const struct io *io, uint32_t reason, uint32_t arm); /* present ones, else of the fault that stands; may be NULL */
void io_operator_receive(struct io *io);          /* io_operator.c */
void io_teleop_init(struct io *io);               /* io_teleop.c: the slots of the listed devices. Thread: main */
bool io_teleop_knows(const struct io *io, const char *name); /* the device has a slot */
MUST_CHECK int io_teleop_take(struct io *io, const char *name, const struct endpoint_message *m, struct errbuf *e);
void io_instruction_set(struct io *io, const char *text); /* equal text is no change */
void io_target_send(struct io *io);               /* io_target.c */
void io_trace_observation(struct io *io, const struct observation *o); /* io_trace.c: of one that the policy may take */
/* That was just published under this number, and when. */
void io_trace_target(struct io *io, const struct driver_target *t, uint64_t seq, int64_t published_ns);
void io_trace_state(struct io *io, uint32_t arm); /* what the arm's newest state says of its commands */
void io_attach_step(struct io *io);               /* io_attach.c: requests to and answers from the arms' own doors */
bool io_attach_clock_good(const struct io *io, uint32_t arm); /* with `clock: realtime`: measured, and within 5 ms of ours */
bool io_attach_let_go(struct io *io);             /* asks every arm that obeys us to let go; true once none is left to wait for */
void io_control_receive(struct io *io);           /* io_control.c */
void io_control_answer(struct io *io);            /* passes on what the control thread has answered, or that it did not */
bool io_command(struct io *io, struct command command); /* false: the control thread hangs, the command is lost */
void io_event_send(struct io *io);                /* io_event.c */
void io_event_publish(struct io *io, struct message_event *m);
void io_status_fill(struct io *io);               /* io_status.c: status_message from everything */
void io_status_send(struct io *io);

/* The recording (io_record.c). What is received or sent goes onto io's tape if somebody records; m: parts 1 (map) and 2 (picture). */
void io_record_bytes(struct io *io, enum record_kind kind, const char *topic, int64_t stamp_ns, const struct endpoint_message *m);
void io_record_received(struct io *io, enum record_kind kind, const char *what, const char *name, int64_t stamp_ns, const struct endpoint_message *m);
void io_record_instruction(struct io *io);
void io_record_follow(struct io *io);             /* the aux thread's newest report, its edges as events */
void io_record_status(const struct io *io, struct message_status *m);
/* -EBUSY: one request at a time. The answer comes with io->record, or not in time. */
MUST_CHECK int io_record_ask(struct io *io, const struct endpoint_peer *peer, enum record_action action, struct errbuf *e);
MUST_CHECK int io_record_mark(struct io *io, const char *label, struct errbuf *e); /* -ENODATA: nothing is recorded; -EINVAL: too long */

/* ---- common: io_void.c ---- */

/* One void message of the topic kind/name (name may be NULL): counts it, and logs once a second per topic and key. The text is
 * the decoder's: "key: found, want". */
void io_void(struct io *io, uint64_t *counter, const char *kind, const char *name, const char *text);

/* The text for a topic that nobody here wants. Returns e->text. */
const char *io_void_topic(const struct endpoint_message *m, const char *want, struct errbuf *e);

/* Is this message to be used? Counts duplicates, and tells once a second of a second publisher of the same topic. */
bool io_sequence_take(struct io *io, struct sequence *s, const char *kind, const char *name, uint64_t from, uint64_t seq);

/* A publisher's rate over the last second or so, renewed at most once a second. */
void io_source_rate(struct io *io, struct io_source *s);

/* Reads the offset of the clock of messages; a step of it by more than 5 ms is shown to control for half a second. */
void io_clock_read(struct io *io);

/* A monotonic time as it stands in messages. */
int64_t io_to_wire_ns(const struct io *io, int64_t monotonic_ns);

#endif
