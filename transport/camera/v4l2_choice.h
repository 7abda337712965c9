/* v4l2_choice.h - which of a camera's formats, sizes and rates is taken. Pure. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_V4L2_CHOICE_H
#define DREAMVLA_TRANSPORT_CAMERA_V4L2_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "transport/camera/picture.h"

enum { V4L2_MODES_MAX = 512, V4L2_LIST_BYTES = 512 };

/* A format that can be published. */
struct v4l2_format_kind {
	const char *name;             /* as --format and --list call it */
	uint32_t fourcc;              /* V4L2_PIX_FMT_* */
	bool jpeg;                    /* passed through */
	struct picture_layout layout; /* of the others */
};

/* In the order of preference; NULL beyond the last. */
const struct v4l2_format_kind *v4l2_format_at(uint32_t i);
const struct v4l2_format_kind *v4l2_format_find(uint32_t fourcc); /* NULL: not one that can be published */

/* One thing that a camera can do: a format in sizes from lowest to highest (alike where it has only single sizes) at rates likewise. */
struct v4l2_mode {
	uint32_t fourcc;
	uint32_t width_min, width_max, width_step, height_min, height_max, height_step; /* steps: 1 or more */
	double rate_min_hz, rate_max_hz; /* 0: it does not say */
};

struct v4l2_wish {
	const char *format;           /* NULL: any, mjpeg first */
	uint32_t width, height;       /* 0: nearest to 640x480 */
	double rate_hz;               /* 0: nearest to 30 */
	uint32_t width_max, height_max; /* never larger */
};

struct v4l2_chosen {
	const struct v4l2_format_kind *kind;
	uint32_t width, height;
	double rate_hz;
};

/* What was asked for must be there as it is, a rate within 5 %; what was not asked for is taken as near as can be.
 * -EINVAL says what the camera has instead. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int v4l2_choose(const struct v4l2_mode *mode, uint32_t n, const struct v4l2_wish *wish, struct v4l2_chosen *out, struct errbuf *e);

#endif
