/* wire.c - see wire.h. Each layout is written once, as the order of its fields; the same lines read and write. */
#include "robots/piper/wire.h"

#include <math.h>
#include <string.h>

/* ---- bytes ------------------------------------------------------------------------------------------------------------ */

struct bytes {
	uint8_t *at;                   /* big enough for every layout: BUS_DATA_BYTES */
	bool writing;
};

static void put_or_get_u8(struct bytes *b, uint8_t *value)
{
	if (b->writing)
		*b->at = *value;
	else
		*value = *b->at;
	b->at++;
}

static void put_or_get_u16(struct bytes *b, uint16_t *value)
{
	uint8_t high = (uint8_t)(*value >> 8), low = (uint8_t)*value;

	put_or_get_u8(b, &high);
	put_or_get_u8(b, &low);
	*value = (uint16_t)(high << 8 | low);
}

static void put_or_get_i16(struct bytes *b, int16_t *value)
{
	uint16_t raw = (uint16_t)*value;

	put_or_get_u16(b, &raw);
	*value = (int16_t)raw;
}

static void put_or_get_i32(struct bytes *b, int32_t *value)
{
	uint16_t high = (uint16_t)((uint32_t)*value >> 16), low = (uint16_t)*value;

	put_or_get_u16(b, &high);
	put_or_get_u16(b, &low);
	*value = (int32_t)((uint32_t)high << 16 | low);
}

/* ---- layouts: host to arm --------------------------------------------------------------------------------------------- */

static void stop(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->stop.emergency);
	put_or_get_u8(b, &m->stop.track);
	put_or_get_u8(b, &m->stop.teach);
	put_or_get_u8(b, &m->stop.point);
	put_or_get_u16(b, &m->stop.name_index);
	put_or_get_u16(b, &m->stop.crc16);
}

static void mode(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->mode.control);
	put_or_get_u8(b, &m->mode.move);
	put_or_get_u8(b, &m->mode.speed_percent);
	put_or_get_u8(b, &m->mode.follow);
	put_or_get_u8(b, &m->mode.residence_s);
	put_or_get_u8(b, &m->mode.mount);
}

static void pair(struct bytes *b, struct piper_message *m)
{
	put_or_get_i32(b, &m->pair.value[0]);
	put_or_get_i32(b, &m->pair.value[1]);
}

static void arc_point(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->arc.point);
}

static void gripper_target(struct bytes *b, struct piper_message *m)
{
	put_or_get_i32(b, &m->gripper_target.opening_um);
	put_or_get_u16(b, &m->gripper_target.effort_mnm);
	put_or_get_u8(b, &m->gripper_target.bits);
	put_or_get_u8(b, &m->gripper_target.zero);
}

static void led(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->led.enable);
	put_or_get_u8(b, &m->led.joint);
	put_or_get_u8(b, &m->led.led);
	put_or_get_u8(b, &m->led.red);
	put_or_get_u8(b, &m->led.green);
	put_or_get_u8(b, &m->led.blue);
	put_or_get_u8(b, &m->led.zero);
	put_or_get_u8(b, &m->led.counter);
}

static void cpv(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->cpv.action);
	put_or_get_u8(b, &m->cpv.name[0]);
	put_or_get_u8(b, &m->cpv.name[1]);
	put_or_get_i32(b, &m->cpv.value);
}

static void leader_home(struct bytes *b, struct piper_message *m)
{
	for (int i = 0; i < 3; i++)
		put_or_get_u8(b, &m->leader_home.byte[i]);
}

static void linkage(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->linkage.role);
	put_or_get_u8(b, &m->linkage.feedback_offset);
	put_or_get_u8(b, &m->linkage.control_offset);
	put_or_get_u8(b, &m->linkage.target_offset);
}

static void enable(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->enable.motor);
	put_or_get_u8(b, &m->enable.action);
}

static void limit_query(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->limit_query.joint);
	put_or_get_u8(b, &m->limit_query.what);
}

static void joint_set(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->joint_set.joint);
	put_or_get_u8(b, &m->joint_set.zero);
	put_or_get_u8(b, &m->joint_set.apply_acceleration);
	put_or_get_u16(b, &m->joint_set.acceleration_raw);
	put_or_get_u8(b, &m->joint_set.clear_error);
}

static void parameter(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->parameter.query);
	put_or_get_u8(b, &m->parameter.restore);
	put_or_get_u8(b, &m->parameter.end_stream);
	put_or_get_u8(b, &m->parameter.apply_load);
	put_or_get_u8(b, &m->parameter.load);
}

/* One byte is all of it: firmware is asked for with 1, and answered with text, which has no 1. */
static void firmware_query(struct bytes *b, struct piper_message *m)
{
	(void)m;
	if (b->writing)
		*b->at = 1;
}

/* ---- layouts: both ways, and arm to host ------------------------------------------------------------------------------ */

static void limits(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->limits.joint);
	put_or_get_i16(b, &m->limits.max_ddeg);
	put_or_get_i16(b, &m->limits.min_ddeg);
	put_or_get_u16(b, &m->limits.speed_raw);
}

static void acceleration(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->acceleration.joint);
	put_or_get_u16(b, &m->acceleration.acceleration_raw);
}

static void ack(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->ack.id_low);
	put_or_get_u8(b, &m->ack.zero_set);
	put_or_get_u8(b, &m->ack.point);
	put_or_get_u8(b, &m->ack.package);
	put_or_get_u16(b, &m->ack.name_index);
	put_or_get_u16(b, &m->ack.crc16);
}

static void end_limits(struct bytes *b, struct piper_message *m)
{
	put_or_get_u16(b, &m->end_limits.v_mm_s);
	put_or_get_u16(b, &m->end_limits.w_mrad_s);
	put_or_get_u16(b, &m->end_limits.a_mm_s2);
	put_or_get_u16(b, &m->end_limits.alpha_mrad_s2);
}

static void levels(struct bytes *b, struct piper_message *m)
{
	for (int i = 0; i < PIPER_JOINTS; i++)
		put_or_get_u8(b, &m->levels.level[i]);
}

static void gripper_setup(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->gripper_setup.stroke_percent);
	put_or_get_u8(b, &m->gripper_setup.range_mm);
	put_or_get_u8(b, &m->gripper_setup.friction);
}

static void firmware(struct bytes *b, struct piper_message *m)
{
	for (size_t i = 0; i < sizeof m->firmware.text; i++)
		put_or_get_u8(b, &m->firmware.text[i]);
}

static void status(struct bytes *b, struct piper_message *m)
{
	put_or_get_u8(b, &m->status.control);
	put_or_get_u8(b, &m->status.state);
	put_or_get_u8(b, &m->status.move);
	put_or_get_u8(b, &m->status.teach);
	put_or_get_u8(b, &m->status.motion);
	put_or_get_u8(b, &m->status.point);
	put_or_get_u8(b, &m->status.over_limit);
	put_or_get_u8(b, &m->status.communication_error);
}

static void gripper(struct bytes *b, struct piper_message *m)
{
	put_or_get_i32(b, &m->gripper.opening_um);
	put_or_get_i16(b, &m->gripper.effort_mnm);
	put_or_get_u8(b, &m->gripper.bits);
	put_or_get_u8(b, &m->gripper.mode);
}

static void motor_fast(struct bytes *b, struct piper_message *m)
{
	put_or_get_i16(b, &m->fast.speed_mrad_s);
	put_or_get_i16(b, &m->fast.current_ma);
	put_or_get_i32(b, &m->fast.position_mrad);
}

static void motor_slow(struct bytes *b, struct piper_message *m)
{
	uint8_t motor_c = (uint8_t)m->slow.motor_c;

	put_or_get_u16(b, &m->slow.bus_dv);
	put_or_get_i16(b, &m->slow.driver_c);
	put_or_get_u8(b, &motor_c);
	m->slow.motor_c = (int8_t)motor_c;
	put_or_get_u8(b, &m->slow.bits);
	put_or_get_u16(b, &m->slow.bus_ma);
}

/* ---- which id has which layout ---------------------------------------------------------------------------------------- */

enum base { FIXED, CONTROL, FEEDBACK };

struct layout {
	const char *name;
	uint16_t id;                   /* of the first frame; from the base where there is one */
	uint8_t frames;
	enum base base;
	void (*fields)(struct bytes *b, struct piper_message *m);
	uint8_t length_min, length;    /* received; sent, and received at most. 0: BUS_DATA_BYTES */
};

static const struct layout layouts[PIPER_KIND_COUNT] = {
	[PIPER_STOP] = { "stop", 0x0, 1, CONTROL, stop },
	[PIPER_MODE] = { "mode", 0x1, 1, CONTROL, mode },
	[PIPER_POSE_TARGET] = { "pose target", 0x2, 3, CONTROL, pair },
	[PIPER_JOINT_TARGET] = { "joint target", 0x5, 3, CONTROL, pair },
	[PIPER_ARC_POINT] = { "arc point", 0x8, 1, CONTROL, arc_point },
	[PIPER_GRIPPER_TARGET] = { "gripper target", 0x9, 1, CONTROL, gripper_target },
	[PIPER_MIT] = { "MIT target", 0xA, PIPER_JOINTS, CONTROL, NULL },
	[PIPER_LED] = { "light", 0x121, 1, FIXED, led },
	[PIPER_CPV] = { "CPV", 0x181, PIPER_JOINTS + 1, FIXED, cpv, 7, 7 },
	[PIPER_LEADER_HOME] = { "leader home", 0x191, 1, FIXED, leader_home },
	[PIPER_LINKAGE] = { "leader or follower", 0x470, 1, FIXED, linkage },
	[PIPER_ENABLE] = { "enable", 0x471, 1, FIXED, enable },
	[PIPER_LIMIT_QUERY] = { "limit query", 0x472, 1, FIXED, limit_query, 2 },
	[PIPER_LIMITS] = { "joint limits", 0x473, 1, FIXED, limits },
	[PIPER_LIMITS_SET] = { "set joint limits", 0x474, 1, FIXED, limits },
	[PIPER_JOINT_SET] = { "set joint", 0x475, 1, FIXED, joint_set },
	[PIPER_ACK] = { "acknowledgement", 0x476, 1, FIXED, ack },
	[PIPER_PARAMETER] = { "parameter", 0x477, 1, FIXED, parameter, 1 },
	[PIPER_END_LIMITS] = { "end limits", 0x478, 1, FIXED, end_limits },
	[PIPER_END_LIMITS_SET] = { "set end limits", 0x479, 1, FIXED, end_limits },
	[PIPER_COLLISION_SET] = { "set collision levels", 0x47A, 1, FIXED, levels },
	[PIPER_COLLISION] = { "collision levels", 0x47B, 1, FIXED, levels },
	[PIPER_ACCELERATION] = { "joint acceleration", 0x47C, 1, FIXED, acceleration },
	[PIPER_GRIPPER_SETUP_SET] = { "set gripper", 0x47D, 1, FIXED, gripper_setup },
	[PIPER_GRIPPER_SETUP] = { "gripper settings", 0x47E, 1, FIXED, gripper_setup },
	[PIPER_JOINT_END_LIMITS] = { "joint's end limits", 0x481, PIPER_JOINTS, FIXED, end_limits },
	[PIPER_ASSISTANCE_SET] = { "set assistance levels", 0x487, 1, FIXED, levels },
	[PIPER_ASSISTANCE] = { "assistance levels", 0x488, 1, FIXED, levels },
	[PIPER_FIRMWARE_QUERY] = { "firmware query", 0x4AF, 1, FIXED, firmware_query, 1 },
	[PIPER_FIRMWARE] = { "firmware", 0x4AF, 1, FIXED, firmware },
	[PIPER_STATUS] = { "status", 0x1, 1, FEEDBACK, status },
	[PIPER_POSE] = { "pose", 0x2, 3, FEEDBACK, pair },
	[PIPER_JOINT_ANGLES] = { "joint angles", 0x5, 3, FEEDBACK, pair },
	[PIPER_GRIPPER] = { "gripper", 0x8, 1, FEEDBACK, gripper },
	[PIPER_IK_ANGLES] = { "solution's joint angles", 0xA, 3, FEEDBACK, pair },
	[PIPER_MOTOR_FAST] = { "motor, high speed", 0x251, PIPER_JOINTS, FIXED, motor_fast },
	[PIPER_MOTOR_SLOW] = { "motor, low speed", 0x261, PIPER_JOINTS, FIXED, motor_slow },
};

static const struct layout *layout_of(enum piper_kind k)
{
	return (unsigned)k > PIPER_NONE && k < PIPER_KIND_COUNT ? &layouts[k] : NULL;
}

static uint32_t first_id(const struct piper_dialect *d, const struct layout *l)
{
	return l->id + (l->base == CONTROL ? d->control_base : l->base == FEEDBACK ? d->feedback_base : 0u);
}

static uint8_t sent_length(const struct layout *l)
{
	return l->length ? l->length : BUS_DATA_BYTES;
}

const char *piper_kind_name(enum piper_kind k)
{
	const struct layout *l = layout_of(k);

	return l ? l->name : "unknown";
}

uint32_t piper_kind_frames(enum piper_kind k)
{
	const struct layout *l = layout_of(k);

	return l ? l->frames : 0;
}

uint32_t piper_kind_filters(const struct piper_dialect *d, enum piper_kind k, struct bus_filter out[PIPER_KIND_FRAMES_MAX])
{
	const struct layout *l = layout_of(k);

	for (uint32_t i = 0; l && i < l->frames; i++)
		out[i] = (struct bus_filter){ first_id(d, l) + i, BUS_ID_MAX };
	return l ? l->frames : 0;
}

/* ---- MIT: five numbers in 64 bits ------------------------------------------------------------------------------------- */

struct quantity {
	double min, max;
	uint32_t bits;
};

/* Most significant first. With 8 bits of torque there follow 4 bits of check. */
static const struct quantity mit_quantity[5] = { { -12.5, 12.5, 16 }, { -45.0, 45.0, 12 }, { 0.0, 500.0, 12 }, { -5.0, 5.0, 12 },
	{ -8.0, 8.0, 8 } };
static const struct quantity mit_wide_torque = { -16.0, 16.0, 12 };

static const struct quantity *mit_at(const struct piper_dialect *d, int i)
{
	return i == 4 && d->wide_torque ? &mit_wide_torque : &mit_quantity[i];
}

static uint32_t largest(const struct quantity *q)
{
	return (1u << q->bits) - 1u;
}

/* Cut off, as the SDK does it, not rounded; in double, where the SDK's double and the firmware's float can differ by one. */
static uint32_t quantise(double x, const struct quantity *q)
{
	double inside = fmin(fmax(x, q->min), q->max);

	return (uint32_t)((inside - q->min) * (double)largest(q) / (q->max - q->min));
}

static double dequantise(uint32_t raw, const struct quantity *q)
{
	return (double)raw * (q->max - q->min) / (double)largest(q) + q->min;
}

static uint8_t mit_check(const uint8_t data[BUS_DATA_BYTES])
{
	uint8_t x = 0;

	for (int i = 0; i < 7; i++)
		x ^= data[i];
	return x & 0x0F;
}

static bool put_mit(const struct piper_dialect *d, const struct piper_mit *m, uint8_t out[BUS_DATA_BYTES])
{
	const double value[5] = { m->p_rad, m->v_rad_s, m->kp, m->kd, m->t_nm };
	uint64_t word = 0;

	for (int i = 0; i < 5; i++) {
		if (!isfinite(value[i]))
			return false;
		word = word << mit_at(d, i)->bits | quantise(value[i], mit_at(d, i));
	}
	if (!d->wide_torque)
		word <<= 4;
	for (int i = 0; i < BUS_DATA_BYTES; i++)
		out[i] = (uint8_t)(word >> (56 - 8 * i));
	if (!d->wide_torque)
		out[7] |= mit_check(out);
	return true;
}

static bool get_mit(const struct piper_dialect *d, const uint8_t in[BUS_DATA_BYTES], struct piper_mit *m)
{
	double *const value[5] = { &m->p_rad, &m->v_rad_s, &m->kp, &m->kd, &m->t_nm };
	uint64_t word = 0;
	uint32_t below = 64;

	if (!d->wide_torque && (in[7] & 0x0F) != mit_check(in))
		return false;
	for (int i = 0; i < BUS_DATA_BYTES; i++)
		word = word << 8 | in[i];
	for (int i = 0; i < 5; i++) {
		below -= mit_at(d, i)->bits;
		*value[i] = dequantise((uint32_t)(word >> below) & largest(mit_at(d, i)), mit_at(d, i));
	}
	return true;
}

/* ---- frames ----------------------------------------------------------------------------------------------------------- */

/* Both share an id: the query is 1 and noughts, and no text has a 1. */
static bool is_firmware_query(const struct bus_frame *f)
{
	static const uint8_t noughts[BUS_DATA_BYTES - 1];

	return f->data[0] == 1 && memcmp(f->data + 1, noughts, sizeof noughts) == 0;
}

static bool takes(const struct piper_dialect *d, enum piper_kind k, const struct bus_frame *f)
{
	const struct layout *l = &layouts[k];
	uint8_t least = l->length_min ? l->length_min : sent_length(l);

	if (f->id - first_id(d, l) >= l->frames || f->length < least || f->length > sent_length(l))
		return false;
	return f->id != layouts[PIPER_FIRMWARE].id || (k == PIPER_FIRMWARE_QUERY) == is_firmware_query(f);
}

static bool get_fields(const struct piper_dialect *d, struct bus_frame *f, struct piper_message *m)
{
	struct bytes b = { f->data, false };

	if (m->kind == PIPER_MIT)
		return get_mit(d, f->data, &m->mit);
	layouts[m->kind].fields(&b, m);
	return true;
}

bool piper_get(const struct piper_dialect *d, const struct bus_frame *in, struct piper_message *out)
{
	struct bus_frame f = *in;

	*out = (struct piper_message){ 0 };
	if (f.flags != 0 || f.id > BUS_ID_MAX || f.length > BUS_DATA_BYTES)
		return false;
	memset(f.data + f.length, 0, sizeof f.data - f.length); /* what a short frame does not say is nought */
	for (enum piper_kind k = PIPER_NONE + 1; k < PIPER_KIND_COUNT; k++) {
		struct piper_message m = { .kind = k, .index = f.id - first_id(d, &layouts[k]) };

		if (!takes(d, k, &f))
			continue;
		if (get_fields(d, &f, &m))
			*out = m;
		return out->kind != PIPER_NONE;
	}
	return false;
}

bool piper_put(const struct piper_dialect *d, const struct piper_message *in, struct bus_frame *out)
{
	const struct layout *l = layout_of(in->kind);
	struct bus_frame f = { 0 };
	struct bytes b = { f.data, true };
	struct piper_message m = *in;

	*out = f;
	if (!l || in->index >= l->frames || first_id(d, l) + in->index > BUS_ID_MAX)
		return false;
	f.id = first_id(d, l) + in->index;
	f.length = sent_length(l);
	if (in->kind != PIPER_MIT)
		l->fields(&b, &m);
	else if (!put_mit(d, &in->mit, f.data))
		return false;
	*out = f;
	return true;
}
