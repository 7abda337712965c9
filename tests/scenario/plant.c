/* plant.c - the motors at the end: the simulator's world behind a driver's table, with the faults that a real arm has. */
#include <string.h>

#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"

void plant_init(struct plant *p, const struct robot_model *m, const double *q_rad)
{
	*p = (struct plant){ .mode = ARM_READY, .generation = 1 };
	world_init(&p->world, &(struct world_options){ .seed = 1, .model = m });
	if (!q_rad)
		return;
	memcpy(p->world.q_rad, q_rad, sizeof p->world.q_rad);
	memcpy(p->world.q_command_rad, q_rad, sizeof p->world.q_command_rad);
}

/* An arm that is not ready obeys nobody: it stands where it is, or goes where a hand leads it. */
void plant_step(struct plant *p, int64_t dt_ns)
{
	struct world_command c = { 0 };

	if (p->mode == ARM_READY && p->hold) {
		c.valid = true;
		c.has_gripper = p->command.has_gripper;
		c.gripper_m = p->command.gripper_m;
		memcpy(c.q_rad, p->command.q_rad, sizeof c.q_rad);
	} else if (p->mode != ARM_READY) {
		c.valid = true;
		memcpy(c.q_rad, p->world.q_rad, sizeof c.q_rad);
		c.q_rad[0] += p->mode == ARM_GUIDING ? p->guided_rad_s * (double)dt_ns * 1e-9 : 0.0;
	}
	world_step(&p->world, &c, dt_ns);
}

static void read_plant(void *driver, int64_t now_ns, struct robot_state *out)
{
	const struct plant *p = driver;

	*out = (struct robot_state){ .mode = p->mode, .generation = p->generation, .stamp_ns = now_ns,
		.engaged = true, .has_gripper = p->world.model->gripper_max_m > 0.0, .gripper_m = p->world.gripper_m, .sent = p->sent };
	memcpy(out->q_rad, p->world.q_rad, sizeof out->q_rad);
	memcpy(out->dq_rad_s, p->world.dq_rad_s, sizeof out->dq_rad_s);
	out->q_rad[0] += p->measured_off_rad;
}

static void write_plant(void *driver, const struct robot_command *c)
{
	struct plant *p = driver;

	p->hold = c->hold;
	p->command = *c;
	robot_sent_note(&p->sent, c->mark, clock_monotonic_ns());
}

const struct robot_driver plant_driver = {
	.name = "scenario",
	.period_ns = NS_PER_MS,
	.has_brakes = true,
	.read = read_plant,
	.write = write_plant,
};
