/* trial_eyes.c - cameras of a trial: shots are kept as worlds, arrive late or never, and become observations as io makes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trial/trial_parts.h"
#include "robots/sim/camera_server.h"
#include "robots/sim/sensor_noise.h"

static const int64_t FRAME_NS = NS_PER_S / 30;
/* Odd and large: worlds of neighbouring seeds flicker apart. */
static const uint64_t FLICKER = UINT64_C(0x9e3779b97f4a7c15);

static int find_camera(const char *name, enum sim_camera *out, struct errbuf *e)
{
	for (int i = 0; i < TRIAL_CAMERAS; i++)
		if (strcmp(name, sim_camera_name((enum sim_camera)i)) == 0) {
			*out = (enum sim_camera)i;
			return 0;
		}
	return fail(e, -EINVAL, "policy.cameras: \"%s\": want overhead or wrist, which the simulated world has", name);
}

/* Pictures are drawn as large as the policy wants them: nothing is to be resized, here as on the bench. */
static int find_size(struct trial_eyes *y, const struct config *c, struct errbuf *e)
{
	for (uint32_t i = 0; i < c->policy_cameras.n; i++) {
		const struct config_camera *camera = setup_camera(c, i);
		uint32_t width = (uint32_t)camera->resize_width, height = (uint32_t)camera->resize_height;

		if (i > 0 && (width != y->width || height != y->height))
			return fail(e, -EINVAL, "cameras.%s.resize_width and resize_height: %ux%u, the first camera has %ux%u: want all alike", camera->name,
					width, height, y->width, y->height);
		y->width = width;
		y->height = height;
	}
	return renderer_check_size(y->width, y->height, e);
}

int trial_eyes_open(struct trial *t, struct errbuf *e)
{
	const struct config *c = t->options.config;
	struct trial_eyes *y = &t->eyes;
	int rc = c->policy_cameras.n > 0 ? 0 : fail(e, -EINVAL, "policy.cameras: [] (%s): want overhead, wrist or both", c->path);

	for (uint32_t i = 0; i < c->policy_cameras.n && rc == 0; i++)
		rc = find_camera(c->policy_cameras.name[i], &y->camera[i], e);
	if (rc < 0 || (rc = find_size(y, c, e)) < 0 || (rc = renderer_create(&y->renderer, y->width, y->height, e)) < 0)
		return rc;
	y->jpeg_capacity = jpeg_encoded_bound(y->width, y->height);
	y->jpeg = malloc(y->jpeg_capacity);
	if (!y->jpeg)
		return fail(e, -ENOMEM, "trial: out of memory");
	return jpeg_codec_create(&y->codec, e);
}

void trial_eyes_close(struct trial *t)
{
	renderer_destroy(t->eyes.renderer);
	jpeg_codec_destroy(t->eyes.codec);
	free(t->eyes.jpeg);
}

void trial_eyes_begin(struct trial *t)
{
	struct trial_eyes *y = &t->eyes;

	y->taken = y->delivered = 0;
	y->next_ns = t->now_ns;
	y->observed_ns = 0;
	memset(y->history, 0, sizeof y->history);
}

static void take(struct trial *t)
{
	struct trial_eyes *y = &t->eyes;
	struct shot *s = &y->shot[y->taken % SHOTS];

	y->next_ns += FRAME_NS;
	if (y->taken - y->delivered == SHOTS)
		return; /* later than SHOTS frames: none comes at all, and control stops for it */
	y->taken++;
	s->stamp_ns = t->now_ns;
	s->world = t->world;
	for (uint32_t i = 0; i < t->setup.n_cameras; i++)
		s->lost[i] = t->options.drop > 0 && world_random_between(&t->random, 0, 1) < t->options.drop;
}

static void deliver(struct trial *t, uint64_t number)
{
	struct trial_eyes *y = &t->eyes;
	const struct shot *s = &y->shot[number % SHOTS];

	for (uint32_t i = 0; i < t->setup.n_cameras; i++) {
		if (s->lost[i])
			continue;
		y->in_slot[i][frame_history_push(&y->history[i], s->stamp_ns, t->now_ns)] = number;
		t->inputs.camera[i] = (struct camera_status){ .present = true, .stamp_ns = s->stamp_ns, .arrival_ns = t->now_ns };
	}
}

/* As io_observation.c. */
static void observe(struct trial *t)
{
	struct trial_eyes *y = &t->eyes;
	struct observation *o = &t->mind.seen;
	struct frame_set set;
	bool found = frame_set_pick(y->history, t->setup.n_cameras, t->options.config->camera_max_skew_ms * NS_PER_MS, &set);

	t->inputs.cameras_skewed = set.skewed;
	if (!found || set.t_obs_ns <= y->observed_ns || t->mind.busy ||
			!state_history_at(&t->states, set.t_obs_ns, t->setup.state_max_age_ns, &o->arm[0]))
		return;
	o->id = ++t->observation_id;
	o->t_obs_ns = y->observed_ns = set.t_obs_ns;
	o->ready_ns = set.ready_ns;
	o->n_cameras = t->setup.n_cameras;
	o->n_arms = 1;
	o->instruction_id = t->inputs.instruction_id;
	for (uint32_t i = 0; i < o->n_cameras; i++) {
		y->observed[i] = y->in_slot[i][set.slot[i]];
		o->frame[i] = (struct camera_frame){ .stamp_ns = y->history[i].stamp_ns[set.slot[i]], .from = 1, .seq = y->observed[i] + 1 };
	}
	t->mind.fresh = true;
}

void trial_eyes_step(struct trial *t)
{
	struct trial_eyes *y = &t->eyes;

	if (t->now_ns >= y->next_ns)
		take(t);
	for (; y->delivered < y->taken && y->shot[y->delivered % SHOTS].stamp_ns + t->options.camera_late_ns <= t->now_ns; y->delivered++)
		deliver(t, y->delivered);
	observe(t);
}

int trial_picture(struct trial *t, const struct world *w, enum sim_camera camera, uint8_t *rgb, struct errbuf *e)
{
	struct trial_eyes *y = &t->eyes;
	size_t bytes = (size_t)3 * y->width * y->height, n = 0;

	renderer_draw(y->renderer, w, camera, rgb);
	sensor_noise_add(rgb, bytes, t->seed * FLICKER + w->steps * SIM_CAMERA_COUNT + camera);
	int rc = jpeg_encode_rgb(y->codec, rgb, y->width, y->height, CAMERA_SERVER_QUALITY, y->jpeg, y->jpeg_capacity, &n, e);

	return rc < 0 ? rc : jpeg_decode_rgb(y->codec, y->jpeg, n, y->width, y->height, rgb, bytes, e);
}

void trial_picture_size(const struct trial *t, uint32_t *width, uint32_t *height)
{
	*width = t->eyes.width;
	*height = t->eyes.height;
}
