/* trouble.h - the named states that keep a PiPER from being driven (troubles.def). */
#ifndef DREAMVLA_ROBOTS_PIPER_TROUBLE_H
#define DREAMVLA_ROBOTS_PIPER_TROUBLE_H

#include <stdint.h>

#include "robots/driver.h"

enum piper_trouble {
#define TROUBLE(name, word, remedy) PIPER_TROUBLE_##name,
#define EXPECTED(name, word, remedy) PIPER_TROUBLE_##name,
#include "robots/piper/troubles.def"
#undef EXPECTED
#undef TROUBLE
	PIPER_TROUBLES
};

/* Word and remedy; those of none for what is none. Thread: any. Allocates: no. Blocks: no. */
const struct robot_trouble *piper_trouble(uint32_t trouble);

#endif
