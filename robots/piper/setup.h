/* setup.h - what the configuration says of a PiPER: where it is, how fast targets are sent to it, what its gripper is. The defaults are
 * those of config/keys.def, robots[].piper.*. */
#ifndef DREAMVLA_ROBOTS_PIPER_SETUP_H
#define DREAMVLA_ROBOTS_PIPER_SETUP_H

#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "robots/driver.h"

enum { PIPER_ADDRESS_BYTES = 256 };

/* How the arm's own controller goes from one target to the next. PLANNED: position-velocity, at most speed_percent of 3 rad/s.
 * HIGH: it follows each target at once, whatever the speed; before S-V1.8-5 only a resume leads back, which drops the arm. */
enum piper_follow_choice { PIPER_FOLLOW_CHOICE_PLANNED, PIPER_FOLLOW_CHOICE_HIGH };

struct piper_setup {
	char arm[NAME_BYTES];      /* robots[].name, for the log */
	char address[PIPER_ADDRESS_BYTES]; /* as bus_options.address */
	struct robot_model model;  /* piper, or piper_1.6-2 with firmware up to S-V1.6-2: joint limits, for what is sent */
	uint16_t feedback_base, control_base; /* of the ids: 0x2A0, 0x150 as delivered */
	uint32_t rate_hz;          /* of targets sent: 50, 100 or 200 */
	uint8_t speed_percent;     /* 1..100 */
	enum piper_follow_choice follow;
	bool has_gripper;          /* it is there and this arm's */
	double gripper_max_m;      /* what it is commanded at most */
	uint8_t gripper_range_mm;  /* 70 or 100: what the arm must have it set to (0x47E) */
	double gripper_effort_nm;  /* 0..5 */
};

/* Everything but arm and address, which become "", with model piper and its small gripper. Thread: any. Allocates: no. Blocks: no. */
void piper_setup_defaults(struct piper_setup *s);

/* From a driver's options: the entry of `robots`, and the arm as arm_setup_make has understood it. -EINVAL: no address or one that can be none, a
 * model that is no PiPER, a gripper that no PiPER has; the text names robots[i] and its key, and what to write there. Thread: any. Allocates: no.
 * Blocks: no. */
MUST_CHECK int piper_setup_make(struct piper_setup *s, const struct robot_driver_options *o, struct errbuf *e);

#endif
