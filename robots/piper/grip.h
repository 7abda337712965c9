/* grip.h - a PiPER's gripper: switched on by the operator only, told nothing until it is told something new, not moved while what it
 * says does not allow it. Part of the session.
 * Pure: no clock, no heap, no I/O. All functions: thread the owner's, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_PIPER_GRIP_H
#define DREAMVLA_ROBOTS_PIPER_GRIP_H

#include "robots/driver.h"
#include "robots/piper/feedback.h"
#include "robots/piper/setup.h"
#include "robots/piper/trouble.h"

/* Older than this is not believed. */
#define PIPER_GRIP_SILENT_NS INT64_C(200000000)

/* CLEARS: to be switched off and its errors cleared; SWITCHES: on, where it stands, until it says so. */
enum piper_grip_step { PIPER_GRIP_RESTS, PIPER_GRIP_CLEARS, PIPER_GRIP_SWITCHES };

struct piper_grip {
	enum piper_grip_step step;
	int64_t begun_ns, sent_ns; /* switching; the newest word to it */
	bool sent;                 /* a target, since it began to hold */
	int32_t sent_um;
	bool judged;               /* the first command since it began to hold was seen */
	bool has_command, barred;  /* barred: the command is from before; it counts once it changes, or the fingers are there already */
	double command_m, barred_m;
};

/* The arm begins to hold: commands that come first may be from long ago. */
void piper_grip_begin(struct piper_grip *g);

/* The operator's enable: errors are cleared and the motor switched on where the fingers stand. */
void piper_grip_enable(struct piper_grip *g);

void piper_grip_command(struct piper_grip *g, const struct robot_command *c);

/* Why it is not moved; none of it concerns the arm. */
enum piper_trouble piper_grip_trouble(const struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f,
		int64_t now_ns);

/* Whether its opening is known; *opening_m is then set. */
bool piper_grip_opening(const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns, double *opening_m);

/* What to send now. false: nothing. */
bool piper_grip_speak(struct piper_grip *g, const struct piper_setup *setup, const struct piper_feedback *f, int64_t now_ns,
		struct piper_gripper_target *out);

/* Off, where it stands: with the arm's motors. */
struct piper_gripper_target piper_grip_off(const struct piper_setup *setup, const struct piper_feedback *f);

#endif
