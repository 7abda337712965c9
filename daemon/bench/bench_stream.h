/* bench_stream.h - how a PiPER follows joint targets that are streamed to it, at several rates and in either of MOVE J's modes: the simulated
 * arm's controller and planner (robots/sim/piper) on virtual time, frames in, joint angles out.
 *
 * Two motions are wanted of it. Cruise: all joints 2 s straight on, the fastest at 0.5 rad/s, then rest. Wander: another speed for every
 * joint each 0.6 s, as a policy's actions are; then rest. Both are waypoints at 10 Hz, as actions come. Played out, they become
 * what dreamvla-arm commands (a spline through them, within the model's velocity, acceleration and jerk), and the driver's own session
 * (robots/piper/session.h) makes frames of that. Raw, each waypoint is sent until the next one is due, as a script does that passes
 * actions on. A third run is the cruise with a host that stands still once.
 *
 * The host is one as there are: its timer is 0.5 % off the arm's, so that its period slides along all of the arm's ticks; every set of frames is
 * up to 1 ms late; and a frame takes 0.15 ms on the bus, so that a set may fall into two ticks.
 * Pure: no clock, no I/O. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_STREAM_H
#define DREAMVLA_DAEMON_BENCH_BENCH_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "robots/piper/wire.h"

enum { STREAM_PAUSE_MS = 50 };

struct stream_case {
	uint32_t rate_hz;              /* 50, 100 or 200 */
	bool high_follow;              /* MOVE J with 0xAD instead of the arm's own planning */
	bool played_out;               /* and sent by the driver's session; else raw, by a script */
};

/* The worst joint of the worse motion; the lag is one for all joints. */
struct stream_result {
	double lag_ms;                 /* by which the arm's motion fits what was wanted best */
	double apart_rad;              /* how far it then still is from it */
	double sway_rad_s;             /* cruise: between fastest and slowest while a constant speed is wanted */
	double jolt_rad_s;             /* largest change of speed within 10 ms */
	double pause_jolt_rad_s;       /* the same of the cruise whose host stood still, once: not the worst moment for it */
	double overshoot_rad;          /* cruise: past its end */
	double final_rad;              /* from the last target, more than 1 s after it */
	uint64_t ignored;              /* frames that the arm took for nothing */
};

/* Of what was wanted, played out. */
struct stream_wish {
	double speed_rad_s, acceleration_rad_s2, sway_rad_s, jolt_rad_s;
};

/* Runs all three. Thread: any. Allocates: some MB, given back. Blocks: computes for about a second. -ENOMEM, or -EINVAL: the arm did not
 * come to take targets. */
int stream_measure(const struct stream_case *c, struct stream_result *out, struct stream_wish *wish);

#endif
