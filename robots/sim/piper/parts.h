/* parts.h - what the files of the simulated PiPER's controller share. Not for others. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_PARTS_H
#define DREAMVLA_ROBOTS_SIM_PIPER_PARTS_H

#include "robots/sim/piper/arm.h"

/* Angles as the wire has them: from the joints' zeros. */
double piper_arm_wire_rad(const struct piper_arm *a, int j);

bool piper_arm_has_errors(const struct piper_arm *a);
struct piper_plan_limits piper_arm_plan_limits(const struct piper_arm *a, double share);
struct piper_path_limits piper_arm_path_limits(const struct piper_arm *a);
struct piper_reach piper_arm_reach(const struct piper_arm *a);

/* The plan begins anew from where the joints are. */
void piper_arm_rest_plan(struct piper_arm *a);
void piper_arm_brake(struct piper_arm *a);
bool piper_arm_mit_mode(const struct piper_arm *a);   /* MOVE M with MIT */
bool piper_arm_fast_mode(const struct piper_arm *a);  /* MOVE J with MIT: high-follow */

/* motion.c: frames that move or stop the arm. true: it was one. */
bool piper_arm_obey(struct piper_arm *a, const struct piper_message *m);
void piper_arm_wait_for_cut(struct piper_arm *a); /* a millisecond of it */

/* settings.c: frames that ask or set. */
void piper_arm_answer(struct piper_arm *a, const struct piper_message *m);
void piper_arm_send_firmware(struct piper_arm *a);
void piper_arm_default_flash(struct piper_flash *f);

/* feedback.c. An answer goes out with the next millisecond. */
void piper_arm_reply(struct piper_arm *a, const struct piper_message *m);
void piper_arm_send(struct piper_arm *a, const struct piper_message *m);
void piper_arm_feed_back(struct piper_arm *a);

#endif
