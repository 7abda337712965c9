/* devices.c - see device.h: the table. */
#include <stddef.h>
#include <string.h>

#include "robots/teleop/device.h"

#define DEVICE(id) extern const struct teleop_device teleop_device_##id;
#include "robots/teleop/devices.def"
#undef DEVICE

static const struct teleop_device *const DEVICES[] = {
#define DEVICE(id) &teleop_device_##id,
#include "robots/teleop/devices.def"
#undef DEVICE
};

const struct teleop_device *teleop_device_at(uint32_t i)
{
	return i < sizeof DEVICES / sizeof *DEVICES ? DEVICES[i] : NULL;
}

const struct teleop_device *teleop_device_find(const char *name)
{
	for (uint32_t i = 0; teleop_device_at(i); i++)
		if (strcmp(DEVICES[i]->name, name) == 0)
			return DEVICES[i];
	return NULL;
}
