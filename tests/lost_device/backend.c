/* backend.c - backend cpu, whose device is lost once the file that DREAMVLA_TEST_LOST names is there: what a GPU that falls off the bus
 * answers, for tests without one. Linked in front of the list of backends (--wrap) of a dreamvlad that only tests have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/compute/compute.h"

const struct compute_backend *__real_compute_backend_find(const char *name, struct errbuf *e);
const struct compute_backend *__wrap_compute_backend_find(const char *name, struct errbuf *e);

static struct compute_backend table;
static int (*finish_whole)(struct compute *c, struct errbuf *e);

static int finish(struct compute *c, struct errbuf *e)
{
	const char *file = getenv("DREAMVLA_TEST_LOST");

	if (file && access(file, F_OK) == 0)
		return fail(e, -ENODEV, "test: linear: the GPU has fallen off the bus");
	return finish_whole(c, e);
}

const struct compute_backend *__wrap_compute_backend_find(const char *name, struct errbuf *e)
{
	const struct compute_backend *found = __real_compute_backend_find(name, e);

	if (!found || strcmp(name, "cpu"))
		return found;
	finish_whole = found->finish;
	table = *found;
	table.finish = finish;
	return &table;
}
