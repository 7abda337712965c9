/* leader_map.h - the states of a leader arm and a dead-man -> joints for the follower. Pure; leader.c reads socket and device. */
#ifndef DREAMVLA_ROBOTS_TELEOP_LEADER_MAP_H
#define DREAMVLA_ROBOTS_TELEOP_LEADER_MAP_H

#include "robots/teleop/deadman.h"
#include "robots/teleop/device.h"
#include "transport/message/message.h"
#include "transport/sequence.h"

struct leader_map {
	uint32_t dof;                 /* of the follower; 0: not known */
	double deadman_gripper_m;     /* closed to less than this is the dead-man; 0: another device is */
	struct deadman deadman;
	struct sequence sequence;
	bool heard;
	int64_t stamp_ns;             /* of the newest state, CLOCK_MONOTONIC */
	uint32_t n;
	double q_rad[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

void leader_map_init(struct leader_map *l, uint32_t dof, double deadman_gripper_m);

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
