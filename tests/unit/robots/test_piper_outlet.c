/* test_piper_outlet.c - what must not get onto a PiPER's bus does not, whoever asks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/piper/outlet.h"
#include "robots/piper/wire.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

struct ends {
	struct bus *ours, *others;
};

static struct ends make(void)
{
	struct errbuf e = { "" };
	struct ends x;

	assert_int_equal(bus_pair(&x.ours, &x.others, &e), 0);
	return x;
}

static void end(struct ends *x)
{
	bus_destroy(x->ours);
	bus_destroy(x->others);
}

/* Every standard id, and every first byte of each: what arrives is what may be sent. */
static void every_frame_passes_by_its_danger(void **state)
{
	struct ends x = make();
	struct bus_event got;

	(void)state;
	for (int maintenance = 0; maintenance < 2; maintenance++) {
		struct piper_outlet outlet = { .arm = "test", .maintenance = maintenance };
		uint64_t passed = 0, all = 0;

		outlet.withheld = 1000; /* the log has had enough lines */
		for (uint32_t id = 0; id <= BUS_ID_MAX; id++)
			for (uint32_t first = 0; first < 256; first += 5, all++) {
				struct bus_frame f = { .id = id, .length = 8, .data = { (uint8_t)first } };
				enum piper_danger danger = piper_frame_danger(&f);
				bool may = danger == PIPER_ORDINARY || (maintenance && danger == PIPER_MAINTENANCE);

				assert_int_equal(piper_outlet_send(&outlet, x.ours, &f), may ? 0 : -EPERM);
				assert_int_equal(bus_receive(x.others, &got), may ? 1 : 0);
				passed += may;
			}
		assert_true(outlet.sent == passed && outlet.withheld == 1000 + all - passed);
	}
	end(&x);
}

/* By name, so that a change of the table of dangers is seen here too. */
static void the_dangerous_ones(void **state)
{
	static const uint32_t never[] = { 0x422, 0x4A0, 0x4AE, 0xA0, 0xBF, 0x4B0, 0x4CF, 0x2A1, 0x251, 0x7FF };
	static const uint32_t kept[] = { 0x470, 0x474, 0x475, 0x47A, 0x47D, 0x487, 0x191 };
	struct piper_outlet outlet = { .arm = "test" }, maintains = { .arm = "test", .maintenance = true };
	struct ends x = make();
	struct bus_event got;

	(void)state;
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_int_equal(piper_outlet_send(&maintains, x.ours, &(struct bus_frame){ .id = never[i], .length = 8 }), -EPERM);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		assert_int_equal(piper_outlet_send(&outlet, x.ours, &(struct bus_frame){ .id = kept[i], .length = 8, .data = { 1 } }), -EPERM);
	assert_int_equal(bus_receive(x.others, &got), 0);
	assert_int_equal(piper_outlet_send(&outlet, x.ours, &(struct bus_frame){ .id = 0x150, .length = 8, .data = { PIPER_STOP_NOW } }), 0);
	assert_int_equal(bus_receive(x.others, &got), 1);
	end(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_passes_by_its_danger),
		cmocka_unit_test(the_dangerous_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
