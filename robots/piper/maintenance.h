/* maintenance.h - what is changed in a PiPER for good, one thing at a time: leader or follower, the gripper's stroke, the collision levels,
 * and joint errors cleared. What is said to the arm for it, and what it has to answer before it counts.
 *
 *   LOOKS      listens for LOOK_NS, asks the firmware and what is set now; refuses what is not to be done as the arm is now
 *   WANTS_YES  nothing is sent until piper_maintenance_yes
 *   LOOKS_AGAIN  a person may have taken long
 *   ACTS       sends it, and asks until the arm says that it is so
 *   WAITS      a role counts once the arm was switched off and on: until it speaks as one
 *   DONE, FAILED  text says what is so, or what is not and what to do
 *
 * The owner opens the bus, hands over what it receives and sends the outbox. Pure: no clock, no heap, no I/O. All functions: thread the
 * owner's, allocate no, block no. Sources of what each frame does: wire.h's; 0x470 and 0x47D are not acknowledged by the arm. */
#ifndef DREAMVLA_ROBOTS_PIPER_MAINTENANCE_H
#define DREAMVLA_ROBOTS_PIPER_MAINTENANCE_H

#include "daemon/sys/error.h"
#include "robots/piper/session.h"
#include "robots/piper/wire.h"

enum piper_change { PIPER_MAKE_LEADER, PIPER_MAKE_FOLLOWER, PIPER_SET_GRIPPER, PIPER_SET_COLLISION, PIPER_CLEAR_ERRORS, PIPER_CHANGES };

struct piper_wish {
	enum piper_change change;
	uint8_t value;                 /* mm of SET_GRIPPER, 70 or 100; level of SET_COLLISION, 0 (off) to 8 */
};

/* "leader", "follower", "gripper=70", "collision=3", "clear-errors". -EINVAL: the text lists them. */
MUST_CHECK int piper_wish_parse(struct piper_wish *out, const char *text, struct errbuf *e);

enum piper_maintenance_phase { PIPER_MAINTENANCE_LOOKS, PIPER_MAINTENANCE_WANTS_YES, PIPER_MAINTENANCE_LOOKS_AGAIN, PIPER_MAINTENANCE_ACTS,
	PIPER_MAINTENANCE_WAITS, PIPER_MAINTENANCE_DONE, PIPER_MAINTENANCE_FAILED };

/* All that was heard since it began to look. */
struct piper_look {
	int64_t status_ns;             /* each: when the newest came; 0: none */
	int64_t angles_ns, leads_ns;   /* joints that an arm says which is no leader; joint targets of a leader or a host */
	bool commanded, has_host;      /* by a leader or a host (its control ids, 0x471, 0x181-187); by what no leader says */
	struct piper_status status;
	uint8_t motors;                /* bit 0 is joint 1: heard of */
	uint8_t bits[PIPER_JOINTS];    /* of 0x26x */
	uint8_t text[PIPER_FIRMWARE_BYTES];
	uint32_t text_bytes;
	bool has_version, has_setup, has_levels;
	struct piper_version version;
	struct piper_gripper_setup setup;
	struct piper_levels levels;
};

struct piper_maintenance {
	struct piper_wish wish;
	const char *arm, *address;     /* for texts; outlive it */
	struct piper_dialect dialect;
	enum piper_maintenance_phase phase;
	int64_t phase_ns, asked_ns, set_ns;
	uint32_t sets;                 /* times that it was sent */
	struct piper_look look;
	struct errbuf text;
};

void piper_maintenance_init(struct piper_maintenance *m, const struct piper_wish *wish, const struct piper_setup *setup, int64_t now_ns);

/* What the bus has received. */
void piper_maintenance_take(struct piper_maintenance *m, const struct bus_event *ev);

/* Goes on in time, at least every 10 ms; *out is what to send now. */
void piper_maintenance_step(struct piper_maintenance *m, int64_t now_ns, struct piper_outbox *out);

/* All that is to be sent before the arm is switched off and on was in an outbox. */
bool piper_maintenance_told(const struct piper_maintenance *m);

/* In WANTS_YES: what is there, and what yes would do. */
void piper_maintenance_question(const struct piper_maintenance *m, char *out, size_t capacity);
void piper_maintenance_yes(struct piper_maintenance *m, int64_t now_ns);

#endif
