/* trouble.c - see trouble.h. */
#include "robots/piper/trouble.h"

const struct robot_trouble *piper_trouble(uint32_t trouble)
{
	static const struct robot_trouble troubles[PIPER_TROUBLES] = {
#define TROUBLE(name, word, remedy) [PIPER_TROUBLE_##name] = { word, remedy, false },
#define EXPECTED(name, word, remedy) [PIPER_TROUBLE_##name] = { word, remedy, true },
#include "robots/piper/troubles.def"
#undef EXPECTED
#undef TROUBLE
	};

	return &troubles[trouble < PIPER_TROUBLES ? trouble : PIPER_TROUBLE_NONE];
}
