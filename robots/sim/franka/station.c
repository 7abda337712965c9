/* station.c - see station.h. */
#include "robots/sim/franka/station.h"

#include <string.h>

int station_open(struct station *s, const struct station_options *o, struct errbuf *e)
{
	int rc = robot_server_open(&s->robot, o->address, o->version, o->model->home_rad, e);

	if (rc == 0)
		rc = hand_server_open(&s->hand, o->address, o->model->gripper_max_m, e);
	if (rc == 0)
		rc = endpoint_open(&s->faults, o->zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true,
				.address = o->faults, .high_water = 16, .max_message_bytes = REQUEST_BYTES_MAX }, e);
	return rc;
}

void station_close(struct station *s)
{
	robot_server_close(&s->robot);
	hand_server_close(&s->hand);
	endpoint_close(s->faults);
	s->faults = NULL;
}

void station_step(struct station *s, uint32_t steps, const struct world *w, struct world_command *out)
{
	uint32_t missed = steps > 0 ? steps - 1 : 0, lost_ms = missed > STATION_STEPS_MAX ? missed - STATION_STEPS_MAX : 0;

	s->stood_still_ms += lost_ms;
	robot_server_step(&s->robot, missed - lost_ms, lost_ms);
	hand_server_step(&s->hand, w->gripper_m);
	*out = (struct world_command){ .valid = true, .placed = true, .has_gripper = true, .gripper_m = s->hand.hand.command_m };
	memcpy(out->q_rad, s->robot.robot.plant.q_rad, sizeof out->q_rad);
	memcpy(out->dq_rad_s, s->robot.robot.plant.dq_rad_s, sizeof out->dq_rad_s);
}
