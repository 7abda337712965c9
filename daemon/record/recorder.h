/* recorder.h - a recording: MCAP files in record.dir, begun and ended on request, and ended by itself with a reason when the disk is full,
 * read-only or broken. A file is NAME.mcap.part while it is written and NAME.mcap once it is whole; after record.max_mb the next one
 * begins. All functions: thread aux, allocate, block on the disk. */
#ifndef DREAMVLA_DAEMON_RECORD_RECORDER_H
#define DREAMVLA_DAEMON_RECORD_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/links.h"
#include "daemon/record/report.h"
#include "daemon/sys/error.h"
#include "daemon/sys/tape.h"

struct recorder;

/* Needs `config` and `links` as long as it lives. The tapes' sizes bound a message. */
MUST_CHECK int recorder_create(struct recorder **out, const struct config *config, struct links *links, struct errbuf *e);
void recorder_destroy(struct recorder *r); /* ends the recording; accepts NULL */

/* Begins a file and has the tapes written. -EALREADY, or the file system's errno, with what to do about it; nothing is left behind. */
MUST_CHECK int recorder_start(struct recorder *r, int64_t now_ns, struct errbuf *e);

/* What the tapes held when this is called has been taken by then. -ENODATA: nothing is recorded. */
MUST_CHECK int recorder_stop(struct recorder *r, int64_t now_ns, struct errbuf *e);

bool recorder_runs(const struct recorder *r);

/* No more records go onto the tapes; those that are there still belong to the recording. */
void recorder_quieten(struct recorder *r);

/* One record, if something is recorded. What goes wrong ends the recording. now_ns: when it is taken, which may be long after it was made. */
void recorder_take(struct recorder *r, const struct tape_record *record, const void *payload, int64_t now_ns);

/* Once per wake-up: what is due by time (the chunk, the disk, free space, the next file). */
void recorder_step(struct recorder *r, int64_t now_ns);

/* For status: answers excepted, which are the aux thread's. */
void recorder_report(const struct recorder *r, struct record_report *out);

#endif
