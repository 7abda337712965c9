/* describe_json.c - a description for programs: the same facts under fixed names; "problem" is null where all is well. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "policy/infer/describe_output.h"

/* JSON is UTF-8, and names of files need not be: each byte that is none becomes U+FFFD. Problems may also end within a character. */
static json_t *text_json(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t n = strlen(text), at = 0;
	char *clean = calloc(n + 1, strlen(replacement)); /* at worst every byte is replaced */
	json_t *out;

	if (!clean)
		return NULL;
	for (size_t i = 0; i < n;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &point);
		size_t taken = length > 0 ? (size_t)length : 1, put = length > 0 ? taken : strlen(replacement);

		memcpy(clean + at, length > 0 ? text + i : replacement, put);
		at += put;
		i += taken;
	}
	out = json_stringn(clean, at);
	free(clean);
	return out;
}

static json_t *text_or_null(const char *text)
{
	return text ? text_json(text) : json_null();
}

/* Both: what could not be made takes the whole with it, for json_pack refuses NULL. Nothing vanishes silently. */
static void append(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

static void set(json_t **object, const char *key, json_t *value)
{
	json_t *clean = text_json(key);

	if (json_object_set_new(*object, clean ? json_string_value(clean) : NULL, value) < 0) {
		json_decref(*object);
		*object = NULL;
	}
	json_decref(clean);
}

static json_t *config_json(const struct description *d)
{
	const struct manifest_decoder *c = &d->manifest.decoder;
	const struct manifest_vision *v = &d->manifest.vision;
	const struct manifest_picture *p = &d->manifest.picture;

	if (d->manifest_problem)
		return json_pack("{s:o}", "problem", text_json(d->manifest_problem));
	return json_pack("{s:n, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i}, s:{s:I, s:I}}",
			"problem", "decoder", "layers", (int)c->layers, "hidden", (int)c->hidden, "heads", (int)c->heads, "kv_heads",
			(int)c->kv_heads, "mlp", (int)c->mlp, "vocabulary", (int)c->vocabulary, "action_bins", (int)c->action_bins,
			"rope_theta", c->rope_theta, "rms_norm_eps", c->rms_norm_eps, "vision", "blocks", (int)v->blocks, "width",
			(int)v->width, "heads", (int)v->heads, "mlp", (int)v->mlp, "patch", (int)v->patch, "merge", (int)v->merge,
			"output", (int)v->output, "pictures", "min_pixels", (json_int_t)p->min_pixels, "max_pixels",
			(json_int_t)p->max_pixels);
}

static json_t *weights_json(const struct description *d)
{
	const struct describe_weights *w = &d->weights;
	json_t *files = json_array(), *types = json_object();

	for (uint32_t i = 0; i < w->n_shards; i++)
		append(&files, json_pack("{s:o, s:I, s:i, s:o}", "name", text_json(w->shard[i].name), "bytes",
				(json_int_t)w->shard[i].n_bytes, "tensors", (int)w->shard[i].n_tensors, "problem",
				text_or_null(w->shard[i].problem)));
	for (int type = 0; type < TENSOR_TYPE_COUNT; type++)
		if (w->type_bytes[type])
			set(&types, tensor_type_name((enum tensor_type)type), json_integer((json_int_t)w->type_bytes[type]));
	return json_pack("{s:o, s:o, s:i, s:o}", "files", files, "bytes", types, "tensors", (int)w->n_tensors, "problem",
			text_or_null(w->problem));
}

static json_t *range_json(const struct statistics_range *r)
{
	json_t *mask;

	if (!r->dim)
		return json_null();
	mask = json_array();
	for (uint32_t i = 0; i < r->dim; i++)
		append(&mask, json_boolean(r->masked[i]));
	return json_pack("{s:i, s:s, s:o}", "dim", (int)r->dim, "range", r->quantiles ? "quantiles" : "bounds", "mask", mask);
}

static json_t *count_or_null(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

static json_t *statistics_json(const struct description *d)
{
	json_t *keys = json_object();

	for (uint32_t i = 0; i < d->n_datasets; i++) {
		const struct describe_dataset *s = &d->dataset[i];

		set(&keys, s->key, json_pack("{s:o, s:o, s:b, s:o, s:o, s:o}", "action", range_json(&s->statistics.action),
				"proprio", range_json(&s->statistics.proprio), "has_bounds", s->has_bounds, "trajectories",
				count_or_null(s->trajectories), "transitions", count_or_null(s->transitions), "problem",
				text_or_null(s->problem)));
	}
	return json_pack("{s:o, s:o, s:o}", "file", text_json(d->statistics_file), "keys", keys, "problem", text_or_null(d->statistics_problem));
}

static json_t *head_file_json(const struct describe_head_file *f)
{
	if (!f->name[0])
		return json_null();
	return json_pack("{s:o, s:I, s:i, s:s, s:o, s:o}", "name", text_json(f->name), "bytes", (json_int_t)f->n_bytes, "tensors",
			(int)f->n_tensors, "type", tensor_type_name(f->type), "size", f->size ? json_integer(f->size) : json_null(), "problem",
			text_or_null(f->problem));
}

static json_t *heads_json(const struct describe_heads *h)
{
	json_t *runs = json_object();

	for (uint32_t i = 0; i < h->n_runs; i++) {
		const struct describe_run *r = &h->run[i];

		set(&runs, r->decoder, json_pack("{s:i, s:b, s:{s:I, s:I}, s:o}", "steps", (int)r->steps, "runs", r->runs, "buffer_bytes", "fp32",
				(json_int_t)r->buffer_bytes[POLICY_FP32], "bf16", (json_int_t)r->buffer_bytes[POLICY_BF16], "problem",
				text_or_null(r->problem)));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "directory", text_json(h->directory), "action_head",
			head_file_json(&h->file[DESCRIBE_ACTION_HEAD]), "noisy_action_projector",
			head_file_json(&h->file[DESCRIBE_NOISY_ACTION]), "proprio_projector", head_file_json(&h->file[DESCRIBE_PROPRIO]),
			"decoders", runs, "unnorm_key", text_or_null(h->n_keys == 1 ? h->unnorm_key : NULL), "problem",
			text_or_null(h->problem), "warning", text_or_null(h->doubt));
}

static json_t *choice_json(const struct description *d, const char *decoder)
{
	const struct describe_heads *heads = NULL;
	const struct describe_run *run = NULL;

	if (!describe_choose(d, decoder, &heads, &run))
		return json_null();
	return json_pack("{s:o, s:s}", "heads", text_json(heads->directory), "decoder", run->decoder);
}

int describe_print_json(const struct description *d, const char *decoder, struct errbuf *e)
{
	json_t *heads = json_array();

	for (uint32_t i = 0; i < d->n_heads; i++)
		append(&heads, heads_json(&d->heads[i]));
	json_t *all = json_pack("{s:o, s:i, s:o, s:o, s:{s:i, s:o}, s:o, s:o, s:o}", "model", text_json(d->model), "problems",
			(int)describe_problems(d), "config", config_json(d), "weights", weights_json(d), "tokenizer", "tokens",
			(int)d->tokenizer_length, "problem", text_or_null(d->tokenizer_problem), "statistics", statistics_json(d), "heads",
			heads, "configure", choice_json(d, decoder));

	int rc = all ? json_dumpf(all, stdout, JSON_INDENT(1)) : -1;

	if (all)
		putchar('\n');
	json_decref(all);
	return rc < 0 ? fail(e, -EIO, "%s: the description could not be written as JSON", d->model) : 0;
}
