/* describe_yaml.c - the `policy:` part of a configuration, as far as a checkpoint tells it. What it does not tell is FILL_IN, which
 * dreamvlad refuses: a guess that looks like a fact would move an arm. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/infer/describe_output.h"

static bool has_files(const struct describe_heads *h)
{
	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		if (h->file[i].name[0])
			return true;
	return false;
}

static bool choose(const struct description *d, const char *decoder, bool with_files, const struct describe_heads **heads,
		const struct describe_run **run)
{
	for (uint32_t i = 0; i < d->n_heads; i++)
		for (uint32_t k = 0; k < d->heads[i].n_runs; k++) {
			const struct describe_run *r = &d->heads[i].run[k];

			if (!r->runs || (decoder && strcmp(r->decoder, decoder) != 0) || has_files(&d->heads[i]) != with_files)
				continue;
			*heads = &d->heads[i];
			*run = r;
			return true;
		}
	return false;
}

bool describe_choose(const struct description *d, const char *decoder, const struct describe_heads **heads,
		const struct describe_run **run)
{
	return choose(d, decoder, true, heads, run) || choose(d, decoder, false, heads, run);
}

static const struct describe_dataset *find_dataset(const struct description *d, const char *key)
{
	for (uint32_t i = 0; i < d->n_datasets; i++)
		if (key && strcmp(d->dataset[i].key, key) == 0)
			return &d->dataset[i];
	return NULL;
}

/* A double-quoted scalar: names and paths come from outside. U+0080 to U+009F are control characters as well. */
static void print_quoted(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			printf("\\x%02x", *c);
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			printf("\\x%02x", *++c);
		else
			printf("%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
	}
	putchar('"');
}

enum { COMMENT_COLUMN = 34, VALUE_BYTES = 64 };

/* "  key: value      # comment"; value is a plain one. */
PRINTF_LIKE(3, 4) static void print_key(const char *key, const char *value, const char *comment, ...)
{
	va_list arguments;
	int n = printf("  %s: %s", key, value);

	printf("%*s# ", n < COMMENT_COLUMN ? COMMENT_COLUMN - n : 1, "");
	va_start(arguments, comment);
	vprintf(comment, arguments);
	va_end(arguments);
	putchar('\n');
}

static void print_text_key(const char *key, const char *text)
{
	printf("  %s: ", key);
	print_quoted(text);
	putchar('\n');
}

static void print_decoder(const struct describe_run *run)
{
	char steps[VALUE_BYTES];

	if (!strcmp(run->decoder, "discrete"))
		print_key("decoder", run->decoder, "<-- or discrete_diffusion: the files do not tell which was trained");
	else
		printf("  decoder: %s\n", run->decoder);
	snprintf(steps, sizeof steps, "%u", run->steps);
	if (!strcmp(run->decoder, "diffusion"))
		print_key("steps", steps, "<-- a divisor of 50 from 5 up, as evaluated: no number is published");
	else if (run->steps > 1)
		print_key("steps", steps, "as published; fewer are faster");
}

static void print_statistics(const struct describe_heads *h, const struct describe_dataset *s)
{
	if (h->n_keys == 1)
		print_text_key("unnorm_key", s->key);
	else
		print_key("unnorm_key", DESCRIBE_FILL_IN, "<-- the dataset of this robot, one of the %u keys above that fit", h->n_keys);
	if (s->has_bounds && s->statistics.action.quantiles)
		print_key("normalisation", DESCRIBE_FILL_IN, "<-- the range that was trained: quantiles (LIBERO, Bridge) or bounds (ALOHA)");
}

static void print_actions(const struct describe_dataset *s)
{
	const struct statistics_range *r = &s->statistics.action;

	print_key("action_chunk", DESCRIBE_FILL_IN, "<-- actions per chunk, as trained: LIBERO 8, Bridge 5, ALOHA 25");
	print_key("action_hz", DESCRIBE_FILL_IN, "<-- actions per second, as the data was recorded");
	print_key("action_space", DESCRIBE_FILL_IN, "<-- what the %u values are: ee_delta, ee_absolute, joint_delta or joint_absolute",
			r->dim);
	if (r->masked[r->dim - 1])
		return;
	printf("  gripper:\n  ");
	print_key("kind", DESCRIBE_FILL_IN, "<-- binary or continuous: the last action is not normalised, as a gripper's; none: it is none");
}

static void print_state(const struct describe_heads *h, const struct describe_dataset *s)
{
	if (!h->file[DESCRIBE_PROPRIO].name[0])
		print_key("proprio", "[]", "these heads take no state");
	else
		print_key("proprio", "[" DESCRIBE_FILL_IN "]", "<-- what makes the %u values of the state, in order: ee_pos (3), ee_rotvec (3), "
				"ee_rpy (3), ee_quat (4), q (joints), gripper_fingers (2), gripper_m, gripper_open, zero (1 each)",
				s->statistics.proprio.dim);
}

static void print_other(const struct describe_heads *h, const struct describe_run *run)
{
	printf("# also runs: %s with ", run->decoder);
	print_quoted(h->directory); /* a line break in it must not leave the comment */
	putchar('\n');
}

/* Which other fine-tunes could be meant. */
static void print_others(const struct description *d, const struct describe_heads *chosen)
{
	for (uint32_t i = 0; i < d->n_heads; i++)
		for (uint32_t k = 0; k < d->heads[i].n_runs; k++)
			if (&d->heads[i] != chosen && d->heads[i].run[k].runs && has_files(&d->heads[i]))
				print_other(&d->heads[i], &d->heads[i].run[k]);
}

void describe_print_yaml(const struct description *d, const char *decoder)
{
	const struct describe_heads *heads = NULL;
	const struct describe_run *run = NULL;
	const struct describe_dataset *s;

	if (!describe_choose(d, decoder, &heads, &run)) {
		printf("\n# no configuration: %s with these files\n", decoder ? "that decoder does not run" : "no decoder runs");
		return;
	}
	s = find_dataset(d, heads->unnorm_key);
	printf("\n# For dreamvlad. Lines with <-- are what no file tells. --decoder NAME and --heads DIR choose another fine-tune.\n");
	print_others(d, heads);
	printf("policy:\n");
	print_text_key("model", d->model);
	print_text_key("heads", strcmp(heads->directory, d->model) ? heads->directory : "");
	print_decoder(run);
	if (s) {
		print_statistics(heads, s);
		print_actions(s);
	}
	print_key("cameras", "[" DESCRIBE_FILL_IN "]", "<-- names, in the order and number of the training data");
	if (s)
		print_state(heads, s);
}
