/* trouble.h - the named states that keep a Franka from being driven (troubles.def). */
#ifndef DREAMVLA_ROBOTS_FRANKA_TROUBLE_H
#define DREAMVLA_ROBOTS_FRANKA_TROUBLE_H

#include <stdint.h>

#include "robots/driver.h"

enum franka_trouble {
#define TROUBLE(name, word, remedy) FRANKA_TROUBLE_##name,
#include "robots/franka/troubles.def"
#undef TROUBLE
	FRANKA_TROUBLES
};

/* Word and remedy; those of none for what is none. Thread: any. Allocates: no. Blocks: no. */
const struct robot_trouble *franka_trouble(uint32_t trouble);

#endif
