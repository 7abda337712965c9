/* check_interrupts.c - device interrupts where control runs. Sources: Linux Documentation/core-api/irq/irq-affinity.rst,
 * kernel-parameters.txt (irqaffinity), irqbalance(1) (IRQBALANCE_BANNED_CPULIST; isolated and nohz_full processors are left alone). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/doctor/doctor.h"
#include "daemon/doctor/load.h"

/* An interrupt takes some microseconds: ten a second never meet in a p99.9, a thousand take a percent of the processor. */
static const double seen_hz = 10.0, heavy_hz = 1000.0;

static void tell(const struct doctor *d, const struct load_interrupts *i, struct doctor_finding *f)
{
	enum doctor_verdict v = i->rate_hz > heavy_hz ? DOCTOR_BAD : i->rate_hz > seen_hz ? DOCTOR_WARNING : DOCTOR_GOOD;
	int irq = atoi(i->worst), other = d->cpu > 0 ? 0 : 1;
	char remedy[320], affinity[128] = "?";

	if (v == DOCTOR_GOOD) {
		doctor_find(f, v, NULL, "%.0f a second on processor %d", i->rate_hz, d->cpu);
		return;
	}
	(void)root_read(&d->root, affinity, sizeof affinity, "/proc/irq/%d/smp_affinity_list", irq);
	snprintf(remedy, sizeof remedy, "as root: echo %d > /proc/irq/%d/smp_affinity_list; for good: irqaffinity=, with every processor but %d, on the "
			"kernel's command line", other, irq, d->cpu);
	doctor_find(f, v, remedy, "%.0f a second on processor %d, most of them (%.0f) by %s, which may go to processors %s", i->rate_hz, d->cpu,
			i->worst_hz, i->worst, affinity);
}

void doctor_check_interrupts(const struct doctor *d, struct doctor_finding *f)
{
	struct load_interrupts i;

	if (load_interrupts(d, d->cpu, &i))
		tell(d, &i, f);
	else
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "/proc/interrupts does not tell of processor %d", d->cpu);
}

void doctor_check_irqbalance(const struct doctor *d, struct doctor_finding *f)
{
	char isolated[256] = "", settings[4096] = "", remedy[160];
	const char *banned = NULL;

	if (!root_find_process(&d->root, "irqbalance")) {
		doctor_find(f, DOCTOR_ABSENT, NULL, "irqbalance does not run");
		return;
	}
	(void)root_read(&d->root, isolated, sizeof isolated, "/sys/devices/system/cpu/isolated");
	if (root_read(&d->root, settings, sizeof settings, "/etc/default/irqbalance") > 0)
		banned = line_of(settings, "IRQBALANCE_BANNED_CPU");
	snprintf(remedy, sizeof remedy, "IRQBALANCE_BANNED_CPULIST=%d in /etc/default/irqbalance, then: systemctl restart irqbalance", d->cpu);
	if (list_has_cpu(isolated, d->cpu) > 0)
		doctor_find(f, DOCTOR_GOOD, NULL, "irqbalance runs, and leaves processor %d alone, which is isolated", d->cpu);
	else if (banned)
		doctor_find(f, DOCTOR_GOOD, NULL, "irqbalance runs with %.*s", (int)strcspn(banned, "\n"), banned);
	else
		doctor_find(f, DOCTOR_WARNING, remedy, "irqbalance runs and may move any interrupt to processor %d", d->cpu);
}
