/* names.c - enums as they stand on the wire; see message.h. */
#include "transport/message/names.h"

#include <stddef.h>

const char *const mode_names[MODE_COUNT] = { [MODE_BOOT] = "BOOT", [MODE_READY] = "READY", [MODE_AUTO] = "AUTO",
	[MODE_SHADOW] = "SHADOW", [MODE_TELEOP] = "TELEOP", [MODE_HOLD] = "HOLD", [MODE_RETURN] = "RETURN", [MODE_FAULT] = "FAULT" };

const char *const arm_mode_names[ARM_MODE_COUNT] = { [ARM_DISCONNECTED] = "disconnected", [ARM_IDLE] = "idle",
	[ARM_READY] = "ready", [ARM_MOVING] = "moving", [ARM_GUIDING] = "guiding", [ARM_USER_STOPPED] = "user_stopped",
	[ARM_REFLEX] = "reflex", [ARM_ESTOP] = "estop" };

const char *const target_source_names[TARGET_SOURCE_COUNT] = { [TARGET_HOLD] = "hold", [TARGET_POLICY] = "policy",
	[TARGET_TELEOP] = "teleop", [TARGET_HOME] = "home" };

const char *const picture_encoding_names[ENCODING_COUNT] = { [ENCODING_JPEG] = "jpeg", [ENCODING_RGB8] = "rgb8",
	[ENCODING_BGR8] = "bgr8" };

const char *const source_state_names[SOURCE_STATE_COUNT] = { [SOURCE_ABSENT] = "absent", [SOURCE_FRESH] = "fresh",
	[SOURCE_STALE] = "stale", [SOURCE_FROZEN] = "frozen" };

const char *const teleop_kind_names[TELEOP_KIND_COUNT] = { [TELEOP_TWIST] = "twist", [TELEOP_POSE] = "pose",
	[TELEOP_JOINT] = "joint" };

const char *const delta_frame_names[DELTA_FRAME_COUNT] = { [FRAME_BASE] = "base", [FRAME_TCP] = "tcp" };

const char *const output_kind_names[OUTPUT_KIND_COUNT] = { [OUTPUT_JOINT] = "joint", [OUTPUT_POSE] = "pose" };

/* field.c reads and writes enums as uint32_t. */
_Static_assert(sizeof(enum arm_mode) == sizeof(uint32_t) && sizeof(enum picture_encoding) == sizeof(uint32_t),
		"enums are four bytes");

static const char *lookup(const char *const *names, uint32_t count, uint32_t index)
{
	return index < count ? names[index] : NULL;
}

const char *mode_name(enum mode m)
{
	return lookup(mode_names, MODE_COUNT, (uint32_t)m);
}

const char *arm_mode_name(enum arm_mode m)
{
	return lookup(arm_mode_names, ARM_MODE_COUNT, (uint32_t)m);
}

const char *source_state_name(enum source_state s)
{
	return lookup(source_state_names, SOURCE_STATE_COUNT, (uint32_t)s);
}
