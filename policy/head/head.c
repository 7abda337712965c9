/* head.c - the list of action decoders. */
#include "policy/head/head.h"

#include <stdio.h>
#include <string.h>

#define HEAD(id) extern const struct policy_head head_##id;
#include "policy/head/heads.def"
#undef HEAD

static const struct policy_head *const heads[] = {
#define HEAD(id) &head_##id,
#include "policy/head/heads.def"
#undef HEAD
};

enum { HEADS = sizeof heads / sizeof *heads };

const struct policy_head *head_find(const char *name, struct errbuf *e)
{
	char list[256] = "";

	for (size_t i = 0; i < HEADS; i++) {
		if (!strcmp(heads[i]->name, name))
			return heads[i];
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", heads[i]->name);
	}
	(void)fail(e, 0, "decoder '%s': not part of this version; there are: %s", name, list);
	return NULL;
}
