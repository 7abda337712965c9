/* bench_policy_writing.c - see bench_policy_writing.h. The threads' own functions, called one after the other. */
#include "daemon/bench/bench_policy_writing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/io.h"
#include "daemon/policy_record.h"
#include "daemon/policy_trace.h"
#include "daemon/record/kinds.h"
#include "daemon/setup.h"
#include "daemon/sys/clock.h"

enum { PAIRS = 5000, TAPE_BYTES = 4 << 20, PICTURE_BYTES = 20000, MAP_BYTES = 100 };

/* The same runner twice, with links of its own each. */
struct side {
	struct policy_runner runner;
	struct links links;
	struct io io;                 /* for its links and time only */
	struct stats stats;
	struct observation observation;
	struct action_chunk chunk;
	struct policy_moments when;
	uint8_t *memory;
};

struct writing {
	struct config config;
	struct control_setup setup;
	struct side side[2];
	uint8_t picture[PICTURE_BYTES];
};

static void empty(struct tape *t)
{
	struct tape_record r;

	while (tape_front(t, &r))
		tape_release(t);
}

static void prepare(void *context)
{
	struct side *s = context;

	empty(&s->links.policy_tape);
	empty(&s->links.io_tape);
}

static void step(void *context)
{
	struct side *s = context;
	const struct endpoint_message frame = { .n_parts = 3, .part = { NULL, s->observation.frame[0].bytes, s->observation.frame[0].bytes },
		.bytes = { 0, MAP_BYTES, PICTURE_BYTES } };

	for (uint32_t i = 0; i < s->observation.n_cameras; i++)
		io_record_received(&s->io, RECORD_CAMERA, "camera", s->runner.setup->camera_name[i], 1, &frame);
	policy_record(&s->runner, &s->observation, NULL);
	policy_record_chunk(&s->links.policy_tape, &s->chunk);
	policy_trace(&s->stats, &s->links.policy_tape, &s->observation, 1, &s->when, &s->runner.result.times);
}

static void make_observation(struct writing *w, struct side *s)
{
	s->observation.n_cameras = w->setup.n_cameras;
	for (uint32_t i = 0; i < w->setup.n_cameras; i++) {
		s->observation.frame[i].bytes = w->picture;
		s->observation.frame[i].n_bytes = PICTURE_BYTES;
	}
}

static int make_side(struct writing *w, struct side *s, struct errbuf *e)
{
	s->memory = aligned_alloc(TAPE_ALIGN_BYTES, 2 * TAPE_BYTES);
	if (!s->memory)
		return fail(e, -ENOMEM, "out of memory");
	memset(s->memory, 0, 2 * TAPE_BYTES);
	links_init(&s->links);
	tape_init(&s->links.policy_tape, s->memory, TAPE_BYTES);
	tape_init(&s->links.io_tape, s->memory + TAPE_BYTES, TAPE_BYTES);
	s->io.links = &s->links;
	make_observation(w, s);
	return 0;
}

static int measure(struct writing *w, const struct policy_runner *runner, struct paired_cost *c, struct errbuf *e)
{
	struct paired_steps steps = { .prepare = prepare, .step = step, .context = { &w->side[0], &w->side[1] }, .n = PAIRS };

	for (int i = 0; i < 2; i++) {
		w->side[i].runner = *runner;
		w->side[i].runner.links = &w->side[i].links;
	}
	tape_want(&w->side[1].links.policy_tape, ~UINT64_C(0));
	tape_want(&w->side[1].links.io_tape, ~UINT64_C(0));
	return paired_measure(c, &steps, e);
}

int policy_measure_writing(struct paired_cost *c, const char *config, struct errbuf *e)
{
	struct writing *w = calloc(1, sizeof *w);
	struct policy_runner runner = { 0 };
	int rc = w ? config_read(&w->config, config, e) : fail(e, -ENOMEM, "out of memory");

	if (rc == 0)
		rc = setup_control(&w->setup, &w->config, e);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = make_side(w, &w->side[i], e);
	if (rc == 0)
		rc = policy_runner_init(&runner, &w->config, &w->setup, &w->side[0].links, &w->side[0].stats, e);
	if (rc == 0)
		rc = measure(w, &runner, c, e);
	policy_runner_finish(&runner);
	for (int i = 0; w && i < 2; i++)
		free(w->side[i].memory);
	free(w);
	return rc;
}
