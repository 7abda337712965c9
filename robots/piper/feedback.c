/* feedback.c - see feedback.h. */
#include "robots/piper/feedback.h"

#include <string.h>

/* Beyond these no arm can be: dropped. Joints and fingers as piper_sdk does; nothing turns faster than 5 rad/s (URDF). */
static const int32_t WILD_RAW = 3000000, WILD_UM = 150000, WILD_MRAD = 52360;
static const int WILD_MRAD_S = 10000;

void piper_feedback_init(struct piper_feedback *f, uint16_t feedback_base, uint16_t control_base)
{
	*f = (struct piper_feedback){ .dialect = { .feedback_base = feedback_base, .control_base = control_base } };
}

void piper_feedback_forget(struct piper_feedback *f)
{
	const struct piper_feedback_counters counters = f->counters;
	const struct piper_news no_ack = f->no_ack;
	const char *odd_name = f->odd_name;
	bool bus_off = f->bus_off;

	piper_feedback_init(f, f->dialect.feedback_base, f->dialect.control_base);
	f->counters = counters;
	f->odd_name = odd_name;
	f->no_ack = no_ack;
	f->bus_off = bus_off;
}

bool piper_news_fresh(const struct piper_news *n, int64_t now_ns, int64_t age_ns)
{
	return n->count > 0 && now_ns - n->t_ns <= age_ns;
}

void piper_feedback_q(const struct piper_feedback *f, double q_rad[PIPER_JOINTS])
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		q_rad[j] = piper_rad_from_mdeg(f->joints.raw[j]);
}

static void came(struct piper_news *n, int64_t t_ns)
{
	n->t_ns = t_ns;
	n->count++;
}

/* ---- three frames that make a whole ---- */

static bool within(int32_t v, int32_t most)
{
	return v <= most && v >= -most;
}

static bool wild(const int32_t raw[PIPER_VALUES])
{
	for (int i = 0; i < PIPER_VALUES; i++)
		if (!within(raw[i], WILD_RAW))
			return true;
	return false;
}

static void put_together(struct piper_feedback *f, struct piper_whole *w, const struct piper_message *m, int64_t t_ns)
{
	f->counters.torn += m->index == 0 ? w->parts != 0 : w->parts != m->index || t_ns - w->first_ns > PIPER_WHOLE_NS;
	if (m->index == 0)
		w->first_ns = t_ns;
	else if (w->parts != m->index || t_ns - w->first_ns > PIPER_WHOLE_NS) {
		w->parts = 0;
		return;
	}
	memcpy(w->part + 2 * m->index, m->pair.value, sizeof m->pair.value);
	w->parts = m->index + 1;
	if (w->parts < 3)
		return;
	w->parts = 0;
	f->counters.wild += wild(w->part);
	if (wild(w->part))
		return;
	memcpy(w->raw, w->part, sizeof w->raw);
	came(&w->news, t_ns);
}

/* ---- what the arm says ---- */

static void take_status(struct piper_feedback *f, const struct piper_status *s, int64_t t_ns)
{
	f->status_before = f->status;
	f->status = *s;
	came(&f->status_news, t_ns);
}

static void take_gripper(struct piper_feedback *f, const struct piper_gripper *g, int64_t t_ns)
{
	if (!within(g->opening_um, WILD_UM)) {
		f->counters.wild++;
		return;
	}
	f->gripper = *g;
	came(&f->gripper_news, t_ns);
}

static void take_fast(struct piper_feedback *f, uint32_t joint, const struct piper_motor_fast *m, int64_t t_ns)
{
	if (!within(m->position_mrad, WILD_MRAD) || !within(m->speed_mrad_s, WILD_MRAD_S)) {
		f->counters.wild++;
		return;
	}
	f->fast[joint] = *m;
	came(&f->fast_news[joint], t_ns);
}

static void take_slow(struct piper_feedback *f, uint32_t joint, const struct piper_motor_slow *m, int64_t t_ns)
{
	f->slow_before[joint] = f->slow[joint];
	f->slow[joint] = *m;
	came(&f->slow_news[joint], t_ns);
}

/* A firmware's answer has no number: its version is looked for in the newest bytes, across the border of frames. */
static void take_firmware(struct piper_feedback *f, const struct piper_firmware *m)
{
	memmove(f->text, f->text + sizeof m->text, sizeof f->text - sizeof m->text);
	memcpy(f->text + sizeof f->text - sizeof m->text, m->text, sizeof m->text);
	f->has_version = piper_version_find(f->text, sizeof f->text, &f->version) || f->has_version;
}

static void take_answer(struct piper_feedback *f, const struct piper_message *m, int64_t t_ns)
{
	uint32_t joint;

	switch (m->kind) {
	case PIPER_LIMITS:
		joint = m->limits.joint - 1u;
		f->limits[joint] = m->limits;
		came(&f->limits_news[joint], t_ns);
		return;
	case PIPER_ACCELERATION:
		joint = m->acceleration.joint - 1u;
		f->acceleration_raw[joint] = m->acceleration.acceleration_raw;
		came(&f->acceleration_news[joint], t_ns);
		return;
	case PIPER_GRIPPER_SETUP:
		f->gripper_setup = m->gripper_setup;
		came(&f->gripper_setup_news, t_ns);
		return;
	case PIPER_FIRMWARE: take_firmware(f, &m->firmware); return;
	default: return;
	}
}

static void take_word(struct piper_feedback *f, const struct piper_message *m, int64_t t_ns)
{
	came(&f->any, t_ns);
	switch (m->kind) {
	case PIPER_STATUS: take_status(f, &m->status, t_ns); return;
	case PIPER_POSE: put_together(f, &f->pose, m, t_ns); return;
	case PIPER_JOINT_ANGLES: put_together(f, &f->joints, m, t_ns); return;
	case PIPER_IK_ANGLES: put_together(f, &f->solution, m, t_ns); return;
	case PIPER_GRIPPER: take_gripper(f, &m->gripper, t_ns); return;
	case PIPER_MOTOR_FAST: take_fast(f, m->index, &m->fast, t_ns); return;
	case PIPER_MOTOR_SLOW: take_slow(f, m->index, &m->slow, t_ns); return;
	default: take_answer(f, m, t_ns); return;
	}
}

/* ---- what others say ---- */

/* What changes what an arm's angles and targets mean, or whom it obeys: none to be driven through. */
static bool is_setting(const struct piper_message *m)
{
	switch (m->kind) {
	case PIPER_LIMITS_SET:
	case PIPER_LINKAGE: return true;
	case PIPER_JOINT_SET: return m->joint_set.zero || m->joint_set.apply_acceleration || m->joint_set.clear_error;
	case PIPER_PARAMETER: return m->parameter.restore || m->parameter.end_stream || m->parameter.apply_load;
	default: return false;
	}
}

/* What the arm has answered is true no longer. */
static void take_setting(struct piper_feedback *f)
{
	f->settings++;
	for (int j = 0; j < PIPER_JOINTS; j++)
		f->limits_news[j].count = f->acceleration_news[j].count = 0;
	f->gripper_setup_news.count = 0;
}

/* Commands of another host or of a leader arm; what asks commands nothing. Motors in MIT mode are commanded with MODE frames too. */
static bool is_command(const struct piper_message *m)
{
	switch (m->kind) {
	case PIPER_POSE_TARGET:
	case PIPER_JOINT_TARGET:
		return within(m->pair.value[0], WILD_RAW) && within(m->pair.value[1], WILD_RAW);
	case PIPER_STOP:
	case PIPER_MODE:
	case PIPER_ARC_POINT:
	case PIPER_GRIPPER_TARGET:
	case PIPER_ENABLE:
		return true;
	default: return is_setting(m);
	}
}

static void take_command(struct piper_feedback *f, const struct piper_message *m, int64_t t_ns)
{
	came(&f->others, t_ns);
	if (is_setting(m))
		take_setting(f);
}

static bool is_hosts(enum piper_kind k)
{
	return k < PIPER_STATUS;
}

static void take_error(struct piper_feedback *f, enum bus_error error, int64_t t_ns)
{
	if (error < BUS_ERROR_COUNT)
		f->counters.errors[error]++;
	if (error == BUS_ERROR_OFF)
		f->bus_off = true;
	if (error == BUS_ERROR_RESTARTED)
		f->bus_off = false;
	if (error == BUS_ERROR_NO_ACK)
		came(&f->no_ack, t_ns);
}

static void take_oddity(struct piper_feedback *f, const struct piper_message *m, const char *name, int64_t t_ns)
{
	f->counters.odd++;
	f->odd_name = name;
	if (m->kind == PIPER_STATUS)
		came(&f->odd_status_news, t_ns);
}

void piper_feedback_take(struct piper_feedback *f, const struct bus_event *e)
{
	struct piper_message m;

	if (e->error != BUS_ERROR_NONE) {
		take_error(f, e->error, e->t_ns);
		return;
	}
	f->counters.frames++;
	f->bus_off = false;
	if (!piper_get(&f->dialect, &e->frame, &m)) {
		f->counters.unknown++;
		return;
	}
	const char *oddity = piper_message_oddity(&m);

	if (oddity)
		take_oddity(f, &m, oddity, e->t_ns);
	else if (!is_hosts(m.kind))
		take_word(f, &m, e->t_ns);
	else if (is_command(&m))
		take_command(f, &m, e->t_ns);
}

/* ---- filters ---- */

uint32_t piper_feedback_filters(uint16_t feedback_base, uint16_t control_base, struct bus_filter out[BUS_FILTERS_MAX])
{
	static const enum piper_kind kinds[] = { PIPER_STATUS, PIPER_POSE, PIPER_JOINT_ANGLES, PIPER_GRIPPER, PIPER_IK_ANGLES, PIPER_MOTOR_FAST,
		PIPER_MOTOR_SLOW, PIPER_LIMITS, PIPER_ACCELERATION, PIPER_GRIPPER_SETUP, PIPER_FIRMWARE, PIPER_STOP, PIPER_MODE,
		PIPER_POSE_TARGET, PIPER_JOINT_TARGET, PIPER_ARC_POINT, PIPER_GRIPPER_TARGET, PIPER_ENABLE,
		PIPER_LINKAGE, PIPER_LIMITS_SET, PIPER_JOINT_SET, PIPER_PARAMETER };
	const struct piper_dialect d = { .feedback_base = feedback_base, .control_base = control_base };
	struct bus_filter some[PIPER_KIND_FRAMES_MAX];
	uint32_t n = 0;

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		uint32_t of_kind = piper_kind_filters(&d, kinds[k], some);

		for (uint32_t i = 0; i < of_kind && n < BUS_FILTERS_MAX; i++)
			out[n++] = some[i];
	}
	return n;
}
