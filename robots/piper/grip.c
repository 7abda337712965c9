/* grip.c - see grip.h. The order of switching on is that of piper_sdk's demo: disable and clear, enable, positions. */
#include "robots/piper/grip.h"

#include <math.h>

#include "daemon/sys/clock.h"

static const int64_t AGAIN_NS = 100 * NS_PER_MS, SOON_NS = 20 * NS_PER_MS, SWITCH_MAX_NS = 3 * NS_PER_S;
static const double NEW_M = 0.0005, THERE_M = 0.002;
enum { ERROR_BITS = 0xFF & ~(PIPER_GRIPPER_ENABLED | PIPER_GRIPPER_HOMED) };

void piper_grip_begin(struct piper_grip *g)
{
	*g = (struct piper_grip){ .step = PIPER_GRIP_RESTS };
}

void piper_grip_enable(struct piper_grip *g)
{
	piper_grip_begin(g);
	g->step = PIPER_GRIP_CLEARS;
}

void piper_grip_command(struct piper_grip *g, const struct robot_command *c)
{
	if (!c->has_gripper) {
		g->judged = true;
		return;
	}
	if (!isfinite(c->gripper_m))
		return;
	if (!g->judged) {
		g->judged = g->barred = true;
		g->barred_m = c->gripper_m;
	}
	if (g->barred && fabs(c->gripper_m - g->barred_m) > NEW_M)
		g->barred = false;
	g->has_command = true;
	g->command_m = c->gripper_m;
}

bool piper_grip_opening(const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns, double *opening_m)
{
	if (!setup->has_gripper || !piper_news_fresh(&f->gripper_news, now_ns, PIPER_GRIP_SILENT_NS) || f->gripper_setup_news.count == 0 ||
			f->gripper_setup.range_mm != setup->gripper_range_mm)
		return false;
	*opening_m = fmin(fmax(piper_m_from_um(f->gripper.opening_um), 0.0), setup->gripper_max_m);
	return true;
}

static bool is_there(const struct piper_grip *g, const struct piper_feedback *f)
{
	return fabs(piper_m_from_um(f->gripper.opening_um) - g->command_m) <= THERE_M;
}

enum piper_trouble piper_grip_trouble(const struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f,
		int64_t now_ns)
{
	if (!setup->has_gripper)
		return PIPER_TROUBLE_NONE;
	if (!piper_news_fresh(&f->gripper_news, now_ns, PIPER_GRIP_SILENT_NS) || f->gripper_setup_news.count == 0)
		return PIPER_TROUBLE_GRIPPER_SILENT;
	if (f->gripper_setup.range_mm != setup->gripper_range_mm)
		return PIPER_TROUBLE_GRIPPER_RANGE;
	if (f->gripper.bits & ERROR_BITS)
		return PIPER_TROUBLE_GRIPPER_ERROR;
	if (!(f->gripper.bits & PIPER_GRIPPER_ENABLED))
		return g->step == PIPER_GRIP_RESTS ? PIPER_TROUBLE_GRIPPER_OFF : PIPER_TROUBLE_GRIPPER_WAITS;
	return g->has_command && g->barred && !is_there(g, f) ? PIPER_TROUBLE_GRIPPER_WAITS : PIPER_TROUBLE_NONE;
}

static struct piper_gripper_target target(const struct piper_setup *setup, double opening_m, uint8_t bits)
{
	struct piper_gripper_target t = { .bits = bits };

	(void)!piper_um_from_m(fmin(fmax(opening_m, 0.0), setup->gripper_max_m), &t.opening_um);
	t.effort_mnm = (uint16_t)lround(fmin(fmax(setup->gripper_effort_nm, 0.0), 5.0) * 1e3);
	return t;
}

static struct piper_gripper_target where_it_stands(const struct piper_setup *setup, const struct piper_feedback *f, uint8_t bits)
{
	return target(setup, piper_m_from_um(f->gripper.opening_um), bits);
}

struct piper_gripper_target piper_grip_off(const struct piper_setup *setup, const struct piper_feedback *f)
{
	return where_it_stands(setup, f, 0);
}

/* Nothing to clear and nothing to switch on where it is on: it may hold something. */
static bool needs_switching(const struct piper_feedback *f)
{
	return (f->gripper.bits & ERROR_BITS) || !(f->gripper.bits & PIPER_GRIPPER_ENABLED);
}

/* Begins with CLEARS at once; each later word waits for what the one before has done. */
static bool speak_switching(struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns,
		struct piper_gripper_target *out)
{
	uint8_t bits = PIPER_GRIPPER_CLEAR;

	if (g->step == PIPER_GRIP_SWITCHES) {
		if (now_ns - g->sent_ns < AGAIN_NS)
			return false;
		bits = f->gripper.bits & ERROR_BITS ? PIPER_GRIPPER_CLEAR | PIPER_GRIPPER_ENABLE : PIPER_GRIPPER_ENABLE;
	} else {
		g->begun_ns = now_ns;
	}
	if (!needs_switching(f) || now_ns - g->begun_ns >= SWITCH_MAX_NS) {
		g->step = PIPER_GRIP_RESTS;
		return false;
	}
	g->step = PIPER_GRIP_SWITCHES;
	g->sent_ns = now_ns;
	*out = where_it_stands(setup, f, bits);
	return true;
}

/* Its newest command: at once when it changes, and again and again as everything that the arm holds. */
static bool speak_target(struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns,
		struct piper_gripper_target *out)
{
	if (g->has_command && g->barred && is_there(g, f))
		g->barred = false;
	if (!g->has_command || g->barred)
		return false;
	*out = target(setup, g->command_m, PIPER_GRIPPER_ENABLE);
	if (g->sent && now_ns - g->sent_ns < (out->opening_um == g->sent_um ? AGAIN_NS : SOON_NS))
		return false;
	g->sent = true;
	g->sent_ns = now_ns;
	g->sent_um = out->opening_um;
	return true;
}

bool piper_grip_speak(struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns,
		struct piper_gripper_target *out)
{
	enum piper_trouble t = piper_grip_trouble(g, setup, f, now_ns);

	if (!setup->has_gripper || t == PIPER_TROUBLE_GRIPPER_SILENT || t == PIPER_TROUBLE_GRIPPER_RANGE)
		return false;
	if (g->step != PIPER_GRIP_RESTS)
		return speak_switching(g, setup, f, now_ns, out);
	return (t == PIPER_TROUBLE_NONE || t == PIPER_TROUBLE_GRIPPER_WAITS) && speak_target(g, setup, f, now_ns, out);
}
