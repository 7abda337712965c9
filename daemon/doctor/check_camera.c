/* check_camera.c - cameras of this machine. Sources: Linux Documentation/driver-api/usb/power-management.rst (power/control),
 * Documentation/userspace-api/media/v4l/ext-ctrls-camera.rst (V4L2_CID_EXPOSURE_AUTO, _AUTO_PRIORITY, _ABSOLUTE in 100 us),
 * vidioc-g-parm.rst (timeperframe). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/doctor/doctor.h"

/* An exposure of so much of the frame's period leaves too little to read the sensor out. */
static const double exposure_share = 0.95;

void doctor_check_usb(const struct doctor *d, struct doctor_finding *f)
{
	char control[16], remedy[160];
	int known = 0;

	for (uint32_t i = 0; i < d->n_cameras; i++) {
		const char *device = d->camera[i].device;

		/* `device` is the interface, above it is the USB device. */
		if (root_read(&d->root, control, sizeof control, "/sys/class/video4linux/%s/device/../power/control", device) <= 0)
			continue;
		known++;
		snprintf(remedy, sizeof remedy, "as root: echo on > /sys/class/video4linux/%s/device/../power/control, and again after each start", device);
		if (strcmp(control, "auto") == 0) {
			doctor_find(f, DOCTOR_WARNING, remedy, "%s may be put to sleep (USB autosuspend), and takes long to wake", device);
			return;
		}
	}
	if (known > 0)
		doctor_find(f, DOCTOR_GOOD, NULL, "%d stay awake", known);
	else
		doctor_find(f, DOCTOR_ABSENT, NULL, "no camera of this machine is seen at USB");
}

/* false: nothing to be said against it. */
static bool is_slow(const struct doctor_camera *c, struct doctor_finding *f)
{
	char remedy[200];

	if (c->exposure_manual > 0 && c->exposure_s > exposure_share * c->frame_s && c->frame_s > 0.0) {
		snprintf(remedy, sizeof remedy, "v4l2-ctl -d /dev/%s -c exposure_time_absolute=%.0f (package v4l-utils), and more light", c->device,
				exposure_share * c->frame_s * 1e4);
		doctor_find(f, DOCTOR_BAD, remedy, "%s exposes for %.1f ms, and a frame has %.1f ms: it sends fewer", c->device, 1e3 * c->exposure_s,
				1e3 * c->frame_s);
		return true;
	}
	if (c->exposure_manual == 0 && c->exposure_may_slow > 0) {
		snprintf(remedy, sizeof remedy, "v4l2-ctl -d /dev/%s -c exposure_dynamic_framerate=0 (exposure_auto_priority=0 before Linux 5.15; package "
				"v4l-utils)", c->device);
		doctor_find(f, DOCTOR_WARNING, remedy, "%s may lower its frame rate when it is dark", c->device);
		return true;
	}
	return false;
}

void doctor_check_exposure(const struct doctor *d, struct doctor_finding *f)
{
	uint32_t known = 0;

	for (uint32_t i = 0; i < d->n_cameras; i++) {
		if (is_slow(&d->camera[i], f))
			return;
		known += d->camera[i].exposure_manual >= 0;
	}
	if (d->n_cameras == 0)
		doctor_find(f, DOCTOR_ABSENT, NULL, "no V4L2 camera at this machine");
	else if (known == 0)
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "the cameras of this machine do not tell their exposure");
	else
		doctor_find(f, DOCTOR_GOOD, NULL, "%u keep their frame rate", known);
}
