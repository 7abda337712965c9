/* model.h - the robot models we know, by name: kinematics, limits, home. Each is one file with the source of its numbers,
 * and one line in models.def. */
#ifndef DREAMVLA_ROBOTS_MODEL_MODEL_H
#define DREAMVLA_ROBOTS_MODEL_MODEL_H

#include "daemon/flow.h"

/* The model of that name, or NULL. Thread: any. Allocates: no. Blocks: no. */
const struct robot_model *robot_model_find(const char *name);

/* Name of model i, or NULL beyond the last: for error texts and --help. */
const char *robot_model_name(uint32_t i);

#endif
