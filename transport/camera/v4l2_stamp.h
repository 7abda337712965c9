/* v4l2_stamp.h - when a frame was exposed, from what the kernel says of its buffer. Pure. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_V4L2_STAMP_H
#define DREAMVLA_TRANSPORT_CAMERA_V4L2_STAMP_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stdint.h>

/* The stamp of a driver that dates the end of a frame is taken back by the time of one frame: a rolling shutter reads its lines out over
 * most of it, so that none of them was exposed much earlier. latency_ns (exposure to stamp, as measured) takes that place; negative: not
 * known. False: the kernel's stamp is of another clock, in the future or older than 10 s; *stamp_ns is then the arrival's.
 * Source: kernel documentation, "Buffers", V4L2_BUF_FLAG_TIMESTAMP_* and V4L2_BUF_FLAG_TSTAMP_SRC_*. Thread: any. Allocates: no. */
bool v4l2_stamp(const struct v4l2_buffer *b, int64_t arrival_ns, int64_t period_ns, int64_t latency_ns, int64_t *stamp_ns);

/* Frames that never came, from the driver's numbers of this one and the one before. */
uint32_t v4l2_lost_between(uint32_t before, uint32_t now);

#endif
