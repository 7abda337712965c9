/* options.c - see options.h. */
#include "daemon/sys/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>

static int take_number(const struct option_row *row, const char *text, double *out, struct errbuf *e)
{
	bool whole = row->type == OPTION_WHOLE;
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= row->low && v <= row->high) || (whole && v != (double)(int64_t)v))
		return fail(e, -EINVAL, "--%s: found %s, want a %snumber, %.10g..%.10g", row->name, text, whole ? "whole " : "", row->low,
				row->high);
	*out = v;
	return 0;
}

static int take_whole(const struct option_row *row, const char *text, uint32_t *out, struct errbuf *e)
{
	double v = 0;
	int rc = take_number(row, text, &v, e);

	if (rc == 0)
		*out = (uint32_t)v;
	return rc;
}

static int take_seed(const struct option_row *row, const char *text, uint64_t *out, struct errbuf *e)
{
	uint64_t most = UINT64_MAX - (uint64_t)row->low;
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 0);
	if (end == text || *end || errno || text[0] < '0' || text[0] > '9' || v > most)
		return fail(e, -EINVAL, "--%s: found %s, want a whole number, 0..%llu", row->name, text, (unsigned long long)most);
	*out = v;
	return 0;
}

static int take(const struct option_row *row, const char *text, void *at, struct errbuf *e)
{
	switch (row->type) {
	case OPTION_FLAG: *(bool *)at = true; return 0;
	case OPTION_TEXT: *(const char **)at = text; return 0;
	case OPTION_NUMBER: return take_number(row, text, at, e);
	case OPTION_WHOLE: return take_whole(row, text, at, e);
	case OPTION_SEED: return take_seed(row, text, at, e);
	case OPTION_BY_HAND: return row->take(text, at, e);
	}
	return 0;
}

static int take_row(const struct option_row *row, uint64_t bit, const char *text, void *arguments, uint64_t *seen, struct errbuf *e)
{
	if (*seen & bit)
		return fail(e, -EINVAL, "--%s: given twice", row->name);
	*seen |= bit;
	return take(row, text, (char *)arguments + row->at, e);
}

int options_take_some(const struct option_row *row, uint32_t n_rows, const char *program, int argc, char **argv, void *arguments,
		uint64_t *seen, int *rest, struct errbuf *e)
{
	struct option known[OPTION_ROWS_MAX + 1] = { { 0 } };
	int index = 0, option, rc = 0;

	assert(n_rows <= OPTION_ROWS_MAX && "a bit of *seen for each row");
	*seen = 0;
	for (uint32_t i = 0; i < n_rows; i++)
		known[i] = (struct option){ row[i].name, row[i].type == OPTION_FLAG ? no_argument : required_argument, NULL, 0 };
	while (rc == 0 && (option = getopt_long(argc, argv, "", known, &index)) != -1)
		rc = option == 0 ? take_row(&row[index], UINT64_C(1) << index, optarg, arguments, seen, e)
				 : fail(e, -EINVAL, "%s --help lists the options", program);
	*rest = optind;
	return rc;
}

int options_take(const struct option_row *row, uint32_t n_rows, const char *program, int argc, char **argv, void *arguments,
		uint64_t *seen, struct errbuf *e)
{
	int rest = argc, rc = options_take_some(row, n_rows, program, argc, argv, arguments, seen, &rest, e);

	if (rc == 0 && rest < argc)
		rc = fail(e, -EINVAL, "%s: not an option; %s --help lists them", argv[rest], program);
	return rc;
}
