/* mlp_resnet.h - the regressor of a fine-tuned action head: hidden states of a chunk to one value per action.
 *
 * T = action_chunk, d = action_dim, H = hidden. [T][d * H] -> LayerNorm -> fc1 -> ReLU -> two blocks x + ReLU(Linear(LayerNorm(x)))
 * -> LayerNorm -> fc2 -> [T][d]. Facts: README.md of policy/. Written against compute.h only. */
#ifndef DREAMVLA_POLICY_HEAD_MLP_RESNET_H
#define DREAMVLA_POLICY_HEAD_MLP_RESNET_H

#include "policy/network.h"

enum { MLP_RESNET_BLOCKS = 2 };

struct mlp_resnet {
	const struct network *network;
	uint32_t chunk, dim, hidden;                      /* T, d, H */
	struct compute_matrix norm1, norm1_bias;          /* [d * H] */
	struct compute_matrix fc1, fc1_bias;              /* [H][d * H], [H] */
	struct {
		struct compute_matrix norm, norm_bias;    /* [H] */
		struct compute_matrix linear, linear_bias; /* [H][H], [H] */
	} block[MLP_RESNET_BLOCKS];
	struct compute_matrix norm2, norm2_bias;          /* [H] */
	struct compute_matrix fc2, fc2_bias;              /* [d][H], [d] */
	/* activations */
	struct compute_view wide;                         /* [T][d * H] */
	struct compute_view x, normed;                    /* [T][H] */
	struct compute_view out;                          /* [T][d], float */
};

/* Finds every weight under the first of the NULL-terminated prefixes that the file has; chunk, dim, hidden and network are set
 * already. `decoder` is for messages. -ENOENT: a tensor is missing, or the file has another decoder's prefix; -EINVAL: a tensor of
 * another shape, or more blocks. The texts name file and tensor. Thread: start-up. Allocates: no. */
MUST_CHECK int mlp_resnet_find(struct mlp_resnet *m, const struct head_file *f, const char *const *prefixes, const char *decoder,
		struct errbuf *e);

/* Every weight. Thread: start-up. Allocates: yes. */
void mlp_resnet_list_weights(const struct mlp_resnet *m, struct network_weights *l);

/* Takes its activations from the backend: once while measuring, once while placing. */
void mlp_resnet_lay_out(struct mlp_resnet *m);

/* hidden [T * d][H] without gaps -> values [T * d] on the host. Waits for them. Thread: policy. Allocates: no. */
void mlp_resnet_run(struct mlp_resnet *m, struct compute_view hidden, float *values);

#endif
