/* arguments.c - see arguments.h. One row of the table, one line of the usage and one case per option. */
#include "policy/infer/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: dreamvla-infer --model DIR --action-chunk T --image FILE... --instruction TEXT [options]\n"
	"       dreamvla-infer --model DIR [--heads DIR] [--decoder NAME] --describe [--json]\n"
	"       dreamvla-infer --model DIR --tokenize < strings.json\n"
	"\n"
	"One observation to one action chunk, printed as a table.\n"
	"\n"
	"  --model DIR              checkpoint directory\n"
	"  --heads DIR              directory of the head files (default: the checkpoint)\n"
	"  --decoder NAME           discrete (default), discrete_diffusion, l1_regression, flow_matching or diffusion\n"
	"  --steps K                discrete_diffusion, flow_matching: 1 to 50; diffusion: 2 to 50; others: 1 (default 1)\n"
	"  --seed N                 of the noise that flow_matching and diffusion start from (default 0)\n"
	"  --noise FILE.safetensors tensor noise [T][action dimensions], F64 or F32, in place of our own\n"
	"  --algorithm NAME         of discrete_diffusion: maskgit_plus (default), topk_margin or entropy\n"
	"  --top-k K                of discrete_diffusion: only the K best logits enter the softmax (default: all)\n"
	"  --committed ID,ID,...    of discrete_diffusion: token ids known already at the first action positions\n"
	"  --vocabulary full|actions  where the best token is looked for (default full)\n"
	"  --action-chunk T         steps of a chunk, 1 to 64\n"
	"  --unnorm-key KEY         entry of the statistics (default: the only one)\n"
	"  --normalisation auto|quantiles|bounds  range of a dimension: q01..q99 or min..max; auto (default): the first if there\n"
	"  --image FILE...          JPEG or binary PPM, in camera order\n"
	"  --resize HxW|none        Lanczos-3 (default 224x224)\n"
	"  --center-crop AREA|none  share of the area kept (default 0.9)\n"
	"  --rotate-180             for cameras mounted upside down\n"
	"  --jpeg-round-trip        encode and decode, as the training pictures were\n"
	"  --min-pixels N, --max-pixels N  of the processor's smart resize (default: the checkpoint's)\n"
	"  --state V,V,...          proprioceptive state, robot's units; needed with a proprio projector\n"
	"  --instruction TEXT       what to do, as trained: in lower case\n"
	"  --backend NAME           cpu (default), or cuda where it was built with that\n"
	"  --precision fp32|bf16    default fp32\n"
	"  --threads N              of large operations (default: one per processor that this program may use)\n"
	"  --dump FILE.safetensors  writes every stage\n"
	"  --json                   prints JSON instead of a table\n"
	"  --describe               what the checkpoint is, what is broken, which decoders run, and the policy part of a configuration\n"
	"  --tokenize               JSON array of strings on standard input to JSON array of id arrays\n"
	"  --help\n"
	"\n"
	"Exit code: 0 done (--describe: nothing is broken), 1 failed, or the answer is no action (unless --json or --dump have it), 2 used wrongly.\n";

enum option_id {
	OPTION_MODEL = 256, OPTION_HEADS, OPTION_DECODER, OPTION_STEPS, OPTION_ALGORITHM, OPTION_TOP_K, OPTION_COMMITTED,
	OPTION_VOCABULARY, OPTION_ACTION_CHUNK, OPTION_UNNORM_KEY, OPTION_NORMALISATION, OPTION_IMAGE, OPTION_RESIZE,
	OPTION_CENTER_CROP,
	OPTION_ROTATE_180, OPTION_JPEG_ROUND_TRIP, OPTION_MIN_PIXELS, OPTION_MAX_PIXELS, OPTION_STATE, OPTION_INSTRUCTION,
	OPTION_BACKEND, OPTION_PRECISION, OPTION_THREADS, OPTION_NOISE, OPTION_SEED, OPTION_DUMP, OPTION_JSON,
	OPTION_DESCRIBE, OPTION_TOKENIZE, OPTION_HELP,
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
	{ "normalisation", required_argument, NULL, OPTION_NORMALISATION },
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
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "dump", required_argument, NULL, OPTION_DUMP },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "describe", no_argument, NULL, OPTION_DESCRIBE },
	{ "tokenize", no_argument, NULL, OPTION_TOKENIZE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

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

/* A whole number from 0 to UINT64_MAX. */
static bool parse_seed(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && text[0] >= '0' && text[0] <= '9' && !*end;
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

static bool set_normalisation(const char *text, struct policy_options *p)
{
	static const char *const names[] = { [POLICY_NORMALISE_AUTO] = "auto", [POLICY_NORMALISE_QUANTILES] = "quantiles",
		[POLICY_NORMALISE_BOUNDS] = "bounds" };
	uint32_t i = 0;
	bool ok = parse_choice(text, names, 3, &i);

	p->normalisation = (enum policy_normalisation)i;
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
	case OPTION_NORMALISATION: return "auto, quantiles or bounds";
	case OPTION_COMMITTED: return "token ids, separated by commas";
	case OPTION_VOCABULARY: return "full or actions";
	case OPTION_RESIZE: return "HEIGHTxWIDTH, as 224x224, or none";
	case OPTION_CENTER_CROP: return "a share of the area above 0 and up to 1, as 0.9, or none";
	case OPTION_SEED: return "a whole number, 0 or more";
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
	case OPTION_NORMALISATION: return set_normalisation(value, p);
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
	case OPTION_SEED: return parse_seed(value, &p->seed);
	case OPTION_DUMP: a->dump = value; return true;
	case OPTION_JSON: return a->json = true;
	case OPTION_DESCRIBE: return a->describe = true;
	case OPTION_TOKENIZE: return a->tokenize = true;
	default: return false;
	}
}

static int wrong_usage(const char *what, const char *value)
{
	fprintf(stderr, "dreamvla-infer: %s%s\ntry dreamvla-infer --help\n", what, value);
	return ARGUMENTS_USAGE;
}

static uint64_t bit(int id)
{
	return UINT64_C(1) << (id - OPTION_MODEL);
}

/* One value would silently win; pictures are many, and a switch given twice is on. */
static bool is_repeated(int id, uint64_t given)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == id && o->has_arg == required_argument && id != OPTION_IMAGE)
			return given & bit(id);
	return false;
}

/* Options that the mode does not look at: whoever gives them expects something that will not happen. */
static int check_mode(const char *mode, uint64_t useless)
{
	char what[64];

	for (const struct option *o = options; o->name; o++) {
		if (!(useless & bit(o->val)))
			continue;
		snprintf(what, sizeof what, "--%s does nothing with --%s: leave it out", o->name, mode);
		return wrong_usage(what, "");
	}
	return 0;
}

static int check_arguments(const struct arguments *a, uint64_t given)
{
	if (!a->policy.model)
		return wrong_usage("--model DIR is missing", "");
	if (a->tokenize)
		return check_mode("tokenize", given & ~(bit(OPTION_TOKENIZE) | bit(OPTION_MODEL)));
	if (a->describe)
		return check_mode("describe", given & ~(bit(OPTION_DESCRIBE) | bit(OPTION_MODEL) | bit(OPTION_HEADS) | bit(OPTION_DECODER)
				| bit(OPTION_JSON)));
	if (a->noise && given & bit(OPTION_SEED))
		return wrong_usage("--seed does nothing with --noise, which takes the noise from a file: leave one of them out", "");
	if (!a->policy.action_chunk)
		return wrong_usage("--action-chunk T is missing", "");
	if (!a->n_images)
		return wrong_usage("--image FILE is missing", "");
	return a->instruction ? 0 : wrong_usage("--instruction TEXT is missing", "");
}

int arguments_parse(int argc, char **argv, struct arguments *a)
{
	int id, before = 0, index = 0;
	uint64_t given = 0;

	*a = (struct arguments){ .policy = { .backend = "cpu", .steps = 1 },
		.steps = { .resize_height = 224, .resize_width = 224, .center_crop = 0.9 } };
	while ((id = getopt_long(argc, argv, "-", options, &index)) != -1) { /* "-": bare pictures in their place, as number 1 */
		if (id == OPTION_HELP)
			return -1;
		if (id == '?')
			return ARGUMENTS_USAGE; /* getopt_long has said what is wrong */
		a->loose_words |= id == 1 && before == OPTION_INSTRUCTION;
		if ((id == 1 || id == OPTION_IMAGE) && a->n_images == POLICY_PICTURES_MAX)
			return wrong_usage(a->loose_words ? "too many pictures" ARGUMENTS_ASK_QUOTES ": " : "too many pictures: ", optarg);
		if (!set_option(id == 1 ? OPTION_IMAGE : id, optarg, a)) {
			fprintf(stderr, "dreamvla-infer: --%s: found '%s', allowed %s\n", options[index].name, optarg, allowed(id));
			return ARGUMENTS_USAGE;
		}
		if (is_repeated(id, given))
			return wrong_usage("given more than once: --", options[index].name);
		before = id == 1 ? before : id;
		given |= bit(id == 1 ? OPTION_IMAGE : id);
	}
	for (; optind < argc; optind++) { /* behind "--" */
		if (!add_image(argv[optind], a))
			return wrong_usage("too many pictures: ", argv[optind]);
		given |= bit(OPTION_IMAGE);
	}
	return check_arguments(a, given);
}

const char *arguments_usage(void)
{
	return usage;
}
