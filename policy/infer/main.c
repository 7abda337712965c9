/* main.c - dreamvla-infer: one inference from files, for people and for tests. Knows only policy.h and the file formats around it.
 *
 * Exit: 0 done; 1 something failed, or the policy is lost and neither --json nor --dump shows it; 2 wrong usage. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/picture_file.h"
#include "policy/policy.h"
#include "policy/safetensors_write.h"
#include "policy/tokenizer.h"

#define ASK_QUOTES " (is the text of --instruction in quotes?)"

enum { EXIT_USAGE = 2, STATE_MAX = 64, COMMITTED_MAX = POLICY_VALUES_MAX };

static const char usage[] =
	"usage: dreamvla-infer --model DIR --action-chunk T --image FILE... --instruction TEXT [options]\n"
	"       dreamvla-infer --model DIR --tokenize < strings.json\n"
	"\n"
	"One observation to one action chunk, printed as a table.\n"
	"\n"
	"  --model DIR              checkpoint directory\n"
	"  --heads DIR              directory of the head files (default: the checkpoint)\n"
	"  --decoder NAME           discrete (default) or discrete_diffusion\n"
	"  --steps K                steps of discrete_diffusion (default 1)\n"
	"  --algorithm NAME         maskgit_plus (default), topk_margin or entropy\n"
	"  --top-k K                only the K best logits enter the softmax (default: all)\n"
	"  --committed ID,ID,...    token ids known already at the first action positions\n"
	"  --vocabulary full|actions  where the best token is looked for (default full)\n"
	"  --action-chunk T         steps of a chunk\n"
	"  --unnorm-key KEY         entry of the statistics (default: the only one)\n"
	"  --image FILE...          JPEG or binary PPM, in camera order\n"
	"  --resize HxW|none        Lanczos-3 (default 224x224)\n"
	"  --center-crop AREA|none  share of the area kept (default 0.9)\n"
	"  --rotate-180             for cameras mounted upside down\n"
	"  --jpeg-round-trip        encode and decode, as the training pictures were\n"
	"  --min-pixels N, --max-pixels N  of the processor's smart resize (default: the checkpoint's)\n"
	"  --state V,V,...          proprioceptive state, robot's units; needed with a proprio projector\n"
	"  --instruction TEXT       what to do, as trained: in lower case\n"
	"  --backend NAME           cpu (default)\n"
	"  --precision fp32|bf16    default fp32\n"
	"  --threads N              of matrix products (default: as the library chooses)\n"
	"  --dump FILE.safetensors  writes every stage\n"
	"  --json                   prints JSON instead of a table\n"
	"  --tokenize               JSON array of strings on standard input to JSON array of id arrays\n";

struct arguments {
	struct policy_options policy;
	struct policy_picture_steps steps;
	const char *image[POLICY_PICTURES_MAX];
	uint32_t n_images;
	const char *instruction, *noise, *dump;
	double state[STATE_MAX];
	uint32_t n_state;
	int32_t committed[COMMITTED_MAX];
	uint32_t n_committed;
	bool json, tokenize;
	bool loose_words; /* behind the instruction: they count as pictures, but may be the rest of it, without quotes */
};

enum option_id {
	OPTION_MODEL = 256, OPTION_HEADS, OPTION_DECODER, OPTION_STEPS, OPTION_ALGORITHM, OPTION_TOP_K, OPTION_COMMITTED,
	OPTION_VOCABULARY, OPTION_ACTION_CHUNK, OPTION_UNNORM_KEY, OPTION_IMAGE, OPTION_RESIZE, OPTION_CENTER_CROP,
	OPTION_ROTATE_180, OPTION_JPEG_ROUND_TRIP, OPTION_MIN_PIXELS, OPTION_MAX_PIXELS, OPTION_STATE, OPTION_INSTRUCTION,
	OPTION_BACKEND, OPTION_PRECISION, OPTION_THREADS, OPTION_NOISE, OPTION_DUMP, OPTION_JSON, OPTION_TOKENIZE, OPTION_HELP,
};

static const struct option options[] = {
	{ "model", required_argument, NULL, OPTION_MODEL },
	{ "heads", required_argument, NULL, OPTION_HEADS },
	{ "decoder", required_argument, NULL, OPTION_DECODER },
	{ "steps", required_argument, NULL, OPTION_STEPS },
	{ "algorithm", required_argument, NULL, OPTION_ALGORITHM },
	{ "top-k", required_argument, NULL, OPTION_TOP_K },
	{ "committed", required_argument, NULL, OPTION_COMMITTED },
	{ "vocabulary", required_argument, NULL, OPTION_VOCABULARY },
	{ "action-chunk", required_argument, NULL, OPTION_ACTION_CHUNK },
	{ "unnorm-key", required_argument, NULL, OPTION_UNNORM_KEY },
	{ "image", required_argument, NULL, OPTION_IMAGE },
	{ "resize", required_argument, NULL, OPTION_RESIZE },
	{ "center-crop", required_argument, NULL, OPTION_CENTER_CROP },
	{ "rotate-180", no_argument, NULL, OPTION_ROTATE_180 },
	{ "jpeg-round-trip", no_argument, NULL, OPTION_JPEG_ROUND_TRIP },
	{ "min-pixels", required_argument, NULL, OPTION_MIN_PIXELS },
	{ "max-pixels", required_argument, NULL, OPTION_MAX_PIXELS },
	{ "state", required_argument, NULL, OPTION_STATE },
	{ "instruction", required_argument, NULL, OPTION_INSTRUCTION },
	{ "backend", required_argument, NULL, OPTION_BACKEND },
	{ "precision", required_argument, NULL, OPTION_PRECISION },
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "noise", required_argument, NULL, OPTION_NOISE },
	{ "dump", required_argument, NULL, OPTION_DUMP },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "tokenize", no_argument, NULL, OPTION_TOKENIZE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* -- arguments ------------------------------------------------------------------------------------------------------------------ */

/* A whole number from 1 to UINT32_MAX. */
static bool parse_count(const char *text, uint32_t *out)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (errno || end == text || *end || text[0] == '-' || value < 1 || value > UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool parse_pixels(const char *text, uint64_t *out)
{
	uint32_t value;
	bool ok = parse_count(text, &value);

	*out = ok ? value : 0;
	return ok;
}

static bool parse_resize(const char *text, struct policy_picture_steps *s)
{
	char height[16];
	const char *x = strchr(text, 'x');

	s->resize_height = s->resize_width = 0;
	if (!strcmp(text, "none"))
		return true;
	if (!x || (size_t)(x - text) >= sizeof height)
		return false;
	memcpy(height, text, (size_t)(x - text));
	height[x - text] = '\0';
	return parse_count(height, &s->resize_height) && parse_count(x + 1, &s->resize_width);
}

static bool parse_crop(const char *text, struct policy_picture_steps *s)
{
	char *end;

	s->center_crop = 0.0;
	if (!strcmp(text, "none"))
		return true;
	s->center_crop = strtod(text, &end);
	return end != text && !*end && s->center_crop > 0.0 && s->center_crop <= 1.0;
}

static bool parse_state(const char *text, struct arguments *a)
{
	char *end;

	for (a->n_state = 0; a->n_state < STATE_MAX; text = end + 1) {
		a->state[a->n_state++] = strtod(text, &end);
		if (end == text || (*end && *end != ','))
			return false;
		if (!*end)
			return true;
	}
	return false;
}

static bool parse_committed(const char *text, struct arguments *a)
{
	char *end;

	for (a->n_committed = 0; a->n_committed < COMMITTED_MAX; text = end + 1) {
		errno = 0;
		long value = strtol(text, &end, 10);

		if (errno || end == text || (*end && *end != ',') || value < 0 || value > INT32_MAX)
			return false;
		a->committed[a->n_committed++] = (int32_t)value;
		if (!*end)
			return true;
	}
	return false;
}

/* Index of text in names [n], or false. */
static bool parse_choice(const char *text, const char *const *names, uint32_t n, uint32_t *out)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool add_image(const char *path, struct arguments *a)
{
	if (a->n_images == POLICY_PICTURES_MAX)
		return false;
	a->image[a->n_images++] = path;
	return true;
}

static bool set_precision(const char *text, struct policy_options *p)
{
	static const char *const names[] = { [POLICY_FP32] = "fp32", [POLICY_BF16] = "bf16" };
	uint32_t i = 0;
	bool ok = parse_choice(text, names, 2, &i);

	p->precision = (enum policy_precision)i;
	return ok;
}

static bool set_algorithm(const char *text, struct policy_options *p)
{
	static const char *const names[] = { [POLICY_MASKGIT_PLUS] = "maskgit_plus", [POLICY_TOPK_MARGIN] = "topk_margin",
		[POLICY_ENTROPY] = "entropy" };
	uint32_t i = 0;
	bool ok = parse_choice(text, names, 3, &i);

	p->algorithm = (enum policy_algorithm)i;
	return ok;
}

static bool set_vocabulary(const char *text, struct policy_options *p)
{
	static const char *const names[] = { "full", "actions" };
	uint32_t i = 0;
	bool ok = parse_choice(text, names, 2, &i);

	p->action_vocabulary_only = i == 1;
	return ok;
}

/* What the option takes: for people who gave something else. */
static const char *allowed(int id)
{
	switch (id) {
	case OPTION_ALGORITHM: return "maskgit_plus, topk_margin or entropy";
	case OPTION_COMMITTED: return "token ids, separated by commas";
	case OPTION_VOCABULARY: return "full or actions";
	case OPTION_RESIZE: return "HEIGHTxWIDTH, as 224x224, or none";
	case OPTION_CENTER_CROP: return "a share of the area above 0 and up to 1, as 0.9, or none";
	case OPTION_STATE: return "numbers, separated by commas, at most 64";
	case OPTION_PRECISION: return "fp32 or bf16";
	default: return "a whole number, 1 or more";
	}
}

/* One option; false: its value is wrong. */
static bool set_option(int id, const char *value, struct arguments *a)
{
	struct policy_options *p = &a->policy;

	switch (id) {
	case OPTION_MODEL: p->model = value; return true;
	case OPTION_HEADS: p->heads = value; return true;
	case OPTION_DECODER: p->decoder = value; return true;
	case OPTION_STEPS: return parse_count(value, &p->steps);
	case OPTION_ALGORITHM: return set_algorithm(value, p);
	case OPTION_TOP_K: return parse_count(value, &p->top_k);
	case OPTION_COMMITTED: return parse_committed(value, a);
	case OPTION_VOCABULARY: return set_vocabulary(value, p);
	case OPTION_ACTION_CHUNK: return parse_count(value, &p->action_chunk);
	case OPTION_UNNORM_KEY: p->unnorm_key = value; return true;
	case OPTION_IMAGE: return add_image(value, a);
	case OPTION_RESIZE: return parse_resize(value, &a->steps);
	case OPTION_CENTER_CROP: return parse_crop(value, &a->steps);
	case OPTION_ROTATE_180: return a->steps.rotate_180 = true;
	case OPTION_JPEG_ROUND_TRIP: return a->steps.jpeg_round_trip = true;
	case OPTION_MIN_PIXELS: return parse_pixels(value, &a->steps.min_pixels);
	case OPTION_MAX_PIXELS: return parse_pixels(value, &a->steps.max_pixels);
	case OPTION_STATE: return parse_state(value, a);
	case OPTION_INSTRUCTION: a->instruction = value; return true;
	case OPTION_BACKEND: p->backend = value; return true;
	case OPTION_PRECISION: return set_precision(value, p);
	case OPTION_THREADS: return parse_count(value, &p->threads);
	case OPTION_NOISE: a->noise = value; return true;
	case OPTION_DUMP: a->dump = value; return true;
	case OPTION_JSON: return a->json = true;
	case OPTION_TOKENIZE: return a->tokenize = true;
	default: return false;
	}
}

static int wrong_usage(const char *what, const char *value)
{
	fprintf(stderr, "dreamvla-infer: %s%s\ntry dreamvla-infer --help\n", what, value);
	return EXIT_USAGE;
}

static int check_arguments(const struct arguments *a)
{
	if (!a->policy.model)
		return wrong_usage("--model DIR is missing", "");
	if (a->tokenize)
		return 0;
	if (a->noise)
		return wrong_usage("--noise: no decoder of this build starts from noise, ", a->noise);
	if (!a->policy.action_chunk)
		return wrong_usage("--action-chunk T is missing", "");
	if (!a->n_images)
		return wrong_usage("--image FILE is missing", "");
	return a->instruction ? 0 : wrong_usage("--instruction TEXT is missing", "");
}

/* 0, or what to exit with; -1: help was asked for. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int id, before = 0, index = 0;

	*a = (struct arguments){ .policy = { .decoder = "discrete", .backend = "cpu", .steps = 1 },
		.steps = { .resize_height = 224, .resize_width = 224, .center_crop = 0.9 } };
	while ((id = getopt_long(argc, argv, "-", options, &index)) != -1) { /* "-": bare pictures in their place, as number 1 */
		if (id == OPTION_HELP)
			return -1;
		if (id == '?')
			return EXIT_USAGE; /* getopt_long has said what is wrong */
		a->loose_words |= id == 1 && before == OPTION_INSTRUCTION;
		if ((id == 1 || id == OPTION_IMAGE) && a->n_images == POLICY_PICTURES_MAX)
			return wrong_usage(a->loose_words ? "too many pictures" ASK_QUOTES ": " : "too many pictures: ", optarg);
		if (!set_option(id == 1 ? OPTION_IMAGE : id, optarg, a)) {
			fprintf(stderr, "dreamvla-infer: --%s: found '%s', allowed %s\n", options[index].name, optarg, allowed(id));
			return EXIT_USAGE;
		}
		before = id == 1 ? before : id;
	}
	for (; optind < argc; optind++) /* behind "--" */
		if (!add_image(argv[optind], a))
			return wrong_usage("too many pictures: ", argv[optind]);
	return check_arguments(a);
}

/* -- what is printed and written ------------------------------------------------------------------------------------------------ */

static double to_ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static json_t *json_rows(const double *value, uint32_t rows, uint32_t columns)
{
	json_t *table = json_array();

	for (uint32_t r = 0; r < rows; r++) {
		json_t *row = json_array();

		for (uint32_t i = 0; i < columns; i++)
			json_array_append_new(row, json_real(value[r * columns + i]));
		json_array_append_new(table, row);
	}
	return table;
}

static void print_json(const struct policy_info *info, const struct policy_result *r)
{
	json_t *tokens = json_array(), *lost = json_null();

	for (uint32_t i = 0; i < info->action_chunk * info->action_dim; i++)
		json_array_append_new(tokens, json_integer(r->token[i]));
	if (r->lost)
		lost = json_pack("{s:i, s:i}", "position", (int)r->lost_position, "token", (int)r->lost_token);
	json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:{s:f, s:f, s:f, s:f, s:f}}", "actions",
			json_rows(r->action, info->action_chunk, info->action_dim), "normalised",
			json_rows(r->normalised, info->action_chunk, info->action_dim), "tokens", tokens, "lost", lost, "times_ms",
			"preprocess", to_ms(r->times.preprocess_ns), "vision", to_ms(r->times.vision_ns), "decoder",
			to_ms(r->times.decoder_ns), "action_decode", to_ms(r->times.action_decode_ns), "total",
			to_ms(r->times.total_ns));

	json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(all);
}

static void print_table(const struct policy_info *info, const struct policy_result *r)
{
	for (uint32_t t = 0; t < info->action_chunk; t++) {
		printf("%3u", t);
		for (uint32_t i = 0; i < info->action_dim; i++)
			printf(" %11.6f", r->action[t * info->action_dim + i]);
		putchar('\n');
	}
	printf("decoder %s, statistics %s, weights %.1f MB, buffers %.1f MB\n", info->decoder, info->unnorm_key,
			(double)info->weight_bytes / 1e6, (double)info->arena_bytes / 1e6);
	printf("pictures %.2f ms, vision %.2f ms, decoder %.2f ms, actions %.2f ms, total %.2f ms\n", to_ms(r->times.preprocess_ns),
			to_ms(r->times.vision_ns), to_ms(r->times.decoder_ns), to_ms(r->times.action_decode_ns),
			to_ms(r->times.total_ns));
}

struct dump {
	struct safetensors_writer *writer;
	int error;
	struct errbuf *e;
};

static void dump_tensor(void *context, const char *name, char type, const void *data, const uint64_t *shape, uint32_t rank)
{
	struct dump *d = context;

	if (d->error == 0)
		d->error = safetensors_writer_add(d->writer, name, type, data, shape, rank, d->e);
}

/* A folder that is not there has no heads. Version control drops empty folders, so a checkpoint whose decoder needs no head file
 * may well have lost the one named on the command line. Never silently: a proprio projector could be meant. */
static void check_heads(struct arguments *a)
{
	if (!a->policy.heads || access(a->policy.heads, F_OK) == 0 || errno != ENOENT)
		return;
	fprintf(stderr, "dreamvla-infer: warning: %s: no such directory; only heads beside the weights are used\n", a->policy.heads);
	a->policy.heads = NULL;
}

/* -- the two jobs --------------------------------------------------------------------------------------------------------------- */

struct loaded {
	struct policy_picture picture[POLICY_PICTURES_MAX];
	uint8_t *rgb[POLICY_PICTURES_MAX];
};

static int load_pictures(struct arguments *a, struct loaded *l, struct errbuf *e)
{
	struct policy_options *p = &a->policy;

	p->n_pictures = a->n_images;
	for (uint32_t i = 0; i < a->n_images; i++) {
		int rc = picture_file_read(a->image[i], &l->picture[i], &l->rgb[i], e);

		if (rc < 0)
			return rc;
		p->picture[i] = a->steps;
		if (l->picture[i].width > p->max_picture_width)
			p->max_picture_width = l->picture[i].width;
		if (l->picture[i].height > p->max_picture_height)
			p->max_picture_height = l->picture[i].height;
	}
	return 0;
}

static int check_state(const struct arguments *a, const struct policy_info *info, struct errbuf *e)
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

static int infer_and_dump(struct policy *p, const struct arguments *a, const struct loaded *l, struct policy_result *r,
		struct errbuf *e)
{
	struct dump dump = { .e = e };
	struct policy_tracer tracer = { dump_tensor, &dump };
	struct policy_observation observation = { .picture = l->picture, .n_pictures = a->n_images,
		.state = a->n_state ? a->state : NULL, .committed = a->committed, .n_committed = a->n_committed };
	int rc = a->dump ? safetensors_writer_create(&dump.writer, e) : 0;

	if (rc == 0)
		rc = policy_infer(p, &observation, r, a->dump ? &tracer : NULL, e);
	if (rc == 0 && a->dump)
		rc = dump.error ? dump.error : safetensors_writer_save(dump.writer, a->dump, e);
	safetensors_writer_destroy(dump.writer);
	return rc;
}

static int show(const struct arguments *a, const struct policy_info *info, const struct policy_result *r)
{
	if (a->json)
		print_json(info, r);
	else
		print_table(info, r);
	if (!r->lost)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-infer: the policy is lost: the best token at action position %u is %d, which is no action; "
			"do not execute this chunk\n", r->lost_position, r->lost_token);
	return a->json || a->dump ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_inference(struct arguments *a, struct errbuf *e)
{
	static struct policy_result result; /* 40 kB */
	struct loaded loaded = { 0 };
	struct policy *p = NULL;
	int exit_code = EXIT_FAILURE;
	int rc = load_pictures(a, &loaded, e);
	const char *ask = rc == -ENOENT && a->loose_words ? ASK_QUOTES : "";

	check_heads(a);
	if (rc == 0)
		rc = policy_create(&p, &a->policy, e);
	if (rc == 0 && (rc = check_state(a, policy_info(p), e)) == 0 && (rc = policy_set_instruction(p, a->instruction, e)) == 0
			&& (rc = infer_and_dump(p, a, &loaded, &result, e)) == 0)
		exit_code = show(a, policy_info(p), &result);
	if (rc < 0)
		fprintf(stderr, "dreamvla-infer: %s%s\n", e->text, ask);
	policy_destroy(p);
	for (uint32_t i = 0; i < a->n_images; i++)
		free(loaded.rgb[i]);
	return exit_code;
}

static int encode_all(struct tokenizer *t, const json_t *texts, json_t *out, struct errbuf *e)
{
	static int32_t ids[TOKENIZER_TEXT_BYTES_MAX];

	for (size_t i = 0; i < json_array_size(texts); i++) {
		const json_t *text = json_array_get(texts, i);
		json_t *row = json_array();
		uint32_t n = 0;

		json_array_append_new(out, row);
		if (!json_is_string(text))
			return fail(e, -EINVAL, "standard input: element %zu is no string", i);
		int rc = tokenizer_encode(t, json_string_value(text), json_string_length(text), false, ids, TOKENIZER_TEXT_BYTES_MAX,
				&n, e);

		if (rc < 0)
			return rc;
		for (uint32_t k = 0; k < n; k++)
			json_array_append_new(row, json_integer(ids[k]));
	}
	return 0;
}

static int run_tokenizer(const struct arguments *a, struct errbuf *e)
{
	json_error_t problem;
	json_t *texts = json_loadf(stdin, JSON_ALLOW_NUL, &problem), *ids = json_array();
	struct tokenizer *t = NULL;
	int rc = 0;

	if (!json_is_array(texts))
		rc = fail(e, -EINVAL, "standard input: want a JSON array of strings%s%s", texts ? "" : ": ", texts ? "" : problem.text);
	if (rc == 0)
		rc = tokenizer_create(&t, a->policy.model, e);
	if (rc == 0)
		rc = encode_all(t, texts, ids, e);
	if (rc == 0) {
		json_dumpf(ids, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		fprintf(stderr, "dreamvla-infer: %s\n", e->text);
	}
	tokenizer_destroy(t);
	json_decref(texts);
	json_decref(ids);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Exit 0 promises that all output has arrived. */
static int close_output(int exit_code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	fputs("dreamvla-infer: standard output could not be written\n", stderr);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct arguments arguments;
	struct errbuf e = { "" };
	int rc = parse_arguments(argc, argv, &arguments);

	if (rc < 0) {
		fputs(usage, stdout);
		return close_output(EXIT_SUCCESS);
	}
	if (rc > 0)
		return rc;
	return close_output(arguments.tokenize ? run_tokenizer(&arguments, &e) : run_inference(&arguments, &e));
}
