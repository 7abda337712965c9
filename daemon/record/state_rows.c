/* state_rows.c - see state_rows.h. */
#include "daemon/record/state_rows.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "daemon/control_tick.h"

#define SIZE_OF(type, member) sizeof(((struct type *)0)->member)
#define ROWS(type, member, rule_, element_bytes, ...) \
	{ .name = #member, .at = offsetof(struct type, member), .bytes = (element_bytes), \
		.n = (uint32_t)(SIZE_OF(type, member) / (element_bytes)), .rule = STATE_##rule_, __VA_ARGS__ }
#define OWN(t, m) ROWS(t, m, OWN, SIZE_OF(t, m), .most = 0)
#define FREE(t, m) ROWS(t, m, FREE, SIZE_OF(t, m), .most = 0)
#define FLAG(t, m) ROWS(t, m, FLAG, 1u, .most = 0)
#define UPTO(t, m, most_) ROWS(t, m, UPTO, 4u, .most = (most_))
#define BELOW(t, m, count) UPTO(t, m, (uint32_t)(count) - 1u)
#define NUMBER(t, m) ROWS(t, m, NUMBER, 8u, .most = 0)
#define LOOSE(t, m) ROWS(t, m, LOOSE, 8u, .most = 0)
#define TIME(t, m) ROWS(t, m, TIME, 8u, .most = 0)
#define TIME_END(t, m) ROWS(t, m, TIME_END, 8u, .most = 0)
#define TIME_NEVER(t, m) ROWS(t, m, TIME_NEVER, 8u, .most = 0)
#define PART(t, m, part_) ROWS(t, m, PART, part_##_bytes, .part = &(part_))
#define DEFINE(type, rows) \
	enum { part_##rows##_bytes = sizeof(struct type) }; \
	static const struct state_part part_##rows = { sizeof(struct type), sizeof rows / sizeof *rows, rows }

static const struct state_row axis[] = { NUMBER(axis, q), NUMBER(axis, v), NUMBER(axis, a) };
DEFINE(axis, axis);

/* What follows a path may be no number: that is what is looked for in it. */
static const struct state_row loose_axis[] = { LOOSE(axis, q), LOOSE(axis, v), LOOSE(axis, a) };
DEFINE(axis, loose_axis);

/* Ranges come in with the arm; the rest is the set-up's. */
static const struct state_row joint_limits[] = { NUMBER(axis_limits, q_min), NUMBER(axis_limits, q_max), OWN(axis_limits, v_min),
	OWN(axis_limits, v_max), OWN(axis_limits, a_max), OWN(axis_limits, j_max), OWN(axis_limits, offset), OWN(axis_limits, decel) };
DEFINE(axis_limits, joint_limits);

/* Of a path's clock: it begins nowhere. */
static const struct state_row limits[] = { LOOSE(axis_limits, q_min), NUMBER(axis_limits, q_max), NUMBER(axis_limits, v_min),
	NUMBER(axis_limits, v_max), NUMBER(axis_limits, a_max), NUMBER(axis_limits, j_max), NUMBER(axis_limits, offset),
	NUMBER(axis_limits, decel) };
DEFINE(axis_limits, limits);

static const struct state_row pose[] = { NUMBER(pose, p_m), NUMBER(pose, q_xyzw) };
DEFINE(pose, pose);

static const struct state_row latencies[] = { UPTO(latencies, n, LATENCIES), BELOW(latencies, next, LATENCIES), TIME(latencies, ns) };
DEFINE(latencies, latencies);

static const struct state_row reasons[] = { FREE(reasons, bits), UPTO(reasons, subject, ALL_ARMS), LOOSE(reasons, value),
	LOOSE(reasons, limit) };
DEFINE(reasons, reasons);

static const struct state_row arm[] = { FLAG(control_arm, driven), FREE(control_arm, driven_from), TIME(control_arm, unseeded_ns),
	BELOW(control_arm, unseeded_why, REASON_COUNT), LOOSE(control_arm, unseeded_value), LOOSE(control_arm, unseeded_limit),
	TIME(control_arm, seeded_ns), FREE(control_arm, refused_seq), FREE(control_arm, refusals), TIME(control_arm, refused_ns),
	TIME(control_arm, limited_ns), FLAG(control_arm, homing), PART(control_arm, standing, part_reasons),
	PART(control_arm, latched, part_reasons), FREE(control_arm, known_faults) };
DEFINE(control_arm, arm);

static const struct state_row safety[] = { OWN(safety, arm), OWN(safety, dt_s), OWN(safety, sound), FLAG(safety, seeded),
	PART(safety, joint, part_axis), PART(safety, limits, part_joint_limits), NUMBER(safety, box_min_m), NUMBER(safety, box_max_m),
	NUMBER(safety, floor_m), OWN(safety, reach_m), PART(safety, ee, part_pose), NUMBER(safety, tcp_path_m), NUMBER(safety, tcp_v_max_m_s),
	NUMBER(safety, tcp_w_max_rad_s), LOOSE(safety, over), FLAG(safety, has_gripper), NUMBER(safety, gripper_m),
	LOOSE(safety, margin_position), LOOSE(safety, margin_velocity), LOOSE(safety, margin_acceleration), LOOSE(safety, margin_jerk),
	LOOSE(safety, margin_workspace), LOOSE(safety, margin_floor), LOOSE(safety, margin_tcp_speed) };
DEFINE(safety, safety);

static const struct state_row past_entry[] = { TIME(past_entry, t_ns), NUMBER(past_entry, path_s), NUMBER(past_entry, q_rad),
	LOOSE(past_entry, gripper_m) };
DEFINE(past_entry, past_entry);

static const struct state_row past[] = { UPTO(past, n, PAST_ENTRIES), BELOW(past, next, PAST_ENTRIES), PART(past, entry, part_past_entry) };
DEFINE(past, past);

static const struct state_row spline[] = { UPTO(spline, n, SPLINE_POINTS_MAX), UPTO(spline, dim, SPLINE_DIM_MAX), NUMBER(spline, step_s),
	NUMBER(spline, x), NUMBER(spline, second) };
DEFINE(spline, spline);

static const struct state_row follow[] = { UPTO(follow, dim, SPLINE_DIM_MAX), FLAG(follow, joints), NUMBER(follow, load),
	NUMBER(follow, a_max), NUMBER(follow, ramp_s), NUMBER(follow, catch_up), NUMBER(follow, gain_1_s) };
DEFINE(follow, follow);

static const struct state_row gripper[] = { FLAG(gripper, decided), FLAG(gripper, open), TIME(gripper, changed_ns) };
DEFINE(gripper, gripper);

static const struct state_row ik_error[] = { LOOSE(ik_error, m), LOOSE(ik_error, rad) };
DEFINE(ik_error, ik_error);

static const struct state_row path[] = { UPTO(path, dim, PATH_DIM_MAX), FLAG(path, joints), NUMBER(path, first_xyzw),
	PART(path, spline, part_spline), PART(path, now, part_loose_axis), PART(path, offset, part_loose_axis),
	PART(path, follow, part_follow), PART(path, stop, part_limits), NUMBER(path, q_rad), LOOSE(path, dq_rad_s), FLAG(path, has_dq),
	NUMBER(path, gripper), PART(path, gripper_state, part_gripper), PART(path, error, part_ik_error), LOOSE(path, shortfall),
	FLAG(path, released) };
DEFINE(path, path);

static const struct state_row prediction[] = { NUMBER(prediction, first_xyzw), PART(prediction, spline, part_spline),
	NUMBER(prediction, gripper) };
DEFINE(prediction, prediction);

static const struct state_row member[] = { NUMBER(ensemble_member, start_s), UPTO(ensemble_member, n_steps, CHUNK_STEPS_MAX),
	PART(ensemble_member, arm, part_prediction) };
DEFINE(ensemble_member, member);

static const struct state_row ensemble[] = { UPTO(ensemble, n, ENSEMBLE_MAX), BELOW(ensemble, next, ENSEMBLE_MAX), FREE(ensemble, epoch),
	FREE(ensemble, instruction_id), PART(ensemble, member, part_member) };
DEFINE(ensemble, ensemble);

static const struct state_row trajectory[] = { OWN(trajectory, setup), FLAG(trajectory, active), FREE(trajectory, chunk),
	FREE(trajectory, instruction_id), UPTO(trajectory, n_steps, CHUNK_STEPS_MAX), TIME(trajectory, frame_stamp_ns),
	NUMBER(trajectory, start_s), NUMBER(trajectory, end_s), NUMBER(trajectory, posture_cap), NUMBER(trajectory, rate_cap),
	PART(trajectory, clock, part_axis), PART(trajectory, clock_limits, part_limits), FLAG(trajectory, stopping),
	PART(trajectory, stop_limits, part_limits), FLAG(trajectory, braking), PART(trajectory, arm, part_path),
	PART(trajectory, ensemble, part_ensemble) };
DEFINE(trajectory, trajectory);

static const struct state_row line[] = { FLAG(line, active), FLAG(line, stopping), NUMBER(line, from_rad), NUMBER(line, to_rad),
	PART(line, along, part_axis), PART(line, limits, part_limits) };
DEFINE(line, line);

static const struct state_row arbiter[] = { OWN(arbiter, setup), PART(arbiter, line, part_line) };
DEFINE(arbiter, arbiter);

static const struct state_row teleop_input[] = { FLAG(teleop_input, present), FREE(teleop_input, from), TIME(teleop_input, stamp_ns),
	TIME(teleop_input, arrival_ns), BELOW(teleop_input, arm, ARMS_MAX), FLAG(teleop_input, deadman), FREE(teleop_input, edges),
	FREE(teleop_input, releases), TIME(teleop_input, edge_ns), UPTO(teleop_input, kind, TELEOP_JOINT), NUMBER(teleop_input, value),
	UPTO(teleop_input, frame, FRAME_TCP), FLAG(teleop_input, has_gripper), NUMBER(teleop_input, gripper_m) };
DEFINE(teleop_input, teleop_input);

static const struct state_row teleop[] = { OWN(teleop, timeout_ns), FLAG(teleop, driving), BELOW(teleop, device, TELEOP_DEVICES_MAX),
	PART(teleop, start, part_teleop_input), FREE(teleop, edges), FREE(teleop, releases) };
DEFINE(teleop, teleop);

static const struct state_row hand_gripper[] = { FLAG(teleop_gripper, known), FLAG(teleop_gripper, acts), NUMBER(teleop_gripper, start_m),
	NUMBER(teleop_gripper, sent_m), NUMBER(teleop_gripper, direction), TIME(teleop_gripper, turned_ago_ns) };
DEFINE(teleop_gripper, hand_gripper);

static const struct state_row hand[] = { OWN(teleop_motion, setup), OWN(teleop_motion, arm), OWN(teleop_motion, dt_s),
	OWN(teleop_motion, v_max_m_s), OWN(teleop_motion, w_max_rad_s), UPTO(teleop_motion, kind, TELEOP_JOINT),
	FLAG(teleop_motion, to_goal), PART(teleop_motion, axis, part_axis), PART(teleop_motion, start, part_pose),
	PART(teleop_motion, goal, part_pose), PART(teleop_motion, at, part_pose), PART(teleop_motion, joint, part_axis),
	NUMBER(teleop_motion, zero), PART(teleop_motion, gripper, part_hand_gripper) };
DEFINE(teleop_motion, hand);

static const struct state_row origin[] = { FREE(chunk_origin, observation), TIME(chunk_origin, t_obs_ns), TIME(chunk_origin, received_ns),
	TIME(chunk_origin, handed_over_ns), FREE(chunk_origin, frame_from), FREE(chunk_origin, frame_seq) };
DEFINE(chunk_origin, origin);

static const struct state_row answer[] = { FREE(control_answer, ticket), FLAG(control_answer, ok), BELOW(control_answer, mode, MODE_COUNT),
	FREE(control_answer, missing) };
DEFINE(control_answer, answer);

/* What is told: counters that go on, and what every tick writes anew. */
static const struct state_row report[] = { FREE(control_report, tick_ns), FREE(control_report, ticks), FREE(control_report, overruns),
	BELOW(control_report, mode, MODE_COUNT), FREE(control_report, reason), FREE(control_report, reason_arm),
	LOOSE(control_report, reason_value), LOOSE(control_report, reason_limit), FREE(control_report, faults),
	BELOW(control_report, driver, TARGET_SOURCE_COUNT), FLAG(control_report, jogging), FREE(control_report, device),
	FREE(control_report, epoch), LOOSE(control_report, speed), FREE(control_report, chunks_adopted), FREE(control_report, chunks_dropped),
	FREE(control_report, targets), FREE(control_report, clamps), FREE(control_report, limit_stops), FREE(control_report, current_chunk),
	FREE(control_report, current_step), FREE(control_report, ticks_in_mode), LOOSE(control_report, margin_position),
	LOOSE(control_report, margin_velocity), LOOSE(control_report, margin_acceleration), LOOSE(control_report, margin_jerk),
	LOOSE(control_report, margin_workspace), LOOSE(control_report, margin_floor), LOOSE(control_report, margin_tcp_speed),
	LOOSE(control_report, margin_tracking), LOOSE(control_report, q_sent_rad), FREE(control_report, ee_sent),
	FREE(control_report, twist_sent), LOOSE(control_report, tcp_path_m), FLAG(control_report, standing),
	FLAG(control_report, wants_attach), FLAG(control_report, clear_stop), FREE(control_report, attach_ticket),
	FREE(control_report, about_subject), LOOSE(control_report, about_value), LOOSE(control_report, about_limit),
	PART(control_report, answer, part_answer), PART(control_report, recent, part_answer) };
DEFINE(control_report, report);

/* inputs and policy: see replay_check.h; obeyed and the targets are written before they are read. */
static const struct state_row control[] = { OWN(control, setup), OWN(control, links), TIME(control, now_ns), TIME(control, last_ns),
	FREE(control, inputs), FLAG(control, has_inputs), FREE(control, policy), FLAG(control, took_inputs), FLAG(control, took_policy),
	FLAG(control, took_chunk), UPTO(control, n_obeyed, COMMAND_RING), FREE(control, obeyed), OWN(control, chunk), FLAG(control, chunk_new),
	PART(control, latencies, part_latencies), TIME(control, usual_ns), BELOW(control, mode, MODE_COUNT),
	BELOW(control, reason, REASON_COUNT), UPTO(control, reason_subject, ALL_ARMS), LOOSE(control, reason_value),
	LOOSE(control, reason_limit), PART(control, standing, part_reasons), PART(control, latched, part_reasons),
	FREE(control, known_faults), FREE(control, causes), FLAG(control, shutdown), FREE(control, epoch), FREE(control, instruction_id),
	TIME(control, instruction_ns), TIME_END(control, after_ns), TIME(control, policy_since_ns), TIME(control, idle_since_ns),
	TIME(control, hindered_since_ns), NUMBER(control, speed), NUMBER(control, speed_wish), FLAG(control, was_standing),
	PART(control, arm, part_arm), PART(control, safety, part_safety), PART(control, shadow, part_safety), PART(control, past, part_past),
	PART(control, trajectory, part_trajectory), PART(control, arbiter, part_arbiter), PART(control, teleop, part_teleop),
	PART(control, hand, part_hand), TIME(control, taken_over_ns), TIME_NEVER(control, stop_ns), TIME_NEVER(control, teleop_refused_ns),
	FLAG(control, back_to_auto), NUMBER(control, path_rate), FREE(control, motion_chunk), TIME(control, motion_told_ns),
	FLAG(control, motion_untold), OWN(control, state_given), NUMBER(control, hindrance), LOOSE(control, lag_rad), FREE(control, target),
	FREE(control, shadow_target), FLAG(control, chunk_first), PART(control, origin, part_origin), FREE(control, clamped),
	TIME(control, overflow_since_ns), PART(control, report, part_report) };
DEFINE(control, control);

const struct state_part *state_of_control(void)
{
	return &part_control;
}

/* ---- all rows, one after another ------------------------------------------------------------------------------------- */

static void enter(struct state_walk *w, const struct state_place *p, const struct state_row *row)
{
	if (w->depth == STATE_DEPTH)
		return; /* a test walks through all of them */
	w->place[w->depth++] = (struct state_place){ .part = row->part, .at = p->at + row->at + p->element * row->bytes };
}

/* The place below is done with one element of its part. */
static void leave(struct state_walk *w)
{
	struct state_place *p;

	if (--w->depth == 0)
		return;
	p = &w->place[w->depth - 1];
	if (++p->element < p->part->row[p->row].n)
		return;
	p->element = 0;
	p->row++;
}

const struct state_row *state_next(struct state_walk *w, size_t *at)
{
	while (w->depth > 0) {
		struct state_place *p = &w->place[w->depth - 1];
		const struct state_row *row = &p->part->row[p->row];

		if (p->row == p->part->n) {
			leave(w);
			continue;
		}
		if (row->rule == STATE_PART) {
			enter(w, p, row);
			continue;
		}
		p->row++;
		*at = p->at + row->at;
		return row;
	}
	return NULL;
}

void state_name(const struct state_walk *w, const struct state_row *row, char name[STATE_NAME_BYTES])
{
	size_t used = 0;

	for (uint32_t i = 0; i + 1 < w->depth; i++) {
		const struct state_place *p = &w->place[i];
		const struct state_row *part = &p->part->row[p->row];
		size_t room = STATE_NAME_BYTES - used;
		int n = part->n > 1 ? snprintf(name + used, room, "%s[%u].", part->name, p->element) : snprintf(name + used, room, "%s.", part->name);

		used += n > 0 && (size_t)n < room ? (size_t)n : 0;
	}
	snprintf(name + used, STATE_NAME_BYTES - used, "%s", row->name);
}

uint32_t state_fingerprint(void)
{
	struct state_walk w = { .place = { { .part = state_of_control() } }, .depth = 1 };
	const struct state_row *row;
	char text[STATE_NAME_BYTES];
	uLong sum = crc32(0, NULL, 0);
	size_t at;

	while ((row = state_next(&w, &at))) {
		int n = snprintf(text, sizeof text, "%s %zu %zu %u %u %d;", row->name, at, row->bytes, row->n, row->most, (int)row->rule);

		sum = crc32(sum, (const Bytef *)text, (uInt)n);
	}
	return (uint32_t)sum;
}
