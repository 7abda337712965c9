/* model.c - finds a robot model by name; the models themselves are one file each. */
#include "robots/model/model.h"

#include <stddef.h>
#include <string.h>

#define MODEL(id) extern const struct robot_model robot_model_##id;
#include "robots/model/models.def"
#undef MODEL

static const struct robot_model *const models[] = {
#define MODEL(id) &robot_model_##id,
#include "robots/model/models.def"
#undef MODEL
};

enum { MODELS = sizeof models / sizeof models[0] };

const struct robot_model *robot_model_find(const char *name)
{
	for (uint32_t i = 0; i < MODELS; i++)
		if (strcmp(models[i]->name, name) == 0)
			return models[i];
	return NULL;
}

const char *robot_model_name(uint32_t i)
{
	return i < MODELS ? models[i]->name : NULL;
}
