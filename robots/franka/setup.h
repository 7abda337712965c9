/* setup.h - what the configuration says of a Franka: where it is, how it is set when the connection opens, its hand. The defaults are
 * those of config/keys.def, robots[].franka.*. */
#ifndef DREAMVLA_ROBOTS_FRANKA_SETUP_H
#define DREAMVLA_ROBOTS_FRANKA_SETUP_H

#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "robots/driver.h"

enum { FRANKA_ADDRESS_BYTES = 256 };

/* Below the lower ones nothing is felt, between them is a contact, above the upper ones a collision, which stops the arm in a reflex. */
struct franka_thresholds {
	double lower_torque_nm[7], upper_torque_nm[7];
	double lower_force_n[6], upper_force_n[6]; /* x, y, z in N; roll, pitch, yaw in Nm */
};

struct franka_hand_setup {
	bool enabled;
	double speed_m_s;          /* of the width */
	double force_n;            /* of a grasp */
	double epsilon_inner_m, epsilon_outer_m; /* a grasp holds what is so much narrower or wider than the width asked for */
};

/* As in robots[].franka.controller and on the wire. */
enum franka_controller { FRANKA_JOINT_IMPEDANCE, FRANKA_CARTESIAN_IMPEDANCE };

struct franka_setup {
	char arm[NAME_BYTES];      /* robots[].name, for the log */
	char model[NAME_BYTES];    /* robots[].model: panda, fr3 or fr3_5.9 */
	char address[FRANKA_ADDRESS_BYTES]; /* IPv4 address or name */
	enum output_kind generator; /* OUTPUT_JOINT: joint positions; OUTPUT_POSE: Cartesian poses; either with either controller */
	enum franka_controller controller;
	struct franka_thresholds nominal, acceleration; /* while the speed is even, and while it changes */
	double joint_impedance_nm_rad[7];
	double cartesian_impedance[6]; /* N/m, then Nm/rad */
	double load_kg, load_com_m[3]; /* centre of mass in the flange's frame */
	double load_inertia_kg_m2[9];  /* about the centre of mass, column-major */
	struct pose tcp;           /* flange -> TCP: the robot's end effector becomes this */
	double low_pass_hz;        /* of what is commanded; 1000: none */
	struct franka_hand_setup hand;
};

/* Everything but arm, model and address, which become "", joint positions, and the tcp, which becomes the flange. Thread: any.
 * Allocates: no. Blocks: no. */
void franka_setup_defaults(struct franka_setup *s);

/* From a driver's options: the entry of `robots`, and the arm as arm_setup_make has understood it. The lists of o->config are as long as
 * config_check wants them. -EINVAL: no address, or a model that is no Franka; the text names robots[i] and its key, and what to write
 * there. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int franka_setup_make(struct franka_setup *s, const struct robot_driver_options *o, struct errbuf *e);

#endif
