/* picture_file.c - see picture_file.h. */
#include "policy/picture_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/jpeg.h"

enum { CHANNELS = 3, FILE_BYTES_MAX = CHANNELS * JPEG_SIDE_MAX * JPEG_SIDE_MAX + 4096 };

struct file_bytes {
	uint8_t *at;
	size_t n;
};

static int read_bytes(const char *path, struct file_bytes *out, struct errbuf *e)
{
	FILE *f = fopen(path, "rb");
	int rc = 0;

	if (!f)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	if (fseek(f, 0, SEEK_END) != 0 || (out->n = (size_t)ftell(f)) > FILE_BYTES_MAX || fseek(f, 0, SEEK_SET) != 0)
		rc = fail(e, -EBADMSG, "%s: no plain file of at most %d bytes", path, FILE_BYTES_MAX);
	else if (!(out->at = malloc(out->n + 1)))
		rc = fail(e, -ENOMEM, "%s: no memory for %zu bytes", path, out->n);
	else if (fread(out->at, 1, out->n, f) != out->n)
		rc = fail(e, -EIO, "%s: cannot be read", path);
	fclose(f);
	return rc;
}

/* The next number of a PPM header, after white space and comments; -1: none. */
static long header_number(const struct file_bytes *b, size_t *at)
{
	long value = -1;

	while (*at < b->n && (isspace(b->at[*at]) || b->at[*at] == '#')) {
		if (b->at[*at] == '#')
			while (*at < b->n && b->at[*at] != '\n')
				++*at;
		else
			++*at;
	}
	for (; *at < b->n && isdigit(b->at[*at]) && value <= JPEG_SIDE_MAX; ++*at)
		value = (value < 0 ? 0 : value) * 10 + (b->at[*at] - '0');
	return value;
}

static int decode_ppm(const struct file_bytes *b, struct policy_picture *out, uint8_t **rgb, struct errbuf *e)
{
	size_t at = 2;
	long width = header_number(b, &at), height = header_number(b, &at), levels = header_number(b, &at);

	if (width < 1 || height < 1 || width > JPEG_SIDE_MAX || height > JPEG_SIDE_MAX || levels != 255)
		return fail(e, -EBADMSG, "a PPM of %ld x %ld pixels and %ld levels; want 1 to %d on each side, 255 levels", width, height,
				levels, JPEG_SIDE_MAX);
	size_t n = (size_t)width * (size_t)height * CHANNELS;

	at++; /* exactly one white space between header and data */
	if (at > b->n || b->n - at < n)
		return fail(e, -EBADMSG, "truncated: %zu bytes of pixels, want %zu", at > b->n ? 0 : b->n - at, n);
	*rgb = malloc(n);
	if (!*rgb)
		return fail(e, -ENOMEM, "no memory for %zu bytes", n);
	memcpy(*rgb, b->at + at, n);
	*out = (struct policy_picture){ (uint32_t)width, (uint32_t)height, *rgb };
	return 0;
}

static int decode_jpeg(const struct file_bytes *b, struct policy_picture *out, uint8_t **rgb, struct errbuf *e)
{
	struct jpeg_codec *codec;
	uint32_t width, height;
	int rc = jpeg_codec_create(&codec, e);

	if (rc < 0)
		return rc;
	if ((rc = jpeg_read_size(b->at, b->n, &width, &height, e)) == 0) {
		size_t n = (size_t)width * height * CHANNELS;

		*rgb = malloc(n);
		rc = *rgb ? jpeg_decode_rgb(codec, b->at, b->n, width, height, *rgb, n, e)
				: fail(e, -ENOMEM, "no memory for %zu bytes", n);
		*out = (struct policy_picture){ width, height, *rgb };
	}
	jpeg_codec_destroy(codec);
	return rc;
}

int picture_file_read(const char *path, struct policy_picture *out, uint8_t **rgb, struct errbuf *e)
{
	struct file_bytes bytes = { NULL, 0 };
	struct errbuf inner;
	int rc = read_bytes(path, &bytes, e);

	*rgb = NULL;
	if (rc == 0) {
		if (bytes.n >= 2 && !memcmp(bytes.at, "P6", 2))
			rc = decode_ppm(&bytes, out, rgb, &inner);
		else if (bytes.n >= 2 && bytes.at[0] == 0xff && bytes.at[1] == 0xd8)
			rc = decode_jpeg(&bytes, out, rgb, &inner);
		else
			rc = fail(&inner, -EBADMSG, "neither JPEG nor binary PPM (P6)");
		if (rc < 0)
			(void)fail(e, rc, "%s: %.900s", path, inner.text);
	}
	if (rc < 0) {
		free(*rgb);
		*rgb = NULL;
	}
	free(bytes.at);
	return rc;
}
