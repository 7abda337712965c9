/* parse.c - a scenario's file: lines of words. See README.md for the format, setup.c and commands.c for what the words may be. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"
#include "transport/message/message.h"

enum { LINE_BYTES = 512, WORDS_MAX = 24, ROWS_MAX = 64 };

/* ---- words that stand for something ------------------------------------------------------------------------------- */

static const char *arm_name(const struct scenario *s, uint32_t i)
{
	return i < s->config.n_robots ? s->config.robot[i].name : NULL;
}

static const char *camera_name(const struct scenario *s, uint32_t i)
{
	return i < s->config.n_cameras ? s->config.camera[i].name : NULL;
}

static const char *device_name(const struct scenario *s, uint32_t i)
{
	return i < s->n_devices ? s->device[i] : NULL;
}

static const char *motion_name(const struct scenario *s, uint32_t i)
{
	return i < s->n_motions ? s->motion[i].name : NULL;
}

static const char *a_mode(const struct scenario *s, uint32_t i)
{
	(void)s;
	return i < MODE_COUNT ? mode_name((enum mode)i) : NULL;
}

static const char *a_reason(const struct scenario *s, uint32_t i)
{
	(void)s;
	return i < REASON_COUNT ? reason_name(i) : NULL;
}

const char *scenario_driver_name(enum target_source driver)
{
	static const char *const name[TARGET_SOURCE_COUNT] = { "hold", "policy", "teleop", "home" };

	return driver < TARGET_SOURCE_COUNT ? name[driver] : "?";
}

static const char *a_driver(const struct scenario *s, uint32_t i)
{
	(void)s;
	return i < TARGET_SOURCE_COUNT ? scenario_driver_name((enum target_source)i) : NULL;
}

static const struct {
	const char *kind;
	const char *(*name)(const struct scenario *s, uint32_t i);
} sets[] = { { "<arm>", arm_name }, { "<camera>", camera_name }, { "<device>", device_name }, { "<motion>", motion_name },
	{ "<MODE>", a_mode }, { "<REASON>", a_reason }, { "<driver>", a_driver } };

/* The names of a set, or those that begin as `word` does; returns their length, which may be more than there is room for. */
static size_t list_set(size_t set, const struct scenario *s, const char *word, size_t alike, char *out, size_t capacity)
{
	size_t n = 0;
	const char *name;

	for (uint32_t i = 0; (name = sets[set].name(s, i)) && n < capacity; i++)
		if (strncmp(name, word, alike) == 0)
			n += (size_t)snprintf(out + n, capacity - n, "%s%s", n > 0 ? ", " : "", name);
	return n;
}

static int match_set(size_t set, const struct scenario *s, const char *word, struct arg *out, struct errbuf *e)
{
	char allowed[700] = "none, the file names none before";
	const char *more = "";

	for (uint32_t i = 0; sets[set].name(s, i); i++)
		if (strcmp(sets[set].name(s, i), word) == 0) {
			out->index = i;
			return 0;
		}
	if (list_set(set, s, word, 0, allowed, sizeof allowed) >= sizeof allowed) { /* only the reasons are so many */
		more = "the names in daemon/stage/reason.def; of this initial: ";
		if (list_set(set, s, word, 1, allowed, sizeof allowed) == 0)
			strcpy(allowed, "none");
	}
	return fail(e, -EINVAL, "%s: found \"%s\", allowed: %s%s", sets[set].kind, word, more, allowed);
}

/* <number> is any finite number; <ms>, <count> and <share> are not negative, and a share is at most 1. */
static int match_number(const char *kind, const char *word, struct arg *out, struct errbuf *e)
{
	char *end;

	out->number = strtod(word, &end);
	if (end == word || *end || !isfinite(out->number))
		return fail(e, -EINVAL, "%s: found \"%s\", allowed: a number", kind, word);
	if (strcmp(kind, "<number>") != 0 && !(out->number >= 0.0 && out->number <= 1e7))
		return fail(e, -EINVAL, "%s: found %s, allowed: 0 to 1e7", kind, word);
	if (strcmp(kind, "<share>") == 0 && !(out->number <= 1.0))
		return fail(e, -EINVAL, "%s: found %s, allowed: 0 to 1", kind, word);
	return 0;
}

static bool is_one_of(const char *choices, size_t n, const char *word)
{
	size_t length = strlen(word), at = 0;

	while (at <= n) {
		size_t end = at + strcspn(choices + at, "| ");

		if (end - at == length && memcmp(choices + at, word, length) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

/* One word of a pattern against one of the line. 0: it matches; 1: it does not; -errno: it is the place, but not a word for it. */
static int match_word(const char *pattern, size_t n, const struct scenario *s, const char *word, struct arg *out, struct errbuf *e)
{
	char kind[WORD_BYTES];

	snprintf(out->text, sizeof out->text, "%s", word);
	if (pattern[0] != '<')
		return is_one_of(pattern, n, word) ? 0 : 1;
	snprintf(kind, sizeof kind, "%.*s", (int)n, pattern);
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		if (strcmp(sets[i].kind, kind) == 0)
			return match_set(i, s, word, out, e);
	if (strcmp(kind, "<word>") == 0)
		return 0;
	return match_number(kind, word, out, e);
}

static int match_row(const struct command_row *row, const struct scenario *s, char words[][WORD_BYTES], uint32_t n, struct arg *out,
		uint32_t *n_args, uint32_t *matched, struct errbuf *e)
{
	const char *at = row->pattern;
	uint32_t i = 0;

	*n_args = 0;
	for (; *at; i++) {
		size_t length = strcspn(at, " ");
		struct arg arg = { "", 0.0, 0 };
		bool place = at[0] == '<' || memchr(at, '|', length);

		*matched = i;
		int rc = i < n ? match_word(at, length, s, words[i], &arg, e) : 1;

		if (rc != 0)
			return rc;
		if (place && *n_args < ARGS_MAX)
			out[(*n_args)++] = arg;
		at += length + (at[length] == ' ');
	}
	*matched = i;
	return i == n ? 0 : 1;
}

/* The words before the wrong one fit some rows: names the wrong one, and those rows. */
static void name_wrong_word(const struct command_row *rows, const uint32_t *matched, uint32_t best, char words[][WORD_BYTES], uint32_t n,
		struct errbuf *e)
{
	char allowed[600] = "", before[200] = "", wrong[WORD_BYTES + 2];
	size_t length = 0, at = 0;

	for (uint32_t i = 0; i < best && at < sizeof before; i++)
		at += (size_t)snprintf(before + at, sizeof before - at, "%s%s", i > 0 ? " " : "", words[i]);
	for (uint32_t i = 0; rows[i].pattern && i < ROWS_MAX; i++)
		if (matched[i] == best && length < sizeof allowed)
			length += (size_t)snprintf(allowed + length, sizeof allowed - length, "%s%s", length ? "; " : "", rows[i].pattern);
	snprintf(wrong, sizeof wrong, "\"%s\"", best < n ? words[best] : "");
	fail(e, -EINVAL, "found %s after \"%s\", allowed: %s", best < n ? wrong : "nothing", before, allowed);
}

/* Not even the first word fits. */
static void name_first_words(const struct command_row *rows, char words[][WORD_BYTES], uint32_t n, struct errbuf *e)
{
	char allowed[600] = "";

	for (const struct command_row *r = rows; r->pattern; r++) {
		size_t at = strlen(allowed), first = strcspn(r->pattern, " ");

		if (at + first + 2 < sizeof allowed && !strstr(allowed, r->pattern) &&
				(r == rows || strncmp(r[-1].pattern, r->pattern, first) != 0))
			snprintf(allowed + at, sizeof allowed - at, "%s%.*s", at ? ", " : "", (int)first, r->pattern);
	}
	fail(e, -EINVAL, "found \"%s%s%s\", allowed: %s", n ? words[0] : "", n > 1 ? " " : "", n > 1 ? words[1] : "", allowed);
}

const struct command_row *pattern_find(const struct command_row *rows, const struct scenario *s, char words[][WORD_BYTES], uint32_t n,
		struct arg *out, uint32_t *n_args, struct errbuf *e)
{
	uint32_t matched[ROWS_MAX], best = 0;

	for (uint32_t i = 0; rows[i].pattern && i < ROWS_MAX; i++) {
		int rc = match_row(&rows[i], s, words, n, out, n_args, &matched[i], e);

		if (rc == 0)
			return &rows[i];
		if (rc < 0)
			return NULL;
		best = matched[i] > best ? matched[i] : best;
	}
	if (best > 0)
		name_wrong_word(rows, matched, best, words, n, e);
	else
		name_first_words(rows, words, n, e);
	return NULL;
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

static int split(char *text, char words[WORDS_MAX][WORD_BYTES], uint32_t *n, struct errbuf *e)
{
	*n = 0;
	text[strcspn(text, "#\r\n")] = '\0';
	for (char *at = text; *(at += strspn(at, " \t")); ) {
		size_t length = strcspn(at, " \t");

		if (*n == WORDS_MAX || length >= WORD_BYTES)
			return fail(e, -EINVAL, "found a line of more than %d words, or a word of more than %d bytes", WORDS_MAX, WORD_BYTES - 1);
		snprintf(words[(*n)++], WORD_BYTES, "%.*s", (int)length, at);
		at += length;
	}
	return 0;
}

static int take_time(const struct scenario *s, char words[][WORD_BYTES], uint32_t n, int64_t *out, struct errbuf *e)
{
	int64_t before_ns = s->n_lines > 0 ? s->line[s->n_lines - 1].t_ns : 0;
	char *end = NULL;
	double t_s = n > 1 ? strtod(words[1], &end) : 0.0;

	if (n < 3 || end == words[1] || *end || strcmp(words[2], "s") != 0)
		return fail(e, -EINVAL, "time: found \"%s %s\", allowed: a number and s, as in: at 2.5 s", n > 1 ? words[1] : "", n > 2 ? words[2] : "");
	*out = llround(t_s * 1e9);
	if (!(t_s >= 0.0 && t_s <= 1e6) || *out < before_ns)
		return fail(e, -EINVAL, "time: found %s s, allowed: not before the line above, %g s", words[1], (double)before_ns * 1e-9);
	return 0;
}

static int take_timed(struct scenario *s, enum when when, uint32_t number, const char *text, char words[][WORD_BYTES], uint32_t n,
		struct errbuf *e)
{
	bool expects = n > 3 && strcmp(words[3], "expect") == 0;
	struct script_line *l = &s->line[s->n_lines];
	int rc;

	if (s->n_lines == LINES_MAX)
		return fail(e, -EINVAL, "found more than %d lines", LINES_MAX);
	*l = (struct script_line){ .number = number, .when = when };
	if ((rc = take_time(s, words, n, &l->t_ns, e)) < 0)
		return rc;
	if (when != WHEN_AT && !expects)
		return fail(e, -EINVAL, "found \"%s %s s %s\", allowed: expect after by and until", words[0], words[1], n > 3 ? words[3] : "");
	l->row = expects ? pattern_find(expect_rows, s, words + 4, n - 4, l->arg, &l->n_args, e)
			 : pattern_find(command_rows, s, words + 3, n - 3, l->arg, &l->n_args, e);
	if (!l->row)
		return -EINVAL;
	text += strspn(text, " \t");
	snprintf(l->text, sizeof l->text, "%.*s", (int)strcspn(text, "#\r\n"), text);
	s->n_lines++;
	return 0;
}

static int take_end(struct scenario *s, char words[][WORD_BYTES], uint32_t n, struct errbuf *e)
{
	return take_time(s, words, n, &s->end_ns, e);
}

static int take_setup(struct scenario *s, char words[][WORD_BYTES], uint32_t n, struct errbuf *e)
{
	struct arg arg[ARGS_MAX] = { { "", 0.0, 0 } };
	const struct command_row *row;
	uint32_t n_args;

	if (strcmp(words[0], "set") == 0)
		return setup_set(s, words + 1, n - 1, e);
	row = pattern_find(setup_rows, s, words, n, arg, &n_args, e);
	if (!row)
		return -EINVAL;
	if (s->n_lines > 0)
		return fail(e, -EINVAL, "%s: found after the first at, by or until, allowed: before it", words[0]);
	return row->set_up(s, arg, e);
}

static int take_line(struct scenario *s, uint32_t number, char *text, struct errbuf *e)
{
	static const char *const when[] = { "at", "by", "until" };
	char words[WORDS_MAX][WORD_BYTES], whole[LINE_BYTES];
	uint32_t n;
	int rc;

	snprintf(whole, sizeof whole, "%s", text);
	if (strncmp(text, "title ", 6) == 0) {
		snprintf(s->title, sizeof s->title, "%.*s", (int)strcspn(text + 6, "\r\n"), text + 6);
		return 0;
	}
	if ((rc = split(text, words, &n, e)) < 0 || n == 0)
		return rc;
	if (s->end_ns > 0)
		return fail(e, -EINVAL, "%s: found after end, allowed: nothing", words[0]);
	for (uint32_t i = 0; i < 3; i++)
		if (strcmp(words[0], when[i]) == 0)
			return take_timed(s, (enum when)i, number, whole, words, n, e);
	if (strcmp(words[0], "end") == 0)
		return take_end(s, words, n, e);
	return take_setup(s, words, n, e);
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static int take_file(struct scenario *s, FILE *in, struct errbuf *e)
{
	char text[LINE_BYTES];
	struct errbuf why;

	for (uint32_t number = 1; fgets(text, sizeof text, in); number++) {
		int rc = strlen(text) + 1 < sizeof text ? take_line(s, number, text, &why)
							: fail(&why, -EINVAL, "found a line of more than %d bytes", LINE_BYTES - 2);

		if (rc < 0)
			return fail(e, rc, "%s:%u: %.900s", s->path, number, why.text);
	}
	if (s->end_ns == 0)
		return fail(e, -EINVAL, "%s: found no line that ends it, allowed: end 8 s", s->path);
	if (config_check(&s->config, &why) < 0)
		return fail(e, -EINVAL, "%s: set: %.900s", s->path, why.text);
	return 0;
}

/* What a scenario starts with; its file changes it. */
static void begin(struct scenario *s, const char *path)
{
	const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	snprintf(s->path, sizeof s->path, "%s", path);
	snprintf(s->name, sizeof s->name, "%.*s", (int)strcspn(file, "."), file);
	s->seed = 1;
	s->limits.stop_ns = 1500 * NS_PER_MS;
	config_defaults(&s->config);
	snprintf(s->config.path, sizeof s->config.path, "%.255s", path);
	strcpy(s->config.policy_model, "script");
	strcpy(s->config.policy_proprio.name[0], "ee_pos");
	strcpy(s->config.policy_proprio.name[1], "q");
	s->config.policy_proprio.n = 2;
	s->config.policy_state_range = 2;
	s->config.policy_action_space = ACTION_EE_DELTA;
	s->config.policy_gripper_kind = 1;
	s->config.camera_max_width = s->config.camera_max_height = 64;
	s->config.sockets_max_frame_kb = 64;
}

int scenario_read(struct scenario **out, const char *path, struct errbuf *e)
{
	struct scenario *s = calloc(1, sizeof *s);
	FILE *in = fopen(path, "r");
	int rc = -ENOENT;

	if (!s || !in) {
		fail(e, rc, "%s: %s", path, strerror(errno));
		goto err;
	}
	begin(s, path);
	if ((rc = take_file(s, in, e)) < 0)
		goto err;
	fclose(in);
	*out = s;
	return 0;
err:
	if (in)
		fclose(in);
	free(s);
	return rc;
}

void scenario_free(struct scenario *s)
{
	free(s);
}
