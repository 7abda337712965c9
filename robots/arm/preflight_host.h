/* preflight_host.h - what this machine is like, for the preflight. */
#ifndef DREAMVLA_ROBOTS_ARM_PREFLIGHT_HOST_H
#define DREAMVLA_ROBOTS_ARM_PREFLIGHT_HOST_H

#include "robots/arm/preflight.h"

/* address: of the arm, host or IPv4. What cannot be found out is as if nothing were wrong with it. Thread: start-up. Allocates: yes,
 * nothing stays. Blocks: on /sys and the resolver. */
void preflight_host_read(struct preflight_host *h, const char *address);

#endif
