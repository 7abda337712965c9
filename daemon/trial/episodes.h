/* episodes.h - writes what an episode looked like and what the expert would have done, for training: safetensors files that numpy reads.
 *
 * An episode is that of --evaluate, begun at an odd moment of the samples' grid; in some the sentence is changed on the way, and many go
 * on with another one once a block was lifted. One file per SHARD_EPISODES episodes, DIR/episodes_<seed of the first>.safetensors, under
 * another name until it is whole; n samples, one per action's length, and for each of the COLOURS (0 red, 1 green, 2 blue, 3 yellow):
 *   picture  U8 [n][cameras][height][width][3]   as the policy gets them, in the order of policy.cameras
 *   state    F32 [n][values of policy.proprio]
 *   action   F32 [n][COLOURS][chunk][7]          the expert's next actions from there, had that one been named; not what was done:
 *                                                m, rad, gripper 1 open
 *   astray   F32 [n][COLOURS][chunk][7]          the same from where its first actions lead, which another made (astray.h):
 *   given    I64 [n][COLOURS]                    so many of them
 *   block    F32 [n][COLOURS][3]                 its centre, m
 *   spot     F32 [n][COLOURS][cameras][2]        where that is in the picture, 0..1 from the left and the top; -1: nowhere
 *   colour   I64 [n]                             that was named
 *   held     I64 [n]                             that the fingers hold; -1: nothing
 *   episode  I64 [n]                             its seed
 * and, where the sentences name pads:
 *   pad, pad_at, pad_spot                        colour, place (m) and spots of either, the named one first: I64 [n][2], F32 [n][2][3],
 *                                                F32 [n][2][cameras][2]
 *   second_action, _astray, _given               as action, astray and given, had the other pad been named for the named block: without
 *                                                [COLOURS] */
#ifndef DREAMVLA_DAEMON_TRIAL_EPISODES_H
#define DREAMVLA_DAEMON_TRIAL_EPISODES_H

#include "daemon/trial/trial.h"

enum { SHARD_EPISODES = 8, COLOURS = WORLD_BLOCKS };

struct episodes;

/* `dir` is made when it is not there. -errno with its path, -ENOMEM. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int episodes_create(struct episodes **out, struct trial *t, const struct config *c, const char *dir, struct errbuf *e);

/* Runs the episode of that seed to its end and keeps its samples; writes a file when it is full. As trial_begin, and what the file system
 * says. Allocates: yes. Blocks: on disk. */
MUST_CHECK int episodes_run(struct episodes *s, uint64_t seed, struct errbuf *e);

/* Writes what is left. */
MUST_CHECK int episodes_flush(struct episodes *s, struct errbuf *e);

uint64_t episodes_samples(const struct episodes *s);
void episodes_destroy(struct episodes *s); /* accepts NULL */

#endif
