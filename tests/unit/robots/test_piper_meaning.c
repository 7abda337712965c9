/* test_piper_meaning.c - what PiPER's numbers may be: firmware versions, values that nobody has listed, what a host may send on every id
 * there is, and units. */
#include "robots/piper/wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct piper_dialect delivered = { PIPER_FEEDBACK_BASE, PIPER_CONTROL_BASE, false };

/* ---- firmware --------------------------------------------------------------------------------------------------------- */

/* As an arm answers: 11 frames, 88 bytes of text and noughts. */
static void the_version_is_found_in_eleven_frames(void **state)
{
	uint8_t text[PIPER_FIRMWARE_BYTES] = { 0 }, read[PIPER_FIRMWARE_BYTES];
	struct piper_version v = { 0 };
	size_t n = 0;

	(void)state;
	memcpy(text, "H-V1.2-1", 8);
	memcpy(text + 16, "10", 2);
	memcpy(text + 32, "ARM_MC", 6);
	memcpy(text + 60, "S-V1.8-2250925", 14); /* the date follows at once */
	memcpy(text + 76, "15", 2);
	for (int i = 0; i < PIPER_FIRMWARE_FRAMES; i++) {
		struct piper_message m = { PIPER_FIRMWARE, 0 };
		struct bus_frame f;

		memcpy(m.firmware.text, text + 8 * i, 8);
		assert_true(piper_put(&delivered, &m, &f));
		assert_int_equal(f.id, 0x4AF);
		assert_true(piper_get(&delivered, &f, &m));
		assert_int_equal(m.kind, PIPER_FIRMWARE);
		memcpy(read + n, m.firmware.text, 8);
		n += 8;
		assert_int_equal(piper_version_find(read, n, &v), n >= 68);
	}
	assert_true(v.major == 1 && v.minor == 8 && v.patch == 2);
}

static void what_is_no_version_is_not_found(void **state)
{
	const char *const none[] = { "", "S-V", "S-V1.8-", "S-V1.8", "s-v1.8-2", "S-V1,8-2", "S-Va.b-c", "S-V1.8_2", "H-V1.2-1", "S-V10.8-" };
	struct piper_version v = { 7, 7, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(piper_version_find((const uint8_t *)none[i], strlen(none[i]), &v));
	assert_int_equal(v.major, 7);
	assert_true(piper_version_find((const uint8_t *)"S-V1.S-V1.6-3", 13, &v)); /* frames that were lost in between */
	assert_true(v.major == 1 && v.minor == 6 && v.patch == 3);
}

static void versions_compare_as_numbers(void **state)
{
	const struct piper_version v = { 1, 6, 3 };

	(void)state;
	assert_true(piper_version_at_least(&v, 1, 6, 3));
	assert_true(piper_version_at_least(&v, 1, 5, 9));
	assert_true(piper_version_at_least(&v, 0, 9, 9));
	assert_false(piper_version_at_least(&v, 1, 6, 4));
	assert_false(piper_version_at_least(&v, 1, 7, 0));
	assert_false(piper_version_at_least(&v, 2, 0, 0));
	assert_false(piper_dialect_of(&(struct piper_version){ 1, 8, 7 }).wide_torque);
	assert_true(piper_dialect_of(&(struct piper_version){ 1, 8, 8 }).wide_torque);
	assert_int_equal(piper_dialect_of(&v).feedback_base, 0x2A0);
	assert_int_equal(piper_dialect_of(&v).control_base, 0x150);
}

/* ---- values nobody has listed ----------------------------------------------------------------------------------------- */

#define LISTED(kind, field, name, ...) \
	do { \
		struct piper_message m_ = good(kind); \
		const uint8_t listed_[] = { __VA_ARGS__ }; \
		expect_listed_at(&m_, (size_t)((uint8_t *)&m_.field - (uint8_t *)&m_), name, listed_, sizeof listed_); \
	} while (0)

/* One field of a message, every value; `listed` are those in which nothing is odd. */
static void expect_listed_at(const struct piper_message *m, size_t offset, const char *name, const uint8_t *listed, size_t n)
{
	struct piper_message copy = *m;
	uint8_t *field = (uint8_t *)&copy + offset;

	for (int value = 0; value < 256; value++) {
		const char *oddity;

		*field = (uint8_t)value;
		oddity = piper_message_oddity(&copy);
		if (memchr(listed, value, n) ? oddity != NULL : !oddity || strcmp(oddity, name) != 0)
			fail_msg("%s %d: %s", name, value, oddity ? oddity : "nothing odd");
	}
}

/* A message of a kind in which nothing is odd. */
static struct piper_message good(enum piper_kind kind)
{
	struct piper_message m = { kind, 0 };

	switch (kind) {
	case PIPER_ENABLE:
		m.enable = (struct piper_enable){ 1, PIPER_ENABLE_MOTOR };
		break;
	case PIPER_LIMIT_QUERY:
		m.limit_query = (struct piper_limit_query){ 1, 1 };
		break;
	case PIPER_LIMITS: case PIPER_LIMITS_SET:
		m.limits.joint = 1;
		break;
	case PIPER_ACCELERATION:
		m.acceleration.joint = 1;
		break;
	case PIPER_JOINT_SET:
		m.joint_set.joint = 1;
		break;
	case PIPER_LED:
		m.led.joint = 1;
		break;
	case PIPER_CPV:
		m.cpv.action = PIPER_CPV_READ;
		break;
	default:
		break;
	}
	assert_null(piper_message_oddity(&m));
	return m;
}

static void what_nobody_has_listed_is_odd(void **state)
{
	(void)state;
	LISTED(PIPER_STATUS, status.control, "control mode", 0, 1, 2, 3, 4, 5, 6, 7);
	LISTED(PIPER_STATUS, status.state, "arm state", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	LISTED(PIPER_STATUS, status.move, "move mode", 0, 1, 2, 3, 4, 5, 6);
	LISTED(PIPER_STATUS, status.motion, "motion", 0, 1);
	LISTED(PIPER_MODE, mode.control, "control mode", 0, 1, 2, 3, 4, 7);
	LISTED(PIPER_MODE, mode.move, "move mode", 0, 1, 2, 3, 4, 5, 6, 0xFF);
	LISTED(PIPER_MODE, mode.follow, "follow mode", 0, 0xAD, 0xFF);
	LISTED(PIPER_MODE, mode.mount, "mount", 0, 1, 2, 3, 4);
	LISTED(PIPER_STOP, stop.emergency, "emergency stop", 0, 1, 2);
	LISTED(PIPER_STOP, stop.track, "track", 0, 1, 2, 3, 4, 5, 6, 7, 8);
	LISTED(PIPER_ARC_POINT, arc.point, "arc point", 0, 1, 2, 3);
	LISTED(PIPER_GRIPPER_TARGET, gripper_target.bits, "gripper bits", 0, 1, 2, 3, 4, 5, 6, 7);
	LISTED(PIPER_GRIPPER_TARGET, gripper_target.zero, "gripper zero", 0, 0xAE);
	LISTED(PIPER_CPV, cpv.action, "action", 'a', 'r', 'w');
	LISTED(PIPER_LEADER_HOME, leader_home.byte[2], "leader home", 0, 1);
	LISTED(PIPER_LINKAGE, linkage.role, "role", 0, 0xFA, 0xFC);
	LISTED(PIPER_LINKAGE, linkage.target_offset, "id offset", 0, 0x10, 0x20);
	LISTED(PIPER_ENABLE, enable.motor, "motor", 1, 2, 3, 4, 5, 6, 7, 0xFF);
	LISTED(PIPER_ENABLE, enable.action, "action", 1, 2);
	LISTED(PIPER_LIMIT_QUERY, limit_query.joint, "joint", 1, 2, 3, 4, 5, 6);
	LISTED(PIPER_LIMIT_QUERY, limit_query.what, "query", 1, 2);
	LISTED(PIPER_LIMITS, limits.joint, "joint", 1, 2, 3, 4, 5, 6);
	LISTED(PIPER_LIMITS_SET, limits.joint, "joint", 1, 2, 3, 4, 5, 6);
	LISTED(PIPER_ACCELERATION, acceleration.joint, "joint", 1, 2, 3, 4, 5, 6);
	LISTED(PIPER_JOINT_SET, joint_set.joint, "joint", 1, 2, 3, 4, 5, 6, 7);
	LISTED(PIPER_JOINT_SET, joint_set.zero, "joint zero", 0, 0xAE);
	LISTED(PIPER_ACK, ack.package, "package", 0, 0xAE, 0xEE);
	LISTED(PIPER_PARAMETER, parameter.query, "query", 0, 1, 2, 3, 4, 5);
	LISTED(PIPER_PARAMETER, parameter.restore, "restore", 0, 1, 2);
	LISTED(PIPER_COLLISION, levels.level[5], "collision level", 0, 1, 2, 3, 4, 5, 6, 7, 8);
	LISTED(PIPER_COLLISION_SET, levels.level[0], "collision level", 0, 1, 2, 3, 4, 5, 6, 7, 8);
	LISTED(PIPER_ASSISTANCE_SET, levels.level[5], "assistance level", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
	LISTED(PIPER_GRIPPER_SETUP, gripper_setup.range_mm, "gripper range", 0, 70, 100);
	LISTED(PIPER_LED, led.joint, "joint", 1, 2, 3, 4, 5, 6);
}

/* ---- what a host may send --------------------------------------------------------------------------------------------- */

static enum piper_danger danger(uint32_t id, uint8_t b0, uint8_t b1, uint8_t b2, uint8_t b3, uint8_t b7)
{
	return piper_frame_danger(&(struct bus_frame){ .id = id, .length = 8, .data = { b0, b1, b2, b3, 0, 0, 0, b7 } });
}

/* Noughts, but for an id that wants a word. */
static enum piper_danger plain_danger(uint32_t id)
{
	return danger(id, id == 0x4AF ? 1 : id >= 0x181 && id <= 0x187 ? 'r' : 0, 0, 0, 0, 0);
}

static bool within(uint32_t id, uint32_t first, uint32_t last)
{
	return id >= first && id <= last;
}

static void every_id_has_its_danger(void **state)
{
	static const uint32_t maintenance[] = { 0x191, 0x470, 0x474, 0x475, 0x479, 0x47A, 0x47D, 0x487 };

	(void)state;
	for (uint32_t id = 0; id <= BUS_ID_MAX; id++) {
		enum piper_danger want = PIPER_NEVER;

		if (within(id, 0x150, 0x17F) || within(id, 0x181, 0x187) || id == 0x121 || id == 0x471 || id == 0x472 || id == 0x477 ||
				id == 0x4AF)
			want = PIPER_ORDINARY;
		for (size_t i = 0; i < sizeof maintenance / sizeof *maintenance; i++)
			want = id == maintenance[i] ? PIPER_MAINTENANCE : want;
		if (plain_danger(id) != want)
			fail_msg("0x%03X: %d, want %d", id, plain_danger(id), want);
		for (int flags = 1; flags <= 2; flags++)
			assert_int_equal(piper_frame_danger(&(struct bus_frame){ .id = id, .flags = (uint8_t)flags, .length = 8 }), PIPER_NEVER);
		assert_int_equal(piper_frame_danger(&(struct bus_frame){ .id = id, .length = 9 }), PIPER_NEVER);
	}
	for (int bit = 11; bit < 32; bit++)
		assert_int_equal(plain_danger(0x155u | 1u << bit), PIPER_NEVER);
}

/* The documents name them: none of their bytes makes them harmless. */
static void what_updates_firmware_is_never_sent(void **state)
{
	(void)state;
	for (uint32_t id = 0; id <= BUS_ID_MAX; id++) {
		bool update = within(id, 0x0A0, 0x0BF) || within(id, 0x4A0, 0x4AE) || within(id, 0x4B0, 0x4CF) || id == 0x422;
		bool arms_own = within(id, 0x2A0, 0x2CF) || within(id, 0x250, 0x26F) || within(id, 0x3A0, 0x3AF);

		for (int b = 0; b < 256 && (update || arms_own); b++)
			assert_int_equal(danger(id, (uint8_t)b, (uint8_t)b, 0, (uint8_t)b, (uint8_t)b), PIPER_NEVER);
	}
}

static void bytes_decide_where_ids_do_not(void **state)
{
	const struct bus_frame to_zero = { .id = 0x183, .length = 7, .data = { 'w', 'e', 'e', 'e' } };
	const struct bus_frame to_move = { .id = 0x183, .length = 7, .data = { 'w', 'p', 'o', 0, 1, 2, 3 } };
	const struct bus_frame gain = { .id = 0x183, .length = 7, .data = { 'w', 'k', 'p' } };
	const struct bus_frame answer = { .id = 0x183, .length = 7, .data = { 'a', 'p', 'o' } };

	(void)state;
	for (int b = 0; b < 256; b++) {
		enum piper_danger want = b == 0 ? PIPER_ORDINARY : b == 0xAE ? PIPER_MAINTENANCE : PIPER_NEVER;

		assert_int_equal(danger(0x159, 1, 0, 0, 0, (uint8_t)b), want); /* the gripper's zero */
		assert_int_equal(danger(0x169, 1, 0, 0, 0, (uint8_t)b), want);
		assert_int_equal(danger(0x477, 1, (uint8_t)b, 0, 0, 0), b == 0 ? PIPER_ORDINARY : PIPER_MAINTENANCE); /* defaults */
		assert_int_equal(danger(0x477, 1, 0, 0, (uint8_t)b, 0), b == 0xAE ? PIPER_MAINTENANCE : PIPER_ORDINARY); /* load */
		assert_int_equal(danger(0x4AF, (uint8_t)b, 0, 0, 0, 0), b == 1 ? PIPER_ORDINARY : PIPER_NEVER);
		assert_int_equal(danger(0x155, (uint8_t)b, 0, 0, 0, (uint8_t)b), PIPER_ORDINARY);
	}
	assert_int_equal(piper_frame_danger(&to_zero), PIPER_MAINTENANCE);
	assert_int_equal(piper_frame_danger(&gain), PIPER_MAINTENANCE);
	assert_int_equal(piper_frame_danger(&to_move), PIPER_ORDINARY);
	assert_int_equal(piper_frame_danger(&answer), PIPER_NEVER);
}

/* ---- units ------------------------------------------------------------------------------------------------------------ */

static void units_there_and_back(void **state)
{
	const double none[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, 1e300, 37480.67, -37480.67 };
	int32_t raw = 5;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		assert_false(piper_mdeg_from_rad(none[i], &raw));
		assert_false(piper_um_from_m(none[i], &raw));
		assert_int_equal(raw, 5);
	}
	for (int32_t mdeg = -180000; mdeg <= 180000; mdeg += 7) {
		assert_true(piper_mdeg_from_rad(piper_rad_from_mdeg(mdeg), &raw));
		assert_int_equal(raw, mdeg);
		assert_true(piper_um_from_m(piper_m_from_um(mdeg), &raw));
		assert_int_equal(raw, mdeg);
		assert_true(piper_mdeg_from_rad(mdeg * 1e-5, &raw));
		assert_true(fabs(raw - mdeg * 1e-5 * 57295.7795) < 0.5001); /* the factor of the SDK's demos, which it rounds with */
	}
	assert_true(piper_mdeg_from_rad(0.2, &raw) && raw == 11459);
	assert_true(piper_mdeg_from_rad(-0.3, &raw) && raw == -17189);
	assert_true(piper_mdeg_from_rad(0.5, &raw) && raw == 28648);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_version_is_not_found),
		cmocka_unit_test(the_version_is_found_in_eleven_frames),
		cmocka_unit_test(versions_compare_as_numbers),
		cmocka_unit_test(what_nobody_has_listed_is_odd),
		cmocka_unit_test(every_id_has_its_danger),
		cmocka_unit_test(what_updates_firmware_is_never_sent),
		cmocka_unit_test(bytes_decide_where_ids_do_not),
		cmocka_unit_test(units_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
