/* score.h - what many episodes come to: successes with their interval, times, smoothness. Pure. */
#ifndef DREAMVLA_DAEMON_TRIAL_SCORE_H
#define DREAMVLA_DAEMON_TRIAL_SCORE_H

#include "daemon/trial/trial.h"

struct score {
	uint32_t n, done, wrong_block, too_late, stopped; /* stopped: the mode left AUTO */
	uint32_t chunks, lost;
	double jerk_square_sum;    /* of the successes': an arm that was stopped, or waits, is smooth */
	double infer_ms_sum;
	double *took_s;            /* [done], of the successes; the owner's, room for as many as there are episodes */
};

void score_add(struct score *s, const struct trial_result *r);

/* Of the successes' times, sorts them; 0: there are none. */
double score_median_s(struct score *s);

/* Over the successes: the root of the mean of their squares; 0: there are none. */
double score_jerk_m_s3(const struct score *s);

/* Wilson's score interval (E. B. Wilson 1927) of a share of which `done` of n were seen, 95 %. n = 0: 0 to 1. */
void score_interval(uint32_t done, uint32_t n, double *low, double *high);

#endif
