#include <errno.h>
#include "tests/scenario/scenario.h"
int plot_write(const char *path, const struct record *r, const struct scenario *s, const struct control_setup *setup, struct errbuf *e)
{
	(void)path; (void)r; (void)s; (void)setup;
	return fail(e, -ENOSYS, "plot");
}
