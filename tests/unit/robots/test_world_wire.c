/* test_world_wire.c - packets of the world's socket: there and back, and everything malformed refused. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/sim/world_wire.h"

#include <cmocka.h> /* last: it defines fail() */

static const struct world_wire_command COMMAND = { .from = 1, .seq = UINT64_MAX, .dof = 7,
	.q_rad = { 0.1, -0.2, 0.3, -2, 0.5, 1.5, 0.7 }, .has_gripper = true, .gripper_m = 0.04 };

static void test_there_and_back(void **state)
{
	const struct world_wire_state s = { .from = 9, .seq = 8, .command_seq = 7, .stamp_ns = -6, .dof = 7, .gripper_m = 0.01,
		.gripper_max_m = 0.08, .q_rad = { 1, 2, 3, 4, 5, 6, 7 }, .dq_rad_s = { 7, 6, 5, 4, 3, 2, 1 } };
	uint8_t bytes[WORLD_STATE_BYTES];
	struct world_wire_command c;
	struct world_wire_state t;

	(void)state;
	world_wire_put_command(&COMMAND, bytes);
	assert_int_equal(world_wire_get_command(&c, bytes, WORLD_COMMAND_BYTES, NULL), 0);
	assert_true(c.from == 1 && c.seq == UINT64_MAX && c.dof == 7 && c.has_gripper && c.gripper_m == 0.04);
	assert_memory_equal(c.q_rad, COMMAND.q_rad, sizeof c.q_rad);
	world_wire_put_state(&s, bytes);
	assert_int_equal(world_wire_get_state(&t, bytes, WORLD_STATE_BYTES, NULL), 0);
	assert_true(t.from == 9 && t.seq == 8 && t.command_seq == 7 && t.stamp_ns == -6 && t.dof == 7);
	assert_true(t.gripper_m == 0.01 && t.gripper_max_m == 0.08);
	assert_memory_equal(t.q_rad, s.q_rad, sizeof t.q_rad);
	assert_memory_equal(t.dq_rad_s, s.dq_rad_s, sizeof t.dq_rad_s);
}

static void refuse(const uint8_t *bytes, size_t n, const char *why)
{
	struct world_wire_command c = { .seq = 5 };
	struct errbuf e = { "" };

	assert_int_equal(world_wire_get_command(&c, bytes, n, &e), -EBADMSG);
	assert_non_null(strstr(e.text, why));
	assert_int_equal(c.seq, 5); /* untouched */
}

static void test_malformed(void **state)
{
	uint8_t bytes[WORLD_STATE_BYTES];
	struct world_wire_command c = COMMAND;

	(void)state;
	world_wire_put_command(&COMMAND, bytes);
	for (size_t n = 0; n < WORLD_COMMAND_BYTES; n++)
		refuse(bytes, n, "bytes");
	refuse(bytes, WORLD_STATE_BYTES, "bytes");
	bytes[0] ^= 1;
	refuse(bytes, WORLD_COMMAND_BYTES, "version");
	c.q_rad[6] = NAN;
	world_wire_put_command(&c, bytes);
	refuse(bytes, WORLD_COMMAND_BYTES, "finite");
	c = COMMAND;
	c.gripper_m = INFINITY;
	world_wire_put_command(&c, bytes);
	refuse(bytes, WORLD_COMMAND_BYTES, "finite");
	c = COMMAND;
	c.dof = DOF_MAX + 1;
	world_wire_put_command(&c, bytes);
	refuse(bytes, WORLD_COMMAND_BYTES, "dof");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
