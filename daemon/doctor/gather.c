/* gather.c - what this machine shows: two samples a second apart, cameras by ioctl, the clock, and what runs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <unistd.h>

#include "daemon/doctor/doctor.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/rt.h"

int doctor_sample_take(const struct doctor_root *root, struct doctor_sample *s)
{
	s->interrupts = calloc(1, DOCTOR_FILE_BYTES);
	s->stat = calloc(1, DOCTOR_FILE_BYTES);
	if (!s->interrupts || !s->stat) {
		doctor_sample_free(s);
		return -ENOMEM;
	}
	(void)root_read(root, s->interrupts, DOCTOR_FILE_BYTES, "/proc/interrupts");
	(void)root_read(root, s->stat, DOCTOR_FILE_BYTES, "/proc/stat");
	return 0;
}

void doctor_sample_free(struct doctor_sample *s)
{
	free(s->interrupts);
	free(s->stat);
	*s = (struct doctor_sample){ 0 };
}

/* A command that hangs (a GPU's driver may) is ended after five seconds. */
static int run_command(const struct doctor_root *root, const char *command, char *out, size_t capacity)
{
	char bounded[256];
	FILE *pipe;
	size_t n;

	(void)root;
	snprintf(bounded, sizeof bounded, "timeout -k 1 5 %s 2>/dev/null", command);
	pipe = popen(bounded, "r");
	if (!pipe)
		return -errno;
	n = fread(out, 1, capacity - 1, pipe);
	out[n] = '\0';
	return pclose(pipe) == 0 ? (int)n : -EIO;
}

static int control(int fd, uint32_t id)
{
	struct v4l2_control c = { .id = id };

	return ioctl(fd, VIDIOC_G_CTRL, &c) == 0 ? c.value : -1;
}

static void read_camera(struct doctor_camera *c)
{
	struct v4l2_streamparm p = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	char path[48];
	int fd, automatic, exposure;

	snprintf(path, sizeof path, "/dev/%s", c->device);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	automatic = control(fd, V4L2_CID_EXPOSURE_AUTO);
	exposure = control(fd, V4L2_CID_EXPOSURE_ABSOLUTE);
	c->exposure_manual = automatic < 0 ? -1 : automatic == V4L2_EXPOSURE_MANUAL || automatic == V4L2_EXPOSURE_SHUTTER_PRIORITY;
	c->exposure_may_slow = control(fd, V4L2_CID_EXPOSURE_AUTO_PRIORITY);
	c->exposure_s = exposure < 0 ? -1.0 : exposure * 1e-4;
	if (ioctl(fd, VIDIOC_G_PARM, &p) == 0 && p.parm.capture.timeperframe.denominator > 0)
		c->frame_s = (double)p.parm.capture.timeperframe.numerator / p.parm.capture.timeperframe.denominator;
	close(fd);
}

static void find_cameras(struct doctor *d)
{
	char list[1024];

	if (root_list(&d->root, "/sys/class/video4linux", "video", list, sizeof list) <= 0)
		return;
	for (char *rest = list, *name; d->n_cameras < DOCTOR_CAMERAS_MAX && (name = strsep(&rest, " "));) {
		struct doctor_camera *c = &d->camera[d->n_cameras++];

		*c = (struct doctor_camera){ .exposure_manual = -1, .exposure_may_slow = -1, .exposure_s = -1.0, .frame_s = -1.0 };
		snprintf(c->device, sizeof c->device, "%.31s", name);
		read_camera(c);
	}
}

static void read_clock(struct doctor *d)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	d->clock_known = state >= 0;
	d->clock_synchronised = state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
	d->clock_error_s = (double)t.maxerror * 1e-6;
}

int doctor_gather(struct doctor *d, const struct config *config)
{
	int64_t began_ns;
	int rc, seen;

	*d = (struct doctor){ .root = { .prefix = "", .run = run_command }, .config = config };
	d->cpu = config && config->control_cpu >= 0 ? config->control_cpu : rt_last_cpu();
#ifdef __OPTIMIZE__
	d->optimised = true;
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	d->sanitized = true;
#endif
	rc = doctor_sample_take(&d->root, &d->before);
	began_ns = clock_monotonic_ns();
	if (rc < 0)
		return rc;
	d->daemon_pid = root_find_process(&d->root, "dreamvlad");
	seen = doctor_find_cpu(d);
	d->cpu = seen >= 0 ? seen : d->cpu;
	find_cameras(d);
	read_clock(d);
	clock_sleep_until(began_ns + NS_PER_S);
	rc = doctor_sample_take(&d->root, &d->after);
	d->between_s = (double)(clock_monotonic_ns() - began_ns) * 1e-9;
	if (rc < 0)
		doctor_sample_free(&d->before);
	return rc;
}

void doctor_free(struct doctor *d)
{
	doctor_sample_free(&d->before);
	doctor_sample_free(&d->after);
}
