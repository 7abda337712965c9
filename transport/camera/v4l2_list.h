/* v4l2_list.h - the cameras of this machine, what they can do and by which names they stay findable. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_V4L2_LIST_H
#define DREAMVLA_TRANSPORT_CAMERA_V4L2_LIST_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/sys/error.h"

/* Every device that captures video: a table, or one JSON object. No camera at all is no error, and said.
 * -ENOMEM, -EIO. Thread: any. Allocates: yes, nothing stays. Blocks: on drivers. */
MUST_CHECK int v4l2_list(FILE *out, bool json, struct errbuf *e);

#endif
