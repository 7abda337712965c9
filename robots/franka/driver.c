/* driver.c - `dreamvla-arm --driver franka`: Franka's control interface in C, without libfranka.
 *
 *   arm-control  waits for a state (UDP, 1 kHz), lets the arm decide, sends the command that answers it: states.h, clock.h, motion.h
 *   franka-link  the TCP session: connects, configures, begins and ends motions on the control thread's behalf: link.h, session.h
 *   franka-hand  the gripper, all by itself: hand.h
 *
 * The robot sets the time. A tick is told the robot's time of its state, so that what is commanded is one smooth function of the ids;
 * while no state comes, the clock goes on. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/histogram.h"
#include "robots/driver.h"
#include "robots/franka/clock.h"
#include "robots/franka/hand.h"
#include "robots/franka/link.h"
#include "robots/franka/motion.h"
#include "robots/franka/states.h"

/* What the robot goes on without commands for; while states flow, a tick waits for the next one so long. */
static const int64_t COAST_NS = 20 * NS_PER_MS;
/* A motion is finished within some milliseconds of standing. */
static const int64_t FAREWELL_NS = 500 * NS_PER_MS;
/* Of one wait: as many as a socket's buffer holds; no flood keeps the tick from its work. */
enum { DATAGRAMS_MAX = 128 };

struct franka_driver {
	struct franka_setup setup;
	struct franka_link *link;
	struct franka_hand_link *hand;
	/* control thread */
	struct franka_states states;
	struct franka_clock clock;
	struct franka_motion_life motion;
	struct fci_state newest;
	int64_t arrival_ns;        /* of the newest state */
	int64_t tick_ns;           /* the time of the newest tick */
	struct robot_sent sent;
	/* control thread writes, the io thread reads */
	struct histogram answer, late; /* from a state's arrival to its command; from its time to its arrival */
	_Atomic uint64_t commands, unsent, jumps;
};

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static int64_t franka_wait(void *driver, int64_t due_ns);
static void franka_write(void *driver, const struct robot_command *c);

/* A motion that still runs is ended as one should be; the arm stands already. The control thread has ended. */
static void finish_motion(struct franka_driver *d)
{
	int64_t end_ns = clock_monotonic_ns() + FAREWELL_NS;

	while (d->motion.phase > FRANKA_RESTS && clock_monotonic_ns() < end_ns) {
		franka_wait(d, clock_monotonic_ns() + NS_PER_MS);
		franka_write(d, &(struct robot_command){ 0 });
	}
}

static void franka_destroy(void *driver)
{
	struct franka_driver *d = driver;

	if (!d)
		return;
	finish_motion(d);
	franka_link_destroy(d->link); /* first: the hand's thread may wait for a resolver, the robot shall not */
	franka_hand_destroy(d->hand);
	free(d);
}

static int franka_create(void **out, const struct robot_driver_options *o, struct errbuf *e)
{
	struct franka_driver *d = calloc(1, sizeof *d);

	if (!d)
		return fail(e, -ENOMEM, "driver franka: out of memory");
	int rc = franka_setup_make(&d->setup, o, e);
	if (rc == 0)
		rc = franka_link_create(&d->link, &d->setup, e);
	if (rc == 0)
		rc = franka_hand_create(&d->hand, &d->setup, e);
	if (rc < 0) {
		franka_destroy(d);
		return rc;
	}
	franka_motion_init(&d->motion, &d->setup);
	d->tick_ns = clock_monotonic_ns(); /* or the first connection would look as if it had been silent since the machine's start */
	rt_lock_memory(d, sizeof *d);
	*out = d;
	return 0;
}

/* ---- states in ------------------------------------------------------------------------------------------------------------ */

/* What a socket still holds when a connection begins, is of the one before. */
static void flush(const struct franka_driver *d)
{
	uint8_t byte;

	for (int i = 0; i < DATAGRAMS_MAX && recv(d->link->udp_fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0; i++)
		;
}

static void take_events(struct franka_driver *d, int64_t now_ns)
{
	struct franka_event e;

	while (franka_link_take(d->link, &e)) {
		if (e.kind == FRANKA_EVENT_CONNECTED) {
			flush(d);
			franka_states_begin(&d->states, e.version, e.peer);
			d->clock.running = d->clock.settled = false;
		}
		franka_motion_event(&d->motion, &e, now_ns);
	}
}

/* True: a state to act on, or one whose modes count. */
static bool take_datagram(struct franka_driver *d, const struct sockaddr_in *from, const uint8_t *in, size_t n, bool *sound)
{
	struct fci_state s;
	enum franka_datagram what = franka_states_take(&d->states, from, in, n, &s);

	if (what != FRANKA_DATAGRAM_STATE && what != FRANKA_DATAGRAM_UNSOUND)
		return false;
	d->newest = s;
	*sound = what == FRANKA_DATAGRAM_STATE;
	return true;
}

/* The newest state counts; those that it overtook in the socket are too old to be answered. */
static bool receive(struct franka_driver *d, bool *sound)
{
	uint8_t in[FCI_STATE_BYTES_MAX + 1];
	bool got = false;

	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		struct sockaddr_in from = { 0 };
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(d->link->udp_fd, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

		if (n < 0 && errno != ECONNREFUSED)
			break;
		if (n >= 0 && take_datagram(d, &from, in, (size_t)n, sound))
			got = true;
	}
	return got;
}

static void take_state(struct franka_driver *d, bool sound)
{
	d->arrival_ns = clock_monotonic_ns();
	int64_t time_ns = franka_clock_see(&d->clock, d->newest.message_id, d->arrival_ns);

	histogram_add(&d->late, d->arrival_ns - time_ns);
	atomic_store_explicit(&d->jumps, d->clock.jumps, memory_order_relaxed);
	d->tick_ns = time_ns > d->tick_ns ? time_ns : d->tick_ns;
	franka_motion_state(&d->motion, &d->newest, sound, d->tick_ns);
}

/* False: the time is up. */
static bool sleep_for_datagram(const struct franka_driver *d, int64_t until_ns)
{
	int64_t left_ns = until_ns - clock_monotonic_ns();
	struct timespec wait = { .tv_nsec = (long)(left_ns > 0 ? left_ns : 0) };
	struct pollfd at = { .fd = d->link->udp_fd, .events = POLLIN };

	if (left_ns <= 0)
		return false;
	(void)!ppoll(&at, 1, &wait, NULL);
	return true;
}

static int64_t franka_wait(void *driver, int64_t due_ns)
{
	struct franka_driver *d = driver;
	int64_t until_ns = due_ns, flowing_ns = d->arrival_ns + COAST_NS;
	bool sound = false;

	if (d->arrival_ns && due_ns < flowing_ns)
		until_ns = flowing_ns;
	do {
		take_events(d, d->tick_ns);
		if (receive(d, &sound)) {
			take_state(d, sound);
			return d->tick_ns;
		}
	} while (sleep_for_datagram(d, until_ns));
	d->tick_ns = until_ns > d->tick_ns ? until_ns : d->tick_ns;
	return d->tick_ns;
}

/* ---- what the arm sees and does -------------------------------------------------------------------------------------------- */

static void franka_read(void *driver, int64_t now_ns, struct robot_state *out)
{
	struct franka_driver *d = driver;
	struct franka_hand_view hand;

	franka_motion_report(&d->motion, now_ns, out);
	if (out->trouble == FRANKA_TROUBLE_NONE)
		out->trouble = atomic_load_explicit(&d->link->trouble, memory_order_relaxed);
	if (out->mode == ARM_READY && !d->clock.settled) { /* a quarter of a second after the connection */
		out->mode = ARM_IDLE;
		out->trouble = FRANKA_TROUBLE_CONNECTING;
	}
	franka_hand_read(d->hand, now_ns, &hand);
	out->has_gripper = hand.has_gripper;
	out->gripper_m = hand.gripper_m;
	out->sent = d->sent;
	if (out->trouble == FRANKA_TROUBLE_NONE)
		out->trouble = hand.trouble;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void send_command(struct franka_driver *d, const struct fci_motion *m, uint64_t mark)
{
	uint8_t out[FCI_MOTION_BYTES_MAX];
	size_t n = fci_motion_bytes(d->states.version);

	fci_put_motion(d->states.version, m, out);
	bool sent = sendto(d->link->udp_fd, out, n, MSG_DONTWAIT, (const struct sockaddr *)&d->states.from, sizeof d->states.from) ==
			(ssize_t)n;
	int64_t now_ns = clock_monotonic_ns();

	count(sent ? &d->commands : &d->unsent);
	histogram_add(&d->answer, now_ns - d->arrival_ns);
	if (sent)
		robot_sent_note(&d->sent, mark, now_ns);
}

static void franka_write(void *driver, const struct robot_command *c)
{
	struct franka_driver *d = driver;
	struct fci_motion m;
	struct franka_ask a;

	if (franka_motion_command(&d->motion, c, d->tick_ns, &m))
		send_command(d, &m, c->mark);
	while (franka_motion_take_ask(&d->motion, &a))
		franka_link_ask(d->link, &a);
	franka_hand_write(d->hand, c->has_gripper, c->gripper_m);
}

static void franka_recover(void *driver)
{
	struct franka_driver *d = driver;

	franka_motion_recover(&d->motion);
}

static void franka_home_gripper(void *driver)
{
	struct franka_driver *d = driver;

	franka_hand_home(d->hand);
}

static void franka_stop_homing(void *driver)
{
	struct franka_driver *d = driver;

	franka_hand_stop_homing(d->hand);
}

static void franka_count_anew(void *driver)
{
	struct franka_driver *d = driver;

	atomic_store_explicit(&d->states.counters.longest_row, 0, memory_order_relaxed);
}

/* ---- what status says ------------------------------------------------------------------------------------------------------ */

static const char *franka_error(uint32_t bit)
{
	return fci_error_name((enum fci_error)bit);
}

static double load(const _Atomic uint64_t *counter)
{
	return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static double us(int64_t ns)
{
	return (double)ns * 1e-3;
}

static uint32_t franka_numbers(void *driver, struct robot_number *out)
{
	struct franka_driver *d = driver;
	const struct franka_state_counters *s = &d->states.counters;
	struct percentiles answer = histogram_summary(&d->answer), late = histogram_summary(&d->late);
	const struct robot_number own[] = {
		{ "states", load(&s->taken) }, { "states_missed", load(&s->missed) }, { "states_missed_longest_row", load(&s->longest_row) },
		{ "states_old", load(&s->old) }, { "states_unsound", load(&s->unsound) }, { "datagrams_foreign", load(&s->foreign) },
		{ "datagrams_wrong_size", load(&s->wrong_size) }, { "clock_jumps", load(&d->jumps) },
		{ "missed_rows_1", load(&s->row[0]) }, { "missed_rows_2_to_3", load(&s->row[1]) }, { "missed_rows_4_to_7", load(&s->row[2]) },
		{ "missed_rows_8_to_15", load(&s->row[3]) }, { "missed_rows_16_up", load(&s->row[4]) },
		{ "success_1_ms", load(&s->success[0]) }, { "success_99_ms", load(&s->success[1]) }, { "success_95_ms", load(&s->success[2]) },
		{ "success_90_ms", load(&s->success[3]) }, { "success_less_ms", load(&s->success[4]) },
		{ "commands", load(&d->commands) }, { "commands_unsent", load(&d->unsent) },
		{ "answer_p50_us", us(answer.p50_ns) }, { "answer_p99_us", us(answer.p99_ns) }, { "answer_max_us", us(answer.max_ns) },
		{ "state_late_p50_us", us(late.p50_ns) }, { "state_late_p99_us", us(late.p99_ns) }, { "state_late_max_us", us(late.max_ns) },
	};
	enum { OWN = sizeof own / sizeof *own };

	_Static_assert(OWN + (int)FRANKA_HAND_NUMBERS <= (int)ROBOT_NUMBERS_MAX, "room for the hand's numbers");
	memcpy(out, own, sizeof own);
	return OWN + franka_hand_numbers(d->hand, out + OWN);
}

extern const struct robot_driver robot_driver_franka;

const struct robot_driver robot_driver_franka = {
	.name = "franka",
	.needs = "robots[].address; model panda, fr3 or fr3_5.9; an arm with FCI activated in Desk",
	.period_ns = NS_PER_MS,
	.coast_ns = 20 * NS_PER_MS,
	.has_brakes = true,
	.homes_gripper = true,
	.create = franka_create,
	.destroy = franka_destroy,
	.wait = franka_wait,
	.read = franka_read,
	.write = franka_write,
	.count_anew = franka_count_anew,
	.recover = franka_recover,
	.home_gripper = franka_home_gripper,
	.stop_homing = franka_stop_homing,
	.error_name = franka_error,
	.trouble = franka_trouble,
	.numbers = franka_numbers,
};
