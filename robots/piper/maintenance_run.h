/* maintenance_run.h - dreamvla-arm --maintenance: one thing changed in a PiPER for good, with a person's yes, and read back. */
#ifndef DREAMVLA_ROBOTS_PIPER_MAINTENANCE_RUN_H
#define DREAMVLA_ROBOTS_PIPER_MAINTENANCE_RUN_H

#include "robots/piper/maintenance.h"

struct piper_maintenance_options {
	const struct piper_setup *setup;
	struct piper_wish wish;
	bool yes;                      /* was said already: standard input is not read */
};

/* Opens the arm's bus, says what is there and what is about to be done, wants the line "yes", does it and says what came of it. 0: it is
 * so; otherwise why not: bus_open's and bus_send's errors, -ECANCELED nobody said yes, or what piper_maintenance found.
 * Thread: main. Allocates: yes. Blocks: for a person, and for seconds. */
MUST_CHECK int piper_maintenance_run(const struct piper_maintenance_options *o, struct errbuf *e);

#endif
