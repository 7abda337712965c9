/* reason.h - every reason for not moving, as numbers; the rows and their sentences stand in reason.def. */
#ifndef DREAMVLA_DAEMON_STAGE_REASON_H
#define DREAMVLA_DAEMON_STAGE_REASON_H

#include "daemon/flow.h"

enum reason {
#define REASON(name, severity, text) REASON_##name,
#include "daemon/stage/reason.def"
#undef REASON
	REASON_COUNT
};

/* The rows before this one are INFO: they are shown, but never stand in the way, and have no bit in masks. */
#define REASON_FIRST REASON_ARM_ESTOP

_Static_assert(REASON_COUNT - REASON_FIRST <= 64, "reasons that stand in the way are bits of a uint64_t");
_Static_assert((int)REASON_COUNT <= (int)REASONS_MAX, "control_report has room for every reason");

enum severity { SEVERITY_INFO, SEVERITY_GATE, SEVERITY_HOLD, SEVERITY_FAULT };

/* 0 for INFO rows. */
#define REASON_BIT(r) ((int)(r) < (int)REASON_FIRST ? UINT64_C(0) : UINT64_C(1) << (((r) - REASON_FIRST) & 63))

/* Everything that stands in the way at one moment. Each set bit has the arm or camera it is about (the first one found)
 * and the numbers of its sentence. Zero: nothing. */
struct reasons {
	uint64_t bits;
	uint32_t subject[REASON_COUNT];
	double value[REASON_COUNT], limit[REASON_COUNT];
};

/* "CAMERA_STALE"; "?" for a number that is none. Thread: any. Allocates: no. Blocks: no. */
const char *reason_name(uint32_t r);

/* The sentence with %n, %v and %l still in it; "?" for a number that is none. Thread: any. Allocates: no. Blocks: no. */
const char *reason_text(uint32_t r);

/* Thread: any. Allocates: no. Blocks: no. */
enum severity reason_severity(uint32_t r);

/* Mask of all reasons of one severity. Thread: any. Allocates: no. Blocks: no. */
uint64_t reason_mask(enum severity s);

/* Adds one; what was found first stays. Thread: owner of r. Allocates: no. Blocks: no. */
void reasons_add(struct reasons *r, enum reason reason, uint32_t subject, double value, double limit);

/* Adds everything of `more`. Thread: owner of r. Allocates: no. Blocks: no. */
void reasons_merge(struct reasons *r, const struct reasons *more);

/* The one to show: highest severity first, earliest row within it; REASON_NONE when bits is 0.
 * Thread: any. Allocates: no. Blocks: no. */
enum reason reasons_worst(uint64_t bits);

#endif
