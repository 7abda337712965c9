/* hand.h - the Franka Hand at the arm: TCP 1338 and its states, on an ordinary thread of its own. What the hand takes its time for, or
 * never answers, costs the arm nothing: the control thread only leaves a wish and picks up what was measured last.
 *
 * What becomes of a wish: hand_session.h. All functions accept NULL, which is a Franka without a hand. */
#ifndef DREAMVLA_ROBOTS_FRANKA_HAND_H
#define DREAMVLA_ROBOTS_FRANKA_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "robots/driver.h"
#include "robots/franka/setup.h"

struct franka_hand_link;

/* What the arm's control thread sees of the hand. Zeroed: no hand. */
struct franka_hand_view {
	bool has_gripper;      /* the hand's newest state is at most a second old */
	double gripper_m;      /* measured opening */
	uint32_t trouble;      /* enum franka_trouble; none of them keeps the arm from moving */
};

enum { FRANKA_HAND_NUMBERS = 8 };

/* Starts connecting and returns; *out is NULL where setup->hand.enabled is false. Errors: -ENOMEM, -errno of pthread_create.
 * Thread: start-up. Allocates: yes. destroy: blocks until the thread has ended (a look-up of a name can take its time); the fingers
 * stay as they are. */
MUST_CHECK int franka_hand_create(struct franka_hand_link **out, const struct franka_setup *setup, struct errbuf *e);
void franka_hand_destroy(struct franka_hand_link *h);

/* The opening that is wanted now; has_gripper = false: the arm is not held, nobody wants any. The newest counts, and stays in force
 * whoever drives or has ceased to. Nothing moves by itself, though: after the hand was connected or homed, or nobody wanted any, it
 * waits for an opening that differs by more than 2 mm from the one before.
 * Thread: the arm's control thread, every period or less. Allocates: no. Blocks: no. */
void franka_hand_write(struct franka_hand_link *h, bool has_gripper, double gripper_m);
void franka_hand_read(struct franka_hand_link *h, int64_t now_ns, struct franka_hand_view *out);

/* An operator wants the fingers to find their range: they close and open as far as they can, and let go of what they hold. Forgotten
 * when the hand is not connected. Thread: the arm's control thread. Allocates: no. Blocks: no. */
void franka_hand_home(struct franka_hand_link *h);

/* A homing stops where it is; a grasp goes on, so that nothing falls. Thread: the arm's control thread. Allocates: no. Blocks: no. */
void franka_hand_stop_homing(struct franka_hand_link *h);

/* For `status`: at most FRANKA_HAND_NUMBERS, returns how many. Thread: one, the io thread. Allocates: no. Blocks: no. */
uint32_t franka_hand_numbers(struct franka_hand_link *h, struct robot_number *out);

#endif
