/* names.h - the wire names of enums as tables, for the rows of struct field; others use the functions of message.h. */
#ifndef DREAMVLA_TRANSPORT_MESSAGE_NAMES_H
#define DREAMVLA_TRANSPORT_MESSAGE_NAMES_H

#include "transport/message/message.h"

enum { SOURCE_STATE_COUNT = SOURCE_FROZEN + 1, TELEOP_KIND_COUNT = TELEOP_JOINT + 1, DELTA_FRAME_COUNT = FRAME_TCP + 1,
	OUTPUT_KIND_COUNT = OUTPUT_POSE + 1 };

extern const char *const mode_names[MODE_COUNT];
extern const char *const arm_mode_names[ARM_MODE_COUNT];
extern const char *const target_source_names[TARGET_SOURCE_COUNT];
extern const char *const picture_encoding_names[ENCODING_COUNT];
extern const char *const source_state_names[SOURCE_STATE_COUNT];
extern const char *const teleop_kind_names[TELEOP_KIND_COUNT];
extern const char *const delta_frame_names[DELTA_FRAME_COUNT];
extern const char *const output_kind_names[OUTPUT_KIND_COUNT];

#endif
