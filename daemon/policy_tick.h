/* policy_tick.h - one observation to one chunk: decode the pictures, build the state vector, infer, check, hand over.
 *
 * Everything is allocated in policy_runner_init; after the warm-up a tick allocates nothing outside libjpeg-turbo and oneDNN. */
#ifndef DREAMVLA_DAEMON_POLICY_TICK_H
#define DREAMVLA_DAEMON_POLICY_TICK_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/pacing.h"
#include "daemon/policy_commit.h"
#include "daemon/service.h"
#include "daemon/setup.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"
#include "daemon/sys/jpeg.h"
#include "policy/policy.h"

struct policy_runner {
	const struct config *config;
	const struct control_setup *setup;
	struct links *links;
	struct stats *stats;
	struct policy *policy;
	const struct policy_info *info;
	struct policy_setup policy_setup;
	struct proprio_setup proprio;
	struct jpeg_codec *jpeg;
	uint8_t *rgb[CAMERAS_MAX];    /* decoded pictures */
	size_t rgb_bytes;             /* capacity of each */
	double state[STATE_DIM_MAX];
	struct range_watch range_watch;
	struct policy_result result;
	struct pacing pacing;
	struct policy_commit *commit; /* execution.method inpaint; NULL: another one */
	uint32_t n_committed;         /* actions of the running inference that were given, */
	const int32_t *committed;     /* and their ids */
	struct policy_hint hint;
	struct policy_status status;
	uint32_t instruction_id;      /* the one the policy has */
	uint64_t n_inferences;        /* begun since the warm-up */
	int64_t latency_ns;           /* that the running inference reckons with */
	int64_t free_ns;              /* when the previous inference ended */
	int64_t complained_ns;
	struct service_load announced;
};

/* Opens the checkpoint, checks it against the set-up and infers once from blank pictures. Its threads
 * are as many as the calling thread has processors, or policy.threads. Thread: policy. Allocates: yes. Blocks: for loading. */
MUST_CHECK int policy_runner_init(struct policy_runner *r, const struct config *c, const struct control_setup *setup,
		struct links *links, struct stats *stats, struct errbuf *e);
void policy_runner_finish(struct policy_runner *r); /* copes with a half-made one */

/* Takes the newest observation, if there is a new one, and infers if it is wanted.
 * Thread: policy. Allocates: no, outside libjpeg-turbo and oneDNN. Blocks: for the computation. */
void policy_tick(struct policy_runner *r);

/* One inference again, of a recorded observation (frame bytes included) and the motion that it continued. Everything is as in
 * policy_tick but for the times: the chunk's handed_over_ns and inference_ns are 0. What was said by the chunk that it continues is
 * taken from the recording (parts) if no inference since has said it. 0, or -ENODATA: no chunk, and why (e). Thread: policy. Allocates: no, as above. Blocks: for the computation. */
struct record_observation;
struct replay_parts;
MUST_CHECK int policy_again(struct policy_runner *r, const struct record_observation *was, const struct replay_parts *parts,
		const struct running_motion *motion, struct action_chunk *chunk, struct errbuf *e);

#endif
