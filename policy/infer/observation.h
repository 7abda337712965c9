/* observation.h - the files and values of one observation: pictures, state. */
#ifndef DREAMVLA_POLICY_INFER_OBSERVATION_H
#define DREAMVLA_POLICY_INFER_OBSERVATION_H

#include "policy/infer/arguments.h"

/* Pictures of the command line, decoded; zeroed before observation_load, rgb are freed by observation_free. */
struct observation_files {
	struct policy_picture picture[POLICY_PICTURES_MAX];
	uint8_t *rgb[POLICY_PICTURES_MAX];
};

/* Reads a->image and completes a->policy: number, steps and largest size of the pictures. 0 or -errno; what was read stays in files.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int observation_load(struct arguments *a, struct observation_files *files, struct errbuf *e);

/* Accepts zeroed and half-filled files. */
void observation_free(struct observation_files *files);

/* A folder of heads that is not there is an error, for policy_create as for dreamvlad, but with a decoder that needs no head file: version
 * control drops empty folders, so a checkpoint may well have lost the one named on the command line. That is a warning here, and
 * the checkpoint itself is looked into instead: never silently, for a proprio projector could be meant. */
void observation_check_heads(struct arguments *a);

/* -EINVAL: --state does not fit the checkpoint. Thread: any. Allocates: no. */
MUST_CHECK int observation_check_state(const struct arguments *a, const struct policy_info *info, struct errbuf *e);

/* Says on standard error which values of the checked --state lie far outside the statistics: most often another unit or order. */
void observation_warn_state(const struct arguments *a, const struct policy_info *info);

#endif
