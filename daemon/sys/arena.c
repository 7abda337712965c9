/* arena.c - see arena.h. */
#include "daemon/sys/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *arena_take(struct arena *a, size_t count, size_t size)
{
	size_t n, end;

	assert(!a->frozen && "allocation after start-up");
	if (__builtin_mul_overflow(count, size, &n) || __builtin_add_overflow(n, ARENA_ALIGN_BYTES - 1, &n)
			|| __builtin_add_overflow(a->used, n / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES, &end)) {
		a->overflow = true;
		return NULL;
	}
	size_t at = a->used;

	a->used = end;
	assert((!a->base || end <= a->size) && "the placing pass asks for more than the measuring pass");
	return a->base ? a->base + at : NULL;
}

int arena_reserve(struct arena *a, const char *what, struct errbuf *e)
{
	size_t n = a->used ? a->used : ARENA_ALIGN_BYTES;

	if (a->overflow)
		return fail(e, -ENOMEM, "%s: the buffers would not fit into any memory; make pictures or chunk smaller", what);
	a->base = aligned_alloc(ARENA_ALIGN_BYTES, n);
	if (!a->base)
		return fail(e, -ENOMEM, "%s: no memory for %zu MiB of buffers; make pictures or chunk smaller", what, n >> 20);
	memset(a->base, 0, n);
	a->size = n;
	a->used = 0;
	return 0;
}

void arena_freeze(struct arena *a)
{
	assert((a->used == a->size || !a->used) && "the two passes differ");
	a->frozen = true;
}

void arena_finish(struct arena *a)
{
	free(a->base);
	*a = (struct arena){ 0 };
}
