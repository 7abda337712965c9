/* compute.c - the list of backends. */
#include "policy/compute/compute.h"

#include <stdio.h>
#include <string.h>

#define COMPUTE_BACKEND(id) extern const struct compute_backend compute_backend_##id;
#include "policy/compute/backends.def"
#undef COMPUTE_BACKEND

static const struct compute_backend *const backends[] = {
#define COMPUTE_BACKEND(id) &compute_backend_##id,
#include "policy/compute/backends.def"
#undef COMPUTE_BACKEND
};

enum { BACKENDS = sizeof backends / sizeof *backends };

const struct compute_backend *compute_backend_at(uint32_t index)
{
	return index < BACKENDS ? backends[index] : NULL;
}

const struct compute_backend *compute_backend_find(const char *name, struct errbuf *e)
{
	char list[256] = "";

	for (size_t i = 0; i < BACKENDS; i++) {
		if (!strcmp(backends[i]->name, name))
			return backends[i];
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", backends[i]->name);
	}
	(void)fail(e, 0, "backend '%s': not part of this version; there are: %s", name, list);
	return NULL;
}
