/* piper_1_6_2.c - AgileX PiPER with firmware up to S-V1.6-2: the zero of joints 2 and 3 is where it was before the new
 * calibration (the SDK's dh_is_offset = 0). */
#include "robots/model/model.h"
#include "robots/model/piper_parts.h"

extern const struct robot_model robot_model_piper_1_6_2;

const struct robot_model robot_model_piper_1_6_2 = {
	.name = "piper_1.6-2",
	PIPER_DH(-174.22, -100.78),
	PIPER_LIMITS,
	PIPER_BODY,
};
