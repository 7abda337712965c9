#include "robots/arm/arm_choose.h"

#include <errno.h>
#include <stdio.h>

#include "robots/setup/arm_setup.h"

int arm_choose(struct arm_choice *out, const struct config *c, const char *arm, const char *driver, struct errbuf *e)
{
	char names[128] = "";
	size_t n = 0;

	*out = (struct arm_choice){ .robot = arm_setup_find(c, arm, e), .driver = robot_driver_find(driver) };
	if (!out->robot)
		return -EINVAL;
	for (uint32_t i = 0; !out->driver && robot_driver_at(i) && n < sizeof names; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, " %s", robot_driver_at(i)->name);
	if (!out->driver)
		return fail(e, -EINVAL, "--driver %s: not part of this version; want one of%s", driver, names);
	return arm_setup_make(&out->setup, c, out->robot, e);
}
