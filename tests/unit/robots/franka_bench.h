/* franka_bench.h - the driver's motion against the simulated robot, in one process and on virtual time: the session between them is
 * played here, with a delay. Included after cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_BENCH_H

#include <math.h>
#include <string.h>

#include "robots/franka/motion.h"
#include "robots/franka/states.h"
#include "robots/model/model.h"
#include "robots/sim/franka/robot.h"

#define HALF_PI 1.57079632679489662
static const int64_t MS = 1000000;

enum { ANSWERS_MAX = 16 };

struct answer {
	int64_t due_ns;
	struct franka_event event;
};

struct fbench {
	uint32_t version;
	struct franka_setup setup;
	struct franka_robot robot;
	struct franka_motion_life motion;
	struct franka_states states;
	struct robot_state seen;
	struct robot_command wish;
	int64_t now_ns, delay_ns;  /* of every answer of the session */
	uint32_t n_answers, moves, stops, recoveries, reconnects;
	struct answer answer[ANSWERS_MAX];
	bool lose_state, lose_command; /* of the coming period */
	bool spoil;                /* the coming state holds no numbers */
	bool refuse;               /* every Move */
	bool sent, finished;       /* a command in the last period, with its flag */
	struct fci_motion command;
	uint32_t rng;
};

static const double at_home[7] = { 0, -HALF_PI / 2, 0, -1.5 * HALF_PI, 0, HALF_PI, HALF_PI / 2 };

static inline void answer_later(struct fbench *b, enum franka_event_kind kind, enum fci_status status)
{
	assert_true(b->n_answers < ANSWERS_MAX);
	b->answer[b->n_answers++] = (struct answer){ b->now_ns + b->delay_ns, { .kind = kind, .generation = b->motion.generation,
			.version = b->version, .status = status } };
}

static inline void obey_move(struct fbench *b)
{
	struct fci_move m = { b->setup.controller, b->setup.generator == OUTPUT_POSE ? FCI_MOVE_CARTESIAN_POSITION
			: FCI_MOVE_JOINT_POSITION, { 10.0, 3.12, 6.28 }, { 10.0, 3.12, 6.28 } };
	uint8_t payload[sizeof m];

	memcpy(payload, &m, sizeof m);
	enum fci_status status = b->refuse ? FCI_STATUS_REJECTED_BY_SAFETY : franka_robot_request(&b->robot, FCI_MOVE, payload);

	answer_later(b, status == FCI_STATUS_MOTION_STARTED ? FRANKA_EVENT_MOVE_STARTED : FRANKA_EVENT_MOVE_ENDED, status);
	b->moves++;
}

static inline void obey(struct fbench *b, const struct franka_ask *a)
{
	assert_true(a->generation == b->motion.generation);
	switch (a->kind) {
	case FRANKA_ASK_CONFIGURE:
		answer_later(b, FRANKA_EVENT_OPENED, FCI_STATUS_SUCCESS);
		break;
	case FRANKA_ASK_MOVE:
		obey_move(b);
		break;
	case FRANKA_ASK_STOP_MOVE:
		franka_robot_request(&b->robot, FCI_STOP_MOVE, NULL);
		b->stops++;
		break;
	case FRANKA_ASK_RECOVER:
		answer_later(b, FRANKA_EVENT_RECOVERED, franka_robot_request(&b->robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL));
		b->recoveries++;
		break;
	case FRANKA_ASK_RECONNECT:
		b->reconnects++;
		break;
	}
}

static inline void session_step(struct fbench *b)
{
	enum fci_status status;

	for (struct franka_ask a; franka_motion_take_ask(&b->motion, &a);)
		obey(b, &a);
	if (franka_robot_take_end(&b->robot, &status))
		answer_later(b, FRANKA_EVENT_MOVE_ENDED, status);
	while (b->n_answers && b->answer[0].due_ns <= b->now_ns) {
		franka_motion_event(&b->motion, &b->answer[0].event, b->now_ns);
		memmove(b->answer, b->answer + 1, --b->n_answers * sizeof *b->answer);
	}
}

/* As it comes over the wire: float32 in protocol 10. */
static inline void deliver_state(struct fbench *b)
{
	struct fci_state s, got;
	uint8_t bytes[FCI_STATE_BYTES_MAX];
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = 7, .sin_addr = { 1 } };

	franka_robot_state(&b->robot, &s);
	if (b->spoil)
		s.q_d[3] = NAN;
	fci_put_state(b->version, &s, bytes);
	enum franka_datagram what = franka_states_take(&b->states, &from, bytes, fci_state_bytes(b->version), &got);

	assert_int_equal(what, b->spoil ? FRANKA_DATAGRAM_UNSOUND : FRANKA_DATAGRAM_STATE);
	franka_motion_state(&b->motion, &got, what == FRANKA_DATAGRAM_STATE, b->now_ns);
	b->spoil = false;
}

static inline void deliver_command(struct fbench *b, const struct fci_motion *m)
{
	struct fci_motion got;
	uint8_t bytes[FCI_MOTION_BYTES_MAX];

	fci_put_motion(b->version, m, bytes);
	assert_true(fci_get_motion(b->version, bytes, fci_motion_bytes(b->version), &got));
	assert_true(got.message_id == b->robot.message_id);
	if (!b->lose_command)
		franka_robot_offer(&b->robot, &got);
}

/* One millisecond: the robot steps, its state comes, the driver answers. */
static inline void period(struct fbench *b)
{
	b->now_ns += MS;
	franka_robot_step(&b->robot);
	session_step(b);
	if (!b->lose_state)
		deliver_state(b);
	franka_motion_report(&b->motion, b->now_ns, &b->seen);
	b->sent = franka_motion_command(&b->motion, &b->wish, b->now_ns, &b->command);
	b->finished = b->sent && b->command.motion_finished;
	if (b->sent)
		deliver_command(b, &b->command);
	session_step(b);
	b->lose_state = b->lose_command = false;
}

static inline void periods(struct fbench *b, int n)
{
	while (n--)
		period(b);
}

static inline void hear(struct fbench *b, enum franka_event_kind kind, uint64_t generation)
{
	franka_motion_event(&b->motion, &(struct franka_event){ .kind = kind, .generation = generation, .version = b->version,
			.peer = { 1 } }, b->now_ns);
}

static inline void make_fbench(struct fbench *b, uint32_t version, enum output_kind generator)
{
	memset(b, 0, sizeof *b);
	b->version = version;
	b->now_ns = 1000 * MS;
	b->delay_ns = 2 * MS;
	b->rng = 7;
	franka_setup_defaults(&b->setup);
	b->setup.low_pass_hz = 1000;
	b->setup.generator = generator;
	/* the Hand as Desk knows it, which the simulator wears */
	b->setup.tcp = (struct pose){ { 0, 0, 0.1034 }, { 0, 0, -0.38268343236508977, 0.92387953251128674 } };
	franka_robot_init(&b->robot, at_home);
	franka_robot_connect(&b->robot, version);
	franka_motion_init(&b->motion, &b->setup);
	franka_states_begin(&b->states, version, (struct in_addr){ 1 });
	hear(b, FRANKA_EVENT_CONNECTED, 1);
	periods(b, 10);
	assert_int_equal(b->seen.mode, ARM_READY);
}

/* What the arm wishes while it holds: where the robot is. */
static inline void hold_at_q_d(struct fbench *b, bool engage)
{
	b->wish = (struct robot_command){ .hold = true, .engage = engage };
	memcpy(b->wish.q_rad, b->seen.q_d_rad, sizeof b->wish.q_rad);
}

static inline void engage(struct fbench *b)
{
	hold_at_q_d(b, true);
	for (int i = 0; i < 200 && !b->seen.engaged; i++) {
		hold_at_q_d(b, true);
		period(b);
	}
	assert_true(b->seen.engaged);
	hold_at_q_d(b, true);
}

static inline bool robot_fine(const struct fbench *b)
{
	return b->robot.counters.reflexes == 0 && b->robot.errors == 0;
}

static inline uint32_t draw(struct fbench *b)
{
	b->rng = b->rng * 1664525u + 1013904223u;
	return b->rng >> 8;
}

/* Sum of two sines on every joint, from rest, within limits; t in s. `size` in rad. */
static inline void smooth_wish(struct fbench *b, const double *from, double size, double t)
{
	double fade = fmin(t, 1.0), s = fade * fade * fade * (10 + fade * (-15 + 6 * fade));
	double ds = t < 1.0 ? 30 * fade * fade * (1 - fade) * (1 - fade) : 0;

	for (int j = 0; j < 7; j++) {
		double w = 2.0 + 0.3 * j, x = sin(w * t) + 0.4 * sin(2.3 * w * t), dx = w * cos(w * t) + 0.4 * 2.3 * w * cos(2.3 * w * t);

		b->wish.q_rad[j] = from[j] + size * s * x;
		b->wish.dq_rad_s[j] = size * (s * dx + ds * x);
	}
}

#endif
