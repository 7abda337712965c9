/* plain.h - the operations that join others, made of those others: for backends, or shapes, without a way of their own. */
#ifndef DREAMVLA_POLICY_COMPUTE_PLAIN_H
#define DREAMVLA_POLICY_COMPUTE_PLAIN_H

#include "policy/compute/compute.h"

/* As the members of compute.h of these names; of `ops` they use linear, rotary and the norms. Thread: the policy's. */
void compute_plain_linear_gated(const struct compute_backend *ops, struct compute *c, struct compute_view x, struct compute_matrix gate,
		struct compute_matrix up, struct compute_view out);
void compute_plain_project_heads(const struct compute_backend *ops, struct compute *c, struct compute_view x,
		const struct compute_projection *p, struct compute_view out);

struct compute_add_norm {
	struct compute_view x, residual, out;
	struct compute_matrix w, b;
	const struct compute_norm *norm;
};
void compute_plain_linear_add_norm(const struct compute_backend *ops, struct compute *c, const struct compute_add_norm *a);

#endif
