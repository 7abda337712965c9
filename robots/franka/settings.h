/* settings.h - what the driver asks of a Franka before it moves it, as the payloads of requests: collision thresholds, impedances,
 * frames and load at start, and the motion itself. Pure: bytes only. All functions: thread any, allocates no, blocks no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_SETTINGS_H
#define DREAMVLA_ROBOTS_FRANKA_SETTINGS_H

#include "robots/franka/setup.h"
#include "robots/franka/wire.h"

enum { FRANKA_SETTINGS = 6 };

/* The i-th of the requests at start, and where its values come from. */
enum fci_command franka_setting_command(uint32_t i);
const char *franka_setting_source(uint32_t i);

/* NE_T_EE = F_T_NE^-1 F_T_TCP, so that the robot's end effector becomes setup's tcp. f_t_ne as a state says it, column-major (sheet:
 * F_T_EE = F_T_NE NE_T_EE). false: f_t_ne is no frame (not finite, not a rotation, farther off than an arm is long). */
bool franka_settings_frame(const double f_t_ne[16], const struct pose *tcp, double ne_t_ee[16]);

/* Payload of the i-th request, as it follows the header; returns its length. */
size_t franka_setting_put(const struct franka_setup *s, const double ne_t_ee[16], uint32_t i, uint8_t out[FCI_REQUEST_BYTES_MAX]);

/* Payload of a Move; returns its length in that protocol. */
size_t franka_settings_put_move(const struct franka_setup *s, uint32_t version, uint8_t out[FCI_REQUEST_BYTES_MAX]);

#endif
