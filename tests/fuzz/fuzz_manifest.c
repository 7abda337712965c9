/* fuzz_manifest.c - config.json, preprocessor_config.json and dataset_statistics.json. Accepted numbers must keep what the headers
 * promise, because the network divides by them and sizes its memory with them. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "policy/manifest.h"
#include "policy/statistics.h"

static const char *const names[] = { "config.json", "preprocessor_config.json", "dataset_statistics.json" };

static void check_decoder(const struct manifest_decoder *d)
{
	fuzz_require(d->layers && d->heads && d->kv_heads && d->mlp && d->vocabulary);
	fuzz_require(d->heads * d->head_size == d->hidden && d->head_size % 2 == 0 && d->heads % d->kv_heads == 0);
	fuzz_require(isfinite(d->rope_theta) && d->rope_theta > 0.0 && isfinite(d->rms_norm_eps) && d->rms_norm_eps >= 0.0);
	fuzz_require(d->image_token >= 0 && (uint32_t)d->image_token < d->vocabulary);
	fuzz_require(d->mask_token >= 0 && (uint32_t)d->mask_token < d->vocabulary && d->action_bins >= 2);
}

static void check_vision(const struct manifest_vision *v, const struct manifest_picture *p)
{
	fuzz_require(v->blocks && v->output && v->mlp && v->channels == 3);
	fuzz_require(v->heads * v->head_size == v->width && v->head_size % 4 == 0);
	fuzz_require(v->patch == p->patch && v->merge == p->merge && v->temporal == p->temporal && p->patch && p->merge && p->temporal);
	fuzz_require(p->min_pixels <= p->max_pixels && p->max_pixels <= MANIFEST_MAX_PIXELS_MAX);
	for (int i = 0; i < 3; i++)
		fuzz_require(isfinite(p->mean[i]) && isfinite(p->std[i]) && p->std[i] > 0.0);
}

static void check_range(const struct statistics_range *r)
{
	double value[STATISTICS_DIM_MAX], out[STATISTICS_DIM_MAX];
	struct errbuf e;

	fuzz_require(r->dim <= STATISTICS_DIM_MAX);
	for (uint32_t i = 0; i < r->dim; i++) {
		fuzz_require(isfinite(r->low[i]) && isfinite(r->high[i]) && r->low[i] <= r->high[i]);
		value[i] = r->high[i];
	}
	fuzz_require(statistics_normalise_state(r, value, out, &e) == 0);
	for (uint32_t i = 0; i < r->dim; i++)
		fuzz_require(out[i] >= -1.0 && out[i] <= 1.0);
	statistics_unnormalise_action(r, out, 1, value);
	for (uint32_t i = 0; i < r->dim; i++)
		fuzz_require(isfinite(value[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct statistics s;
	struct manifest m;
	struct errbuf e;

	fuzz_write_parts(data, n, names, sizeof names / sizeof *names);
	if (manifest_read(&m, fuzz_folder(), &e) == 0) {
		check_decoder(&m.decoder);
		check_vision(&m.vision, &m.picture);
	} else {
		fuzz_require(e.text[0]);
	}
	for (int i = 0; i < 2; i++) {
		if (statistics_read(&s, fuzz_folder(), i ? "b" : NULL, STATISTICS_AUTO, &e) < 0)
			continue;
		check_range(&s.action);
		check_range(&s.proprio);
	}
	return 0;
}
