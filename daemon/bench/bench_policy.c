/* bench_policy.c - see bench_policy.h. */
#include "daemon/bench/bench_policy.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/bench/bench_products.h"
#include "daemon/sys/clock.h"
#include "policy/policy.h"

enum { PICTURES = 2, SIDE = 224, CHUNK = 8, STATE_MAX = 64, ROUNDS_MAX = 1000 };

#define RATIO_AIM 1.4
#define MEMORY_AIM_BYTES 1500000000u /* own, beyond the mapped files */

/* Of one stretch of work: what a clock on the wall shows, and what all threads of this process took together. On a machine that does
 * other things as well only the second can be compared. */
struct duration { double wall_s, processor_s; };

struct policy_bench {
	const struct bench_options *o;
	struct policy *policy;
	struct products products;   /* of the newest inference */
	struct policy_result result;
	uint8_t rgb[PICTURES][SIDE * SIDE * 3];
	double state[STATE_MAX];
	struct duration load, first, chunk[ROUNDS_MAX], alone[ROUNDS_MAX];
	uint32_t rounds;
	uint64_t anonymous_bytes, file_bytes; /* resident after the first chunk: own memory, and mapped files */
};

static double processor_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct duration now(void)
{
	return (struct duration){ (double)clock_monotonic_ns() / 1e9, processor_s() };
}

static struct duration since(struct duration begin)
{
	struct duration end = now();

	return (struct duration){ end.wall_s - begin.wall_s, end.processor_s - begin.processor_s };
}

static void show_progress(void *context, const char *what, double share)
{
	(void)context;
	fprintf(stderr, "\r%-24s %3.0f %%", what, 100 * share);
	if (share >= 1.0)
		fputc('\n', stderr);
}

static int open_policy(struct policy_bench *b, struct errbuf *e)
{
	const char *precision = b->o->precision ? b->o->precision : "fp32";
	struct policy_options options = { .model = b->o->model, .decoder = "discrete", .backend = "cpu", .steps = 1, .action_chunk = CHUNK,
		.n_pictures = PICTURES, .max_picture_width = SIDE, .max_picture_height = SIDE, .threads = b->o->threads,
		.progress = show_progress, .multiplies = products_note, .multiplies_context = &b->products };
	struct duration begin = now();
	int rc;

	if (!b->o->model)
		return fail(e, -EINVAL, "--model DIR is missing");
	if (strcmp(precision, "fp32") != 0 && strcmp(precision, "bf16") != 0)
		return fail(e, -EINVAL, "--precision: found '%s', want fp32 or bf16", precision);
	options.precision = strcmp(precision, "bf16") == 0 ? POLICY_BF16 : POLICY_FP32;
	if ((rc = policy_create(&b->policy, &options, e)) < 0)
		return rc;
	b->load = since(begin);
	if (policy_info(b->policy)->state_dim > STATE_MAX)
		return fail(e, -EINVAL, "%s: a state of %u values, want at most %d", b->o->model, policy_info(b->policy)->state_dim, STATE_MAX);
	return policy_set_instruction(b->policy, b->o->instruction, e);
}

static int infer(struct policy_bench *b, struct duration *d, struct errbuf *e)
{
	struct policy_picture picture[PICTURES];
	struct policy_observation observation = { .picture = picture, .n_pictures = PICTURES };
	struct duration begin = now();

	b->products.n = b->products.lost = 0;
	for (uint32_t i = 0; i < PICTURES; i++)
		picture[i] = (struct policy_picture){ SIDE, SIDE, b->rgb[i] };
	observation.state = policy_info(b->policy)->needs_state ? b->state : NULL;
	int rc = policy_infer(b->policy, &observation, &b->result, NULL, e);

	*d = since(begin);
	return rc;
}

/* RssAnon and RssFile of /proc/self/status. */
static int read_memory(struct policy_bench *b, struct errbuf *e)
{
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t kib[2] = { 0 };
	uint32_t n = 0;
	char line[256];

	while (f && fgets(line, sizeof line, f))
		n += sscanf(line, "RssAnon: %" SCNu64, &kib[0]) == 1 || sscanf(line, "RssFile: %" SCNu64, &kib[1]) == 1;
	if (f)
		fclose(f);
	if (n != 2)
		return fail(e, -ENODATA, "/proc/self/status has no RssAnon and RssFile");
	b->anonymous_bytes = kib[0] * 1024;
	b->file_bytes = kib[1] * 1024;
	return 0;
}

static int first_chunk(struct policy_bench *b, struct errbuf *e)
{
	int rc = infer(b, &b->first, e);

	if (rc == 0 && b->products.lost)
		rc = fail(e, -E2BIG, "an inference has %u products, want at most %d", b->products.n + b->products.lost, PRODUCTS_MAX);
	return rc < 0 ? rc : read_memory(b, e); /* before there are more */
}

static int measure(struct policy_bench *b, struct errbuf *e)
{
	struct products_room room;
	struct duration begin = now();
	int rc = products_room_init(&room, &b->products, e);

	while (rc == 0 && b->rounds < ROUNDS_MAX && (b->rounds == 0 || since(begin).wall_s < b->o->seconds)) {
		rc = infer(b, &b->chunk[b->rounds], e);
		struct duration start = now();

		if (rc == 0)
			rc = products_repeat(&b->products, &room, b->o->threads, e);
		b->alone[b->rounds++] = since(start);
		fprintf(stderr, "round %u: a chunk %.2f s, products alone %.2f s\n", b->rounds, b->chunk[b->rounds - 1].wall_s,
				b->alone[b->rounds - 1].wall_s);
	}
	products_room_finish(&room);
	return rc;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of member `offset` of d [n], n > 0. */
static double median(const struct duration *d, uint32_t n, bool processor)
{
	double value[ROUNDS_MAX] = { 0 };

	for (uint32_t i = 0; i < n; i++)
		value[i] = processor ? d[i].processor_s : d[i].wall_s;
	qsort(value, n, sizeof *value, compare);
	return value[n / 2];
}

static struct duration medians(const struct duration *d, uint32_t n)
{
	return (struct duration){ median(d, n, false), median(d, n, true) };
}

static bool ratio_reached(struct duration chunk, struct duration alone)
{
	return chunk.wall_s <= RATIO_AIM * alone.wall_s;
}

static bool memory_reached(const struct policy_bench *b)
{
	return b->anonymous_bytes < MEMORY_AIM_BYTES;
}

static void print_table(const struct policy_bench *b)
{
	const struct policy_info *info = policy_info(b->policy);
	struct duration chunk = medians(b->chunk, b->rounds), alone = medians(b->alone, b->rounds);

	printf("%s, %s: %.2f GB of weights, %.3f TFLOP a chunk, %u rounds (medians)\n", b->o->model, b->o->precision ? b->o->precision : "fp32",
			(double)info->weight_bytes / 1e9, products_operations(&b->products) / 1e12, b->rounds);
	printf("%-28s %10s %12s\n", "", "wall s", "processor s");
	printf("%-28s %10.2f %12.2f\n", "load", b->load.wall_s, b->load.processor_s);
	printf("%-28s %10.2f %12.2f\n", "first chunk", b->first.wall_s, b->first.processor_s);
	printf("%-28s %10.2f %12.2f\n", "a chunk", chunk.wall_s, chunk.processor_s);
	printf("%-28s %10.2f %12.2f\n", "its products alone", alone.wall_s, alone.processor_s);
	printf("%-28s %10.2f %12.2f   aim %.1f%s\n", "ratio", chunk.wall_s / alone.wall_s, chunk.processor_s / alone.processor_s, RATIO_AIM,
			ratio_reached(chunk, alone) ? "" : "  MISSED");
	printf("resident: %.2f GB of own memory (buffers %.2f; aim %.1f%s), %.2f GB of mapped files\n", (double)b->anonymous_bytes / 1e9,
			(double)info->arena_bytes / 1e9, MEMORY_AIM_BYTES / 1e9, memory_reached(b) ? "" : "  MISSED", (double)b->file_bytes / 1e9);
}

static json_t *duration_json(struct duration d)
{
	return json_pack("{s:f, s:f}", "wall_s", d.wall_s, "processor_s", d.processor_s);
}

static void print_json(const struct policy_bench *b)
{
	const struct policy_info *info = policy_info(b->policy);
	struct duration chunk = medians(b->chunk, b->rounds), alone = medians(b->alone, b->rounds);
	json_t *j = json_pack("{s:I, s:f, s:i, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:b, s:I, s:I, s:b, s:I, s:I}", "weight_bytes",
			(json_int_t)info->weight_bytes, "chunk_tflop", products_operations(&b->products) / 1e12, "rounds",
			(int)b->rounds, "load", duration_json(b->load), "first_chunk", duration_json(b->first), "chunk", duration_json(chunk),
			"products_alone", duration_json(alone), "ratio", chunk.wall_s / alone.wall_s, "ratio_processor",
			chunk.processor_s / alone.processor_s, "aim_ratio", RATIO_AIM, "ratio_reached", ratio_reached(chunk, alone),
			"own_memory_bytes", (json_int_t)b->anonymous_bytes, "aim_own_memory_bytes", (json_int_t)MEMORY_AIM_BYTES,
			"own_memory_reached", memory_reached(b), "buffer_bytes", (json_int_t)info->arena_bytes, "file_memory_bytes",
			(json_int_t)b->file_bytes);

	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	json_decref(j);
}

int bench_policy(const struct bench_options *o)
{
	struct policy_bench *b = calloc(1, sizeof *b);
	struct errbuf e = { 0 };
	int rc = b ? 0 : fail(&e, -ENOMEM, "out of memory");

	if (rc == 0) {
		b->o = o;
		rc = open_policy(b, &e);
	}
	if (rc == 0 && (rc = first_chunk(b, &e)) == 0 && (rc = measure(b, &e)) == 0)
		(o->json ? print_json : print_table)(b);
	if (b)
		policy_destroy(b->policy);
	free(b);
	fflush(stdout);
	if (rc == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-bench: %s\n", e.text);
	return EXIT_FAILURE;
}
