/* test_policy_tick.c - what dreamvlad's own tick tells the policy of the motion that it is to continue (committed_pos, committed_rotvec):
 * policy_tick and control in closed loop on virtual time, around a stand-in for policy/policy.h that writes down what it is given. */
#include "daemon/policy_tick.h"

#include "daemon/sys/clock.h"
#include "tests/unit/daemon/control_bench.h"

enum { ARMS = 2, ARM_DIM = 7, DIM = ARMS * ARM_DIM };
enum { EE_POS = 0, COMMITTED_POS = 3, COMMITTED_ROTVEC = 6, ARM_STATE = 9 }; /* layout of one arm's state, as make() configures it */
enum { AGE_PERIODS = 4, TURN = 3, TOLD_MAX = 64 };                          /* AGE: 20 ms from light to policy */

/* Width of a token's bin, in units of any action. */
static const double BIN = 0.0001;

struct policy {
	struct policy_info info;
};

/* What one inference was given. */
struct told {
	uint32_t n_actions;
	double state[ARMS * ARM_STATE], measured_m[ARMS][3]; /* measured: what the observation's arms say */
};

static struct {
	struct bench *b;
	struct policy_runner runner;
	struct config config;
	struct stats stats;
	struct arm_state arms[AGE_PERIODS + 1][ARMS_MAX]; /* newest first */
	uint64_t observations;
	int64_t inference_ms;
	double wish[DIM];   /* every action that is not given, */
	uint32_t zigzag;    /* but in these dimensions (bits) there and back, TURN actions each way, and each chunk begins TURN actions later */
	uint32_t n_told;
	struct told told[TOLD_MAX];
} t;

/* ---- the world ------------------------------------------------------------------------------------------------------ */

/* Frames come every period, 20 ms after their light, with the arms' states of then. */
static void observe(void)
{
	static uint8_t pixel[3];
	struct links *l = &t.b->links;
	struct observation *o = &l->observation[l->observation_box.writing];

	memmove(t.arms + 1, t.arms, AGE_PERIODS * sizeof *t.arms);
	memcpy(t.arms, t.b->inputs.arm, sizeof *t.arms);
	*o = (struct observation){ .id = ++t.observations, .t_obs_ns = t.b->now_ns - AGE_PERIODS * PERIOD_NS, .ready_ns = t.b->now_ns,
		.n_cameras = 1, .n_arms = ARMS, .instruction_id = 1, .instruction = "go on" };
	o->frame[0] = (struct camera_frame){ .stamp_ns = o->t_obs_ns, .arrival_ns = o->ready_ns, .seq = o->id, .encoding = ENCODING_RGB8,
		.width = 1, .height = 1, .n_bytes = sizeof pixel, .bytes = pixel };
	memcpy(o->arm, t.arms[AGE_PERIODS], sizeof o->arm);
	if (t.observations > AGE_PERIODS)
		latest_publish(&l->observation_box);
}

static void world_step(void)
{
	t.b->now_ns += PERIOD_NS;
	world_publish(t.b);
	observe();
	control_tick(&t.b->control, t.b->now_ns);
	world_collect(t.b);
}

/* As in the policy thread, an inference may follow another at once: the frames of meanwhile are there. One that is under way at the end
 * is waited for. */
static void live_ms(int64_t ms)
{
	for (int64_t end_ns = t.b->now_ns + ms * MS; t.b->now_ns < end_ns;) {
		uint32_t before = t.n_told;

		policy_tick(&t.runner);
		if (t.n_told == before)
			world_step();
	}
}

static void order(enum command_kind kind)
{
	uint32_t ticket = ++t.b->ticket;

	tell(t.b, (struct command){ .kind = kind, .ticket = ticket, .arm = ALL_ARMS });
	world_step();
	assert_true(t.b->report.recent[ticket % ANSWERS_RECENT].ok);
}

/* ---- daemon/sys/clock.h ---------------------------------------------------------------------------------------------- */

int64_t clock_monotonic_ns(void)
{
	return t.b->now_ns;
}

int64_t clock_realtime_ns(void)
{
	return t.b->now_ns;
}

bool clock_realtime_offset_ns(int64_t *offset_ns)
{
	*offset_ns = 0;
	return true;
}

/* Who sleeps is the policy: everything else goes on meanwhile. */
void clock_sleep_until(int64_t due_ns)
{
	while (t.b->now_ns < due_ns)
		world_step();
}

/* ---- policy/policy.h: whatever is called of it, or the real one would be linked too ------------------------------------- */

int policy_create(struct policy **out, const struct policy_options *options, struct errbuf *e)
{
	static struct policy policy;

	(void)e;
	policy.info = (struct policy_info){ .action_chunk = options->action_chunk, .action_dim = DIM, .state_dim = ARMS * ARM_STATE,
		.needs_state = true, .chooses_tokens = true, .threads = 1, .decoder = "test", .backend = "test", .unnorm_key = "test",
		.ranges = "none", .state_ranges = "none" };
	*out = &policy;
	return 0;
}

void policy_destroy(struct policy *p)
{
	(void)p;
}

const struct policy_info *policy_info(const struct policy *p)
{
	return &p->info;
}

int policy_set_instruction(struct policy *p, const char *text, struct errbuf *e)
{
	(void)p, (void)text, (void)e;
	return 0;
}

uint64_t policy_noise_place(const struct policy *p)
{
	(void)p;
	return 0;
}

void policy_noise_seek(struct policy *p, uint64_t place)
{
	(void)p, (void)place;
}

int policy_quantise(const struct policy *p, const double *action, const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e)
{
	(void)p, (void)e;
	for (uint32_t i = 0; i < DIM; i++) {
		bool kept = prefer && fabs(prefer[i] * BIN - action[i]) <= 0.75 * BIN;

		token[i] = kept ? prefer[i] : (int32_t)lround(action[i] / BIN);
		meant[i] = token[i] * BIN;
	}
	return 0;
}

static void write_down(const struct policy_observation *o)
{
	const struct links *l = &t.b->links;
	struct told *told = &t.told[t.n_told];

	assert_true(t.n_told < TOLD_MAX);
	assert_non_null(o->state);
	t.n_told++;
	told->n_actions = o->n_committed / DIM;
	memcpy(told->state, o->state, sizeof told->state);
	for (uint32_t a = 0; a < ARMS; a++)
		memcpy(told->measured_m[a], l->observation[l->observation_box.reading].arm[a].ee.p_m, sizeof told->measured_m[a]);
}

int policy_warm_up(struct policy *p, const struct policy_observation *o, bool every_instruction, struct policy_result *result, struct errbuf *e)
{
	(void)p, (void)o, (void)every_instruction, (void)e;
	*result = (struct policy_result){ .lost = false };
	return 0;
}

static double wish(uint32_t step, uint32_t k)
{
	bool back = t.zigzag >> k & 1 && (t.n_told + step / TURN) % 2;

	return back ? -t.wish[k] : t.wish[k];
}

int policy_infer(struct policy *p, const struct policy_observation *o, struct policy_result *result, const struct policy_tracer *tracer,
		struct errbuf *e)
{
	(void)tracer, (void)e;
	write_down(o);
	for (uint32_t i = 0; i < p->info.action_chunk * DIM; i++) {
		result->token[i] = i < o->n_committed ? o->committed[i] : (int32_t)lround(wish(i / DIM, i % DIM) / BIN);
		result->action[i] = result->token[i] * BIN;
	}
	clock_sleep_until(t.b->now_ns + t.inference_ms * MS);
	return 0;
}

/* ---- set-up ----------------------------------------------------------------------------------------------------------- */

/* Two arms with chunks of 8 actions of 100 ms, of which 4 are to be executed; each arm goes and turns its own way. */
static int make(void **state)
{
	static const double left[ARM_DIM] = { 0, 0.010, 0, 0, 0, 0.020, 1 }, right[ARM_DIM] = { 0, 0, 0.004, 0.006, 0, 0, 1 };
	static const char *const items[] = { "ee_pos", "committed_pos", "committed_rotvec" };

	(void)state;
	memset(&t, 0, sizeof t);
	t.b = bench_two_arms();
	t.b->setup.method = EXECUTE_INPAINT;
	t.b->setup.execution_steps = 4;
	t.inference_ms = 210;
	memcpy(t.wish, left, sizeof left);
	memcpy(t.wish + ARM_DIM, right, sizeof right);
	config_defaults(&t.config);
	t.config.policy_action_chunk = CHUNK;
	for (uint32_t i = 0; i < 3; i++)
		strcpy(t.config.policy_proprio.name[t.config.policy_proprio.n++], items[i]);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	policy_runner_finish(&t.runner);
	free(t.b);
	return 0;
}

static void into_auto(void)
{
	struct errbuf e;

	bench_start(t.b);
	if (policy_runner_init(&t.runner, &t.config, &t.b->setup, &t.b->links, &t.stats, &e) < 0)
		fail_msg("%s", e.text);
	live_ms(800);
	expect_mode(t.b, MODE_READY, REASON_NONE);
	order(COMMAND_MODE_AUTO);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void expect_near(const struct told *told, uint32_t first, const double want[3], double near)
{
	for (uint32_t k = 0; k < 3; k++)
		if (!(fabs(told->state[first + k] - want[k]) <= near))
			fail_msg("inference %d: state[%u] is %.9f, want %.9f", (int)(told - t.told), first + k, told->state[first + k], want[k]);
}

/* Where both arms were when the picture was taken, and how far so many settled actions lead from there. */
static void expect_lead(const struct told *told, uint32_t actions, const double pos_m[ARMS][3], const double turn_rad[ARMS][3], double near)
{
	assert_int_equal(told->n_actions, actions);
	for (uint32_t a = 0; a < ARMS; a++) {
		expect_near(told, a * ARM_STATE + EE_POS, told->measured_m[a], 0.0);
		expect_near(told, a * ARM_STATE + COMMITTED_POS, pos_m[a], near);
		expect_near(told, a * ARM_STATE + COMMITTED_ROTVEC, turn_rad[a], near);
	}
}

static void expect_nowhere(const struct told *told)
{
	static const double nowhere[ARMS][3];

	expect_lead(told, 0, nowhere, nowhere, 0.0);
}

static double gone_m(const struct told *from, const struct told *to)
{
	return fabs(to->state[EE_POS + 1] - from->state[EE_POS + 1]);
}

struct steady {
	int64_t inference_ms, playout_ms;
	double speed;
	uint32_t actions;
	double pos_m[ARMS][3], turn_rad[ARMS][3];
};

static void expect_steady(const struct steady *row)
{
	t.inference_ms = row->inference_ms;
	t.b->setup.speed_default = row->speed;
	t.b->setup.arm[0].playout_ns = t.b->setup.arm[1].playout_ns = row->playout_ms * MS;
	into_auto();
	live_ms(1500);
	uint32_t from = t.n_told;

	live_ms(1500);
	assert_true(t.n_told >= from + 3);
	for (uint32_t k = from; k < t.n_told; k++)
		expect_lead(&t.told[k], row->actions, row->pos_m, row->turn_rad, 1e-9);
}

/* Settled is what has begun when the chunk arrives: inference, 20 ms of picture and play-out, in actions of 100 ms of path time. */
static void a_steady_motion_leads_as_far_as_its_actions(void **state)
{
	static const struct steady rows[] = {
		{ 60, 10, 1.0, 1, { { 0, 0.01, 0 }, { 0, 0, 0.004 } }, { { 0, 0, 0.02 }, { 0.006, 0, 0 } } },  /* 0.9 */
		{ 210, 10, 1.0, 3, { { 0, 0.03, 0 }, { 0, 0, 0.012 } }, { { 0, 0, 0.06 }, { 0.018, 0, 0 } } }, /* 2.4 */
		{ 300, 10, 1.0, 4, { { 0, 0.04, 0 }, { 0, 0, 0.016 } }, { { 0, 0, 0.08 }, { 0.024, 0, 0 } } }, /* 3.3 */
		{ 210, 80, 1.0, 4, { { 0, 0.04, 0 }, { 0, 0, 0.016 } }, { { 0, 0, 0.08 }, { 0.024, 0, 0 } } }, /* 3.1 */
		{ 210, 10, 0.4, 1, { { 0, 0.01, 0 }, { 0, 0, 0.004 } }, { { 0, 0, 0.02 }, { 0.006, 0, 0 } } }, /* 0.96 */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		(void)make(state);
		expect_steady(&rows[i]);
		(void)unmake(state);
	}
}

/* From t_obs to t_obs are 300 ms: 500 to be executed, less the latency of 180 and the picture's age. So 3 actions of the running chunk have been
 * executed, and the fourth and fifth are settled: the first two behind its turn. Its own first two, or those of any chunk before the
 * last, have the other sign. */
static void a_chunk_that_is_partly_executed_leads_on_by_what_is_next(void **state)
{
	static const double wish[DIM] = { 0, 0.006, 0.004, 0.008, 0, 0, 1, 0.003, 0, -0.004, 0, 0.008, 0, 1 };
	const double near = 0.0005; /* m, rad: bins, and what the arms make of a corner */

	(void)state;
	t.inference_ms = 160;
	t.b->setup.execution_steps = 5;
	memcpy(t.wish, wish, sizeof wish);
	t.zigzag = 1u << 2 | 1u << 3 | 1u << 9 | 1u << 11;
	into_auto();
	live_ms(2000);
	uint32_t from = t.n_told;

	live_ms(2000);
	assert_true(t.n_told >= from + 5);
	for (uint32_t k = from; k < t.n_told; k++) {
		double sign = k % 2 ? 1.0 : -1.0; /* of the way that inference k itself would begin with */
		const double pos_m[ARMS][3] = { { 0, 0.012, 0.008 * sign }, { 0.006, 0, -0.008 * sign } };
		const double turn_rad[ARMS][3] = { { 0.016 * sign, 0, 0 }, { 0, 0.016 * sign, 0 } };

		expect_lead(&t.told[k], 2, pos_m, turn_rad, near);
	}
}

static void where_no_chunk_runs_nothing_leads_anywhere(void **state)
{
	(void)state;
	into_auto();
	uint32_t ready = t.n_told;

	assert_true(ready > 0);
	live_ms(1500);
	for (uint32_t k = 0; k < ready; k++)
		expect_nowhere(&t.told[k]);
	assert_true(t.told[t.n_told - 1].n_actions > 0);
	order(COMMAND_STOP);
	uint32_t held = t.n_told;

	live_ms(1500);
	assert_true(t.n_told >= held + 2);
	for (uint32_t k = held; k < t.n_told; k++)
		expect_nowhere(&t.told[k]);
}

static void other_methods_settle_nothing(void **state)
{
	static const enum execution_method methods[] = { EXECUTE_SYNC, EXECUTE_ASYNC, EXECUTE_ENSEMBLE };

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		(void)make(state);
		t.b->setup.method = methods[i];
		into_auto();
		live_ms(3000);
		for (uint32_t k = 0; k < t.n_told; k++)
			expect_nowhere(&t.told[k]);
		assert_true(gone_m(&t.told[0], &t.told[t.n_told - 1]) > 0.05);
		(void)unmake(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_motion_leads_as_far_as_its_actions),
		cmocka_unit_test_setup_teardown(a_chunk_that_is_partly_executed_leads_on_by_what_is_next, make, unmake),
		cmocka_unit_test_setup_teardown(where_no_chunk_runs_nothing_leads_anywhere, make, unmake),
		cmocka_unit_test(other_methods_settle_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
