/* address.h - what a ZeroMQ address says about who can reach it. Private to config/. */
#ifndef DREAMVLA_CONFIG_ADDRESS_H
#define DREAMVLA_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

struct address {
	bool tcp;       /* else ipc */
	bool loopback;  /* of tcp: only this machine can reach it */
	bool wildcard;  /* of tcp: every interface */
	uint16_t port;  /* of tcp; 0: the system chooses one */
	char host[256]; /* of tcp: host; of ipc: path */
};

/* Takes tcp://HOST:PORT (HOST a name, a number, [IPv6] or *; PORT 0..65535 or *) and ipc://PATH apart.
 * -EINVAL: "found ..., allowed tcp://HOST:PORT or ipc://PATH". Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int address_parse(struct address *a, const char *text, struct errbuf *e);

/* True when two sockets bound to them would collide. */
bool address_collides(const struct address *a, const struct address *b);

#endif
