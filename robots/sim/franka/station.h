/* station.h - the simulated Franka as a whole: robot and hand services, and the socket that makes faults on purpose.
 *
 * One thread steps it together with the world: the robot says where the world's arm is, the world how wide the fingers stand. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_STATION_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_STATION_H

#include "robots/sim/franka/hand_server.h"
#include "robots/sim/franka/robot_server.h"
#include "robots/sim/world.h"
#include "transport/endpoint.h"
#include "transport/message/request.h"

#define STATION_FAULTS_DEFAULT "tcp://127.0.0.1:7432"

struct station_options {
	const char *address;     /* IPv4: ports 1337 and 1338 are the protocol's */
	uint32_t version;        /* protocol that the robot speaks; 0: its client's */
	const char *faults;      /* address of the faults' socket */
	const struct robot_model *model;
	void *zmq_context;
};

struct station {
	struct robot_server robot;
	struct hand_server hand;
	struct endpoint *faults;
	uint64_t stood_still_ms; /* simulated time given up because the machine stood still */
	uint8_t reply[REQUEST_BYTES_MAX];
};

/* Errors as client_open and endpoint_open. Thread: start-up. Allocates: inside libzmq. */
MUST_CHECK int station_open(struct station *s, const struct station_options *o, struct errbuf *e);
void station_close(struct station *s); /* accepts a zeroed one */

/* `steps` milliseconds have passed since the last call (usually one): moves robot and hand, and writes where the world's arm shall be
 * placed. A machine that stood still for more than STATION_STEPS_MAX ms makes the robot stand still, not its clients late. */
enum { STATION_STEPS_MAX = 15 };
void station_step(struct station *s, uint32_t steps, const struct world *w, struct world_command *out);

/* Obeys what has come on the faults' socket. Thread: as station_step. */
void station_obey(struct station *s);

#endif
