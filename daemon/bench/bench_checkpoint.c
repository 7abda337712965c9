/* bench_checkpoint.c - see bench_checkpoint.h. */
#include "daemon/bench/bench_checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ALIGN: of a tensor. BASE_TOKENS: one a byte. */
enum { ALIGN = 64, BASE_TOKENS = 256, PATH_MAX_BYTES = 128 };
static const uint64_t PATTERN_BYTES = UINT64_C(64) << 20;

/* Behind those of bytes, in this order; then the actions. */
static const char *const specials[] = { "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|mask|>" };

enum { IM_START, IM_END, VISION_START, IMAGE_PAD, VISION_END, MASK, SPECIALS };

static const char *const files[] = { "config.json", "preprocessor_config.json", "dataset_statistics.json", "vocab.json", "merges.txt",
	"added_tokens.json" };

/* -- small files ------------------------------------------------------------------------------------------------------------------ */

/* Takes the reference to j. */
static int write_json(const struct bench_checkpoint *c, const char *name, json_t *j, struct errbuf *e)
{
	char path[PATH_MAX_BYTES];

	snprintf(path, sizeof path, "%s/%s", c->folder, name);
	int rc = !j ? fail(e, -ENOMEM, "%s: out of memory", path) : json_dump_file(j, path, JSON_INDENT(1)) < 0
			? fail(e, -EIO, "%s: cannot be written", path) : 0;

	json_decref(j);
	return rc;
}

static json_t *config_json(const struct bench_shape *s)
{
	const struct manifest_decoder *d = &s->decoder;
	const struct manifest_vision *v = &s->vision;

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:{s:i, s:i, s:i, s:i, s:f, s:i, s:i, s:i, s:i}}",
			"hidden_size", (int)d->hidden, "intermediate_size", (int)d->mlp, "num_hidden_layers", (int)d->layers, "num_attention_heads",
			(int)d->heads, "num_key_value_heads", (int)d->kv_heads, "vocab_size", (int)d->vocabulary, "rope_theta", d->rope_theta,
			"rms_norm_eps", d->rms_norm_eps, "full_attn_mask", 1, "tie_word_embeddings", 0, "image_token_id", BASE_TOKENS + IMAGE_PAD,
			"vision_start_token_id", BASE_TOKENS + VISION_START, "vision_end_token_id", BASE_TOKENS + VISION_END, "mask_token_id",
			BASE_TOKENS + MASK, "pad_token_id", 0, "n_action_bins", (int)d->action_bins, "vision_config", "depth", (int)v->blocks,
			"embed_dim", (int)v->width, "num_heads", (int)v->heads, "hidden_size", (int)v->output, "mlp_ratio",
			(double)v->mlp / v->width, "patch_size", (int)v->patch, "spatial_merge_size", (int)v->merge, "in_chans", (int)v->channels,
			"temporal_patch_size", (int)v->temporal);
}

static json_t *preprocessor_json(const struct bench_shape *s)
{
	int pixels = (int)(s->picture_side * s->picture_side);

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:[f,f,f], s:[f,f,f]}", "min_pixels", pixels, "max_pixels", pixels, "patch_size",
			(int)s->vision.patch, "temporal_patch_size", (int)s->vision.temporal, "merge_size", (int)s->vision.merge, "image_mean", 0.5,
			0.5, 0.5, "image_std", 0.25, 0.25, 0.25);
}

static json_t *filled(uint32_t n, double value)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(array, json_real(value));
	return array;
}

static json_t *statistics_json(const struct bench_shape *s)
{
	return json_pack("{s:{s:{s:o, s:o}}}", "bench", "action", "q01", filled(s->dim, -1.0), "q99", filled(s->dim, 1.0));
}

/* One token a byte, as characters of GPT-2's alphabet: printable Latin-1 stands for itself, the others are U+0100 ... in order. */
static json_t *vocabulary_json(void)
{
	json_t *ids = json_object();
	uint32_t next = 0x100;

	for (uint32_t byte = 0; byte < BASE_TOKENS; byte++) {
		bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
		uint32_t character = itself ? byte : next++;
		char text[3] = { (char)character };

		if (character >= 0x80) {
			text[0] = (char)(0xc0 | character >> 6);
			text[1] = (char)(0x80 | (character & 0x3f));
		}
		json_object_set_new(ids, text, json_integer(byte));
	}
	return ids;
}

static json_t *added_json(const struct bench_shape *s)
{
	json_t *ids = json_object();
	char text[32];

	for (int i = 0; i < SPECIALS; i++)
		json_object_set_new(ids, specials[i], json_integer(BASE_TOKENS + i));
	for (uint32_t i = 0; i < s->decoder.action_bins; i++) {
		snprintf(text, sizeof text, "<|action_%u|>", i);
		json_object_set_new(ids, text, json_integer(BASE_TOKENS + SPECIALS + (json_int_t)i));
	}
	return ids;
}

/* No token is the result of merges, but the file has to be there. */
static int write_merges(const struct bench_checkpoint *c, struct errbuf *e)
{
	char path[PATH_MAX_BYTES];

	snprintf(path, sizeof path, "%s/merges.txt", c->folder);
	FILE *f = fopen(path, "we");
	bool written = f && fputs("#version: 0.2\n", f) >= 0;

	return (f && fclose(f)) || !written ? fail(e, -EIO, "%s: cannot be written", path) : 0;
}

static int write_files(struct bench_checkpoint *c, const struct bench_shape *s, struct errbuf *e)
{
	const char *parent = getenv("TMPDIR");
	int rc;

	if (snprintf(c->folder, sizeof c->folder, "%s/dreamvla-bench-XXXXXX", parent ? parent : "/tmp") >= (int)sizeof c->folder)
		snprintf(c->folder, sizeof c->folder, "/tmp/dreamvla-bench-XXXXXX");
	if (!mkdtemp(c->folder)) {
		rc = fail(e, -errno, "%s: %s", c->folder, strerror(errno));
		c->folder[0] = '\0';
		return rc;
	}
	if ((rc = write_json(c, "config.json", config_json(s), e)) < 0
			|| (rc = write_json(c, "preprocessor_config.json", preprocessor_json(s), e)) < 0
			|| (rc = write_json(c, "dataset_statistics.json", statistics_json(s), e)) < 0
			|| (rc = write_json(c, "vocab.json", vocabulary_json(), e)) < 0
			|| (rc = write_json(c, "added_tokens.json", added_json(s), e)) < 0)
		return rc;
	return write_merges(c, e);
}

/* -- weights ---------------------------------------------------------------------------------------------------------------------- */

/* bfloat16 between -0.035 and 0.035: sign and mantissa from a generator (Numerical Recipes' LCG). */
static void fill_pattern(uint16_t *value, uint64_t n)
{
	uint32_t state = 1;

	for (uint64_t i = 0; i < n; i++) {
		union { float f; uint32_t bits; } x;

		state = state * 1664525u + 1013904223u;
		x.f = 0.035f * (float)(int32_t)(state | 1u) / 2147483648.0f;
		value[i] = (uint16_t)(x.bits >> 16);
	}
}

/* The same memory again and again over all of the room. */
static int map_pattern(struct bench_checkpoint *c, int file)
{
	uint8_t *room = mmap(NULL, c->room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return -errno;
	c->pattern = room;
	for (uint64_t at = 0; at < c->room; at += PATTERN_BYTES)
		if (mmap(room + at, PATTERN_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
			return -errno;
	return 0;
}

static int make_pattern(struct bench_checkpoint *c, struct errbuf *e)
{
	int file = memfd_create("dreamvla-bench weights", MFD_CLOEXEC), rc = file < 0 ? -errno : 0;
	void *values = MAP_FAILED;

	if (rc == 0 && ftruncate(file, (off_t)PATTERN_BYTES) < 0)
		rc = -errno;
	if (rc == 0 && (values = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
		rc = -errno;
	if (rc == 0) {
		fill_pattern(values, PATTERN_BYTES / sizeof(uint16_t));
		munmap(values, PATTERN_BYTES);
		rc = map_pattern(c, file);
	}
	if (file >= 0)
		close(file);
	return rc < 0 ? fail(e, rc, "memory for random weights: %s", strerror(-rc)) : 0;
}

/* Any tensor that is asked for, but for those that only other networks have: what says that there is a layer more. */
static int take(void *context, const char *name, uint32_t rank, const uint64_t *shape, struct tensor *out, struct errbuf *e)
{
	struct bench_checkpoint *c = context;
	uint64_t bytes = 0;

	if (strstr(name, "mlp_resnet_blocks.2."))
		return fail(e, -ENOENT, "random weights: tensor %s is missing", name);
	if (tensor_bytes(TENSOR_BF16, rank, shape, &bytes) < 0 || bytes > c->room - c->used)
		return fail(e, -ENOMEM, "random weights: tensor %s: %" PRIu64 " bytes, and %" PRIu64 " left", name, bytes, c->room - c->used);
	*out = (struct tensor){ .name = "random", .type = TENSOR_BF16, .rank = rank, .data = c->pattern + c->used };
	memcpy(out->shape, shape, rank * sizeof *shape);
	c->used += (bytes + ALIGN - 1) / ALIGN * ALIGN;
	return 0;
}

int bench_checkpoint_init(struct bench_checkpoint *c, const struct bench_shape *s, struct errbuf *e)
{
	uint64_t h = s->decoder.hidden, heads = (2 + s->dim + 4) * h * h, bytes = 2 * (bench_shape_values(s) + heads);

	*c = (struct bench_checkpoint){ .room = (bytes / PATTERN_BYTES + 2) * PATTERN_BYTES };
	c->supply = (struct weights_supply){ take, c, bench_shape_values(s) };
	int rc = write_files(c, s, e);

	if (rc == 0)
		rc = make_pattern(c, e);
	if (rc < 0)
		bench_checkpoint_finish(c);
	return rc;
}

void bench_checkpoint_restart(struct bench_checkpoint *c)
{
	c->used = 0;
}

void bench_checkpoint_finish(struct bench_checkpoint *c)
{
	char path[PATH_MAX_BYTES];

	for (size_t i = 0; c->folder[0] && i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", c->folder, files[i]);
		unlink(path);
	}
	if (c->folder[0])
		rmdir(c->folder);
	if (c->pattern)
		munmap((void *)(uintptr_t)c->pattern, c->room);
	*c = (struct bench_checkpoint){ 0 };
}
