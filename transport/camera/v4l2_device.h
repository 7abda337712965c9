/* v4l2_device.h - one V4L2 capture device: what it can do, and its stream of memory-mapped buffers.
 *
 * linux/videodev2.h and ioctl are all it needs. libv4l would decode what a camera has compressed and hide its buffers' flags and
 * numbers: the JPEG is to pass through as it is. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_V4L2_DEVICE_H
#define DREAMVLA_TRANSPORT_CAMERA_V4L2_DEVICE_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "transport/camera/v4l2_choice.h"

enum { V4L2_BUFFERS = 4 };

/* Who a device is: what the same one says again when it is plugged in anew. */
struct v4l2_identity {
	char card[32], driver[16], bus[32];
};

struct v4l2_modes {
	uint32_t n;
	struct v4l2_mode mode[V4L2_MODES_MAX];
};

/* What decides how long a frame is exposed; a camera that does not have it says nothing. */
struct v4l2_exposure {
	bool known;                   /* the time below, which is fixed then */
	double time_ms;
	bool may_slow_down;           /* automatic, and free to lower the rate in the dark */
};

struct v4l2_device {
	int fd;                       /* -1: closed */
	bool streaming;
	struct v4l2_identity identity;
	struct v4l2_chosen chosen;
	struct picture_colour colour;
	uint32_t stride;
	double rate_hz;               /* as the driver has set it; 0: it does not say */
	struct {
		uint8_t *start;
		size_t n_bytes;
	} map[V4L2_BUFFERS];
	uint32_t n_maps;
};

/* Opens, and makes sure that it captures video into memory. -ENOENT and -ENODEV: nothing there; -ENOTTY: no such device; -EACCES.
 * All functions: one thread. Blocks: on the driver. */
MUST_CHECK int v4l2_device_open(struct v4l2_device *d, const char *path, struct errbuf *e);

/* Also ends its stream; accepts a closed one (fd -1). */
void v4l2_device_close(struct v4l2_device *d);

/* Every format, size and rate that it has. */
void v4l2_device_modes(const struct v4l2_device *d, struct v4l2_modes *out);
void v4l2_device_exposure(const struct v4l2_device *d, struct v4l2_exposure *out);

/* Sets what was chosen and begins to stream. -EBUSY: another program streams from it. -EINVAL: the driver gives something else. */
MUST_CHECK int v4l2_device_start(struct v4l2_device *d, const struct v4l2_chosen *chosen, struct errbuf *e);

/* 1: a filled buffer, to be given back by v4l2_device_release; 0: none yet; -ENODEV: unplugged; -errno: the stream has failed. */
MUST_CHECK int v4l2_device_take(struct v4l2_device *d, struct v4l2_buffer *b, struct errbuf *e);
MUST_CHECK int v4l2_device_release(struct v4l2_device *d, const struct v4l2_buffer *b, struct errbuf *e);

#endif
