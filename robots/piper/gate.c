/* gate.c - may this PiPER be driven? Its firmware, its model, its limits. See session.h.
 *
 * Units: AgileX's document and maintainers give 0x473's speed in 0.01 rad/s, its SDK in 0.001; 0x47C's acceleration in 0.001 or
 * 0.01 rad/s2 (piper_sdk issue 122, pyAgxArm issue 55). The unit in which the number is nearest to what a PiPER has as delivered, 3 rad/s
 * and 5 rad/s2, is taken for right; it is for being told, nothing is moved by it. Void values have been read (-1, 65535: pyAgxArm issue
 * 55): an arm with those ignores targets, or knows no limits. */
#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

static const int64_t FIRMWARE_AGAIN_NS = 100 * NS_PER_MS, QUERY_NS = 10 * NS_PER_MS; /* one at a time: queues are short */
static const int64_t PATIENT_NS = 5 * NS_PER_S, PATIENT_AGAIN_NS = 500 * NS_PER_MS;  /* then it is asked less often, for ever */
static const int64_t ANSWERS_MAX_NS = 2 * NS_PER_S;                                  /* for all but the firmware */
static const double FULL_TURN_DDEG = 3600, RANGE_MIN_RAD = 0.1, ROUNDING_RAD = 1e-4;
enum { QUERIES = 2 * PIPER_JOINTS + 1 };

static double nearer(double a, double b, double usual)
{
	return fabs(log(a / usual)) < fabs(log(b / usual)) ? a : b;
}

static double speed_rad_s(uint16_t raw)
{
	return raw == 0 ? 0 : nearer(raw * 1e-3, raw * 1e-2, 3.0);
}

static double acceleration_rad_s2(uint16_t raw)
{
	return raw == 0 ? 0 : nearer(raw * 1e-2, raw * 1e-3, 5.0);
}

/* Written so that NaN is void. */
static bool limits_good(const struct piper_session *s, int j)
{
	const struct piper_limits *l = &s->feedback.limits[j];
	double low = piper_rad_from_mdeg(l->min_ddeg * 100), high = piper_rad_from_mdeg(l->max_ddeg * 100), v = speed_rad_s(l->speed_raw);

	low = fmax(low, s->setup->model.q_min_rad[j]);
	high = fmin(high, s->setup->model.q_max_rad[j]);
	return fabs((double)l->min_ddeg) <= FULL_TURN_DDEG && fabs((double)l->max_ddeg) <= FULL_TURN_DDEG &&
			high - low >= RANGE_MIN_RAD && v >= 0.05 && v <= 10.0;
}

static bool acceleration_good(const struct piper_session *s, int j)
{
	double a = acceleration_rad_s2(s->feedback.acceleration_raw[j]);

	return a >= 0.1 && a <= 50.0;
}

/* ---- questions ---- */

/* 0 to 5: limits, 6 to 11: accelerations, 12: the gripper's range. What was answered badly is asked again too. */
static bool wanted(const struct piper_session *s, uint32_t query)
{
	const struct piper_feedback *f = &s->feedback;
	int j = (int)query % PIPER_JOINTS;

	if (query < PIPER_JOINTS)
		return f->limits_news[j].count == 0 || !limits_good(s, j);
	if (query < 2 * PIPER_JOINTS)
		return f->acceleration_news[j].count == 0 || !acceleration_good(s, j);
	return s->setup->has_gripper && (f->gripper_setup_news.count == 0 || f->gripper_setup.range_mm != s->setup->gripper_range_mm);
}

static struct piper_message question(uint32_t query)
{
	struct piper_message m = { .kind = PIPER_LIMIT_QUERY, .limit_query = { (uint8_t)(1 + query % PIPER_JOINTS), PIPER_QUERY_LIMITS } };

	if (query >= PIPER_JOINTS)
		m.limit_query.what = PIPER_QUERY_ACCELERATION;
	if (query >= 2 * PIPER_JOINTS) /* load 3: void, as the SDK asks */
		m = (struct piper_message){ .kind = PIPER_PARAMETER, .parameter = { .query = PIPER_QUERY_GRIPPER_SETUP, .load = 3 } };
	return m;
}

static void ask_next(struct piper_session *s, struct piper_outbox *out)
{
	for (uint32_t i = 0; i < QUERIES; i++) {
		uint32_t query = s->gate.next++ % QUERIES;

		if (!wanted(s, query))
			continue;
		const struct piper_message m = question(query);

		s->gate.query_ns = s->now_ns;
		(void)!piper_session_say(s, out, &m);
		return;
	}
}

void piper_gate_ask(struct piper_session *s, struct piper_outbox *out)
{
	const struct piper_message firmware = { .kind = PIPER_FIRMWARE_QUERY };
	struct piper_gate *g = &s->gate;
	bool patient = s->now_ns - g->begun_ns >= PATIENT_NS;

	if (!s->feedback.has_version && s->now_ns - g->firmware_ns >= (patient ? PATIENT_AGAIN_NS : FIRMWARE_AGAIN_NS)) {
		g->firmware_ns = s->now_ns;
		(void)!piper_session_say(s, out, &firmware);
	}
	if (s->now_ns - g->query_ns >= (patient ? PATIENT_AGAIN_NS : QUERY_NS))
		ask_next(s, out);
}

/* ---- answers ---- */

static bool all_answered(const struct piper_feedback *f)
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (f->limits_news[j].count == 0 || f->acceleration_news[j].count == 0)
			return false;
	return true;
}

static bool any_bad(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	for (int j = 0; j < PIPER_JOINTS; j++)
		if ((f->limits_news[j].count && !limits_good(s, j)) || (f->acceleration_news[j].count && !acceleration_good(s, j)))
			return true;
	return false;
}

static void narrow(struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	const struct robot_model *m = &s->setup->model;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		bool known = f->limits_news[j].count && limits_good(s, j);

		s->q_min_rad[j] = known ? fmax(m->q_min_rad[j], piper_rad_from_mdeg(f->limits[j].min_ddeg * 100)) : m->q_min_rad[j];
		s->q_max_rad[j] = known ? fmin(m->q_max_rad[j], piper_rad_from_mdeg(f->limits[j].max_ddeg * 100)) : m->q_max_rad[j];
		s->speed_rad_s[j] = known ? speed_rad_s(f->limits[j].speed_raw) : 0;
		s->acceleration_rad_s2[j] = f->acceleration_news[j].count ? acceleration_rad_s2(f->acceleration_raw[j]) : 0;
	}
}

/* Targets that were within their ranges are brought back into none: that would be a motion that nobody asked for. */
static bool beyond_range(const struct piper_session *s)
{
	const double *q_rad = s->stream.target_rad;

	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(q_rad[j] >= s->q_min_rad[j] - ROUNDING_RAD && q_rad[j] <= s->q_max_rad[j] + ROUNDING_RAD))
			return true;
	return false;
}

static bool is_version(const struct piper_version *v, uint32_t major, uint32_t minor, uint32_t patch)
{
	return v->major == major && v->minor == minor && v->patch == patch;
}

/* From S-V1.6-3 on the zeros of joints 2 and 3 lie 2 degrees elsewhere. */
static enum piper_trouble wrong_model(const struct piper_session *s)
{
	bool old = !piper_version_at_least(&s->feedback.version, 1, 6, 3), model_old = strcmp(s->setup->model.name, "piper_1.6-2") == 0;

	if (old == model_old)
		return PIPER_TROUBLE_NONE;
	return model_old ? PIPER_TROUBLE_WRONG_MODEL_OLD : PIPER_TROUBLE_WRONG_MODEL_NEW;
}

static enum piper_trouble refusal(const struct piper_session *s)
{
	const struct piper_version *v = &s->feedback.version;

	if (!piper_version_at_least(v, 1, 5, 2))
		return PIPER_TROUBLE_FIRMWARE_OLD;
	if (is_version(v, 1, 6, 5))
		return PIPER_TROUBLE_FIRMWARE_BAD;
	if (wrong_model(s) != PIPER_TROUBLE_NONE)
		return wrong_model(s);
	if (s->gate.narrowed)
		return PIPER_TROUBLE_LIMITS_CHANGED;
	return any_bad(s) ? PIPER_TROUBLE_LIMITS_BAD : PIPER_TROUBLE_NONE;
}

void piper_gate_judge(struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	struct piper_gate *g = &s->gate;

	if (!g->begun || g->settings != f->settings)
		*g = (struct piper_gate){ .begun = true, .begun_ns = s->now_ns, .settings = f->settings,
			.firmware_ns = s->now_ns - FIRMWARE_AGAIN_NS, .query_ns = s->now_ns - QUERY_NS };
	narrow(s);
	g->narrowed = (s->phase == PIPER_HOLDS || (g->narrowed && piper_motors_off(f) != PIPER_ALL)) && beyond_range(s);
	bool waited = s->now_ns - g->begun_ns >= ANSWERS_MAX_NS;
	bool answered = all_answered(f) && (f->gripper_setup_news.count || !s->setup->has_gripper);

	g->open = g->open || (f->has_version && (answered || waited));
	g->refusal = f->has_version ? refusal(s) : waited ? PIPER_TROUBLE_FIRMWARE_SILENT : PIPER_TROUBLE_NONE;
	g->warning = !all_answered(f) ? PIPER_TROUBLE_LIMITS_SILENT : PIPER_TROUBLE_NONE;
	if (f->has_version && is_version(&f->version, 1, 8, 6))
		g->warning = PIPER_TROUBLE_FIRMWARE_SUSPECT;
}
