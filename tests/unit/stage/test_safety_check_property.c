/* test_safety_check_property.c - streams that nobody should send, at the arm: what is accepted never adds up to more than the
 * limits allow, and ends neither outside the workspace nor below the floor.
 *
 * The bounds are of this file's own: between any two accepted targets of one stream, however far apart, a joint moves no further
 * than its velocity limit (1 % is forgiven) and twice what one target may be off (0.01 rad) allow.
 * SAFETY_PROPERTY_STEPS=N: so many targets (default 100,000). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/safety.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

static uint64_t seed = 88172645463325252u;

static double uniform(double low, double high)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

static bool chance(double p)
{
	return uniform(0.0, 1.0) < p;
}

enum liar { STEPS_SIDEWAYS, TOO_FAST, RAMPS, VELOCITY_LIES, TREMBLES, ODD_TIMES, NONSENSE, LIARS };

/* A target after `at` that moves as this kind of liar does; times advance mostly. */
static void lie(enum liar kind, uint32_t k, const struct robot_model *m, struct driver_target *at)
{
	double dt = chance(0.1) ? uniform(0.0005, 0.05) : 0.005;

	for (uint32_t i = 0; i < m->dof; i++) {
		double v = uniform(0.9, 1.2) * m->dq_max_rad_s[i] * ((k / 200 + i) % 2 ? 1.0 : -1.0);

		switch (kind) {
		case STEPS_SIDEWAYS:
			at->q_rad[i] += chance(0.05) ? uniform(-0.012, 0.012) : 0.0;
			at->dq_rad_s[i] = 0.0;
			break;
		case TOO_FAST:
			at->q_rad[i] += v * dt;
			at->dq_rad_s[i] = v;
			break;
		case RAMPS: {
			double next = fmin(fmax(at->dq_rad_s[i] + uniform(-0.2, 1.2) * m->ddq_max_rad_s2[i] * dt * ((k / 100) % 2 ? 1.0 : -1.0), -1.1 * fabs(v)), 1.1 * fabs(v));

			at->q_rad[i] += (at->dq_rad_s[i] + next) / 2.0 * dt;
			at->dq_rad_s[i] = next;
			break;
		}
		case VELOCITY_LIES:
			at->q_rad[i] += 0.1 * v * dt;
			at->dq_rad_s[i] = uniform(-0.2, 0.2) * v;
			break;
		case TREMBLES:
			at->q_rad[i] += uniform(-1.0, 1.0) * 0.003;
			at->dq_rad_s[i] = uniform(-0.5, 0.5);
			break;
		case ODD_TIMES:
			at->q_rad[i] += uniform(-0.2, 0.3) * dt;
			break;
		case NONSENSE:
			at->q_rad[i] += chance(0.01) ? NAN : 0.0;
			at->dq_rad_s[i] = chance(0.01) ? INFINITY : 0.0;
			break;
		case LIARS:
			break;
		}
	}
	at->t_ns += kind == ODD_TIMES && chance(0.1) ? (int64_t)uniform(-2e7, 2e8) : (int64_t)(dt * 1e9);
}

/* One stream from its first target to a refusal: a look at some of the targets that were accepted. */
enum { KEPT = 64 };
struct stream {
	uint32_t n;
	int64_t t_ns[KEPT];
	double q_rad[KEPT][DOF_MAX];
};

static void judge(const struct stream *s, const struct robot_model *m, const struct driver_target *t)
{
	for (uint32_t k = 0; k < s->n; k++)
		for (uint32_t i = 0; i < m->dof; i++) {
			double passed_s = (double)(t->t_ns - s->t_ns[k]) * 1e-9;

			assert_true(passed_s > 0.0);
			assert_true(fabs(t->q_rad[i] - s->q_rad[k][i]) <= 1.0101 * m->dq_max_rad_s[i] * passed_s + 0.0201);
		}
}

static void keep(struct stream *s, const struct driver_target *t)
{
	uint32_t slot = s->n < KEPT ? s->n++ : (uint32_t)uniform(0.0, KEPT);

	s->t_ns[slot] = t->t_ns;
	memcpy(s->q_rad[slot], t->q_rad, sizeof s->q_rad[slot]);
}

static uint32_t lie_for(const char *name, enum liar kind, uint32_t steps)
{
	struct arm_setup arm = { .tcp = pose_identity, .limit_scale = 1.0, .box_min_m = { -0.3, -0.4, 0.1 }, .box_max_m = { 0.7, 0.4, 0.8 },
		.floor_m = 0.02, .model = *robot_model_find(name) };
	struct driver_target t = { 0 };
	double q_d[DOF_MAX] = { 0 };
	struct stream s = { 0 };
	struct safety_check c;
	uint32_t accepted = 0;
	int64_t last_ns = 0;

	memcpy(q_d, arm.model.home_rad, sizeof q_d);
	memcpy(t.q_rad, q_d, sizeof q_d);
	t.t_ns = 1000000000;
	safety_check_init(&c, &arm);
	for (uint32_t k = 0; k < steps; k++) {
		struct safety_finding f = safety_check_target(&c, &t, q_d);

		if (f.refused) { /* somebody brings the arm home, and a new stream begins */
			assert_true(f.exceeded != 0 && !c.running);
			s.n = 0;
			memcpy(q_d, arm.model.home_rad, sizeof q_d);
			memcpy(t.q_rad, q_d, sizeof q_d);
			memset(t.dq_rad_s, 0, sizeof t.dq_rad_s);
			t.t_ns += 1000000000;
			continue;
		}
		accepted++;
		if (t.t_ns - last_ns > SAFETY_GAP_NS) /* a first target again */
			s.n = 0;
		last_ns = t.t_ns;
		judge(&s, &arm.model, &t);
		keep(&s, &t);
		for (uint32_t i = 0; i < arm.model.dof; i++)
			assert_true(t.q_rad[i] >= arm.model.q_min_rad[i] - 0.0101 && t.q_rad[i] <= arm.model.q_max_rad[i] + 0.0101);
		double outside_m[SAFETY_EDGES];

		for (uint32_t e = safety_edges(&arm, t.q_rad, outside_m); e-- > 0;)
			assert_true(outside_m[e] <= 1.01e-4);
		memcpy(q_d, t.q_rad, sizeof q_d);
		lie(kind, k, &arm.model, &t);
	}
	return accepted;
}

static void lies_do_not_add_up(void **state)
{
	static const char *const names[] = { "panda", "fr3", "fr3_5.9", "piper", "piper_1.6-2" };
	const char *text = getenv("SAFETY_PROPERTY_STEPS");
	uint64_t wanted = text ? strtoull(text, NULL, 10) : 100000, each = wanted / (5 * LIARS) + 1, accepted = 0;

	(void)state;
	for (int m = 0; m < 5; m++)
		for (int k = 0; k < LIARS; k++)
			accepted += lie_for(names[m], (enum liar)k, (uint32_t)each);
	assert_true(accepted > wanted / 20); /* else nothing was tested */
	print_message("%llu of %llu targets accepted\n", (unsigned long long)accepted, (unsigned long long)(each * 5 * LIARS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies_do_not_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
