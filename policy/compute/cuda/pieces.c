/* pieces.c - operations between begin and end, captured once and started as one graph from then on.
 *
 * A graph holds the arguments of its kernels as they were: views, which never move, and what lies in device memory is read anew each time.
 * Only at warm-up is anything captured; a key that comes later for the first time goes operation by operation. */
#include "policy/compute/cuda/cuda.h"

#include <errno.h>
#include <string.h>

static struct piece *find_piece(struct compute *c, const struct compute_key *key)
{
	for (uint32_t i = 0; i < c->n_pieces; i++)
		if (memcmp(&c->piece[i].key, key, sizeof *key) == 0)
			return &c->piece[i];
	return NULL;
}

static void replay(struct compute *c, const struct piece *p)
{
	if (cuda_went_well(c, "a captured graph", device_replay(c->device, p->graph)))
		c->launches += p->launches;
}

static void start_capture(struct compute *c, const struct compute_key *key)
{
	if (c->n_pieces == PIECES_MAX) {
		c->error = fail(&c->reason, -ENOMEM, "cuda backend: more than %d lengths of a sequence to prepare for: shorten the question or the "
				"system line of the prompt", PIECES_MAX);
		return;
	}
	if (!cuda_went_well(c, "the capture of a graph", device_capture(c->device)))
		return;
	c->open = &c->piece[c->n_pieces];
	*c->open = (struct piece){ .key = *key, .launches = c->launches };
}

bool cuda_begin(struct compute *c, const struct compute_key *key)
{
	assert(!c->open && "a piece within a piece");
	const struct piece *p = c->error ? NULL : find_piece(c, key);

	if (p)
		replay(c, p);
	else if (c->captures && !c->error)
		start_capture(c, key);
	return !p;
}

/* What was captured has not run yet. A capture is ended even where an operation of it failed: the stream would take nothing else. */
void cuda_end(struct compute *c)
{
	struct piece *p = c->open;

	if (!p)
		return;
	c->open = NULL;
	uint64_t before = p->launches;

	p->launches = c->launches - before;
	c->launches = before;
	if (!cuda_went_well(c, "the capture of a graph", device_capture_end(c->device, &p->graph))) {
		device_graph_give(c->device, p->graph);
		return;
	}
	c->n_pieces++;
	replay(c, p);
}

void cuda_capture(struct compute *c, bool on)
{
	c->captures = on;
}

void cuda_settle(struct compute *c)
{
	device_measure(c->device, false);
}

void cuda_pieces_release(struct compute *c)
{
	while (c->n_pieces)
		device_graph_give(c->device, c->piece[--c->n_pieces].graph);
}
