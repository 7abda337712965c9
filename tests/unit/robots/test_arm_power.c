/* test_arm_power.c - an arm whose motors are switched over its interface and that has no brakes: who may switch what when, in which order
 * it reaches the driver, and that nothing does without a request. */
#include "arm_bench.h"
#include "robots/arm/arm_loop.h"

/* What the driver was asked for, in order. */
static char asked[16];

static void note(char what)
{
	size_t n = strlen(asked);

	assert_true(n + 1 < sizeof asked);
	asked[n] = what;
}

static void switch_on(void *driver)
{
	(void)driver;
	note('e');
}

static void switch_off(void *driver)
{
	(void)driver;
	note('d');
}

static void let_fall(void *driver)
{
	(void)driver;
	note('r');
}

static void emergency_stop(void *driver)
{
	(void)driver;
	note('s');
}

static struct robot_state arm_says;

static void read_arm(void *driver, int64_t now_ns, struct robot_state *out)
{
	(void)driver;
	*out = arm_says;
	out->stamp_ns = now_ns;
}

static void write_arm(void *driver, const struct robot_command *c)
{
	(void)driver;
	(void)c;
}

static const struct robot_trouble *trouble(uint32_t which)
{
	static const struct robot_trouble name[] = { { "", "" }, { "asking", "it is being asked what it is" } };

	return &name[which];
}

static const struct robot_driver POWER = { .name = "power", .period_ns = 1000000, .recovers = 1 << ARM_ESTOP | 1 << ARM_GUIDING,
	.enable = switch_on, .disable = switch_off, .recover = let_fall, .emergency_stop = emergency_stop, .read = read_arm,
	.write = write_arm, .trouble = trouble };

static enum arm_reply request(struct bench *b, enum arm_ask what, bool confirm)
{
	return arm_take_request(&b->arm, &(struct arm_request){ .ticket = 9, .ask = what, .confirm = confirm }, b->now_ns).reply;
}

static void be(struct bench *b, enum arm_mode mode)
{
	b->robot.mode = mode;
	tick(b);
}

static void nothing_is_passed_on(struct bench *b)
{
	assert_false(arm_take_enable(&b->arm) || arm_take_disable(&b->arm) || arm_take_recover(&b->arm) ||
			arm_take_emergency_stop(&b->arm));
}

static void power_goes_on_and_off_by_request_only(void **state)
{
	static const enum arm_mode every[] = { ARM_DISCONNECTED, ARM_IDLE, ARM_READY, ARM_GUIDING, ARM_USER_STOPPED, ARM_REFLEX,
		ARM_ESTOP };
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
		be(&b, every[k]);
		nothing_is_passed_on(&b);
	}
	be(&b, ARM_READY);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	assert_int_equal(ask(&b, ARM_ASK_DETACH, ME, false, false).reply, ARM_REPLY_OK);
	(void)ask(&b, ARM_ASK_STOP, 0, false, false);
	(void)ask(&b, ARM_ASK_SHUTDOWN, 0, false, false);
	tick(&b);
	nothing_is_passed_on(&b);
}

static void enable_wants_an_arm_that_nothing_stopped(void **state)
{
	static const enum arm_mode never[] = { ARM_DISCONNECTED, ARM_GUIDING, ARM_USER_STOPPED, ARM_REFLEX, ARM_ESTOP };
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	for (size_t k = 0; k < sizeof never / sizeof *never; k++) {
		be(&b, never[k]);
		assert_int_equal(request(&b, ARM_ASK_ENABLE, false), ARM_REPLY_NOT_NOW);
		nothing_is_passed_on(&b);
	}
	be(&b, ARM_IDLE);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_NOT_READY);
	assert_int_equal(request(&b, ARM_ASK_ENABLE, false), ARM_REPLY_OK);
	assert_true(arm_take_enable(&b.arm));
	nothing_is_passed_on(&b);
	assert_int_equal(report(&b).mode, ARM_IDLE); /* until the arm itself is ready */
	be(&b, ARM_READY);
	assert_int_equal(report(&b).mode, ARM_READY);
}

/* An OK is for what is done, not for what the driver will drop. */
static void what_the_driver_would_not_do_is_refused(void **state)
{
	static const enum arm_ask every[] = { ARM_ASK_ENABLE, ARM_ASK_DISABLE, ARM_ASK_RECOVER };
	struct arm_reply_text text;
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	for (uint32_t k = 0; k < 3; k++) {
		b.robot.void_asks = 1u << k;
		b.robot.trouble = 1;
		be(&b, every[k] == ARM_ASK_RECOVER ? ARM_ESTOP : ARM_IDLE);
		struct arm_answer a = arm_take_request(&b.arm, &(struct arm_request){ .ask = every[k], .confirm = true }, b.now_ns);
		assert_int_equal(a.reply, ARM_REPLY_NOT_NOW);
		nothing_is_passed_on(&b);
		arm_reply_text(&a, &POWER, &text);
		assert_non_null(strstr(text.error, "(asking)"));
		assert_string_equal(text.hint, "it is being asked what it is");
		b.robot.void_asks = ~b.robot.void_asks;
		tick(&b);
		assert_int_equal(request(&b, every[k], true), ARM_REPLY_OK);
		assert_true(arm_take_enable(&b.arm) || arm_take_disable(&b.arm) || arm_take_recover(&b.arm));
	}
}

static void an_arm_that_is_not_reached_is_not_switched_off(void **state)
{
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	be(&b, ARM_DISCONNECTED);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_NOT_NOW);
	nothing_is_passed_on(&b);
	be(&b, ARM_READY);
	assert_int_equal(report(&b).mode, ARM_READY);
	make_bench(&b, robot_driver_find("sim")); /* there it is our own word, which counts whatever the arm says */
	be(&b, ARM_DISCONNECTED);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
}

/* Somebody else, or nobody, has seen to the motors. */
static void an_arm_that_is_off_by_our_word_alone_says_so(void **state)
{
	struct arm_report r;
	struct arm_words w;
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
	ticks(&b, 400);
	assert_false(report(&b).held_off);             /* motors take their time */
	ticks(&b, 200);
	r = report(&b);
	arm_words_text(&r, &POWER, &w);
	assert_int_equal(r.mode, ARM_IDLE);
	assert_int_equal(w.n_errors, 1);
	assert_string_equal(w.error[0], "disabled");
	assert_non_null(strstr(w.remedy, "dreamvlactl disable"));
	be(&b, ARM_IDLE);
	assert_false(report(&b).held_off);
	be(&b, ARM_READY);
	ticks(&b, 600);
	assert_true(report(&b).held_off);
	assert_int_equal(request(&b, ARM_ASK_ENABLE, false), ARM_REPLY_OK);
	tick(&b);
	assert_false(report(&b).held_off);
	make_bench(&b, robot_driver_find("sim"));      /* whose motors nobody switches */
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
	ticks(&b, 600);
	assert_false(report(&b).held_off);
}

static void an_arm_without_brakes_falls_after_a_yes_only(void **state)
{
	static const enum arm_mode ended[] = { ARM_REFLEX, ARM_ESTOP, ARM_GUIDING };
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, false), ARM_REPLY_CONFIRM);
	for (size_t k = 0; k < sizeof ended / sizeof *ended; k++) {
		be(&b, ended[k]);
		assert_int_equal(request(&b, ARM_ASK_RECOVER, false), ARM_REPLY_CONFIRM);
		nothing_is_passed_on(&b);
		assert_int_equal(request(&b, ARM_ASK_RECOVER, true), ARM_REPLY_OK);
		assert_true(arm_take_recover(&b.arm));
	}
	be(&b, ARM_IDLE);
	assert_int_equal(request(&b, ARM_ASK_RECOVER, true), ARM_REPLY_NO_ERROR);
	be(&b, ARM_READY);
	assert_int_equal(request(&b, ARM_ASK_RECOVER, true), ARM_REPLY_NO_ERROR); /* it would fall from where it works */
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
	assert_true(arm_take_disable(&b.arm));
	tick(&b);
	assert_int_equal(report(&b).mode, ARM_IDLE);
	assert_false(b.command.hold); /* nothing is commanded while it falls, whatever the arm still says */
}

static void the_later_of_on_and_off_counts(void **state)
{
	struct bench b;

	(void)state;
	make_bench(&b, &POWER);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
	assert_int_equal(request(&b, ARM_ASK_ENABLE, false), ARM_REPLY_OK);
	assert_true(arm_take_enable(&b.arm));
	nothing_is_passed_on(&b);
	assert_int_equal(request(&b, ARM_ASK_ENABLE, false), ARM_REPLY_OK);
	assert_int_equal(request(&b, ARM_ASK_DISABLE, true), ARM_REPLY_OK);
	assert_true(arm_take_disable(&b.arm));
	nothing_is_passed_on(&b);
}

static void an_emergency_stop_is_never_refused_and_latches(void **state)
{
	static const enum arm_mode every[] = { ARM_DISCONNECTED, ARM_IDLE, ARM_READY, ARM_GUIDING, ARM_REFLEX, ARM_ESTOP };
	struct bench b;

	(void)state;
	for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
		make_bench(&b, &POWER);
		be(&b, every[k]);
		(void)request(&b, ARM_ASK_RECOVER, true);
		(void)request(&b, ARM_ASK_ENABLE, false);
		assert_int_equal(request(&b, ARM_ASK_EMERGENCY_STOP, false), ARM_REPLY_OK);
		assert_true(arm_take_emergency_stop(&b.arm));
		nothing_is_passed_on(&b);
		assert_true(report(&b).stopped);
	}
	be(&b, ARM_READY);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_STOPPED);
	make_attached(&b); /* sim has none: it stops as well as it can */
	send(&b, target_at(&b, 20, 0, 0));
	assert_int_equal(request(&b, ARM_ASK_EMERGENCY_STOP, false), ARM_REPLY_NO_EMERGENCY_STOP);
	assert_false(arm_take_emergency_stop(&b.arm));
	assert_true(report(&b).stopped);
	comes_to_rest(&b);
}

static struct arm_links links;
static struct arm_loop loop;

static void make_loop(struct bench *b)
{
	make_bench(b, &POWER);
	memset(&links, 0, sizeof links);
	queue_init(&links.target_queue, ARM_TARGET_RING);
	queue_init(&links.request_queue, ARM_REQUEST_RING);
	queue_init(&links.answer_queue, ARM_REQUEST_RING);
	latest_init(&links.report_box);
	links.answer_fd = -1;
	loop = (struct arm_loop){ .arm = b->arm, .driver = &POWER, .links = &links };
	arm_says = b->robot;
	memset(asked, 0, sizeof asked);
}

static int hand_over(uint32_t ticket, enum arm_ask what)
{
	int at;

	assert_true(arm_links_ask(&links, &(struct arm_request){ .ticket = ticket, .ask = what, .confirm = true }, &at));
	return at;
}

/* Whoever asked was told that nobody answers, and has let go of the arm since. */
static void nothing_is_done_that_was_withdrawn(void **state)
{
	struct bench b;

	(void)state;
	make_loop(&b);
	int off = hand_over(1, ARM_ASK_DISABLE), on = hand_over(2, ARM_ASK_ENABLE);
	assert_true(arm_links_close(&links, off, 1));
	arm_loop_tick(&loop, b.now_ns + MS);
	assert_string_equal(asked, "e");
	assert_int_equal(links.answer[queue_front(&links.answer_queue)].ticket, 2);
	queue_release(&links.answer_queue);
	assert_int_equal(queue_front(&links.answer_queue), -1);
	assert_false(arm_links_close(&links, on, 2));  /* too late: it is done */
	for (uint32_t i = 0; i + 1 < ARM_REQUEST_RING; i++)
		(void)hand_over(10 + i, ARM_ASK_STOP);
	int again = hand_over(3, ARM_ASK_DISABLE);
	assert_int_equal(again, on);
	assert_false(arm_links_close(&links, again, 2)); /* another one's place by now */
	for (uint32_t i = 0; i < ARM_REQUEST_RING; i++)
		arm_loop_tick(&loop, b.now_ns + 2 * MS);
	assert_string_equal(asked, "ed");
}

static void the_driver_is_asked_in_order_and_for_the_stop_last(void **state)
{
	struct bench b;

	(void)state;
	make_loop(&b);
	atomic_store(&links.emergency_asked, true); /* before the request, and obeyed after it */
	(void)hand_over(1, ARM_ASK_ENABLE);
	arm_loop_tick(&loop, b.now_ns + MS);
	assert_string_equal(asked, "s");
	arm_loop_tick(&loop, b.now_ns + 2 * MS);
	assert_string_equal(asked, "s");
	arm_says.mode = ARM_ESTOP;
	arm_loop_tick(&loop, b.now_ns + 3 * MS);
	(void)hand_over(2, ARM_ASK_DISABLE);
	(void)hand_over(3, ARM_ASK_RECOVER);
	arm_loop_tick(&loop, b.now_ns + 4 * MS);
	assert_string_equal(asked, "sdr");
	arm_says.mode = ARM_IDLE;
	arm_loop_tick(&loop, b.now_ns + 5 * MS);
	(void)hand_over(4, ARM_ASK_ENABLE);
	arm_loop_tick(&loop, b.now_ns + 6 * MS);
	assert_string_equal(asked, "sdre");
}

static void replies_say_what_to_do(void **state)
{
	struct arm_reply_text text;

	(void)state;
	arm_reply_text(&(struct arm_answer){ .reply = ARM_REPLY_NOT_NOW, .mode = ARM_ESTOP }, &POWER, &text);
	assert_string_equal(text.error, "the arm does not do that now: it is estop");
	assert_non_null(strstr(text.hint, "dreamvlactl recover"));
	arm_reply_text(&(struct arm_answer){ .reply = ARM_REPLY_NO_EMERGENCY_STOP }, &POWER, &text);
	assert_non_null(strstr(text.error, "button"));
	assert_non_null(strstr(text.hint, "told to stop"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_goes_on_and_off_by_request_only),
		cmocka_unit_test(enable_wants_an_arm_that_nothing_stopped),
		cmocka_unit_test(what_the_driver_would_not_do_is_refused),
		cmocka_unit_test(an_arm_that_is_not_reached_is_not_switched_off),
		cmocka_unit_test(an_arm_that_is_off_by_our_word_alone_says_so),
		cmocka_unit_test(nothing_is_done_that_was_withdrawn),
		cmocka_unit_test(an_arm_without_brakes_falls_after_a_yes_only),
		cmocka_unit_test(the_later_of_on_and_off_counts),
		cmocka_unit_test(an_emergency_stop_is_never_refused_and_latches),
		cmocka_unit_test(the_driver_is_asked_in_order_and_for_the_stop_last),
		cmocka_unit_test(replies_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
