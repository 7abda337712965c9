/* trace.h - one trace from photon to motor: the stages of a frame's way, and how a span of one is written down.
 *
 * A chunk has one span of each of these per arm (frame, receive: per observation; wait .. overhead: once); each begins where the one before
 * it ends, so that together they are photon_to_motor:
 *
 *   stage          from                                      to                                          ids
 *   receive        oldest stamp of the observation's frames  last one of them received                   observation, camera (the last one)
 *   wait           last frame received                       the policy is free                          observation, chunk
 *   decode         camera bytes                              RGB                                         observation, chunk
 *   resize         RGB                                       pictures of the network's size              observation, chunk
 *   patches        pictures                                  patches                                     observation, chunk
 *   vision         patches                                   vision tokens                               observation, chunk
 *   decoder        prompt and vision tokens                  action tokens, or features for the head     observation, chunk
 *   action_decode  tokens or features                        actions                                     observation, chunk
 *   overhead       all else, in several spans: waking up, the state vector, the instruction, waiting for the motion to continue (inpaint)
 *   hand_over      chunk handed over                         tick that made its first target             observation, chunk, arm
 *   publish        that tick's nominal time                  the target is on the wire                   observation, chunk, arm
 *   driver         target on the wire                        first command made from it left for the motors, by the arm's word (robots/arm/sent.h)
 *   acknowledge    after the total: that command             the arm's state that says so received       observation, chunk, arm
 *
 * Beside them, as spans of their own:
 *   frame            a frame's stamp                 received by io                     observation, camera; each frame of it
 *   first_target     chunk handed over               first target on the wire           hand_over + publish
 *   frame_to_target  last frame received             first target on the wire
 *   photon_to_motor  oldest stamp                    first command left for the motors
 *   takeover         dead-man's message received     first target of its device on the wire        arm
 *   stick_to_motor   stamp of a device's message     first command made from it left               arm
 *   tick             a control tick was due          its targets are handed over to io; value: ns by which it began late
 *
 * resize .. action_decode are sums (several pictures, several steps) that are laid one after the other. SHADOW ends with publish; a chunk that
 * is not executed, with overhead; an observation that the policy does not take, with receive. What a chunk waited for before the operator
 * asked for AUTO is no latency: such a chunk has no span after overhead. A stamp that lies after its arrival counts as its arrival.
 *
 * In every span of an observation frame_stamp_ns, frame_seq and value (its publisher's `from`) are those of the first camera's frame, in
 * `frame` of the camera at hand. */
#ifndef DREAMVLA_DAEMON_TRACE_H
#define DREAMVLA_DAEMON_TRACE_H

#include <string.h>

#include "daemon/record/kinds.h"
#include "daemon/sys/tape.h"

/* Writes a span down if anybody wants spans. Thread: the tape's writer. Allocates: no. Blocks: no. */
static inline void trace_span(struct tape *t, const struct record_span *span)
{
	void *room = tape_claim(t, RECORD_SPAN, sizeof *span, span->end_ns);

	if (!room)
		return;
	memcpy(room, span, sizeof *span);
	tape_publish(t);
}

#endif
