#include "daemon/trial/score.h"

#include <math.h>
#include <stdlib.h>

static const double Z95 = 1.959963984540054; /* of the normal distribution */

void score_add(struct score *s, const struct trial_result *r)
{
	s->n++;
	if (r->verdict == TASK_DONE) {
		s->took_s[s->done++] = r->took_s;
		s->jerk_square_sum += r->jerk_m_s3 * r->jerk_m_s3;
	}
	s->wrong_block += r->verdict == TASK_WRONG_BLOCK;
	s->too_late += r->verdict == TASK_TOO_LATE;
	s->stopped += r->verdict == TASK_RUNS;
	s->chunks += r->chunks;
	s->lost += r->lost;
	s->infer_ms_sum += r->infer_ms;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double score_median_s(struct score *s)
{
	if (s->done == 0)
		return 0;
	qsort(s->took_s, s->done, sizeof *s->took_s, by_size);
	return (s->took_s[(s->done - 1) / 2] + s->took_s[s->done / 2]) / 2;
}

double score_jerk_m_s3(const struct score *s)
{
	return s->done > 0 ? sqrt(s->jerk_square_sum / s->done) : 0;
}

void score_interval(uint32_t done, uint32_t n, double *low, double *high)
{
	*low = 0;
	*high = 1;
	if (n == 0)
		return;
	double p = (double)done / n, z2 = Z95 * Z95 / n;
	double middle = (p + z2 / 2) / (1 + z2), half = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2);

	*low = fmax(middle - half, 0);
	*high = fmin(middle + half, 1);
}
