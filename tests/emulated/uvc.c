/* uvc.c - see uvc.h. Tables are those of "Universal Serial Bus Device Class Definition for Video Devices", revision 1.0a (UVC), and of the USB 2.0
 * specification, chapter 9. */
#include "tests/emulated/uvc.h"

#include <string.h>

#define LE16(x) (x) & 0xff, (x) >> 8 & 0xff
#define LE32(x) LE16((uint32_t)(x)), LE16((uint32_t)(x) >> 16)
#define FRAME_BYTES_MAX 65536
#define PERIOD_FAST 333333 /* in 100 ns */
#define PERIOD_SLOW 666666

/* bRequest */
enum { SET_CUR = 0x01, GET_CUR = 0x81, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF };
enum { GET_STATUS = 0x00, GET_DESCRIPTOR = 0x06, SET_CONFIGURATION = 0x09, SET_INTERFACE = 0x0b };
/* bmRequestType: to or from a class's interface */
enum { TO_HOST = 0x80, CLASS_OUT = 0x21, CLASS_IN = 0xa1 };
enum { CONTROL_INTERFACE, STREAM_INTERFACE, CAMERA_TERMINAL = 1 };
/* Selectors: of the stream, tables A-17; of a camera terminal, A-12. */
enum { PROBE = 1, COMMIT = 2 };

static const uint8_t device[] = { 18, 1, LE16(0x0200), 0xef, 2, 1, 64, LE16(0x1209), LE16(0x0001), LE16(0x0100), 1, 2, 3, 1 };

enum { CONTROL_BYTES = 13 + 18 + 9, STREAM_BYTES = 14 + 11 + 34 + 34 + 6, ALL_BYTES = 9 + 8 + 9 + CONTROL_BYTES + 9 + STREAM_BYTES + 9 + 7 };

#define FRAME(index, width, height) 34, 0x24, 7, index, 0, LE16(width), LE16(height), LE32(1 << 20), LE32(1 << 24), LE32(FRAME_BYTES_MAX), \
	LE32(PERIOD_FAST), 2, LE32(PERIOD_FAST), LE32(PERIOD_SLOW)

static const uint8_t configuration[ALL_BYTES] = {
	9, 2, LE16(ALL_BYTES), 2, 1, 0, 0x80, 50,
	8, 11, 0, 2, 14, 3, 0, 0,                                            /* these two interfaces are a camera */
	9, 4, CONTROL_INTERFACE, 0, 0, 14, 1, 0, 0,
	13, 0x24, 1, LE16(0x0100), LE16(CONTROL_BYTES), LE32(48000000), 1, STREAM_INTERFACE,
	18, 0x24, 2, CAMERA_TERMINAL, LE16(0x0201), 0, 0, LE16(0), LE16(0), LE16(0), 3, 0x0e, 0, 0, /* table 3-6; its three controls */
	9, 0x24, 3, 2, LE16(0x0101), 0, CAMERA_TERMINAL, 0,                  /* output: the USB */
	9, 4, STREAM_INTERFACE, 0, 0, 14, 2, 0, 0,                           /* setting 0: silence */
	14, 0x24, 1, 1, LE16(STREAM_BYTES), 0x80 | UVC_ENDPOINT, 0, 2, 0, 0, 0, 1, 0,
	11, 0x24, 6, 1, 2, 1, 1, 0, 0, 0, 0,                                 /* MJPEG, two frames */
	FRAME(1, 640, 480), FRAME(2, 320, 240),
	6, 0x24, 13, 1, 1, 4,                                                /* colours: sRGB, BT.601 */
	9, 4, STREAM_INTERFACE, 1, 1, 14, 2, 0, 0,                           /* setting 1: an isochronous endpoint */
	7, 5, 0x80 | UVC_ENDPOINT, 5, LE16(UVC_PACKET_BYTES), 1,
};

/* Camera terminal, by selector 2 to 4: D0 of automatic exposure's mask is manual, D3 aperture priority (4.2.2.1.2); times in 100 us. */
static const struct {
	uint32_t least, most, step, usual;
	uint8_t bytes;
} controls[UVC_CONTROLS] = { { 0, 0, 0x09, 0x08, 1 }, { 0, 1, 1, 0, 1 }, { 1, 5000, 1, 150, 4 } };

static void put_le32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_le32(const uint8_t *in)
{
	return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* What is asked for, as near as the camera has it. */
static void settle(struct uvc *u, const uint8_t *asked)
{
	uint8_t frame = asked[3] == 2 ? 2 : 1;
	uint32_t period = get_le32(asked + 4) > (PERIOD_FAST + PERIOD_SLOW) / 2 ? PERIOD_SLOW : PERIOD_FAST;

	memset(u->probe, 0, sizeof u->probe);
	u->probe[2] = 1;
	u->probe[3] = frame;
	put_le32(u->probe + 4, period);
	put_le32(u->probe + 18, FRAME_BYTES_MAX);
	put_le32(u->probe + 22, UVC_PACKET_BYTES);
}

void uvc_init(struct uvc *u)
{
	const uint8_t nothing[UVC_PROBE_BYTES] = { 0 };

	*u = (struct uvc){ .streaming = false };
	settle(u, nothing);
	for (int i = 0; i < UVC_CONTROLS; i++)
		u->control[i] = controls[i].usual;
}

void uvc_size(const struct uvc *u, uint32_t *width, uint32_t *height)
{
	*width = u->probe[3] == 2 ? 320 : 640;
	*height = u->probe[3] == 2 ? 240 : 480;
}

int64_t uvc_period_ns(const struct uvc *u)
{
	return 100 * (int64_t)get_le32(u->probe + 4);
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------------- */

static int give(uint8_t answer[UVC_ANSWER_MAX], const void *bytes, size_t n)
{
	memcpy(answer, bytes, n);
	return (int)n;
}

static int give_text(uint8_t answer[UVC_ANSWER_MAX], const char *text)
{
	size_t n = strlen(text);

	answer[0] = (uint8_t)(2 + 2 * n);
	answer[1] = 3;
	for (size_t i = 0; i < n; i++) {
		answer[2 + 2 * i] = (uint8_t)text[i];
		answer[3 + 2 * i] = 0;
	}
	return answer[0];
}

static int describe(uint8_t kind, uint8_t index, uint8_t answer[UVC_ANSWER_MAX])
{
	static const char *const texts[] = { "Emulated", "Emulated Webcam", "0001" };

	if (kind == 1)
		return give(answer, device, sizeof device);
	if (kind == 2 && index == 0)
		return give(answer, configuration, sizeof configuration);
	if (kind == 3 && index == 0)
		return give(answer, (const uint8_t[]){ 4, 3, LE16(0x0409) }, 4);
	return kind == 3 && index <= 3 ? give_text(answer, texts[index - 1]) : -1;
}

static int answer_stream(struct uvc *u, uint8_t request, uint8_t selector, const uint8_t *data, size_t n, uint8_t answer[UVC_ANSWER_MAX])
{
	if (selector != PROBE && selector != COMMIT)
		return -1;
	switch (request) {
	case SET_CUR:
		if (n < UVC_PROBE_BYTES)
			return -1;
		settle(u, data);
		return 0;
	case GET_LEN:
		return give(answer, (const uint8_t[]){ LE16(UVC_PROBE_BYTES) }, 2);
	case GET_INFO:
		return give(answer, (const uint8_t[]){ 3 }, 1);
	default:
		return give(answer, u->probe, sizeof u->probe);
	}
}

static int set_control(struct uvc *u, int i, const uint8_t *data, size_t n)
{
	uint8_t whole[4] = { 0 };

	if (n != controls[i].bytes)
		return -1;
	memcpy(whole, data, n);
	u->control[i] = get_le32(whole);
	return 0;
}

static int answer_camera(struct uvc *u, uint8_t request, uint8_t selector, const uint8_t *data, size_t n, uint8_t answer[UVC_ANSWER_MAX])
{
	int i = selector - 2;

	if (i < 0 || i >= UVC_CONTROLS)
		return -1;
	const uint32_t values[] = { [GET_CUR - GET_CUR] = u->control[i], [GET_MIN - GET_CUR] = controls[i].least, [GET_MAX - GET_CUR] = controls[i].most,
		[GET_RES - GET_CUR] = controls[i].step, [GET_LEN - GET_CUR] = controls[i].bytes, [GET_INFO - GET_CUR] = 3,
		[GET_DEF - GET_CUR] = controls[i].usual };

	if (request == SET_CUR)
		return set_control(u, i, data, n);
	if (request < GET_CUR || request > GET_DEF)
		return -1;
	put_le32(answer, values[request - GET_CUR]);
	return request == GET_LEN ? 2 : request == GET_INFO ? 1 : controls[i].bytes;
}

static int answer_class(struct uvc *u, const uint8_t setup[8], const uint8_t *data, size_t n, uint8_t answer[UVC_ANSWER_MAX])
{
	uint8_t selector = setup[3], interface = setup[4], unit = setup[5];

	if (interface == STREAM_INTERFACE)
		return answer_stream(u, setup[1], selector, data, n, answer);
	return unit == CAMERA_TERMINAL ? answer_camera(u, setup[1], selector, data, n, answer) : -1;
}

int uvc_answer(struct uvc *u, const uint8_t setup[8], const uint8_t *data, size_t n, uint8_t answer[UVC_ANSWER_MAX])
{
	if (setup[0] == CLASS_OUT || setup[0] == CLASS_IN)
		return answer_class(u, setup, data, n, answer);
	if (setup[0] == TO_HOST && setup[1] == GET_DESCRIPTOR)
		return describe(setup[3], setup[2], answer);
	if (setup[0] & TO_HOST)
		return setup[1] == GET_STATUS ? give(answer, (const uint8_t[]){ 0, 0 }, 2) : -1;
	if (setup[1] == SET_INTERFACE && setup[4] == STREAM_INTERFACE)
		u->streaming = setup[2] == 1;
	if (setup[1] == SET_CONFIGURATION)
		u->streaming = false;
	return 0;
}
