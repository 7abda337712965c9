/* test_arm_follows.c - what dreamvlad's safety stage makes, joints or poses, dreamvla-arm takes: nothing is refused, and what it then
 * commands is the planned motion. */
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/setup/pose_plan.h"
#include "tests/unit/robots/arm_bench.h"

enum { LEAD_PERIODS = 2, SECONDS = 12 };

static int period_ms = 5;

/* Motions of the TCP as a policy or a person makes them: a twist for a while, the way back, a rest; around home, because what a
 * singular posture does to inverse kinematics is another matter. Solved as trajectory.c does. */
struct motions {
	struct setpoint want;
	struct pose home;
	double twist[6], wish[6];
};

static double chance(uint32_t *r)
{
	return (double)(random_u32(r) % 20001) * 1e-4 - 1.0;
}

static void wish_twist(const struct arm_setup *plan, const struct safety *s, struct motions *m, uint32_t *r, int k)
{
	double dt = period_ms * 1e-3, away[6], q[DOF_MAX], dq[DOF_MAX], drift[DOF_MAX] = { 0 }, wish[DOF_MAX];
	struct ik ik;

	for (int i = 0; i < 6 && k % 160 == 0; i++)
		m->wish[i] = k / 160 % 3 == 0 ? chance(r) * (i < 3 ? 0.15 : 0.3) : k / 160 % 3 == 1 ? -m->wish[i] : 0.0;
	pose_difference(&m->home, &s->ee, away);
	for (int i = 0; i < 6; i++)
		m->twist[i] += fmin(fmax(m->wish[i] - 0.5 * away[i] - m->twist[i], -0.5 * dt), 0.5 * dt);
	for (uint32_t i = 0; i < DOF_MAX; i++)
		q[i] = s->joint[i].q;
	ik_prepare(&ik, &plan->model, &plan->tcp, q);
	ik_solve(&ik, m->twist, dq);
	ik_posture_wish(&plan->model, plan->home_rad, q, wish);
	ik_null_space(&ik, wish, drift);
	m->want = (struct setpoint){ .active = true, .source = TARGET_POLICY };
	for (uint32_t i = 0; i < plan->model.dof; i++) {
		m->want.dq_rad_s[i] = dq[i] + 0.3 * drift[i];
		m->want.q_rad[i] = q[i] + dt * m->want.dq_rad_s[i];
	}
}

/* Joints anywhere near home, as fast as the limits let them. */
static void wish_joints(const struct arm_setup *plan, struct motions *m, uint32_t *r, int k)
{
	m->want.active = k % 700 < 600;
	m->want.source = TARGET_HOME;
	for (uint32_t i = 0; i < plan->model.dof && k % 150 == 0; i++)
		m->want.q_rad[i] = plan->home_rad[i] + 0.5 * chance(r);
}

struct followed {
	double joint_rad, tcp_m, tcp_rad; /* the largest differences of what is commanded from what was planned for that moment */
};

static void compare(const struct bench *b, const struct driver_target *due, struct followed *f)
{
	double apart[6];
	struct pose at;

	kinematics_forward(&b->setup.model, &b->setup.tcp, b->command.q_rad, &at);
	pose_difference(&at, &due->ee, apart);
	f->tcp_m = fmax(f->tcp_m, vec3_norm(apart));
	f->tcp_rad = fmax(f->tcp_rad, vec3_norm(apart + 3));
	for (uint32_t j = 0; j < b->setup.model.dof; j++)
		f->joint_rad = fmax(f->joint_rad, fabs(b->command.q_rad[j] - due->q_rad[j]));
}

static void send_target(struct bench *b, const struct driver_target *d, bool pose)
{
	struct arm_target t = { .from = ME, .seq = ++b->seq, .arrival_ns = b->now_ns, .target = *d };

	if (pose) { /* as it comes from the wire */
		memset(t.target.q_rad, 0, sizeof t.target.q_rad);
		memset(t.target.dq_rad_s, 0, sizeof t.target.dq_rad_s);
	} else {
		t.target.ee = (struct pose){ 0 };
		t.target.twist = (struct twist){ 0 };
	}
	send(b, t);
}

static void nothing_refused(const struct bench *b, double scale, bool joints)
{
	struct arm_report r = report(b);
	char text[256];

	arm_refusal_text(&r.refusal, text, sizeof text);
	if (r.counters.refused)
		fail_msg("%s, scale %g, %s: %s (seq %u)", b->setup.model.name, scale, joints ? "joints" : "twists", text, (unsigned)r.refusal.seq);
}

static struct followed run(const char *model, double scale, bool pose, bool joints, bool losses)
{
	struct bench b;
	struct motions m = { 0 };
	struct driver_target t[LEAD_PERIODS + 1] = { 0 };
	struct followed f = { 0 };
	struct arm_setup plan;
	struct safety s;
	uint32_t r = 3, lost = 0;

	make_bench_of(&b, model, scale);
	b.setup.output = pose ? OUTPUT_POSE : OUTPUT_JOINT;
	plan = b.setup;
	if (pose)
		(void)pose_plan(&plan);
	safety_init(&s, &plan, period_ms * MS);
	assert_true(safety_seed(&s, plan.home_rad));
	m.home = s.ee;
	memcpy(m.want.q_rad, plan.home_rad, sizeof m.want.q_rad);
	for (int k = 0; k < SECONDS * 1000 / period_ms; k++) {
		struct safety_stamp at = { .t_ns = b.now_ns + LEAD_PERIODS * period_ms * MS, .valid_for_ns = 20 * MS };

		if (k < 10)
			; /* stands, as after every seed */
		else if (joints)
			wish_joints(&plan, &m, &r, k);
		else
			wish_twist(&plan, &s, &m, &r, k);
		memmove(t + 1, t, LEAD_PERIODS * sizeof *t);
		safety_step(&s, &m.want, &at, &t[0]);
		lost = losses && k > 0 && lost < 1 && random_u32(&r) % 8 == 0 ? lost + 1 : 0;
		if (k > 10 * LEAD_PERIODS)
			compare(&b, &t[LEAD_PERIODS], &f);
		if (!lost)
			send_target(&b, &t[0], pose);
		ticks(&b, period_ms);
		nothing_refused(&b, scale, joints);
	}
	struct arm_report end = report(&b);

	assert_int_equal(end.counters.underruns, 0);
	assert_int_equal(end.counters.limits_exceeded, 0);
	assert_true(end.counters.velocity_peak <= 1 && end.counters.acceleration_peak <= 1);
	assert_true(end.counters.accepted == b.seq && end.counters.tcp_path_m > 0.2);
	return f;
}

static const char *const models[] = { "panda", "fr3", "fr3_5.9", "piper" };

static void test_joints(void **state)
{
	(void)state;
	for (int m = 0; m < 4; m++)
		for (int k = 0; k < 3; k++) { /* at the full limits a lost target may make the way to the next one too steep */
			struct followed f = run(models[m], k & 1 ? 1.0 : 0.25, false, true, k & 2);

			assert_true(f.joint_rad < 1e-3);
		}
}

static void test_joints_at_other_rates(void **state)
{
	const int periods_ms[] = { 2, 10, 20 };

	(void)state;
	for (int i = 0; i < 3; i++)
		for (int m = 0; m < 4; m++) {
			period_ms = periods_ms[i];
			(void)run(models[m], 1.0, false, true, false);
		}
	period_ms = 5;
}

/* Six axes have no choice: the joints are the planned ones, even in motions that are planned in joints. */
static void test_poses_of_six_axes(void **state)
{
	(void)state;
	for (int k = 0; k < 8; k++) {
		struct followed f = run("piper", k & 1 ? 1.0 : 0.25, true, k & 4, k & 2);

		assert_true(f.tcp_m < 1e-4 && f.tcp_rad < 1e-3 && f.joint_rad < 2e-3);
	}
}

/* Seven axes: motions of the TCP keep nearly the same elbow on both sides. */
static void test_poses_of_seven_axes(void **state)
{
	(void)state;
	for (int m = 0; m < 3; m++)
		for (int k = 0; k < 4; k++) {
			struct followed f = run(models[m], k & 1 ? 1.0 : 0.25, true, false, k & 2);

			assert_true(f.tcp_m < 1e-4 && f.tcp_rad < 1e-3 && f.joint_rad < 0.05);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joints),
		cmocka_unit_test(test_joints_at_other_rates),
		cmocka_unit_test(test_poses_of_six_axes),
		cmocka_unit_test(test_poses_of_seven_axes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
