/* station.h - the simulated PiPER as a whole: controller, bus, fingers in the world, and the socket that makes faults on purpose.
 *
 * One thread steps it together with the world: the arm says where the world's arm is, the world what stands between the fingers. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_STATION_H
#define DREAMVLA_ROBOTS_SIM_PIPER_STATION_H

#include "robots/sim/piper/arm.h"
#include "robots/sim/piper/link.h"
#include "robots/sim/world.h"
#include "transport/endpoint.h"
#include "transport/message/request.h"

#define PIPER_FIRMWARE_DEFAULT "S-V1.8-9"

struct piper_station_options {
	const char *address;             /* socketcand://HOST:PORT to serve there, or a CAN interface's name */
	const char *firmware;
	const char *faults;              /* address of the faults' socket */
	const struct robot_model *model; /* that firmware's: piper_arm_model_name() */
	void *zmq_context;
};

struct piper_station {
	struct piper_arm arm;
	struct bus *bus;
	struct piper_link link;
	struct endpoint *faults;
	double fingers_before_m;
	uint64_t stood_still_ms;         /* simulated time given up because the machine stood still */
	uint8_t reply[REQUEST_BYTES_MAX];
};

/* Errors as bus_serve and endpoint_open; -EINVAL the firmware. Thread: start-up. Allocates: for the bus, and inside libzmq. */
MUST_CHECK int piper_station_open(struct piper_station *s, const struct piper_station_options *o, struct errbuf *e);
void piper_station_close(struct piper_station *s); /* accepts a zeroed one */

/* `steps` milliseconds have passed since the last call (usually one): moves the arm and writes where the world's shall be placed. More
 * than PIPER_STEPS_MAX are not made up for: the machine stood still, and the arm with it. Blocks: no. Allocates: no. */
enum { PIPER_STEPS_MAX = 100 };
void piper_station_step(struct piper_station *s, uint32_t steps, const struct world *w, struct world_command *out);

/* Obeys what has come on the faults' socket. Thread: as piper_station_step. */
void piper_station_obey(struct piper_station *s);

#endif
