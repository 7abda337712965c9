/* hand_session.c - see hand_session.h. Sizes and numbers: wire.h. */
#include "robots/franka/hand_session.h"

#include <math.h>
#include <string.h>

/* Shorter than a person waits, longer than any network in a laboratory takes. */
static const int64_t call_ns = 2 * NS_PER_S, greeting_ns = 2 * NS_PER_S;
/* A homing closes and opens the fingers slowly; Franka's own examples give it 10 s. Other commands have their way's time and this. */
static const int64_t homing_ns = 30 * NS_PER_S, slack_ns = 3 * NS_PER_S, stopping_ns = 2 * NS_PER_S;
static const int64_t again_first_ns = NS_PER_S / 2;
static const uint32_t again_doublings = 4; /* 8 s */
/* A person who comes to see why must not be pinched by the next try. */
static const uint32_t tries = 5;
/* Fingers that have not come so far in so long stand: a tenth of the slowest speed that can be configured (0.01 m/s). */
static const double creep_m = 0.0005;
static const int64_t creep_ns = NS_PER_S / 2;
/* No hand that knows its range opens less; what a hand says beyond these is no opening of one (its stroke is 0.08 m). */
static const double range_least_m = 0.01, width_least_m = -0.01, width_most_m = 0.2;
static const uint32_t failures_shown = 3; /* in a row */

void hand_session_init(struct hand_session *s, const struct franka_hand_setup *setup)
{
	*s = (struct hand_session){ .setup = *setup };
}

static int64_t again_ns(uint32_t times)
{
	return again_first_ns << (times < again_doublings ? times : again_doublings);
}

static void forget_hand(struct hand_session *s)
{
	s->request.open = s->stop.open = s->has_state = s->blocked = s->homing_asked = false;
	s->did = FCI_GRIPPER_CONNECT;
	s->n_in = s->n_out = 0;
}

static bool homes(const struct hand_session *s)
{
	return s->phase >= HAND_BUSY && s->request.open && s->request.command == FCI_GRIPPER_HOMING;
}

static void part(struct hand_session *s, enum franka_trouble why, int64_t now_ns)
{
	s->homing_failed |= homes(s);
	s->counters.failures += s->phase >= HAND_BUSY && s->request.open;
	forget_hand(s);
	s->phase = HAND_APART;
	s->why = why;
	s->due_ns = now_ns + again_ns(s->calls_in_vain++);
}

static void give_up(struct hand_session *s, enum franka_trouble why, int64_t now_ns)
{
	part(s, why, now_ns);
	s->hang_up = true;
}

/* ---- what is sent ---------------------------------------------------------------------------------------------------- */

static void ask(struct hand_session *s, struct hand_request *r, enum fci_gripper_command c, const void *payload, int64_t now_ns)
{
	const struct fci_gripper_header h = { (uint16_t)c, s->next_id++, (uint32_t)fci_gripper_request_bytes(c) };

	if (h.size > sizeof s->out - s->n_out) { /* it answers what it was not sent, or nothing goes out */
		give_up(s, FRANKA_TROUBLE_HAND_PROTOCOL_ERROR, now_ns);
		return;
	}
	*r = (struct hand_request){ .open = true, .id = h.id, .command = c };
	memcpy(s->out + s->n_out, &h, sizeof h);
	if (payload)
		memcpy(s->out + s->n_out + sizeof h, payload, h.size - sizeof h);
	s->n_out += h.size;
}

void hand_session_opened(struct hand_session *s, uint16_t udp_port, int64_t now_ns)
{
	const struct fci_connect hello = { FCI_GRIPPER_VERSION, udp_port };

	forget_hand(s);
	s->next_id = 0;
	s->phase = HAND_GREETING;
	s->due_ns = now_ns + greeting_ns;
	ask(s, &s->request, FCI_GRIPPER_CONNECT, &hello, now_ns);
}

void hand_session_closed(struct hand_session *s, int64_t now_ns)
{
	part(s, s->phase == HAND_GREETING ? FRANKA_TROUBLE_HAND_OTHER_CLIENT : FRANKA_TROUBLE_HAND_ABSENT, now_ns);
}

static void begin(struct hand_session *s, enum fci_gripper_command c, double goal_m, int64_t now_ns)
{
	const struct franka_hand_setup *o = &s->setup;
	const struct fci_grasp grasp = { goal_m, o->epsilon_inner_m, o->epsilon_outer_m, o->speed_m_s, o->force_n };
	const struct fci_gripper_move move = { goal_m, o->speed_m_s };
	double way_m = fabs(s->state.width_m - goal_m);

	s->phase = HAND_BUSY;
	s->due_ns = now_ns + (c == FCI_GRIPPER_HOMING ? homing_ns : slack_ns + (int64_t)(way_m / o->speed_m_s * (double)NS_PER_S));
	s->began_m = s->crept_m = s->state.width_m;
	s->crept_ns = now_ns;
	s->homing_failed &= c != FCI_GRIPPER_HOMING;
	s->counters.homings += c == FCI_GRIPPER_HOMING;
	s->counters.grasps += c == FCI_GRIPPER_GRASP;
	s->counters.moves += c == FCI_GRIPPER_MOVE;
	ask(s, &s->request, c, c == FCI_GRIPPER_GRASP ? (const void *)&grasp : &move, now_ns);
	s->request.goal_m = goal_m;
}

/* ---- what is to be done ------------------------------------------------------------------------------------------------ */

static double within_range(const struct hand_session *s, double width_m)
{
	return width_m < HAND_CLOSED_M ? 0.0 : fmin(width_m, s->state.max_width_m);
}

static double wanted(const struct hand_session *s)
{
	return within_range(s, s->wish.width_m);
}

static bool same(double a_m, double b_m)
{
	return fabs(a_m - b_m) <= HAND_HYSTERESIS_M;
}

static void bar(struct hand_session *s)
{
	s->barred = s->wished;
	s->barred_m = s->wish.width_m;
}

/* What trembles about the limit of a closed hand is as good as itself. */
static void lift_bar(struct hand_session *s)
{
	if (s->wish.given && s->has_state && !same(s->wish.width_m, s->barred_m) && !same(wanted(s), within_range(s, s->barred_m)))
		s->barred = false;
}

/* MOVE or GRASP, or CONNECT: nothing. */
static enum fci_gripper_command choose(const struct hand_session *s, double want_m)
{
	double width_m = s->state.width_m;
	bool open = want_m > width_m + HAND_HYSTERESIS_M, close = want_m < width_m - HAND_HYSTERESIS_M;
	bool holds = s->did == FCI_GRIPPER_GRASP || (s->did == FCI_GRIPPER_CONNECT && s->state.is_grasped);

	if (!open && (!close || holds))
		return FCI_GRIPPER_CONNECT;
	if (s->did == FCI_GRIPPER_MOVE && !s->blocked && same(want_m, s->did_m))
		return FCI_GRIPPER_CONNECT;
	return open || (want_m > 0.0 && !s->blocked) ? FCI_GRIPPER_MOVE : FCI_GRIPPER_GRASP;
}

static bool patient(const struct hand_session *s, int64_t now_ns)
{
	if (s->in_vain == 0 || !same(wanted(s), s->vain_m))
		return s->in_vain == 0 || now_ns - s->vain_ns >= again_first_ns;
	return s->in_vain < tries && now_ns - s->vain_ns >= again_ns(s->in_vain - 1);
}

static void begin_next(struct hand_session *s, int64_t now_ns)
{
	if (now_ns - s->ended_ns < HAND_DWELL_NS)
		return;
	if (s->homing_asked) {
		s->homing_asked = false;
		begin(s, FCI_GRIPPER_HOMING, 0.0, now_ns);
		return;
	}
	if (!hand_session_knows(s, now_ns) || s->state_ns < s->ended_ns || s->state.max_width_m < range_least_m)
		return;
	if (!s->wish.given || s->barred || !patient(s, now_ns))
		return;
	double want_m = wanted(s);
	enum fci_gripper_command c = choose(s, want_m);

	s->tried_m = want_m;
	if (c != FCI_GRIPPER_CONNECT)
		begin(s, c, c == FCI_GRIPPER_GRASP ? 0.0 : want_m, now_ns);
}

static void begin_stop(struct hand_session *s, bool blocks, int64_t now_ns)
{
	s->phase = HAND_STOPPING;
	s->blocks = blocks;
	s->due_ns = now_ns + stopping_ns;
	s->counters.stops++;
	ask(s, &s->stop, FCI_GRIPPER_STOP, NULL, now_ns);
}

/* On their way to a narrower width. */
static bool is_closing(const struct hand_session *s)
{
	return s->request.command == FCI_GRIPPER_MOVE && s->request.goal_m < s->state.width_m && s->began_m - s->state.width_m > creep_m;
}

/* Fingers that have not begun yet may still. */
static void watch(struct hand_session *s, int64_t now_ns)
{
	double width_m = s->state.width_m;
	bool began = fabs(width_m - s->began_m) > creep_m;

	if (now_ns > s->due_ns) {
		begin_stop(s, is_closing(s), now_ns);
		return;
	}
	if (s->request.command != FCI_GRIPPER_MOVE || !began || !hand_session_knows(s, now_ns))
		return;
	if (fabs(width_m - s->crept_m) > creep_m) {
		s->crept_m = width_m;
		s->crept_ns = now_ns;
	}
	if (now_ns - s->crept_ns > creep_ns && !same(width_m, s->request.goal_m))
		begin_stop(s, is_closing(s), now_ns);
}

/* ---- what became of it ------------------------------------------------------------------------------------------------- */

static void be_free(struct hand_session *s, int64_t now_ns)
{
	s->phase = HAND_FREE;
	s->ended_ns = now_ns;
}

static void in_vain(struct hand_session *s, int64_t now_ns)
{
	s->did = FCI_GRIPPER_CONNECT;
	s->blocked = false; /* what was in the way may be gone */
	s->in_vain = same(s->tried_m, s->vain_m) ? s->in_vain + 1 : 1;
	s->vain_m = s->tried_m;
	s->vain_ns = now_ns;
}

static void failed(struct hand_session *s, int64_t now_ns)
{
	in_vain(s, now_ns);
	s->failed++;
	s->counters.failures++;
}

/* Something in the way is no success yet: the grasp that follows may be in vain, again and again. */
static void done(struct hand_session *s, bool blocked)
{
	s->in_vain = blocked ? s->in_vain : 0;
	s->failed = blocked ? s->failed : 0;
	s->stuck = s->homing_failed = false;
	s->blocked = blocked;
	s->did = s->request.command == FCI_GRIPPER_HOMING ? FCI_GRIPPER_CONNECT : s->request.command;
	s->did_m = s->request.goal_m;
}

/* A stop that was meant for fingers that stand at something between them has its way whatever became of the command. */
static void ended(struct hand_session *s, enum fci_gripper_status status, int64_t now_ns)
{
	bool stopped = s->phase == HAND_STOPPING;

	s->homing_failed |= homes(s);
	if (homes(s))
		bar(s);
	s->request.open = false;
	s->ended_ns = now_ns;
	if (status == FCI_GRIPPER_SUCCESS)
		done(s, false);
	else if (stopped ? s->blocks : status == FCI_GRIPPER_UNSUCCESSFUL && is_closing(s))
		done(s, true);
	else if (status == FCI_GRIPPER_UNSUCCESSFUL && s->request.command == FCI_GRIPPER_GRASP)
		in_vain(s, now_ns);
	else
		failed(s, now_ns);
	if (!stopped)
		be_free(s, now_ns);
}

static void await_stop(struct hand_session *s, int64_t now_ns)
{
	if (now_ns > s->due_ns && s->stop.open) {
		s->stuck = true;
		give_up(s, FRANKA_TROUBLE_HAND_STUCK, now_ns);
		return;
	}
	if (now_ns > s->due_ns && s->request.open)
		ended(s, FCI_GRIPPER_ABORTED, now_ns); /* its answer, should it come, is nobody's */
	if (!s->stop.open && !s->request.open)
		be_free(s, now_ns);
}

static void welcome(struct hand_session *s, uint16_t status, int64_t now_ns)
{
	if (status != 0) {
		give_up(s, FRANKA_TROUBLE_HAND_VERSION, now_ns);
		return;
	}
	s->request.open = false;
	s->connected_ns = now_ns;
	bar(s);
	s->counters.connections++;
	be_free(s, now_ns);
}

static void take_status(struct hand_session *s, uint32_t id, uint16_t status, int64_t now_ns)
{
	bool ours = s->request.open && id == s->request.id;

	if (ours && s->phase == HAND_GREETING)
		welcome(s, status, now_ns);
	else if (s->phase == HAND_GREETING || status > FCI_GRIPPER_ABORTED)
		give_up(s, FRANKA_TROUBLE_HAND_PROTOCOL_ERROR, now_ns);
	else if (ours)
		ended(s, (enum fci_gripper_status)status, now_ns);
	else if (s->stop.open && id == s->stop.id)
		s->stop.open = false;
	else
		s->counters.strange++;
}

/* One answer of the front; false: none is whole. */
static bool take_answer(struct hand_session *s, int64_t now_ns)
{
	const size_t least = s->phase == HAND_GREETING ? FCI_GRIPPER_CONNECTED_BYTES : FCI_GRIPPER_RESPONSE_BYTES;
	struct fci_gripper_header h;
	uint16_t status;

	if (s->n_in < sizeof h)
		return false;
	memcpy(&h, s->in, sizeof h);
	if (h.size < least || h.size > sizeof s->in) {
		give_up(s, FRANKA_TROUBLE_HAND_PROTOCOL_ERROR, now_ns);
		return false;
	}
	if (s->n_in < h.size)
		return false;
	memcpy(&status, s->in + sizeof h, sizeof status);
	memmove(s->in, s->in + h.size, s->n_in - h.size);
	s->n_in -= h.size;
	take_status(s, h.id, status, now_ns);
	return true;
}

void hand_session_receive(struct hand_session *s, const uint8_t *bytes, size_t n, int64_t now_ns)
{
	for (size_t at = 0; at < n && s->phase >= HAND_GREETING;) {
		size_t room = sizeof s->in - s->n_in, length = n - at < room ? n - at : room;

		memcpy(s->in + s->n_in, bytes + at, length);
		s->n_in += length;
		at += length;
		while (s->phase >= HAND_GREETING && take_answer(s, now_ns))
			;
	}
}

static bool plausible(double width_m)
{
	return width_m >= width_least_m && width_m <= width_most_m;
}

bool hand_session_datagram(struct hand_session *s, const uint8_t *bytes, size_t n, int64_t now_ns)
{
	struct fci_gripper_state state;

	if (s->phase < HAND_FREE)
		return false;
	if (n != FCI_GRIPPER_STATE_BYTES) {
		s->counters.strange++;
		return false;
	}
	memcpy(&state, bytes, sizeof state);
	int32_t ahead = (int32_t)(state.message_id - s->state.message_id);
	bool newer = !s->has_state || ahead > 0 || (ahead != 0 && !hand_session_knows(s, now_ns));

	if (!newer || !plausible(state.width_m) || !plausible(state.max_width_m)) {
		s->counters.strange++;
		return false;
	}
	s->state = state;
	s->state_ns = now_ns;
	s->has_state = true;
	s->calls_in_vain = 0;
	return true;
}

/* ---- time, and what is shown ------------------------------------------------------------------------------------------- */

void hand_session_home(struct hand_session *s)
{
	s->homing_asked = s->phase >= HAND_FREE && !homes(s);
	s->homing_failed &= !s->homing_asked;
}

void hand_session_stop_homing(struct hand_session *s, int64_t now_ns)
{
	s->homing_failed |= s->homing_asked;
	s->homing_asked = false;
	if (s->phase == HAND_BUSY && homes(s))
		begin_stop(s, false, now_ns);
}

bool hand_session_knows(const struct hand_session *s, int64_t now_ns)
{
	return s->has_state && now_ns - s->state_ns <= HAND_FRESH_NS;
}

static void take_wish(struct hand_session *s, const struct hand_wish *wish)
{
	s->wish.given = wish->given && isfinite(wish->width_m);
	if (s->wish.given)
		s->wish.width_m = wish->width_m;
	else if (!s->barred)
		bar(s);
	s->wished |= s->wish.given;
	lift_bar(s);
}

static enum hand_action call_or_wait(struct hand_session *s, int64_t now_ns)
{
	if (now_ns < s->due_ns)
		return HAND_GO_ON;
	s->phase = HAND_CALLING;
	s->due_ns = now_ns + call_ns;
	return HAND_CALL;
}

enum hand_action hand_session_step(struct hand_session *s, int64_t now_ns, const struct hand_wish *wish)
{
	take_wish(s, wish);
	if (s->phase == HAND_APART && !s->hang_up)
		return call_or_wait(s, now_ns);
	if (s->phase == HAND_CALLING && now_ns > s->due_ns)
		give_up(s, FRANKA_TROUBLE_HAND_ABSENT, now_ns);
	if (s->phase == HAND_GREETING && now_ns > s->due_ns)
		give_up(s, FRANKA_TROUBLE_HAND_OTHER_CLIENT, now_ns);
	if (s->phase == HAND_FREE)
		begin_next(s, now_ns);
	else if (s->phase == HAND_BUSY)
		watch(s, now_ns);
	else if (s->phase == HAND_STOPPING)
		await_stop(s, now_ns);
	bool hang_up = s->hang_up;

	s->hang_up = false;
	return hang_up ? HAND_HANG_UP : HAND_GO_ON;
}

enum franka_trouble hand_session_trouble(const struct hand_session *s, int64_t now_ns)
{
	int64_t seen_ns = s->has_state ? s->state_ns : s->connected_ns;

	if (s->phase < HAND_FREE)
		return s->why;
	if (now_ns - seen_ns > HAND_FRESH_NS)
		return FRANKA_TROUBLE_HAND_NO_STATES;
	if (!s->has_state)
		return FRANKA_TROUBLE_NONE;
	if (s->homing_failed)
		return FRANKA_TROUBLE_HAND_HOMING_FAILED;
	if (s->state.max_width_m < range_least_m)
		return FRANKA_TROUBLE_HAND_NOT_HOMED;
	if (s->stuck)
		return FRANKA_TROUBLE_HAND_STUCK;
	if (s->failed >= failures_shown)
		return FRANKA_TROUBLE_HAND_FAILS;
	bool waits = s->phase == HAND_FREE && s->wish.given && s->barred;

	return waits && choose(s, wanted(s)) != FCI_GRIPPER_CONNECT ? FRANKA_TROUBLE_HAND_WAITS : FRANKA_TROUBLE_NONE;
}
