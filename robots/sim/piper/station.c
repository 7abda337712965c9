/* station.c - see station.h. */
#include "robots/sim/piper/station.h"

#include <errno.h>
#include <string.h>

static const double held_m = 1e-4; /* fingers that stand so much wider than told, and do not move, hold something */

int piper_station_open(struct piper_station *s, const struct piper_station_options *o, struct errbuf *e)
{
	if (!piper_arm_init(&s->arm, &(struct piper_arm_options){ .model = o->model, .firmware = o->firmware }))
		return fail(e, -EINVAL, "sim: no PiPER has the firmware %s", o->firmware);
	int rc = bus_serve(&s->bus, &(struct bus_options){ .address = o->address, .bitrate = PIPER_BITRATE }, e);
	if (rc == 0)
		rc = endpoint_open(&s->faults, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true,
				.address = o->faults, .high_water = 16, .max_message_bytes = REQUEST_BYTES_MAX }, e);
	if (rc < 0)
		return rc;
	piper_link_init(&s->link, s->bus);
	/* As the world has it. */
	s->arm.fingers.opening_m = s->arm.fingers.command_m = s->fingers_before_m = o->model->gripper_max_m;
	return 0;
}

void piper_station_close(struct piper_station *s)
{
	bus_destroy(s->bus);
	endpoint_close(s->faults);
	s->bus = NULL;
	s->faults = NULL;
}

/* The world's fingers open as wide as its model says; what the arm's do beyond that is not seen. */
static void feel(struct piper_station *s, const struct world *w)
{
	bool holds = w->gripper_m > w->gripper_command_m + held_m && w->gripper_m >= s->fingers_before_m;

	s->fingers_before_m = w->gripper_m;
	if (holds || s->arm.fingers.blocked)
		piper_arm_hold_fingers(&s->arm, holds, w->gripper_m);
}

static void step_once(struct piper_station *s)
{
	struct bus_frame f;

	piper_link_step(&s->link);
	while (piper_link_take(&s->link, &f))
		piper_arm_take(&s->arm, &f);
	piper_arm_step(&s->arm);
	for (uint32_t i = 0; i < s->arm.out.n; i++)
		piper_link_send(&s->link, &s->arm.out.frame[i]);
}

void piper_station_step(struct piper_station *s, uint32_t steps, const struct world *w, struct world_command *out)
{
	uint32_t made = steps < PIPER_STEPS_MAX ? steps : PIPER_STEPS_MAX;

	s->stood_still_ms += steps - made;
	feel(s, w);
	for (uint32_t i = 0; i < made; i++)
		step_once(s);
	*out = (struct world_command){ .valid = true, .placed = true, .has_gripper = true,
		.gripper_m = piper_arm_fingers_goal_m(&s->arm) };
	memcpy(out->q_rad, s->arm.plant.q_rad, sizeof s->arm.plant.q_rad);
	memcpy(out->dq_rad_s, s->arm.plant.dq_rad_s, sizeof s->arm.plant.dq_rad_s);
}
