/* noisy_action.h - what flow matching and diffusion share: actions that start as noise, and one forward over them.
 *
 * Each of the N noisy values is a token (noisy_action_projector), the time of the step is another one behind the state, and the
 * action head estimates from their hidden states. The actions themselves stay on the host, in double: their integration is never
 * rounded, only what the network sees of them is. Thread: policy. Only noisy_action_open allocates. */
#ifndef DREAMVLA_POLICY_HEAD_NOISY_ACTION_H
#define DREAMVLA_POLICY_HEAD_NOISY_ACTION_H

#include "policy/head/head.h"
#include "policy/head/mlp_resnet.h"
#include "policy/head/noise.h"

struct noisy_action {
	struct head_options o;
	struct head_file *head_file, *projector_file;
	struct mlp_resnet regressor;
	struct network_projector projector;        /* fc1 [H][1], fc2 [H][H] */
	struct noise noise;
	double x[POLICY_VALUES_MAX];               /* [N] the noisy actions */
	float estimate[POLICY_VALUES_MAX];         /* [N] of the last forward: velocity or noise */
	float value[POLICY_VALUES_MAX];            /* [N] on their way to the backend or the tracer */
	float *time_token;                         /* [H] */
	/* activations */
	struct compute_view in;                    /* [N][1] */
	struct compute_view inner;                 /* [N][H] */
};

/* Opens both head files and finds every weight; `prefixes` as in mlp_resnet_find. a is zeroed. On failure noisy_action_close cleans
 * up. Thread: start-up. Allocates: yes. */
MUST_CHECK int noisy_action_open(struct noisy_action *a, const struct head_options *options, const char *decoder,
		const char *const *prefixes, struct errbuf *e);
void noisy_action_close(struct noisy_action *a); /* accepts a zeroed one */
void noisy_action_list_weights(const struct noisy_action *a, struct network_weights *l);
void noisy_action_lay_out(struct noisy_action *a);

/* x = the observation's noise, or the next N numbers of our own. -EINVAL: a noise value is not finite. */
MUST_CHECK int noisy_action_start(struct noisy_action *a, const struct policy_observation *observation, struct errbuf *e);

/* One forward at this time, as the network counts it -> a->estimate. trace: hand decoder.* to the tracer. */
void noisy_action_forward(struct noisy_action *a, uint32_t n_prefix, double time, bool trace);

/* Hands the estimate, as step.<step>.<name>, and x to the tracer. */
void noisy_action_trace(struct noisy_action *a, uint32_t step, const char *name);

/* x -> result->normalised, and whatever failed on the backend since the inference began. */
MUST_CHECK int noisy_action_finish(const struct noisy_action *a, struct policy_result *result, struct errbuf *e);

#endif
