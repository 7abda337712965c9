/* driver.c - `dreamvla-arm --driver piper`: an AgileX PiPER on a CAN bus, without its maker's SDK.
 *
 *   arm-control  every 5 ms: takes the arm's newest state, hands the newest command over; blocks nowhere
 *   piper-link   the bus: link.h, and what is said on it: session.h
 *
 * An arm without brakes: nothing but an operator's request switches its motors or ends an emergency stop, and when this program ends,
 * however it does, the arm holds the last target that it was sent. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"
#include "robots/driver.h"
#include "robots/piper/link.h"

struct piper_driver {
	struct piper_link *link;
};

static void piper_destroy(void *driver)
{
	struct piper_driver *d = driver;

	if (!d)
		return;
	piper_link_destroy(d->link);
	free(d);
}

static int piper_create(void **out, const struct robot_driver_options *o, struct errbuf *e)
{
	struct piper_driver *d = calloc(1, sizeof *d);
	struct piper_setup setup;

	if (!d)
		return fail(e, -ENOMEM, "driver piper: out of memory");
	int rc = piper_setup_make(&setup, o, e);
	if (rc == 0)
		rc = piper_link_create(&d->link, &(struct piper_link_options){ .setup = &setup, .wish = o->wish, .priority = o->priority }, e);
	if (rc < 0) {
		piper_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

static void piper_read(void *driver, int64_t now_ns, struct robot_state *out)
{
	struct piper_driver *d = driver;

	piper_link_read(d->link, now_ns, out);
}

static void piper_write(void *driver, const struct robot_command *c)
{
	struct piper_driver *d = driver;

	piper_link_write(d->link, c);
}

/* A request that finds no room is one of seventeen within a period: nobody's. */
static void ask(void *driver, enum piper_ask what)
{
	struct piper_driver *d = driver;

	(void)piper_link_ask(d->link, what);
}

static void piper_enable(void *driver)
{
	ask(driver, PIPER_ASK_ENABLE);
}

static void piper_disable(void *driver)
{
	ask(driver, PIPER_ASK_DISABLE);
}

static void piper_recover(void *driver)
{
	ask(driver, PIPER_ASK_RESUME);
}

static void piper_emergency_stop(void *driver)
{
	struct piper_driver *d = driver;

	piper_link_emergency_stop(d->link);
}

static uint32_t piper_numbers(void *driver, struct robot_number *out)
{
	struct piper_driver *d = driver;

	return piper_link_numbers(d->link, out);
}

extern const struct robot_driver robot_driver_piper;

const struct robot_driver robot_driver_piper = {
	.name = "piper",
	.needs = "robots[].address, a CAN interface or socketcand://HOST:PORT[/CHANNEL]; model piper or piper_1.6-2",
	.period_ns = 5 * NS_PER_MS,
	.has_brakes = false,
	.recovers = 1u << ARM_ESTOP | 1u << ARM_GUIDING | 1u << ARM_IDLE,
	.homes_gripper = false,
	.create = piper_create,
	.destroy = piper_destroy,
	.read = piper_read,
	.write = piper_write,
	.recover = piper_recover,
	.enable = piper_enable,
	.disable = piper_disable,
	.emergency_stop = piper_emergency_stop,
	.error_name = piper_error_name,
	.trouble = piper_trouble,
	.numbers = piper_numbers,
};
