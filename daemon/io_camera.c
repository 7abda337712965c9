/* io_camera.c - frames: checked before they are kept, into a short history per camera; frozen cameras are noticed here. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "transport/stamp.h"
#include "transport/topic.h"

/* Number of the camera that publishes this topic, or -1. */
static int find_camera(const struct io *io, const struct endpoint_message *m)
{
	struct topic topic;

	if (!topic_split(m->part[0], m->bytes[0], &topic) || strcmp(topic.kind, "camera") != 0)
		return -1;
	for (uint32_t i = 0; i < io->setup->n_cameras; i++)
		if (strcmp(topic.name, io->setup->camera_name[i]) == 0)
			return (int)i;
	return -1;
}

/* Do the bytes hold a picture of that size? Only a JPEG's header is read; decoding is the policy thread's work. */
static int check_bytes(struct io *io, const struct message_camera *f, const uint8_t *bytes, size_t n,
		struct errbuf *e)
{
	uint32_t width, height;
	struct errbuf why;

	if (n > io->frame_bytes_max)
		return fail(e, -EBADMSG, "bytes: found %zu, want at most %" PRIu64 " (sockets.max_frame_kb)", n,
				io->frame_bytes_max);
	if (f->width > (uint32_t)io->config->camera_max_width || f->height > (uint32_t)io->config->camera_max_height)
		return fail(e, -EBADMSG, "width: found %u x %u pixels, want at most %d x %d (camera.max_width, max_height)",
				f->width, f->height, io->config->camera_max_width, io->config->camera_max_height);
	if (f->encoding != ENCODING_JPEG) {
		size_t want = (size_t)3 * f->width * f->height;

		return n == want ? 0 : fail(e, -EBADMSG, "bytes: found %zu, want %zu (3 x %u x %u)", n, want,
				f->width, f->height);
	}
	if (jpeg_read_size(bytes, n, &width, &height, &why) < 0)
		return fail(e, -EBADMSG, "bytes: %.200s", why.text);
	if (width != f->width || height != f->height)
		return fail(e, -EBADMSG, "width: found a JPEG of %u x %u pixels, want %u x %u as the message says", width,
				height, f->width, f->height);
	return 0;
}

static int date_frame(const struct io *io, const struct io_camera *c, struct message_camera *f, struct errbuf *e)
{
	if (c->config->stamps != 0) {
		f->head.stamp_ns = stamp_from_arrival(io->now_ns, c->config->latency_ms * NS_PER_MS);
		return 0;
	}
	return stamp_to_monotonic(f->head.stamp_ns, io->now_ns, io->clock_offset_ns, &f->head.stamp_ns, e);
}

static void keep_frame(struct io *io, struct io_camera *c, const struct message_camera *f, const uint8_t *bytes, size_t n)
{
	uint32_t at = frame_history_push(&c->history, f->head.stamp_ns, io->now_ns);
	struct camera_frame *slot = &c->frame[at];
	uint8_t *room = slot->bytes;

	*slot = (struct camera_frame){
		.stamp_ns = f->head.stamp_ns,
		.arrival_ns = io->now_ns,
		.from = f->head.from,
		.seq = f->head.seq,
		.encoding = f->encoding,
		.width = f->width,
		.height = f->height,
		.n_bytes = (uint32_t)n,
		.bytes = room,
	};
	memcpy(room, bytes, n);
	c->newest = at;
	c->frozen = frozen_watch_step(&c->watch, frame_hash(bytes, (uint32_t)n), f->head.stamp_ns,
			(uint32_t)io->config->camera_frozen_frames);
	io->inputs_changed = io->frames_changed = true;
}

/* Checks everything before the sequence, so that a void message cannot take a topic over. */
static int take_frame(struct io *io, struct io_camera *c, const struct endpoint_message *m, struct errbuf *e)
{
	struct message_camera f;
	int rc;

	if (m->n_parts != 3)
		return fail(e, -EBADMSG, "parts: found %u, want 3: topic, map, bytes", m->n_parts);
	if ((rc = message_camera_decode(&f, m->part[1], m->bytes[1], e)) < 0)
		return rc;
	if ((rc = check_bytes(io, &f, m->part[2], m->bytes[2], e)) < 0)
		return rc;
	if ((rc = date_frame(io, c, &f, e)) < 0)
		return rc;
	if (!io_sequence_take(io, &c->source.sequence, "camera", c->config->name, f.head.from, f.head.seq))
		return 0;
	io->counters.frames++;
	keep_frame(io, c, &f, m->part[2], m->bytes[2]);
	io_record_received(io, RECORD_CAMERA, "camera", c->config->name, f.head.stamp_ns, m);
	return 0;
}

void io_camera_receive(struct io *io)
{
	size_t taken_bytes = 0;
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < IO_DRAIN_MAX && taken_bytes < IO_CAMERA_BYTES && endpoint_receive(io->cameras, &m, &e) > 0; i++) {
		int camera = find_camera(io, &m);

		io->now_ns = clock_monotonic_ns();
		for (uint32_t k = 0; k < m.n_parts; k++)
			taken_bytes += m.bytes[k];
		if (camera < 0)
			io_void(io, &io->counters.unknown_topics, "cameras", NULL, io_void_topic(&m, "camera/ and one of policy.cameras", &e));
		else if (take_frame(io, &io->camera[camera], &m, &e) < 0)
			io_void(io, &io->counters.frames_void, "camera", io->setup->camera_name[camera], e.text);
		io_target_send(io); /* a large frame must not make targets wait */
	}
}

void io_camera_status(struct io *io)
{
	for (uint32_t i = 0; i < io->setup->n_cameras; i++) {
		const struct io_camera *c = &io->camera[i];

		io->inputs.camera[i] = (struct camera_status){
			.present = c->history.n > 0,
			.frozen = c->frozen,
			.stamp_ns = c->frame[c->newest].stamp_ns,
			.arrival_ns = c->frame[c->newest].arrival_ns,
		};
	}
}
