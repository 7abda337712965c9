/* bench_allocations.h - reads what tests/preload/count_malloc.c writes: heap allocations by thread and by library, between
 * two snapshots. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_ALLOCATIONS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { ALLOCATION_ROWS_MAX = 512 };

struct allocation_row {
	int32_t thread;
	char name[16], library[64];
	uint64_t count, bytes;
};

struct allocations {
	int64_t from_ns, to_ns;       /* CLOCK_MONOTONIC of the two snapshots */
	uint32_t n;
	struct allocation_row row[ALLOCATION_ROWS_MAX]; /* only what happened between them */
};

/* Subtracts the first snapshot at or after from_ns from the last complete one at or before to_ns.
 * -ENOENT: no file; -ENODATA: there are no two such snapshots; -EBADMSG: a line that is none. Allocates: yes, nothing stays. */
MUST_CHECK int allocations_read(struct allocations *a, const char *path, int64_t from_ns, int64_t to_ns, struct errbuf *e);

/* Is that library one whose allocations we do not answer for in the policy thread: libturbojpeg, oneDNN and its OpenMP? */
bool allocation_is_excused(const char *library);

/* Number of allocations of the threads of that name: of all libraries, or only of those that are not excused. */
uint64_t allocations_of_thread(const struct allocations *a, const char *thread, bool also_excused);

#endif
