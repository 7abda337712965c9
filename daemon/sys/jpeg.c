/* jpeg.c - see jpeg.h. TurboJPEG's API; one decompressor and one compressor per codec, both made at create. */
#include "daemon/sys/jpeg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <turbojpeg.h>

struct jpeg_codec {
	tjhandle reader, writer;
};

int jpeg_codec_create(struct jpeg_codec **out, struct errbuf *e)
{
	struct jpeg_codec *c = calloc(1, sizeof *c);

	if (!c)
		return fail(e, -ENOMEM, "jpeg: out of memory");
	c->reader = tjInitDecompress();
	c->writer = tjInitCompress();
	if (!c->reader || !c->writer) {
		jpeg_codec_destroy(c);
		return fail(e, -ENOMEM, "jpeg: libjpeg-turbo did not start: %s", tjGetErrorStr2(NULL));
	}
	*out = c;
	return 0;
}

void jpeg_codec_destroy(struct jpeg_codec *c)
{
	if (!c)
		return;
	if (c->reader)
		tjDestroy(c->reader);
	if (c->writer)
		tjDestroy(c->writer);
	free(c);
}

/* After an error inside a header, TurboJPEG 2.1 leaves its decompressor in the middle of it and refuses every later picture
 * ("improper call in state 201"); a fresh one is the only way out. Returns -EBADMSG with the reason in e. */
static int refuse(struct jpeg_codec *c, struct errbuf *e, const char *what)
{
	int rc = fail(e, -EBADMSG, "jpeg: %s: %s", what, tjGetErrorStr2(c->reader));
	tjhandle fresh = tjInitDecompress();

	if (fresh) {
		tjDestroy(c->reader);
		c->reader = fresh;
	}
	return rc;
}

/* ITU T.81 B.1.1.3: a frame header is one of SOF0..SOF15; DHT, JPG and DAC lie among them. */
static bool is_frame_header(uint8_t marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Where the frame header's segment begins (at its length), or 0: there is none before the picture's data. */
static size_t find_frame_header(const uint8_t *bytes, size_t n)
{
	size_t at = 2;

	while (at + 4 <= n && bytes[at] == 0xff) {
		uint8_t marker = bytes[at + 1];

		if (marker == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (is_frame_header(marker))
			return at + 2;
		if (marker == 0x00 || marker == 0xda || marker == 0xd9 || marker == 0xd8)
			return 0;
		if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) { /* TEM and RSTm stand alone */
			at += 2;
			continue;
		}
		at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
	}
	return 0;
}

int jpeg_read_size(const uint8_t *bytes, size_t n, uint32_t *width, uint32_t *height, struct errbuf *e)
{
	enum { FRAME_HEADER_BYTES = 8 }; /* length, precision, height, width, components */
	size_t at = n >= 4 && bytes[0] == 0xff && bytes[1] == 0xd8 ? find_frame_header(bytes, n) : 0;
	uint32_t w, h;

	if (n < 4)
		return fail(e, -EBADMSG, "jpeg: no JPEG: %zu bytes are too short", n);
	if (at == 0 || at + FRAME_HEADER_BYTES > n)
		return fail(e, -EBADMSG, "jpeg: no JPEG: no frame header in %zu bytes", n);
	h = (uint32_t)bytes[at + 3] << 8 | bytes[at + 4];
	w = (uint32_t)bytes[at + 5] << 8 | bytes[at + 6];
	if (w < 1 || h < 1 || w > JPEG_SIDE_MAX || h > JPEG_SIDE_MAX)
		return fail(e, -EBADMSG, "jpeg: %u x %u pixels, want 1 to %d on each side", w, h, JPEG_SIDE_MAX);
	*width = w;
	*height = h;
	return 0;
}

int jpeg_decode_rgb(struct jpeg_codec *c, const uint8_t *bytes, size_t n, uint32_t width, uint32_t height,
		uint8_t *rgb, size_t capacity, struct errbuf *e)
{
	/* A progressive picture may have thousands of scans, each of which costs a pass over all of it: more than 500 are refused. */
	const int flags = TJFLAG_FASTDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
	uint32_t found_width, found_height;
	int rc = jpeg_read_size(bytes, n, &found_width, &found_height, e);

	if (rc < 0)
		return rc;
	if (found_width != width || found_height != height)
		return fail(e, -EBADMSG, "jpeg: %u x %u pixels, announced were %u x %u", found_width, found_height, width, height);
	if ((size_t)width * height * 3 > capacity)
		return fail(e, -EBADMSG, "jpeg: %u x %u pixels, there is room for %zu bytes", width, height, capacity);
	/* Truncated data is only a warning to libjpeg, which then invents grey; a robot must not act on that. */
	if (tjDecompress2(c->reader, bytes, n, rgb, (int)width, 0, (int)height, TJPF_RGB, flags) != 0)
		return refuse(c, e, "damaged, truncated or of a kind that is not decoded (8-bit grey, YCbCr and RGB are)");
	return 0;
}

size_t jpeg_encoded_bound(uint32_t width, uint32_t height)
{
	return tjBufSize((int)width, (int)height, TJSAMP_420);
}

int jpeg_encode_rgb(struct jpeg_codec *c, const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
		uint8_t *out, size_t capacity, size_t *n, struct errbuf *e)
{
	unsigned long length = capacity;

	if (width < 1 || height < 1 || width > JPEG_SIDE_MAX || height > JPEG_SIDE_MAX || quality < 1 || quality > 100)
		return fail(e, -EINVAL, "jpeg: cannot encode %u x %u pixels at quality %d; want sides of 1 to %d, quality 1 to 100",
				width, height, quality, JPEG_SIDE_MAX);
	if (capacity < jpeg_encoded_bound(width, height))
		return fail(e, -EINVAL, "jpeg: %zu bytes for %u x %u pixels, want %zu", capacity, width, height,
				jpeg_encoded_bound(width, height));
	if (tjCompress2(c->writer, rgb, (int)width, 0, (int)height, TJPF_RGB, &out, &length, TJSAMP_420, quality,
			TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC) != 0)
		return fail(e, -EIO, "jpeg: cannot encode %u x %u pixels: %s", width, height, tjGetErrorStr2(c->writer));
	*n = length;
	return 0;
}
