/* wire_meaning.c - what the numbers of PiPER's frames may be: versions, listed values, what may be sent, units. See wire.h. */
#include "robots/piper/wire.h"

#include <math.h>
#include <string.h>

/* ---- firmware --------------------------------------------------------------------------------------------------------- */

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool piper_version_find(const uint8_t *bytes, size_t n, struct piper_version *out)
{
	for (size_t i = 0; i + 8 <= n; i++) {
		const uint8_t *v = bytes + i;

		if (memcmp(v, "S-V", 3) != 0 || !digit(v[3]) || v[4] != '.' || !digit(v[5]) || v[6] != '-' || !digit(v[7]))
			continue;
		*out = (struct piper_version){ v[3] - (uint32_t)'0', v[5] - (uint32_t)'0', v[7] - (uint32_t)'0' };
		return true;
	}
	return false;
}

bool piper_version_at_least(const struct piper_version *v, uint32_t major, uint32_t minor, uint32_t patch)
{
	if (v->major != major)
		return v->major > major;
	if (v->minor != minor)
		return v->minor > minor;
	return v->patch >= patch;
}

struct piper_dialect piper_dialect_of(const struct piper_version *v)
{
	return (struct piper_dialect){ PIPER_FEEDBACK_BASE, PIPER_CONTROL_BASE, piper_version_at_least(v, 1, 8, 8) };
}

/* ---- values that somebody has listed ---------------------------------------------------------------------------------- */

/* A byte of a message, or several: min to max, or one of `also` (0: none). */
struct listed {
	enum piper_kind kind;
	const char *name;
	size_t offset;
	uint8_t min, max, also[2];
	uint32_t count;                /* 0: one */
};

#define FIELD(field) offsetof(struct piper_message, field)

static const struct listed listed[] = {
	{ PIPER_STOP, "emergency stop", FIELD(stop.emergency), PIPER_STOP_NONE, PIPER_STOP_RESUME },
	{ PIPER_STOP, "track", FIELD(stop.track), 0, PIPER_TRACK_MAX },
	{ PIPER_STOP, "drag teaching", FIELD(stop.teach), 0, PIPER_TEACH_MAX },
	{ PIPER_MODE, "control mode", FIELD(mode.control), PIPER_STANDBY, PIPER_WIFI, { PIPER_OFFLINE } },
	{ PIPER_MODE, "move mode", FIELD(mode.move), PIPER_MOVE_P, PIPER_MOVE_M_8, { PIPER_MOVE_UNCHANGED } },
	{ PIPER_MODE, "speed", FIELD(mode.speed_percent), 0, 100 },
	{ PIPER_MODE, "follow mode", FIELD(mode.follow), 0, PIPER_FOLLOW_PLANNED, { PIPER_FOLLOW_MIT, PIPER_FOLLOW_VOID } },
	{ PIPER_MODE, "mount", FIELD(mode.mount), PIPER_MOUNT_KEEP, PIPER_MOUNT_INVERTED },
	{ PIPER_ARC_POINT, "arc point", FIELD(arc.point), PIPER_ARC_VOID, PIPER_ARC_END },
	{ PIPER_GRIPPER_TARGET, "gripper bits", FIELD(gripper_target.bits), 0, 7 },
	{ PIPER_GRIPPER_TARGET, "gripper zero", FIELD(gripper_target.zero), 0, 0, { PIPER_CONFIRM } },
	{ PIPER_LED, "light on", FIELD(led.enable), 0, 1 },
	{ PIPER_LED, "joint", FIELD(led.joint), 1, PIPER_JOINTS },
	{ PIPER_CPV, "action", FIELD(cpv.action), PIPER_CPV_WRITE, PIPER_CPV_WRITE, { PIPER_CPV_READ, PIPER_CPV_ANSWER } },
	{ PIPER_LEADER_HOME, "leader home", FIELD(leader_home.byte), 0, 1, .count = 3 },
	{ PIPER_LINKAGE, "role", FIELD(linkage.role), 0, 0, { PIPER_LINKAGE_LEADER, PIPER_LINKAGE_FOLLOWER } },
	{ PIPER_LINKAGE, "id offset", FIELD(linkage.feedback_offset), 0, 0, { 0x10, 0x20 }, 3 },
	{ PIPER_ENABLE, "motor", FIELD(enable.motor), 1, PIPER_ALL_JOINTS, { PIPER_ALL_MOTORS } },
	{ PIPER_ENABLE, "action", FIELD(enable.action), PIPER_DISABLE_MOTOR, PIPER_ENABLE_MOTOR },
	{ PIPER_LIMIT_QUERY, "joint", FIELD(limit_query.joint), 1, PIPER_JOINTS },
	{ PIPER_LIMIT_QUERY, "query", FIELD(limit_query.what), PIPER_QUERY_LIMITS, PIPER_QUERY_ACCELERATION },
	{ PIPER_LIMITS, "joint", FIELD(limits.joint), 1, PIPER_JOINTS },
	{ PIPER_LIMITS_SET, "joint", FIELD(limits.joint), 1, PIPER_JOINTS },
	{ PIPER_ACCELERATION, "joint", FIELD(acceleration.joint), 1, PIPER_JOINTS },
	{ PIPER_JOINT_SET, "joint", FIELD(joint_set.joint), 1, PIPER_ALL_JOINTS },
	{ PIPER_JOINT_SET, "joint zero", FIELD(joint_set.zero), 0, 0, { PIPER_CONFIRM } },
	{ PIPER_JOINT_SET, "apply acceleration", FIELD(joint_set.apply_acceleration), 0, 0, { PIPER_CONFIRM } },
	{ PIPER_JOINT_SET, "clear error", FIELD(joint_set.clear_error), 0, 0, { PIPER_CONFIRM } },
	{ PIPER_ACK, "zero set", FIELD(ack.zero_set), 0, 1 },
	{ PIPER_ACK, "package", FIELD(ack.package), 0, 0, { PIPER_PACKAGE_OK, PIPER_PACKAGE_FAILED } },
	{ PIPER_PARAMETER, "query", FIELD(parameter.query), PIPER_QUERY_NONE, PIPER_QUERY_ASSISTANCE },
	{ PIPER_PARAMETER, "restore", FIELD(parameter.restore), 0, PIPER_RESTORE_JOINT_LIMITS },
	{ PIPER_PARAMETER, "stream", FIELD(parameter.end_stream), 0, PIPER_END_STREAM_OFF },
	{ PIPER_PARAMETER, "apply load", FIELD(parameter.apply_load), 0, 0, { PIPER_CONFIRM } },
	{ PIPER_PARAMETER, "load", FIELD(parameter.load), 0, 3 },
	{ PIPER_COLLISION, "collision level", FIELD(levels.level), 0, 8, .count = PIPER_JOINTS },
	{ PIPER_COLLISION_SET, "collision level", FIELD(levels.level), 0, 8, .count = PIPER_JOINTS },
	{ PIPER_ASSISTANCE, "assistance level", FIELD(levels.level), 0, 10, .count = PIPER_JOINTS },
	{ PIPER_ASSISTANCE_SET, "assistance level", FIELD(levels.level), 0, 10, .count = PIPER_JOINTS },
	{ PIPER_GRIPPER_SETUP, "gripper range", FIELD(gripper_setup.range_mm), 0, 0, { 70, 100 } },
	{ PIPER_GRIPPER_SETUP_SET, "gripper range", FIELD(gripper_setup.range_mm), 0, 0, { 70, 100 } },
	{ PIPER_STATUS, "control mode", FIELD(status.control), PIPER_STANDBY, PIPER_OFFLINE },
	{ PIPER_STATUS, "arm state", FIELD(status.state), PIPER_ARM_NORMAL, PIPER_ARM_STATE_COUNT - 1 },
	{ PIPER_STATUS, "move mode", FIELD(status.move), PIPER_MOVE_P, PIPER_MOVE_M_8 },
	{ PIPER_STATUS, "drag teaching", FIELD(status.teach), 0, PIPER_TEACH_MAX },
	{ PIPER_STATUS, "motion", FIELD(status.motion), PIPER_MOTION_REACHED, PIPER_MOTION_UNDER_WAY },
	{ PIPER_STATUS, "joint over limit", FIELD(status.over_limit), 0, 0x3F },
	{ PIPER_STATUS, "joint communication error", FIELD(status.communication_error), 0, 0x3F },
};

static bool is_listed(const struct listed *l, uint8_t value)
{
	return (value >= l->min && value <= l->max) || (value != 0 && (value == l->also[0] || value == l->also[1]));
}

const char *piper_message_oddity(const struct piper_message *m)
{
	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) {
		const struct listed *l = &listed[i];
		const uint8_t *value = (const uint8_t *)m + l->offset;

		if (l->kind != m->kind)
			continue;
		for (uint32_t j = 0; j < (l->count ? l->count : 1); j++)
			if (!is_listed(l, value[j]))
				return l->name;
	}
	return NULL;
}

/* ---- what a host may send --------------------------------------------------------------------------------------------- */

static enum piper_danger gripper_danger(const struct bus_frame *f)
{
	return f->data[7] == 0 ? PIPER_ORDINARY : f->data[7] == PIPER_CONFIRM ? PIPER_MAINTENANCE : PIPER_NEVER;
}

/* Questions, loads for one motion and streams are ordinary; defaults restored are not, nor is a load, of which nobody says how long it
 * is kept. */
static enum piper_danger parameter_danger(const struct bus_frame *f)
{
	return f->data[1] != 0 || f->data[3] == PIPER_CONFIRM ? PIPER_MAINTENANCE : PIPER_ORDINARY;
}

/* Reading, and targets with their limits; gains and the zero ("ee") are not for every day. An answer is the arm's. */
static enum piper_danger cpv_danger(const struct bus_frame *f)
{
	static const char targets[][3] = { "po", "sp", "ac", "dc", "vv" };

	if (f->data[0] == PIPER_CPV_READ)
		return PIPER_ORDINARY;
	if (f->data[0] != PIPER_CPV_WRITE)
		return PIPER_NEVER;
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		if (memcmp(f->data + 1, targets[i], 2) == 0)
			return PIPER_ORDINARY;
	return PIPER_MAINTENANCE;
}

/* The control ids may be at any of three bases; the arm's own share of them is none. */
static enum piper_danger control_danger(const struct bus_frame *f)
{
	return (f->id & 0xFu) == 0x9 ? gripper_danger(f) : PIPER_ORDINARY;
}

enum piper_danger piper_frame_danger(const struct bus_frame *f)
{
	if (f->flags != 0 || f->length > BUS_DATA_BYTES)
		return PIPER_NEVER;
	if (f->id >= 0x150 && f->id <= 0x17F)
		return control_danger(f);
	if (f->id >= 0x181 && f->id <= 0x187)
		return cpv_danger(f);
	switch (f->id) {
	case 0x121: case 0x471: case 0x472:
		return PIPER_ORDINARY;
	case 0x4AF:
		return f->data[0] == 1 ? PIPER_ORDINARY : PIPER_NEVER;
	case 0x477:
		return parameter_danger(f);
	case 0x191: case 0x470: case 0x474: case 0x475: case 0x479: case 0x47A: case 0x47D: case 0x487:
		return PIPER_MAINTENANCE;
	default:
		return PIPER_NEVER;
	}
}

/* ---- units ------------------------------------------------------------------------------------------------------------ */

#define RAD_PER_MDEG (0.0174532925199432958 / 1000.0)

static bool nearest(double x, int32_t *out)
{
	double whole = round(x);

	if (!(whole >= (double)INT32_MIN && whole <= (double)INT32_MAX)) /* written so that NaN fails */
		return false;
	*out = (int32_t)whole;
	return true;
}

bool piper_mdeg_from_rad(double rad, int32_t *out)
{
	return nearest(rad / RAD_PER_MDEG, out);
}

bool piper_um_from_m(double m, int32_t *out)
{
	return nearest(m * 1e6, out);
}

double piper_rad_from_mdeg(int32_t mdeg)
{
	return (double)mdeg * RAD_PER_MDEG;
}

double piper_m_from_um(int32_t um)
{
	return (double)um * 1e-6;
}
