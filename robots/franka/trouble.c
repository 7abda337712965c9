/* trouble.c - see trouble.h. */
#include "robots/franka/trouble.h"

const struct robot_trouble *franka_trouble(uint32_t trouble)
{
	static const struct robot_trouble troubles[FRANKA_TROUBLES] = {
#define TROUBLE(name, word, remedy) [FRANKA_TROUBLE_##name] = { word, remedy },
#include "robots/franka/troubles.def"
#undef TROUBLE
	};

	return &troubles[trouble < FRANKA_TROUBLES ? trouble : FRANKA_TROUBLE_NONE];
}
