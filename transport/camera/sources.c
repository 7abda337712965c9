/* sources.c - see source.h. */
#include <string.h>

#include "transport/camera/source.h"

#define CAMERA_SOURCE(name) extern const struct camera_source camera_source_##name;
#include "transport/camera/sources.def"
#undef CAMERA_SOURCE

static const struct camera_source *const SOURCES[] = {
#define CAMERA_SOURCE(name) &camera_source_##name,
#include "transport/camera/sources.def"
#undef CAMERA_SOURCE
};

const struct camera_source *camera_source_at(uint32_t i)
{
	return i < sizeof SOURCES / sizeof *SOURCES ? SOURCES[i] : NULL;
}

const struct camera_source *camera_source_find(const char *name)
{
	for (uint32_t i = 0; camera_source_at(i); i++)
		if (strcmp(SOURCES[i]->name, name) == 0)
			return SOURCES[i];
	return NULL;
}
