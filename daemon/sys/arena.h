/* arena.h - size first, allocate once, point, freeze.
 *
 * The same lay-out function runs twice: on an arena without memory it only measures, on a reserved one it places, so that the two
 * cannot drift. After arena_freeze a further take is a bug of ours and asserts. */
#ifndef DREAMVLA_DAEMON_SYS_ARENA_H
#define DREAMVLA_DAEMON_SYS_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { ARENA_ALIGN_BYTES = 64 };

/* Zero is an arena in its measuring pass. */
struct arena {
	uint8_t *base;       /* NULL while measuring */
	size_t used, size;   /* bytes */
	bool overflow;       /* a request did not fit into a size_t */
	bool frozen;
};

/* count * size bytes, aligned to ARENA_ALIGN_BYTES, zeroed by arena_reserve; NULL while measuring.
 * Thread: the owner. Allocates: no. Blocks: no. */
void *arena_take(struct arena *a, size_t count, size_t size);

/* Ends the measuring pass: allocates what was measured, zeroed, and starts the placing pass. -ENOMEM names `what` and the size.
 * Thread: the owner. Allocates: yes. */
MUST_CHECK int arena_reserve(struct arena *a, const char *what, struct errbuf *e);

/* No arena_take from here on. Thread: the owner. Allocates: no. */
void arena_freeze(struct arena *a);

/* Gives the memory back; accepts a zeroed arena. Thread: the owner. */
void arena_finish(struct arena *a);

#endif
