/* plain.c - see plain.h. */
#include "policy/compute/plain.h"

void compute_plain_linear_gated(const struct compute_backend *ops, struct compute *c, struct compute_view x, struct compute_matrix gate,
		struct compute_matrix up, struct compute_view out)
{
	ops->linear(c, x, gate, (struct compute_matrix){ 0 }, COMPUTE_SILU, out);
	ops->linear(c, x, up, (struct compute_matrix){ 0 }, COMPUTE_MULTIPLY, out);
}

void compute_plain_project_heads(const struct compute_backend *ops, struct compute *c, struct compute_view x,
		const struct compute_projection *p, struct compute_view out)
{
	uint32_t size = p->angles.columns, at = 0;

	assert(out.columns == (p->heads + 2 * p->kv_heads) * size && "project_heads: shapes do not fit");
	for (uint32_t i = 0; i < 3 && p->w[i].data; at += p->w[i++].rows)
		ops->linear(c, x, p->w[i], p->b[i], COMPUTE_STORE, compute_columns(out, at, p->w[i].rows));
	assert(at == out.columns && "project_heads: shapes do not fit");
	ops->rotary(c, compute_columns(out, 0, p->heads * size), p->heads, p->angles);
	ops->rotary(c, compute_columns(out, p->heads * size, p->kv_heads * size), p->kv_heads, p->angles);
}

void compute_plain_linear_add_norm(const struct compute_backend *ops, struct compute *c, const struct compute_add_norm *a)
{
	ops->linear(c, a->x, a->w, a->b, COMPUTE_ADD, a->residual);
	if (a->norm->b.data)
		ops->layer_norm(c, a->residual, a->norm->w, a->norm->b, a->norm->eps, a->out);
	else
		ops->rms_norm(c, a->residual, a->norm->w, a->norm->eps, a->out);
}
