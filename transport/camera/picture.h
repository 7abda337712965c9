/* picture.h - a frame's bytes as the wire wants them: a whole JPEG. What a camera has compressed is looked through, never decoded. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_PICTURE_H
#define DREAMVLA_TRANSPORT_CAMERA_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* Follows the markers from the picture's beginning to its end (ITU T.81 annex B): frame header, at least one scan, end of image.
 * *n_whole: without what a camera has put behind the end (zeros, mostly). -EBADMSG: half a picture, or none.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int picture_check_jpeg(const uint8_t *bytes, size_t n, size_t *n_whole, uint32_t *width, uint32_t *height, struct errbuf *e);

/* How packed 4:2:2 pictures lie in memory: where in four bytes the two luma and the two chroma samples are. */
struct picture_layout {
	uint8_t y0, cb, y1, cr;
};

/* How their numbers mean colours (kernel documentation, "Detailed Colorspace Descriptions"). JPEG (JFIF) wants BT.601, full range. */
struct picture_colour {
	bool full_range;              /* else 16..235 and 16..240 */
	bool bt709;                   /* else BT.601 */
};

struct picture_encoder;

/* For pictures of width x height (width even, as 4:2:2 wants). -EINVAL, -ENOMEM. Thread: any; an object belongs to one. Allocates: yes. */
MUST_CHECK int picture_encoder_create(struct picture_encoder **out, uint32_t width, uint32_t height, struct picture_layout layout,
		struct picture_colour colour, struct errbuf *e);
void picture_encoder_destroy(struct picture_encoder *p); /* accepts NULL */

/* raw[height][stride], of which n bytes are there; the JPEG (4:2:2, quality 90) lives in the encoder until the next call.
 * -EBADMSG: fewer bytes than the picture has. Allocates: inside libjpeg-turbo only. Blocks: no. */
MUST_CHECK int picture_encode(struct picture_encoder *p, const uint8_t *raw, size_t n, size_t stride, const uint8_t **jpeg, size_t *n_jpeg,
		struct errbuf *e);

#endif
