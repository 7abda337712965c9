/* uvc.h - what a webcam says of itself on the USB: descriptors, and answers to requests (USB Video Class 1.0, "UVC 1.0" below).
 *
 * It has MJPEG alone, in two sizes at two rates, and exposure: automatic or not, its time, whether it may lower the rate. */
#ifndef DREAMVLA_TESTS_EMULATED_UVC_H
#define DREAMVLA_TESTS_EMULATED_UVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UVC_PACKET_BYTES = 1024, UVC_PROBE_BYTES = 26, UVC_CONTROLS = 3, UVC_ANSWER_MAX = 256, UVC_ENDPOINT = 1 };

struct uvc {
	uint8_t probe[UVC_PROBE_BYTES]; /* UVC 1.0, table 4-47 */
	uint32_t control[UVC_CONTROLS]; /* as numbers, of automatic exposure, its priority, exposure time */
	bool streaming;                 /* the host has chosen the setting with the endpoint */
};

void uvc_init(struct uvc *u);

/* Answers a request whose SETUP packet is setup[8] and which brought data[n]: bytes of `answer`, 0 for none, -1 to stall. */
int uvc_answer(struct uvc *u, const uint8_t setup[8], const uint8_t *data, size_t n, uint8_t answer[UVC_ANSWER_MAX]);

/* What the host has settled on. */
void uvc_size(const struct uvc *u, uint32_t *width, uint32_t *height);
int64_t uvc_period_ns(const struct uvc *u);

#endif
