/* record.h - what a run was like over time, for plot.c. */
#ifndef DREAMVLA_TESTS_SCENARIO_RECORD_H
#define DREAMVLA_TESTS_SCENARIO_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"

struct record_sample {
	int64_t t_ns;
	double q_rad[DOF_MAX];
	double tcp_m[3];
};

/* A growing row of samples of one arm: what was sent, and where the motors were. */
struct record_track {
	struct record_sample *sample;
	uint32_t n, room;
};

struct record_band {
	int64_t t_ns;
	uint32_t value;
};

enum { BANDS_MAX = 2000, MARKS_MAX = 200 };

struct record_mark {
	int64_t t_ns;
	char text[96];
};

struct record {
	int64_t begin_ns, end_ns;
	struct record_track sent[ARMS_MAX], plant[ARMS_MAX];
	uint32_t n_modes, n_drivers, n_marks;
	struct record_band mode[BANDS_MAX], driver[BANDS_MAX];
	struct record_mark mark[MARKS_MAX];
};

/* One more sample; without memory for it, it is left out. */
void record_sample(struct record_track *t, int64_t t_ns, const double *q_rad, const double tcp_m[3]);
/* These accept r = NULL and do nothing then. */
bool record_mode(struct record *r, int64_t t_ns, enum mode mode); /* true: it is another one than before */
void record_driver(struct record *r, int64_t t_ns, enum target_source driver);
void record_mark(struct record *r, int64_t t_ns, const char *text);
void record_free(struct record *r);

#endif
