/* ddim.h - the noise schedule of the diffusion decoder and one step down it (DDIM: Song, Meng and Ermon, ICLR 2021; squared-cosine
 * schedule: Nichol and Dhariwal, ICML 2021). Thread: policy. Allocates: no. */
#ifndef DREAMVLA_POLICY_HEAD_DDIM_H
#define DREAMVLA_POLICY_HEAD_DDIM_H

#include <stdint.h>

enum { DDIM_TRAIN_STEPS = 50 };

struct ddim {
	uint32_t steps, stride;          /* stride = DDIM_TRAIN_STEPS / steps, rounded down */
	double alpha[DDIM_TRAIN_STEPS];  /* share of the signal's variance left at each training time */
};

/* steps: 1 to DDIM_TRAIN_STEPS. */
void ddim_init(struct ddim *d, uint32_t steps);

/* Training time of step 0, 1, ...: (steps - 1) * stride down to 0 ("leading" spacing). */
uint32_t ddim_time(const struct ddim *d, uint32_t step);

/* x [n] and the noise estimated in it [n] at this step's time -> x at the next lower time. Nothing random is added (eta 0). */
void ddim_advance(const struct ddim *d, uint32_t step, const float *noise, uint32_t n, double *x);

#endif
