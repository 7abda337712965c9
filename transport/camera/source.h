/* source.h - where frames come from: one const table for each kind, listed once in sources.def.
 *
 * All members are called by the one thread of dreamvla-camera. A source never sleeps: it says what it waits for, and read takes what
 * is there. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_SOURCE_H
#define DREAMVLA_TRANSPORT_CAMERA_SOURCE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* A whole JPEG, valid until the next call of the same source. */
struct camera_shot {
	const uint8_t *jpeg;
	size_t n_bytes;
	uint32_t width, height;
	int64_t stamp_ns;             /* CLOCK_MONOTONIC: when it was exposed */
};

/* What became of the frames that were not published. */
struct camera_counters {
	uint64_t lost;                /* the kernel had no room for them, or the driver dropped them (gaps in its numbers) */
	uint64_t damaged;             /* marked as such by the driver, no whole JPEG, or no picture at all */
	uint64_t undated;             /* without a usable stamp of the kernel: dated by arrival */
	uint64_t restarts;            /* the source went away or failed, and was begun anew */
};

struct camera_options {
	const char *path;             /* device, folder or file */
	const char *format;           /* V4L2: mjpeg, yuyv or uyvy; NULL: what the device has, in this order */
	uint32_t width, height;       /* V4L2; 0: what is nearest to 640x480 */
	double rate_hz;               /* 0: about 30 */
	double latency_ms;            /* V4L2: from exposure to the kernel's stamp; negative: not given */
	bool loop;                    /* folder, recording: again from the beginning */
	const char *recorded_as;      /* recording: the camera's name there */
	uint32_t width_max, height_max; /* what dreamvlad accepts */
	size_t bytes_max;             /* largest frame that it accepts */
};

enum { CAMERA_FRAME = 1, CAMERA_NOTHING = 0, CAMERA_END = 2 };

struct camera_source {
	const char *name, *help;      /* the option --<name> PATH; its part of --help */
	bool waits_for_listeners;     /* what nobody hears is not to pass: files, which begin when somebody listens */

	/* -ENOENT, -ENODEV, -EBUSY, -EINVAL, ...: what is wrong and what to do. Allocates: yes. Blocks: on device and disk. */
	int (*create)(void **out, const struct camera_options *o, struct errbuf *e);
	void (*destroy)(void *source); /* accepts NULL */

	/* What to wait for: a descriptor (-1: none) until *wake_ns at most (CLOCK_MONOTONIC). Blocks: no. */
	void (*wait)(const void *source, struct pollfd *item, int64_t *wake_ns);

	/* CAMERA_FRAME, CAMERA_NOTHING, CAMERA_END: there will be no more; or -errno: it cannot go on. What passes by itself (unplugged, a bad
	 * frame) is no error: it is logged, counted and waited for. Allocates: at changes only. Blocks: on device and disk. */
	int (*read)(void *source, int64_t now_ns, struct camera_shot *out, struct errbuf *e);

	/* What it is at this moment, for a person: "YUYV 640x480 at 30 Hz from ...". */
	const char *(*describe)(const void *source);
	struct camera_counters (*counters)(const void *source);
};

/* The kind of that name; NULL: none. camera_source_at: the i-th; NULL beyond the last. Thread: any. */
const struct camera_source *camera_source_find(const char *name);
const struct camera_source *camera_source_at(uint32_t i);

#endif
