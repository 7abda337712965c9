/* bench_stream.c - see bench_stream.h. */
#include "daemon/bench/bench_stream.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/axis.h"
#include "daemon/stage/spline.h"
#include "daemon/sys/clock.h"
#include "robots/model/model.h"
#include "robots/piper/session.h"
#include "robots/sim/piper/arm.h"

enum { COMMAND_MS = 5, ACTION_MS = 100, POINTS = 60, WHOLE_MS = (POINTS - 1) * ACTION_MS, LAG_MS_MAX = 400, SAMPLES = WHOLE_MS + 1 };
enum { CRUISE_FROM = 2, CRUISE_RAMP = 4, CRUISE_POINTS = 24, WANDER_POINTS = 40, TURN_POINTS = 6, JOLT_MS = 10, SETTLED_MS = 500 };
enum { PAUSE_FROM_MS = 1300, WAKE_MS = 5000, WAY_MS = 2500, REST_MS = 700 };
static const double fastest_rad_s = 0.5, wander_rad_s = 0.3, action_s = 0.1;
static const double turn_share = 0.3; /* of what is missing, in each action */
static const double clock_off = 0.005, late_ms_max = 1.0, frame_ms = 0.15;
static const double share[PIPER_JOINTS] = { 1.0, 0.6, -0.6, 0.8, -0.5, 1.0 }; /* of the cruise's speed */
static const char firmware[] = "S-V1.8-9";

struct sample {
	double q_rad[PIPER_JOINTS];
};

/* One motion, millisecond by millisecond. */
struct run {
	const struct robot_model *model;
	struct stream_case c;
	struct sample point[POINTS];          /* actions */
	struct sample wanted[SAMPLES];        /* what dreamvla-arm would command, between its commands too */
	struct sample q[SAMPLES];             /* the arm's */
	struct piper_arm arm;
	struct piper_setup setup;      /* of the driver's session, for what is played out */
	struct piper_session session;
	uint32_t random;
	bool pauses;                   /* the host, once */
	double t_ms;                   /* the arm's clock */
	double way_ms, begin_ms;       /* when the way to the motion's beginning begins, and the motion */
	double next_ms;                /* when the host is to speak next */
	uint32_t steps;                /* of the session */
	uint32_t n_frames, waiting;    /* of what it said last; on their way, the last ones */
	struct bus_frame frame[PIPER_OUTBOX_MAX];
	double frame_at_ms;            /* when the first of them arrives */
};

/* 0 to 1 */
static double draw(struct run *r)
{
	r->random = r->random * 1664525u + 1013904223u;
	return (r->random >> 8) / 16777216.0;
}

/* ---- what is wanted --------------------------------------------------------------------------------------------------- */

/* Steadily faster, steady, steadily slower. */
static void cruise(struct run *r)
{
	double v = 0.0, way = 0.0;

	for (int i = 0; i < POINTS; i++) {
		bool faster = i > CRUISE_FROM && i <= CRUISE_FROM + CRUISE_RAMP;
		bool slower = i > CRUISE_FROM + CRUISE_POINTS - CRUISE_RAMP && i <= CRUISE_FROM + CRUISE_POINTS;

		for (int j = 0; j < PIPER_JOINTS; j++)
			r->point[i].q_rad[j] = r->model->home_rad[j] + share[j] * way;
		v += (faster - slower) * fastest_rad_s / CRUISE_RAMP;
		way += v * action_s;
	}
}

/* Towards another speed every few points, drawn back to the beginning so that no joint comes to its end. */
static void wander(struct run *r)
{
	double v[PIPER_JOINTS] = { 0 }, wish[PIPER_JOINTS] = { 0 };

	memcpy(r->point[0].q_rad, r->model->home_rad, sizeof r->point[0].q_rad);
	for (uint32_t i = 1; i < POINTS; i++)
		for (int j = 0; j < PIPER_JOINTS; j++) {
			if (i % TURN_POINTS == 1)
				wish[j] = (2.0 * draw(r) - 1.0) * wander_rad_s - 0.5 * (r->point[i - 1].q_rad[j] - r->model->home_rad[j]);
			v[j] += ((i > CRUISE_FROM && i < WANDER_POINTS ? wish[j] : 0.0) - v[j]) * turn_share;
			r->point[i].q_rad[j] = r->point[i - 1].q_rad[j] + v[j] * action_s;
		}
}

/* As dreamvlad's way of actions to targets: C2 through them, then within the model's limits. */
static void play_out(struct run *r)
{
	struct spline s = { .n = POINTS, .dim = PIPER_JOINTS, .step_s = action_s };
	const double dt_s = 1e-3;

	for (uint32_t i = 0; i < POINTS; i++)
		memcpy(s.x[i], r->point[i].q_rad, sizeof r->point[i].q_rad);
	spline_finish(&s);
	for (int j = 0; j < PIPER_JOINTS; j++) {
		const struct axis_limits l = { .q_min = r->model->q_min_rad[j], .q_max = r->model->q_max_rad[j], .v_min = -r->model->dq_max_rad_s[j],
			.v_max = r->model->dq_max_rad_s[j], .a_max = r->model->ddq_max_rad_s2[j], .j_max = r->model->dddq_max_rad_s3[j] };
		struct axis at = { .q = r->point[0].q_rad[j] };

		r->wanted[0].q_rad[j] = at.q;
		for (int t = 1; t < SAMPLES; t++) {
			struct jet jet[SPLINE_DIM_MAX];

			spline_at(&s, t * dt_s, jet);
			axis_step(&at, &l, axis_track(&at, &(struct axis){ jet[j].x, jet[j].d1, jet[j].d2 }, &l, dt_s), dt_s);
			r->wanted[t].q_rad[j] = at.q;
		}
	}
}

/* ---- host and arm ------------------------------------------------------------------------------------------------------- */

/* The host's clock at t_ms of the arm's. */
static int64_t host_ns(double t_ms)
{
	return NS_PER_S + (int64_t)(t_ms * 1e6 / (1.0 + clock_off));
}

/* What control commands at t_ms: the way to the motion's beginning, then the motion. */
static void command_at(const struct run *r, double t_ms, struct robot_command *out)
{
	int ms = (int)(t_ms - r->begin_ms), last = ms < SAMPLES ? ms : SAMPLES - 1;
	double share_there = fmin(fmax(t_ms - r->way_ms, 0.0) / WAY_MS, 1.0);

	*out = (struct robot_command){ .hold = true };
	for (int j = 0; j < PIPER_JOINTS; j++)
		out->q_rad[j] = ms >= 0 ? r->wanted[last].q_rad[j]
				: r->point[0].q_rad[j] * share_there * share_there * (3.0 - 2.0 * share_there);
}

/* The driver's session: a step each ms, a command each 5. */
static void speak_as_driver(struct run *r)
{
	struct robot_command c;
	struct piper_outbox out;

	if (r->steps++ % COMMAND_MS == 0) {
		command_at(r, r->next_ms, &c);
		piper_session_command(&r->session, &c, host_ns(r->next_ms));
	}
	piper_session_step(&r->session, host_ns(r->next_ms), &out);
	memcpy(r->frame, out.frame, sizeof out.frame);
	r->n_frames = r->waiting = out.n;
	if (out.n > 0)
		piper_session_sent(&r->session, 0);
	r->next_ms += 1.0 + clock_off;
}

/* A script: the newest action, as it is. */
static void speak_as_script(struct run *r)
{
	const struct piper_dialect d = piper_dialect_of(&r->arm.version);
	double t_ms = fmax(r->next_ms - r->begin_ms, 0.0);
	uint32_t action = (uint32_t)(t_ms / ACTION_MS);
	const double *q_rad = r->point[action < POINTS ? action : POINTS - 1].q_rad;
	struct piper_message m = { .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_J, .speed_percent = 100,
		.follow = r->c.high_follow && r->next_ms >= r->begin_ms ? PIPER_FOLLOW_MIT : PIPER_FOLLOW_PLANNED } };

	piper_put(&d, &m, &r->frame[0]);
	for (uint32_t i = 0; i < 3; i++) {
		m = (struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = i };
		piper_mdeg_from_rad(q_rad[2 * i], &m.pair.value[0]);
		piper_mdeg_from_rad(q_rad[2 * i + 1], &m.pair.value[1]);
		piper_put(&d, &m, &r->frame[1 + i]);
	}
	r->n_frames = r->waiting = 4;
	r->next_ms += 1000.0 / r->c.rate_hz * (1.0 + clock_off);
}

/* What the host does and what arrives before the arm's present ms. */
static void deliver(struct run *r)
{
	double pause_ms = r->begin_ms + PAUSE_FROM_MS;

	if (r->pauses && r->next_ms >= pause_ms && r->next_ms < pause_ms + STREAM_PAUSE_MS)
		r->next_ms = pause_ms + STREAM_PAUSE_MS;
	if (!r->waiting && r->next_ms < r->t_ms) {
		r->frame_at_ms = r->next_ms + draw(r) * late_ms_max + frame_ms;
		if (r->c.played_out)
			speak_as_driver(r);
		else
			speak_as_script(r);
	}
	for (; r->waiting && r->frame_at_ms < r->t_ms; r->waiting--, r->frame_at_ms += frame_ms)
		piper_arm_take(&r->arm, &r->frame[r->n_frames - r->waiting]);
}

static void tick(struct run *r)
{
	r->t_ms += 1.0;
	deliver(r);
	piper_arm_step(&r->arm);
	for (uint32_t i = 0; r->c.played_out && i < r->arm.out.n; i++)
		piper_session_take(&r->session, &(struct bus_event){ .t_ns = host_ns(r->t_ms), .frame = r->arm.out.frame[i] });
}

/* Asks the session to enable the arm as soon as it waits for that. false: it does not come to hold it. */
static bool wake(struct run *r)
{
	bool asked = false;

	piper_setup_defaults(&r->setup);
	r->setup.rate_hz = r->c.rate_hz;
	r->setup.follow = r->c.high_follow ? PIPER_FOLLOW_CHOICE_HIGH : PIPER_FOLLOW_CHOICE_PLANNED;
	piper_session_init(&r->session, &r->setup);
	piper_session_opened(&r->session, host_ns(r->t_ms));
	for (int t = 0; t < WAKE_MS && r->session.phase != PIPER_HOLDS; t++) {
		tick(r);
		if (r->session.phase == PIPER_OFF && !asked)
			asked = piper_session_ask(&r->session, PIPER_ASK_ENABLE);
	}
	return r->session.phase == PIPER_HOLDS;
}

static void enable_by_hand(struct run *r)
{
	const struct piper_message m = { .kind = PIPER_ENABLE, .enable = { PIPER_ALL_JOINTS, PIPER_ENABLE_MOTOR } };
	const struct piper_dialect d = piper_dialect_of(&r->arm.version);
	struct bus_frame f;

	piper_put(&d, &m, &f);
	piper_arm_take(&r->arm, &f);
}

/* Enabled, and at the motion's beginning. */
static bool make_ready(struct run *r)
{
	double apart = 0.0;

	r->way_ms = r->begin_ms = INFINITY;
	if (!piper_arm_init(&r->arm, &(struct piper_arm_options){ .model = r->model, .firmware = firmware }))
		return false;
	if (r->c.played_out && !wake(r))
		return false;
	if (!r->c.played_out)
		enable_by_hand(r);
	r->way_ms = r->t_ms;
	for (int t = 0; t < WAY_MS + REST_MS; t++)
		tick(r);
	for (int j = 0; j < PIPER_JOINTS; j++)
		apart = fmax(apart, fabs(r->arm.plant.q_rad[j] - r->point[0].q_rad[j]));
	r->begin_ms = r->t_ms;
	return apart < 1e-4;
}

static void run_motion(struct run *r)
{
	memcpy(r->q[0].q_rad, r->arm.plant.q_rad, sizeof r->q[0].q_rad);
	for (int t = 1; t < SAMPLES; t++) {
		tick(r);
		memcpy(r->q[t].q_rad, r->arm.plant.q_rad, sizeof r->q[t].q_rad);
	}
}

/* ---- what came of it ------------------------------------------------------------------------------------------------------ */

/* How far the arm is from what was wanted lag_ms before: the sum of squares, of every 5th ms. */
static double apart_by(const struct run *r, int lag_ms)
{
	double sum = 0.0;
	int n = 0;

	for (int t = lag_ms; t < SAMPLES; t += COMMAND_MS, n++)
		for (int j = 0; j < PIPER_JOINTS; j++) {
			double apart = r->q[t].q_rad[j] - r->wanted[t - lag_ms].q_rad[j];

			sum += apart * apart;
		}
	return sum / n;
}

static void find_lag(const struct run *r, struct stream_result *out)
{
	double least = INFINITY;
	int best_ms = 0;

	for (int lag_ms = 0; lag_ms <= LAG_MS_MAX; lag_ms++) {
		double sum = apart_by(r, lag_ms);

		best_ms = sum < least ? lag_ms : best_ms;
		least = fmin(sum, least);
	}
	out->lag_ms = best_ms;
	out->apart_rad = 0.0;
	for (int t = best_ms; t < SAMPLES; t++)
		for (int j = 0; j < PIPER_JOINTS; j++)
			out->apart_rad = fmax(out->apart_rad, fabs(r->q[t].q_rad[j] - r->wanted[t - best_ms].q_rad[j]));
}

static double speed(const struct sample *q, int t, int j)
{
	return (q[t].q_rad[j] - q[t - 1].q_rad[j]) * 1e3;
}

static double jolt(const struct sample *q)
{
	double worst = 0.0;

	for (int t = 1 + JOLT_MS; t < SAMPLES; t++)
		for (int j = 0; j < PIPER_JOINTS; j++)
			worst = fmax(worst, fabs(speed(q, t, j) - speed(q, t - JOLT_MS, j)));
	return worst;
}

/* While a constant speed is wanted, once the arm has had time to come to it. */
static double sway(const struct sample *q)
{
	double worst = 0.0;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		double slowest = INFINITY, fastest = -INFINITY;

		for (int t = (CRUISE_FROM + CRUISE_RAMP) * ACTION_MS + SETTLED_MS; t < (CRUISE_FROM + CRUISE_POINTS - CRUISE_RAMP - 1) * ACTION_MS; t++) {
			slowest = fmin(slowest, speed(q, t, j));
			fastest = fmax(fastest, speed(q, t, j));
		}
		worst = fmax(worst, fastest - slowest);
	}
	return worst;
}

static double overshoot(const struct run *r)
{
	double worst = 0.0;

	for (int t = 0; t < SAMPLES; t++)
		for (int j = 0; j < PIPER_JOINTS; j++)
			worst = fmax(worst, copysign(1.0, share[j]) * (r->q[t].q_rad[j] - r->point[POINTS - 1].q_rad[j]));
	return worst;
}

static double final_error(const struct run *r)
{
	double worst = 0.0;

	for (int j = 0; j < PIPER_JOINTS; j++)
		worst = fmax(worst, fabs(r->q[SAMPLES - 1].q_rad[j] - r->point[POINTS - 1].q_rad[j]));
	return worst;
}

static void look_at_wish(const struct run *r, struct stream_wish *w)
{
	w->jolt_rad_s = fmax(w->jolt_rad_s, jolt(r->wanted));
	for (int t = 2; t < SAMPLES; t++)
		for (int j = 0; j < PIPER_JOINTS; j++) {
			w->speed_rad_s = fmax(w->speed_rad_s, fabs(speed(r->wanted, t, j)));
			w->acceleration_rad_s2 = fmax(w->acceleration_rad_s2, fabs(speed(r->wanted, t, j) - speed(r->wanted, t - 1, j)) * 1e3);
		}
}

struct part {
	void (*want)(struct run *r);
	bool pauses;
};

static int measure(struct run *r, const struct part *part, struct stream_result *out, struct stream_wish *wish)
{
	*r = (struct run){ .model = r->model, .c = r->c, .random = 1, .pauses = part->pauses };
	part->want(r);
	play_out(r);
	look_at_wish(r, wish);
	if (!make_ready(r))
		return -EINVAL;
	uint64_t ignored = r->arm.counters.ignored;

	run_motion(r);
	find_lag(r, out);
	out->jolt_rad_s = jolt(r->q);
	out->final_rad = final_error(r);
	out->ignored = r->arm.counters.ignored - ignored;
	return 0;
}

static void take_worst(struct stream_result *out, const struct stream_result *b)
{
	out->lag_ms = fmax(out->lag_ms, b->lag_ms);
	out->apart_rad = fmax(out->apart_rad, b->apart_rad);
	out->jolt_rad_s = fmax(out->jolt_rad_s, b->jolt_rad_s);
	out->final_rad = fmax(out->final_rad, b->final_rad);
	out->ignored += b->ignored;
}

static int measure_all(struct run *r, struct stream_result *out, struct stream_wish *wish)
{
	struct stream_result other;
	int rc = measure(r, &(struct part){ cruise, false }, out, wish);

	if (rc < 0)
		return rc;
	wish->sway_rad_s = sway(r->wanted);
	out->sway_rad_s = sway(r->q);
	out->overshoot_rad = overshoot(r);
	if ((rc = measure(r, &(struct part){ wander, false }, &other, wish)) < 0)
		return rc;
	take_worst(out, &other);
	rc = measure(r, &(struct part){ cruise, true }, &other, wish);
	out->pause_jolt_rad_s = other.jolt_rad_s;
	return rc;
}

int stream_measure(const struct stream_case *c, struct stream_result *out, struct stream_wish *wish)
{
	struct run *r = calloc(1, sizeof *r);

	*out = (struct stream_result){ 0 };
	*wish = (struct stream_wish){ 0 };
	if (!r)
		return -ENOMEM;
	r->model = robot_model_find("piper");
	r->c = *c;
	int rc = measure_all(r, out, wish);

	free(r);
	return rc;
}
