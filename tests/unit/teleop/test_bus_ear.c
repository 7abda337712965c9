/* test_bus_ear.c - a bus that is listened to, lost, opened again by a thread, and ended at any of these moments.
 *
 * In real time: sockets and a thread. */
#include "robots/teleop/bus_ear.h"
#include "tests/unit/robots/bus_bench.h"

#include <errno.h>

static const struct bus_filter WANTED = { 0x155, 0x7FF };
static char address[128];              /* outlives every ear */

static struct bus_ear *listen_to(struct bus *server)
{
	struct opening o = { server, false };
	struct bus_ear *ear = NULL;
	pthread_t thread;

	snprintf(address, sizeof address, "%s", bus_address(server));
	assert_int_equal(pthread_create(&thread, NULL, serve_until_done, &o), 0);
	must(bus_ear_create(&ear, &(struct bus_options){ .address = address, .filter = &WANTED, .filters = 1 }, &bench_error));
	o.done = true;
	pthread_join(thread, NULL);
	return ear;
}

/* Says 0x155 and 0x156 until one of them is heard; the server may be none. */
static bool hears(struct bus_ear *ear, struct bus *server, int ms)
{
	int64_t end_ns = clock_monotonic_ns() + ms * NS_PER_MS;
	struct bus_frame wanted = frame_of(0x155, 7), other = frame_of(0x156, 7);
	struct bus_event ev;

	while (clock_monotonic_ns() < end_ns) {
		if (server && bus_receive(server, &ev) >= 0) {
			(void)!bus_send(server, &other);
			(void)!bus_send(server, &wanted);
		}
		while (bus_ear_next(ear, clock_monotonic_ns(), &ev))
			if (ev.error == BUS_ERROR_NONE) {
				assert_int_equal(ev.frame.id, 0x155);
				return true;
			}
		poll(NULL, 0, 2);
	}
	return false;
}

static void lose(struct bus_ear *ear, struct bus *server)
{
	int64_t end_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS;
	struct bus_event ev;

	bus_destroy(server);
	while (bus_ear_fd(ear) >= 0 && clock_monotonic_ns() < end_ns) /* what lies there is read first */
		if (!bus_ear_next(ear, clock_monotonic_ns(), &ev))
			poll(NULL, 0, 2);
	assert_int_equal(bus_ear_fd(ear), -1);
	assert_non_null(strstr(bus_ear_trouble(ear), "closed the connection"));
}

static void test_lost_and_found_again(void **state)
{
	struct bus *server = serve();
	struct bus_ear *ear = listen_to(server);

	(void)state;
	assert_true(hears(ear, server, WAIT_MS));
	assert_string_equal(bus_ear_trouble(ear), "");
	lose(ear, server);
	assert_false(hears(ear, NULL, 300)); /* it tries in vain meanwhile */
	assert_non_null(strstr(bus_ear_trouble(ear), "socketcand"));
	server = serve_at(address);
	assert_true(hears(ear, server, WAIT_MS));
	assert_string_equal(bus_ear_trouble(ear), "");
	bus_ear_destroy(ear);
	bus_destroy(server);
}

/* The server lets it in while the ear is being ended: what was opened is nobody's any more, and is closed. */
static void test_ended_while_it_is_being_opened(void **state)
{
	struct bus *server = serve();
	struct bus_ear *ear = listen_to(server);
	struct bus_event ev;
	pthread_t thread;

	(void)state;
	lose(ear, server);
	server = serve_at(address); /* and does not serve yet */
	assert_false(bus_ear_next(ear, clock_monotonic_ns(), &ev));
	struct opening o = { server, false };

	assert_int_equal(pthread_create(&thread, NULL, serve_until_done, &o), 0);
	bus_ear_destroy(ear);
	o.done = true;
	pthread_join(thread, NULL);
	bus_destroy(server);
}

static void test_what_cannot_be_opened(void **state)
{
	struct bus_ear *ear = NULL;

	(void)state;
	assert_int_equal(bus_ear_create(&ear, &(struct bus_options){ .address = "socketcand://127.0.0.1:1" }, &bench_error), -ECONNREFUSED);
	assert_null(ear);
	bus_ear_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_and_found_again),
		cmocka_unit_test(test_ended_while_it_is_being_opened),
		cmocka_unit_test(test_what_cannot_be_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
