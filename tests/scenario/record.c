/* record.c - see record.h. */
#include "tests/scenario/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void record_sample(struct record_track *t, int64_t t_ns, const double *q_rad, const double tcp_m[3])
{
	if (t->n == t->room) {
		uint32_t room = t->room ? 2 * t->room : 4096;
		struct record_sample *more = realloc(t->sample, room * sizeof *more);

		if (!more)
			return;
		t->sample = more;
		t->room = room;
	}
	struct record_sample *s = &t->sample[t->n++];

	s->t_ns = t_ns;
	memcpy(s->q_rad, q_rad, sizeof s->q_rad);
	memcpy(s->tcp_m, tcp_m, sizeof s->tcp_m);
}

static bool add_band(struct record_band *band, uint32_t *n, int64_t t_ns, uint32_t value)
{
	if ((*n > 0 && band[*n - 1].value == value) || *n == BANDS_MAX)
		return false;
	band[(*n)++] = (struct record_band){ t_ns, value };
	return true;
}

bool record_mode(struct record *r, int64_t t_ns, enum mode mode)
{
	return r && add_band(r->mode, &r->n_modes, t_ns, mode);
}

void record_driver(struct record *r, int64_t t_ns, enum target_source driver)
{
	if (r)
		add_band(r->driver, &r->n_drivers, t_ns, driver);
}

void record_mark(struct record *r, int64_t t_ns, const char *text)
{
	if (!r || r->n_marks == MARKS_MAX)
		return;
	r->mark[r->n_marks].t_ns = t_ns;
	snprintf(r->mark[r->n_marks++].text, sizeof r->mark[0].text, "%s", text);
}

void record_free(struct record *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < ARMS_MAX; i++) {
		free(r->sent[i].sample);
		free(r->plant[i].sample);
	}
	free(r);
}
