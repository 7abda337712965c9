/* v4l2_device.c - see v4l2_device.h. Kernel documentation, "Video for Linux API". */
#include "transport/camera/v4l2_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0 or -errno; a signal is no answer. */
static int ask(int fd, unsigned long request, void *argument)
{
	int rc;

	do
		rc = ioctl(fd, request, argument);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

/* ---- open -------------------------------------------------------------------------------------------------------------------------- */

static int check_capabilities(struct v4l2_device *d, const char *path, struct errbuf *e)
{
	struct v4l2_capability c = { "" };
	int rc = ask(d->fd, VIDIOC_QUERYCAP, &c);
	uint32_t can = c.capabilities & V4L2_CAP_DEVICE_CAPS ? c.device_caps : c.capabilities;

	if (rc == -ENOTTY || rc == -EINVAL)
		return fail(e, -ENOTTY, "%s: is no video device (V4L2); dreamvla-camera --list shows those that there are", path);
	if (rc < 0)
		return fail(e, rc, "%s: does not say what it is: %s", path, strerror(-rc));
	if (!(can & V4L2_CAP_VIDEO_CAPTURE) || !(can & V4L2_CAP_STREAMING))
		return fail(e, -ENOTTY, "%s: %.31s captures no video into memory; many cameras have a second device with their settings only; "
				"dreamvla-camera --list shows those that do", path, (const char *)c.card);
	snprintf(d->identity.card, sizeof d->identity.card, "%.31s", (const char *)c.card);
	snprintf(d->identity.driver, sizeof d->identity.driver, "%.15s", (const char *)c.driver);
	snprintf(d->identity.bus, sizeof d->identity.bus, "%.31s", (const char *)c.bus_info);
	text_tame(d->identity.card, false);
	return 0;
}

int v4l2_device_open(struct v4l2_device *d, const char *path, struct errbuf *e)
{
	struct stat s;

	*d = (struct v4l2_device){ .fd = -1 };
	if (stat(path, &s) == 0 && !S_ISCHR(s.st_mode)) /* opening a FIFO or a tape would do more than look */
		return fail(e, -ENOTTY, "%s: is no device; dreamvla-camera --list shows those that there are%s", path,
				S_ISDIR(s.st_mode) ? "; a folder of pictures is --folder" : "");
	d->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0 && errno == EACCES)
		return fail(e, -EACCES, "%s: not permitted; add yourself to its group: sudo usermod -aG video $USER, and log in anew", path);
	if (d->fd < 0)
		return fail(e, -errno, "%s: %s; dreamvla-camera --list shows the cameras that there are", path, strerror(errno));
	int rc = check_capabilities(d, path, e);

	if (rc < 0)
		v4l2_device_close(d);
	return rc;
}

static void unmap(struct v4l2_device *d)
{
	while (d->n_maps > 0) {
		d->n_maps--;
		munmap(d->map[d->n_maps].start, d->map[d->n_maps].n_bytes);
	}
}

void v4l2_device_close(struct v4l2_device *d)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (d->fd < 0)
		return;
	if (d->streaming)
		(void)ask(d->fd, VIDIOC_STREAMOFF, &type);
	unmap(d);
	close(d->fd);
	d->fd = -1;
	d->streaming = false;
}

/* ---- what it can do ---------------------------------------------------------------------------------------------------------------- */

static double rate_of(struct v4l2_fract interval)
{
	return interval.numerator ? (double)interval.denominator / interval.numerator : 0;
}

static void add_mode(struct v4l2_modes *out, struct v4l2_mode m)
{
	if (out->n < V4L2_MODES_MAX)
		out->mode[out->n++] = m;
}

/* Rates of the largest of these sizes: what a range has at one end it has at the other, or start says so. */
static void add_rates(int fd, struct v4l2_modes *out, struct v4l2_mode m)
{
	struct v4l2_frmivalenum f = { .pixel_format = m.fourcc, .width = m.width_max, .height = m.height_max };
	uint32_t before = out->n;

	for (; ask(fd, VIDIOC_ENUM_FRAMEINTERVALS, &f) == 0 && out->n < V4L2_MODES_MAX; f.index++) {
		bool single = f.type == V4L2_FRMIVAL_TYPE_DISCRETE;

		m.rate_max_hz = rate_of(single ? f.discrete : f.stepwise.min);
		m.rate_min_hz = rate_of(single ? f.discrete : f.stepwise.max);
		add_mode(out, m);
		if (!single)
			break;
	}
	if (out->n == before)
		add_mode(out, m);
}

static void add_sizes(int fd, struct v4l2_modes *out, uint32_t fourcc)
{
	struct v4l2_frmsizeenum f = { .pixel_format = fourcc };

	for (; ask(fd, VIDIOC_ENUM_FRAMESIZES, &f) == 0 && out->n < V4L2_MODES_MAX; f.index++) {
		struct v4l2_frmsize_stepwise s = f.stepwise;

		if (f.type == V4L2_FRMSIZE_TYPE_DISCRETE)
			s = (struct v4l2_frmsize_stepwise){ f.discrete.width, f.discrete.width, 1, f.discrete.height, f.discrete.height, 1 };
		add_rates(fd, out, (struct v4l2_mode){ .fourcc = fourcc, .width_min = s.min_width, .width_max = s.max_width,
				.width_step = s.step_width ? s.step_width : 1, .height_min = s.min_height, .height_max = s.max_height,
				.height_step = s.step_height ? s.step_height : 1 });
		if (f.type != V4L2_FRMSIZE_TYPE_DISCRETE)
			break;
	}
}

void v4l2_device_modes(const struct v4l2_device *d, struct v4l2_modes *out)
{
	struct v4l2_fmtdesc f = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	out->n = 0;
	for (; ask(d->fd, VIDIOC_ENUM_FMT, &f) == 0 && out->n < V4L2_MODES_MAX; f.index++)
		add_sizes(d->fd, out, f.pixelformat);
}

static bool get_control(const struct v4l2_device *d, uint32_t id, int32_t *value)
{
	struct v4l2_control c = { .id = id };
	bool got = ask(d->fd, VIDIOC_G_CTRL, &c) == 0;

	*value = c.value;
	return got;
}

void v4l2_device_exposure(const struct v4l2_device *d, struct v4l2_exposure *out)
{
	int32_t automatic, time_100us, priority;
	bool manual = get_control(d, V4L2_CID_EXPOSURE_AUTO, &automatic) &&
			(automatic == V4L2_EXPOSURE_MANUAL || automatic == V4L2_EXPOSURE_SHUTTER_PRIORITY);

	*out = (struct v4l2_exposure){ .known = manual && get_control(d, V4L2_CID_EXPOSURE_ABSOLUTE, &time_100us) };
	if (out->known)
		out->time_ms = time_100us / 10.0;
	out->may_slow_down = !manual && get_control(d, V4L2_CID_EXPOSURE_AUTO_PRIORITY, &priority) && priority;
}

/* ---- stream ------------------------------------------------------------------------------------------------------------------------ */

static int say_why(int rc, const char *what, struct errbuf *e)
{
	if (rc == -ENODEV)
		return fail(e, rc, "unplugged");
	if (rc == -EBUSY)
		return fail(e, rc, "%s: another program uses the camera; fuser -v /dev/video* shows which", what);
	return fail(e, rc, "%s: %s", what, strerror(-rc));
}

/* What default means for a colour space is the kernel's to say: its macros. */
static struct picture_colour colour_of(const struct v4l2_pix_format *p)
{
	uint32_t encoding = p->ycbcr_enc ? p->ycbcr_enc : V4L2_MAP_YCBCR_ENC_DEFAULT(p->colorspace);
	uint32_t range = p->quantization ? p->quantization : V4L2_MAP_QUANTIZATION_DEFAULT(false, p->colorspace, encoding);

	return (struct picture_colour){ .full_range = range == V4L2_QUANTIZATION_FULL_RANGE,
			.bt709 = encoding == V4L2_YCBCR_ENC_709 || encoding == V4L2_YCBCR_ENC_XV709 };
}

static int set_format(struct v4l2_device *d, const struct v4l2_chosen *c, struct errbuf *e)
{
	struct v4l2_format f = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	f.fmt.pix = (struct v4l2_pix_format){ .width = c->width, .height = c->height, .pixelformat = c->kind->fourcc, .field = V4L2_FIELD_NONE };
	int rc = ask(d->fd, VIDIOC_S_FMT, &f);

	if (rc < 0)
		return say_why(rc, "setting its format", e);
	if (f.fmt.pix.pixelformat != c->kind->fourcc || f.fmt.pix.width != c->width || f.fmt.pix.height != c->height)
		return fail(e, -EINVAL, "asked for %s %ux%u the driver gives %.4s %ux%u", c->kind->name, c->width, c->height,
				(const char *)&f.fmt.pix.pixelformat, f.fmt.pix.width, f.fmt.pix.height);
	d->stride = f.fmt.pix.bytesperline ? f.fmt.pix.bytesperline : 2 * c->width;
	d->colour = colour_of(&f.fmt.pix);
	return 0;
}

/* A driver without rates keeps its own. */
static void set_rate(struct v4l2_device *d, double rate_hz)
{
	enum { PARTS = 1000 };
	struct v4l2_streamparm p = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	p.parm.capture.timeperframe = (struct v4l2_fract){ PARTS, (uint32_t)(rate_hz * PARTS + 0.5) };
	d->rate_hz = ask(d->fd, VIDIOC_S_PARM, &p) == 0 ? rate_of(p.parm.capture.timeperframe) : 0;
}

static int map_buffer(struct v4l2_device *d, uint32_t i, struct errbuf *e)
{
	struct v4l2_buffer b = { .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int rc = ask(d->fd, VIDIOC_QUERYBUF, &b);

	if (rc < 0)
		return say_why(rc, "asking for its buffers", e);
	void *start = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, b.m.offset);

	if (start == MAP_FAILED)
		return say_why(-errno, "mapping its buffers", e);
	d->map[i].start = start;
	d->map[i].n_bytes = b.length;
	d->n_maps = i + 1;
	return v4l2_device_release(d, &b, e);
}

static int set_buffers(struct v4l2_device *d, struct errbuf *e)
{
	struct v4l2_requestbuffers r = { .count = V4L2_BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int rc = ask(d->fd, VIDIOC_REQBUFS, &r);

	if (rc < 0)
		return say_why(rc, "asking for buffers", e);
	if (r.count < 2)
		return fail(e, -ENOMEM, "the driver gives %u buffers, want 2 or more", r.count);
	for (uint32_t i = 0; i < r.count && i < V4L2_BUFFERS && rc == 0; i++)
		rc = map_buffer(d, i, e);
	return rc;
}

int v4l2_device_start(struct v4l2_device *d, const struct v4l2_chosen *chosen, struct errbuf *e)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, rc = set_format(d, chosen, e);

	if (rc < 0)
		return rc;
	d->chosen = *chosen;
	set_rate(d, chosen->rate_hz);
	if ((rc = set_buffers(d, e)) < 0)
		return rc;
	rc = ask(d->fd, VIDIOC_STREAMON, &type);
	if (rc < 0)
		return rc == -ENOSPC ? fail(e, rc, "its USB bus has no room for this stream: a smaller size, mjpeg, or a port of another controller")
				: say_why(rc, "starting to stream", e);
	d->streaming = true;
	return 0;
}

int v4l2_device_take(struct v4l2_device *d, struct v4l2_buffer *b, struct errbuf *e)
{
	*b = (struct v4l2_buffer){ .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int rc = ask(d->fd, VIDIOC_DQBUF, b);

	if (rc == -EAGAIN)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", rc == -ENODEV ? "unplugged" : strerror(-rc));
	if (b->index >= d->n_maps || b->bytesused > d->map[b->index].n_bytes)
		return fail(e, -EIO, "the driver speaks of buffer %u with %u bytes, which is not there", b->index, b->bytesused);
	return 1;
}

int v4l2_device_release(struct v4l2_device *d, const struct v4l2_buffer *b, struct errbuf *e)
{
	struct v4l2_buffer again = { .index = b->index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int rc = ask(d->fd, VIDIOC_QBUF, &again);

	return rc < 0 ? say_why(rc, "giving a buffer back", e) : 0;
}
