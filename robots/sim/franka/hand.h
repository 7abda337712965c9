/* hand.h - the simulated Franka Hand: homing, moving, grasping, stopping; what it holds decides the world.
 *
 * Documented: a grasp succeeds when the width it ends at lies within the epsilons around the wanted one; widths outside the stroke
 * are refused; a stop ends what runs; a failed grasp lets go and opens. Found by users (issues of frankarobotics on GitHub): before homing
 * max_width is 0 and a grasp lets go again (franka_ros 276, 238); a move that meets an object is not answered for some 100 s (libfranka 18,
 * franka_ros 281); a grasp of what is held already fails (libfranka 108). Decided here: a new command ends the one before as a stop
 * does; homing closes the fingers and then takes them to their widest. Pure: no clock, no heap, no I/O. One step is one millisecond. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_HAND_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "robots/franka/wire.h"

struct franka_hand {
	uint32_t message_id;
	double stroke_m;                    /* how wide it opens */
	double max_width_m;                 /* as far as it knows: 0 before homing */
	double width_m;                     /* as measured last */
	double command_m;                   /* where the fingers shall be now */
	bool is_grasped;
	bool pressing;                      /* what is held keeps the fingers from where they shall be */
	bool opening;                       /* after a grasp that failed */
	bool has_closed;                    /* a homing has found its one end */
	enum fci_gripper_command running;   /* CONNECT: nothing */
	struct fci_grasp goal;
	uint32_t stalled_ms;
};

/* Homed, and open. */
void franka_hand_init(struct franka_hand *h, double stroke_m);

/* As after it was switched on: it knows nothing of its range, and holds nothing. */
void franka_hand_forget(struct franka_hand *h);

/* Starts a command with its payload. False: it was refused (answer FAIL) or ended at once (a stop: answer SUCCESS), see *status. */
bool franka_hand_start(struct franka_hand *h, enum fci_gripper_command c, const uint8_t *payload, enum fci_gripper_status *status);

/* One millisecond with the measured width. True when the running command has ended, with its status. */
bool franka_hand_step(struct franka_hand *h, double measured_m, enum fci_gripper_status *status);

#endif
