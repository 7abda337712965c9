/* link.h - the simulated PiPER's end of the bus, and what may go wrong on it on purpose: frames lost, late, from nowhere, or none at all.
 *
 * One call = one ms. Thread: its owner. Allocates: no. Blocks: no. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_LINK_H
#define DREAMVLA_ROBOTS_SIM_PIPER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "robots/bus/bus.h"

enum { PIPER_DELAY_MS_MAX = 127, PIPER_UNDERWAY_MAX = 2048 };

struct piper_underway {
	uint64_t due_ms;
	struct bus_frame frame;
};

/* Feedback, to the hosts; or commands, to the arm. What is late stays in order; more than fits is lost. */
struct piper_stream {
	uint32_t drop;             /* so many of the next ones */
	uint32_t drop_id;          /* of this id; 0: of any */
	uint32_t delay_ms;         /* of every one, until it is 0 again; at most PIPER_DELAY_MS_MAX */
	uint64_t dropped;
	uint32_t first, n;
	struct piper_underway underway[PIPER_UNDERWAY_MAX];
};

struct piper_link {
	struct bus *bus;           /* not owned */
	uint64_t now_ms;
	uint64_t random;
	struct piper_stream feedback, commands;
	uint32_t noise_ms;         /* a frame from nowhere in each of them */
	uint32_t bus_off_ms;       /* nobody hears, nothing comes */
	uint32_t silent_ms;        /* it hears, and says nothing */
	uint64_t sent, refused;    /* refused: by the bus */
	int trouble;               /* of the bus: what it said last, negative errno, or 0 */
	char trouble_text[sizeof((struct errbuf *)0)->text]; /* what to do about it */
};

void piper_link_init(struct piper_link *l, struct bus *b);

/* A millisecond has passed: delayed feedback and noise go out. */
void piper_link_step(struct piper_link *l);

/* The oldest frame that has reached the arm. false: there is none. */
bool piper_link_take(struct piper_link *l, struct bus_frame *out);

void piper_link_send(struct piper_link *l, const struct bus_frame *f);

/* Off the bus for so long. */
void piper_link_bus_off(struct piper_link *l, uint32_t ms);

#endif
