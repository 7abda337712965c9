/* device.c - the source --device: a V4L2 camera, which may be unplugged and plugged in again. */
#include <errno.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "transport/camera/source.h"
#include "transport/camera/v4l2_device.h"
#include "transport/camera/v4l2_stamp.h"
#include "transport/camera/v4l2_twin.h"

#define BACK_OFF_MIN_NS (250 * NS_PER_MS)
#define BACK_OFF_MAX_NS (2 * NS_PER_S)
#define SILENCE_MIN_NS (3 * NS_PER_S) /* a stream without any whole frame for so long, and 10 frames, is begun anew */
#define BY_PATH "/dev/v4l/by-path"
#define BY_ID "/dev/v4l/by-id/"
#define CLASS_FOLDER "/sys/class/video4linux"

struct device {
	struct camera_options o;
	char path[PATH_MAX];          /* its name that stays */
	struct v4l2_device d;
	struct v4l2_identity who;     /* of the first time */
	struct picture_encoder *encoder;
	struct v4l2_buffer held;
	bool holds;                   /* the frame given out last lies in `held` */
	bool has_number;
	uint32_t number;
	int64_t retry_ns, back_off_ns;
	int64_t heard_ns;             /* newest frame that could be published, or the stream's beginning */
	struct camera_counters counters;
	struct errbuf why;            /* it is away; "": it is there */
	bool told_undated;
	char words[PATH_MAX + 128];
};

/* ---- its name ---------------------------------------------------------------------------------------------------------------------- */

/* /dev/video2 may be another camera's name after it is plugged in again: the link that names the port is the one to wait for. */
static void find_lasting_name(struct device *s, const char *path)
{
	char target[PATH_MAX], link[PATH_MAX], found[PATH_MAX];
	DIR *folder = strncmp(path, "/dev/video", 10) == 0 && realpath(path, target) ? opendir(BY_PATH) : NULL;

	snprintf(s->path, sizeof s->path, "%s", path);
	for (const struct dirent *entry; folder && (entry = readdir(folder));) {
		snprintf(link, sizeof link, BY_PATH "/%s", entry->d_name);
		if (realpath(link, found) && strcmp(found, target) == 0)
			snprintf(s->path, sizeof s->path, "%s", link);
	}
	if (folder)
		closedir(folder);
}

/* At a bench with two of them a name that both have may be the other one's after a replug: wrist and overhead would be swapped. */
static void tell_twin(const char *path)
{
	char target[PATH_MAX];

	if (strncmp(path, BY_ID, strlen(BY_ID)) == 0 && realpath(path, target) && v4l2_has_twin(CLASS_FOLDER, strrchr(target, '/') + 1))
		log_line(LOG_LEVEL_WARNING, "%s: another camera of the same kind is plugged in, and no serial number tells them apart: this name may be the "
				"other one's after a replug; take the name of its port, under " BY_PATH, path);
}

/* ---- start and start anew ---------------------------------------------------------------------------------------------------------- */

static void tell_exposure(const struct device *s)
{
	struct v4l2_exposure x;

	v4l2_device_exposure(&s->d, &x);
	if (x.known && s->d.rate_hz > 0 && x.time_ms > 1000 / s->d.rate_hz)
		log_line(LOG_LEVEL_WARNING, "%s: an exposure of %.1f ms is longer than a frame (%.1f ms): the rate will be lower; "
				"v4l2-ctl -d %s -c exposure_time_absolute=%d", s->path, x.time_ms, 1000 / s->d.rate_hz, s->path,
				(int)(9000 / s->d.rate_hz));
	if (x.may_slow_down)
		log_line(LOG_LEVEL_WARNING, "%s: in the dark it lowers its rate to expose longer; v4l2-ctl -d %s -c exposure_dynamic_framerate=0",
				s->path, s->path);
}

static int choose(struct device *s, struct v4l2_chosen *chosen, struct errbuf *e)
{
	const struct v4l2_wish wish = { s->o.format, s->o.width, s->o.height, s->o.rate_hz, s->o.width_max, s->o.height_max };
	struct v4l2_modes *modes = malloc(sizeof *modes);

	if (!modes)
		return fail(e, -ENOMEM, "no memory");
	v4l2_device_modes(&s->d, modes);
	int rc = v4l2_choose(modes->mode, modes->n, &wish, chosen, e);

	free(modes);
	return rc;
}

static int begin_stream(struct device *s, struct errbuf *e)
{
	struct v4l2_chosen chosen = { 0 };
	int rc = choose(s, &chosen, e);

	if (rc < 0 || (rc = v4l2_device_start(&s->d, &chosen, e)) < 0)
		return rc;
	picture_encoder_destroy(s->encoder);
	s->encoder = NULL;
	if (!chosen.kind->jpeg && (rc = picture_encoder_create(&s->encoder, chosen.width, chosen.height, chosen.kind->layout, s->d.colour, e)) < 0)
		return rc;
	s->has_number = false;
	s->heard_ns = clock_monotonic_ns();
	return 0;
}

static bool is_same(const struct device *s)
{
	return strcmp(s->d.identity.card, s->who.card) == 0 && strcmp(s->d.identity.driver, s->who.driver) == 0 &&
			(strncmp(s->path, "/dev/video", 10) != 0 || strcmp(s->d.identity.bus, s->who.bus) == 0);
}

/* The reason names the device and is kept for describe. */
static int open_and_begin(struct device *s, struct errbuf *e)
{
	struct errbuf inner = { "" };
	int rc = v4l2_device_open(&s->d, s->path, e);

	if (rc < 0)
		return rc;
	if (s->who.card[0] && !is_same(s))
		rc = fail(&inner, -ENODEV, "there is another camera now, %s", s->d.identity.card);
	else
		rc = begin_stream(s, &inner);
	if (rc < 0) {
		v4l2_device_close(&s->d);
		return fail(e, rc, "%s: %s", s->path, inner.text);
	}
	if (s->d.rate_hz > 0 && s->o.rate_hz > 0 && (s->d.rate_hz < 0.95 * s->o.rate_hz || s->d.rate_hz > 1.05 * s->o.rate_hz))
		log_line(LOG_LEVEL_WARNING, "%s: asked for %g Hz the driver gives %g", s->path, s->o.rate_hz, s->d.rate_hz);
	return 0;
}

static int create(void **out, const struct camera_options *o, struct errbuf *e)
{
	struct device *s = calloc(1, sizeof *s);

	if (!s)
		return fail(e, -ENOMEM, "no memory");
	*out = s;
	s->o = *o;
	s->d.fd = -1;
	s->back_off_ns = BACK_OFF_MIN_NS;
	find_lasting_name(s, o->path);
	int rc = open_and_begin(s, e);

	if (rc < 0)
		return rc;
	s->who = s->d.identity;
	tell_twin(s->path);
	tell_exposure(s);
	return 0;
}

static void destroy(void *source)
{
	struct device *s = source;

	if (!s)
		return;
	v4l2_device_close(&s->d);
	picture_encoder_destroy(s->encoder);
	free(s);
}

/* The stream ends here; the device is opened anew after a while. */
static void lose(struct device *s, int64_t now_ns, const char *why)
{
	v4l2_device_close(&s->d);
	s->holds = false;
	s->counters.restarts++;
	s->retry_ns = now_ns + s->back_off_ns;
	snprintf(s->why.text, sizeof s->why.text, "%s", why);
	log_line(LOG_LEVEL_WARNING, "%s: %s; waiting for it", s->path, why);
}

/* A camera that comes back only to fail again is not begun anew four times a second for ever. */
static void try_again(struct device *s, int64_t now_ns)
{
	struct errbuf e = { "" };

	if (now_ns < s->retry_ns)
		return;
	s->back_off_ns = 2 * s->back_off_ns < BACK_OFF_MAX_NS ? 2 * s->back_off_ns : BACK_OFF_MAX_NS;
	s->retry_ns = now_ns + s->back_off_ns;
	if (open_and_begin(s, &e) == 0) {
		s->why.text[0] = '\0';
		log_line(LOG_LEVEL_INFO, "%s: is back", s->path);
		tell_exposure(s);
	} else if (strcmp(e.text, s->why.text) != 0) {
		s->why = e;
		log_line(LOG_LEVEL_WARNING, "%s", e.text);
	}
}

/* ---- frames ------------------------------------------------------------------------------------------------------------------------ */

static double period_ns(const struct device *s)
{
	return 1e9 / (s->d.rate_hz > 0 ? s->d.rate_hz : s->d.chosen.rate_hz);
}

static void count_lost(struct device *s, const struct v4l2_buffer *b)
{
	if (s->has_number)
		s->counters.lost += v4l2_lost_between(s->number, b->sequence);
	s->has_number = true;
	s->number = b->sequence;
}

static void set_stamp(struct device *s, const struct v4l2_buffer *b, int64_t now_ns, struct camera_shot *out)
{
	int64_t latency_ns = s->o.latency_ms >= 0 ? (int64_t)(s->o.latency_ms * 1e6) : -1;

	if (v4l2_stamp(b, now_ns, (int64_t)period_ns(s), latency_ns, &out->stamp_ns))
		return;
	s->counters.undated++;
	if (!s->told_undated)
		log_line(LOG_LEVEL_WARNING, "%s: the driver's stamps are of no clock that can be used: its frames are dated by arrival%s", s->path,
				s->o.latency_ms >= 0 ? "" : ", less one frame; --latency-ms says how much it really is");
	s->told_undated = true;
}

/* -EBADMSG: not one that can be published. */
static int make_frame(struct device *s, const struct v4l2_buffer *b, struct camera_shot *out, struct errbuf *e)
{
	const uint8_t *raw = s->d.map[b->index].start;
	int rc;

	if (b->flags & V4L2_BUF_FLAG_ERROR)
		return fail(e, -EBADMSG, "the driver says that the frame is damaged");
	if (!s->encoder) {
		out->jpeg = raw;
		rc = picture_check_jpeg(raw, b->bytesused, &out->n_bytes, &out->width, &out->height, e);
	} else {
		out->width = s->d.chosen.width;
		out->height = s->d.chosen.height;
		rc = picture_encode(s->encoder, raw, b->bytesused, s->d.stride, &out->jpeg, &out->n_bytes, e);
	}
	return rc;
}

/* CAMERA_FRAME or CAMERA_NOTHING; -errno: the stream has failed. */
static int take(struct device *s, struct camera_shot *out, struct errbuf *e)
{
	struct v4l2_buffer b;
	struct errbuf bad;
	int rc = v4l2_device_take(&s->d, &b, e);

	int64_t now_ns = clock_monotonic_ns(); /* after the frame is there: one dated by its arrival came before this, not before the turn began */

	if (rc <= 0)
		return rc;
	count_lost(s, &b);
	if (make_frame(s, &b, out, &bad) < 0) {
		if (s->counters.damaged++ == 0)
			log_line(LOG_LEVEL_WARNING, "%s: dropped: %s; further ones are only counted", s->path, bad.text);
		rc = v4l2_device_release(&s->d, &b, e);
		return rc < 0 ? rc : CAMERA_NOTHING;
	}
	set_stamp(s, &b, now_ns, out);
	s->heard_ns = now_ns;
	s->back_off_ns = BACK_OFF_MIN_NS;
	s->held = b;
	s->holds = true;
	return CAMERA_FRAME;
}

static int64_t silence_ns(const struct device *s)
{
	int64_t frames_ns = (int64_t)(10 * period_ns(s));

	return frames_ns > SILENCE_MIN_NS ? frames_ns : SILENCE_MIN_NS;
}

static int read_frame(void *source, int64_t now_ns, struct camera_shot *out, struct errbuf *e)
{
	struct device *s = source;
	struct errbuf why = { "" };
	int rc = 0;

	(void)e;
	if (s->d.fd < 0) {
		try_again(s, now_ns);
		return CAMERA_NOTHING;
	}
	if (s->holds)
		rc = v4l2_device_release(&s->d, &s->held, &why);
	s->holds = false;
	if (rc == 0)
		rc = take(s, out, &why);
	if (rc == CAMERA_NOTHING && now_ns - s->heard_ns > silence_ns(s))
		rc = fail(&why, -ETIMEDOUT, "no whole frame for %.0f s", (double)(now_ns - s->heard_ns) / 1e9);
	if (rc >= 0)
		return rc;
	lose(s, now_ns, why.text);
	return CAMERA_NOTHING;
}

static void wait(const void *source, struct pollfd *item, int64_t *wake_ns)
{
	const struct device *s = source;

	*item = (struct pollfd){ .fd = s->d.fd, .events = POLLIN };
	*wake_ns = s->d.fd < 0 ? s->retry_ns : s->heard_ns + silence_ns(s);
}

static const char *describe(const void *source)
{
	struct device *s = (struct device *)source;

	if (s->d.fd < 0)
		return s->why.text;
	snprintf(s->words, sizeof s->words, "%s %ux%u at %.4g Hz from %s, %s", s->d.chosen.kind->name, s->d.chosen.width, s->d.chosen.height,
			s->d.rate_hz, s->who.card[0] ? s->who.card : s->d.identity.card, s->path);
	return s->words;
}

static struct camera_counters counters(const void *source)
{
	return ((const struct device *)source)->counters;
}

const struct camera_source camera_source_device = {
	.name = "device",
	.help = "  --device FILE       a camera (V4L2): /dev/v4l/by-id/... is a name that stays; --list shows them\n"
		"  --format F          mjpeg (passed through), yuyv or uyvy (encoded here); the first of these that it has\n"
		"  --size WxH          as the camera has it; nearest to 640x480\n"
		"  --latency-ms MS     from exposure to the kernel's stamp, as measured (0, or one frame where the driver dates its end)\n",
	.create = create,
	.destroy = destroy,
	.wait = wait,
	.read = read_frame,
	.describe = describe,
	.counters = counters,
};
