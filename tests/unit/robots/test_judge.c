/* test_judge.c - the judge's socket: says what the world holds, and whether the block that was named was picked up; wrong questions are
 * refused in words. In real time: a ZeroMQ context. */
#include "robots/sim/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zmq.h>
#include <cmocka.h>

#include "robots/model/model.h"

static const int64_t MS = 1000000;
static struct judge judge;
static struct world world;
static void *zmq_context;
static struct endpoint *client;
static uint8_t answer[REQUEST_BYTES_MAX];
static size_t n_answer;

static int open_judge(void **unused)
{
	struct errbuf e;

	(void)unused;
	zmq_context = zmq_ctx_new();
	world_init(&world, &(struct world_options){ .seed = 1, .model = robot_model_find("panda"), .task = true });
	assert_int_equal(judge_open(&judge, "inproc://judge", zmq_context, &e), 0);
	return endpoint_open(&client, zmq_context, &(struct endpoint_options){ .type = ZMQ_DEALER, .address = "inproc://judge",
			.max_message_bytes = REQUEST_BYTES_MAX }, &e);
}

static int close_judge(void **unused)
{
	(void)unused;
	endpoint_close(client);
	judge_close(&judge);
	zmq_ctx_term(zmq_context);
	return 0;
}

/* Sends a map as it is and waits for the reply: true if it is ok. */
static bool ask_with(struct map_builder *b, uint8_t *bytes)
{
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)"", bytes } };
	zmq_pollitem_t item = { .socket = endpoint_socket(client), .events = ZMQ_POLLIN };
	struct errbuf e;
	struct reply r;

	assert_int_equal(map_finish(b, &m.bytes[1], &e), 0);
	assert_int_equal(endpoint_send(client, &m), 0);
	for (int i = 0; i < 1000 && zmq_poll(&item, 1, 1) == 0; i++)
		judge_answer(&judge, &world);
	assert_int_equal(endpoint_receive(client, &m, &e), 1);
	n_answer = m.bytes[1];
	memcpy(answer, m.part[1], n_answer);
	assert_int_equal(reply_decode(&r, answer, n_answer, &e), 0);
	return r.ok;
}

static bool ask_for(const char *command, const char *key, const char *text, const char *pad)
{
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct map_builder b;

	request_begin(&b, bytes, sizeof bytes, command);
	if (key)
		map_add_text(&b, key, text);
	if (pad)
		map_add_text(&b, "pad", pad);
	return ask_with(&b, bytes);
}

static bool ask(const char *command, const char *key, const char *text)
{
	return ask_for(command, key, text, NULL);
}

static void expect(const char *key, const char *want)
{
	char found[32];

	assert_true(ask("status", NULL, NULL));
	assert_true(reply_text(answer, n_answer, key, found, sizeof found));
	assert_string_equal(found, want);
}

static void hold(uint32_t block, double lift_m)
{
	world.grip.holds = true;
	world.grip.block = block;
	world.block[block].lift_m = lift_m;
}

/* As the world's thread does. */
static void pass(int64_t ns)
{
	world.t_ns += ns;
	judge_look(&judge, &world);
}

static void test_says_what_is_held(void **unused)
{
	(void)unused;
	expect("held", "");
	expect("verdict", "none");
	expect("colour", "");
	hold(2, 0.07);
	expect("held", block_colour_name(world.block[2].colour));
}

static void test_judges_the_named_block(void **unused)
{
	(void)unused;
	assert_true(ask("task", "colour", "blue"));
	expect("verdict", "runs");
	expect("colour", "blue");
	hold(BLOCK_BLUE, 0.049);
	pass(MS);
	expect("verdict", "runs");
	hold(BLOCK_BLUE, 0.051);
	pass(MS);
	expect("verdict", "done");
	world.grip.holds = false;
	pass(MS);
	expect("verdict", "done"); /* it was */
}

static void test_judges_the_named_pad(void **unused)
{
	(void)unused;
	assert_false(ask_for("task", "colour", "blue", "red")); /* there is none */
	world_init(&world, &(struct world_options){ .seed = 1, .model = robot_model_find("panda"), .task = true, .pads = true });
	const struct world_pad *pad = &world.pad[1];

	assert_false(ask_for("task", "colour", "blue", "purple"));
	assert_true(ask_for("task", "colour", "blue", block_colour_name(pad->colour)));
	expect("pad", block_colour_name(pad->colour));
	hold(BLOCK_BLUE, 0.06);
	pass(MS);
	expect("verdict", "runs");
	world.grip.holds = false;
	world.block[BLOCK_BLUE] = (struct world_block){ BLOCK_BLUE, .x_m = pad->x_m, .y_m = pad->y_m };
	pass(MS);
	expect("verdict", "done");
	assert_true(ask("task", "colour", "red"));
	expect("pad", "");
}

static void test_another_block_or_none_in_time_is_no_success(void **unused)
{
	(void)unused;
	assert_true(ask("task", "colour", "red"));
	hold(BLOCK_GREEN, 0.1);
	pass(MS);
	expect("verdict", "wrong block");
	assert_true(ask("task", "colour", "red")); /* named anew, with the green one in the hand: that is nobody's fault */
	pass(MS);
	expect("verdict", "runs");
	pass(TASK_PICK_LIMIT_NS + MS);
	expect("verdict", "too late");
}

static void test_wrong_questions_are_refused(void **unused)
{
	struct reply r;
	struct errbuf e;

	(void)unused;
	assert_false(ask("task", "colour", "purple"));
	assert_int_equal(reply_decode(&r, answer, n_answer, &e), 0);
	assert_string_equal(r.error, "colour: \"purple\", want red, green, blue or yellow");
	assert_false(ask("task", NULL, NULL));
	assert_false(ask("task", "block", "red"));
	assert_false(ask("status", "colour", "red"));
	assert_false(ask("drop", NULL, NULL));
	expect("verdict", "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_says_what_is_held, open_judge, close_judge),
		cmocka_unit_test_setup_teardown(test_judges_the_named_block, open_judge, close_judge),
		cmocka_unit_test_setup_teardown(test_judges_the_named_pad, open_judge, close_judge),
		cmocka_unit_test_setup_teardown(test_another_block_or_none_in_time_is_no_success, open_judge, close_judge),
		cmocka_unit_test_setup_teardown(test_wrong_questions_are_refused, open_judge, close_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
