/* record_file.h - where a recording goes: names, room, and what to do when the disk says no. All functions: thread aux, block. */
#ifndef DREAMVLA_DAEMON_RECORD_RECORD_FILE_H
#define DREAMVLA_DAEMON_RECORD_RECORD_FILE_H

#include <stdint.h>

#include "daemon/record/report.h"
#include "daemon/sys/error.h"

/* Creates DIR/dreamvla-YYYYmmdd-HHMMSS[-N].mcap.part, a name that nobody has with or without .part, of local time;
 * the name is on the disk then.
 * path: with .part. Returns a file descriptor, or -errno with the remedy. */
MUST_CHECK int record_file_create(const char *dir, char path[RECORD_FILE_BYTES], struct errbuf *e);

/* Takes .part from the name, on the disk too; path follows. -EEXIST: somebody has that name by now, and the file keeps the old one. */
MUST_CHECK int record_file_finish(char path[RECORD_FILE_BYTES], struct errbuf *e);

/* -ENOSPC: the file system of `dir` has less than min_free_mb for us. */
MUST_CHECK int record_file_check_room(const char *dir, int32_t min_free_mb, struct errbuf *e);

/* What to do about an errno, as half a sentence. */
const char *record_file_remedy(int code);

#endif
