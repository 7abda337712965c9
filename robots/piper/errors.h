/* errors.h - what a PiPER reports as wrong, as bits with names for robot_state.errors, and which of it keeps the arm from being driven.
 * Pure. Thread: any. Allocate: no. Block: no. */
#ifndef DREAMVLA_ROBOTS_PIPER_ERRORS_H
#define DREAMVLA_ROBOTS_PIPER_ERRORS_H

#include "robots/piper/feedback.h"
#include "robots/piper/trouble.h"

/* Older motor data of a joint than this: its driver is not heard. 0x26x come every 25 ms here, 100 ms by AgileX's document. */
#define PIPER_MOTOR_SILENT_NS INT64_C(500000000)

/* Bits by piper_error_name. Of motors, what they said twice in a row: a single frame may be noise. gripper: its own too. */
uint64_t piper_errors_of(const struct piper_feedback *f, bool gripper);

/* The worst of it that stops the arm, PIPER_TROUBLE_NONE where there is none. An emergency stop is not among it. */
enum piper_trouble piper_errors_stop(const struct piper_feedback *f, int64_t now_ns);

/* Bit 0 is joint 1: motors that said twice in a row that they are on; that they are off. */
uint8_t piper_motors_on(const struct piper_feedback *f);
uint8_t piper_motors_off(const struct piper_feedback *f);

/* "joint_2_hot", "gripper_overcurrent". NULL beyond the last. */
const char *piper_error_name(uint32_t bit);

#endif
