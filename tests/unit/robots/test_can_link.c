/* test_can_link.c - the kernel's word on a CAN interface: the bit rate in its answers, whole, cut off and forged, and interfaces that are
 * none. */
#include "robots/bus/bus_kind.h"

#include <errno.h>
#include <linux/can/netlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct message {
	uint8_t bytes[512];
	size_t n;
};

/* Begins an attribute; returns where, for end(). */
static size_t begin(struct message *m, uint16_t type)
{
	struct nlattr a = { .nla_type = type };

	memcpy(m->bytes + m->n, &a, sizeof a);
	m->n += sizeof a;
	return m->n - sizeof a;
}

static void put(struct message *m, const void *value, size_t n)
{
	memcpy(m->bytes + m->n, value, n);
	m->n += n;
}

static void end(struct message *m, size_t at)
{
	uint16_t length = (uint16_t)(m->n - at);

	memcpy(m->bytes + at, &length, sizeof length);
	while (m->n % NLA_ALIGNTO)
		m->bytes[m->n++] = 0;
}

/* As a kernel answers for can0 with a gs_usb adapter: name, and the link's kind and data. */
static struct message answer(uint16_t type, uint32_t bitrate)
{
	const struct can_bittiming timing = { .bitrate = bitrate, .sample_point = 750 };
	const struct can_clock clock = { 48000000 };
	struct nlmsghdr h = { .nlmsg_type = type };
	struct ifinfomsg i = { .ifi_index = 3 };
	struct message m = { .n = 0 };
	size_t info, data, at;

	put(&m, &h, sizeof h);
	put(&m, &i, sizeof i);
	at = begin(&m, IFLA_IFNAME);
	put(&m, "can0", 5);
	end(&m, at);
	info = begin(&m, IFLA_LINKINFO | NLA_F_NESTED);
	at = begin(&m, IFLA_INFO_KIND);
	put(&m, "can", 4);
	end(&m, at);
	data = begin(&m, IFLA_INFO_DATA);
	at = begin(&m, IFLA_CAN_CLOCK);
	put(&m, &clock, sizeof clock);
	end(&m, at);
	at = begin(&m, IFLA_CAN_BITTIMING);
	put(&m, &timing, sizeof timing);
	end(&m, at);
	end(&m, data);
	end(&m, info);
	return m;
}

/* Bytes behind the end cannot be read: they are not there. */
static bool find(const struct message *m, size_t n, uint32_t *out)
{
	uint8_t *exact = malloc(n ? n : 1);
	bool found;

	assert_non_null(exact);
	memcpy(exact, m->bytes, n);
	found = can_link_find_bitrate(exact, n, out);
	free(exact);
	return found;
}

static void what_is_cut_off_has_no_bit_rate(void **state)
{
	struct message m = answer(RTM_NEWLINK, 500000);
	uint32_t bitrate = 7;

	(void)state;
	for (size_t n = 0; n < m.n; n++)
		assert_false(find(&m, n, &bitrate));
	assert_int_equal(bitrate, 7);
}

static void forged_lengths_end_nowhere(void **state)
{
	struct message good = answer(RTM_NEWLINK, 500000);
	uint32_t bitrate;

	(void)state;
	for (size_t at = 0; at < good.n; at++)
		for (int value = 0; value < 256; value++) {
			struct message m = good;

			m.bytes[at] = (uint8_t)value;
			(void)find(&m, m.n, &bitrate); /* the sanitizers watch */
		}
}

static void other_answers_have_none(void **state)
{
	struct message m = answer(NLMSG_ERROR, 500000), none = answer(RTM_NEWLINK, 0);
	uint32_t bitrate;

	(void)state;
	assert_false(find(&m, m.n, &bitrate));
	assert_false(find(&none, none.n, &bitrate)); /* not set yet */
}

static void a_bit_rate_is_found(void **state)
{
	struct message m = answer(RTM_NEWLINK, 1000000);
	uint32_t bitrate = 0;

	(void)state;
	assert_true(find(&m, m.n, &bitrate));
	assert_int_equal(bitrate, 1000000);
}

static void interfaces_that_are_none_are_told(void **state)
{
	struct errbuf e;

	(void)state;
	assert_int_equal(can_link_check("nocan7", 1000000, &e), -ENODEV);
	assert_non_null(strstr(e.text, "CAN bus nocan7: there is no such interface; CAN interfaces here: "));
	assert_int_equal(can_link_check("lo", 1000000, &e), -ENODEV);
	assert_non_null(strstr(e.text, "no CAN interface"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cut_off_has_no_bit_rate),
		cmocka_unit_test(forged_lengths_end_nowhere),
		cmocka_unit_test(other_answers_have_none),
		cmocka_unit_test(interfaces_that_are_none_are_told),
		cmocka_unit_test(a_bit_rate_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
