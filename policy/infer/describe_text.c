/* describe_text.c - a description for people: one line per fact, BROKEN where something is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/image_prep.h"
#include "policy/infer/describe_output.h"

/* Assumed, not measured: CUDA's own context and libraries beside weights and buffers. */
static const uint64_t cuda_context_bytes = 800 * 1000 * 1000;

enum { BYTES_TEXT = 32 };

static const char *bytes_text(uint64_t n_bytes, char out[BYTES_TEXT])
{
	double n = (double)n_bytes;

	if (n >= 1e9)
		snprintf(out, BYTES_TEXT, "%.2f GB", n / 1e9);
	else if (n >= 1e6)
		snprintf(out, BYTES_TEXT, "%.1f MB", n / 1e6);
	else
		snprintf(out, BYTES_TEXT, "%.1f kB", n / 1e3);
	return out;
}

/* Names and paths come from outside, and this goes to a terminal. */
static void print_clean(const char *text)
{
	char clean[PATH_BYTES];

	snprintf(clean, sizeof clean, "%s", text);
	text_tame(clean, false);
	printf("%s", clean);
}

static void print_broken(const char *problem)
{
	printf("BROKEN: ");
	print_clean(problem);
	putchar('\n');
}

static void print_problem(const char *label, const char *problem)
{
	if (!problem)
		return;
	printf("  %-11s ", label);
	print_broken(problem);
}

static void print_decoder(const struct description *d)
{
	const struct manifest_decoder *m = &d->manifest.decoder;

	printf("  %-11s %u layers, hidden %u, %u heads of %u, %u key/value head%s, MLP %u, %u rows of vocabulary, rope_theta %g, "
			"rms_norm_eps %g\n", "decoder", m->layers, m->hidden, m->heads, m->head_size, m->kv_heads,
			m->kv_heads == 1 ? "" : "s", m->mlp, m->vocabulary, m->rope_theta, m->rms_norm_eps);
}

static void print_vision(const struct description *d)
{
	const struct manifest_vision *m = &d->manifest.vision;

	printf("  %-11s %u blocks, width %u, %u heads of %u, MLP %u, patches of %u merged %u x %u, output %u\n", "vision", m->blocks,
			m->width, m->heads, m->head_size, m->mlp, m->patch, m->merge, m->merge, m->output);
}

/* What becomes of the picture that resize makes of each camera's. */
static void print_pictures(const struct description *d)
{
	const struct manifest_picture *p = &d->manifest.picture;
	uint32_t height = 0, width = 0, factor = p->patch * p->merge;
	struct errbuf e = { "" };

	printf("  %-11s %" PRIu64 " to %" PRIu64 " pixels", "pictures", p->min_pixels, p->max_pixels);
	if (image_smart_size(DESCRIBE_PICTURE_SIDE, DESCRIBE_PICTURE_SIDE, factor, p->min_pixels, p->max_pixels, &height, &width, &e) < 0)
		printf("; BROKEN: %s\n", e.text);
	else
		printf("; resized to %d x %d each becomes %u x %u: %u tokens\n", DESCRIBE_PICTURE_SIDE, DESCRIBE_PICTURE_SIDE, height,
				width, height / factor * (width / factor));
}

static void print_weights(const struct description *d)
{
	const struct describe_weights *w = &d->weights;
	char text[BYTES_TEXT];
	const char *between = ": ";

	printf("  %-11s %u file%s, %u tensors", "weights", w->n_shards, w->n_shards == 1 ? "" : "s", w->n_tensors);
	for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
		if (!w->type_bytes[type])
			continue;
		printf("%s%s %s", between, bytes_text(w->type_bytes[type], text), tensor_type_name((enum tensor_type)type));
		between = ", ";
	}
	printf("\n");
	print_problem("", w->problem);
	for (uint32_t i = 0; i < w->n_shards; i++)
		print_problem("", w->shard[i].problem);
}

static void print_tokenizer(const struct description *d)
{
	uint32_t length = d->tokenizer_length, bins = d->manifest.decoder.action_bins;

	if (d->tokenizer_problem) {
		print_problem("tokenizer", d->tokenizer_problem);
		return;
	}
	printf("  %-11s %u tokens", "tokenizer", length);
	if (!d->manifest_problem && bins <= length)
		printf(", the last %u of them actions (%u intervals)", bins, bins - 1);
	printf("\n");
}

/* "7 values by q01..q99, but 6 as they are" */
static void print_range(const char *what, const struct statistics_range *r)
{
	uint32_t n = 0;

	if (!r->dim) {
		printf("%s none", what);
		return;
	}
	printf("%s %u by %s", what, r->dim, r->quantiles ? "q01..q99" : "min..max");
	for (uint32_t i = 0; i < r->dim; i++)
		if (!r->masked[i])
			printf("%s%u", n++ ? ", " : " (as it is: dimension ", i);
	printf("%s", n ? ")" : "");
}

static void print_dataset(const struct describe_dataset *s)
{
	printf("    ");
	print_clean(s->key);
	printf(": ");
	if (s->problem) {
		print_broken(s->problem);
		return;
	}
	print_range("action", &s->statistics.action);
	print_range("; state", &s->statistics.proprio);
	if (s->statistics.action.quantiles && s->has_bounds)
		printf("; min..max are there too");
	if (s->trajectories >= 0)
		printf("; %" PRId64 " trajectories", s->trajectories);
	if (s->transitions >= 0)
		printf("; %" PRId64 " transitions", s->transitions);
	printf("\n");
}

static void print_statistics(const struct description *d)
{
	if (d->statistics_problem) {
		print_problem("statistics", d->statistics_problem);
		return;
	}
	printf("  %-11s %s, %u key%s\n", "statistics", d->statistics_file, d->n_datasets, d->n_datasets == 1 ? "" : "s");
	for (uint32_t i = 0; i < d->n_datasets; i++)
		print_dataset(&d->dataset[i]);
}

static void print_head_file(const struct describe_head_file *f, enum describe_head_kind kind)
{
	char text[BYTES_TEXT];

	if (!f->name[0])
		return;
	printf("      ");
	print_clean(f->name);
	printf(": ");
	if (f->problem) {
		print_broken(f->problem);
		return;
	}
	printf("%u tensors, %s %s", f->n_tensors, bytes_text(f->n_bytes, text), tensor_type_name(f->type));
	if (f->size && kind != DESCRIBE_NOISY_ACTION)
		printf(kind == DESCRIBE_PROPRIO ? ", takes a state of %u" : ", makes actions of %u", f->size);
	printf("\n");
}

static void print_run(const struct describe_run *r)
{
	char fp32[BYTES_TEXT], bf16[BYTES_TEXT];

	if (r->problem) {
		printf("      %s cannot run: ", r->decoder);
		print_clean(r->problem);
		putchar('\n');
	} else if (!r->runs) {
		printf("      %s was not tried: the checkpoint is broken\n", r->decoder);
	} else {
		printf("      %s runs: buffers %s in fp32, %s in bf16\n", r->decoder, bytes_text(r->buffer_bytes[POLICY_FP32], fp32),
				bytes_text(r->buffer_bytes[POLICY_BF16], bf16));
	}
}

/* Inside the checkpoint as it lies in it, else the whole path. */
static const char *short_path(const struct description *d, const char *directory)
{
	size_t n = strlen(d->model);

	if (strcmp(directory, d->model) == 0)
		return "beside the weights";
	return strncmp(directory, d->model, n) == 0 && directory[n] == '/' ? directory + n + 1 : directory;
}

static void print_heads(const struct description *d, const struct describe_heads *h)
{
	bool any = false;

	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		any |= h->file[i].name[0] != '\0';
	printf("    ");
	print_clean(short_path(d, h->directory));
	printf("%s\n", any || h->problem ? "" : ": no head files, so no state is taken");
	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		print_head_file(&h->file[i], (enum describe_head_kind)i);
	if (h->problem) {
		printf("      ");
		print_broken(h->problem);
	}
	if (h->doubt) {
		printf("      warning: ");
		print_clean(h->doubt);
		putchar('\n');
	}
	for (uint32_t i = 0; i < h->n_runs; i++)
		print_run(&h->run[i]);
}

/* Of the decoder that needs most. */
static void print_memory(const struct description *d)
{
	char weights[BYTES_TEXT], buffers[BYTES_TEXT], cuda[BYTES_TEXT];
	uint64_t most[DESCRIBE_PRECISIONS] = { 0 }, n_weights = describe_weight_bytes(d);

	for (uint32_t i = 0; i < d->n_heads; i++)
		for (uint32_t k = 0; k < d->heads[i].n_runs; k++)
			for (uint32_t p = 0; p < DESCRIBE_PRECISIONS; p++)
				if (d->heads[i].run[k].buffer_bytes[p] > most[p])
					most[p] = d->heads[i].run[k].buffer_bytes[p];
	if (!most[POLICY_FP32])
		return;
	printf("  %-11s with %d cameras resized to %d x %d and chunks of %d actions:\n", "memory", DESCRIBE_PICTURES, DESCRIBE_PICTURE_SIDE,
			DESCRIBE_PICTURE_SIDE, DESCRIBE_CHUNK);
	for (uint32_t p = 0; p < DESCRIBE_PRECISIONS; p++)
		printf("    cpu, %s: %s of weights, mapped (the page cache, which other programs can take back); %s of buffers\n",
				p == POLICY_FP32 ? "fp32" : "bf16", bytes_text(n_weights, weights), bytes_text(most[p], buffers));
	printf("    cuda, bf16 (an estimate): %s on the card: weights, buffers, %.1f GB for CUDA itself\n",
			bytes_text(n_weights + most[POLICY_BF16] + cuda_context_bytes, cuda), (double)cuda_context_bytes / 1e9);
}

void describe_print_text(const struct description *d)
{
	uint32_t n = describe_problems(d);

	print_clean(d->model);
	putchar('\n');
	print_problem("config", d->manifest_problem);
	if (!d->manifest_problem) {
		print_decoder(d);
		print_vision(d);
		print_pictures(d);
	}
	print_weights(d);
	print_tokenizer(d);
	print_statistics(d);
	printf("  heads\n");
	for (uint32_t i = 0; i < d->n_heads; i++)
		print_heads(d, &d->heads[i]);
	print_memory(d);
	if (n)
		printf("\n%u problem%s: every line above with BROKEN or \"cannot run\". A damaged or missing file wants fetching again; one of "
				"another fine-tune, its own checkpoint.\n", n, n == 1 ? "" : "s");
}
