/* bench_stream.c - see bench_stream.h. */
#include "daemon/bench/bench_stream.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/axis.h"
#include "daemon/stage/spline.h"
#include "robots/model/model.h"
#include "robots/sim/piper/arm.h"

enum { COMMAND_MS = 5, ACTION_MS = 100, POINTS = 60, WHOLE_MS = (POINTS - 1) * ACTION_MS, LAG_MS_MAX = 400, SAMPLES = WHOLE_MS + 1 };
enum { CRUISE_FROM = 2, CRUISE_RAMP = 4, CRUISE_POINTS = 24, WANDER_POINTS = 40, TURN_POINTS = 6, JOLT_MS = 10, SETTLED_MS = 500 };
enum { PAUSE_FROM_MS = 1300, PAUSE_TO_MS = PAUSE_FROM_MS + STREAM_PAUSE_MS };
static const double fastest_rad_s = 0.5, wander_rad_s = 0.3, action_s = 0.1;
static const double turn_share = 0.3; /* of what is missing, in each action */
static const double clock_off = 0.005, late_ms_max = 1.0, frame_ms = 0.15;
static const double share[PIPER_JOINTS] = { 1.0, 0.6, -0.6, 0.8, -0.5, 1.0 }; /* of the cruise's speed */
static const char firmware[] = "S-V1.8-9";
enum { SETTLE_MS = 4000, SPEED_PERCENT = 100 };

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
	uint32_t random;
	bool pauses;                   /* the host, once */
	double next_ms;                /* when the host sends the next set */
	uint32_t waiting;              /* frames of the present set, in order */
	struct bus_frame frame[4];
	double frame_at_ms;            /* when the first of them has arrived */
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

static void say(struct run *r, const struct piper_message *m)
{
	const struct piper_dialect d = piper_dialect_of(&r->arm.version);
	struct bus_frame f;

	if (piper_put(&d, m, &f))
		piper_arm_take(&r->arm, &f);
}

static struct piper_message mode(bool high_follow)
{
	return (struct piper_message){ .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_J, .speed_percent = SPEED_PERCENT,
		.follow = high_follow ? PIPER_FOLLOW_MIT : PIPER_FOLLOW_PLANNED } };
}

static struct piper_message pair(uint32_t index, const struct sample *s)
{
	struct piper_message m = { .kind = PIPER_JOINT_TARGET, .index = index };

	for (uint32_t i = 0; i < 2; i++)
		piper_mdeg_from_rad(s->q_rad[2 * index + i], &m.pair.value[i]);
	return m;
}

/* Enabled, at the motion's beginning, in the mode asked for. */
static bool make_ready(struct run *r)
{
	const struct piper_message enable = { .kind = PIPER_ENABLE, .enable = { PIPER_ALL_JOINTS, PIPER_ENABLE_MOTOR } };
	struct piper_message m = mode(false);
	double apart = 0.0;

	if (!piper_arm_init(&r->arm, &(struct piper_arm_options){ .model = r->model, .firmware = firmware }))
		return false;
	say(r, &enable);
	say(r, &m);
	for (uint32_t i = 0; i < 3; i++) {
		m = pair(i, &r->point[0]);
		say(r, &m);
	}
	for (int t = 0; t < SETTLE_MS; t++)
		piper_arm_step(&r->arm);
	m = mode(r->c.high_follow);
	say(r, &m);
	for (int j = 0; j < PIPER_JOINTS; j++)
		apart = fmax(apart, fabs(r->arm.plant.q_rad[j] - r->point[0].q_rad[j]));
	return apart < 1e-4;
}

/* The set of frames that the host makes at t_ms: of its newest command or action. */
static void compose(struct run *r, double t_ms)
{
	const struct piper_dialect d = piper_dialect_of(&r->arm.version);
	uint32_t ms = (uint32_t)t_ms, played = ms / COMMAND_MS * COMMAND_MS, action = ms / ACTION_MS;
	const struct sample *s = r->c.played_out ? &r->wanted[played < SAMPLES ? played : SAMPLES - 1] : &r->point[action < POINTS ? action : POINTS - 1];
	struct piper_message m = mode(r->c.high_follow);

	piper_put(&d, &m, &r->frame[0]);
	for (uint32_t i = 0; i < 3; i++) {
		m = pair(i, s);
		piper_put(&d, &m, &r->frame[1 + i]);
	}
	r->waiting = 4;
}

/* What arrives before t_ms. */
static void deliver(struct run *r, double t_ms)
{
	if (r->pauses && r->next_ms >= PAUSE_FROM_MS && r->next_ms < PAUSE_TO_MS)
		r->next_ms = PAUSE_TO_MS;
	if (!r->waiting && r->next_ms < t_ms) {
		compose(r, r->next_ms);
		r->frame_at_ms = r->next_ms + draw(r) * late_ms_max + frame_ms;
		r->next_ms += 1000.0 / r->c.rate_hz * (1.0 + clock_off);
	}
	for (; r->waiting && r->frame_at_ms < t_ms; r->waiting--, r->frame_at_ms += frame_ms)
		piper_arm_take(&r->arm, &r->frame[4 - r->waiting]);
}

static void run_motion(struct run *r)
{
	memcpy(r->q[0].q_rad, r->arm.plant.q_rad, sizeof r->q[0].q_rad);
	for (int t = 1; t < SAMPLES; t++) {
		deliver(r, t);
		piper_arm_step(&r->arm);
		memcpy(r->q[t].q_rad, r->arm.plant.q_rad, sizeof r->q[t].q_rad);
	}
}

/* ---- what came of it ------------------------------------------------------------------------------------------------------ */

static double apart_by(const struct run *r, int lag_ms, double *worst)
{
	double sum = 0.0;

	*worst = 0.0;
	for (int t = lag_ms; t < SAMPLES; t++)
		for (int j = 0; j < PIPER_JOINTS; j++) {
			double apart = r->q[t].q_rad[j] - r->wanted[t - lag_ms].q_rad[j];

			sum += apart * apart;
			*worst = fmax(*worst, fabs(apart));
		}
	return sum / (SAMPLES - lag_ms);
}

static void find_lag(const struct run *r, struct stream_result *out)
{
	double least = INFINITY, worst;

	for (int lag_ms = 0; lag_ms <= LAG_MS_MAX; lag_ms++) {
		double sum = apart_by(r, lag_ms, &worst);

		if (sum < least) {
			least = sum;
			out->lag_ms = lag_ms;
			out->apart_rad = worst;
		}
	}
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
