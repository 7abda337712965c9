/* picture_file.h - reads one picture from a file: JPEG, or binary PPM (P6, 8 bit). For programs and tests, not for the daemon. */
#ifndef DREAMVLA_POLICY_PICTURE_FILE_H
#define DREAMVLA_POLICY_PICTURE_FILE_H

#include "policy/policy.h"

/* Reads the file; *rgb [height][width][3] is the caller's to free. The kind is told by the first bytes, not by the name.
 * -errno of the system calls; -EBADMSG: neither kind, damaged, truncated, or a side above JPEG_SIDE_MAX; the text names the file.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int picture_file_read(const char *path, struct policy_picture *out, uint8_t **rgb, struct errbuf *e);

#endif
