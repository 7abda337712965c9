/* options.h - a program's command line as a table: each option's name, what it takes, and where it goes.
 *
 * Functions: thread main, at start-up (getopt_long underneath), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_SYS_OPTIONS_H
#define DREAMVLA_DAEMON_SYS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { OPTION_ROWS_MAX = 64 };

/* What lies at option_row.at. OPTION_BY_HAND: whatever the row's function makes of it. */
enum option_type {
	OPTION_FLAG,               /* bool */
	OPTION_TEXT,               /* const char *: of the command line */
	OPTION_NUMBER,             /* double, low..high */
	OPTION_WHOLE,              /* uint32_t, low..high */
	OPTION_SEED,               /* uint64_t, up to low less than 2^64 - 1 */
	OPTION_BY_HAND,
};

struct option_row {
	const char *name;
	enum option_type type;
	size_t at;                 /* in the program's struct of arguments */
	double low, high;
	int (*take)(const char *text, void *at, struct errbuf *e); /* OPTION_BY_HAND: 0, or -errno and why */
	const char *kinds;         /* the program's own: to what else it belongs */
};

/* Takes the whole command line. *seen: bit i is set for each row i that was given. 0; or -EINVAL: unknown, given twice, or not what
 * its row wants, by its name. program: whose --help the texts name. */
MUST_CHECK int options_take(const struct option_row *row, uint32_t n_rows, const char *program, int argc, char **argv, void *arguments,
		uint64_t *seen, struct errbuf *e);

/* The same, with arguments that are no options among them: they end up last in argv, from *rest on. */
MUST_CHECK int options_take_some(const struct option_row *row, uint32_t n_rows, const char *program, int argc, char **argv, void *arguments,
		uint64_t *seen, int *rest, struct errbuf *e);

#endif
