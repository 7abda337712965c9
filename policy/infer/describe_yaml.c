/* describe_yaml.c - a configuration, as far as a checkpoint tells it. What it does not tell and what decides motion is FILL_IN, which
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
	for (uint32_t i = 0; i < (d->bound ? 1 : d->n_heads); i++)
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
	/* The bare checkpoint stands in for no fine-tune that is broken: it would run and move otherwise. */
	bool bare = d->bound || !describe_heads_problems(d);

	return choose(d, decoder, true, heads, run) || (bare && choose(d, decoder, false, heads, run));
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

static void print_decoder(const struct describe_run *run, const char *asked)
{
	char steps[VALUE_BYTES];

	if (!strcmp(run->decoder, "discrete") && !asked)
		print_key("decoder", DESCRIBE_FILL_IN, "<-- as trained: discrete or discrete_diffusion");
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
	if (h->n_keys > 1 || (s->has_bounds && s->statistics.action.quantiles))
		print_key("normalisation", DESCRIBE_FILL_IN, "<-- the range that was trained: quantiles (LIBERO, Bridge) or bounds (ALOHA)");
}

static void print_actions(const struct describe_dataset *s)
{
	print_key("action_chunk", DESCRIBE_FILL_IN, "<-- actions per chunk, as trained: LIBERO 8, Bridge 5, ALOHA 25");
	print_key("action_hz", DESCRIBE_FILL_IN, "<-- actions per second, as the data was recorded: LIBERO 20, Bridge 5, Fractal 3, ALOHA 50");
	print_key("action_space", DESCRIBE_FILL_IN, "<-- what the %u values are: ee_delta (LIBERO, Bridge, Fractal), ee_absolute, "
			"joint_delta or joint_absolute (ALOHA)", s->statistics.action.dim);
	print_key("rotation", DESCRIBE_FILL_IN, "<-- rotvec (LIBERO) or rpy (Bridge, Fractal); joint actions: either, it is not used");
	print_key("delta_frame", DESCRIBE_FILL_IN, "<-- base (LIBERO, Bridge, Fractal, and where there are no deltas) or tcp");
	print_key("action_scale", "[" DESCRIBE_FILL_IN "]", "<-- the statistics' units in m and rad, the gripper's 1: LIBERO "
			"[0.05, 0.05, 0.05, 0.5, 0.5, 0.5, 1]; [] where they are m and rad (Bridge, Fractal, ALOHA)");
	print_key("delta_reference", DESCRIBE_FILL_IN, "<-- osc (LIBERO), commanded (Bridge, Fractal, and absolute actions) or measured");
}

/* Nothing in the statistics says that the last action is a gripper's: ALOHA's are normalised like the rest. */
static void print_gripper(const struct describe_dataset *s)
{
	const struct statistics_range *r = &s->statistics.action;

	printf("  gripper:\n");
	print_key("  kind", DESCRIBE_FILL_IN, "<-- binary (LIBERO, Bridge, Fractal), continuous (ALOHA) or none%s",
			r->masked[r->dim - 1] ? "" : "; the last action is not normalised, as a gripper's");
	print_key("  polarity", DESCRIBE_FILL_IN, "<-- high_opens (LIBERO, Bridge, Fractal) or high_closes; of binary, the next too: else "
			"delete both");
	print_key("  threshold", DESCRIBE_FILL_IN, "<-- between closed and open, in the data's units: 0.5 (LIBERO, Bridge, Fractal)");
	print_key("  action_closed", DESCRIBE_FILL_IN, "<-- the closed gripper's value in the data: 0 (ALOHA); of continuous, the next too: "
			"else delete both");
	print_key("  action_open", DESCRIBE_FILL_IN, "<-- the open gripper's value in the data: 1 (ALOHA)");
}

static void print_state(const struct describe_heads *h, const struct describe_dataset *s)
{
	if (h->file[DESCRIBE_PROPRIO].name[0])
		print_key("proprio", "[" DESCRIBE_FILL_IN "]", "<-- what makes the %u values of the state, in order: ee_pos (3), ee_rotvec (3), "
				"ee_rpy (3), ee_quat (4), q (joints), gripper_fingers (2), committed_pos (3), "
				"committed_rotvec (3), gripper_m, gripper_open, zero (1 each)",
				s->statistics.proprio.dim);
	else if (s->statistics.proprio.dim)
		print_key("proprio", "[]", "<-- the statistics have a state of %u, no projector was found", s->statistics.proprio.dim);
	else
		print_key("proprio", "[]", "these heads take no state");
}

/* <FILL_IN> is no name of a camera, so that the section is refused as long as it stands there. */
static void print_cameras(void)
{
	char side[VALUE_BYTES];

	snprintf(side, sizeof side, "%d", DESCRIBE_PICTURE_SIDE);
	printf("cameras:\n");
	printf("  <" DESCRIBE_FILL_IN ">:%*s# <-- such a section for every name in policy.cameras\n", COMMENT_COLUMN - 12, "");
	print_key("  rotate_180", DESCRIBE_FILL_IN, "<-- as in training: true (LIBERO) or false (Bridge, Fractal, ALOHA)");
	print_key("  jpeg_round_trip", "false", "<-- as in training; true for a camera that sends raw pictures where the training's were JPEG");
	print_key("  resize_height", side, "<-- as in training");
	print_key("  resize_width", side, "<-- as in training");
	print_key("  center_crop", "0.9", "<-- as in training; 0: off, for a fine-tune without augmented pictures");
}

static void print_robots(void)
{
	printf("robots:\n");
	print_key("- name", "arm", "<-- such an entry for every arm; of two also control, action_first, action_dims, proprio_dims");
	print_key("  model", DESCRIBE_FILL_IN, "<-- panda, fr3, fr3_5.9 or piper");
	print_key("  tcp", "[" DESCRIBE_FILL_IN "]", "<-- flange to the frame whose pose was recorded: x, y, z in m and quaternion "
			"x, y, z, w; config/README.md has LIBERO's and Bridge's");
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

static void print_none(const struct description *d, const char *decoder)
{
	printf("\n# no configuration: %s%s", decoder ? decoder : "nothing", decoder ? " does not run with what is in " : " in ");
	print_quoted(d->bound ? d->heads[0].directory : d->model);
	printf("%s\n", decoder ? "" : " runs");
}

static void print_policy(const struct description *d, const struct describe_heads *heads, const struct describe_run *run, const char *asked)
{
	const struct describe_dataset *s = find_dataset(d, heads->unnorm_key);

	printf("policy:\n");
	print_text_key("model", d->model);
	print_text_key("heads", strcmp(heads->directory, d->model) ? heads->directory : "");
	print_decoder(run, asked);
	if (s) {
		print_statistics(heads, s);
		print_actions(s);
		print_gripper(s);
	}
	print_key("cameras", "[" DESCRIBE_FILL_IN "]", "<-- names, in the order and number of the training data");
	if (s)
		print_state(heads, s);
}

void describe_print_yaml(const struct description *d, const char *decoder)
{
	const struct describe_heads *heads = NULL;
	const struct describe_run *run = NULL;

	if (!describe_choose(d, decoder, &heads, &run)) {
		print_none(d, decoder);
		return;
	}
	printf("\n# For dreamvlad. Lines with <-- are what no file tells; config/README.md has them for the known recipes.\n"
			"# --decoder NAME and --heads DIR choose another fine-tune.\n");
	if (!d->bound)
		print_others(d, heads);
	print_policy(d, heads, run, decoder);
	print_cameras();
	print_robots();
}
