/* world.h - the simulated table-top: a seven-joint Franka with a two-finger hand and four coloured blocks.
 *
 * A plain value that one pure function advances: no clock, no heap, no I/O, so that tests run it on virtual time and
 * training runs it faster than real time. The same seed and the same commands give the same bytes. It knows nothing of
 * sockets, threads or pictures. Base frame of the arm = world frame: z up, x forward, the table's top is z = 0.
 *
 * What it simplifies: joints follow their command like critically damped servos, without gravity or contact forces;
 * blocks slide quasi-statically and stay on the table (it has a rim); nothing stops the arm itself. In a world for tasks
 * (robots/sim/task) fingers that close around a block also lift it; a lifted block stays upright. */
#ifndef DREAMVLA_ROBOTS_SIM_WORLD_H
#define DREAMVLA_ROBOTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "robots/sim/vec.h"

enum { WORLD_BLOCKS = 4, WORLD_PADS = 2, WORLD_COASTERS = 3, WORLD_FRAMES = DOF_MAX + 2 };

enum block_colour { BLOCK_RED, BLOCK_GREEN, BLOCK_BLUE, BLOCK_YELLOW };

/* The table's top inside its rim, m. */
#define WORLD_TABLE_X_MIN (-0.30)
#define WORLD_TABLE_X_MAX 0.90
#define WORLD_TABLE_Y_MIN (-0.60)
#define WORLD_TABLE_Y_MAX 0.60

/* Half the side of a block, m. */
#define WORLD_BLOCK_HALF 0.025

/* A cube that stands on the table; its centre is WORLD_BLOCK_HALF above it. Only in a world for tasks it is ever lifted. */
struct world_block {
	enum block_colour colour;
	double x_m, y_m, yaw_rad;
	double lift_m;             /* of its lower face above the table */
	double fall_m_s;
};

/* A flat disc without a task: it lies there to be confused with a block, and nothing bumps into it. */
struct world_coaster {
	uint32_t paint;            /* which of the scene's */
	double x_m, y_m, radius_m;
};

/* Half the side of a pad, m. */
#define WORLD_PAD_HALF 0.045

/* A square of felt that blocks are put on: flat, its sides along x and y, and nothing moves it. */
struct world_pad {
	enum block_colour colour;
	double x_m, y_m;
};

/* How this world differs from others to the eye: light and cameras a little off. Zeroed: not at all. */
struct world_look {
	bool varied;               /* and the table has lines */
	double gain[3];            /* of red, green, blue: 1 changes nothing */
	double slope[2];           /* of the light from the picture's left to its right, and from its top down, as a share */
	double eye_m[3], aim_m[3]; /* of the overhead camera */
	double wrist_m[3], wrist_tilt_rad;
	uint32_t n_coasters;
	struct world_coaster coaster[WORLD_COASTERS];
};

/* What the fingers hold. */
struct world_grip {
	bool holds;
	uint32_t block;
	struct vec at;             /* its centre in the hand's frame, m */
	double yaw_rad;            /* its yaw less the hand's */
	double opening_m;          /* of the fingers when they closed around it */
};

struct world_options {
	uint64_t seed;
	const struct robot_model *model; /* must outlive the world; at most DOF_MAX joints */
	bool task;                 /* a world for tasks: it has a look of its own, and blocks can be lifted */
	bool pads;                 /* with task: pads of different colours lie between the blocks, which lie as they would without */
};

/* What the arm's controller wants; zeroed = nothing, the world keeps holding its last command. */
struct world_command {
	bool valid;
	double q_rad[DOF_MAX];
	bool placed;               /* the joints are there, moving with dq: a robot of its own moves them, not the world's servos */
	double dq_rad_s[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

struct world {
	const struct robot_model *model;
	uint64_t random;           /* state of its own generator */
	uint64_t steps;
	int64_t t_ns;              /* simulated time since world_init */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	double q_command_rad[DOF_MAX];
	double gripper_m, gripper_command_m;
	struct world_block block[WORLD_BLOCKS];
	bool task;
	uint32_t n_pads;
	struct world_pad pad[WORLD_PADS];
	struct world_look look;
	struct world_grip grip;
};

/* Arm at home and still, gripper open, blocks at random places that keep apart. Thread: any. Allocates: no. Blocks: no. */
void world_init(struct world *w, const struct world_options *o);

/* Advances by dt_ns (1 ms; at most 10 ms). A command that is not finite is ignored, one beyond the joints' limits is
 * cut to them. Thread: any. Allocates: no. Blocks: no. */
void world_step(struct world *w, const struct world_command *command, int64_t dt_ns);

/* Frames of base, joints 1..dof and flange for the joint angles q: out[0] = base, out[dof + 1] = flange.
 * Returns the number of frames. Thread: any. Allocates: no. */
uint32_t world_frames(const struct robot_model *m, const double *q_rad, struct frame out[WORLD_FRAMES]);

/* Frame of the hand on a flange: the Franka Hand is mounted turned by -45 degrees; its fingers slide along y, the
 * finger tips lie WORLD_TIP_M along z. */
struct frame world_hand_frame(const struct frame *flange);

/* The same for the world as it is. */
struct frame world_hand(const struct world *w);

/* Numbers from a seed: SplitMix64, evenly from low (included) to high. Thread: any. Allocates: no. */
double world_random_between(uint64_t *state, double low, double high);

#define WORLD_TIP_M 0.1124

#endif
