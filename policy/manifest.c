/* manifest.c - see manifest.h. */
#include "policy/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "policy/json_file.h"
#include "policy/mapping.h"

#define CONFIG_FILE "config.json"
#define PREPROCESSOR_FILE "preprocessor_config.json"

enum { ACTION_BINS_DEFAULT = 256 };

/* A size: bounds far above any real checkpoint, low enough that products of them fit 64 bits. */
struct size_key {
	const char *key;
	size_t offset;             /* of a uint32_t in the section's struct */
	uint32_t low, high;
};

static const struct size_key decoder_sizes[] = {
	{ "num_hidden_layers", offsetof(struct manifest_decoder, layers), 1, 512 },
	{ "hidden_size", offsetof(struct manifest_decoder, hidden), 2, 65536 },
	{ "num_attention_heads", offsetof(struct manifest_decoder, heads), 1, 1024 },
	{ "num_key_value_heads", offsetof(struct manifest_decoder, kv_heads), 1, 1024 },
	{ "intermediate_size", offsetof(struct manifest_decoder, mlp), 1, 1 << 20 },
	{ "vocab_size", offsetof(struct manifest_decoder, vocabulary), 1, 1 << 22 },
};

static const struct size_key vision_sizes[] = {
	{ "depth", offsetof(struct manifest_vision, blocks), 1, 512 },
	{ "embed_dim", offsetof(struct manifest_vision, width), 4, 65536 },
	{ "num_heads", offsetof(struct manifest_vision, heads), 1, 1024 },
	{ "hidden_size", offsetof(struct manifest_vision, output), 1, 65536 },
	{ "patch_size", offsetof(struct manifest_vision, patch), 1, 256 },
	{ "spatial_merge_size", offsetof(struct manifest_vision, merge), 1, 16 },
	{ "temporal_patch_size", offsetof(struct manifest_vision, temporal), 1, 16 },
};

static const struct size_key picture_sizes[] = {
	{ "patch_size", offsetof(struct manifest_picture, patch), 1, 256 },
	{ "merge_size", offsetof(struct manifest_picture, merge), 1, 16 },
	{ "temporal_patch_size", offsetof(struct manifest_picture, temporal), 1, 16 },
};

static const struct {
	const char *key;
	size_t offset;             /* of an int32_t in struct manifest_decoder */
} tokens[] = {
	{ "image_token_id", offsetof(struct manifest_decoder, image_token) },
	{ "mask_token_id", offsetof(struct manifest_decoder, mask_token) },
	{ "pad_token_id", offsetof(struct manifest_decoder, pad_token) },
	{ "vision_start_token_id", offsetof(struct manifest_decoder, vision_start_token) },
	{ "vision_end_token_id", offsetof(struct manifest_decoder, vision_end_token) },
};

/* What the network is written for; absent means the same. */
static const struct {
	const char *section, *key, *value;
} activations[] = {
	{ NULL, "hidden_act", "silu" },
	{ NULL, "projector_hidden_act", "gelu" },
	{ "vision_config", "hidden_act", "quick_gelu" },
};

static int take_sizes(const json_t *object, const char *path, const struct size_key *keys, size_t n_keys, void *section,
		struct errbuf *e)
{
	for (size_t i = 0; i < n_keys; i++) {
		uint32_t *field = (uint32_t *)(void *)((char *)section + keys[i].offset);
		int64_t value = 0;
		int rc = json_take_integer(object, path, keys[i].key, keys[i].low, keys[i].high, &value, e);

		if (rc < 0)
			return rc;
		*field = (uint32_t)value;
	}
	return 0;
}

static int take_tokens(const json_t *config, const char *path, struct manifest_decoder *d, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
		int64_t id = 0;
		int rc = json_take_integer(config, path, tokens[i].key, 0, (int64_t)d->vocabulary - 1, &id, e);

		if (rc < 0)
			return rc;
		*(int32_t *)(void *)((char *)d + tokens[i].offset) = (int32_t)id;
	}
	return 0;
}

static int check_activations(const json_t *config, const char *path, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
		const char *section = activations[i].section;
		const json_t *object = section ? json_object_get(config, section) : config;
		const json_t *found = json_object_get(object, activations[i].key);

		if (found && (!json_is_string(found) || strcmp(json_string_value(found), activations[i].value) != 0))
			return fail(e, -ENOTSUP, "%s: %s%s%s is %.32s, want \"%s\"", path, section ? section : "",
					section ? "." : "", activations[i].key,
					json_is_string(found) ? json_string_value(found) : json_kind(found),
					activations[i].value);
	}
	return 0;
}

/* A switch that is neither true nor false must not count as the one that suits. */
static int check_switches(const json_t *config, const char *path, struct errbuf *e)
{
	static const char *const keys[] = { "full_attn_mask", "tie_word_embeddings" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const json_t *value = json_object_get(config, keys[i]);

		if (value && !json_is_boolean(value))
			return fail(e, -EINVAL, "%s: %s is %s, want true or false", path, keys[i], json_kind(value));
	}
	return 0;
}

/* Kinds of attention that other models of the family have and this network has not. */
static int check_attention(const json_t *config, const char *path, struct errbuf *e)
{
	const json_t *scaling = json_object_get(config, "rope_scaling");
	const char *type = json_string_value(json_object_get(scaling, "type"));
	int rc = check_switches(config, path, e);

	if (rc < 0)
		return rc;
	if (scaling && !json_is_object(scaling) && !json_is_null(scaling))
		return fail(e, -EINVAL, "%s: rope_scaling is %s, want an object or null", path, json_kind(scaling));
	if (json_is_false(json_object_get(config, "full_attn_mask")))
		return fail(e, -ENOTSUP, "%s: full_attn_mask is false, want true: attention is bidirectional", path);
	if (json_is_true(json_object_get(config, "tie_word_embeddings")))
		return fail(e, -ENOTSUP, "%s: tie_word_embeddings is true, want false: lm_head is a tensor of its own",
				path);
	if (json_is_object(scaling) && !(type && (strcmp(type, "mrope") == 0 || strcmp(type, "default") == 0)))
		return fail(e, -ENOTSUP, "%s: rope_scaling.type is %.32s, want mrope or no rope_scaling", path,
				type ? type : "missing");
	return 0;
}

static int check_heads(const char *path, struct manifest_decoder *d, struct errbuf *e)
{
	if (d->hidden % d->heads != 0)
		return fail(e, -EINVAL, "%s: hidden_size %u is no multiple of num_attention_heads %u", path, d->hidden,
				d->heads);
	if (d->heads % d->kv_heads != 0)
		return fail(e, -EINVAL, "%s: num_attention_heads %u is no multiple of num_key_value_heads %u", path,
				d->heads, d->kv_heads);
	d->head_size = d->hidden / d->heads;
	if (d->head_size % 2 != 0)
		return fail(e, -EINVAL,
				"%s: hidden_size / num_attention_heads = %u is odd; rotary embedding needs pairs", path,
				d->head_size);
	return 0;
}

static int read_decoder(const json_t *config, const char *path, struct manifest_decoder *d, struct errbuf *e)
{
	int64_t bins = ACTION_BINS_DEFAULT;
	int rc = take_sizes(config, path, decoder_sizes, sizeof decoder_sizes / sizeof decoder_sizes[0], d, e);

	if (rc < 0 || (rc = check_heads(path, d, e)) < 0 || (rc = take_tokens(config, path, d, e)) < 0 ||
			(rc = check_activations(config, path, e)) < 0 || (rc = check_attention(config, path, e)) < 0 ||
			(rc = json_take_number(config, path, "rope_theta", 1, 1e12, &d->rope_theta, e)) < 0 ||
			(rc = json_take_number(config, path, "rms_norm_eps", 1e-12, 1, &d->rms_norm_eps, e)) < 0)
		return rc;
	if (json_object_get(config, "n_action_bins"))
		rc = json_take_integer(config, path, "n_action_bins", 2, d->vocabulary, &bins, e);
	d->action_bins = (uint32_t)bins;
	return rc;
}

/* mlp_ratio may be written as a fraction; the width it gives is a whole number. */
static int read_vision_mlp(const json_t *object, const char *path, struct manifest_vision *v, struct errbuf *e)
{
	double ratio = 0, mlp;
	int rc = json_take_number(object, path, "mlp_ratio", 1.0 / 64, 64, &ratio, e);

	if (rc < 0)
		return rc;
	mlp = ratio * v->width;
	v->mlp = (uint32_t)mlp;
	if (v->mlp == 0 || mlp != v->mlp)
		return fail(e, -EINVAL, "%s: embed_dim %u * mlp_ratio %g is no size", path, v->width,
				ratio);
	return 0;
}

static int read_vision(const json_t *config, const char *path, struct manifest_vision *v, struct errbuf *e)
{
	const json_t *object = NULL;
	char section[PATH_BYTES + sizeof ": vision_config"]; /* the decoder has keys of the same names */
	int64_t channels = 3;
	int rc = json_take_object(config, path, "vision_config", &object, e);

	snprintf(section, sizeof section, "%s: vision_config", path);
	if (rc < 0 ||
			(rc = take_sizes(object, section, vision_sizes, sizeof vision_sizes / sizeof vision_sizes[0], v,
					 e)) < 0 ||
			(rc = read_vision_mlp(object, section, v, e)) < 0)
		return rc;
	if (json_object_get(object, "in_chans") &&
			(rc = json_take_integer(object, section, "in_chans", 3, 3, &channels, e)) < 0)
		return rc;
	v->channels = (uint32_t)channels;
	v->head_size = v->width / v->heads;
	if (v->width % v->heads != 0 || v->head_size % 4 != 0)
		return fail(e, -EINVAL,
				"%s: embed_dim %u / num_heads %u is no multiple of 4; rotary embedding in two dimensions needs "
				"that",
				section, v->width, v->heads);
	return 0;
}

/* [red, green, blue] */
static int take_colour(const json_t *object, const char *path, const char *key, double low, double high, double out[3],
		struct errbuf *e)
{
	const json_t *array = json_object_get(object, key);

	if (json_array_size(array) != 3)
		return fail(e, -EINVAL, "%s: %s is %s of %zu, want 3 numbers", path, key, json_kind(array),
				json_array_size(array));
	for (size_t i = 0; i < 3; i++) {
		const json_t *value = json_array_get(array, i);
		double found = json_number_value(value);

		if (!json_is_number(value) || !(found >= low && found <= high))
			return fail(e, -EINVAL, "%s: %s[%zu] is %s, %g; want %g..%g", path, key, i, json_kind(value),
					found, low, high);
		out[i] = found;
	}
	return 0;
}

static int read_picture(const json_t *object, const char *path, struct manifest_picture *p, struct errbuf *e)
{
	int64_t low = 0, high = 0;
	int rc = take_sizes(object, path, picture_sizes, sizeof picture_sizes / sizeof picture_sizes[0], p, e);

	if (rc < 0 || (rc = json_take_integer(object, path, "min_pixels", 1, MANIFEST_MIN_PIXELS_MAX, &low, e)) < 0 ||
			(rc = json_take_integer(object, path, "max_pixels", 1, MANIFEST_MAX_PIXELS_MAX, &high, e)) < 0 ||
			(rc = take_colour(object, path, "image_mean", -10, 10, p->mean, e)) < 0 ||
			(rc = take_colour(object, path, "image_std", 1e-6, 10, p->std, e)) < 0)
		return rc;
	p->min_pixels = (uint64_t)low;
	p->max_pixels = (uint64_t)high;
	if (low > high)
		return fail(e, -EINVAL, "%s: min_pixels %lld is more than max_pixels %lld", path, (long long)low,
				(long long)high);
	return 0;
}

/* Both files state how a picture is cut. */
static int check_cut(const struct manifest *m, const char *path, struct errbuf *e)
{
	const struct manifest_picture *p = &m->picture;
	const struct manifest_vision *v = &m->vision;

	if (p->patch == v->patch && p->merge == v->merge && p->temporal == v->temporal)
		return 0;
	return fail(e, -EINVAL,
			"%s: patch_size %u, merge_size %u, temporal_patch_size %u contradict vision_config of " CONFIG_FILE
			": %u, %u, %u",
			path, p->patch, p->merge, p->temporal, v->patch, v->merge, v->temporal);
}

int manifest_read(struct manifest *out, const char *directory, struct errbuf *e)
{
	struct manifest m = { 0 };
	char path[PATH_BYTES];
	json_t *root = NULL;
	int rc = json_file_read(&root, path, directory, CONFIG_FILE, e);

	if (rc < 0)
		return rc;
	if ((rc = read_decoder(root, path, &m.decoder, e)) == 0)
		rc = read_vision(root, path, &m.vision, e);
	json_decref(root);
	if (rc < 0 || (rc = json_file_read(&root, path, directory, PREPROCESSOR_FILE, e)) < 0)
		return rc;
	if ((rc = read_picture(root, path, &m.picture, e)) == 0)
		rc = check_cut(&m, path, e);
	json_decref(root);
	if (rc == 0)
		*out = m;
	return rc;
}
