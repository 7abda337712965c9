/* arm.h - the simulated PiPER: the main controller as a host sees it on the bus. Frames in, a millisecond, frames out.
 *
 * Written from what AgileX's SDKs and documents say and what users report; nobody here has had the arm. Where they say nothing, or
 * contradict each other:
 *   Joint targets are obeyed pair by pair as the frames come, poses with their third frame, MOVE C with the next mode frame behind its
 *   third point. Targets count in the mode that they are for only, with CAN control, without an emergency stop and joint errors, and for joints
 *   that are enabled (poses: all six). One out of range is ignored and shown: arm state 4 and the joints' bits.
 *   An emergency stop leaves the joints enabled and damped, and nothing but resume is heard. Resume (also without a stop before) clears errors and ends CAN
 *   control at once, cuts the power 727 ms later, anew with each resume meanwhile (measured: piper_control, pull request 87), joints damped
 *   until then, and the first 0x471 after it has no effect (piper_sdk issue 66: enable twice).
 *   In MIT mode a joint keeps its place until its first MIT frame. On firmware up to S-V1.8-2 joints 1-3 give four times the torque that
 *   was asked for and report a quarter of theirs; before S-V1.7-3 MIT signs are turned on joints 1, 2, 4, 6.
 *   Up to S-V1.8-4 only a resume leads from MIT and high-follow back to planned motion; until then such mode frames are ignored.
 *   Whether motion is under way (0x2A1) is told late, by 0.2 s either way (pyAgxArm issue 62).
 *   0x470 counts from the next power cycle on. A joint with a communication error sends neither 0x25x nor 0x26x.
 *   0x474, 0x475, 0x477 (setting), 0x479, 0x47A and 0x487 are acknowledged, 0x470, 0x471 and 0x47D are not.
 * Not simulated: CPV (MOVE CPV is ignored), drag teaching, offline trajectories, the gripper's angle mode, LEDs, the SDK's V1 protocol,
 * S-V1.6-5's and S-V1.8-6's own mistakes, collisions with anything but the table.
 * Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_ARM_H
#define DREAMVLA_ROBOTS_SIM_PIPER_ARM_H

#include "robots/piper/wire.h"
#include "robots/sim/piper/path.h"
#include "robots/sim/piper/plan.h"
#include "robots/sim/piper/plant.h"

enum { PIPER_FRAMES_MAX = 96, PIPER_FIRMWARE_TEXT_BYTES = 9 };

/* What one millisecond puts on the bus, in order. */
struct piper_frames {
	uint32_t n;
	struct bus_frame frame[PIPER_FRAMES_MAX];
};

/* What survives a loss of power. */
struct piper_flash {
	struct piper_limits limits[PIPER_JOINTS];      /* speed_raw: 0.001 rad/s here */
	uint16_t acceleration_raw[PIPER_JOINTS];       /* 0.01 rad/s^2 */
	struct piper_end_limits end_limits;
	struct piper_levels collision, assistance;
	struct piper_gripper_setup gripper_setup;
	struct piper_linkage linkage;
	double zero_rad[PIPER_JOINTS];                 /* where the joints' zeros are, in the model's angles */
};

struct piper_fingers {
	double opening_m, command_m, zero_m;
	uint16_t effort_mnm;
	bool enabled, homed, blocked;                  /* blocked: something is between them */
	uint8_t errors;                                /* bits 0 to 5 of 0x2A8 */
};

struct piper_counters {
	uint64_t frames;               /* taken in */
	uint64_t unknown;              /* no PiPER's, or with values nobody has listed */
	uint64_t ignored;              /* motion that did not count */
	uint64_t never, maintenance;   /* frames that no host should send, or only with care */
	uint64_t targets;              /* joint pairs, poses and MIT frames obeyed */
};

struct piper_arm {
	const struct robot_model *model;
	struct piper_version version;
	char firmware[PIPER_FIRMWARE_TEXT_BYTES];
	struct piper_flash flash;
	struct piper_dialect dialect;  /* ids in force */
	uint16_t target_base;          /* that a leader sends targets on */
	bool leader, external_silent;
	uint64_t now_ms;
	struct piper_plant plant;
	struct piper_plan plan;
	struct piper_path path;
	struct piper_drive mit[PIPER_JOINTS]; /* kind OFF: none yet */
	struct piper_fingers fingers;
	/* what the host has asked for */
	uint8_t control, move, follow, speed_percent, mount;
	bool stopped, paused;
	uint8_t enabled, deaf;         /* bit 0 is joint 1; deaf: to the next 0x471 */
	uint32_t cut_ms;               /* until the power is cut that a resume has taken; 0: it is not */
	uint8_t state, over_limit;     /* of the last target: enum piper_arm_state */
	int32_t pose_raw[6];           /* frames 0x152-154 */
	uint32_t arc_points;           /* bit 1 start, 2 middle, 3 end */
	struct pose arc[PIPER_ARC_END + 1];
	bool solved;                   /* a pose has been solved since power on: 0x2AA-2AC */
	double solved_rad[PIPER_JOINTS];
	bool end_stream;               /* 0x481-486 */
	/* what it says */
	bool under_way;                /* as 0x2A1 has it */
	uint32_t differs_ms;           /* for so long has it been otherwise */
	uint64_t firmware_due_ms;      /* 0: not asked */
	uint32_t firmware_sent;
	/* what is wrong with it on purpose */
	uint8_t joint_errors[PIPER_JOINTS]; /* bits of 0x26x */
	uint8_t communication_errors;
	bool limits_corrupted;
	struct piper_counters counters;
	struct piper_frames answers;   /* to what was taken: out of the next millisecond */
	struct piper_frames out;       /* of this millisecond */
};

struct piper_arm_options {
	const struct robot_model *model; /* piper, or piper_1.6-2 for firmware up to S-V1.6-2; must outlive the arm */
	const char *firmware;          /* "S-V1.8-9" */
};

/* Without power until now, at rest, the gripper closed and configured for 70 mm. false: piper_arm_firmware would refuse that. */
bool piper_arm_init(struct piper_arm *a, const struct piper_arm_options *o);

/* S-V and three numbers in the 8 characters that the arm has for them, S-V1.5-2 or newer; older ones speak another protocol. */
bool piper_arm_firmware(const char *text, struct piper_version *out);

/* Which of the models an arm with that firmware is. */
const char *piper_arm_model_name(const struct piper_version *v);

/* A frame from the bus. */
void piper_arm_take(struct piper_arm *a, const struct bus_frame *f);

/* One millisecond; what the arm sends in it is in a->out. */
void piper_arm_step(struct piper_arm *a);

/* Where the fingers are going, m apart. */
double piper_arm_fingers_goal_m(const struct piper_arm *a);

/* ---- on purpose ---- */

/* The motors' switch: off and on again. The arm falls; 0x470 comes into force. */
void piper_arm_power_cycle(struct piper_arm *a);

/* Something between the fingers that stand opening_m apart: they close no further. false: nothing any more. */
void piper_arm_hold_fingers(struct piper_arm *a, bool holds, double opening_m);

/* A leader's joints, moved by a hand to those angles. */
void piper_arm_lead(struct piper_arm *a, const double q_rad[PIPER_JOINTS]);

/* As 0x150 1 would. */
void piper_arm_emergency_stop(struct piper_arm *a);

/* Bits of 0x26x that the arm shows for a joint, ENABLED excepted. */
void piper_arm_fail_joint(struct piper_arm *a, uint32_t joint, uint8_t bits, bool communication);

#endif
