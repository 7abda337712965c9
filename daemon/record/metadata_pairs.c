/* metadata_pairs.c - see metadata_pairs.h. */
#include "daemon/record/metadata_pairs.h"

#include <string.h>

static const char *keep(struct metadata_pairs *p, const char *text)
{
	size_t n = strlen(text) + 1;
	char *at = p->text + p->used;

	if (n > sizeof p->text - p->used)
		return "";
	p->used += n;
	return memcpy(at, text, n);
}

void metadata_pairs_add(void *pairs, const char *key, const char *value)
{
	struct metadata_pairs *p = pairs;

	if (p->n < METADATA_PAIRS_MAX)
		p->pair[p->n++] = (struct mcap_pair){ keep(p, key), keep(p, value) };
}
