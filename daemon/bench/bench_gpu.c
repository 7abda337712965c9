/* bench_gpu.c - see bench_gpu.h. The rows, how one is timed, and how all are printed. */
#include "daemon/bench/bench_gpu.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "policy/compute/compute.h"
#include "policy/policy.h"

/* WARM: chunks before the first that counts, behind the warm-up. What a captured graph asks for is told the first time only. */
enum { WARM = 3, ROUNDS_MIN = 5, ROUNDS_MAX = 4096 };

/* With the template's and the pictures' own tokens, as many as bench_shape.h says: 7. */
static const char instruction[] = "pick up";

/* First the one that goals are set for: tests/gpu.sh shows a profiler the first range alone. */
static const struct bench_variant variants[] = {
	{ "discrete", "discrete", BENCH_TOKENS, 2, 1, false, false },
	{ "discrete", "discrete", BENCH_TOKENS, 1, 1, false, false },
	{ "discrete, actions only", "discrete", BENCH_TOKENS, 2, 1, false, true },
	{ "discrete_diffusion", "discrete_diffusion", BENCH_TOKENS, 2, 1, true, false },
	{ "discrete_diffusion, 4 steps", "discrete_diffusion", BENCH_TOKENS, 2, 4, true, false },
	{ "l1_regression", "l1_regression", BENCH_REGRESSED, 2, 1, false, false },
	{ "flow_matching", "flow_matching", BENCH_FROM_NOISE, 2, 1, false, false },
	{ "diffusion, 10 steps", "diffusion", BENCH_FROM_NOISE, 2, 10, false, false },
	{ "autoregressive", NULL, BENCH_AUTOREGRESSIVE, 1, 1, false, false },
	{ "autoregressive", NULL, BENCH_AUTOREGRESSIVE, 2, 1, false, false },
};

/* -- one row ---------------------------------------------------------------------------------------------------------------------- */

void gpu_count_operations(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count)
{
	*(double *)context += 2.0 * m * n * k * count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int gpu_repeat(const struct gpu_options *o, struct gpu_row *row, int (*once)(void *context, double *seconds, struct errbuf *e),
		void *context, struct errbuf *e)
{
	static double seconds[ROUNDS_MAX];
	int64_t start_ns = clock_monotonic_ns();
	double passed = 0;
	uint32_t n = 0;

	for (; n < ROUNDS_MAX && (n < ROUNDS_MIN || passed < o->seconds); n++) {
		int rc = once(context, &seconds[n], e);

		if (rc < 0)
			return rc;
		passed = (double)(clock_monotonic_ns() - start_ns) / 1e9;
	}
	qsort(seconds, n, sizeof *seconds, compare);
	row->rounds = n;
	row->median_s = seconds[n / 2];
	row->p99_s = seconds[(uint32_t)ceil(0.99 * n) - 1];
	return 0;
}

struct policy_rig {
	struct policy *policy;
	struct policy_observation observation;
	struct policy_picture picture[POLICY_PICTURES_MAX];
	struct policy_result result;
	uint8_t *rgb;
	double announced;
};

static int run_chunk(void *context, double *seconds, struct errbuf *e)
{
	struct policy_rig *r = context;
	int rc = policy_infer(r->policy, &r->observation, &r->result, NULL, e);

	*seconds = (double)(r->result.times.total_ns - r->result.times.preprocess_ns) / 1e9;
	return rc;
}

static void show_progress(void *context, const char *what, double share)
{
	(void)context;
	fprintf(stderr, "\r  %-24s %3.0f %%", what, 100 * share);
	if (share >= 1.0)
		fputc('\n', stderr);
}

static int open_policy(struct policy_rig *r, const struct gpu_options *o, struct bench_checkpoint *c, const struct bench_variant *v,
		struct errbuf *e)
{
	uint32_t side = o->shape->picture_side;
	struct policy_options options = { .model = c->folder, .supply = &c->supply, .decoder = v->decoder, .backend = o->backend,
		.precision = POLICY_BF16, .steps = v->steps, .action_vocabulary_only = v->actions_only, .action_chunk = o->shape->chunk,
		.system_line = "", .question = "{}", .n_pictures = v->pictures, .max_picture_width = side, .max_picture_height = side,
		.progress = show_progress, .multiplies = gpu_count_operations, .multiplies_context = &r->announced };
	size_t bytes = (size_t)side * side * 3;
	int rc = policy_create(&r->policy, &options, e);

	if (rc < 0 || (rc = policy_set_instruction(r->policy, instruction, e)) < 0)
		return rc;
	r->rgb = malloc(bytes);
	if (!r->rgb)
		return fail(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < bytes; i++)
		r->rgb[i] = (uint8_t)(i * 2654435761u >> 24);
	for (uint32_t i = 0; i < v->pictures; i++)
		r->picture[i] = (struct policy_picture){ side, side, r->rgb };
	r->observation = (struct policy_observation){ .picture = r->picture, .n_pictures = v->pictures };
	return 0;
}

static int measure_policy(const struct gpu_options *o, struct bench_checkpoint *c, const struct bench_variant *v, struct gpu_row *row,
		struct errbuf *e)
{
	struct policy_rig r = { 0 };
	uint64_t before = 0;
	double seconds;
	int rc = open_policy(&r, o, c, v, e);

	if (rc == 0 && (rc = run_chunk(&r, &seconds, e)) == 0) {
		row->announced = r.announced;
		rc = policy_warm_up(r.policy, &r.observation, false, &r.result, e);
	}
	for (uint32_t i = 0; i < WARM && rc == 0; i++) {
		before = policy_launches(r.policy);
		rc = run_chunk(&r, &seconds, e);
	}
	if (rc == 0) {
		row->launches = policy_launches(r.policy) - before;
		row->memory_bytes = policy_info(r.policy)->weight_bytes + policy_info(r.policy)->arena_bytes;
		gpu_show_profiler(true);
		rc = gpu_repeat(o, row, run_chunk, &r, e);
		gpu_show_profiler(false);
	}
	policy_destroy(r.policy);
	free(r.rgb);
	return rc;
}

static int measure_variant(const struct gpu_options *o, struct bench_checkpoint *c, const struct bench_variant *v, struct gpu_result *out,
		struct errbuf *e)
{
	struct gpu_row *row = &out->row[out->n++];
	struct bench_work work[BENCH_WORK_MAX];
	uint32_t n = bench_shape_work(o->shape, v, work);

	*row = (struct gpu_row){ .pictures = v->pictures, .floor_s = bench_work_floor_s(work, n, out->operations_s, out->bytes_s) };
	snprintf(row->name, sizeof row->name, "%s", v->name);
	for (uint32_t i = 0; i < n; i++) {
		row->operations += work[i].times * work[i].operations;
		row->bytes += work[i].times * work[i].bytes;
	}
	fprintf(stderr, "%s, %u picture%s\n", row->name, row->pictures, row->pictures > 1 ? "s" : "");
	bench_checkpoint_restart(c);
	return v->kind == BENCH_AUTOREGRESSIVE ? gpu_measure_causal(o, c, row, e) : measure_policy(o, c, v, row, e);
}

/* -- all rows --------------------------------------------------------------------------------------------------------------------- */

int gpu_measure(const struct gpu_options *o, struct gpu_result *out, struct errbuf *e)
{
	struct bench_checkpoint c = { 0 };
	int rc;

	*out = (struct gpu_result){ 0 };
	if (!compute_backend_find(o->backend, e))
		return -EINVAL;
	if ((rc = bench_checkpoint_init(&c, o->shape, e)) < 0)
		return rc;
	fprintf(stderr, "ceilings: a large product, a large copy\n");
	rc = gpu_measure_ceilings(o, &c, out, e);
	for (size_t i = 0; i < sizeof variants / sizeof *variants && rc == 0; i++)
		rc = measure_variant(o, &c, &variants[i], out, e);
	if (rc == 0 && o->torch)
		rc = gpu_measure_torch(o, &c, out, e);
	bench_checkpoint_finish(&c);
	return rc;
}

/* -- results ---------------------------------------------------------------------------------------------------------------------- */

static const struct gpu_row *find_row(const struct gpu_result *r, const char *name, uint32_t pictures)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->row[i].pictures == pictures && strcmp(r->row[i].name, name) == 0)
			return &r->row[i];
	return NULL;
}

/* How many times as long as our own one-step chunk of as many pictures it takes. */
static double times_discrete(const struct gpu_result *r, const struct gpu_row *row)
{
	const struct gpu_row *own = find_row(r, "discrete", row->pictures);

	return own ? row->median_s / own->median_s : NAN;
}

static void print_table(const struct gpu_options *o, const struct gpu_result *r, FILE *out)
{
	fprintf(out, "Dream-VLA, shape %s, bf16, backend %s; ceilings measured here: %.1f TFLOP/s, %.2f TB/s\n", o->shape->name, o->backend,
			r->operations_s / 1e12, r->bytes_s / 1e12);
	fprintf(out, "%-28s %8s %10s %10s %10s %6s %11s %8s %8s %7s\n", "", "pictures", "median ms", "p99 ms", "floor ms", "ratio", "x discrete",
			"kernels", "GB", "rounds");
	for (uint32_t i = 0; i < r->n; i++) {
		const struct gpu_row *row = &r->row[i];

		fprintf(out, "%-28s %8u %10.3f %10.3f ", row->name, row->pictures, 1e3 * row->median_s, 1e3 * row->p99_s);
		if (row->torch)
			fprintf(out, "%10s %6s", "-", "-");
		else
			fprintf(out, "%10.3f %6.2f", 1e3 * row->floor_s, row->median_s / row->floor_s);
		fprintf(out, " %11.2f", times_discrete(r, row));
		if (row->launches)
			fprintf(out, " %8ju", (uintmax_t)row->launches);
		else
			fprintf(out, " %8s", "-");
		fprintf(out, " %8.2f %7u\n", (double)row->memory_bytes / 1e9, row->rounds);
	}
}

static json_t *row_json(const struct gpu_result *r, const struct gpu_row *row)
{
	json_t *j = json_pack("{s:s, s:i, s:b, s:i, s:f, s:f, s:f, s:I}", "name", row->name, "pictures", (int)row->pictures, "torch", row->torch,
			"rounds", (int)row->rounds, "median_s", row->median_s, "p99_s", row->p99_s, "times_discrete", times_discrete(r, row),
			"memory_bytes", (json_int_t)row->memory_bytes);

	if (j && !row->torch)
		json_object_update_new(j, json_pack("{s:f, s:f, s:f, s:f, s:f, s:I}", "floor_s", row->floor_s, "ratio",
				row->median_s / row->floor_s, "operations", row->operations, "announced_operations", row->announced, "weight_bytes_read",
				row->bytes, "kernels", (json_int_t)row->launches));
	return j;
}

static void print_json(const struct gpu_options *o, const struct gpu_result *r, FILE *out)
{
	json_t *rows = json_array(), *j;

	for (uint32_t i = 0; i < r->n; i++)
		json_array_append_new(rows, row_json(r, &r->row[i]));
	j = json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "shape", o->shape->name, "backend", o->backend, "precision", "bf16", "ceiling_operations_s",
			r->operations_s, "ceiling_bytes_s", r->bytes_s, "rows", rows);
	if (j)
		json_dumpf(j, out, JSON_INDENT(2)), fputc('\n', out);
	json_decref(j);
}

void gpu_print(const struct gpu_options *o, const struct gpu_result *r, bool json, FILE *out)
{
	(json ? print_json : print_table)(o, r, out);
}

int bench_gpu(const struct bench_options *b)
{
	struct gpu_options o = { .backend = "cuda", .torch = b->torch, .seconds = b->seconds };
	static struct gpu_result result;
	struct errbuf e = { 0 };

	o.shape = bench_shape_find("7b", &e);
	int rc = o.shape ? gpu_measure(&o, &result, &e) : -EINVAL;

	if (rc == 0)
		gpu_print(&o, &result, b->json, stdout);
	fflush(stdout);
	if (rc == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-bench gpu: %s%s\n", e.text,
			compute_backend_find("cuda", NULL) ? "" : "; build with a CUDA toolkit installed (make CUDA=1)");
	return EXIT_FAILURE;
}
