/* piper_leader_map.h - what a PiPER that was made a leader puts on its bus -> where it stands.
 *
 * 200 times a second it says 0x151, its joints in 0x155, 0x156, 0x157, and its gripper in 0x159, as if it were the host of a follower
 * (piper_sdk; observed of S-V1.x arms by its users). These ids are any host's too, so that what comes is checked: order and time of the
 * three frames, angles that a PiPER has, no leaps; and an arm that obeys such frames by itself must not be there. Pure. */
#ifndef DREAMVLA_ROBOTS_TELEOP_PIPER_LEADER_MAP_H
#define DREAMVLA_ROBOTS_TELEOP_PIPER_LEADER_MAP_H

#include "robots/bus/bus.h"
#include "robots/piper/wire.h"
#include "robots/teleop/leader_map.h"

enum { PIPER_LEADER_FILTERS = 14 };

struct piper_leader_map {
	struct piper_dialect dialect;
	uint32_t due;                  /* index of the joint frame that is next */
	int64_t first_ns;              /* when the first of the three came */
	int32_t mdeg[PIPER_JOINTS];
	bool speaks, leapt;
	struct leader_stand newest, leap; /* the last that was used; the one beyond a leap, not believed yet */
	int64_t gripper_ns;
	bool has_gripper;
	double gripper_m;
	int64_t obeys_ns;              /* when an arm said its joints (0x2A5, moved 0x2B5 or 0x2C5), as no leader does; 0: never */
	uint64_t torn, odd, leaps;     /* not used: incomplete, nonsense, beyond every hand's speed */
};

enum piper_leader_news { PIPER_LEADER_NOTHING, PIPER_LEADER_STANDS, PIPER_LEADER_LEAPT };

void piper_leader_map_init(struct piper_leader_map *m);

/* What has to come from the bus for it, and nothing else. */
void piper_leader_filters(struct bus_filter out[PIPER_LEADER_FILTERS]);

/* STANDS: *out is where it stands. LEAPT: that too, but nobody knows whether it is the same leader. */
enum piper_leader_news piper_leader_take(struct piper_leader_map *m, const struct bus_event *ev, struct leader_stand *out);

/* An arm on this bus obeys the leader, or a host, by itself: it was heard within the last second. */
bool piper_leader_has_company(const struct piper_leader_map *m, int64_t now_ns);

#endif
