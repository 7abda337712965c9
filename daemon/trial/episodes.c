#include "daemon/trial/episodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/trial/trial_parts.h"
#include "policy/safetensors_write.h"

/* An episode has at most its 12 s in actions, and one sample more. */
enum { SAMPLES_MORE = 2 };

struct episodes {
	struct trial *trial;
	const struct config *config;
	char dir[4096];
	uint32_t chunk, cameras, state_dim, capacity;
	size_t picture_bytes;      /* of one */
	uint64_t first_seed, samples; /* of the file in the making; of all */
	uint32_t n, n_episodes;
	uint8_t *picture;
	float *state, *action, *block, *spot;
	int64_t *colour, *episode;
};

static int make_dir(struct episodes *s, const char *dir, struct errbuf *e)
{
	if (strlen(dir) + 64 > sizeof s->dir)
		return fail(e, -ENAMETOOLONG, "--out: the path is too long");
	strcpy(s->dir, dir);
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return fail(e, -errno, "--out %s: %s", dir, strerror(errno));
	return 0;
}

static int make_room(struct episodes *s, struct errbuf *e)
{
	size_t n = s->capacity;

	s->picture = malloc(n * s->cameras * s->picture_bytes);
	s->state = calloc(n * STATE_DIM_MAX, sizeof *s->state);
	s->action = calloc(n * s->chunk * EXPERT_ACTION_DIM, sizeof *s->action);
	s->block = calloc(n * 3, sizeof *s->block);
	s->spot = calloc(n * s->cameras * 2, sizeof *s->spot);
	s->colour = calloc(n, sizeof *s->colour);
	s->episode = calloc(n, sizeof *s->episode);
	bool all = s->picture && s->state && s->action && s->block && s->spot && s->colour && s->episode;

	return all ? 0 : fail(e, -ENOMEM, "episodes: out of memory");
}

int episodes_create(struct episodes **out, struct trial *t, const struct config *c, const char *dir, struct errbuf *e)
{
	struct episodes *s = calloc(1, sizeof *s);
	int64_t dt_ns = trial_setup(t)->action_dt_ns;
	uint32_t width, height;
	int rc;

	if (!s)
		return fail(e, -ENOMEM, "episodes: out of memory");
	trial_picture_size(t, &width, &height);
	s->trial = t;
	s->config = c;
	s->chunk = (uint32_t)c->policy_action_chunk;
	s->cameras = c->policy_cameras.n;
	s->picture_bytes = (size_t)3 * width * height;
	s->capacity = SHARD_EPISODES * (uint32_t)(TASK_LIMIT_NS / dt_ns + SAMPLES_MORE);
	if ((rc = make_dir(s, dir, e)) < 0 || (rc = make_room(s, e)) < 0) {
		episodes_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void episodes_destroy(struct episodes *s)
{
	if (!s)
		return;
	free(s->picture);
	free(s->state);
	free(s->action);
	free(s->block);
	free(s->spot);
	free(s->colour);
	free(s->episode);
	free(s);
}

uint64_t episodes_samples(const struct episodes *s)
{
	return s->samples;
}

/* ---- one sample ----------------------------------------------------------------------------------------------------- */

static int keep_pictures(struct episodes *s, const struct world *w, struct vec block, struct errbuf *e)
{
	for (uint32_t i = 0; i < s->cameras; i++) {
		size_t at = (size_t)s->n * s->cameras + i;
		enum sim_camera camera = s->trial->eyes.camera[i];
		double spot[2] = { -1, -1 };
		int rc = trial_picture(s->trial, w, camera, s->picture + at * s->picture_bytes, e);

		if (rc < 0)
			return rc;
		bool seen = renderer_find(w, camera, block, spot);

		s->spot[2 * at] = seen ? (float)spot[0] : -1;
		s->spot[2 * at + 1] = seen ? (float)spot[1] : -1;
	}
	return 0;
}

static void keep_state(struct episodes *s)
{
	double state[STATE_DIM_MAX];

	s->state_dim = trial_state(s->trial, state, STATE_DIM_MAX);
	for (uint32_t i = 0; i < s->state_dim; i++)
		s->state[(size_t)s->n * s->state_dim + i] = (float)state[i];
}

static void keep_label(struct episodes *s, const struct expert_view *v)
{
	double action[CHUNK_STEPS_MAX][EXPERT_ACTION_DIM];
	float *to = s->action + (size_t)s->n * s->chunk * EXPERT_ACTION_DIM;

	expert_chunk(v, (double)trial_setup(s->trial)->action_dt_ns * 1e-9, s->chunk, action);
	for (uint32_t k = 0; k < s->chunk; k++)
		for (uint32_t i = 0; i < EXPERT_ACTION_DIM; i++)
			*to++ = (float)action[k][i];
}

static int keep(struct episodes *s, uint64_t seed, struct errbuf *e)
{
	const struct world *w = trial_world(s->trial);
	struct expert_view v;

	expert_look(&v, w, trial_task(s->trial)->colour);
	struct vec block = { v.block_m[0], v.block_m[1], v.block_m[2] + WORLD_BLOCK_HALF };
	int rc = keep_pictures(s, w, block, e);

	if (rc < 0)
		return rc;
	keep_state(s);
	keep_label(s, &v);
	s->block[3 * s->n] = (float)block.x;
	s->block[3 * s->n + 1] = (float)block.y;
	s->block[3 * s->n + 2] = (float)block.z;
	s->colour[s->n] = trial_task(s->trial)->colour;
	s->episode[s->n++] = (int64_t)seed;
	s->samples++;
	return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static int add_all(const struct episodes *s, struct safetensors_writer *w, struct errbuf *e)
{
	uint32_t width, height;

	trial_picture_size(s->trial, &width, &height);
	const struct { const char *name; char type; const void *data; uint32_t rank; uint64_t shape[5]; } part[] = {
		{ "picture", 'u', s->picture, 5, { s->n, s->cameras, height, width, 3 } },
		{ "state", 'f', s->state, 2, { s->n, s->state_dim } },
		{ "action", 'f', s->action, 3, { s->n, s->chunk, EXPERT_ACTION_DIM } },
		{ "colour", 'i', s->colour, 1, { s->n } },
		{ "block", 'f', s->block, 2, { s->n, 3 } },
		{ "spot", 'f', s->spot, 3, { s->n, s->cameras, 2 } },
		{ "episode", 'i', s->episode, 1, { s->n } },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof part / sizeof part[0] && rc == 0; i++)
		rc = safetensors_writer_add(w, part[i].name, part[i].type, part[i].data, part[i].shape, part[i].rank, e);
	return rc;
}

int episodes_flush(struct episodes *s, struct errbuf *e)
{
	char path[sizeof s->dir + 64];
	struct safetensors_writer *w = NULL;

	if (s->n == 0)
		return 0;
	snprintf(path, sizeof path, "%s/episodes_%010" PRIu64 ".safetensors", s->dir, s->first_seed);
	int rc = safetensors_writer_create(&w, e);

	if (rc == 0)
		rc = add_all(s, w, e);
	if (rc == 0)
		rc = safetensors_writer_save(w, path, e);
	safetensors_writer_destroy(w);
	s->n = s->n_episodes = 0;
	return rc;
}

int episodes_run(struct episodes *s, uint64_t seed, struct errbuf *e)
{
	int64_t dt_ns = trial_setup(s->trial)->action_dt_ns, next_ns = 0;
	int rc = trial_begin(s->trial, seed, e);

	if (s->n_episodes++ == 0)
		s->first_seed = seed;
	for (bool runs = rc == 0; runs && rc == 0; runs = trial_step(s->trial)) {
		int64_t t_ns = trial_world(s->trial)->t_ns;

		if (t_ns < next_ns)
			continue;
		next_ns = t_ns + dt_ns;
		rc = keep(s, seed, e);
	}
	return rc == 0 && s->n_episodes == SHARD_EPISODES ? episodes_flush(s, e) : rc;
}
