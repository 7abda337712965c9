#include <stddef.h>
#include <string.h>

#include "robots/driver.h"

#define ROBOT_DRIVER(id) extern const struct robot_driver robot_driver_##id;
#include "robots/drivers.def"
#undef ROBOT_DRIVER

static const struct robot_driver *const DRIVERS[] = {
#define ROBOT_DRIVER(id) &robot_driver_##id,
#include "robots/drivers.def"
#undef ROBOT_DRIVER
};

const struct robot_driver *robot_driver_at(uint32_t i)
{
	return i < sizeof DRIVERS / sizeof *DRIVERS ? DRIVERS[i] : NULL;
}

const struct robot_driver *robot_driver_find(const char *name)
{
	for (uint32_t i = 0; robot_driver_at(i); i++)
		if (strcmp(DRIVERS[i]->name, name) == 0)
			return DRIVERS[i];
	return NULL;
}
