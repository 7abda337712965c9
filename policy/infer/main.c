/* main.c - dreamvla-infer: one inference from files, for people and for tests. Knows only policy.h and the file formats around it.
 *
 * Exit: 0 done; 1 something failed, or the policy is lost and neither --json nor --dump shows it; 2 wrong usage. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"
#include "policy/describe.h"
#include "policy/infer/arguments.h"
#include "policy/infer/describe_output.h"
#include "policy/infer/noise_file.h"
#include "policy/infer/observation.h"
#include "policy/infer/output.h"
#include "policy/infer/tokenize.h"

static int show(const struct arguments *a, const struct policy_info *info, const struct policy_result *r, int64_t files_ns)
{
	if (a->json)
		output_json(info, r, files_ns);
	else
		output_table(info, r, files_ns);
	if (!r->lost)
		return EXIT_SUCCESS;
	if (r->lost_token < 0)
		fprintf(stderr, "dreamvla-infer: the policy is lost: what it answers at action position %u is not a number; do not "
				"execute this chunk\n", r->lost_position);
	else
		fprintf(stderr, "dreamvla-infer: the policy is lost: the best token at action position %u is %d, which is no action; "
				"do not execute this chunk\n", r->lost_position, r->lost_token);
	return a->json || a->dump ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int infer_once(struct policy *p, const struct arguments *a, const struct observation_files *files, struct policy_result *r,
		struct errbuf *e)
{
	static double noise[POLICY_VALUES_MAX]; /* 16 kB */
	const struct policy_info *info = policy_info(p);
	struct policy_observation observation = { .picture = files->picture, .n_pictures = a->n_images,
		.state = a->n_state ? a->state : NULL, .committed = a->committed, .n_committed = a->n_committed, .noise = a->noise ? noise : NULL };
	int rc = a->noise ? noise_file_read(a->noise, info->action_chunk, info->action_dim, noise, e) : 0;

	observation_warn_state(a, info);
	return rc < 0 ? rc : output_infer(p, &observation, a->dump, r, e);
}

static int run_inference(struct arguments *a, struct errbuf *e)
{
	static struct policy_result result; /* 40 kB */
	struct observation_files files = { 0 };
	struct policy *p = NULL;
	int exit_code = EXIT_FAILURE;
	int64_t begin_ns = clock_monotonic_ns();
	int rc = observation_load(a, &files, e);
	int64_t files_ns = clock_monotonic_ns() - begin_ns;
	const char *ask = rc == -ENOENT && a->loose_words ? ARGUMENTS_ASK_QUOTES : "";

	observation_check_heads(a);
	if (rc == 0)
		rc = policy_create(&p, &a->policy, e);
	if (rc == 0 && (rc = observation_check_state(a, policy_info(p), e)) == 0
			&& (rc = policy_set_instruction(p, a->instruction, e)) == 0
			&& (rc = infer_once(p, a, &files, &result, e)) == 0)
		exit_code = show(a, policy_info(p), &result, files_ns);
	if (rc < 0)
		fprintf(stderr, "dreamvla-infer: %s%s\n", e->text, ask);
	policy_destroy(p);
	observation_free(&files);
	return exit_code;
}

static int run_tokenizer(const struct arguments *a, struct errbuf *e)
{
	if (tokenize_standard_input(a->policy.model, e) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-infer: %s\n", e->text);
	return EXIT_FAILURE;
}

/* Something broken is an answer, and an exit code. */
static int run_describe(const struct arguments *a, struct errbuf *e)
{
	struct description *d = NULL;

	if (describe_create(&d, a->policy.model, a->policy.heads, e) < 0) {
		fprintf(stderr, "dreamvla-infer: %s\n", e->text);
		return EXIT_FAILURE;
	}
	int exit_code = describe_problems(d) ? EXIT_FAILURE : EXIT_SUCCESS;

	if (a->json && describe_print_json(d, a->policy.decoder, e) < 0) {
		fprintf(stderr, "dreamvla-infer: %s\n", e->text);
		exit_code = EXIT_FAILURE;
	} else if (!a->json) {
		describe_print_text(d);
		describe_print_yaml(d, a->policy.decoder);
	}
	describe_destroy(d);
	return exit_code;
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
	int rc = arguments_parse(argc, argv, &arguments);

	if (rc < 0) {
		fputs(arguments_usage(), stdout);
		return close_output(EXIT_SUCCESS);
	}
	if (rc > 0)
		return rc;
	if (arguments.describe)
		return close_output(run_describe(&arguments, &e));
	return close_output(arguments.tokenize ? run_tokenizer(&arguments, &e) : run_inference(&arguments, &e));
}
