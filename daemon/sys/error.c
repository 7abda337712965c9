/* error.c - see error.h. */
#include "daemon/sys/error.h"

#include <stdarg.h>
#include <stdio.h>

/* C1 controls are c2 80..c2 9f in UTF-8. */
void text_tame(char *text, bool keep_lines)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;

		if ((*c < 0x20 && !(keep_lines && *c == '\n')) || *c == 0x7f || c1)
			*c = '?';
		if (c1)
			*++c = '?';
	}
}

int fail(struct errbuf *e, int code, const char *format, ...)
{
	va_list arguments;

	if (!e)
		return code;
	va_start(arguments, format);
	vsnprintf(e->text, sizeof e->text, format, arguments);
	va_end(arguments);
	text_tame(e->text, true);
	return code;
}
