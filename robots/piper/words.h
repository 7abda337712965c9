/* words.h - what piper-link writes into the log: what became of the bus, of the session's phases, what the arm is, and what is wrong with
 * what it says; each when it changes, not as long as it lasts. */
#ifndef DREAMVLA_ROBOTS_PIPER_WORDS_H
#define DREAMVLA_ROBOTS_PIPER_WORDS_H

#include "daemon/sys/error.h"
#include "robots/piper/session.h"
#include "robots/piper/setup.h"

struct piper_words {
	const struct piper_setup *setup; /* outlives it */
	char bus[ERRBUF_BYTES];    /* the newest thing said about it */
	enum piper_phase phase;
	uint64_t torn, odd, wild, void_commands, stale; /* as they were when they were last told */
};

void piper_words_init(struct piper_words *w, const struct piper_setup *setup);

/* bus_open's or bus_explain's code and text; 0: it is open. The same text again is not repeated. Thread: piper-link. Allocates: no.
 * Blocks: no. */
void piper_words_bus(struct piper_words *w, int code, const char *text);

/* As piper_words_bus: what has changed in the session. */
void piper_words_session(struct piper_words *w, const struct piper_session *s);

/* As piper_words_bus: what an operator has asked for, and whether the session takes it; each time. */
void piper_words_ask(struct piper_words *w, const struct piper_session *s, enum piper_ask ask, bool taken);

/* "firmware S-V1.8-9; joint 1: -150.0..150.0 degrees, speed 3000 (3 rad/s), acceleration 500 (5 rad/s^2); ...": as the arm has told it,
 * with what its numbers are taken for, or "refused". Thread: any. */
void piper_words_arm(const struct piper_session *s, char *out, size_t capacity);

#endif
