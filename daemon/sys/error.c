/* error.c - see error.h. */
#include "daemon/sys/error.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct errbuf *e, int code, const char *format, ...)
{
	va_list arguments;

	if (!e)
		return code;
	va_start(arguments, format);
	vsnprintf(e->text, sizeof e->text, format, arguments);
	va_end(arguments);
	return code;
}
