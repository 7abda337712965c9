/* jpeg.h - JPEG to RGB and back through libjpeg-turbo, with limits before any decoding.
 *
 * Lives beside the other base pieces because cameras, policy and simulator need it and may not include each other. */
#ifndef DREAMVLA_DAEMON_SYS_JPEG_H
#define DREAMVLA_DAEMON_SYS_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { JPEG_SIDE_MAX = 8192 };

struct jpeg_codec;

/* Thread: any; an object belongs to one thread at a time. Allocates: yes. */
MUST_CHECK int jpeg_codec_create(struct jpeg_codec **out, struct errbuf *e);
void jpeg_codec_destroy(struct jpeg_codec *c); /* accepts NULL */

/* Reads only the markers up to the frame header, without libjpeg-turbo: width and height in pixels. -EBADMSG: no JPEG, or a side is 0 or above JPEG_SIDE_MAX.
 * Allocates: no. Blocks: no. */
MUST_CHECK int jpeg_read_size(const uint8_t *bytes, size_t n, uint32_t *width, uint32_t *height, struct errbuf *e);

/* Decodes to rgb [height][width][3] with the fast DCT and fancy upsampling, as the training pipeline did
 * (TJFLAG_FASTDCT). The header's size must be width x height; capacity in bytes. A damaged or truncated file is -EBADMSG.
 * Allocates: inside libjpeg-turbo only. Blocks: no. */
MUST_CHECK int jpeg_decode_rgb(struct jpeg_codec *c, const uint8_t *bytes, size_t n, uint32_t width, uint32_t height,
		uint8_t *rgb, size_t capacity, struct errbuf *e);

/* Upper bound of what jpeg_encode_rgb writes. Allocates: no. */
size_t jpeg_encoded_bound(uint32_t width, uint32_t height);

/* Encodes rgb with 4:2:0 and the accurate DCT at `quality` (1..100) into out [capacity >= jpeg_encoded_bound];
 * *n receives the length. Allocates: inside libjpeg-turbo only. Blocks: no. */
MUST_CHECK int jpeg_encode_rgb(struct jpeg_codec *c, const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
		uint8_t *out, size_t capacity, size_t *n, struct errbuf *e);

#endif
