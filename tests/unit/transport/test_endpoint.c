/* test_endpoint.c - sockets over ipc, inproc and loopback: bounds, ports in use, REQ and DEALER at a ROUTER.
 * In real time: sockets. */
#include <errno.h>

#include "transport/client.h"

#include "tests/unit/transport/sockets.h" /* last: cmocka.h in it defines fail() */

/* ---- publish and subscribe ------------------------------------------------------------------------------------------------ */

static void check_pub_sub(const char *address)
{
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = address });
	struct endpoint *pub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = endpoint_address(sub) });
	struct endpoint_message got, m = text_message("camera/top", "frame");

	assert_int_equal(publish_until_received(pub, sub, &m, &got), 1);
	assert_int_equal(got.n_parts, 2);
	assert_memory_equal(got.part[0], "camera/top", 10);
	assert_memory_equal(got.part[1], "frame", 5);
	assert_true(endpoint_counters(sub).received >= 1);
	assert_true(endpoint_counters(pub).sent >= 1);
	endpoint_close(pub);
	endpoint_close(sub);
}

static void messages_travel_on_every_transport(void **state)
{
	char ipc[128];

	(void)state;
	path_in_folder(ipc, sizeof ipc, "ipc://", "cameras");
	check_pub_sub("tcp://127.0.0.1:0");
	check_pub_sub("inproc://cameras");
	check_pub_sub(ipc);
}

/* One configuration names the address for both sides. */
static void every_interface_is_reached_on_this_machine(void **state)
{
	static const char *const any[] = { "*", "0.0.0.0" };

	(void)state;
	for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
		struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "tcp://*:0", .insecure = true });
		struct endpoint_message got, m = text_message("camera/top", "frame");
		char address[64];

		snprintf(address, sizeof address, "tcp://%s:%s", any[i], strrchr(endpoint_address(sub), ':') + 1);
		struct endpoint *pub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = address });

		assert_int_equal(publish_until_received(pub, sub, &m, &got), 1);
		endpoint_close(pub);
		endpoint_close(sub);
	}
}

static void the_bound_port_is_resolved(void **state)
{
	struct endpoint *p = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .bind = true, .address = "tcp://127.0.0.1:0" });

	(void)state;
	assert_null(strstr(endpoint_address(p), ":0"));
	assert_non_null(strstr(endpoint_address(p), "tcp://127.0.0.1:"));
	endpoint_close(p);
}

static void subscriptions_choose(void **state)
{
	struct endpoint *pub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .bind = true, .address = "inproc://choose" });
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .address = "inproc://choose",
			.subscribe = { "state/", "status" } });
	struct endpoint_message got, other = text_message("event", "x"), wanted = text_message("status", "y");

	(void)state;
	assert_int_equal(publish_until_received(pub, sub, &wanted, &got), 1);
	while (receive(sub, &got, GRACE_MS))
		;
	assert_int_equal(endpoint_send(pub, &other), 0);
	assert_int_equal(endpoint_send(pub, &wanted), 0);
	assert_int_equal(receive(sub, &got, PATIENCE_MS), 1);
	assert_memory_equal(got.part[0], "status", 6);
	endpoint_close(sub);
	endpoint_close(pub);
}

static void nothing_there_is_no_error(void **state)
{
	struct endpoint *p = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "inproc://nothing" });
	struct endpoint_message m;

	(void)state;
	assert_int_equal(endpoint_receive(p, &m, &error), 0);
	endpoint_close(p);
	endpoint_close(NULL);
}

/* ---- addresses ----------------------------------------------------------------------------------------------------------- */

static int try_open(const char *address, bool insecure)
{
	struct endpoint *p = NULL;
	int rc = endpoint_open(&p, context, &(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = address,
			.insecure = insecure }, &error);

	if (rc == 0)
		endpoint_close(p);
	return rc;
}

static void a_port_in_use_names_address_and_remedy(void **state)
{
	struct endpoint *first = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .bind = true, .address = "tcp://127.0.0.1:0" });

	(void)state;
	assert_int_equal(try_open(endpoint_address(first), false), -EADDRINUSE);
	assert_non_null(strstr(error.text, endpoint_address(first)));
	assert_non_null(strstr(error.text, "ss -ltnp"));
	endpoint_close(first);
}

/* libzmq alone would take the socket file away from its owner. */
static void a_living_ipc_socket_is_not_taken_over(void **state)
{
	char ipc[128];

	(void)state;
	path_in_folder(ipc, sizeof ipc, "ipc://", "taken");
	struct endpoint *first = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .bind = true, .address = ipc });

	assert_int_equal(try_open(ipc, false), -EADDRINUSE);
	assert_non_null(strstr(error.text, ipc));
	endpoint_close(first);
}

static void beyond_loopback_needs_keys(void **state)
{
	static const char *const outside[] = { "tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://lo:0" };

	(void)state;
	for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
		assert_int_equal(try_open(outside[i], false), -EACCES);
		assert_non_null(strstr(error.text, "CURVE"));
	}
	assert_int_equal(try_open("tcp://0.0.0.0:0", true), 0);
	assert_int_equal(try_open("tcp://127.8.9.1:0", false), 0);
}

static void nonsense_is_no_address(void **state)
{
	char endless[400];

	(void)state;
	memset(endless, 'x', sizeof endless);
	endless[sizeof endless - 1] = '\0';
	assert_int_equal(try_open("", false), -EINVAL);
	assert_int_equal(try_open(NULL, false), -EINVAL);
	assert_int_equal(try_open(endless, false), -EINVAL);
	assert_true(try_open("tcp://127.0.0.1", false) < 0);
	assert_int_equal(try_open("127.0.0.1:7411", false), -EINVAL);
	assert_int_equal(try_open("tcp://127.0.0.1:74x", false), -EINVAL);
	assert_int_equal(try_open("tcp://127.0.0.1:99999", false), -EINVAL); /* libzmq would take another port */
	assert_non_null(strstr(error.text, "tcp://127.0.0.1:99999"));
	assert_true(try_open("ipc:///no/such/folder/socket", false) < 0);
}

/* ---- bounds -------------------------------------------------------------------------------------------------------------- */

static void an_oversized_message_does_not_arrive(void **state)
{
	static const char big[5000] = { 'x' };
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "tcp://127.0.0.1:0",
			.max_message_bytes = 1000 });
	struct endpoint *pub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = endpoint_address(sub) });
	struct endpoint *other = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = endpoint_address(sub) });
	struct endpoint_message got, small = text_message("a", "b");
	struct endpoint_message large = { .n_parts = 2, .part = { (const uint8_t *)"a", (const uint8_t *)big }, .bytes = { 1, sizeof big } };

	(void)state;
	assert_int_equal(publish_until_received(pub, sub, &small, &got), 1);
	assert_int_equal(endpoint_send(pub, &large), 0);
	while (receive(sub, &got, GRACE_MS))
		assert_true(got.bytes[1] <= 1000);
	assert_int_equal(publish_until_received(other, sub, &small, &got), 1); /* others are not affected */
	endpoint_close(other);
	endpoint_close(pub);
	endpoint_close(sub);
}

static void inproc_messages_are_bounded_too(void **state)
{
	static const char big[5000] = { 'x' };
	struct endpoint *sub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_SUB, .bind = true, .address = "inproc://bounded",
			.max_message_bytes = 1000 });
	struct endpoint *pub = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUB, .address = "inproc://bounded" });
	struct endpoint_message got, small = text_message("a", "b");
	struct endpoint_message large = { .n_parts = 2, .part = { (const uint8_t *)"a", (const uint8_t *)big }, .bytes = { 1, sizeof big } };

	(void)state;
	assert_int_equal(publish_until_received(pub, sub, &small, &got), 1);
	assert_int_equal(endpoint_send(pub, &large), 0);
	assert_int_equal(endpoint_send(pub, &small), 0);
	assert_int_equal(receive(sub, &got, PATIENCE_MS), 1);
	assert_int_equal(got.bytes[1], 1);
	assert_int_equal(endpoint_counters(sub).malformed, 1);
	endpoint_close(pub);
	endpoint_close(sub);
}

static void send_parts(void *socket, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(zmq_send(socket, "p", 1, i + 1 < n ? ZMQ_SNDMORE : 0), 1);
}

static void messages_of_too_many_parts_are_dropped_whole(void **state)
{
	struct endpoint *to = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PULL, .bind = true, .address = "tcp://127.0.0.1:0" });
	void *from = zmq_socket(context, ZMQ_PUSH);
	struct endpoint_message got;

	(void)state;
	assert_int_equal(zmq_connect(from, endpoint_address(to)), 0);
	send_parts(from, ENDPOINT_PARTS_MAX + 1);
	send_parts(from, 1000);
	send_parts(from, ENDPOINT_PARTS_MAX);
	while (endpoint_counters(to).received == 0)
		assert_true(receive(to, &got, PATIENCE_MS) == 1 || endpoint_counters(to).malformed > 0);
	assert_int_equal(got.n_parts, ENDPOINT_PARTS_MAX);
	assert_int_equal(endpoint_counters(to).malformed, 2);
	zmq_setsockopt(from, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
	zmq_close(from);
	endpoint_close(to);
}

static void a_full_queue_drops_and_counts(void **state)
{
	struct endpoint *to = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PULL, .bind = true, .address = "inproc://full" });
	struct endpoint *from = open_or_fail(&(struct endpoint_options){ .type = ZMQ_PUSH, .address = "inproc://full" });
	struct endpoint_message m = text_message("a", "b");
	int rc = 0;

	(void)state;
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = endpoint_send(from, &m);
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(endpoint_counters(from).dropped_send, 1);
	assert_int_equal(endpoint_counters(from).sent, 8); /* 4 at each side */
	endpoint_close(from);
	endpoint_close(to);
}

/* ---- control sockets ------------------------------------------------------------------------------------------------------- */

static struct endpoint *open_router(void)
{
	return open_or_fail(&(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true, .address = "tcp://127.0.0.1:0" });
}

static void *connect_client(int type, const struct endpoint *router)
{
	void *socket = zmq_socket(context, type);

	assert_non_null(socket);
	zmq_setsockopt(socket, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &(int){ PATIENCE_MS }, sizeof(int));
	assert_int_equal(zmq_connect(socket, endpoint_address(router)), 0);
	return socket;
}

static void take_request(struct endpoint *router, struct endpoint_peer *peer, const char *want)
{
	const uint8_t *body;
	size_t n;
	int rc = 0;

	while (rc == 0) {
		assert_true(is_readable(router, PATIENCE_MS));
		rc = endpoint_receive_request(router, peer, &body, &n, &error);
	}
	assert_int_equal(rc, 1);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(body, want, n);
}

static void expect(void *socket, const char *want)
{
	char got[64];
	int n = zmq_recv(socket, got, sizeof got, 0);

	assert_int_equal(n, (int)strlen(want));
	assert_memory_equal(got, want, strlen(want));
}

static void req_and_dealer_are_answered_each(void **state)
{
	struct endpoint *router = open_router();
	void *req = connect_client(ZMQ_REQ, router), *plain = connect_client(ZMQ_DEALER, router), *imitating = connect_client(ZMQ_DEALER, router);
	struct endpoint_peer from_req, from_plain, from_imitating;

	(void)state;
	zmq_send(req, "one", 3, 0);
	take_request(router, &from_req, "one");
	zmq_send(plain, "two", 3, 0);
	take_request(router, &from_plain, "two");
	zmq_send(imitating, "", 0, ZMQ_SNDMORE);
	zmq_send(imitating, "three", 5, 0);
	take_request(router, &from_imitating, "three");
	/* Late and in another order: each peer gets its own. */
	assert_int_equal(endpoint_send_reply(router, &from_imitating, (const uint8_t *)"3", 1), 0);
	assert_int_equal(endpoint_send_reply(router, &from_plain, (const uint8_t *)"2", 1), 0);
	assert_int_equal(endpoint_send_reply(router, &from_req, (const uint8_t *)"1", 1), 0);
	expect(req, "1");
	expect(plain, "2");
	expect(imitating, "");
	expect(imitating, "3");
	zmq_close(req);
	zmq_close(plain);
	zmq_close(imitating);
	endpoint_close(router);
}

static void what_is_no_request_is_passed_over(void **state)
{
	struct endpoint *router = open_router();
	void *dealer = connect_client(ZMQ_DEALER, router);
	struct endpoint_peer peer;

	(void)state;
	zmq_send(dealer, "", 0, 0);
	send_parts(dealer, 2);
	send_parts(dealer, 3);
	send_parts(dealer, 9);
	zmq_send(dealer, "good", 4, 0);
	take_request(router, &peer, "good");
	assert_int_equal(endpoint_counters(router).malformed, 4);
	zmq_close(dealer);
	endpoint_close(router);
}

static void a_peer_that_has_gone_is_no_error(void **state)
{
	struct endpoint *router = open_router();
	struct endpoint_peer peer = { .n = 5, .identity = { 1, 2, 3, 4, 5 } };

	(void)state;
	assert_int_equal(endpoint_send_reply(router, &peer, (const uint8_t *)"x", 1), 0);
	endpoint_close(router);
}

static void a_dealer_keeps_nothing_for_later(void **state)
{
	struct endpoint *dealer = open_or_fail(&(struct endpoint_options){ .type = ZMQ_DEALER, .address = "tcp://127.0.0.1:9" });
	struct endpoint_message m = text_message("", "attach");

	(void)state;
	assert_int_equal(endpoint_send(dealer, &m), -EAGAIN);
	assert_int_equal(endpoint_counters(dealer).dropped_send, 1);
	endpoint_close(dealer);
}

static void nobody_answers_in_time(void **state)
{
	struct endpoint_options o = { .address = "tcp://127.0.0.1:9" };
	uint8_t answer[16];
	size_t n;

	(void)state;
	assert_int_equal(client_call(context, &o, (const uint8_t *)"x", 1, 50, answer, sizeof answer, &n, &error), -ETIMEDOUT);
	assert_non_null(strstr(error.text, "tcp://127.0.0.1:9"));
}

static void answer_once(void *socket)
{
	char body[16];
	int n = zmq_recv(socket, body, sizeof body, 0);

	if (n > 0 && n <= (int)sizeof body)
		zmq_send(socket, body, (size_t)n, 0);
}

static void a_question_gets_its_answer(void **state)
{
	void *socket = zmq_socket(context, ZMQ_REP), *thread;
	char address[128];
	size_t n = sizeof address;
	uint8_t answer[16];

	(void)state;
	assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &n), 0);
	thread = zmq_threadstart(answer_once, socket);
	assert_int_equal(client_call(context, &(struct endpoint_options){ .address = address }, (const uint8_t *)"ping", 4, PATIENCE_MS,
			answer, sizeof answer, &n, &error), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(answer, "ping", 4);
	zmq_threadclose(thread);
	zmq_close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_travel_on_every_transport),
		cmocka_unit_test(every_interface_is_reached_on_this_machine),
		cmocka_unit_test(the_bound_port_is_resolved),
		cmocka_unit_test(subscriptions_choose),
		cmocka_unit_test(nothing_there_is_no_error),
		cmocka_unit_test(a_port_in_use_names_address_and_remedy),
		cmocka_unit_test(a_living_ipc_socket_is_not_taken_over),
		cmocka_unit_test(beyond_loopback_needs_keys),
		cmocka_unit_test(nonsense_is_no_address),
		cmocka_unit_test(an_oversized_message_does_not_arrive),
		cmocka_unit_test(inproc_messages_are_bounded_too),
		cmocka_unit_test(messages_of_too_many_parts_are_dropped_whole),
		cmocka_unit_test(a_full_queue_drops_and_counts),
		cmocka_unit_test(req_and_dealer_are_answered_each),
		cmocka_unit_test(what_is_no_request_is_passed_over),
		cmocka_unit_test(a_peer_that_has_gone_is_no_error),
		cmocka_unit_test(a_dealer_keeps_nothing_for_later),
		cmocka_unit_test(nobody_answers_in_time),
		cmocka_unit_test(a_question_gets_its_answer),
	};

	return cmocka_run_group_tests(tests, open_context, close_context);
}
