/* robot.c - modes and motions; requests are in requests.c, the state's numbers in robot_state.c. See robot.h. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

/* How long the robot waits for the first command of a motion; not documented. Clients send it within milliseconds. */
static const uint32_t first_command_ms = 1000;
/* Idle so long after the finished flag; real clients then send three or four finished commands, as with a real robot. */
static const uint32_t finish_ms = 3;
/* A motion with a generator may end with so little speed left, which the arm then brakes; not documented. */
static const double end_speed_rad_s = 0.05;

static const double stands_rad_s = 1e-3;
/* An arm that stands beyond a limit trembles by rounding only. */
static const double outward_rad_s = 1e-6;
/* Errors are shown for so long after the arm has braked; not documented. */
static const uint32_t errors_shown_ms = 100;

static const double identity[16] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
/* Franka Hand on the flange: turned by -45 degrees, 0.1034 m ahead. */
static const double flange_to_hand[16] = { 0.70710678118654752, -0.70710678118654752, 0, 0, 0.70710678118654752, 0.70710678118654752,
	0, 0, 0, 0, 1, 0, 0, 0, 0.1034, 1 };

/* ---- life -------------------------------------------------------------------------------------------------------------- */

/* The values that Franka's examples set; the firmware's own are not published. */
static void default_settings(struct franka_settings *s)
{
	static const double joint[FRANKA_DOF] = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 };
	static const double cartesian[6] = { 3000, 3000, 3000, 300, 300, 300 };

	*s = (struct franka_settings){ 0 };
	memcpy(s->f_t_ne, flange_to_hand, sizeof s->f_t_ne);
	memcpy(s->ne_t_ee, identity, sizeof s->ne_t_ee);
	memcpy(s->ee_t_k, identity, sizeof s->ee_t_k);
	memcpy(s->joint_impedance, joint, sizeof s->joint_impedance);
	memcpy(s->cartesian_impedance, cartesian, sizeof s->cartesian_impedance);
}

void franka_robot_init(struct franka_robot *r, const double *q_rad)
{
	*r = (struct franka_robot){ .mode = FCI_MODE_IDLE };
	default_settings(&r->settings);
	memcpy(r->plant.q_rad, q_rad, sizeof r->plant.q_rad);
	franka_robot_carry(r);
	franka_robot_connect(r, FCI_VERSION_MIN);
}

static void seed(struct franka_robot *r)
{
	struct pose nominal, tool;

	franka_pose_take(r->settings.f_t_ne, &nominal);
	franka_pose_take(r->settings.ne_t_ee, &tool);
	pose_multiply(&nominal, &tool, &r->generator.flange_to_ee);
	franka_generator_seed(&r->generator, r->plant.q_rad, r->plant.dq_rad_s);
}

void franka_robot_connect(struct franka_robot *r, uint32_t version)
{
	r->version = version;
	r->generator.limits = franka_limits_of(version);
	r->plant.dynamics = version >= 6 ? &franka_dynamics_fr3 : &franka_dynamics_panda;
	seed(r);
}

/* ---- modes ------------------------------------------------------------------------------------------------------------- */

enum fci_robot_mode franka_robot_resting_mode(const struct franka_robot *r)
{
	if (r->locked)
		return FCI_MODE_OTHER;
	if (r->user_stop)
		return FCI_MODE_USER_STOPPED;
	return r->guiding ? FCI_MODE_GUIDING : FCI_MODE_IDLE;
}

bool franka_robot_stands(const struct franka_robot *r)
{
	for (int i = 0; i < FRANKA_DOF; i++)
		if (!(fabs(r->generator.d.dq_rad_s[i]) < 1e-6 && fabs(r->plant.dq_rad_s[i]) < stands_rad_s))
			return false;
	return true;
}

/* From torques to desired joints that go on as the arm does. */
static void let_go(struct franka_robot *r)
{
	if (r->generator.torques)
		seed(r);
	r->generator.torques = false;
}

void franka_robot_end_now(struct franka_robot *r, enum fci_status status)
{
	if (!r->moving && !r->starting)
		return;
	let_go(r);
	r->starting = r->moving = r->ending = r->offered = false;
	r->ended = true;
	r->end = status;
	r->generator.generator = FCI_GENERATOR_IDLE;
	r->mode = franka_robot_resting_mode(r);
}

void franka_robot_end_standing(struct franka_robot *r, enum fci_status status, uint32_t least_ms)
{
	let_go(r);
	r->ending = true;
	r->ending_as = status;
	r->ending_ms = least_ms;
}

static void reflex(struct franka_robot *r, uint64_t errors)
{
	franka_robot_end_now(r, FCI_STATUS_REFLEX_ABORTED);
	r->errors |= errors;
	r->reflex_reason = r->errors;
	r->mode = FCI_MODE_REFLEX;
	r->settled_ms = 0;
	r->counters.reflexes++;
	r->counters.violations += (errors >> FCI_ERROR_communication_constraints_violation) & 1;
}

void franka_robot_reflex(struct franka_robot *r, enum fci_error why)
{
	reflex(r, UINT64_C(1) << why);
}

static void change_rest(struct franka_robot *r)
{
	franka_robot_end_now(r, FCI_STATUS_EMERGENCY_ABORTED);
	if (r->mode != FCI_MODE_REFLEX || r->user_stop)
		r->mode = franka_robot_resting_mode(r);
}

void franka_robot_user_stop(struct franka_robot *r, bool pressed)
{
	r->user_stop = pressed;
	change_rest(r);
}

void franka_robot_guide(struct franka_robot *r, bool guided)
{
	r->guiding = guided;
	change_rest(r);
}

void franka_robot_lock(struct franka_robot *r, bool locked)
{
	r->locked = locked;
	change_rest(r);
}

void franka_robot_leave(struct franka_robot *r)
{
	franka_robot_end_now(r, FCI_STATUS_ABORTED);
	r->ended = false; /* nobody is there to be told */
}

bool franka_robot_take_end(struct franka_robot *r, enum fci_status *status)
{
	bool ended = r->ended;

	*status = r->end;
	r->ended = false;
	return ended;
}

/* ---- commands ---------------------------------------------------------------------------------------------------------- */

void franka_robot_offer(struct franka_robot *r, const struct fci_motion *m)
{
	if (!r->moving || r->ending)
		return; /* finished commands go on for a round trip */
	if (m->message_id != r->message_id) {
		r->counters.late++;
		return;
	}
	r->command = *m;
	r->offered = true;
}

static bool all_finite(const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

static bool command_sound(const struct fci_motion *m)
{
	return all_finite(m->q_c, 7) && all_finite(m->dq_c, 7) && all_finite(m->O_T_EE_c, 16) && all_finite(m->O_dP_EE_c, 6) && all_finite(m->elbow_c, 2) &&
			all_finite(m->tau_J_d, 7) && m->valid_elbow <= 1 && m->motion_finished <= 1 && m->torque_finished <= 1;
}

static void watch(struct franka_robot *r, bool hit)
{
	r->hit[r->watched_next] = hit;
	r->watched_next = (r->watched_next + 1) % FRANKA_COMMANDS_WATCHED;
	r->n_watched += r->n_watched < FRANKA_COMMANDS_WATCHED;
	r->missed_row = hit ? 0 : r->missed_row + 1;
	r->counters.commands += hit;
	r->counters.missed += !hit;
	if (r->missed_row > r->counters.longest_row)
		r->counters.longest_row = r->missed_row;
}

/* Torques may leave the arm at any speed: nothing was promised about it. */
static bool nearly_still(const struct franka_robot *r)
{
	for (int i = 0; i < FRANKA_DOF && !r->generator.torques; i++)
		if (!(fabs(r->generator.d.dq_rad_s[i]) <= end_speed_rad_s))
			return false;
	return true;
}

static void finish(struct franka_robot *r)
{
	static const enum fci_error rushed[] = {
		[FCI_GENERATOR_JOINT_POSITION] = FCI_ERROR_joint_motion_generator_velocity_discontinuity,
		[FCI_GENERATOR_JOINT_VELOCITY] = FCI_ERROR_joint_motion_generator_velocity_discontinuity,
		[FCI_GENERATOR_CARTESIAN_POSITION] = FCI_ERROR_cartesian_motion_generator_velocity_discontinuity,
		[FCI_GENERATOR_CARTESIAN_VELOCITY] = FCI_ERROR_cartesian_motion_generator_velocity_discontinuity,
		[FCI_GENERATOR_NONE] = FCI_ERROR_controller_torque_discontinuity,
	};

	if (nearly_still(r))
		franka_robot_end_standing(r, FCI_STATUS_SUCCESS, finish_ms);
	else
		reflex(r, UINT64_C(1) << rushed[r->generator.generator]);
}

/* false: the desired motion did not go on. */
static bool use_command(struct franka_robot *r)
{
	if (!command_sound(&r->command)) {
		franka_robot_end_standing(r, FCI_STATUS_INPUT_ERROR_ABORTED, 0);
		return false;
	}
	watch(r, true);
	franka_generator_step(&r->generator, &r->command);
	if (r->generator.errors) {
		reflex(r, r->generator.errors);
		return false;
	}
	if (r->command.motion_finished || r->command.torque_finished)
		finish(r);
	return true;
}

static bool wait_for_first(struct franka_robot *r)
{
	if (++r->waited_ms > first_command_ms)
		reflex(r, UINT64_C(1) << FCI_ERROR_communication_constraints_violation);
	return false;
}

static bool go_on_without(struct franka_robot *r)
{
	if (!r->generator.started) /* the client has yet to see that the motion has begun */
		return wait_for_first(r);
	watch(r, false);
	franka_generator_step(&r->generator, NULL);
	uint64_t errors = r->generator.errors;

	if (r->missed_row >= FRANKA_MISSES_MAX)
		reflex(r, errors | UINT64_C(1) << FCI_ERROR_communication_constraints_violation);
	else if (errors)
		reflex(r, errors);
	return errors == 0;
}

/* false: the desired motion did not go on, or is from now on another one than the arm was led by. */
static bool move(struct franka_robot *r)
{
	bool torques = r->generator.torques, led = r->offered ? use_command(r) : go_on_without(r);

	r->offered = false;
	return led && r->generator.torques == torques;
}

/* ---- a millisecond ------------------------------------------------------------------------------------------------------- */

/* Under torques the arm goes where they push it: the robot stops it at the limits of joints and speeds. */
static void check_arm(struct franka_robot *r)
{
	const struct robot_model *m = r->generator.limits->model;
	uint64_t errors = 0;

	for (int i = 0; i < FRANKA_DOF; i++) {
		double q = r->plant.q_rad[i], v = r->plant.dq_rad_s[i];

		if ((q > m->q_max_rad[i] && v > outward_rad_s) || (q < m->q_min_rad[i] && v < -outward_rad_s))
			errors |= UINT64_C(1) << FCI_ERROR_joint_position_limits_violation;
		if (!(fabs(v) <= m->dq_max_rad_s[i]))
			errors |= UINT64_C(1) << FCI_ERROR_joint_velocity_violation;
	}
	if (errors)
		reflex(r, errors);
}

static void begin_motion(struct franka_robot *r)
{
	franka_generator_start(&r->generator, r->next_generator, r->controller == FCI_CONTROL_EXTERNAL);
	r->starting = false;
	r->moving = true;
	r->mode = FCI_MODE_MOVE;
}

/* What waits for the arm to stand. */
static void settle(struct franka_robot *r)
{
	if (!franka_robot_stands(r)) {
		r->settled_ms = 0;
		return;
	}
	if (r->ending && r->ending_ms == 0)
		franka_robot_end_now(r, r->ending_as);
	if (r->mode == FCI_MODE_RECOVERY)
		r->mode = franka_robot_resting_mode(r);
	if (++r->settled_ms >= errors_shown_ms)
		r->errors = 0; /* what ended the motion stays in reflex_reason */
}

void franka_robot_step(struct franka_robot *r)
{
	if (r->starting && franka_robot_stands(r))
		begin_motion(r);
	if (r->ending && r->ending_ms > 0)
		r->ending_ms--;
	if (!r->moving || r->ending || !move(r))
		franka_generator_brake(&r->generator);
	if (r->moving && r->generator.torques) {
		franka_plant_push(&r->plant, r->generator.d.tau_nm);
		check_arm(r);
	} else {
		franka_plant_follow(&r->plant, &r->generator.d);
	}
	settle(r);
	r->message_id++;
}
