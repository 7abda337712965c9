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

/* Who allocated, by library: the one list of what is told apart. The aim is 0 outside libturbojpeg; oneDNN 2.6 and its OpenMP
 * allocate in every product, which our tests allow and our reports show. */
enum allocation_kind { ALLOCATION_OURS, ALLOCATION_JPEG, ALLOCATION_ONEDNN, ALLOCATION_KINDS };
enum allocation_kind allocation_kind_of(const char *library);
const char *allocation_kind_name(enum allocation_kind kind);

/* Number of allocations of that kind by the threads of that name, with or without "-1" and so on behind it. */
uint64_t allocations_of_thread(const struct allocations *a, const char *thread, enum allocation_kind kind);

#endif
