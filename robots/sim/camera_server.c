#include "robots/sim/camera_server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "daemon/sys/log.h"
#include "daemon/sys/rt.h"
#include "robots/sim/sensor_noise.h"
#include "transport/message/message.h"

enum { HEAD_BYTES = 256 };

struct camera_server {
	struct world_server *world;
	struct world_snapshot snapshot; /* the newest seen */
	struct renderer *renderer;
	struct jpeg_codec *codec;
	struct endpoint *socket;
	uint8_t *rgb, *jpeg;
	size_t jpeg_capacity;
	uint32_t width, height;
	int64_t period_ns;
	bool realtime_stamps;
	uint64_t from, seq[SIM_CAMERA_COUNT];
	const char *prefix;
	bool published[SIM_CAMERA_COUNT];
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	_Atomic uint64_t pictures, skipped;
	_Atomic int64_t spent_ns;
};

/* To the clock of the messages. */
static int64_t wire_stamp(const struct camera_server *s, int64_t monotonic_ns)
{
	return s->realtime_stamps ? monotonic_ns + clock_realtime_ns() - clock_monotonic_ns() : monotonic_ns;
}

static int publish(struct camera_server *s, enum sim_camera camera, size_t n_jpeg, struct errbuf *e)
{
	char topic[NAME_BYTES + 8];
	uint8_t head[HEAD_BYTES];
	size_t n_head;
	struct message_camera m = { .encoding = ENCODING_JPEG, .width = s->width, .height = s->height };

	m.head = (struct message_head){ s->from, ++s->seq[camera], wire_stamp(s, s->snapshot.stamp_ns) };
	int n_topic = snprintf(topic, sizeof topic, "camera/%s%s", s->prefix, sim_camera_name(camera));
	int rc = message_camera_encode(&m, head, sizeof head, &n_head, e);
	if (rc < 0)
		return rc;
	/* A full queue means that nobody reads: the next frame is newer anyway. */
	(void)!endpoint_send(s->socket, &(struct endpoint_message){ 3, { (const uint8_t *)topic, head, s->jpeg },
			{ (size_t)n_topic, n_head, n_jpeg } });
	return 0;
}

static int show(struct camera_server *s, enum sim_camera camera, struct errbuf *e)
{
	int64_t start_ns = clock_monotonic_ns();
	size_t n = 0;

	renderer_draw(s->renderer, &s->snapshot.world, camera, s->rgb);
	sensor_noise_add(s->rgb, (size_t)3 * s->width * s->height, s->snapshot.world.steps * SIM_CAMERA_COUNT + camera);
	int rc = jpeg_encode_rgb(s->codec, s->rgb, s->width, s->height, CAMERA_SERVER_QUALITY, s->jpeg, s->jpeg_capacity, &n, e);
	if (rc == 0)
		rc = publish(s, camera, n, e);
	atomic_fetch_add_explicit(&s->pictures, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->spent_ns, clock_monotonic_ns() - start_ns, memory_order_relaxed);
	return rc;
}

static void show_all(struct camera_server *s)
{
	struct errbuf e;

	if (latest_refresh(&s->world->snapshot_box))
		s->snapshot = s->world->snapshot[s->world->snapshot_box.reading];
	if (!s->snapshot.stamp_ns)
		return; /* the world has not made its first step */
	for (int camera = 0; camera < SIM_CAMERA_COUNT; camera++)
		if (s->published[camera] && show(s, (enum sim_camera)camera, &e) < 0)
			log_line(LOG_LEVEL_ERROR, "sim: camera %s: %s", sim_camera_name((enum sim_camera)camera), e.text);
}

static void *run(void *argument)
{
	struct camera_server *s = argument;
	int64_t due_ns = clock_monotonic_ns();

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		clock_sleep_until(due_ns);
		show_all(s);
		due_ns += s->period_ns;
		for (int64_t now_ns = clock_monotonic_ns(); due_ns <= now_ns; due_ns += s->period_ns)
			atomic_fetch_add_explicit(&s->skipped, 1, memory_order_relaxed);
	}
	return NULL;
}

/* Of a camera that is this world's by its prefix: is there one of that name? */
static bool choose_camera(struct camera_server *s, const char *name)
{
	bool known = false;

	for (int k = 0; k < SIM_CAMERA_COUNT; k++)
		if (strcmp(name, sim_camera_name((enum sim_camera)k)) == 0)
			known = s->published[k] = true;
	return known;
}

static int choose_cameras(struct camera_server *s, const struct config *c, struct errbuf *e)
{
	size_t n = strlen(s->prefix);
	bool any = false;

	for (uint32_t i = 0; i < c->n_cameras; i++) {
		const char *name = c->camera[i].name;
		bool ours = strncmp(name, s->prefix, n) == 0, known = ours && choose_camera(s, name + n);

		if (ours && !known)
			log_line(LOG_LEVEL_WARNING, "sim: %s: cameras.%s: the world has only %soverhead and %swrist", c->path, name,
					s->prefix, s->prefix);
		any = any || known;
	}
	if (!any)
		return fail(e, -EINVAL, "%s: cameras: none of the world's (%soverhead, %swrist) is configured; add one or use --no-cameras",
				c->path, s->prefix, s->prefix);
	return 0;
}

static int set_up(struct camera_server *s, const struct camera_server_options *o, struct errbuf *e)
{
	int rc = choose_cameras(s, o->config, e);

	if (rc < 0 || (rc = renderer_create(&s->renderer, o->width, o->height, e)) < 0 ||
			(rc = jpeg_codec_create(&s->codec, e)) < 0)
		return rc;
	s->jpeg_capacity = jpeg_encoded_bound(o->width, o->height);
	s->jpeg = malloc(s->jpeg_capacity);
	s->rgb = malloc((size_t)3 * o->width * o->height);
	if (!s->jpeg || !s->rgb)
		return fail(e, -ENOMEM, "sim: no memory for pictures of %ux%u", o->width, o->height);
	return endpoint_open(&s->socket, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_PUB,
			.address = o->config->sockets_cameras, .curve_secret = o->config->sockets_curve_secret }, e);
}

int camera_server_create(struct camera_server **out, const struct camera_server_options *o, struct errbuf *e)
{
	struct camera_server *s = calloc(1, sizeof *s);

	if (!s)
		return fail(e, -ENOMEM, "sim: out of memory");
	s->world = o->world;
	s->width = o->width;
	s->height = o->height;
	s->period_ns = (int64_t)(1e9 / o->rate_hz);
	s->prefix = o->prefix;
	s->realtime_stamps = o->config->clock != 0;
	if (getrandom(&s->from, sizeof s->from, 0) != (ssize_t)sizeof s->from)
		s->from = (uint64_t)clock_monotonic_ns();
	int rc = set_up(s, o, e);
	if (rc == 0) {
		bool realtime;

		rc = rt_thread_start(&s->thread, &(struct rt_thread_options){ .name = "sim-cameras", .run = run, .argument = s,
				.wish = RT_OFF, .cpu = -1 }, &realtime, e);
		s->started = rc == 0;
	}
	if (rc < 0) {
		camera_server_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void camera_server_destroy(struct camera_server *s)
{
	if (!s)
		return;
	if (s->started) {
		atomic_store(&s->stop, true);
		pthread_join(s->thread, NULL);
	}
	endpoint_close(s->socket);
	jpeg_codec_destroy(s->codec);
	renderer_destroy(s->renderer);
	free(s->jpeg);
	free(s->rgb);
	free(s);
}

struct camera_server_counters camera_server_counters(const struct camera_server *s)
{
	uint64_t n = atomic_load(&s->pictures);

	return (struct camera_server_counters){ n, atomic_load(&s->skipped), n ? atomic_load(&s->spent_ns) / (int64_t)n : 0 };
}
