/* viewer.c - listens like dreamvlad's socket for cameras, on the emulated machine, and tells what frames it gets, one line each:
 *
 *   viewer ADDRESS TOPIC SECONDS        NUMBER STAMP_MS AGE_MS WIDTH HEIGHT RED GREEN BLUE SUM
 *
 * NUMBER is the message's seq, the colours are those of the pixel in the middle, decoded, SUM is that of the JPEG
 * (sum.h). A frame that cannot be decoded is "bad". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "tests/emulated/sum.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"
#include "transport/topic.h"

enum { RGB_BYTES = 1920 * 1200 * 3 };

static void show(struct jpeg_codec *codec, const struct endpoint_message *m, uint8_t *rgb)
{
	struct errbuf e = { "three parts are wanted" };
	struct message_camera head;
	int64_t now_ns = clock_monotonic_ns();

	if (m->n_parts != 3 || message_camera_decode(&head, m->part[1], m->bytes[1], &e) < 0 ||
			jpeg_decode_rgb(codec, m->part[2], m->bytes[2], head.width, head.height, rgb, RGB_BYTES, &e) < 0) {
		printf("bad: %s\n", e.text);
		return;
	}
	const uint8_t *middle = rgb + 3 * ((size_t)head.height / 2 * head.width + head.width / 2);

	printf("%" PRIu64 " %" PRId64 " %" PRId64 " %u %u %d %d %d %08x\n", head.head.seq, head.head.stamp_ns / NS_PER_MS,
			(now_ns - head.head.stamp_ns) / NS_PER_MS, head.width, head.height, middle[0], middle[1], middle[2],
			sum_of(m->part[2], m->bytes[2]));
}

static int look(struct endpoint *socket, const char *topic, double seconds, struct errbuf *e)
{
	struct jpeg_codec *codec = NULL;
	uint8_t *rgb = malloc(RGB_BYTES);
	int64_t end_ns = clock_monotonic_ns() + (int64_t)(seconds * 1e9);
	int rc = rgb ? jpeg_codec_create(&codec, e) : fail(e, -1, "no memory");

	while (rc >= 0 && clock_monotonic_ns() < end_ns) {
		zmq_pollitem_t item = { .socket = endpoint_socket(socket), .events = ZMQ_POLLIN };
		struct endpoint_message m;

		zmq_poll(&item, 1, 100);
		while ((rc = endpoint_receive(socket, &m, e)) > 0)
			if (topic_is(m.part[0], m.bytes[0], topic))
				show(codec, &m, rgb);
		fflush(stdout);
	}
	jpeg_codec_destroy(codec);
	free(rgb);
	return rc;
}

int main(int argc, char **argv)
{
	struct errbuf e = { "want ADDRESS TOPIC SECONDS" };
	struct endpoint *socket = NULL;
	void *context = zmq_ctx_new();
	int rc = argc == 4 ? endpoint_open(&socket, context, &(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = argv[1],
			.high_water = 1000, .max_message_bytes = 1 << 23 }, &e) : -1;

	if (rc == 0)
		rc = look(socket, argv[2], atof(argv[3]), &e);
	if (rc < 0)
		fprintf(stderr, "viewer: %s\n", e.text);
	endpoint_close(socket);
	zmq_ctx_term(context);
	return rc < 0;
}
