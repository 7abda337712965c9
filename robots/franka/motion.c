#include "robots/franka/motion.h"

#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"

/* Longer than hosts let a virtual machine stand (100 ms). */
static const int64_t SILENT_NS = 300 * NS_PER_MS;
/* As libfranka waits for a state. */
static const int64_t GIVE_UP_NS = NS_PER_S;
/* For a response or an idle state, which take as long as the arm brakes: well under 1 s. */
static const int64_t PATIENCE_NS = 3 * NS_PER_S;
/* A motion that nobody wants any more comes to rest well within this. */
static const int64_t LINGER_NS = 2 * NS_PER_S;
/* Of the end effector's limits: less what float32 states may be off by, 60 m/s^3 of 4500, and what one period's turn may add. */
static const double CARTESIAN_SHARE = 0.96;
static const int64_t PAUSE_MIN_NS = NS_PER_S, PAUSE_MAX_NS = 8 * NS_PER_S;

void franka_motion_init(struct franka_motion_life *m, const struct franka_setup *setup)
{
	*m = (struct franka_motion_life){ .setup = setup };
}

static void enter(struct franka_motion_life *m, enum franka_phase phase, int64_t now_ns)
{
	m->phase = phase;
	m->phase_ns = now_ns;
}

static struct franka_ask *ask(struct franka_motion_life *m, enum franka_ask_kind kind)
{
	struct franka_ask *a = &m->ask[m->n_asks < FRANKA_MOTION_ASKS ? m->n_asks++ : FRANKA_MOTION_ASKS - 1];

	*a = (struct franka_ask){ .kind = kind, .generation = m->generation };
	return a;
}

/* Names what went wrong; whoever drives is let go of, and the next Move waits. */
static void blame(struct franka_motion_life *m, enum franka_trouble trouble, int64_t now_ns)
{
	bool again = m->pause_ns && now_ns - m->not_before_ns < PAUSE_MAX_NS;

	m->trouble = trouble;
	m->pause_ns = !again ? PAUSE_MIN_NS : m->pause_ns < PAUSE_MAX_NS / 2 ? 2 * m->pause_ns : PAUSE_MAX_NS;
	m->not_before_ns = now_ns + m->pause_ns;
}

static void stop(struct franka_motion_life *m, enum franka_trouble trouble, int64_t now_ns)
{
	ask(m, FRANKA_ASK_STOP_MOVE);
	enter(m, FRANKA_ENDS, now_ns);
	if (trouble != FRANKA_TROUBLE_NONE)
		blame(m, trouble, now_ns);
}

/* ---- what the session reports -------------------------------------------------------------------------------------------- */

static void meet(struct franka_motion_life *m, const struct franka_event *e, int64_t now_ns)
{
	const struct franka_setup *setup = m->setup;

	*m = (struct franka_motion_life){ .setup = setup, .generation = e->generation, .version = e->version, .state_ns = now_ns,
		.trouble = m->trouble, .pause_ns = m->pause_ns, .not_before_ns = m->not_before_ns };
	franka_shape_init(&m->shape, e->version, setup->low_pass_hz);
	m->shape.gentle = setup->generator == OUTPUT_POSE;
	franka_cartesian_init(&m->cartesian, e->version, m->shape.model, &setup->tcp);
	enter(m, FRANKA_RESTS, now_ns);
}

static void hear_end(struct franka_motion_life *m, enum fci_status status, int64_t now_ns)
{
	m->heard_end = true;
	m->end_status = status;
	if (m->phase == FRANKA_ASKED && !m->heard_start) {
		blame(m, FRANKA_TROUBLE_MOVE_REFUSED, now_ns);
		enter(m, FRANKA_RESTS, now_ns);
	} else if (m->phase == FRANKA_ASKED || m->phase == FRANKA_RUNS) {
		enter(m, FRANKA_ENDS, now_ns);
	}
}

void franka_motion_event(struct franka_motion_life *m, const struct franka_event *e, int64_t now_ns)
{
	if (e->kind == FRANKA_EVENT_CONNECTED)
		meet(m, e, now_ns);
	if (e->generation != m->generation)
		return;
	switch (e->kind) {
	case FRANKA_EVENT_CONNECTED:
		break;
	case FRANKA_EVENT_OPENED:
		m->opened = true;
		break;
	case FRANKA_EVENT_MOVE_STARTED:
		m->heard_start = true;
		break;
	case FRANKA_EVENT_MOVE_ENDED:
		hear_end(m, e->status, now_ns);
		break;
	case FRANKA_EVENT_RECOVERED:
		if (e->status != FCI_STATUS_SUCCESS)
			blame(m, FRANKA_TROUBLE_RECOVERY_REFUSED, now_ns);
		break;
	case FRANKA_EVENT_CLOSED:
		m->opened = false;
		enter(m, FRANKA_CLOSED, now_ns);
		break;
	}
}

/* ---- what states show ---------------------------------------------------------------------------------------------------- */

static bool runs(const struct franka_motion_life *m)
{
	uint8_t generator = m->setup->generator == OUTPUT_POSE ? FCI_GENERATOR_CARTESIAN_POSITION : FCI_GENERATOR_JOINT_POSITION;

	return m->state.generator_mode == generator && m->state.controller_mode == (uint8_t)m->setup->controller &&
			m->state.robot_mode == FCI_MODE_MOVE;
}

static bool idles(const struct franka_motion_life *m)
{
	return m->state.generator_mode == FCI_GENERATOR_IDLE && m->state.robot_mode != FCI_MODE_MOVE;
}

static void begin(struct franka_motion_life *m, int64_t now_ns)
{
	franka_shape_begin(&m->shape, &m->state);
	m->let_go_ns = 0;
	if (m->setup->generator == OUTPUT_POSE && !franka_cartesian_begin(&m->cartesian, &m->state))
		stop(m, FRANKA_TROUBLE_POSE_DIFFERS, now_ns);
	else
		enter(m, FRANKA_RUNS, now_ns);
}

/* The arm stands again, or is on its way to; what ended the motion shows in the robot's mode, or has to be named: a stop button that was
 * only tapped is released by now. */
static void end(struct franka_motion_life *m, int64_t now_ns)
{
	bool button = m->end_status == FCI_STATUS_EMERGENCY_ABORTED;

	if (m->phase == FRANKA_ENDS && m->state.robot_mode == FCI_MODE_IDLE && now_ns >= m->not_before_ns)
		blame(m, button ? FRANKA_TROUBLE_USER_STOPPED : FRANKA_TROUBLE_MOVE_ENDED, now_ns);
	enter(m, FRANKA_RESTS, now_ns);
}

static void see(struct franka_motion_life *m, uint64_t periods)
{
	franka_shape_see(&m->shape, &m->state, periods);
	if (m->setup->generator == OUTPUT_POSE)
		franka_cartesian_see(&m->cartesian, &m->state);
}

static void follow(struct franka_motion_life *m, uint64_t periods, bool sound, int64_t now_ns)
{
	switch (m->phase) {
	case FRANKA_CLOSED:
	case FRANKA_RESTS:
		break;
	case FRANKA_ASKED:
		if (!sound && m->heard_start)
			stop(m, FRANKA_TROUBLE_BAD_STATES, now_ns);
		else if (m->heard_start && runs(m))
			begin(m, now_ns);
		break;
	case FRANKA_RUNS:
		if (!runs(m))
			enter(m, FRANKA_ENDS, now_ns);
		else if (!sound)
			stop(m, FRANKA_TROUBLE_BAD_STATES, now_ns);
		else
			see(m, periods);
		break;
	case FRANKA_FINISHES:
	case FRANKA_ENDS:
		if (idles(m) && m->heard_end)
			end(m, now_ns);
		break;
	}
}

/* The settings need what a state says of the flange. */
static void configure(struct franka_motion_life *m)
{
	if (m->configuring)
		return;
	m->configuring = true;
	memcpy(ask(m, FRANKA_ASK_CONFIGURE)->f_t_ne, m->state.F_T_NE, sizeof m->state.F_T_NE);
}

/* What no number of it can be believed of, keeps the numbers of the state before. */
static void take_modes(struct franka_motion_life *m, const struct fci_state *s)
{
	m->state.message_id = s->message_id;
	m->state.generator_mode = s->generator_mode;
	m->state.controller_mode = s->controller_mode;
	m->state.robot_mode = s->robot_mode;
}

void franka_motion_state(struct franka_motion_life *m, const struct fci_state *s, bool sound, int64_t now_ns)
{
	uint64_t periods = m->has_state ? s->message_id - m->state.message_id : 1;

	if (m->phase == FRANKA_CLOSED)
		return;
	if (sound)
		m->state = *s;
	else
		take_modes(m, s);
	m->has_state = m->has_state || sound;
	m->fresh = sound;
	if (sound)
		m->state_ns = now_ns;
	if (m->has_state)
		configure(m);
	follow(m, periods, sound, now_ns);
	if (!sound && now_ns >= m->not_before_ns)
		blame(m, FRANKA_TROUBLE_BAD_STATES, now_ns);
}

/* ---- commands ------------------------------------------------------------------------------------------------------------- */

static void lose(struct franka_motion_life *m, int64_t now_ns)
{
	ask(m, FRANKA_ASK_RECONNECT);
	m->opened = false;
	enter(m, FRANKA_CLOSED, now_ns);
}

static void watch_time(struct franka_motion_life *m, int64_t now_ns)
{
	int64_t for_ns = now_ns - m->phase_ns;

	if (m->phase == FRANKA_CLOSED)
		return;
	if (now_ns - m->state_ns > GIVE_UP_NS)
		lose(m, now_ns);
	else if (m->phase == FRANKA_ASKED && for_ns > PATIENCE_NS)
		stop(m, FRANKA_TROUBLE_NOT_BEGUN, now_ns);
	else if ((m->phase == FRANKA_ENDS || m->phase == FRANKA_FINISHES) && for_ns > PATIENCE_NS)
		lose(m, now_ns);
	else if (m->phase == FRANKA_RUNS && m->let_go_ns && now_ns - m->let_go_ns > LINGER_NS)
		stop(m, FRANKA_TROUBLE_MOVE_ENDED, now_ns);
}

static void ask_move(struct franka_motion_life *m, int64_t now_ns)
{
	if (m->phase != FRANKA_RESTS || !m->engage || !m->opened || !m->fresh || now_ns < m->not_before_ns)
		return;
	if (m->state.robot_mode != FCI_MODE_IDLE || m->state.generator_mode != FCI_GENERATOR_IDLE)
		return;
	m->heard_start = m->heard_end = false;
	ask(m, FRANKA_ASK_MOVE);
	enter(m, FRANKA_ASKED, now_ns);
}

/* As much of a command as the end effector's limits leave. Joints that go on as they are may turn it ever faster, so that the other way is
 * tried too; where nothing keeps the limits, which a row of missed commands may have led to, what breaks them least. */
static void keep_cartesian(struct franka_motion_life *m, double *q_rad)
{
	enum { STEPS = 8, STEPS_BACK = 4 };
	double best = 1, least = franka_cartesian_load(&m->cartesian, q_rad);

	for (int i = STEPS - 1; i >= -STEPS_BACK && !(least <= CARTESIAN_SHARE); i--) {
		double share = (double)i / STEPS;

		franka_shape_soften(&m->shape, share, q_rad);
		double load = franka_cartesian_load(&m->cartesian, q_rad);

		if (load < least) {
			least = load;
			best = share;
		}
	}
	franka_shape_soften(&m->shape, best, q_rad);
}

/* Joints that may be sent, and what they are sent as. */
static void make_command(struct franka_motion_life *m, const struct robot_command *wish)
{
	double q[FRANKA_JOINTS];
	static const double nowhere[FRANKA_JOINTS] = { NAN, NAN, NAN, NAN, NAN, NAN, NAN };

	m->command = (struct fci_motion){ 0 };
	franka_shape_step(&m->shape, wish->hold ? wish->q_rad : nowhere, wish->hold ? wish->dq_rad_s : nowhere, q);
	if (m->setup->generator == OUTPUT_POSE) {
		keep_cartesian(m, q);
		franka_cartesian_put(&m->cartesian, q, &m->command);
	} else {
		memcpy(m->command.q_c, q, sizeof m->command.q_c);
	}
}

static void go_on(struct franka_motion_life *m, const struct robot_command *wish, int64_t now_ns)
{
	make_command(m, wish);
	if (m->engage) {
		m->let_go_ns = 0;
		return;
	}
	if (!m->let_go_ns)
		m->let_go_ns = now_ns;
	if (!franka_shape_rests(&m->shape))
		return;
	m->command.motion_finished = 1;
	enter(m, FRANKA_FINISHES, now_ns);
}

bool franka_motion_command(struct franka_motion_life *m, const struct robot_command *wish, int64_t now_ns, struct fci_motion *out)
{
	bool fresh = m->fresh;

	m->engage = wish->hold && wish->engage;
	watch_time(m, now_ns);
	ask_move(m, now_ns);
	m->fresh = false;
	if (!fresh || !runs(m) || (m->phase != FRANKA_RUNS && m->phase != FRANKA_FINISHES))
		return false;
	if (m->phase == FRANKA_RUNS)
		go_on(m, wish, now_ns);
	m->command.message_id = m->state.message_id;
	*out = m->command;
	return true;
}

/* ---- asks and reports ----------------------------------------------------------------------------------------------------- */

void franka_motion_recover(struct franka_motion_life *m)
{
	if (m->phase != FRANKA_CLOSED)
		ask(m, FRANKA_ASK_RECOVER);
}

bool franka_motion_take_ask(struct franka_motion_life *m, struct franka_ask *out)
{
	if (m->n_asks == 0)
		return false;
	*out = m->ask[0];
	memmove(m->ask, m->ask + 1, --m->n_asks * sizeof *m->ask);
	return true;
}

/* Mode and trouble of a robot that is connected and sends states. */
static void report_mode(const struct franka_motion_life *m, int64_t now_ns, struct robot_state *out)
{
	bool paused = now_ns < m->not_before_ns;
	static const struct {
		enum arm_mode mode;
		enum franka_trouble trouble;
	} by[] = {
		[FCI_MODE_OTHER] = { ARM_IDLE, FRANKA_TROUBLE_LOCKED },
		[FCI_MODE_GUIDING] = { ARM_GUIDING, FRANKA_TROUBLE_GUIDING },
		[FCI_MODE_REFLEX] = { ARM_REFLEX, FRANKA_TROUBLE_REFLEX },
		[FCI_MODE_USER_STOPPED] = { ARM_USER_STOPPED, FRANKA_TROUBLE_USER_STOPPED },
		[FCI_MODE_RECOVERY] = { ARM_REFLEX, FRANKA_TROUBLE_RECOVERING },
	};
	uint8_t mode = m->state.robot_mode;

	if (mode == FCI_MODE_MOVE && m->phase == FRANKA_RESTS) {
		out->mode = ARM_IDLE;
		out->trouble = FRANKA_TROUBLE_OTHER_MOTION;
	} else if (mode == FCI_MODE_IDLE || mode == FCI_MODE_MOVE) {
		out->mode = m->opened && !paused ? ARM_READY : ARM_IDLE;
		out->trouble = paused ? m->trouble : FRANKA_TROUBLE_NONE;
	} else if (mode < sizeof by / sizeof *by) {
		out->mode = by[mode].mode;
		out->trouble = paused && m->trouble == FRANKA_TROUBLE_RECOVERY_REFUSED ? m->trouble : by[mode].trouble;
	} else {
		out->mode = ARM_IDLE;
		out->trouble = FRANKA_TROUBLE_LOCKED;
	}
}

/* The cause of a reflex clears once the arm has braked; the reflex does not. */
static uint64_t errors_of(const struct fci_state *s)
{
	uint64_t errors = 0;

	for (int i = 0; i < FCI_ERRORS; i++)
		if (s->errors[i] || (s->robot_mode == FCI_MODE_REFLEX && s->reflex_reason[i]))
			errors |= UINT64_C(1) << i;
	return errors;
}

void franka_motion_report(const struct franka_motion_life *m, int64_t now_ns, struct robot_state *out)
{
	const struct fci_state *s = &m->state;

	*out = (struct robot_state){ .generation = m->generation, .stamp_ns = m->state_ns };
	if (m->phase == FRANKA_CLOSED)
		return;
	if (!m->has_state || now_ns - m->state_ns > SILENT_NS) {
		out->trouble = now_ns - m->state_ns > SILENT_NS ? FRANKA_TROUBLE_NO_STATES : FRANKA_TROUBLE_NONE;
		return;
	}
	report_mode(m, now_ns, out);
	out->engaged = m->phase == FRANKA_RUNS;
	out->has_q_d = out->has_tau = true;
	out->has_success_rate = m->phase == FRANKA_RUNS;
	out->success_rate = s->success_rate;
	out->errors = errors_of(s);
	memcpy(out->q_rad, s->q, sizeof s->q);
	memcpy(out->dq_rad_s, s->dq, sizeof s->dq);
	memcpy(out->q_d_rad, s->q_d, sizeof s->q_d);
	memcpy(out->tau_nm, s->tau_J, sizeof s->tau_J);
}
