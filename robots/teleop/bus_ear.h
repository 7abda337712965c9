/* bus_ear.h - a CAN bus that is only listened to, and opened again when it was lost. It sends nothing: it has no function for it. */
#ifndef DREAMVLA_ROBOTS_TELEOP_BUS_EAR_H
#define DREAMVLA_ROBOTS_TELEOP_BUS_EAR_H

#include "robots/bus/bus.h"

struct bus_ear;

/* Opens it; errors as bus_open's. The address lives as long as the ear; filters are copied. Thread: any, then always that one.
 * Allocates: yes. Blocks: as bus_open. bus_ear_destroy accepts NULL and blocks as bus_open while the bus is being opened. */
MUST_CHECK int bus_ear_create(struct bus_ear **out, const struct bus_options *o, struct errbuf *e);
void bus_ear_destroy(struct bus_ear *ear);

/* For poll; -1 while there is no bus. */
int bus_ear_fd(const struct bus_ear *ear);

/* true: the next event. false: there is none now. A bus that is lost is opened anew, every second, by a thread. Allocates: when it is
 * lost. Blocks: no. */
bool bus_ear_next(struct bus_ear *ear, int64_t now_ns, struct bus_event *out);

/* Why nothing comes, and what to do; "" while frames come. */
const char *bus_ear_trouble(const struct bus_ear *ear);

#endif
