/* check_kernel.c - the kernel as it was built and set. Sources: Linux kernel/Kconfig.preempt, Documentation/admin-guide/kernel-parameters.txt
 * (preempt=, tsc=), Documentation/scheduler/sched-rt-group.rst, arch/x86/kernel/tsc.c, Documentation/admin-guide/mm/transhuge.rst,
 * proc(5), swapon(8). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/doctor/doctor.h"
#include "daemon/doctor/load.h"

enum { CPUINFO_BYTES = 16384 };

/* A host that takes so much is felt in a p99.9 at once. */
static const double stolen_bad_share = 0.01;

static bool preempts_fully(const struct doctor *d)
{
	char line[4096], mode[128];

	if (root_read(&d->root, mode, sizeof mode, "/sys/kernel/debug/sched/preempt") > 0)
		return strstr(mode, "(full)") || strstr(mode, "(lazy)");
	return root_read(&d->root, line, sizeof line, "/proc/cmdline") > 0 && strstr(line, "preempt=full");
}

void doctor_check_kernel(const struct doctor *d, struct doctor_finding *f)
{
	static const char remedy[] = "apt-get install linux-image-rt-amd64 and start it; or preempt=full on the kernel's command line (/etc/default/grub, "
			"update-grub, restart)";
	char version[512];
	int64_t realtime = 0;
	int rc = root_read(&d->root, version, sizeof version, "/proc/version");

	if ((root_read_number(&d->root, &realtime, "/sys/kernel/realtime") == 0 && realtime == 1) || strstr(version, "PREEMPT_RT"))
		doctor_find(f, DOCTOR_GOOD, NULL, "PREEMPT_RT");
	else if (rc <= 0)
		doctor_cannot_read(f, "/proc/version", rc < 0 ? rc : -EBADMSG);
	else if (preempts_fully(d) || strstr(version, " PREEMPT "))
		doctor_find(f, DOCTOR_GOOD, NULL, "not PREEMPT_RT, but fully preemptible: good for 200 Hz, and for the 1 kHz of a Franka "
				"PREEMPT_RT is better");
	else
		doctor_find(f, DOCTOR_WARNING, remedy, "neither PREEMPT_RT nor seen to be fully preemptible%s",
				strstr(version, "PREEMPT_DYNAMIC") ? " (PREEMPT_DYNAMIC: it can be)" : "");
}

void doctor_check_rt_throttling(const struct doctor *d, struct doctor_finding *f)
{
	static const char remedy[] = "as root: sysctl kernel.sched_rt_runtime_us=950000 kernel.sched_rt_period_us=1000000";
	int64_t runtime_us, period_us;
	int rc = root_read_number(&d->root, &runtime_us, "/proc/sys/kernel/sched_rt_runtime_us");

	rc = rc < 0 ? rc : root_read_number(&d->root, &period_us, "/proc/sys/kernel/sched_rt_period_us");
	if (rc < 0)
		doctor_cannot_read(f, "/proc/sys/kernel/sched_rt_*_us", rc);
	else if (runtime_us == -1)
		doctor_find(f, DOCTOR_GOOD, NULL, "off (one that runs for ever would hang its processor)");
	else if (period_us <= 0 || period_us > INT32_MAX || runtime_us < 0 || runtime_us > period_us)
		doctor_cannot_read(f, "/proc/sys/kernel/sched_rt_*_us", -EBADMSG);
	else
		doctor_find(f, runtime_us == 0 ? DOCTOR_BAD : 2 * runtime_us < period_us ? DOCTOR_WARNING : DOCTOR_GOOD,
				2 * runtime_us < period_us ? remedy : NULL, "real-time threads get %" PRId64 " of every %" PRId64 " us", runtime_us,
				period_us);
}

/* Read from user space without a system call. */
static bool is_quick_clock(const char *name)
{
	static const char *const quick[] = { "tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "pvclock", "riscv_clocksource" };

	for (size_t i = 0; i < sizeof quick / sizeof quick[0]; i++)
		if (strcmp(name, quick[i]) == 0)
			return true;
	return false;
}

void doctor_check_clock_source(const struct doctor *d, struct doctor_finding *f)
{
	char name[64];
	int rc = root_read(&d->root, name, sizeof name, "/sys/devices/system/clocksource/clocksource0/current_clocksource");

	if (rc <= 0)
		doctor_cannot_read(f, "current_clocksource", rc < 0 ? rc : -EBADMSG);
	else if (is_quick_clock(name))
		doctor_find(f, DOCTOR_GOOD, NULL, "%s", name);
	else
		doctor_find(f, DOCTOR_WARNING, "dmesg | grep -i tsc says why; where the firmware is up to date, tsc=reliable on the kernel's command line",
				"%s: reading it takes microseconds and may wait for other processors", name);
}

void doctor_check_virtual_machine(const struct doctor *d, struct doctor_finding *f)
{
	char info[CPUINFO_BYTES];
	double stolen = 0.0;
	int rc = root_read(&d->root, info, sizeof info, "/proc/cpuinfo");
	const char *flags = rc > 0 ? line_of(info, "flags") : NULL, *mark = flags ? strstr(flags, " hypervisor") : NULL;
	bool virtual = mark && mark < flags + strcspn(flags, "\n"), known = load_stolen_share(d, d->cpu, &stolen);

	if (rc <= 0)
		doctor_cannot_read(f, "/proc/cpuinfo", rc < 0 ? rc : -EBADMSG);
	else if (!virtual && stolen <= 0.0)
		doctor_find(f, flags ? DOCTOR_ABSENT : DOCTOR_UNKNOWN, NULL, flags ? "no virtual machine" : "/proc/cpuinfo has no flags here");
	else
		doctor_find(f, stolen > stolen_bad_share ? DOCTOR_BAD : DOCTOR_WARNING, "drive an arm from a machine of its own, or give this one "
				"processors of its own at its host (pinned, not shared)", "a virtual machine: its host took %s%.1f %% of the last second "
				"from processor %d", known ? "" : "an unknown share, at least ", 100.0 * stolen, d->cpu);
}

/* Sum of the column Used of /proc/swaps, in kB; -1: it is not understood. */
static int64_t swap_used_kb(const char *text, int *n)
{
	int64_t sum = 0;

	*n = 0;
	if (strncmp(text, "Filename", 8) != 0)
		return -1;
	for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n'), (*n)++) {
		int64_t used = 0;

		if (sscanf(line + 1, "%*s %*s %*s %" SCNd64, &used) != 1 || used < 0)
			return -1;
		sum += used;
	}
	return sum;
}

void doctor_check_swap(const struct doctor *d, struct doctor_finding *f)
{
	char text[4096];
	int rc = root_read(&d->root, text, sizeof text, "/proc/swaps"), n;
	int64_t used_kb = rc > 0 ? swap_used_kb(text, &n) : -1;

	if (rc < 0 || used_kb < 0)
		doctor_cannot_read(f, "/proc/swaps", rc < 0 ? rc : -EBADMSG);
	else if (n == 0)
		doctor_find(f, DOCTOR_GOOD, NULL, "none is set up");
	else
		doctor_find(f, used_kb > 0 ? DOCTOR_WARNING : DOCTOR_GOOD, used_kb > 0 ? "end what takes the memory, then as root: swapoff -a && swapon -a; "
				"sysctl vm.swappiness=1" : NULL, "%" PRId64 " kB of memory are on disk", used_kb);
}

void doctor_check_huge_pages(const struct doctor *d, struct doctor_finding *f)
{
	char mode[64];
	int rc = root_read(&d->root, mode, sizeof mode, "/sys/kernel/mm/transparent_hugepage/enabled");

	if (rc == -ENOENT)
		doctor_find(f, DOCTOR_ABSENT, NULL, "this kernel has none");
	else if (rc < 0)
		doctor_cannot_read(f, "transparent_hugepage/enabled", rc);
	else if (strstr(mode, "[always]"))
		doctor_find(f, DOCTOR_WARNING, "as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, and again after each start",
				"always: the kernel moves memory of any program to make them, and stops it meanwhile");
	else if (strstr(mode, "[madvise]") || strstr(mode, "[never]"))
		doctor_find(f, DOCTOR_GOOD, NULL, "%s", mode);
	else
		doctor_cannot_read(f, "transparent_hugepage/enabled", -EBADMSG);
}
