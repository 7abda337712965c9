#include "robots/sim/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/jpeg.h"

enum { PICTURE_QUALITY = 92 };

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), k = strlen(tail);

	return n >= k && strcmp(text + n - k, tail) == 0;
}

static int write_file(const char *path, const char *head, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	FILE *f = fopen(path, "wb");

	if (!f)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	bool written = fputs(head, f) >= 0 && fwrite(bytes, 1, n, f) == n;
	if (fclose(f) != 0 || !written)
		return fail(e, -EIO, "%s: could not be written: is the disk full?", path);
	return 0;
}

static int write_jpeg(const struct picture_options *o, const uint8_t *rgb, struct errbuf *e)
{
	struct jpeg_codec *codec = NULL;
	size_t capacity = jpeg_encoded_bound(o->width, o->height), n = 0;
	uint8_t *out = malloc(capacity);
	int rc = out ? jpeg_codec_create(&codec, e) : fail(e, -ENOMEM, "%s: out of memory", o->path);

	if (rc == 0)
		rc = jpeg_encode_rgb(codec, rgb, o->width, o->height, PICTURE_QUALITY, out, capacity, &n, e);
	if (rc == 0)
		rc = write_file(o->path, "", out, n, e);
	jpeg_codec_destroy(codec);
	free(out);
	return rc;
}

static int write_ppm(const struct picture_options *o, const uint8_t *rgb, struct errbuf *e)
{
	char head[64];

	snprintf(head, sizeof head, "P6\n%u %u\n255\n", o->width, o->height);
	return write_file(o->path, head, rgb, (size_t)3 * o->width * o->height, e);
}

int picture_write(const struct picture_options *o, struct errbuf *e)
{
	struct renderer *r = NULL;
	struct world w;
	bool jpeg = ends_with(o->path, ".jpg") || ends_with(o->path, ".jpeg");

	if (!jpeg && !ends_with(o->path, ".ppm"))
		return fail(e, -EINVAL, "%s: want a name that ends with .jpg, .jpeg or .ppm", o->path);
	int rc = renderer_create(&r, o->width, o->height, e);
	if (rc < 0)
		return rc;
	uint8_t *rgb = malloc((size_t)3 * o->width * o->height);
	if (rgb) {
		world_init(&w, &(struct world_options){ .seed = o->seed, .model = o->model, .task = o->task, .pads = o->pads });
		renderer_draw(r, &w, o->camera, rgb);
		rc = jpeg ? write_jpeg(o, rgb, e) : write_ppm(o, rgb, e);
	} else {
		rc = fail(e, -ENOMEM, "%s: out of memory", o->path);
	}
	free(rgb);
	renderer_destroy(r);
	return rc;
}
