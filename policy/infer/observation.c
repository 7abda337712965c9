/* observation.c - see observation.h. */
#include "policy/infer/observation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/picture_file.h"

/* Beyond the range by more than this share of its width, a state is not one of those that were trained on. */
#define FAR_SHARE 0.5

int observation_load(struct arguments *a, struct observation_files *files, struct errbuf *e)
{
	struct policy_options *p = &a->policy;

	p->n_pictures = a->n_images;
	for (uint32_t i = 0; i < a->n_images; i++) {
		int rc = picture_file_read(a->image[i], &files->picture[i], &files->rgb[i], e);

		if (rc < 0)
			return rc;
		p->picture[i] = a->steps;
		if (files->picture[i].width > p->max_picture_width)
			p->max_picture_width = files->picture[i].width;
		if (files->picture[i].height > p->max_picture_height)
			p->max_picture_height = files->picture[i].height;
	}
	return 0;
}

void observation_free(struct observation_files *files)
{
	for (uint32_t i = 0; i < POLICY_PICTURES_MAX; i++)
		free(files->rgb[i]);
	*files = (struct observation_files){ 0 };
}

void observation_check_heads(struct arguments *a)
{
	const char *decoder = a->policy.decoder;
	bool needs_no_file = !decoder || !strcmp(decoder, "discrete") || !strcmp(decoder, "discrete_diffusion");

	if (!needs_no_file || !a->policy.heads || access(a->policy.heads, F_OK) == 0 || errno != ENOENT)
		return;
	fprintf(stderr, "dreamvla-infer: warning: %s: no such directory; only heads beside the weights are used\n", a->policy.heads);
	a->policy.heads = NULL;
}

void observation_warn_state(const struct arguments *a, const struct policy_info *info)
{
	for (uint32_t i = 0; i < a->n_state; i++) {
		double low = info->state_low[i], high = info->state_high[i], margin = FAR_SHARE * (high - low);

		if (a->state[i] < low - margin || a->state[i] > high + margin)
			fprintf(stderr, "dreamvla-infer: warning: state[%u] is %g, the statistics have %g..%g (%s)\n", i, a->state[i], low,
					high, info->state_ranges);
	}
}

int observation_check_state(const struct arguments *a, const struct policy_info *info, struct errbuf *e)
{
	if (!info->needs_state && a->n_state)
		return fail(e, -EINVAL, "--state is given, but %s has no proprio projector that takes it: leave --state out, or give "
				"--heads the folder with proprio_projector--*_checkpoint.pt", a->policy.heads ? a->policy.heads : a->policy.model);
	if (info->needs_state && !a->n_state)
		return fail(e, -EINVAL, "the checkpoint has a proprio projector: give --state with %u values", info->state_dim);
	if (a->n_state && a->n_state != info->state_dim)
		return fail(e, -EINVAL, "--state has %u values, the statistics '%s' want %u", a->n_state, info->unnorm_key,
				info->state_dim);
	return 0;
}
