/* recording.c - the source --recording: the frames of one camera of an MCAP file, as dreamvlad has recorded them, at the pace at which they
 * came, dated when they are published. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record/mcap_reader.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "transport/camera/base64.h"
#include "transport/camera/picture.h"
#include "transport/camera/source.h"

/* A pause of the recording that is longer is not waited for: nothing was recorded meanwhile. */
#define PAUSE_MAX_NS (2 * NS_PER_S)

struct recording {
	struct camera_options o;
	char topic[64];               /* as in the file: /camera/<name> */
	struct mcap_reader *reader;
	struct mcap_read_message next;
	bool has_next;
	int64_t due_ns;               /* of the next */
	uint8_t *bytes;
	size_t capacity;
	uint64_t good;                /* since the beginning of the file */
	struct camera_counters counters;
	char words[PATH_MAX + 128];
};

static bool wants(void *context, const char *topic)
{
	return strcmp(topic, ((const struct recording *)context)->topic) == 0;
}

/* 1, 0 at the end. Chunks that are damaged are passed over: each error is one. */
static int advance(struct recording *s)
{
	struct errbuf why;
	int rc;

	while ((rc = mcap_reader_next(s->reader, &s->next, &why)) < 0) {
		s->counters.damaged++;
		log_line(LOG_LEVEL_WARNING, "%s", why.text);
	}
	s->has_next = rc > 0;
	return rc;
}

static int create(void **out, const struct camera_options *o, struct errbuf *e)
{
	struct recording *s = calloc(1, sizeof *s);

	if (!s)
		return fail(e, -ENOMEM, "no memory");
	*out = s;
	s->o = *o;
	snprintf(s->topic, sizeof s->topic, "/camera/%.50s", o->recorded_as);
	int rc = mcap_reader_open(&s->reader, o->path, &(struct mcap_read_options){ MCAP_ORDER_TIME, wants, s }, e);

	if (rc < 0)
		return rc;
	if (mcap_reader_info(s->reader)->cut)
		log_line(LOG_LEVEL_WARNING, "%s: it has no end; its first %llu bytes are whole", o->path,
				(unsigned long long)mcap_reader_info(s->reader)->whole_bytes);
	return advance(s) > 0 ? 0 : fail(e, -ENOENT, "%s: holds no %s; --recorded-as names another of its cameras", o->path, s->topic);
}

static void destroy(void *source)
{
	struct recording *s = source;

	if (!s)
		return;
	mcap_reader_close(s->reader);
	free(s->bytes);
	free(s);
}

static int grow(struct recording *s, size_t want, struct errbuf *e)
{
	if (want <= s->capacity)
		return 0;
	free(s->bytes);
	s->bytes = malloc(want);
	s->capacity = s->bytes ? want : 0;
	return s->bytes ? 0 : fail(e, -ENOMEM, "no memory for %zu bytes", want);
}

/* The schema foxglove.CompressedImage: format and the picture's bytes in base64. */
static int unpack(struct recording *s, size_t *n, struct errbuf *e)
{
	json_error_t why;
	json_t *map = json_loadb((const char *)s->next.data, s->next.n, JSON_DECODE_INT_AS_REAL, &why); /* `from` has 64 bits, jansson reads 63 */
	const char *format = json_string_value(json_object_get(map, "format")), *data = json_string_value(json_object_get(map, "data"));
	size_t chars = data ? json_string_length(json_object_get(map, "data")) : 0;
	int rc = 0;

	if (!format || strcmp(format, "jpeg") != 0 || !data)
		rc = fail(e, -EBADMSG, "no JPEG (foxglove.CompressedImage), and others lose by becoming one");
	if (rc == 0)
		rc = grow(s, chars, e);
	if (rc == 0 && !base64_decode(data, chars, s->bytes, n))
		rc = fail(e, -EBADMSG, "its bytes are no base64");
	json_decref(map);
	return rc;
}

static int make_shot(struct recording *s, struct camera_shot *out, struct errbuf *e)
{
	size_t n = 0;
	int rc = unpack(s, &n, e);

	out->jpeg = s->bytes;
	return rc < 0 ? rc : picture_check_jpeg(s->bytes, n, &out->n_bytes, &out->width, &out->height, e);
}

/* When the next is due, from how long after the one before it came. */
static void go_on(struct recording *s, int64_t now_ns)
{
	uint64_t before_ns = s->next.log_ns;

	if (!advance(s))
		return;
	uint64_t pause_ns = s->next.log_ns - before_ns;

	s->due_ns += pause_ns < PAUSE_MAX_NS ? (int64_t)pause_ns : PAUSE_MAX_NS;
	if (s->due_ns < now_ns - PAUSE_MAX_NS) /* this machine stood still: no burst */
		s->due_ns = now_ns;
}

static int begin_again(struct recording *s, struct errbuf *e)
{
	if (s->good == 0)
		return fail(e, -EBADMSG, "%s: none of its pictures of %s can be read", s->o.path, s->topic);
	if (!s->o.loop)
		return CAMERA_END;
	s->good = 0;
	mcap_reader_seek(s->reader, 0);
	advance(s);
	return CAMERA_NOTHING;
}

static int read_frame(void *source, int64_t now_ns, struct camera_shot *out, struct errbuf *e)
{
	struct recording *s = source;
	struct errbuf bad;

	if (!s->has_next)
		return begin_again(s, e);
	if (s->due_ns == 0)
		s->due_ns = now_ns;
	if (now_ns < s->due_ns)
		return CAMERA_NOTHING;
	int rc = make_shot(s, out, &bad);

	if (rc < 0 && s->counters.damaged++ == 0)
		log_line(LOG_LEVEL_WARNING, "%s: %s: %s; further ones are only counted", s->o.path, s->topic, bad.text);
	s->good += rc == 0;
	go_on(s, now_ns);
	out->stamp_ns = now_ns;
	return rc < 0 ? CAMERA_NOTHING : CAMERA_FRAME;
}

static void wait(const void *source, struct pollfd *item, int64_t *wake_ns)
{
	*item = (struct pollfd){ .fd = -1 };
	*wake_ns = ((const struct recording *)source)->due_ns;
}

static const char *describe(const void *source)
{
	struct recording *s = (struct recording *)source;

	snprintf(s->words, sizeof s->words, "%s of %s", s->topic, s->o.path);
	return s->words;
}

static struct camera_counters counters(const void *source)
{
	return ((const struct recording *)source)->counters;
}

const struct camera_source camera_source_recording = {
	.name = "recording",
	.waits_for_listeners = true,
	.help = "  --recording FILE    the same camera's frames of a recording (MCAP), at their pace; begins when dreamvlad listens\n"
		"  --recorded-as NAME  the camera's name there, where it was another\n",
	.create = create,
	.destroy = destroy,
	.wait = wait,
	.read = read_frame,
	.describe = describe,
	.counters = counters,
};
