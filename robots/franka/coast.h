/* coast.h - one joint of a robot that goes on with constant acceleration for as long as commands are lost: can it still be stopped?
 *
 * The fastest way to brake is none: its last two periods carry accelerations that next to nothing of velocity calls for, and 20 periods of
 * one of these drive the joint wherever that points. Instead there is one way to rest that any row of lost commands leaves open, again
 * and again. Its acceleration is
 *     rest(v) = -A clamp(v / (A T), -1, 1)    with T = H A / step, step what one command may change the acceleration by, H a row's time,
 * and an acceleration that is another is brought to it by a step with every command that arrives.
 *   - A row on rest(v) takes the velocity no further than to v (1 - H / T): it never turns round. rest(v) then is off by no more than
 *     A H / T, one step: the next command is on it again.
 *   - There q + W(v) never grows, W(v) the way to rest without a loss: v T, from v = A T on (v^2 / A + A T^2) / 2.
 *   - An acceleration above rest(v) is worst when a whole row is lost after every command, below it when none is.
 * That gives the furthest place and the greatest velocity in closed form, in either direction; and this way never makes them larger.
 * Pure. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_COAST_H
#define DREAMVLA_ROBOTS_FRANKA_COAST_H

#include "daemon/stage/axis.h"

/* The state that a command leads to: does the way to rest from here keep the limits, whatever is lost of it? NaN: no. */
bool franka_coast_safe(const struct axis *s, const struct axis_limits *l);

/* The jerk of the coming period, for that way to rest. */
double franka_coast_rest(const struct axis *s, const struct axis_limits *l);

#endif
