/* piper.c - AgileX PiPER with firmware S-V1.6-3 or newer. */
#include "robots/model/model.h"
#include "robots/model/piper_parts.h"

extern const struct robot_model robot_model_piper;

const struct robot_model robot_model_piper = {
	.name = "piper",
	PIPER_DH(-172.22, -102.78),
	PIPER_LIMITS,
	PIPER_BODY,
};
