/* webcam.c - a webcam for the emulated machine: it is plugged into the kernel's virtual USB controller (vhci_hcd), whose other end is a socket,
 * so that the kernel's own driver for webcams (uvcvideo) is what dreamvla-camera meets: MJPEG, packets of an isochronous endpoint, unplugging.
 *
 *   webcam [WIDTHxHEIGHT]     plugs itself in and sends pictures until it is killed, which unplugs it; of that size, whatever was settled on
 *
 * Its JPEGs are as webcams make them: without Huffman tables, zeros behind the end. The middle is red, green and blue by turns. "sent SUM" on
 * stdout is the sum of one of its pictures, without the zeros. SIGUSR1: five pictures end in the middle; SIGUSR2: packets of five are lost;
 * SIGHUP: no pictures until there is another one.
 *
 * Messages on the socket: the kernel's Documentation/usb/usbip_protocol.rst, "CMD_SUBMIT" and on; all numbers are big-endian. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "tests/emulated/sum.h"
#include "tests/emulated/uvc.h"

#define ATTACH "/sys/devices/platform/vhci_hcd.0/attach"

enum { SUBMIT = 1, UNLINK, ANSWER_SUBMIT, ANSWER_UNLINK };
enum { HIGH_SPEED = 3, ID = 0x00010002, HEADER_WORDS = 12, PACKET_WORDS = 4 };
enum { PACKETS_MAX = 64, URBS_MAX = 32, PICTURES = 3, DATA_MAX = 4096, FAULTS = 5 };
/* A payload's header (UVC 1.0, table 2-5): its own length, and which picture it is of, whether that ends, end of header. */
enum { PAYLOAD_HEAD = 2, ODD = 0x01, END_OF_FRAME = 0x02, END_OF_HEADER = 0x80 };

struct picture {
	uint8_t *jpeg;
	size_t n;
};

struct urb {
	uint32_t number, n_packets, packet[PACKETS_MAX][PACKET_WORDS]; /* offset, length, actual length, status */
};

struct webcam {
	int fd;
	struct uvc uvc;
	uint32_t width, height, own_width, own_height; /* of its pictures; own: 0, or as it has been told */
	struct picture picture[PICTURES];
	struct urb waiting[URBS_MAX];
	size_t n_waiting, n_sent, n_frames; /* n_sent: bytes of the picture on its way */
	int64_t next_ns;
	bool half, holes;
};

static volatile sig_atomic_t halves_left, holes_left, silent;

static void die(const char *what)
{
	fprintf(stderr, "webcam: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------------------------- */

/* Something that does not compress well, and a square of one colour in the middle. */
static void paint(uint8_t *rgb, uint32_t width, uint32_t height, int colour)
{
	uint32_t noise = 1;

	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++, rgb += 3) {
			bool middle = x > width / 2 - 32 && x < width / 2 + 32 && y > height / 2 - 32 && y < height / 2 + 32;

			noise = noise * 1664525 + 1013904223;
			for (int i = 0; i < 3; i++)
				rgb[i] = middle ? (i == colour ? 255 : 0) : (uint8_t)(noise >> 28 | (x & 0xc0) | (y & 0x30));
		}
}

/* Drops the segments with Huffman tables (marker 0xffc4), which come before the scan (0xffda). */
static void drop_tables(struct picture *p)
{
	for (size_t at = 2; p->jpeg[at + 1] != 0xda;) {
		size_t length = 2 + ((size_t)p->jpeg[at + 2] << 8 | p->jpeg[at + 3]);

		if (p->jpeg[at + 1] == 0xc4) {
			memmove(p->jpeg + at, p->jpeg + at + length, p->n - at - length);
			p->n -= length;
		} else {
			at += length;
		}
	}
}

static void make_picture(struct webcam *w, struct jpeg_codec *codec, int colour)
{
	enum { QUALITY = 60, ZEROS = 16 };
	struct picture *p = &w->picture[colour];
	size_t capacity = jpeg_encoded_bound(w->width, w->height);
	uint8_t *rgb = malloc((size_t)w->width * w->height * 3);
	struct errbuf e;

	free(p->jpeg);
	p->jpeg = calloc(1, capacity + ZEROS);
	if (!rgb || !p->jpeg)
		die("no memory");
	paint(rgb, w->width, w->height, colour);
	if (jpeg_encode_rgb(codec, rgb, w->width, w->height, QUALITY, p->jpeg, capacity, &p->n, &e) < 0)
		die(e.text);
	free(rgb);
	drop_tables(p);
	printf("sent %08x\n", sum_of(p->jpeg, p->n));
	memset(p->jpeg + p->n, 0, ZEROS);
	p->n += ZEROS;
}

static void make_pictures(struct webcam *w)
{
	struct jpeg_codec *codec = NULL;
	uint32_t width = w->own_width, height = w->own_height;
	struct errbuf e;

	if (!width)
		uvc_size(&w->uvc, &width, &height);
	if (width == w->width && height == w->height)
		return;
	w->width = width;
	w->height = height;
	if (jpeg_codec_create(&codec, &e) < 0)
		die(e.text);
	for (int i = 0; i < PICTURES; i++)
		make_picture(w, codec, i);
	jpeg_codec_destroy(codec);
	fflush(stdout);
}

/* ---- messages ---------------------------------------------------------------------------------------------------------------------- */

static void send_all(int fd, const void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t sent = send(fd, (const uint8_t *)bytes + done, n - done, MSG_NOSIGNAL);

		if (sent <= 0 && errno != EINTR)
			die("sending");
		done += sent > 0 ? (size_t)sent : 0;
	}
}

/* The end of the connection is the end of the program: the host has unplugged it. */
static void read_all(int fd, void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = recv(fd, (uint8_t *)bytes + done, n - done, 0);

		if (got == 0 || (got < 0 && errno != EINTR))
			die("reading");
		done += got > 0 ? (size_t)got : 0;
	}
}

static void swap(uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = ntohl(words[i]);
}

/* status: -errno as Linux has it. */
static void send_answer(const struct webcam *w, uint32_t kind, uint32_t number, int32_t status, uint32_t n, uint32_t n_packets)
{
	uint32_t words[HEADER_WORDS] = { kind, number, 0, 0, 0, (uint32_t)status, n, 0, n_packets };

	swap(words, HEADER_WORDS);
	send_all(w->fd, words, sizeof words);
}

/* ---- the stream -------------------------------------------------------------------------------------------------------------------- */

static void begin_stream(struct webcam *w)
{
	make_pictures(w);
	w->n_sent = 0;
	w->next_ns = clock_monotonic_ns();
}

static void take_faults(struct webcam *w)
{
	w->half = halves_left > 0;
	w->holes = holes_left > 0;
	halves_left -= w->half;
	holes_left -= w->holes;
}

static void end_picture(struct webcam *w)
{
	int64_t now_ns = clock_monotonic_ns();

	w->n_sent = 0;
	w->n_frames++;
	w->next_ns += uvc_period_ns(&w->uvc);
	if (w->next_ns < now_ns) /* stopped for a while: nothing is made up for */
		w->next_ns = now_ns;
}

/* One packet of the picture on its way; returns its bytes. */
static uint32_t fill_packet(struct webcam *w, uint8_t *out)
{
	const struct picture *p = &w->picture[w->n_frames % PICTURES];
	size_t whole = w->half ? p->n / 2 : p->n, left = whole - w->n_sent;
	size_t n = left < UVC_PACKET_BYTES - PAYLOAD_HEAD ? left : UVC_PACKET_BYTES - PAYLOAD_HEAD;
	bool lost = w->holes && n < left && w->n_sent / UVC_PACKET_BYTES % 4 == 2;

	out[0] = PAYLOAD_HEAD;
	out[1] = (uint8_t)(END_OF_HEADER | (w->n_frames % 2 ? ODD : 0) | (n == left ? END_OF_FRAME : 0));
	memcpy(out + PAYLOAD_HEAD, p->jpeg + w->n_sent, n);
	w->n_sent += n;
	if (n == left)
		end_picture(w);
	return lost ? 0 : (uint32_t)(PAYLOAD_HEAD + n);
}

/* Of one picture at most: what is behind its end stays empty. */
static void answer_urb(struct webcam *w, struct urb *u)
{
	static uint8_t data[PACKETS_MAX * UVC_PACKET_BYTES];
	size_t n_frames = w->n_frames, n = 0;

	for (uint32_t i = 0; i < u->n_packets; i++) {
		uint32_t bytes = w->n_frames == n_frames && u->packet[i][1] >= UVC_PACKET_BYTES ? fill_packet(w, data + n) : 0;

		u->packet[i][2] = bytes;
		u->packet[i][3] = 0;
		n += bytes;
	}
	send_answer(w, ANSWER_SUBMIT, u->number, 0, (uint32_t)n, u->n_packets);
	send_all(w->fd, data, n);
	swap(u->packet[0], PACKET_WORDS * u->n_packets);
	send_all(w->fd, u->packet, sizeof u->packet[0] * u->n_packets);
}

static void drop_urb(struct webcam *w, size_t i)
{
	w->n_waiting--;
	memmove(&w->waiting[i], &w->waiting[i + 1], (w->n_waiting - i) * sizeof w->waiting[0]);
}

static bool is_due(const struct webcam *w)
{
	return !silent && w->uvc.streaming && w->n_waiting && (w->n_sent || clock_monotonic_ns() >= w->next_ns);
}

static void send_stream(struct webcam *w)
{
	while (is_due(w)) {
		if (w->n_sent == 0)
			take_faults(w);
		answer_urb(w, &w->waiting[0]);
		drop_urb(w, 0);
	}
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------------- */

static void take_urb(struct webcam *w, uint32_t number, uint32_t n_packets)
{
	if (w->n_waiting == URBS_MAX || n_packets > PACKETS_MAX)
		die("more at once than it can have");
	struct urb *u = &w->waiting[w->n_waiting++];

	u->number = number;
	u->n_packets = n_packets;
	read_all(w->fd, u->packet, sizeof u->packet[0] * n_packets);
	swap(u->packet[0], PACKET_WORDS * n_packets);
}

static void answer_control(struct webcam *w, const uint32_t *words)
{
	uint8_t setup[8], data[DATA_MAX] = { 0 }, answer[UVC_ANSWER_MAX];
	bool streaming = w->uvc.streaming, in = words[3];
	size_t n = words[6];

	memcpy(setup, (const uint32_t[]){ htonl(words[10]), htonl(words[11]) }, sizeof setup);
	if (n > DATA_MAX)
		die("a request with more than it can have");
	if (!in)
		read_all(w->fd, data, n);
	int got = uvc_answer(&w->uvc, setup, data, in ? 0 : n, answer);
	uint32_t bytes = got < 0 ? 0 : !in ? (uint32_t)n : (size_t)got < n ? (uint32_t)got : (uint32_t)n;

	send_answer(w, ANSWER_SUBMIT, words[1], got < 0 ? -EPIPE : 0, bytes, 0);
	send_all(w->fd, answer, in ? bytes : 0);
	if (w->uvc.streaming && !streaming)
		begin_stream(w);
}

static void unlink_urb(struct webcam *w, uint32_t number, uint32_t which)
{
	int32_t status = 0; /* it has been answered already */

	for (size_t i = 0; i < w->n_waiting; i++)
		if (w->waiting[i].number == which) {
			drop_urb(w, i);
			status = -ECONNRESET;
			break;
		}
	send_answer(w, ANSWER_UNLINK, number, status, 0, 0);
}

static void read_request(struct webcam *w)
{
	uint32_t words[HEADER_WORDS]; /* command, number, device, is it for input, endpoint; then flags, bytes, start, packets, interval, setup */

	read_all(w->fd, words, sizeof words);
	swap(words, HEADER_WORDS);
	if (words[0] == UNLINK)
		unlink_urb(w, words[1], words[5]);
	else if (words[0] == SUBMIT && words[4] == UVC_ENDPOINT)
		take_urb(w, words[1], words[8]);
	else if (words[0] == SUBMIT && words[4] == 0)
		answer_control(w, words);
	else
		die("a message of no known kind");
}

/* ---- the program ------------------------------------------------------------------------------------------------------------------- */

static void plug_in(struct webcam *w)
{
	int ends[2], file = open(ATTACH, O_WRONLY);
	char words[64];

	if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die(ATTACH);
	int n = snprintf(words, sizeof words, "0 %d %d %d", ends[0], ID, HIGH_SPEED);

	if (write(file, words, (size_t)n) != n)
		die("plugging it in");
	close(ends[0]);
	close(file);
	w->fd = ends[1];
}

static void on_signal(int number)
{
	if (number == SIGHUP)
		silent = !silent;
	else
		*(number == SIGUSR1 ? &halves_left : &holes_left) = FAULTS;
}

/* Not for ever: a signal may come just before. */
static void wait_for_work(const struct webcam *w)
{
	enum { LOOK_MS = 100 };
	struct pollfd item = { .fd = w->fd, .events = POLLIN };
	int64_t left_ns = w->next_ns - clock_monotonic_ns();
	bool waits = !silent && w->uvc.streaming && w->n_waiting;

	poll(&item, 1, !waits ? LOOK_MS : left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS) + 1);
}

int main(int argc, char **argv)
{
	static struct webcam w;

	if (argc > 2 || (argc == 2 && sscanf(argv[1], "%ux%u", &w.own_width, &w.own_height) != 2))
		die("want nothing, or WIDTHxHEIGHT");
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	signal(SIGHUP, on_signal);
	uvc_init(&w.uvc);
	plug_in(&w);
	for (;;) {
		struct pollfd item = { .fd = w.fd, .events = POLLIN };

		wait_for_work(&w);
		if (poll(&item, 1, 0) > 0)
			read_request(&w);
		send_stream(&w);
	}
}
