/* control_tick.c - the whole path of one period, top to bottom; see control_tick.h. */
#include "daemon/control_tick.h"

#include <math.h>
#include <string.h>

#include "daemon/control_arm.h"
#include "daemon/control_hint.h"
#include "daemon/control_mode.h"
#include "daemon/control_record.h"
#include "daemon/control_teleop.h"
#include "daemon/control_watch.h"

/* The speed scale ramps over its whole range in this time. */
static const double speed_ramp_s = 0.5;
/* The arms lag behind their references: path time slows down from the first to the second of these. */
static const double lag_slow_rad = 0.02, lag_stop_rad = 0.10;
static const double miss_slow_m = 0.01, miss_stop_m = 0.05;
static const double short_slow = 0.15, short_stop = 0.60; /* of the path's direction */
static const double hindered = 0.9;
static const int64_t hindered_ns = 1000000000;
/* More periods than this were no short delay; the arms have braked by themselves long before. */
static const int64_t periods_most = 64;
static const int64_t overflow_ns = 100000000;
static const int64_t limit_quiet_ns = 1000000000;

const char *control_setup_problem(const struct control_setup *s)
{
	if (s->n_arms == 0 || s->n_arms > ARMS_MAX || s->n_cameras > CAMERAS_MAX)
		return "robots: want 1 to 4 arms, and at most 4 cameras";
	if (s->period_ns <= 0 || s->action_dt_ns <= 0)
		return "control.rate_hz and policy.action_hz: want more than 0";
	bool joints = s->action_space == ACTION_JOINT_DELTA || s->action_space == ACTION_JOINT_ABSOLUTE;

	for (uint32_t i = 0; i < s->n_arms; i++) {
		const struct arm_setup *a = &s->arm[i];
		uint32_t need = (joints ? a->model.dof : 6) + (a->has_gripper ? 1 : 0);

		if (a->action_count < need || a->action_first + a->action_count > s->action_dim || s->action_dim > ACTION_DIM_MAX)
			return "robots[].action_dims: too few for the action space and the gripper, or more than the policy has";
		if (a->output == OUTPUT_POSE && joints)
			return "robots[].output: pose, but policy.action_space has joints, which the arm's own inverse kinematics would choose: "
			       "want output: joint";
		if (!(a->limit_scale > 0.0))
			return "robots[].limit_scale: want more than 0";
	}
	return NULL;
}

void control_init(struct control *c, const struct control_setup *setup, struct links *links)
{
	memset(c, 0, sizeof *c);
	c->setup = *setup;
	c->links = links;
	c->state_given = atomic_load_explicit(&links->state_wanted, memory_order_acquire); /* the beginning needs no record */
	c->mode = MODE_BOOT;
	c->reason = REASON_STARTING;
	c->epoch = 1;
	c->speed = c->speed_wish = setup->speed_default;
	c->was_standing = true;
	trajectory_init(&c->trajectory, &c->setup);
	arbiter_init(&c->arbiter, &c->setup);
	teleop_init(&c->teleop, setup->teleop_timeout_ns);
	c->stop_ns = INT64_MIN / 2;
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++)
		c->teleop_refused_ns[i] = INT64_MIN / 2;
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		safety_init(&c->safety[i], &c->setup.arm[i], c->setup.period_ns);
		safety_init(&c->shadow[i], &c->setup.arm[i], c->setup.period_ns);
	}
}

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

static void learn_latency(struct control *c)
{
	int64_t latency_ns = c->chunk->handed_over_ns - c->chunk->t_obs_ns;

	c->usual_ns = c->latencies.n > 0 ? latency_usual_ns(&c->latencies) : latency_ns;
	latency_push(&c->latencies, latency_ns);
}

static void take_inputs(struct control *c)
{
	struct links *l = c->links;

	c->took_inputs = latest_refresh(&l->inputs_box);
	c->took_policy = latest_refresh(&l->policy_box);
	c->took_chunk = latest_refresh(&l->chunk_box);
	if (c->took_inputs) {
		c->inputs = l->inputs[l->inputs_box.reading];
		c->has_inputs = true;
	}
	if (c->took_policy)
		c->policy = l->policy[l->policy_box.reading];
	if (c->took_chunk) {
		c->chunk = &l->chunk[l->chunk_box.reading];
		c->chunk_new = true;
		learn_latency(c);
	}
	if (c->inputs.instruction_id != c->instruction_id) {
		c->instruction_id = c->inputs.instruction_id;
		c->instruction_ns = c->now_ns;
		control_event(c, EVENT_INSTRUCTION, REASON_INSTRUCTION_NEW, 0, 0.0, 0.0);
	}
}

/* ---- chunks ------------------------------------------------------------------------------------------------------- */

static void drop_chunk(struct control *c, enum reason why)
{
	c->report.chunks_dropped++;
	control_event(c, EVENT_CHUNK_DROPPED, why, 0, (double)c->chunk->id, (double)(c->now_ns - c->chunk->t_obs_ns) * 1e-6);
}

static bool all_seeded(const struct control *c)
{
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (!c->safety[i].seeded)
			return false;
	return true;
}

/* SHADOW starts every chunk anew from where the standing arms are. */
static bool adopt_shadow(struct control *c)
{
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		double q[DOF_MAX];

		for (uint32_t j = 0; j < DOF_MAX; j++)
			q[j] = c->safety[i].joint[j].q;
		if (!safety_seed(&c->shadow[i], q))
			return false;
	}
	trajectory_drop(&c->trajectory);
	return trajectory_adopt(&c->trajectory, c->chunk, &c->past, c->shadow, true);
}

static enum reason why_not(const struct control *c)
{
	static const enum reason by_verdict[] = {
		[CHUNK_GOOD] = REASON_NONE,
		[CHUNK_OTHER_EPOCH] = REASON_CHUNK_OTHER_EPOCH,
		[CHUNK_OTHER_INSTRUCTION] = REASON_CHUNK_OTHER_INSTRUCTION,
		[CHUNK_TOO_EARLY] = REASON_CHUNK_TOO_EARLY,
		[CHUNK_OLD] = REASON_CHUNK_OLD,
		[CHUNK_NOT_FINITE] = REASON_CHUNK_NOT_FINITE,
		[CHUNK_WRONG_SHAPE] = REASON_CHUNK_WRONG_SHAPE,
	};
	struct chunk_rules rules = control_chunk_rules(c);
	bool busy = c->setup.method == EXECUTE_SYNC && !trajectory_ran_out(&c->trajectory);

	return busy || !all_seeded(c) ? REASON_CHUNK_TOO_EARLY : by_verdict[chunk_judge(c->chunk, &rules)];
}

static void adopt_chunk(struct control *c)
{
	if (!c->chunk_new || !control_runs_policy(c))
		return;
	enum reason why = why_not(c);

	c->chunk_new = false;
	if (why == REASON_CHUNK_NOT_FINITE)
		reasons_add(&c->latched, why, 0, (double)c->chunk->id, 0.0);
	if (why == REASON_NONE && !(c->mode == MODE_SHADOW ? adopt_shadow(c)
				    : trajectory_adopt(&c->trajectory, c->chunk, &c->past, c->safety, false)))
		why = REASON_CHUNK_PASSED;
	if (why != REASON_NONE) {
		drop_chunk(c, why);
		return;
	}
	if (c->setup.method == EXECUTE_SYNC)
		c->after_ns = INT64_MAX; /* until the arms stand again, see settle */
	c->report.chunks_adopted++;
	c->chunk_first = true;
	c->origin = (struct chunk_origin){ c->chunk->observation, c->chunk->t_obs_ns, c->chunk->received_ns, c->chunk->handed_over_ns,
		c->chunk->frame_from, c->chunk->frame_seq };
}

/* ---- motion ------------------------------------------------------------------------------------------------------- */

/* The chunk of an old instruction may play a little longer. */
static bool instruction_expired(const struct control *c)
{
	return c->trajectory.active && c->trajectory.instruction_id != c->instruction_id &&
			c->now_ns - c->instruction_ns > c->setup.old_instruction_ns;
}

/* Nothing more will come of the path: it has run to its end, or stands where its instruction expired or an arm
 * was lost. */
static bool path_ended(const struct control *c)
{
	bool ends_early = instruction_expired(c) || !all_seeded(c);

	return trajectory_ran_out(&c->trajectory) || (ends_early && trajectory_standing(&c->trajectory));
}

static double path_rate(struct control *c)
{
	double most = (double)c->setup.period_ns * 1e-9 / speed_ramp_s;

	c->speed += fmin(fmax(c->speed_wish - c->speed, -most), most);
	if (!control_runs_policy(c) || instruction_expired(c) || !all_seeded(c))
		return 0.0;
	return c->speed * (1.0 - c->hindrance);
}

static double share_between(double x, double low, double high)
{
	if (x <= low)
		return 0.0;
	return x < high ? (x - low) / (high - low) : 1.0; /* NaN: 1 */
}

/* How far an arm is behind its reference, from 0 to 1. NaN hinders. */
static double hindrance_of(struct control *c, const struct setpoint *want, const struct safety *s, uint32_t i)
{
	double lag = 0.0;

	c->lag_rad[i] = 0.0;
	if (!want->active || !s->seeded)
		return 0.0;
	for (uint32_t j = 0; j < c->setup.arm[i].model.dof; j++) {
		double apart = fabs(want->q_rad[j] - s->joint[j].q);

		if (!(apart <= lag) && !isnan(lag)) /* the first NaN stays */
			lag = apart;
	}
	c->lag_rad[i] = lag;
	const struct path *p = &c->trajectory.arm[i];

	return fmax(fmax(share_between(lag, lag_slow_rad, lag_stop_rad), share_between(p->error.m, miss_slow_m, miss_stop_m)),
			share_between(p->shortfall, short_slow, short_stop));
}

/* An arm along an edge touches it again and again: that is one edge in the record, until it has kept off for a while. */
static void tell_limit(struct control *c, uint32_t i, uint32_t mask)
{
	if (!(mask & (LIMIT_WORKSPACE | LIMIT_FLOOR | LIMIT_TCP_SPEED)))
		return;
	if (c->arm[i].limited_ns == 0 || c->now_ns - c->arm[i].limited_ns > limit_quiet_ns)
		control_event(c, EVENT_LIMIT, REASON_LIMITED, i, 0.0, 0.0);
	c->arm[i].limited_ns = c->now_ns;
}

static void limit_arm(struct control *c, uint32_t i, const struct setpoint *want, int64_t due_ns)
{
	const struct setpoint still = { 0 };
	bool shadow = c->mode == MODE_SHADOW;
	struct safety_stamp at = { i, due_ns, c->now_ns, c->setup.valid_for_ns, c->epoch };
	uint32_t mask = safety_step(&c->safety[i], shadow ? &still : want, &at, &c->target[i]);

	c->shadow_target[i].valid = false;
	if (shadow)
		mask |= safety_step(&c->shadow[i], want, &at, &c->shadow_target[i]);
	c->shadow_target[i].shadow = true;
	if (mask & LIMIT_NOT_FINITE)
		reasons_add(&c->arm[i].latched, REASON_TARGET_NOT_FINITE, i, 0.0, 0.0);
	c->report.clamps += mask != 0;
	c->report.limit_stops += (mask & (LIMIT_WORKSPACE | LIMIT_FLOOR)) && !(c->clamped[i] & (LIMIT_WORKSPACE | LIMIT_FLOOR));
	c->clamped[i] = mask;
	tell_limit(c, i, mask);
}

static void remember(struct control *c, int64_t due_ns)
{
	struct past_entry e = { .t_ns = due_ns, .path_s = c->trajectory.clock.q };

	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		for (uint32_t j = 0; j < DOF_MAX; j++)
			e.q_rad[i][j] = c->safety[i].joint[j].q;
		e.gripper_m[i] = c->safety[i].has_gripper ? c->safety[i].gripper_m : (double)NAN;
	}
	past_push(&c->past, &e);
}

/* One control period of motion: path -> who drives -> limits. */
static void move_once(struct control *c, int64_t due_ns)
{
	struct setpoint planned[ARMS_MAX], chosen[ARMS_MAX];
	double worst = 0.0;

	c->path_rate = path_rate(c);
	trajectory_step(&c->trajectory, c->path_rate, due_ns, planned);
	arbiter_step(&c->arbiter, planned, c->speed, chosen);
	control_steer(c, chosen);
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		const struct safety *s = c->mode == MODE_SHADOW ? &c->shadow[i] : &c->safety[i];

		limit_arm(c, i, &chosen[i], due_ns);
		worst = fmax(worst, hindrance_of(c, &planned[i], s, i));
	}
	c->hindrance = c->trajectory.active ? worst : 0.0;
	remember(c, due_ns);
}

/* Once the path's clock stands, nothing of the path is left: an arm that cannot reach its end (an edge, a limit) brakes where it is
 * instead of creeping towards it for ever. When stopping, arms that stand need no path any more, however long its clock would run
 * on. What was observed before the arms stood is of no use. */
static void settle(struct control *c, int64_t due_ns)
{
	bool standing = control_standing(c);

	if (control_runs_policy(c) ? trajectory_standing(&c->trajectory) && path_ended(c) : standing || trajectory_standing(&c->trajectory))
		trajectory_drop(&c->trajectory);
	bool ended = standing && !c->was_standing;
	bool sync_ended = standing && c->after_ns == INT64_MAX && trajectory_ran_out(&c->trajectory);

	if ((ended && !control_runs_policy(c)) || sync_ended)
		c->after_ns = due_ns;
	c->was_standing = standing;
}

static int64_t playout_ns(const struct control *c)
{
	int64_t longest = 0;

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		longest = c->setup.arm[i].playout_ns > longest ? c->setup.arm[i].playout_ns : longest;
	return longest;
}

static void move_periods(struct control *c, int64_t periods)
{
	int64_t due_ns = c->now_ns + playout_ns(c);

	for (int64_t k = periods < periods_most ? periods : periods_most; k > 0; k--)
		move_once(c, due_ns - (k - 1) * c->setup.period_ns);
	settle(c, due_ns);
}

/* ---- what AUTO may not do for long -------------------------------------------------------------------------------- */

/* Sync and RETURN have nothing to run while the policy infers: that may take as long as it usually does, and one answer more may be lost. */
static int64_t starve_limit_ns(const struct control *c)
{
	return c->setup.starve_ns + (c->setup.method == EXECUTE_SYNC || c->mode == MODE_RETURN ? 2 * latency_usual_ns(&c->latencies) : 0);
}

static void watch_idleness(struct control *c)
{
	if (!path_ended(c))
		c->idle_since_ns = c->now_ns;
	int64_t idle_ns = c->now_ns - c->idle_since_ns, limit_ns = starve_limit_ns(c);

	/* In RETURN something else than the chunk may be missing. */
	uint64_t others = c->mode == MODE_RETURN ? c->standing.bits & ~REASON_BIT(REASON_NO_CHUNK) : 0;
	enum reason why = reasons_worst(others);

	if (idle_ns > limit_ns && why != REASON_NONE)
		control_hold(c, why, c->standing.subject[why], c->standing.value[why], c->standing.limit[why]);
	else if (idle_ns > limit_ns)
		control_hold(c, REASON_CHUNK_STARVED, 0, (double)idle_ns * 1e-6, (double)limit_ns * 1e-6);
}

static void watch_progress(struct control *c)
{
	if (control_runs_policy(c) || c->mode == MODE_RETURN)
		watch_idleness(c);
	if (!control_runs_policy(c))
		return;
	if (c->hindrance < hindered)
		c->hindered_since_ns = 0;
	else if (c->hindered_since_ns == 0)
		c->hindered_since_ns = c->now_ns;
	if (c->hindered_since_ns == 0 || c->now_ns - c->hindered_since_ns < hindered_ns)
		return;
	for (uint32_t i = 0; i < c->setup.n_arms && control_runs_policy(c); i++) {
		double miss = c->trajectory.arm[i].error.m;

		if (miss > miss_slow_m)
			control_hold(c, REASON_WORKSPACE, i, miss, miss_slow_m);
		else if (!(c->lag_rad[i] <= lag_slow_rad))
			control_hold(c, REASON_UNREACHABLE, i, c->lag_rad[i], lag_slow_rad);
		else if (c->trajectory.arm[i].shortfall > short_slow)
			control_hold(c, REASON_STRETCHED, i, c->trajectory.arm[i].shortfall, short_slow);
	}
}

/* ---- results ------------------------------------------------------------------------------------------------------ */

static void label_target(struct control *c, struct driver_target *t, bool first)
{
	/* Whatever its source: the first target of a chunk whose path slows down at an edge is a hold. */
	bool first_of_chunk = first && t->valid && t->chunk != 0 && t->chunk == c->trajectory.chunk;

	/* A chunk that was there before AUTO began has waited for the operator, which is no latency of ours: it is not measured. */
	t->first_of_chunk = first_of_chunk && c->origin.handed_over_ns >= c->policy_since_ns;
	t->intervention = c->mode == MODE_TELEOP;
	t->edge_ns = c->inputs.teleop[c->teleop.device].edge_ns;
	t->stick_stamp_ns = c->inputs.teleop[c->teleop.device].stamp_ns;
	t->origin = c->origin;
	if (first_of_chunk)
		c->chunk_first = false;
}

static void hand_over_targets(struct control *c)
{
	int slot = queue_claim(&c->links->target_queue);
	bool first = c->chunk_first;

	if (slot < 0) {
		c->overflow_since_ns = c->overflow_since_ns ? c->overflow_since_ns : c->now_ns;
		if (c->now_ns - c->overflow_since_ns > overflow_ns)
			reasons_add(&c->latched, REASON_TARGET_OVERFLOW, 0, 0.0, 0.0);
		return;
	}
	struct target_batch *b = &c->links->target[slot];

	c->overflow_since_ns = 0;
	b->n = 0;
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		label_target(c, &c->target[i], first);
		b->target[b->n++] = c->target[i];
		c->report.targets += c->target[i].valid;
	}
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (c->shadow_target[i].valid) {
			label_target(c, &c->shadow_target[i], first);
			b->target[b->n++] = c->shadow_target[i];
		}
	queue_publish(&c->links->target_queue);
}

static enum target_source driver_of(const struct control *c)
{
	if (c->mode == MODE_TELEOP)
		return TARGET_TELEOP;
	if (arbiter_busy(&c->arbiter))
		return TARGET_HOME;
	return control_runs_policy(c) && !trajectory_ran_out(&c->trajectory) ? TARGET_POLICY : TARGET_HOLD;
}

static bool any_homing(const struct control *c)
{
	bool any = false;

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		any = any || c->arm[i].homing;
	return any;
}

/* What is left of the tracking-error bound. */
static double tracking_margin(const struct control *c, uint32_t i)
{
	const struct arm_state *s = &c->inputs.arm[i];
	double most = 0.0;

	for (uint32_t j = 0; j < c->setup.arm[i].model.dof && s->has_q; j++) {
		double apart = fabs(s->q_d_rad[j] - s->q_rad[j]);

		if (!(apart <= most)) /* NaN: nothing is left, see below */
			most = isnan(apart) ? INFINITY : apart;
	}
	return fmax(0.0, 1.0 - most / c->setup.arm[i].tracking_error_rad);
}

static void report_arm(const struct control *c, uint32_t i, struct control_report *r)
{
	const struct safety *s = &c->safety[i];

	r->margin_position[i] = s->seeded ? s->margin_position : 1.0;
	r->margin_velocity[i] = s->seeded ? s->margin_velocity : 1.0;
	r->margin_acceleration[i] = s->seeded ? s->margin_acceleration : 1.0;
	r->margin_jerk[i] = s->seeded ? s->margin_jerk : 1.0;
	r->margin_workspace[i] = s->seeded ? s->margin_workspace : 1.0;
	r->margin_floor[i] = s->seeded ? s->margin_floor : 1.0;
	r->margin_tcp_speed[i] = s->seeded ? s->margin_tcp_speed : 1.0;
	r->margin_tracking[i] = s->seeded ? tracking_margin(c, i) : 1.0;
	for (uint32_t j = 0; j < DOF_MAX; j++)
		r->q_sent_rad[i][j] = s->joint[j].q;
	r->ee_sent[i] = s->ee;
	r->twist_sent[i] = c->target[i].twist; /* zero while nothing is sent */
	r->tcp_path_m[i] = s->tcp_path_m;
}

static void report(struct control *c, int64_t periods)
{
	struct control_report *r = &c->report;

	r->tick_ns = c->now_ns;
	r->ticks++;
	r->overruns += (uint64_t)(periods - 1);
	r->ticks_in_mode[c->mode]++;
	r->mode = c->mode;
	r->reason = c->reason;
	r->reason_arm = c->reason_subject;
	r->reason_value = c->reason_value;
	r->reason_limit = c->reason_limit;
	r->faults = c->standing.bits;
	r->driver = driver_of(c);
	r->jogging = r->driver == TARGET_HOME && !any_homing(c);
	r->device = c->teleop.device;
	r->epoch = c->epoch;
	r->speed = c->speed;
	r->current_chunk = c->trajectory.active ? c->trajectory.chunk : 0;
	r->current_step = trajectory_current_step(&c->trajectory);
	r->standing = control_standing(c) && trajectory_standing(&c->trajectory) && !arbiter_busy(&c->arbiter);
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		report_arm(c, i, r);
	for (uint32_t i = 0; i < REASON_COUNT; i++) {
		r->about_subject[i] = (uint8_t)c->standing.subject[i];
		r->about_value[i] = c->standing.value[i];
		r->about_limit[i] = c->standing.limit[i];
	}
	c->links->report[c->links->report_box.writing] = *r;
	latest_publish(&c->links->report_box);
}

void control_tick(struct control *c, int64_t now_ns)
{
	int64_t gap_ns = c->last_ns > 0 ? now_ns - c->last_ns : c->setup.period_ns;
	int64_t periods = (gap_ns + c->setup.period_ns / 2) / c->setup.period_ns;

	c->now_ns = now_ns;
	take_inputs(c);
	control_follow_arms(c, gap_ns);
	control_watch(c);
	control_follow_reasons(c);
	control_obey(c);
	control_follow_teleop(c);
	adopt_chunk(c);
	move_periods(c, periods > 0 ? periods : 1);
	control_follow_home(c);
	watch_progress(c);
	hand_over_targets(c);
	report(c, periods > 0 ? periods : 1);
	control_hint(c);
	control_record(c);
	c->last_ns = now_ns;
}
