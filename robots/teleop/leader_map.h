/* leader_map.h - where a leader arm stands and a dead-man -> joints for the follower. Pure; leader.c and piper_leader.c read sockets, buses
 * and devices. */
#ifndef DREAMVLA_ROBOTS_TELEOP_LEADER_MAP_H
#define DREAMVLA_ROBOTS_TELEOP_LEADER_MAP_H

#include "robots/teleop/deadman.h"
#include "robots/teleop/device.h"
#include "transport/message/message.h"
#include "transport/sequence.h"

/* Where the leader stood at one moment. */
struct leader_stand {
	int64_t stamp_ns;             /* CLOCK_MONOTONIC */
	uint32_t n;                   /* joints, 1 to DOF_MAX */
	double q_rad[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

struct leader_map {
	uint32_t dof;                 /* of the follower; 0: not known */
	double deadman_gripper_m;     /* closed to less than this is the dead-man; 0: another device is */
	struct deadman deadman;
	struct sequence sequence;
	bool heard;
	struct leader_stand newest;
};

void leader_map_init(struct leader_map *l, uint32_t dof, double deadman_gripper_m);

/* -EBADMSG: it is not used, and why (another number of joints than the follower's, no gripper where that is the dead-man). `anew`: what
 * came before was another leader, or is not known to have been this one: the dead-man has to be pressed again. */
MUST_CHECK int leader_map_hear(struct leader_map *l, const struct leader_stand *s, bool anew, int64_t now_ns, struct errbuf *e);

/* One state, its stamp converted already. -EBADMSG: it is not used, and why (no joints, a wrong number of them, a second publisher, an
 * older one). A leader that was started anew is another leader: the dead-man has to be pressed again. */
MUST_CHECK int leader_map_take(struct leader_map *l, const struct message_state *m, int64_t stamp_ns, int64_t now_ns, struct errbuf *e);

/* Where the dead-man is another device: its switch when that is there (again), after every change, and when events were lost. */
void leader_map_begin_deadman(struct leader_map *l, bool pressed);
void leader_map_press(struct leader_map *l, bool pressed);
void leader_map_forget_deadman(struct leader_map *l);

/* Once per message. A leader that was silent for 100 ms presses no dead-man. false: nothing is known of it yet. */
bool leader_map_read(struct leader_map *l, int64_t now_ns, struct device_wish *out);

#endif
