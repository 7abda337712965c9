/* folder.c - the source --folder: its pictures one after the other, by name, at a fixed rate, dated when they are published. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "daemon/sys/log.h"
#include "transport/camera/picture.h"
#include "transport/camera/source.h"

enum { USUAL_RATE_HZ = 30, QUALITY = 90 };

struct folder {
	struct camera_options o;
	char *path;
	struct dirent **entry;        /* of this round; read anew at each, so that a folder may change */
	int n_entries, at;
	int64_t due_ns, period_ns;
	uint8_t *bytes, *jpeg;        /* the file as it is; what was made of a PPM */
	size_t bytes_capacity, jpeg_capacity;
	struct jpeg_codec *codec;
	uint64_t good;                /* of this round */
	struct camera_counters counters;
	char words[PATH_MAX + 64];
};

/* ---- the list ---------------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n > k && strcasecmp(name + n - k, end) == 0;
}

static int is_picture(const struct dirent *d)
{
	return d->d_name[0] != '.' && (ends_with(d->d_name, ".jpg") || ends_with(d->d_name, ".jpeg") || ends_with(d->d_name, ".ppm"));
}

static void forget(struct folder *s)
{
	for (int i = 0; i < s->n_entries; i++)
		free(s->entry[i]);
	free(s->entry);
	s->entry = NULL;
	s->n_entries = s->at = 0;
}

/* frame_9 before frame_10, as versionsort does. */
static int list(struct folder *s, struct errbuf *e)
{
	forget(s);
	int n = scandir(s->path, &s->entry, is_picture, versionsort);

	if (n < 0)
		return fail(e, -errno, "%s: %s; --folder wants a folder of pictures", s->path, strerror(errno));
	s->n_entries = n;
	s->good = 0;
	return n > 0 ? 0 : fail(e, -ENOENT, "%s: no pictures; want files that end in .jpg, .jpeg or .ppm", s->path);
}

static int create(void **out, const struct camera_options *o, struct errbuf *e)
{
	struct folder *s = calloc(1, sizeof *s);

	if (!s)
		return fail(e, -ENOMEM, "no memory");
	*out = s;
	s->o = *o;
	s->path = strdup(o->path);
	s->period_ns = (int64_t)(1e9 / (o->rate_hz > 0 ? o->rate_hz : USUAL_RATE_HZ));
	if (!s->path)
		return fail(e, -ENOMEM, "no memory");
	int rc = jpeg_codec_create(&s->codec, e);

	return rc < 0 ? rc : list(s, e);
}

static void destroy(void *source)
{
	struct folder *s = source;

	if (!s)
		return;
	forget(s);
	jpeg_codec_destroy(s->codec);
	free(s->bytes);
	free(s->jpeg);
	free(s->path);
	free(s);
}

/* ---- one picture ------------------------------------------------------------------------------------------------------------------- */

static int grow(uint8_t **bytes, size_t *capacity, size_t want, struct errbuf *e)
{
	if (want <= *capacity)
		return 0;
	uint8_t *more = realloc(*bytes, want);

	if (!more)
		return fail(e, -ENOMEM, "no memory for %zu bytes", want);
	*bytes = more;
	*capacity = want;
	return 0;
}

/* A PPM is as large as its pixels; more than the largest picture has is none. */
static int load(struct folder *s, const char *path, size_t *n, struct errbuf *e)
{
	const size_t most = (size_t)s->o.width_max * s->o.height_max * 3 + s->o.bytes_max;
	struct stat info;
	FILE *f = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
	int rc;

	if (!f)
		return fail(e, -ENOENT, "is no file that can be read");
	if (info.st_size == 0 || (size_t)info.st_size > most)
		rc = fail(e, -EBADMSG, "%lld bytes, want 1 to %zu", (long long)info.st_size, most);
	else
		rc = grow(&s->bytes, &s->bytes_capacity, (size_t)info.st_size, e);
	if (rc == 0) {
		*n = fread(s->bytes, 1, (size_t)info.st_size, f);
		rc = *n == (size_t)info.st_size ? 0 : fail(e, -EIO, "only %zu of %lld bytes can be read", *n, (long long)info.st_size);
	}
	fclose(f);
	return rc;
}

/* The next number of a PPM's head, past white space and comments; 0: there is none. */
static uint32_t next_number(const uint8_t *bytes, size_t n, size_t *at)
{
	enum { NUMBER_MAX = 100000 };
	uint32_t value = 0;

	while (*at < n && (isspace(bytes[*at]) || bytes[*at] == '#'))
		if (bytes[(*at)++] == '#')
			while (*at < n && bytes[*at] != '\n')
				(*at)++;
	for (; *at < n && isdigit(bytes[*at]) && value < NUMBER_MAX; (*at)++)
		value = value * 10 + (uint32_t)(bytes[*at] - '0');
	return value;
}

static int encode_ppm(struct folder *s, size_t n, struct camera_shot *out, struct errbuf *e)
{
	size_t at = 2;
	uint32_t w = next_number(s->bytes, n, &at), h = next_number(s->bytes, n, &at), most = next_number(s->bytes, n, &at);

	if (w < 1 || h < 1 || w > s->o.width_max || h > s->o.height_max || most != 255)
		return fail(e, -EBADMSG, "PPM of %u x %u pixels of 0 to %u, want at most %u x %u of 0 to 255", w, h, most, s->o.width_max,
				s->o.height_max);
	at++;
	if (at > n || n - at < (size_t)3 * w * h)
		return fail(e, -EBADMSG, "half a picture: PPM of %u x %u pixels in %zu bytes", w, h, n);
	int rc = grow(&s->jpeg, &s->jpeg_capacity, jpeg_encoded_bound(w, h), e);

	if (rc < 0)
		return rc;
	out->jpeg = s->jpeg;
	out->width = w;
	out->height = h;
	return jpeg_encode_rgb(s->codec, s->bytes + at, w, h, QUALITY, s->jpeg, s->jpeg_capacity, &out->n_bytes, e);
}

static int make_frame(struct folder *s, const char *name, struct camera_shot *out, struct errbuf *e)
{
	char path[PATH_MAX];
	size_t n = 0;

	if (snprintf(path, sizeof path, "%s/%s", s->path, name) >= (int)sizeof path)
		return fail(e, -ENAMETOOLONG, "its path is too long");
	int rc = load(s, path, &n, e);

	if (rc < 0)
		return rc;
	if (n > 2 && memcmp(s->bytes, "P6", 2) == 0)
		return encode_ppm(s, n, out, e);
	out->jpeg = s->bytes;
	return picture_check_jpeg(s->bytes, n, &out->n_bytes, &out->width, &out->height, e);
}

/* ---- one after the other ----------------------------------------------------------------------------------------------------------- */

/* The first period begins at the first picture; missed ones are skipped. */
static bool is_due(struct folder *s, int64_t now_ns)
{
	if (s->due_ns == 0)
		s->due_ns = now_ns;
	if (now_ns < s->due_ns)
		return false;
	s->due_ns += (1 + (now_ns - s->due_ns) / s->period_ns) * s->period_ns;
	return true;
}

/* Behind the last: the end, or the next round. */
static int next_round(struct folder *s, struct errbuf *e)
{
	if (s->good == 0)
		return fail(e, -EBADMSG, "%s: none of its %d pictures can be read; the lines above say why", s->path, s->n_entries);
	return s->o.loop ? list(s, e) : CAMERA_END;
}

static int read_frame(void *source, int64_t now_ns, struct camera_shot *out, struct errbuf *e)
{
	struct folder *s = source;
	struct errbuf bad;
	int rc = 0;

	if (!is_due(s, now_ns))
		return CAMERA_NOTHING;
	if (s->at == s->n_entries && (rc = next_round(s, e)) != 0)
		return rc;
	const char *name = s->entry[s->at++]->d_name;

	if (make_frame(s, name, out, &bad) < 0) {
		s->counters.damaged++;
		log_line(LOG_LEVEL_WARNING, "%s/%s: %s", s->path, name, bad.text);
		return CAMERA_NOTHING;
	}
	s->good++;
	out->stamp_ns = now_ns;
	return CAMERA_FRAME;
}

static void wait(const void *source, struct pollfd *item, int64_t *wake_ns)
{
	*item = (struct pollfd){ .fd = -1 };
	*wake_ns = ((const struct folder *)source)->due_ns;
}

static const char *describe(const void *source)
{
	struct folder *s = (struct folder *)source;

	snprintf(s->words, sizeof s->words, "%d pictures of %s at %.4g Hz", s->n_entries, s->path, 1e9 / (double)s->period_ns);
	return s->words;
}

static struct camera_counters counters(const void *source)
{
	return ((const struct folder *)source)->counters;
}

const struct camera_source camera_source_folder = {
	.name = "folder",
	.waits_for_listeners = true,
	.help = "  --folder DIR        its pictures (.jpg, .jpeg, .ppm) by name; begins when dreamvlad listens\n"
		"  --loop              again from the beginning, with what the folder then holds; --recording too\n",
	.create = create,
	.destroy = destroy,
	.wait = wait,
	.read = read_frame,
	.describe = describe,
	.counters = counters,
};
