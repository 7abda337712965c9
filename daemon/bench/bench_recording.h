/* bench_recording.h - a trace (bench_trace.h) out of a recording of dreamvlad. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_RECORDING_H
#define DREAMVLA_DAEMON_BENCH_BENCH_RECORDING_H

#include <stdint.h>

#include "daemon/bench/bench_trace.h"
#include "daemon/sys/error.h"

/* What of a recording is read. In a file that was cut, all that is whole; a note says so, and how many messages were damaged. */
struct recording_options {
	const char *path;
	int64_t from_ns, until_ns;    /* CLOCK_MONOTONIC of the recording; 0: its ends */
	const char *from, *until;     /* the same in wall time, as wall_parse reads it (bench_wall.h); NULL: its ends */
	void (*progress)(void *context, double share); /* 0..1, now and then; may be NULL */
	void *context;
};

/* -EINVAL: from or until is no time, lies outside of the recording, or until does not come after from; the text says which times it holds.
 * *t is all zero before, but for notes and the configuration, and finished (trace_finish) after. -ENODATA: it holds no trace: recorded by an older dreamvlad, or not by one; or empty.
 * Other errors as mcap_reader_open. On an error *t is to be freed as well. Thread: any. Allocates: yes. Blocks: on the file. */
MUST_CHECK int recording_read(struct bench_trace *t, const struct recording_options *o, struct errbuf *e);

#endif
