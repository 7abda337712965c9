/* outlet.h - the one way from this program onto a PiPER's bus. What must never be sent does not leave, and what changes the arm for good
 * only where that was asked for: piper_frame_danger() decides, whoever made the frame. */
#ifndef DREAMVLA_ROBOTS_PIPER_OUTLET_H
#define DREAMVLA_ROBOTS_PIPER_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "robots/bus/bus.h"

struct piper_outlet {
	const char *arm;           /* for the log; outlives the outlet */
	bool maintenance;          /* what changes the arm for good may pass */
	uint64_t sent, withheld;
};

/* bus_send's answer, or -EPERM: the frame was kept back, which is counted and logged. Thread: the bus's. Allocates: no. Blocks: no. */
MUST_CHECK int piper_outlet_send(struct piper_outlet *o, struct bus *b, const struct bus_frame *f);

#endif
