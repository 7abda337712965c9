/* session.h - the life of the TCP connection to a Franka: which version it speaks, its settings, motions, recovery, and what goes
 * wrong. Bytes in, bytes out, on the time that it is told: it knows no sockets, and whoever runs it (link.c) does as it says.
 *
 * Every wait has a limit, but for the second response of a Move, which takes as long as the motion; whoever sees the robot's states
 * knows when it is overdue. A robot that answers to nobody, with a status that its protocol does not have, too short or without end is
 * left at once. Troubles and refusals are said once per change, not once per try.
 * All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_SESSION_H
#define DREAMVLA_ROBOTS_FRANKA_SESSION_H

#include "daemon/sys/log.h"
#include "robots/franka/link.h"

enum { FRANKA_SESSION_IN_BYTES = 4096, FRANKA_SESSION_OUT_BYTES = 1024, FRANKA_SESSION_EVENTS = 16, FRANKA_SESSION_NOTES = 8,
	FRANKA_NOTE_BYTES = 256, FRANKA_FOUND_BYTES = 192 };

enum franka_session_phase {
	FRANKA_SESSION_WAIT,       /* until the next try */
	FRANKA_SESSION_TRY,        /* the socket is being connected */
	FRANKA_SESSION_GREET,      /* Connect is on its way */
	FRANKA_SESSION_LISTEN,     /* connected, until states come */
	FRANKA_SESSION_SET,        /* settings */
	FRANKA_SESSION_OPEN,
};

/* At most one request of each kind waits for its response. */
enum franka_session_slot { FRANKA_SLOT_SETUP, FRANKA_SLOT_MOVE, FRANKA_SLOT_STOP, FRANKA_SLOT_RECOVER,
	FRANKA_SLOT_LATE, /* a recovery that is not waited for any more */ FRANKA_SLOTS };

struct franka_request {
	bool waits;
	enum fci_command command;
	uint32_t id;
	int64_t due_ns;            /* of the response; INT64_MAX: of a motion that has started */
};

struct franka_note {
	enum log_level level;
	char text[FRANKA_NOTE_BYTES];
};

struct franka_session {
	const struct franka_setup *setup;
	uint16_t udp_port;
	uint32_t version_min, version_first, version_max; /* of the generation that setup->model names */
	uint32_t version;          /* offered, or spoken */
	enum franka_session_phase phase;
	int64_t due_ns;            /* of the phase; INT64_MAX: none */
	int64_t backoff_ns, opened_ns;
	uint64_t generation;
	struct in_addr peer;
	uint32_t next_id, setting;
	struct franka_request request[FRANKA_SLOTS];
	double ne_t_ee[16];
	bool followed;             /* the version is the one that the robot named when it refused another */
	bool disordered;           /* an ask out of order was said, of this generation */
	enum fci_status refused;   /* of the last Move, and said; SUCCESS: it was not */
	enum franka_trouble trouble, said_trouble;
	char said[FRANKA_FOUND_BYTES];
	int64_t partial_ns;        /* the first bytes of an unfinished response came then */
	size_t n_in, n_out;
	uint8_t in[FRANKA_SESSION_IN_BYTES], out[FRANKA_SESSION_OUT_BYTES];
	uint32_t n_events, n_notes;
	struct franka_event event[FRANKA_SESSION_EVENTS];
	struct franka_note note[FRANKA_SESSION_NOTES];
};

/* The first try is due at once. setup stays the caller's and unchanged. -EINVAL: setup->model is no Franka. */
MUST_CHECK int franka_session_init(struct franka_session *s, const struct franka_setup *setup, uint16_t udp_port, struct errbuf *e);

/* The robot's address is to be found now, and a socket to be connected. Not while events are left to take. */
bool franka_session_begin(struct franka_session *s, int64_t now_ns);
/* What became of it: a name that nobody knows, or a socket that is being connected, from now on. */
void franka_session_unresolved(struct franka_session *s, const char *why, int64_t now_ns);
void franka_session_dial(struct franka_session *s, int64_t now_ns);
void franka_session_connected(struct franka_session *s, struct in_addr peer, int64_t now_ns);
/* Not connected, or not any more: an errno, or 0 where the robot closed it. */
void franka_session_lost(struct franka_session *s, int error, int64_t now_ns);

/* The socket is to be open (or being connected). false: whoever has one closes it. */
bool franka_session_wants_socket(const struct franka_session *s);

/* Bytes of any length in; and out[0..n_out), of which n were sent. */
void franka_session_receive(struct franka_session *s, const uint8_t *bytes, size_t n, int64_t now_ns);
void franka_session_sent(struct franka_session *s, size_t n);

void franka_session_ask(struct franka_session *s, const struct franka_ask *a, int64_t now_ns);

/* Judges what is overdue; to be called at franka_session_due_ns, later does no harm. INT64_MAX: nothing is waited for. */
void franka_session_tick(struct franka_session *s, int64_t now_ns);
int64_t franka_session_due_ns(const struct franka_session *s);

/* The oldest one that was not taken. false: none. */
bool franka_session_take_event(struct franka_session *s, struct franka_event *out);
bool franka_session_take_note(struct franka_session *s, struct franka_note *out);

#endif
