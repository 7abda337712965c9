/* v4l2_twin.h - cameras that udev cannot tell apart: USB devices of one kind, both without a serial number or, as cheap ones are, with the same. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_V4L2_TWIN_H
#define DREAMVLA_TRANSPORT_CAMERA_V4L2_TWIN_H

#include <stdbool.h>

/* Is another camera plugged in that looks like `video` ("video0") to udev? Then their names under /dev/v4l/by-id are one, whoever came last.
 * class_folder: /sys/class/video4linux, or a tree like it. False too where sysfs does not say. Thread: any. Allocates: no. Blocks: on files. */
bool v4l2_has_twin(const char *class_folder, const char *video);

#endif
