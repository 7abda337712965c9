/* session_parts.h - what the files of a PiPER's session share. Not for others. */
#ifndef DREAMVLA_ROBOTS_PIPER_SESSION_PARTS_H
#define DREAMVLA_ROBOTS_PIPER_SESSION_PARTS_H

#include "robots/piper/session.h"

enum { PIPER_ALL = (1u << PIPER_JOINTS) - 1 };

/* A joint that stands outside its range by no more is brought back to it by the arm's own target; further out it takes no target. */
#define PIPER_OUTSIDE_RAD 0.05

/* false: the outbox is full, or there is no such frame. */
bool piper_session_say(const struct piper_session *s, struct piper_outbox *out, const struct piper_message *m);

/* gate.c: whether the arm may be driven, what it has to be asked for that, and what its answers mean for the joints' ranges. */
void piper_gate_judge(struct piper_session *s);
void piper_gate_ask(struct piper_session *s, struct piper_outbox *out);

/* jobs.c: what the operator has asked for. */
void piper_job_speak(struct piper_session *s, struct piper_outbox *out);
void piper_stop_speak(struct piper_session *s, struct piper_outbox *out);
void piper_session_fail(struct piper_session *s, enum piper_trouble why);

/* stream.c: targets. */
void piper_stream_begin(struct piper_session *s);      /* the measured joints become the target */
void piper_stream_say_target(const struct piper_session *s, struct piper_outbox *out);
void piper_stream_say_mode(const struct piper_session *s, struct piper_outbox *out);
void piper_stream_speak(struct piper_session *s, struct piper_outbox *out);
/* CAN control, and the mode that was asked for. Which one an arm tells in high-follow, which is MOVE J with MIT's mark, nobody says: M
 * is taken for it too. */
bool piper_session_follows(const struct piper_session *s);
bool piper_session_engaged(const struct piper_session *s, int64_t now_ns);
int64_t piper_stream_period_ns(const struct piper_session *s);
int64_t piper_stream_due_ns(const struct piper_session *s); /* when the next target goes out if nothing new comes */

/* joints.c */
void piper_joints_judge(struct piper_session *s);         /* those that are new: against their motors', and against those before */
bool piper_joints_within(const struct piper_session *s, double beyond_rad); /* of its range */
bool piper_session_inside(const struct piper_session *s); /* no joint is further outside its range than PIPER_OUTSIDE_RAD */
bool piper_session_stale(const struct piper_session *s, int64_t now_ns); /* joints or status are older than PIPER_STALE_NS */
uint32_t piper_session_void_asks(const struct piper_session *s); /* robot_state.void_asks */

/* session.c */
bool piper_session_steady(const struct piper_session *s); /* the newest two statuses say the same */

#endif
