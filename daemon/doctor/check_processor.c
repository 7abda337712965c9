/* check_processor.c - what the control processor does beside control: frequency, sleep, other work.
 * Sources: Linux Documentation/admin-guide/pm/{cpufreq,intel_pstate,cpuidle}.rst, power/pm_qos_interface.rst, cputopology.rst,
 * kernel-parameters.txt (isolcpus, nohz_full), proc(5) (/proc/stat). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/doctor/doctor.h"
#include "daemon/doctor/load.h"

/* Waking slower than this shows in a p99.9; a tenth of the period is what control's own budget cannot give away. */
static const double wake_seen_us = 50.0, wake_share = 0.1;
/* A neighbour on the same core that is busy this share of the time takes a good part of it. */
static const double busy_share = 0.2;

static double period_us(const struct doctor *d)
{
	return 1e6 / (d->config ? d->config->control_rate_hz : 200);
}

static enum doctor_verdict governor_verdict(const char *governor)
{
	if (strcmp(governor, "performance") == 0)
		return DOCTOR_GOOD;
	return strcmp(governor, "powersave") == 0 || strcmp(governor, "conservative") == 0 ? DOCTOR_BAD : DOCTOR_WARNING;
}

void doctor_check_governor(const struct doctor *d, struct doctor_finding *f)
{
	char governor[32];
	int rc = root_read(&d->root, governor, sizeof governor, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", d->cpu);

	if (rc == -ENOENT)
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "processor %d shows no frequency governor (cpufreq): a virtual machine's host has it, or the firmware", d->cpu);
	else if (rc <= 0)
		doctor_cannot_read(f, "cpufreq/scaling_governor", rc < 0 ? rc : -EBADMSG);
	else
		doctor_find(f, governor_verdict(governor), governor_verdict(governor) == DOCTOR_GOOD ? NULL :
				"as root: cpupower frequency-set -g performance (package linux-cpupower), and again after each start",
				"the governor of processor %d is %s", d->cpu, governor);
}

/* The latency that somebody asks the kernel to keep, in us; -1: nobody, or not to be seen. A file of four bytes. */
static int64_t asked_latency_us(const struct doctor *d)
{
	char bytes[8];
	int32_t us;

	if (root_read(&d->root, bytes, sizeof bytes, "/dev/cpu_dma_latency") != sizeof us)
		return -1;
	memcpy(&us, bytes, sizeof us);
	return us;
}

/* The slowest idle state that may be entered. 0, or -errno; *us stays 0 without any. */
static int slowest_state(const struct doctor *d, int64_t limit_us, int64_t *us, char name[32])
{
	int n = 0, rc = 0;

	for (*us = -1; n < 32; n++) {
		int64_t latency_us = 0, disabled = 0;

		rc = root_read_number(&d->root, &latency_us, "/sys/devices/system/cpu/cpu%d/cpuidle/state%d/latency", d->cpu, n);
		if (rc < 0)
			break;
		if (root_read_number(&d->root, &disabled, "/sys/devices/system/cpu/cpu%d/cpuidle/state%d/disable", d->cpu, n) < 0)
			disabled = 0;
		if (latency_us < 0)
			return -EBADMSG;
		if (disabled || latency_us <= *us || (limit_us >= 0 && latency_us > limit_us))
			continue;
		*us = latency_us;
		(void)root_read(&d->root, name, 32, "/sys/devices/system/cpu/cpu%d/cpuidle/state%d/name", d->cpu, n);
	}
	return n > 0 && rc == -ENOENT ? 0 : rc;
}

void doctor_check_idle_states(const struct doctor *d, struct doctor_finding *f)
{
	int64_t limit_us = asked_latency_us(d), us;
	char name[32] = "";
	int rc = slowest_state(d, limit_us, &us, name);
	enum doctor_verdict v = (double)us > wake_share * period_us(d) ? DOCTOR_BAD : (double)us > wake_seen_us ? DOCTOR_WARNING : DOCTOR_GOOD;

	if (rc == -ENOENT)
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "processor %d shows no idle states (cpuidle)", d->cpu);
	else if (rc < 0)
		doctor_cannot_read(f, "cpuidle/state*/latency", rc);
	else
		doctor_find(f, v, v == DOCTOR_GOOD ? NULL : "as root: cpupower idle-set -D 20 (package linux-cpupower); for good: "
				"intel_idle.max_cstate=1 or processor.max_cstate=1 on the kernel's command line",
				"the deepest idle state that processor %d may enter (%s) takes %" PRId64 " us to leave", d->cpu, us < 0 ? "none" : name,
				us < 0 ? 0 : us);
}

void doctor_check_isolation(const struct doctor *d, struct doctor_finding *f)
{
	char isolated[256], nohz[256], remedy[256];
	int rc = root_read(&d->root, isolated, sizeof isolated, "/sys/devices/system/cpu/isolated");
	int has = rc < 0 ? rc : list_has_cpu(isolated, d->cpu);
	double busy = 0.0;
	bool known = load_busy_share(d, d->cpu, &busy);

	(void)root_read(&d->root, nohz, sizeof nohz, "/sys/devices/system/cpu/nohz_full");
	snprintf(remedy, sizeof remedy, "isolcpus=%d nohz_full=%d rcu_nocbs=%d on the kernel's command line (/etc/default/grub, update-grub, "
			"restart), control.cpu: %d", d->cpu, d->cpu, d->cpu, d->cpu);
	if (has < 0)
		doctor_cannot_read(f, "/sys/devices/system/cpu/isolated", has);
	else if (has)
		doctor_find(f, DOCTOR_GOOD, NULL, "processor %d is isolated%s", d->cpu, list_has_cpu(nohz, d->cpu) > 0 ? ", without ticks (nohz_full)" : "");
	else
		doctor_find(f, DOCTOR_WARNING, remedy, "processor %d runs other programs too%s%.0f%s", d->cpu, known ? ": busy " : "", 100.0 * busy,
				known ? " % of the last second" : " (how busy it is cannot be seen)");
}

/* The first other processor of a list such as "2,6" or "2-3"; -1: none. */
static int other_of(const char *list, int cpu)
{
	for (int i = 0; i < DOCTOR_CPUS_MAX; i++)
		if (i != cpu && list_has_cpu(list, i) > 0)
			return i;
	return -1;
}

void doctor_check_smt(const struct doctor *d, struct doctor_finding *f)
{
	char siblings[256], remedy[256];
	int rc = root_read(&d->root, siblings, sizeof siblings, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", d->cpu), other;
	double busy;

	if (rc <= 0 || list_has_cpu(siblings, d->cpu) < 1) {
		doctor_cannot_read(f, "topology/thread_siblings_list", rc < 0 ? rc : -EBADMSG);
		return;
	}
	other = other_of(siblings, d->cpu);
	snprintf(remedy, sizeof remedy, "as root: echo 0 > /sys/devices/system/cpu/cpu%d/online (or echo off > /sys/devices/system/cpu/smt/control), "
			"and again after each start", other);
	if (other < 0)
		doctor_find(f, DOCTOR_GOOD, NULL, "processor %d has its core to itself", d->cpu);
	else if (!load_busy_share(d, other, &busy))
		doctor_find(f, DOCTOR_UNKNOWN, remedy, "processor %d shares its core with processor %d, whose load cannot be seen", d->cpu, other);
	else
		doctor_find(f, busy > busy_share ? DOCTOR_WARNING : DOCTOR_GOOD, busy > busy_share ? remedy : NULL,
				"processor %d shares its core with processor %d, which was busy %.0f %% of the last second", d->cpu, other, 100.0 * busy);
}
