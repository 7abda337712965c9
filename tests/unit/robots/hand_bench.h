/* hand_bench.h - a Franka Hand driven on virtual time, against the simulated one, for its unit tests: fingers that follow at once and
 * stop at what lies between them. The service's bytes are made here. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_HAND_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_HAND_BENCH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/franka/hand_session.h"
#include "robots/sim/franka/hand.h"

#include <cmocka.h>

static struct hand_session session;
static struct franka_hand hand;
static struct hand_wish wish;
static struct fci_gripper_header running;
static double object_m;        /* width of what lies between the fingers; 0: nothing */
static int64_t now_ms, answered_ms;
static int calls, hang_ups;
static bool refuses, mute, dark, deaf_to_stops; /* no connection; no answers; no states; a stop is answered and does nothing */
static size_t piece;           /* bytes that arrive at once */
static uint16_t greeting;      /* status of Connect's answer */
static struct {
	uint16_t command;
	int64_t at_ms, rested_ms;  /* since the hand's last answer */
	double width_m, epsilon_outer_m, speed_m_s, force_n;
} said[64];
static int n_said;

static inline void begin(void)
{
	const struct franka_hand_setup setup = { true, 0.1, 40.0, 0.08, 0.08 };

	hand_session_init(&session, &setup);
	franka_hand_init(&hand, 0.08);
	wish = (struct hand_wish){ 0 };
	running = (struct fci_gripper_header){ 0 };
	object_m = 0.0;
	now_ms = 1000;
	calls = hang_ups = n_said = 0;
	refuses = mute = dark = deaf_to_stops = false;
	piece = 64;
	greeting = 0;
}

static inline void want(double width_m)
{
	wish = (struct hand_wish){ true, width_m };
}

static inline int64_t now_ns(void)
{
	return now_ms * NS_PER_MS;
}

static inline void arrive(const void *bytes, size_t n)
{
	uint8_t copy[64];

	assert_true(n <= sizeof copy);
	memcpy(copy, bytes, n);
	for (size_t at = 0; at < n; at += piece)
		hand_session_receive(&session, copy + at, n - at < piece ? n - at : piece, now_ns());
}

static inline void answer(const struct fci_gripper_header *to, uint16_t status)
{
	const struct fci_gripper_header h = { to->command, to->id, to->command ? 12 : 14 };
	uint8_t bytes[14] = { 0 };

	memcpy(bytes, &h, sizeof h);
	memcpy(bytes + sizeof h, &status, sizeof status);
	bytes[12] = 3; /* Connect's version */
	answered_ms = now_ms;
	if (!mute)
		arrive(bytes, h.size);
}

static inline void note(const struct fci_gripper_header *h, const uint8_t *payload)
{
	struct fci_grasp g = { 0 };

	assert_true(n_said < 64);
	if (h->command == FCI_GRIPPER_GRASP)
		memcpy(&g, payload, sizeof g);
	if (h->command == FCI_GRIPPER_MOVE) {
		memcpy(&g.width_m, payload, 8);
		memcpy(&g.speed_m_s, payload + 8, 8);
	}
	said[n_said].command = h->command;
	said[n_said].at_ms = now_ms;
	said[n_said].rested_ms = now_ms - answered_ms;
	said[n_said].width_m = g.width_m;
	said[n_said].epsilon_outer_m = g.epsilon_outer_m;
	said[n_said].speed_m_s = g.speed_m_s;
	said[n_said++].force_n = g.force_n;
}

static inline void obey(const struct fci_gripper_header *h, const uint8_t *payload)
{
	enum fci_gripper_status status = FCI_GRIPPER_FAIL;
	struct fci_gripper_header ended = running;

	note(h, payload);
	if (h->command == FCI_GRIPPER_STOP && deaf_to_stops) {
		answer(h, FCI_GRIPPER_SUCCESS);
		return;
	}
	running = (struct fci_gripper_header){ 0 };
	if (ended.command)
		answer(&ended, FCI_GRIPPER_ABORTED);
	if (franka_hand_start(&hand, (enum fci_gripper_command)h->command, payload, &status))
		running = *h;
	else
		answer(h, status);
}

static inline void serve(void)
{
	struct fci_gripper_header h;

	while (session.n_out > 0) {
		uint8_t request[HAND_OUT_BYTES];

		assert_true(session.n_out >= sizeof h);
		memcpy(&h, session.out, sizeof h);
		assert_int_equal(h.size, fci_gripper_request_bytes(h.command));
		assert_true(h.size <= session.n_out);
		memcpy(request, session.out, h.size);
		session.n_out -= h.size;
		memmove(session.out, session.out + h.size, session.n_out);
		if (h.command == FCI_GRIPPER_CONNECT)
			answer(&h, greeting);
		else
			obey(&h, request + sizeof h);
	}
}

static inline void send_state(void)
{
	const struct fci_gripper_state s = { hand.message_id, hand.width_m, hand.max_width_m, hand.is_grasped, 31 };

	hand_session_datagram(&session, (const uint8_t *)&s, sizeof s, now_ns());
}

static inline void act(enum hand_action action)
{
	if (action == HAND_HANG_UP)
		hang_ups++;
	if (action != HAND_CALL)
		return;
	calls++;
	if (refuses)
		hand_session_closed(&session, now_ns());
	else
		hand_session_opened(&session, 0xa087, now_ns());
}

static inline void run_ms(int ms)
{
	enum fci_gripper_status status;

	while (ms-- > 0) {
		now_ms++;
		if (franka_hand_step(&hand, fmax(hand.command_m, object_m), &status) && running.command) {
			struct fci_gripper_header ended = running;

			running = (struct fci_gripper_header){ 0 };
			answer(&ended, (uint16_t)status);
		}
		if (now_ms % 20 == 0 && !dark)
			send_state();
		if (now_ms % 5 == 0)
			act(hand_session_step(&session, now_ns(), &wish));
		serve();
	}
}

static inline enum franka_trouble trouble(void)
{
	return hand_session_trouble(&session, now_ns());
}

static inline void connect_it(void)
{
	begin();
	run_ms(300); /* and rested */
	assert_int_equal(session.phase, HAND_FREE);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

static inline void expect_said(int n, enum fci_gripper_command c)
{
	assert_int_equal(n_said, n);
	assert_int_equal(said[n - 1].command, c);
}

#endif
