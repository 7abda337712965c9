/* picture.c - see picture.h. libjpeg-turbo's TurboJPEG takes planes of YCbCr as they are, so that nothing goes through RGB. */
#include "transport/camera/picture.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "daemon/sys/jpeg.h"

enum { QUALITY = 90, FRACTION_BITS = 14, SOS = 0xda, EOI = 0xd9 };

/* ---- a JPEG's markers -------------------------------------------------------------------------------------------------------------- */

/* From inside a scan's data to the marker that ends it: neither a stuffed zero, nor a restart, nor a fill byte. n: there is none. */
static size_t skip_scan(const uint8_t *bytes, size_t n, size_t at)
{
	while (at < n) {
		const uint8_t *found = memchr(bytes + at, 0xff, n - at);

		if (!found || (size_t)(found - bytes) + 1 >= n)
			return n;
		at = (size_t)(found - bytes);
		uint8_t next = found[1];

		if (next != 0 && next != 0xff && !(next >= 0xd0 && next <= 0xd7))
			return at;
		at += next == 0xff ? 1 : 2;
	}
	return n;
}

/* Behind the marker at `at` and what belongs to it. n: it is cut off there. */
static size_t skip_segment(const uint8_t *bytes, size_t n, size_t at)
{
	if (bytes[at + 1] == 0xff) /* fill byte */
		return at + 1;
	if (at + 4 > n)
		return n;
	size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3], next = at + 2 + length;

	if (length < 2 || next > n)
		return n;
	return bytes[at + 1] == SOS ? skip_scan(bytes, n, next) : next;
}

/* The bytes up to and with the end of image; 0: there is none, or nothing before it. */
static size_t find_end(const uint8_t *bytes, size_t n)
{
	bool scan = false;
	size_t at = 2;

	while (at + 2 <= n && bytes[at] == 0xff) {
		if (bytes[at + 1] == EOI)
			return scan ? at + 2 : 0;
		scan |= bytes[at + 1] == SOS;
		at = skip_segment(bytes, n, at);
	}
	return 0;
}

int picture_check_jpeg(const uint8_t *bytes, size_t n, size_t *n_whole, uint32_t *width, uint32_t *height, struct errbuf *e)
{
	int rc = jpeg_read_size(bytes, n, width, height, e);

	if (rc < 0)
		return rc;
	*n_whole = find_end(bytes, n);
	if (*n_whole == 0)
		return fail(e, -EBADMSG, "half a JPEG: %zu bytes of %u x %u pixels, and no end of the image among them", n, *width, *height);
	return 0;
}

/* ---- packed YCbCr 4:2:2 ------------------------------------------------------------------------------------------------------------ */

/* Fixed point: out[i] = (bias[i] + sum of factor[i][j] * in[j]) >> FRACTION_BITS. */
struct mapping {
	int32_t factor[3][3], bias[3];
};

struct picture_encoder {
	uint32_t width, height;
	struct picture_layout layout;
	struct mapping map;
	tjhandle writer;
	uint8_t *plane[3], *jpeg;
	unsigned long capacity;
};

/* Weights of red and blue in luma: ITU-R BT.601 and BT.709. */
static void set_weights(double *red, double *blue, bool bt709)
{
	*red = bt709 ? 0.2126 : 0.299;
	*blue = bt709 ? 0.0722 : 0.114;
}

/* Y, Cb, Cr (full range, chroma around 0) of one unit of R - Y and of B - Y: those of BT.709 seen by BT.601. With chroma c = (B - Y) /
 * (2 (1 - Kb)) each colour is Y plus something linear in Cb and Cr, so that the whole is a matrix with ones where Y is. */
static void set_matrix(double m[3][3], bool bt709)
{
	double red, blue, to_red, to_blue;

	set_weights(&red, &blue, bt709);
	set_weights(&to_red, &to_blue, false);
	for (int j = 1; j < 3; j++) {
		double cb = j == 1, cr = j == 2, r = 2 * (1 - red) * cr, b = 2 * (1 - blue) * cb;
		double g = -(red * r + blue * b) / (1 - red - blue), y = to_red * r + (1 - to_red - to_blue) * g + to_blue * b;

		m[0][j] = y;
		m[1][j] = (b - y) / (2 * (1 - to_blue));
		m[2][j] = (r - y) / (2 * (1 - to_red));
	}
	m[0][0] = 1;
	m[1][0] = m[2][0] = 0;
}

static void set_mapping(struct mapping *map, struct picture_colour colour)
{
	double gain[3] = { colour.full_range ? 1 : 255.0 / 219, colour.full_range ? 1 : 255.0 / 224, colour.full_range ? 1 : 255.0 / 224 };
	double zero[3] = { colour.full_range ? 0 : 16, 128, 128 }, m[3][3];

	set_matrix(m, colour.bt709);
	for (int i = 0; i < 3; i++) {
		double bias = (i == 0 ? 0 : 128) + 0.5; /* shifting rounds down */

		for (int j = 0; j < 3; j++) {
			map->factor[i][j] = (int32_t)lrint(m[i][j] * gain[j] * (1 << FRACTION_BITS));
			bias -= m[i][j] * gain[j] * zero[j];
		}
		map->bias[i] = (int32_t)lrint(bias * (1 << FRACTION_BITS));
	}
}

static uint8_t map_one(const struct mapping *map, int i, int32_t y, int32_t cb, int32_t cr)
{
	const int32_t *f = map->factor[i], value = (map->bias[i] + f[0] * y + f[1] * cb + f[2] * cr) >> FRACTION_BITS;

	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static int allocate(struct picture_encoder *p, struct errbuf *e)
{
	size_t pixels = (size_t)p->width * p->height;

	p->capacity = tjBufSize((int)p->width, (int)p->height, TJSAMP_422);
	p->jpeg = malloc(p->capacity);
	p->plane[0] = malloc(pixels);
	p->plane[1] = malloc(pixels / 2);
	p->plane[2] = malloc(pixels / 2);
	p->writer = tjInitCompress();
	if (!p->jpeg || !p->plane[0] || !p->plane[1] || !p->plane[2] || !p->writer)
		return fail(e, -ENOMEM, "no memory for pictures of %u x %u", p->width, p->height);
	return 0;
}

int picture_encoder_create(struct picture_encoder **out, uint32_t width, uint32_t height, struct picture_layout layout,
		struct picture_colour colour, struct errbuf *e)
{
	if (width < 2 || width % 2 || width > JPEG_SIDE_MAX || height < 1 || height > JPEG_SIDE_MAX)
		return fail(e, -EINVAL, "%u x %u pixels: want 1 to %d on each side, the width even", width, height, JPEG_SIDE_MAX);
	struct picture_encoder *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "no memory");
	p->width = width;
	p->height = height;
	p->layout = layout;
	set_mapping(&p->map, colour);
	int rc = allocate(p, e);

	if (rc < 0) {
		picture_encoder_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

void picture_encoder_destroy(struct picture_encoder *p)
{
	if (!p)
		return;
	if (p->writer)
		tjDestroy(p->writer);
	for (int i = 0; i < 3; i++)
		free(p->plane[i]);
	free(p->jpeg);
	free(p);
}

static void split_row(struct picture_encoder *p, const uint8_t *raw, uint32_t row)
{
	uint8_t *y = p->plane[0] + (size_t)row * p->width;
	uint8_t *cb = p->plane[1] + (size_t)row * p->width / 2, *cr = p->plane[2] + (size_t)row * p->width / 2;

	for (uint32_t i = 0; i < p->width / 2; i++, raw += 4) {
		int32_t y0 = raw[p->layout.y0], y1 = raw[p->layout.y1], b = raw[p->layout.cb], r = raw[p->layout.cr];

		y[2 * i] = map_one(&p->map, 0, y0, b, r);
		y[2 * i + 1] = map_one(&p->map, 0, y1, b, r);
		cb[i] = map_one(&p->map, 1, (y0 + y1) / 2, b, r);
		cr[i] = map_one(&p->map, 2, (y0 + y1) / 2, b, r);
	}
}

int picture_encode(struct picture_encoder *p, const uint8_t *raw, size_t n, size_t stride, const uint8_t **jpeg, size_t *n_jpeg,
		struct errbuf *e)
{
	const size_t row_bytes = (size_t)p->width * 2, want = stride * (p->height - 1) + row_bytes;
	unsigned long length = p->capacity;

	if (stride < row_bytes || n < want)
		return fail(e, -EBADMSG, "half a picture: %zu bytes in rows of %zu, want %zu for %u x %u", n, stride, want, p->width, p->height);
	for (uint32_t row = 0; row < p->height; row++)
		split_row(p, raw + row * stride, row);
	const uint8_t *planes[3] = { p->plane[0], p->plane[1], p->plane[2] };

	if (tjCompressFromYUVPlanes(p->writer, planes, (int)p->width, NULL, (int)p->height, TJSAMP_422, &p->jpeg, &length, QUALITY,
			TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC) != 0)
		return fail(e, -EIO, "cannot encode %u x %u pixels: %s", p->width, p->height, tjGetErrorStr2(p->writer));
	*jpeg = p->jpeg;
	*n_jpeg = length;
	return 0;
}
