/* setup.c - see setup.h. */
#include "robots/piper/setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "robots/bus/bus.h"
#include "robots/model/model.h"

_Static_assert((int)PIPER_ADDRESS_BYTES >= (int)CONFIG_TEXT_BYTES, "every address of a configuration fits");

static const double SMALL_M = 0.07, LARGE_M = 0.1; /* the two strokes that 0x47D knows */
static const double ROUNDING_M = 1e-9;

/* In the order of their names in config/keys.def. */
static const uint32_t RATE_HZ[] = { 50, 100, 200 };
static const uint16_t FEEDBACK_BASE[] = { 0x2A0, 0x2B0, 0x2C0, 0x3A0 };
static const uint16_t CONTROL_BASE[] = { 0x150, 0x160, 0x170 };

static void take_keys(struct piper_setup *s, const struct config_robot *r)
{
	s->rate_hz = RATE_HZ[r->piper_rate_hz];
	s->speed_percent = (uint8_t)r->piper_speed_percent;
	s->follow = (enum piper_follow_choice)r->piper_follow;
	s->feedback_base = FEEDBACK_BASE[r->piper_feedback_base];
	s->control_base = CONTROL_BASE[r->piper_control_base];
	s->has_gripper = r->piper_gripper_use;
	s->gripper_effort_nm = r->piper_gripper_effort_nm;
}

static bool is_stroke(double opening_m, double stroke_m)
{
	return fabs(opening_m - stroke_m) <= ROUNDING_M;
}

static void take_stroke(struct piper_setup *s, double gripper_max_m)
{
	s->gripper_max_m = gripper_max_m;
	s->gripper_range_mm = is_stroke(gripper_max_m, SMALL_M) ? 70 : 100;
}

void piper_setup_defaults(struct piper_setup *s)
{
	struct config_robot r;

	config_robot_defaults(&r);
	*s = (struct piper_setup){ .model = *robot_model_find("piper") };
	take_keys(s, &r);
	take_stroke(s, s->model.gripper_max_m);
}

static bool is_piper(const char *model)
{
	return strcmp(model, "piper") == 0 || strcmp(model, "piper_1.6-2") == 0;
}

int piper_setup_make(struct piper_setup *s, const struct robot_driver_options *o, struct errbuf *e)
{
	const struct arm_setup *a = o->setup;
	struct errbuf why = { "" };

	if (!is_piper(a->model.name))
		return fail(e, -EINVAL, "robots[%u].model: found %s, which --driver piper does not drive: want piper (firmware S-V1.6-3 and "
				"newer) or piper_1.6-2 (older), or the driver of that arm", o->robot, a->model.name);
	if (!o->config->address[0])
		return fail(e, -EINVAL, "robots[%u].address: not given: want the arm's CAN interface (can0), or "
				"socketcand://HOST:PORT/CHANNEL (or --driver sim for a simulated arm)", o->robot);
	if (bus_check_address(o->config->address, &why) < 0)
		return fail(e, -EINVAL, "robots[%u].address: %s", o->robot, why.text);
	if (o->config->piper_gripper_use && !is_stroke(a->gripper_max_m, SMALL_M) && !is_stroke(a->gripper_max_m, LARGE_M))
		return fail(e, -EINVAL, "robots[%u].gripper_max_m: found %g m, allowed 0.07 or 0.1, the strokes of a PiPER's grippers (or "
				"robots[%u].piper.gripper.use: false)", o->robot, a->gripper_max_m, o->robot);
	*s = (struct piper_setup){ .model = a->model };
	snprintf(s->arm, sizeof s->arm, "%s", a->name);
	snprintf(s->address, sizeof s->address, "%s", o->config->address);
	take_keys(s, o->config);
	take_stroke(s, a->gripper_max_m);
	return 0;
}
