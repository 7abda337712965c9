/* numbers.h - what `status` says of a PiPER's link: counts of frames, of what was wrong with them and with the wire, and how warm it is. */
#ifndef DREAMVLA_ROBOTS_PIPER_NUMBERS_H
#define DREAMVLA_ROBOTS_PIPER_NUMBERS_H

#include "robots/driver.h"
#include "robots/piper/outlet.h"
#include "robots/piper/session.h"

/* In the order of the names in numbers.c. */
struct piper_numbers {
	uint32_t n;                /* 0: nothing is known yet */
	double value[ROBOT_NUMBERS_MAX];
};

/* opens: how often the bus was opened. Thread: any, all of it the caller's. Allocate: no. Block: no. */
void piper_numbers_take(struct piper_numbers *n, const struct piper_session *s, const struct piper_outlet *o, uint64_t opens);

/* Fills at most ROBOT_NUMBERS_MAX, returns how many. */
uint32_t piper_numbers_list(const struct piper_numbers *n, struct robot_number *out);

#endif
