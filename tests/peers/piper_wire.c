/* piper_wire.c - the wire codec as a filter, for comparing it with AgileX's own: piper_wire FIRMWARE, as piper_wire S-V1.8-2.
 *
 * Each line of stdin has one line of answer:
 *   put mode 0: 1 1 50 0 0 0       ->   151 0101320000000000
 *   get 151 0101320000000000       ->   mode 0: 1 1 50 0 0 0
 * The name is the kind's, the number which of its frames; then the fields in the order of wire.h. "refused" answers what the codec
 * refuses, and a line that is none or has another number of fields. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "robots/piper/wire.h"

enum { LINE_BYTES_MAX = 512 };

enum type { U8, U16, I8, I16, I32, F64 };

struct field {
	enum piper_kind kind;
	size_t at;                     /* in struct piper_message */
	enum type type;
};

#define TYPE_OF(x) _Generic((x), uint8_t: U8, uint16_t: U16, int8_t: I8, int16_t: I16, int32_t: I32, double: F64)
#define F(kind, member) { kind, offsetof(struct piper_message, member), TYPE_OF(((struct piper_message *)0)->member) }
#define PAIR(kind) F(kind, pair.value[0]), F(kind, pair.value[1])
#define LIMITS(kind) F(kind, limits.joint), F(kind, limits.max_ddeg), F(kind, limits.min_ddeg), F(kind, limits.speed_raw)
#define END_LIMITS(kind) F(kind, end_limits.v_mm_s), F(kind, end_limits.w_mrad_s), F(kind, end_limits.a_mm_s2), F(kind, end_limits.alpha_mrad_s2)
#define LEVELS(kind) F(kind, levels.level[0]), F(kind, levels.level[1]), F(kind, levels.level[2]), F(kind, levels.level[3]), \
	F(kind, levels.level[4]), F(kind, levels.level[5])
#define SETUP(kind) F(kind, gripper_setup.stroke_percent), F(kind, gripper_setup.range_mm), F(kind, gripper_setup.friction)

/* What the SDK sends or decodes; FIRMWARE_QUERY has no fields. */
static const struct field fields[] = {
	F(PIPER_STOP, stop.emergency), F(PIPER_STOP, stop.track), F(PIPER_STOP, stop.teach), F(PIPER_STOP, stop.point),
	F(PIPER_STOP, stop.name_index), F(PIPER_STOP, stop.crc16),
	F(PIPER_MODE, mode.control), F(PIPER_MODE, mode.move), F(PIPER_MODE, mode.speed_percent), F(PIPER_MODE, mode.follow),
	F(PIPER_MODE, mode.residence_s), F(PIPER_MODE, mode.mount),
	PAIR(PIPER_POSE_TARGET), PAIR(PIPER_JOINT_TARGET), PAIR(PIPER_POSE), PAIR(PIPER_JOINT_ANGLES),
	F(PIPER_ARC_POINT, arc.point),
	F(PIPER_GRIPPER_TARGET, gripper_target.opening_um), F(PIPER_GRIPPER_TARGET, gripper_target.effort_mnm),
	F(PIPER_GRIPPER_TARGET, gripper_target.bits), F(PIPER_GRIPPER_TARGET, gripper_target.zero),
	F(PIPER_MIT, mit.p_rad), F(PIPER_MIT, mit.v_rad_s), F(PIPER_MIT, mit.kp), F(PIPER_MIT, mit.kd), F(PIPER_MIT, mit.t_nm),
	F(PIPER_LEADER_HOME, leader_home.byte[0]), F(PIPER_LEADER_HOME, leader_home.byte[1]), F(PIPER_LEADER_HOME, leader_home.byte[2]),
	F(PIPER_LINKAGE, linkage.role), F(PIPER_LINKAGE, linkage.feedback_offset), F(PIPER_LINKAGE, linkage.control_offset),
	F(PIPER_LINKAGE, linkage.target_offset),
	F(PIPER_ENABLE, enable.motor), F(PIPER_ENABLE, enable.action),
	F(PIPER_LIMIT_QUERY, limit_query.joint), F(PIPER_LIMIT_QUERY, limit_query.what),
	LIMITS(PIPER_LIMITS), LIMITS(PIPER_LIMITS_SET),
	F(PIPER_ACCELERATION, acceleration.joint), F(PIPER_ACCELERATION, acceleration.acceleration_raw),
	F(PIPER_JOINT_SET, joint_set.joint), F(PIPER_JOINT_SET, joint_set.zero), F(PIPER_JOINT_SET, joint_set.apply_acceleration),
	F(PIPER_JOINT_SET, joint_set.acceleration_raw), F(PIPER_JOINT_SET, joint_set.clear_error),
	F(PIPER_ACK, ack.id_low), F(PIPER_ACK, ack.zero_set), F(PIPER_ACK, ack.point), F(PIPER_ACK, ack.package),
	F(PIPER_ACK, ack.name_index), F(PIPER_ACK, ack.crc16),
	F(PIPER_PARAMETER, parameter.query), F(PIPER_PARAMETER, parameter.restore), F(PIPER_PARAMETER, parameter.end_stream),
	F(PIPER_PARAMETER, parameter.apply_load), F(PIPER_PARAMETER, parameter.load),
	END_LIMITS(PIPER_END_LIMITS), END_LIMITS(PIPER_END_LIMITS_SET), LEVELS(PIPER_COLLISION), LEVELS(PIPER_COLLISION_SET),
	SETUP(PIPER_GRIPPER_SETUP), SETUP(PIPER_GRIPPER_SETUP_SET),
	F(PIPER_STATUS, status.control), F(PIPER_STATUS, status.state), F(PIPER_STATUS, status.move), F(PIPER_STATUS, status.teach),
	F(PIPER_STATUS, status.motion), F(PIPER_STATUS, status.point), F(PIPER_STATUS, status.over_limit),
	F(PIPER_STATUS, status.communication_error),
	F(PIPER_GRIPPER, gripper.opening_um), F(PIPER_GRIPPER, gripper.effort_mnm), F(PIPER_GRIPPER, gripper.bits), F(PIPER_GRIPPER, gripper.mode),
	F(PIPER_MOTOR_FAST, fast.speed_mrad_s), F(PIPER_MOTOR_FAST, fast.current_ma), F(PIPER_MOTOR_FAST, fast.position_mrad),
	F(PIPER_MOTOR_SLOW, slow.bus_dv), F(PIPER_MOTOR_SLOW, slow.driver_c), F(PIPER_MOTOR_SLOW, slow.motor_c), F(PIPER_MOTOR_SLOW, slow.bits),
	F(PIPER_MOTOR_SLOW, slow.bus_ma),
	F(PIPER_FIRMWARE, firmware.text[0]), F(PIPER_FIRMWARE, firmware.text[1]), F(PIPER_FIRMWARE, firmware.text[2]),
	F(PIPER_FIRMWARE, firmware.text[3]), F(PIPER_FIRMWARE, firmware.text[4]), F(PIPER_FIRMWARE, firmware.text[5]),
	F(PIPER_FIRMWARE, firmware.text[6]), F(PIPER_FIRMWARE, firmware.text[7]),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double field_get(const struct piper_message *m, const struct field *f)
{
	const char *p = (const char *)m + f->at;

	switch (f->type) {
	case U8: return *(const uint8_t *)p;
	case I8: return *(const int8_t *)p;
	case U16: return *(const uint16_t *)(const void *)p;
	case I16: return *(const int16_t *)(const void *)p;
	case I32: return *(const int32_t *)(const void *)p;
	case F64: break;
	}
	return *(const double *)(const void *)p;
}

/* false: the value is not one of the field's. */
static bool field_set(struct piper_message *m, const struct field *f, double value)
{
	static const double low[] = { 0, 0, INT8_MIN, INT16_MIN, INT32_MIN }, high[] = { UINT8_MAX, UINT16_MAX, INT8_MAX, INT16_MAX, INT32_MAX };
	char *p = (char *)m + f->at;

	if (f->type != F64 && !(value >= low[f->type] && value <= high[f->type]))
		return false;
	switch (f->type) {
	case U8: *(uint8_t *)p = (uint8_t)value; break;
	case I8: *(int8_t *)p = (int8_t)value; break;
	case U16: *(uint16_t *)(void *)p = (uint16_t)value; break;
	case I16: *(int16_t *)(void *)p = (int16_t)value; break;
	case I32: *(int32_t *)(void *)p = (int32_t)value; break;
	case F64: *(double *)(void *)p = value; break;
	}
	return field_get(m, f) == value;
}

/* "mode 0" into kind and index. */
static bool name_parse(const char *name, struct piper_message *m)
{
	const char *number = strrchr(name, ' ');

	for (enum piper_kind k = PIPER_NONE + 1; number && k < PIPER_KIND_COUNT; k++) {
		const char *want = piper_kind_name(k);

		if (strlen(want) == (size_t)(number - name) && strncmp(want, name, strlen(want)) == 0) {
			m->kind = k;
			m->index = (uint32_t)atoi(number);
			return true;
		}
	}
	return false;
}

static bool message_parse(char *line, struct piper_message *m)
{
	char *rest = strchr(line, ':');

	*m = (struct piper_message){ PIPER_NONE };
	if (!rest)
		return false;
	*rest++ = '\0';
	if (!name_parse(line, m))
		return false;
	for (uint32_t i = 0; i < FIELDS; i++) {
		char *end = rest;
		double value = fields[i].kind == m->kind ? strtod(rest, &end) : 0;

		if (fields[i].kind == m->kind && (end == rest || !field_set(m, &fields[i], value)))
			return false;
		rest = end;
	}
	return rest[strspn(rest, " \n")] == '\0';
}

static void put_line(const struct piper_dialect *d, char *line)
{
	struct piper_message m;
	struct bus_frame f;

	if (!message_parse(line, &m) || !piper_put(d, &m, &f)) {
		puts("refused");
		return;
	}
	printf("%" PRIX32 " ", f.id);
	for (uint32_t i = 0; i < f.length; i++)
		printf("%02x", f.data[i]);
	putchar('\n');
}

static bool frame_parse(const char *line, struct bus_frame *f)
{
	char *p;

	*f = (struct bus_frame){ .id = (uint32_t)strtoul(line, &p, 16) };
	if (p == line || *p++ != ' ')
		return false;
	for (; f->length < BUS_DATA_BYTES && isxdigit(p[0]) && isxdigit(p[1]); p += 2)
		f->data[f->length++] = (uint8_t)strtoul((const char[]){ p[0], p[1], '\0' }, NULL, 16);
	return *p == '\n';
}

static void get_line(const struct piper_dialect *d, const char *line)
{
	struct piper_message m;
	struct bus_frame f;

	if (!frame_parse(line, &f) || !piper_get(d, &f, &m)) {
		puts("refused");
		return;
	}
	printf("%s %" PRIu32 ":", piper_kind_name(m.kind), m.index);
	for (uint32_t i = 0; i < FIELDS; i++)
		if (fields[i].kind == m.kind)
			printf(" %.17g", field_get(&m, &fields[i]));
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct piper_version v;
	char line[LINE_BYTES_MAX];

	if (argc != 2 || !piper_version_find((const uint8_t *)argv[1], strlen(argv[1]), &v)) {
		fprintf(stderr, "usage: piper_wire FIRMWARE, as piper_wire S-V1.8-2\n");
		return 2;
	}
	const struct piper_dialect d = piper_dialect_of(&v);

	while (fgets(line, sizeof line, stdin)) {
		if (strncmp(line, "put ", 4) == 0)
			put_line(&d, line + 4);
		else if (strncmp(line, "get ", 4) == 0)
			get_line(&d, line + 4);
		else
			puts("refused");
	}
	return 0;
}
