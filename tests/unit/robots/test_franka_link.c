/* The link to a Franka on real sockets, against the simulated robot's own service in this process: every protocol, every way of not
 * being connected, and what is left of a motion whose connection goes. The test stands in for the arm's control thread.
 * In real time: sockets and a thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "robots/franka/link.h"
#include "robots/sim/franka/robot_server.h"

#include <cmocka.h>

#include "tests/unit/groups.h"

enum { PATIENCE_S = 60 };
static const double ready[7] = { 0, -0.785, 0, -2.356, 0, 1.571, 0.785 };

static struct franka_setup setup;
static struct robot_server server;
static struct franka_link *franka; /* `link` is a function of the system's */
static struct franka_event event;  /* the newest */
static bool answers;               /* the first state of a connection is answered with CONFIGURE */
static struct fci_state state;     /* the newest, as it came over UDP */
static uint64_t configured;
static uint32_t connections;

/* ---- the robot's side -------------------------------------------------------------------------------------------------------- */

/* The protocol's port is fixed: an address of the loopback network of our own. */
static void open_server(uint32_t version)
{
	struct errbuf e;

	for (int i = 0; i < 100; i++) {
		snprintf(setup.address, sizeof setup.address, "127.%d.%d.%d", 1 + rand() % 254, rand() % 255, 1 + rand() % 254);
		if (robot_server_open(&server, setup.address, version, ready, &e) == 0)
			return;
	}
	fail_msg("%s", e.text);
}

static void open_server_again(void)
{
	struct errbuf e;

	if (robot_server_open(&server, setup.address, 0, ready, &e) < 0)
		fail_msg("%s", e.text);
}

static int stranger(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(FCI_ROBOT_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(inet_pton(AF_INET, setup.address, &at.sin_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

/* The socket gets nothing any more, as with the plug pulled: not even what says that something has come; and it does not notice. */
static void pull_plug(int fd)
{
	const int off = 0;
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { 1, &nothing };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off), 0);
}

static void put_plug_back(int fd)
{
	int unused = 0;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused), 0);
}

/* ---- the arm's side ---------------------------------------------------------------------------------------------------------- */

static void set_up(const char *model)
{
	memset(&server, 0, sizeof server);
	franka_setup_defaults(&setup);
	snprintf(setup.model, sizeof setup.model, "%s", model);
	snprintf(setup.arm, sizeof setup.arm, "left");
	answers = true;
	configured = 0;
	connections = 0;
	event = (struct franka_event){ .kind = FRANKA_EVENT_CLOSED };
}

static void start(void)
{
	struct errbuf e;

	if (franka_link_create(&franka, &setup, &e) < 0)
		fail_msg("%s", e.text);
}

static void finish(void)
{
	franka_link_destroy(franka);
	franka = NULL;
	robot_server_close(&server);
}

static bool is_open(void)
{
	return event.kind != FRANKA_EVENT_CLOSED && configured == event.generation;
}

static void take_state(void)
{
	uint8_t bytes[4096];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t n = recvfrom(franka->udp_fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);

	if (n < 0 || event.kind == FRANKA_EVENT_CLOSED || from.sin_addr.s_addr != event.peer.s_addr)
		return;
	if (!fci_get_state(event.version, bytes, (size_t)n, &state) || !answers || is_open())
		return;
	struct franka_ask a = { .kind = FRANKA_ASK_CONFIGURE, .generation = event.generation };

	memcpy(a.f_t_ne, state.F_T_NE, sizeof a.f_t_ne);
	configured = event.generation;
	assert_true(franka_link_ask(franka, &a));
}

static void millisecond(void)
{
	clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
	if (server.client.listen_fd > 0)
		robot_server_step(&server, 0, 0);
	for (int i = 0; franka && i < 4; i++)
		take_state();
}

static bool take_event(void)
{
	bool here = franka_link_take(franka, &event);

	connections += here && event.kind == FRANKA_EVENT_CONNECTED;
	return here;
}

static void wait_for_event(enum franka_event_kind kind)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;

	while (clock_monotonic_ns() < end_ns) {
		millisecond();
		if (!take_event())
			continue;
		if (event.kind != kind)
			fail_msg("event %d, want %d", (int)event.kind, (int)kind);
		return;
	}
	fail_msg("no event %d; trouble %s", (int)kind, franka_trouble(atomic_load(&franka->trouble))->name);
}

/* Whatever comes before it. */
static void wait_for_end(void)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;

	while (event.kind != FRANKA_EVENT_CLOSED && clock_monotonic_ns() < end_ns) {
		millisecond();
		take_event();
	}
	assert_int_equal(event.kind, FRANKA_EVENT_CLOSED);
}

static void wait_until_open(void)
{
	wait_for_event(FRANKA_EVENT_CONNECTED);
	wait_for_event(FRANKA_EVENT_OPENED);
	assert_int_equal(atomic_load(&franka->trouble), FRANKA_TROUBLE_NONE);
}

static void wait_for_trouble(enum franka_trouble trouble)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;

	while (atomic_load(&franka->trouble) != trouble && clock_monotonic_ns() < end_ns) {
		millisecond();
		take_event();
	}
	assert_string_equal(franka_trouble(atomic_load(&franka->trouble))->name, franka_trouble(trouble)->name);
}

static void wait_ms(int64_t ms)
{
	for (int64_t end_ns = clock_monotonic_ns() + ms * NS_PER_MS; clock_monotonic_ns() < end_ns;)
		millisecond();
}

static void wait_for_mode(enum fci_robot_mode mode)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;

	while (state.robot_mode != mode && clock_monotonic_ns() < end_ns)
		millisecond();
	assert_int_equal(state.robot_mode, mode);
}

static void ask(enum franka_ask_kind kind)
{
	assert_true(franka_link_ask(franka, &(struct franka_ask){ .kind = kind, .generation = event.generation }));
}

/* ---- connections ------------------------------------------------------------------------------------------------------------- */

static void assert_set(void)
{
	const struct franka_settings *s = &server.robot.settings;

	assert_memory_equal(s->joint_impedance, setup.joint_impedance_nm_rad, sizeof s->joint_impedance);
	assert_memory_equal(s->cartesian_impedance, setup.cartesian_impedance, sizeof s->cartesian_impedance);
	assert_memory_equal(s->collision.upper_torque, setup.nominal.upper_torque_nm, sizeof s->collision.upper_torque);
	assert_memory_equal(s->collision.lower_force_acceleration, setup.acceleration.lower_force_n, sizeof setup.acceleration.lower_force_n);
	assert_true(s->load.mass == setup.load_kg);
}

static void test_every_protocol(void **context)
{
	static const struct { const char *model; uint32_t version; } robots[] = { { "panda", 5 }, { "fr3", 6 }, { "fr3", 7 }, { "fr3", 8 },
		{ "fr3", 9 }, { "fr3_5.9", 10 } };

	(void)context;
	for (size_t i = 0; i < sizeof robots / sizeof *robots; i++) {
		set_up(robots[i].model);
		setup.tcp = (struct pose){ { 0.01, 0.02, 0.12 }, { 0, 0, 0, 1 } };
		setup.load_kg = 0.25;
		setup.load_inertia_kg_m2[0] = setup.load_inertia_kg_m2[4] = setup.load_inertia_kg_m2[8] = 0.001;
		open_server(robots[i].version);
		start();
		wait_until_open();
		assert_int_equal(event.version, robots[i].version);
		assert_int_equal(event.generation, 1);
		assert_set();
		wait_ms(20);
		for (int k = 0; k < 3; k++) /* the robot's own end effector is the TCP */
			assert_true(fabs(state.F_T_EE[12 + k] - setup.tcp.p_m[k]) < 1e-6 && fabs(state.F_T_EE[5 * k] - 1.0) < 1e-6);
		finish();
	}
}

static void test_another_generation(void **context)
{
	(void)context;
	set_up("panda");
	open_server(10);
	start();
	wait_for_trouble(FRANKA_TROUBLE_WRONG_MODEL);
	wait_ms(1500);
	assert_int_equal(connections, 0);
	assert_false(server.connected);
	server.version = 5; /* the robot is exchanged */
	wait_until_open();
	finish();
}

static void test_nobody_listens(void **context)
{
	(void)context;
	set_up("fr3");
	open_server(0);
	robot_server_close(&server);
	start();
	wait_for_trouble(FRANKA_TROUBLE_FCI_INACTIVE);
	open_server_again();
	wait_until_open();
	finish();
}

static void test_another_client(void **context)
{
	(void)context;
	set_up("fr3");
	open_server(0);
	int other = stranger();

	millisecond();
	start();
	wait_for_trouble(FRANKA_TROUBLE_OTHER_CLIENT);
	close(other);
	wait_until_open();
	finish();
}

/* Somebody takes the connection and never says a word; nothing takes it at all. */
static void test_silence(void **context)
{
	(void)context;
	set_up("fr3");
	open_server(0);
	int fd = server.client.listen_fd;

	server.client.listen_fd = -1; /* nobody calls accept */
	start();
	wait_for_trouble(FRANKA_TROUBLE_OTHER_CLIENT);
	pull_plug(fd);
	wait_for_trouble(FRANKA_TROUBLE_UNREACHABLE);
	server.client.listen_fd = fd;
	put_plug_back(fd);
	wait_until_open();
	finish();
}

static void test_name_unknown(void **context)
{
	(void)context;
	set_up("fr3");
	snprintf(setup.address, sizeof setup.address, "1.2.3.4.5");
	start();
	wait_for_trouble(FRANKA_TROUBLE_NAME_UNKNOWN);
	finish();
}

static void test_no_states(void **context)
{
	(void)context;
	set_up("fr3");
	answers = false;
	open_server(0);
	start();
	wait_for_trouble(FRANKA_TROUBLE_NO_STATES);
	wait_for_end();
	answers = true;
	wait_until_open();
	finish();
}

static void test_no_franka(void **context)
{
	struct errbuf e;

	(void)context;
	set_up("piper");
	assert_int_equal(franka_link_create(&franka, &setup, &e), -EINVAL);
	assert_non_null(strstr(e.text, "piper"));
	franka_link_destroy(NULL);
}

/* ---- motions ----------------------------------------------------------------------------------------------------------------- */

static void begin_motion(void)
{
	ask(FRANKA_ASK_MOVE);
	wait_for_event(FRANKA_EVENT_MOVE_STARTED);
	wait_for_mode(FCI_MODE_MOVE);
}

static void test_motions(void **context)
{
	static const enum output_kind outputs[] = { OUTPUT_JOINT, OUTPUT_POSE };

	(void)context;
	for (int i = 0; i < 2; i++) {
		set_up(i ? "fr3_5.9" : "panda");
		setup.generator = outputs[i];
		open_server(0);
		start();
		wait_until_open();
		begin_motion();
		assert_int_equal(state.generator_mode, i ? FCI_GENERATOR_CARTESIAN_POSITION : FCI_GENERATOR_JOINT_POSITION);
		assert_int_equal(state.controller_mode, FCI_CONTROL_JOINT_IMPEDANCE);
		ask(FRANKA_ASK_STOP_MOVE);
		wait_for_event(FRANKA_EVENT_MOVE_ENDED);
		assert_int_equal(event.status, FCI_STATUS_PREEMPTED);
		wait_for_mode(FCI_MODE_IDLE);
		begin_motion();
		franka_robot_reflex(&server.robot, FCI_ERROR_joint_reflex);
		wait_for_event(FRANKA_EVENT_MOVE_ENDED);
		assert_int_equal(event.status, FCI_STATUS_REFLEX_ABORTED);
		ask(FRANKA_ASK_MOVE);
		wait_for_event(FRANKA_EVENT_MOVE_ENDED);
		assert_int_equal(event.status, FCI_STATUS_NOT_POSSIBLE);
		ask(FRANKA_ASK_RECOVER);
		wait_for_event(FRANKA_EVENT_RECOVERED);
		assert_int_equal(event.status, FCI_STATUS_SUCCESS);
		wait_for_mode(FCI_MODE_IDLE);
		begin_motion();
		finish(); /* in the middle of it */
	}
}

static void assert_nothing_begins(uint64_t motions)
{
	wait_ms(200);
	assert_int_equal(server.robot.counters.motions, motions); /* counted since the robot's client came */
	assert_int_not_equal(state.robot_mode, FCI_MODE_MOVE);
}

static void test_robot_cuts_the_connection(void **context)
{
	(void)context;
	set_up("fr3");
	open_server(0);
	start();
	wait_until_open();
	begin_motion();
	robot_server_drop(&server);
	wait_for_event(FRANKA_EVENT_CLOSED);
	assert_int_equal(event.generation, 1);
	wait_until_open();
	assert_int_equal(event.generation, 2);
	assert_nothing_begins(0);
	finish();
}

/* While nothing is under way, and while an answer is. */
static void test_plug_pulled(void **context)
{
	(void)context;
	for (int asks = 0; asks < 2; asks++) {
		set_up("fr3");
		open_server(0);
		start();
		wait_until_open();
		wait_ms(500); /* the robot has heard that its last answer has come, which would else be what it waits for */
		pull_plug(server.client.tcp_fd);
		int64_t from_ns = clock_monotonic_ns();

		if (asks)
			ask(FRANKA_ASK_MOVE);
		wait_for_event(FRANKA_EVENT_CLOSED);
		assert_int_equal(atomic_load(&franka->trouble), FRANKA_TROUBLE_UNREACHABLE);
		assert_true(clock_monotonic_ns() - from_ns > 2 * NS_PER_S);
		robot_server_drop(&server);
		wait_until_open();
		assert_nothing_begins(0);
		finish();
	}
}

static void test_reconnect_on_demand(void **context)
{
	(void)context;
	set_up("fr3");
	open_server(0);
	start();
	wait_until_open();
	begin_motion();
	ask(FRANKA_ASK_RECONNECT);
	wait_for_event(FRANKA_EVENT_CLOSED);
	wait_until_open();
	assert_nothing_begins(0);
	finish();
}

/* Nobody takes events: they wait, in order, and no connection is begun before the last one's end was taken. */
static void test_events_wait(void **context)
{
	uint32_t recovered = 0;

	(void)context;
	set_up("fr3");
	open_server(0);
	start();
	wait_until_open();
	while (atomic_load(&franka->trouble) == FRANKA_TROUBLE_NONE) {
		ask(FRANKA_ASK_RECOVER);
		for (int i = 0; i < 10; i++)
			millisecond();
	}
	wait_ms(500);
	assert_false(server.connected);
	for (; recovered < FRANKA_EVENTS; recovered++)
		wait_for_event(FRANKA_EVENT_RECOVERED);
	wait_for_end();
	wait_until_open();
	finish();
}

/* ---- the log ----------------------------------------------------------------------------------------------------------------- */

static uint32_t lines_with(const char *text, const char *words)
{
	uint32_t n = 0;

	for (; (text = strstr(text, words)); text++)
		n++;
	return n;
}

static void test_each_change_is_logged_once(void **context)
{
	static char text[16384];
	int fd = memfd_create("log", 0), old = dup(STDERR_FILENO);

	(void)context;
	set_up("fr3");
	open_server(0);
	robot_server_close(&server);
	dup2(fd, STDERR_FILENO);
	start();
	wait_for_trouble(FRANKA_TROUBLE_FCI_INACTIVE);
	wait_ms(1000); /* some tries */
	open_server_again();
	wait_until_open();
	finish();
	dup2(old, STDERR_FILENO);
	assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
	assert_int_equal(write(old, text, strlen(text)), strlen(text));
	close(fd);
	close(old);
	assert_int_equal(lines_with(text, "fci_inactive"), 1);
	assert_int_equal(lines_with(text, setup.address), 2);
	assert_int_equal(lines_with(text, "Connection refused"), 1);
	assert_int_equal(lines_with(text, "arm: left: franka at"), 2);
	assert_int_equal(lines_with(text, "protocol 9"), 2); /* the simulated robot says so, too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_protocol),
		cmocka_unit_test(test_another_generation),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_another_client),
		cmocka_unit_test(test_name_unknown),
		cmocka_unit_test(test_no_franka),
		cmocka_unit_test(test_motions),
		cmocka_unit_test(test_robot_cuts_the_connection),
		cmocka_unit_test(test_reconnect_on_demand),
		cmocka_unit_test(test_events_wait),
		cmocka_unit_test(test_each_change_is_logged_once),
	};

	const struct CMUnitTest silent[] = { cmocka_unit_test(test_silence), cmocka_unit_test(test_no_states) };
	const struct CMUnitTest plug_pulled[] = { cmocka_unit_test(test_plug_pulled) };
	pid_t first = group_begin(silent), second = group_begin(plug_pulled);

	group_seed();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += group_end(first);
	return failed + group_end(second);
}
