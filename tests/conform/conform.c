/* conform.c - every operation of compute.h on one backend, in both precisions, against its definition in double (rig.h).
 *
 *   conform BACKEND [fp32|bf16] [PART]   exit 0: conforms; 1: does not; 77: this machine cannot run it; PART: moves, linear, rows, joined,
 *                        attention or tokens alone
 *   conform --list       the backends of this build, one a line
 *   conform --here       those of them that this machine can run
 *
 * Every machine has to run "cpu" and "cuda-host" (tests/cuda_host: the cuda backend's kernels on the host): they are never left out, and
 * that one cannot be created is a failure. "cuda-host" has to launch each of its kernels, too, where everything is asked for. */
#include "tests/conform/rig.h"

#include <stdio.h>
#include <string.h>

#include "tests/cuda_host/cuda_host.h"

static const struct {
	const char *name;
	void (*run)(struct rig *r);
} suite[] = { { "moves", conform_moves }, { "linear", conform_linear }, { "rows", conform_rows }, { "joined", conform_joined },
	{ "attention", conform_attention },
	{ "tokens", conform_tokens } };

/* What is asked for; NULL: all of it. */
struct wish {
	const char *precision, *part;
};

static bool is_precision(const char *word, enum policy_precision precision)
{
	return !strcmp(word, precision == POLICY_BF16 ? "bf16" : "fp32");
}

/* False: a word is neither a precision nor a part, or one too many. */
static bool take_words(struct wish *w, int n, char **word)
{
	for (int i = 0; i < n; i++) {
		const char **slot = NULL;

		if (is_precision(word[i], POLICY_FP32) || is_precision(word[i], POLICY_BF16))
			slot = &w->precision;
		for (size_t k = 0; k < sizeof suite / sizeof *suite; k++)
			if (!strcmp(word[i], suite[k].name))
				slot = &w->part;
		if (!slot || *slot)
			return false;
		*slot = word[i];
	}
	return true;
}

/* Whether the backend runs on this machine at all; the reason is in e when it does not. */
static bool can_run(const struct compute_backend *ops, enum policy_precision precision, struct errbuf *e)
{
	struct compute_options options = { .precision = precision, .max_rows = 1, .max_inner = 1, .max_segment = 1, .max_outer = 1 };
	struct compute *c = NULL;

	if (ops->create(&c, &options, e) < 0)
		return false;
	ops->destroy(c);
	return true;
}

static bool has_to_run(const struct compute_backend *ops)
{
	return !strcmp(ops->name, "cpu") || !strcmp(ops->name, "cuda-host");
}

static int list(bool here)
{
	const struct compute_backend *ops;
	struct errbuf e;

	for (uint32_t i = 0; (ops = compute_backend_at(i)); i++)
		if (!here || has_to_run(ops) || (can_run(ops, POLICY_FP32, &e) && can_run(ops, POLICY_BF16, &e)))
			puts(ops->name);
	return 0;
}

/* Whether the backend has threads of its own to share work among. */
static bool shares(const struct rig *r)
{
	struct compute_options options = { .precision = r->precision, .threads = r->threads, .max_rows = 1, .max_inner = 1, .max_segment = 1,
		.max_outer = 1 };
	struct compute *c = NULL;
	struct errbuf e;
	bool more = r->ops->create(&c, &options, &e) == 0 && r->ops->threads(c) > 1;

	r->ops->destroy(c);
	return more;
}

/* One thread for every case; more of them, more than most machines have free, for those that may be shared: a backend that shares nothing
 * has had them all. */
static void run_all(struct rig *r, const char *part)
{
	static const uint32_t threads[] = { 1, 3 };

	for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
		r->threads = threads[t];
		for (size_t i = 0; i < sizeof suite / sizeof *suite; i++) {
			uint64_t cases = r->n_cases, values = r->n_values;

			if (part && strcmp(part, suite[i].name) != 0)
				continue;
			if (r->threads > 1 && (suite[i].run == conform_moves || suite[i].run == conform_tokens || !shares(r)))
				continue;
			r->closest = 0.0;
			suite[i].run(r);
			printf("%s %s threads %u %-9s %5ju cases %9ju values, at most %.3f of a bound\n", r->ops->name,
					r->precision == POLICY_BF16 ? "bf16" : "fp32", r->threads, suite[i].name, (uintmax_t)(r->n_cases - cases),
					(uintmax_t)(r->n_values - values), r->closest);
		}
	}
}

int main(int argc, char **argv)
{
	struct rig r = { .random = 88172645463325252u };
	struct wish wish = { 0 };
	struct errbuf e;

	if (argc < 2 || !take_words(&wish, argc - 2, argv + 2)) {
		fprintf(stderr, "usage: conform BACKEND [fp32|bf16] [moves|linear|rows|joined|attention|tokens] | --list | --here\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* what a time limit cuts short has told of all before */
	if (!strcmp(argv[1], "--list") || !strcmp(argv[1], "--here"))
		return list(!strcmp(argv[1], "--here"));
	r.ops = compute_backend_find(argv[1], &e);
	if (!r.ops) {
		fprintf(stderr, "conform: %s\n", e.text);
		return 2;
	}
	r.ops->destroy(NULL);
	for (r.precision = POLICY_FP32; r.precision <= POLICY_BF16; r.precision++) {
		if (wish.precision && !is_precision(wish.precision, r.precision))
			continue;
		if (!can_run(r.ops, r.precision, &e)) {
			printf("%s\n", e.text);
			return has_to_run(r.ops) ? 1 : 77;
		}
		run_all(&r, wish.part);
	}
	if (!strcmp(r.ops->name, "cuda-host")) {
		cuda_host_print_skipped();
		r.n_failures += wish.precision || wish.part ? 0 : cuda_host_kernels_left();
	}
	printf("%s: %ju cases, %ju values, %ju failures\n", r.ops->name, (uintmax_t)r.n_cases, (uintmax_t)r.n_values, (uintmax_t)r.n_failures);
	return r.n_failures > 0;
}
