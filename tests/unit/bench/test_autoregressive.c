/* test_autoregressive.c - the autoregressive decoder of dreamvla-bench on the golden checkpoints: against its definition in double, and a
 * cache against none. */
#include "daemon/bench/bench_autoregressive.h"
#include "policy/policy.h"
#include "tests/unit/policy/fixture.h"

#include <math.h>

enum { TOKENS = 11, VOCABULARY_MAX = 1024, WIDTH_MAX = 512 };

static struct errbuf e;

struct rig {
	struct manifest manifest;
	struct weights *weights;
	struct network network;
	struct autoregressive *a;
};

static const char *const backends[] = { "cpu", "cuda-host" };

enum { BACKENDS = sizeof backends / sizeof *backends };

static void rig_open(struct rig *r, const char *backend, const char *checkpoint, enum policy_precision precision)
{
	struct compute_options options = { .precision = precision, .threads = 1, .max_rows = TOKENS, .max_inner = WIDTH_MAX,
		.max_segment = TOKENS, .max_outer = VOCABULARY_MAX };

	*r = (struct rig){ .network.ops = compute_backend_find(backend, &e) };
	assert_non_null(r->network.ops);
	assert_int_equal(manifest_read(&r->manifest, checkpoint, &e), 0);
	assert_int_equal(weights_open(&r->weights, checkpoint, &e), 0);
	assert_true(r->manifest.decoder.vocabulary <= VOCABULARY_MAX && r->manifest.decoder.mlp <= WIDTH_MAX);
	assert_int_equal(r->network.ops->create(&r->network.compute, &options, &e), 0);
	assert_int_equal(autoregressive_create(&r->a, &r->network, r->weights, &r->manifest.decoder, TOKENS, TOKENS, &e), 0);
	autoregressive_lay_out(r->a);
	assert_int_equal(r->network.ops->reserve(r->network.compute, &e), 0);
	autoregressive_lay_out(r->a);
	r->network.ops->freeze(r->network.compute);
	assert_int_equal(autoregressive_prepare(r->a, &e), 0);
}

static void rig_close(struct rig *r)
{
	autoregressive_destroy(r->a);
	r->network.ops->destroy(r->network.compute);
	weights_close(r->weights);
}

/* The next n ids; logits of what follows. */
static int32_t run(struct rig *r, const int32_t *ids, uint32_t n, float *logits)
{
	int32_t token = -2;

	autoregressive_embed(r->a, ids, autoregressive_rows(r->a, n));
	struct compute_view out = autoregressive_run(r->a, n);

	r->network.ops->download(r->network.compute, out, logits);
	r->network.ops->argmax(r->network.compute, out, &token);
	assert_int_equal(r->network.ops->finish(r->network.compute, &e), 0);
	return token;
}

static void ids_fill(int32_t *ids, uint32_t vocabulary)
{
	for (uint32_t i = 0; i < TOKENS; i++)
		ids[i] = (int32_t)((37 * i * i + 11 * i + 5) % vocabulary);
}

static float largest_difference(const float *a, const float *b, uint32_t n)
{
	float most = 0.0f;

	for (uint32_t i = 0; i < n; i++)
		most = fabsf(a[i] - b[i]) > most || isnan(a[i] - b[i]) ? fabsf(a[i] - b[i]) : most;
	return most;
}

/* All at once, or any number first and the rest one by one, is the same. */
static void check_cache(const char *backend, const char *checkpoint, enum policy_precision precision, float bound)
{
	static float whole[VOCABULARY_MAX], stepped[VOCABULARY_MAX];
	int32_t ids[TOKENS];
	struct rig r;

	rig_open(&r, backend, checkpoint, precision);
	uint32_t vocabulary = r.manifest.decoder.vocabulary;

	ids_fill(ids, vocabulary);
	int32_t token = run(&r, ids, TOKENS, whole);

	for (uint32_t first = 1; first < TOKENS; first++) {
		int32_t last = -2;

		autoregressive_restart(r.a);
		run(&r, ids, first, stepped);
		for (uint32_t i = first; i < TOKENS; i++)
			last = run(&r, ids + i, 1, stepped);
		assert_int_equal(last, token);
		assert_true(largest_difference(whole, stepped, vocabulary) <= bound);
	}
	rig_close(&r);
}

static void a_cached_step_equals_a_longer_prefix(void **state)
{
	static const char *const checkpoints[] = { "one_camera", "two_cameras", "three_cameras" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
		snprintf(path, sizeof path, GOLDEN "/checkpoints/%s", checkpoints[i]);
		for (size_t b = 0; b < BACKENDS; b++) {
			check_cache(backends[b], path, POLICY_FP32, 2e-5f);
			check_cache(backends[b], path, POLICY_BF16, 0.03f);
		}
	}
}

static int32_t run_steps(struct rig *r, const int32_t *ids, float *logits)
{
	int32_t last = -2;

	autoregressive_restart(r->a);
	for (uint32_t i = 0; i < TOKENS; i++)
		last = run(r, ids + i, 1, logits);
	return last;
}

/* Captured, and then started as graphs, with other ids than those of the capture. */
static void captured_steps_are_the_same(void **state)
{
	static float plain[VOCABULARY_MAX], again[VOCABULARY_MAX];
	int32_t ids[TOKENS], others[TOKENS] = { 0 };
	struct rig r;

	(void)state;
	rig_open(&r, "cuda-host", GOLDEN "/checkpoints/two_cameras", POLICY_BF16);
	ids_fill(ids, r.manifest.decoder.vocabulary);
	run_steps(&r, ids, plain); /* brings the weights there, which takes launches of its own */
	uint64_t begun = r.network.ops->launches(r.network.compute);
	int32_t token = run_steps(&r, ids, plain);
	uint64_t each = r.network.ops->launches(r.network.compute) - begun;

	r.network.ops->capture(r.network.compute, true);
	run_steps(&r, others, again);
	r.network.ops->capture(r.network.compute, false);
	assert_true(largest_difference(plain, again, r.manifest.decoder.vocabulary) > 0);
	assert_int_equal(run_steps(&r, ids, again), token);
	assert_memory_equal(again, plain, r.manifest.decoder.vocabulary * sizeof *plain);
	assert_true(r.network.ops->launches(r.network.compute) - begun == 3 * each);
	rig_close(&r);
}

/* -- the definition, in double ---------------------------------------------------------------------------------------------------- */

static double value_of(const struct tensor *t, size_t i)
{
	uint32_t bits = (uint32_t)((const uint16_t *)t->data)[i] << 16;
	float x;

	assert_int_equal(t->type, TENSOR_BF16);
	memcpy(&x, &bits, sizeof x);
	return (double)x;
}

static struct tensor tensor_of(const struct rig *r, uint32_t rows, uint32_t columns, const char *format, uint32_t layer)
{
	uint64_t shape[] = { rows, columns };
	struct tensor t;
	char name[128];

	snprintf(name, sizeof name, format, layer); /* of this file's own literals */
	assert_int_equal(weights_find(r->weights, name, rows ? 2 : 1, rows ? shape : shape + 1, &t, &e), 0);
	return t;
}

/* out [n] (+)= w [n][k] x + bias */
static void multiply(struct tensor w, const struct tensor *bias, const double *x, uint32_t n, uint32_t k, bool add, double *out)
{
	for (uint32_t i = 0; i < n; i++) {
		double sum = bias ? value_of(bias, i) : 0.0;

		for (uint32_t j = 0; j < k; j++)
			sum += value_of(&w, (size_t)i * k + j) * x[j];
		out[i] = add ? out[i] + sum : sum;
	}
}

static void norm(struct tensor w, const double *x, uint32_t n, double eps, double *out)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (uint32_t i = 0; i < n; i++)
		out[i] = x[i] / sqrt(sum / n + eps) * value_of(&w, i);
}

static void turn(double *x, uint32_t heads, uint32_t size, uint32_t position, double theta)
{
	for (uint32_t h = 0; h < heads; h++) {
		for (uint32_t j = 0; j < size / 2; j++) {
			double angle = position * pow(theta, -2.0 * j / size), *low = x + h * size + j, *high = low + size / 2, was = *low;

			*low = was * cos(angle) - *high * sin(angle);
			*high = *high * cos(angle) + was * sin(angle);
		}
	}
}

/* Position `row` of one head over the positions up to itself. */
static void attend_row(const double *q, double k[][WIDTH_MAX], double v[][WIDTH_MAX], uint32_t row, uint32_t at, uint32_t size, double *out)
{
	double weight[TOKENS], sum = 0.0;

	for (uint32_t t = 0; t <= row; t++) {
		double score = 0.0;

		for (uint32_t j = 0; j < size; j++)
			score += q[j] * k[t][at + j];
		sum += weight[t] = exp(score / sqrt(size));
	}
	for (uint32_t j = 0; j < size; j++) {
		out[j] = 0.0;
		for (uint32_t t = 0; t <= row; t++)
			out[j] += weight[t] / sum * v[t][at + j];
	}
}

static void define_layer(const struct rig *r, uint32_t layer, double x[TOKENS][WIDTH_MAX])
{
	static double normed[WIDTH_MAX], q[TOKENS][WIDTH_MAX], k[TOKENS][WIDTH_MAX], v[TOKENS][WIDTH_MAX], up[WIDTH_MAX], gate[WIDTH_MAX];
	const struct manifest_decoder *m = &r->manifest.decoder;
	uint32_t h = m->hidden, g = m->kv_heads * m->head_size, f = m->mlp;
	struct tensor qb = tensor_of(r, 0, h, "model.layers.%u.self_attn.q_proj.bias", layer);
	struct tensor kb = tensor_of(r, 0, g, "model.layers.%u.self_attn.k_proj.bias", layer);
	struct tensor vb = tensor_of(r, 0, g, "model.layers.%u.self_attn.v_proj.bias", layer);

	for (uint32_t t = 0; t < TOKENS; t++) {
		norm(tensor_of(r, 0, h, "model.layers.%u.input_layernorm.weight", layer), x[t], h, m->rms_norm_eps, normed);
		multiply(tensor_of(r, h, h, "model.layers.%u.self_attn.q_proj.weight", layer), &qb, normed, h, h, false, q[t]);
		multiply(tensor_of(r, g, h, "model.layers.%u.self_attn.k_proj.weight", layer), &kb, normed, g, h, false, k[t]);
		multiply(tensor_of(r, g, h, "model.layers.%u.self_attn.v_proj.weight", layer), &vb, normed, g, h, false, v[t]);
		turn(q[t], m->heads, m->head_size, t + 1, m->rope_theta);
		turn(k[t], m->kv_heads, m->head_size, t + 1, m->rope_theta);
	}
	for (uint32_t t = 0; t < TOKENS; t++) {
		for (uint32_t i = 0; i < m->heads; i++)
			attend_row(q[t] + i * m->head_size, k, v, t, i * m->kv_heads / m->heads * m->head_size, m->head_size, normed + i * m->head_size);
		multiply(tensor_of(r, h, h, "model.layers.%u.self_attn.o_proj.weight", layer), NULL, normed, h, h, true, x[t]);
		norm(tensor_of(r, 0, h, "model.layers.%u.post_attention_layernorm.weight", layer), x[t], h, m->rms_norm_eps, normed);
		multiply(tensor_of(r, f, h, "model.layers.%u.mlp.gate_proj.weight", layer), NULL, normed, f, h, false, gate);
		multiply(tensor_of(r, f, h, "model.layers.%u.mlp.up_proj.weight", layer), NULL, normed, f, h, false, up);
		for (uint32_t i = 0; i < f; i++)
			gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
		multiply(tensor_of(r, h, f, "model.layers.%u.mlp.down_proj.weight", layer), NULL, gate, h, f, true, x[t]);
	}
}

static void check_definition(const char *backend)
{
	static double x[TOKENS][WIDTH_MAX], normed[WIDTH_MAX], wanted[VOCABULARY_MAX];
	static float logits[VOCABULARY_MAX];
	int32_t ids[TOKENS];
	struct rig r;

	rig_open(&r, backend, CHECKPOINT, POLICY_FP32);
	const struct manifest_decoder *m = &r.manifest.decoder;
	struct tensor table = tensor_of(&r, m->vocabulary, m->hidden, "model.embed_tokens.weight", 0);

	ids_fill(ids, m->vocabulary);
	for (uint32_t t = 0; t < TOKENS; t++)
		for (uint32_t i = 0; i < m->hidden; i++)
			x[t][i] = value_of(&table, (size_t)ids[t] * m->hidden + i);
	for (uint32_t i = 0; i < m->layers; i++)
		define_layer(&r, i, x);
	norm(tensor_of(&r, 0, m->hidden, "model.norm.weight", 0), x[TOKENS - 1], m->hidden, m->rms_norm_eps, normed);
	multiply(tensor_of(&r, m->vocabulary, m->hidden, "lm_head.weight", 0), NULL, normed, m->vocabulary, m->hidden, false, wanted);
	run(&r, ids, TOKENS, logits);
	for (uint32_t i = 0; i < m->vocabulary; i++)
		assert_true(fabs((double)logits[i] - wanted[i]) < 1e-4);
	rig_close(&r);
}

static void the_logits_are_those_of_the_definition(void **state)
{
	(void)state;
	for (size_t b = 0; b < BACKENDS; b++)
		check_definition(backends[b]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cached_step_equals_a_longer_prefix),
		cmocka_unit_test(captured_steps_are_the_same),
		cmocka_unit_test(the_logits_are_those_of_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
