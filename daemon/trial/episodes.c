#include "daemon/trial/episodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/trial/trial_parts.h"
#include "policy/safetensors_write.h"
#include "robots/sim/task/astray.h"
#include "robots/sim/task/pads.h"

/* Two sentences, and the time between them; and one sample more. */
static const int64_t LONGEST_NS = 2 * TASK_PUT_LIMIT_NS + 2 * NS_PER_S;
enum { SAMPLES_MORE = 2 };
/* Tensors that only episodes with pads have, the last ones. */
enum { OF_PADS = 6 };

/* As look.c: streams of their own. */
static const uint64_t STREAM = UINT64_C(0x636f75727365), ASTRAY = UINT64_C(0x617374726179);
/* Shares of the episodes. */
static const double CHANGED = 0.25, GOES_ON = 0.5;

/* How an episode is to go. */
struct course {
	uint64_t random;
	int64_t sample_ns, change_ns; /* when to take the next sample, and when the sentence is changed; NEVER */
	bool goes_on;              /* with another sentence, after a verdict */
};

static const int64_t NEVER = INT64_MAX;

/* What the expert would do in each of several cases: its way, and that from where actions of another plan lead, and how many these are. */
struct ways {
	float *action, *astray;
	int64_t *given;
};

struct episodes {
	struct trial *trial;
	const struct config *config;
	char dir[4096];
	uint32_t chunk, cameras, state_dim, capacity;
	size_t picture_bytes;      /* of one */
	uint64_t first_seed, samples; /* of the file in the making; of all */
	uint32_t n, n_episodes;
	uint8_t *picture;
	uint64_t random;           /* of the given actions */
	struct ways colours, second; /* had each colour been named; had the other pad been */
	float *state, *block, *spot, *pad_at, *pad_spot;
	int64_t *colour, *pad, *held, *episode;
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

static bool make_ways(struct ways *w, size_t n, uint32_t chunk)
{
	w->action = calloc(n * chunk * EXPERT_ACTION_DIM, sizeof *w->action);
	w->astray = calloc(n * chunk * EXPERT_ACTION_DIM, sizeof *w->astray);
	w->given = calloc(n, sizeof *w->given);
	return w->action && w->astray && w->given;
}

static int make_room(struct episodes *s, struct errbuf *e)
{
	size_t n = s->capacity;
	bool ways = make_ways(&s->colours, n * COLOURS, s->chunk) && make_ways(&s->second, n, s->chunk);

	s->picture = malloc(n * s->cameras * s->picture_bytes);
	s->state = calloc(n * STATE_DIM_MAX, sizeof *s->state);
	s->block = calloc(n * COLOURS * 3, sizeof *s->block);
	s->spot = calloc(n * COLOURS * s->cameras * 2, sizeof *s->spot);
	s->pad_at = calloc(n * WORLD_PADS * 3, sizeof *s->pad_at);
	s->pad_spot = calloc(n * WORLD_PADS * s->cameras * 2, sizeof *s->pad_spot);
	s->colour = calloc(n, sizeof *s->colour);
	s->pad = calloc(n * WORLD_PADS, sizeof *s->pad);
	s->held = calloc(n, sizeof *s->held);
	s->episode = calloc(n, sizeof *s->episode);
	bool points = s->block && s->spot && s->pad_at && s->pad_spot, numbers = s->colour && s->pad && s->held && s->episode;

	return s->picture && s->state && ways && points && numbers ? 0 : fail(e, -ENOMEM, "episodes: out of memory");
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
	s->capacity = SHARD_EPISODES * (uint32_t)(LONGEST_NS / dt_ns + SAMPLES_MORE);
	if ((rc = make_dir(s, dir, e)) < 0 || (rc = make_room(s, e)) < 0) {
		episodes_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void free_ways(struct ways *w)
{
	free(w->action);
	free(w->astray);
	free(w->given);
}

void episodes_destroy(struct episodes *s)
{
	if (!s)
		return;
	free(s->picture);
	free(s->state);
	free_ways(&s->colours);
	free_ways(&s->second);
	free(s->block);
	free(s->spot);
	free(s->pad_at);
	free(s->pad_spot);
	free(s->colour);
	free(s->pad);
	free(s->held);
	free(s->episode);
	free(s);
}

uint64_t episodes_samples(const struct episodes *s)
{
	return s->samples;
}

/* ---- one sample ----------------------------------------------------------------------------------------------------- */

static int keep_pictures(struct episodes *s, const struct world *w, struct errbuf *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->cameras && rc == 0; i++)
		rc = trial_picture(s->trial, w, s->trial->eyes.camera[i], s->picture + ((size_t)s->n * s->cameras + i) * s->picture_bytes, e);
	return rc;
}

static void keep_state(struct episodes *s)
{
	double state[STATE_DIM_MAX];

	s->state_dim = trial_state(s->trial, state, STATE_DIM_MAX);
	for (uint32_t i = 0; i < s->state_dim; i++)
		s->state[(size_t)s->n * s->state_dim + i] = (float)state[i];
}

/* A point, and where each camera sees it. */
static void keep_point(const struct episodes *s, const struct world *w, struct vec p, float at[3], float *spot)
{
	at[0] = (float)p.x;
	at[1] = (float)p.y;
	at[2] = (float)p.z;
	for (uint32_t i = 0; i < s->cameras; i++) {
		double found[2] = { -1, -1 };
		bool seen = renderer_find(w, s->trial->eyes.camera[i], p, found);

		for (uint32_t k = 0; k < 2; k++)
			*spot++ = seen ? (float)found[k] : -1;
	}
}

static void keep_action(const struct episodes *s, double action[][EXPERT_ACTION_DIM], float *to)
{
	for (uint32_t k = 0; k < s->chunk; k++)
		for (uint32_t i = 0; i < EXPERT_ACTION_DIM; i++)
			*to++ = (float)action[k][i];
}

static void keep_ways(struct episodes *s, const struct expert_view *v, const struct expert_view *other, struct ways *to, size_t row)
{
	double action[CHUNK_STEPS_MAX][EXPERT_ACTION_DIM], dt_s = (double)trial_setup(s->trial)->action_dt_ns * 1e-9;
	size_t at = row * s->chunk * EXPERT_ACTION_DIM;

	expert_chunk(v, dt_s, 0, s->chunk, action);
	keep_action(s, action, to->action + at);
	to->given[row] = astray_chunk(v, other, &s->random, dt_s, s->chunk, action);
	keep_action(s, action, to->astray + at);
}

static struct expert_view view_of(const struct world *w, struct task_words words, enum block_colour colour)
{
	struct expert_view v;

	words.colour = colour;
	expert_look(&v, w, &words);
	return v;
}

static void keep_colour(struct episodes *s, const struct world *w, enum block_colour colour)
{
	const struct task_words words = trial_task(s->trial)->words;
	size_t row = (size_t)s->n * COLOURS + colour;
	uint32_t further = 1 + (uint32_t)world_random_between(&s->random, 0, COLOURS - 1);
	struct expert_view v = view_of(w, words, colour), other = view_of(w, words, (enum block_colour)((colour + further) % COLOURS));
	struct vec block = { v.block_m[0], v.block_m[1], v.block_m[2] + WORLD_BLOCK_HALF };

	keep_point(s, w, block, s->block + 3 * row, s->spot + 2 * row * s->cameras);
	keep_ways(s, &v, &other, &s->colours, row);
}

/* The named block to the pad that was not named: which of the two it is said to be is all that differs. */
static void keep_second(struct episodes *s, const struct world *w)
{
	struct task_words named = trial_task(s->trial)->words, second = named;

	second.pad = w->pad[w->pad[0].colour == named.pad].colour;
	struct expert_view v = view_of(w, second, second.colour), other = view_of(w, named, named.colour);

	keep_ways(s, &v, &other, &s->second, s->n);
}

/* The named one first. */
static void keep_pads(struct episodes *s, const struct world *w)
{
	const struct world_pad *pad = pads_find(w, trial_task(s->trial)->words.pad);
	uint32_t named = pad ? (uint32_t)(pad - w->pad) : 0;

	for (uint32_t i = 0; i < w->n_pads; i++) {
		const struct world_pad *p = &w->pad[(named + i) % w->n_pads];
		size_t row = (size_t)s->n * WORLD_PADS + i;

		s->pad[row] = (int64_t)p->colour;
		keep_point(s, w, (struct vec){ p->x_m, p->y_m, 0 }, s->pad_at + 3 * row, s->pad_spot + 2 * row * s->cameras);
	}
}

static int keep(struct episodes *s, uint64_t seed, struct errbuf *e)
{
	const struct world *w = trial_world(s->trial);
	int rc = keep_pictures(s, w, e);

	if (rc < 0)
		return rc;
	keep_state(s);
	for (int i = 0; i < COLOURS; i++)
		keep_colour(s, w, (enum block_colour)i);
	keep_pads(s, w);
	if (s->trial->options.put)
		keep_second(s, w);
	s->colour[s->n] = trial_task(s->trial)->words.colour;
	s->held[s->n] = w->grip.holds ? (int64_t)w->block[w->grip.block].colour : -1;
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
		{ "action", 'f', s->colours.action, 4, { s->n, COLOURS, s->chunk, EXPERT_ACTION_DIM } },
		{ "astray", 'f', s->colours.astray, 4, { s->n, COLOURS, s->chunk, EXPERT_ACTION_DIM } },
		{ "given", 'i', s->colours.given, 2, { s->n, COLOURS } },
		{ "block", 'f', s->block, 3, { s->n, COLOURS, 3 } },
		{ "spot", 'f', s->spot, 4, { s->n, COLOURS, s->cameras, 2 } },
		{ "colour", 'i', s->colour, 1, { s->n } },
		{ "held", 'i', s->held, 1, { s->n } },
		{ "episode", 'i', s->episode, 1, { s->n } },
		{ "pad", 'i', s->pad, 2, { s->n, WORLD_PADS } },
		{ "pad_at", 'f', s->pad_at, 3, { s->n, WORLD_PADS, 3 } },
		{ "pad_spot", 'f', s->pad_spot, 4, { s->n, WORLD_PADS, s->cameras, 2 } },
		{ "second_action", 'f', s->second.action, 3, { s->n, s->chunk, EXPERT_ACTION_DIM } },
		{ "second_astray", 'f', s->second.astray, 3, { s->n, s->chunk, EXPERT_ACTION_DIM } },
		{ "second_given", 'i', s->second.given, 1, { s->n } },
	};
	size_t n = sizeof part / sizeof part[0] - (s->trial->options.put ? 0 : OF_PADS);
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = safetensors_writer_add(w, part[i].name, part[i].type, part[i].data, part[i].shape, part[i].rank, e);
	return rc;
}

/* Under its name only once it is whole: training may be under way. */
static int save(const struct episodes *s, struct safetensors_writer *w, struct errbuf *e)
{
	char path[sizeof s->dir + 64], whole[sizeof s->dir + 64];

	snprintf(whole, sizeof whole, "%s/episodes_%010" PRIu64 ".safetensors", s->dir, s->first_seed);
	snprintf(path, sizeof path, "%s/episodes_%010" PRIu64 ".new", s->dir, s->first_seed);
	int rc = safetensors_writer_save(w, path, e);

	if (rc == 0 && rename(path, whole) < 0)
		rc = fail(e, -errno, "%s: %s", whole, strerror(errno));
	return rc;
}

int episodes_flush(struct episodes *s, struct errbuf *e)
{
	struct safetensors_writer *w = NULL;

	if (s->n == 0)
		return 0;
	int rc = safetensors_writer_create(&w, e);

	if (rc == 0)
		rc = add_all(s, w, e);
	if (rc == 0)
		rc = save(s, w, e);
	safetensors_writer_destroy(w);
	s->n = s->n_episodes = 0;
	return rc;
}

/* ---- an episode's course -------------------------------------------------------------------------------------------- */

static double draw(struct course *c, double low, double high)
{
	return world_random_between(&c->random, low, high);
}

static struct course plan(uint64_t seed, int64_t now_ns, int64_t dt_ns)
{
	struct course c = { .random = seed ^ STREAM };

	c.sample_ns = now_ns + (int64_t)draw(&c, 0, (double)dt_ns);
	c.change_ns = draw(&c, 0, 1) < CHANGED ? now_ns + (int64_t)draw(&c, 0.3e9, 5e9) : NEVER;
	c.goes_on = draw(&c, 0, 1) < GOES_ON;
	return c;
}

static void change(struct course *c, struct trial *t)
{
	const struct world *w = trial_world(t);
	struct task_words words = trial_task(t)->words;

	c->change_ns = NEVER;
	words.colour = (enum block_colour)((words.colour + 1 + (uint32_t)draw(c, 0, COLOURS - 1)) % COLOURS);
	if (words.put)
		words.pad = w->pad[w->pad[0].colour == words.pad].colour;
	trial_say(t, &words);
}

/* After a verdict: false, the end; else another sentence after a while, in which the arm does what it would do. */
static bool goes_on(struct course *c, struct trial *t)
{
	struct trial_result r = trial_result(t);

	if (r.reason != REASON_NONE || r.verdict == TASK_TOO_LATE)
		return false;
	if (c->change_ns != NEVER)
		return true;
	if (!c->goes_on)
		return false;
	c->goes_on = false;
	c->change_ns = trial_world(t)->t_ns + (int64_t)draw(c, 0, 1.5e9);
	return true;
}

static int take_samples(struct episodes *s, uint64_t seed, struct errbuf *e)
{
	const int64_t begin_ns = trial_world(s->trial)->t_ns, dt_ns = trial_setup(s->trial)->action_dt_ns;
	struct course c = plan(seed, begin_ns, dt_ns);
	bool runs = true;
	int rc = 0;

	s->random = seed ^ ASTRAY;
	for (int64_t t_ns = begin_ns; runs && rc == 0 && t_ns < begin_ns + LONGEST_NS; t_ns = trial_world(s->trial)->t_ns) {
		if (t_ns >= c.change_ns)
			change(&c, s->trial);
		if (t_ns >= c.sample_ns) {
			c.sample_ns += dt_ns;
			rc = keep(s, seed, e);
		}
		runs = trial_step(s->trial) || goes_on(&c, s->trial);
	}
	return rc;
}

int episodes_run(struct episodes *s, uint64_t seed, struct errbuf *e)
{
	int rc = trial_begin(s->trial, seed, e);

	if (s->n_episodes++ == 0)
		s->first_seed = seed;
	if (rc == 0)
		rc = take_samples(s, seed, e);
	return rc == 0 && s->n_episodes == SHARD_EPISODES ? episodes_flush(s, e) : rc;
}
