/* error.h - the one error convention of the project: 0 or negative errno, and a text for a person.
 *
 * A failing call returns a negative errno and, where a person will read it, fills an errbuf with what failed
 * (file, line, key or tensor), what was found, what is allowed and what to do. Only main() ever exits. */
#ifndef DREAMVLA_DAEMON_SYS_ERROR_H
#define DREAMVLA_DAEMON_SYS_ERROR_H

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define MUST_CHECK __attribute__((warn_unused_result))

#include <stdbool.h>

enum { ERRBUF_BYTES = 1024 };

struct errbuf {
	char text[ERRBUF_BYTES];
};

/* Makes a text fit for a terminal or a journal, in place: control characters become '?', line ends too unless they are kept. What a file
 * or a peer calls itself may hold a terminal's commands. Thread: any. Allocates: no. Blocks: no. */
void text_tame(char *text, bool keep_lines);

/* Writes the text (cut at the end if too long; tamed, line ends kept) and returns `code`, so that callers can `return fail(...)`.
 * `e` may be NULL. Thread: any. Allocates: no. Blocks: no. */
PRINTF_LIKE(3, 4) int fail(struct errbuf *e, int code, const char *format, ...);

#endif
