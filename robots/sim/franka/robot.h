/* robot.h - the simulated Franka behind its control interface: modes, motions, requests, reflexes and what a state says of them.
 *
 * One call of franka_robot_step is one millisecond. Requests come in as their payload and are answered with a status; a motion's
 * second response is due when franka_robot_take_end says so. It knows no sockets and serves whichever protocol its client speaks.
 *
 * Documented rules that it keeps: a command counts only in the period after the state that it answers; missing ones are extrapolated,
 * 20 in a row end the motion; limit violations end it in a reflex, which an error recovery ends; a user stop, guiding and locked
 * brakes refuse motions. What the documentation leaves open is decided here and said where it is.
 *
 * What ends while the arm moves, ends in braking. A motion that its client stops or finishes shows its modes, and its second response
 * is not due, until the arm stands; a reflex, a user stop and a client that goes show at once, as documented. In every case the next
 * motion is accepted and begins when the arm stands. An arm beyond a joint limit may move back, not further out.
 * Pure: no clock, no heap, no I/O. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_ROBOT_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_ROBOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/franka/wire.h"
#include "robots/sim/franka/generator.h"
#include "robots/sim/franka/plant.h"

enum { FRANKA_COMMANDS_WATCHED = 100, FRANKA_MISSES_MAX = 20 };

/* What clients set. Poses are column-major as on the wire. */
struct franka_settings {
	double f_t_ne[16], ne_t_ee[16], ee_t_k[16];
	struct fci_load load;
	struct fci_collision_behavior collision;
	double joint_impedance[FRANKA_DOF], cartesian_impedance[6];
	double filters_hz[5];
	struct fci_guiding_mode guiding;
};

struct franka_robot {
	uint32_t version;
	struct franka_generator generator;
	struct franka_plant plant;
	struct franka_settings settings;
	enum fci_robot_mode mode;
	bool user_stop, guiding, locked; /* buttons and brakes: what hands do to a robot */
	uint64_t errors, reflex_reason;  /* bit of enum fci_error */
	uint32_t settled_ms;             /* that the arm has stood for since it moved, or since the errors */
	/* a motion */
	bool starting;                   /* accepted; begins when the arm stands */
	bool moving;                     /* states show its modes */
	bool ending;                     /* it brakes, and is over when the arm stands */
	enum fci_status ending_as;
	uint32_t ending_ms;              /* so long it still takes at least */
	uint8_t controller, next_generator;
	uint64_t message_id;             /* of the newest state */
	bool offered;                    /* command answers that state */
	struct fci_motion command;
	uint32_t waited_ms;              /* for the first command */
	uint32_t missed_row;
	uint32_t n_watched, watched_next;
	bool hit[FRANKA_COMMANDS_WATCHED]; /* of the newest periods: a command was there in time */
	bool ended;                      /* the second response is due */
	enum fci_status end;
	struct franka_counters {
		uint64_t motions, reflexes;
		uint64_t violations;             /* reflexes because commands did not come */
		uint64_t commands, missed, late; /* late: a command for another state than the newest */
		uint32_t longest_row;
	} counters;
};

/* An arm at q with a Franka Hand, idle, for protocol 5. */
void franka_robot_init(struct franka_robot *r, const double *q_rad);

/* What moves brakes, modes kept; the motion ends so when the arm stands, after `least_ms` or later. */
void franka_robot_end_standing(struct franka_robot *r, enum fci_status status, uint32_t least_ms);

/* It ends at once, as far as the client sees; the arm brakes all the same. */
void franka_robot_end_now(struct franka_robot *r, enum fci_status status);

/* Desired and actual joints are at rest. */
bool franka_robot_stands(const struct franka_robot *r);

/* What the robot is in when nothing moves it. */
enum fci_robot_mode franka_robot_resting_mode(const struct franka_robot *r);

/* Takes the hand and the load of the settings into the arm. */
void franka_robot_carry(struct franka_robot *r);

/* A client of this protocol is there: the robot becomes the generation that speaks it, idle. */
void franka_robot_connect(struct franka_robot *r, uint32_t version);

/* The client is gone: what moves stops. */
void franka_robot_leave(struct franka_robot *r);

/* A request's payload, of the length that fci_request_bytes says, less the header. Connect, GetCartesianLimit and the models are the
 * server's. */
enum fci_status franka_robot_request(struct franka_robot *r, enum fci_command c, const uint8_t *payload);

/* A command has arrived. */
void franka_robot_offer(struct franka_robot *r, const struct fci_motion *m);

/* One millisecond. */
void franka_robot_step(struct franka_robot *r);

/* True once after a motion has ended, with the status of its second response. */
bool franka_robot_take_end(struct franka_robot *r, enum fci_status *status);

/* The state of this millisecond; its message_id is what commands must answer. */
void franka_robot_state(const struct franka_robot *r, struct fci_state *out);

/* What hands and faults do. A reflex needs a cause: joint_reflex stands for a collision. */
void franka_robot_reflex(struct franka_robot *r, enum fci_error why);
void franka_robot_user_stop(struct franka_robot *r, bool pressed);
void franka_robot_guide(struct franka_robot *r, bool guided);
void franka_robot_lock(struct franka_robot *r, bool locked);

#endif
