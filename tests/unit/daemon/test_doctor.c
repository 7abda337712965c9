/* test_doctor.c - the causes of lateness, in folders that stand for machines: a good one, each thing that is wrong with one by itself, and
 * files that are missing, cut off, unreadable or absurd. */
#include "daemon/doctor/doctor.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CPU1 "/sys/devices/system/cpu/cpu1"
#define DAEMON "/proc/4711"

struct file {
	const char *path, *text;
};

/* Four processors, control on number 1, which shares its core with number 3; a PiPER, a Franka, a GPU, a camera; dreamvlad runs. */
static const struct file good[] = {
	{ CPU1 "/cpufreq/scaling_governor", "performance\n" },
	{ CPU1 "/cpuidle/state0/latency", "0\n" }, { CPU1 "/cpuidle/state0/name", "POLL\n" },
	{ CPU1 "/cpuidle/state1/latency", "2\n" }, { CPU1 "/cpuidle/state1/name", "C1\n" },
	{ CPU1 "/cpuidle/state2/latency", "890\n" }, { CPU1 "/cpuidle/state2/name", "C10\n" }, { CPU1 "/cpuidle/state2/disable", "1\n" },
	{ CPU1 "/topology/thread_siblings_list", "1,3\n" },
	{ "/sys/devices/system/cpu/isolated", "1\n" },
	{ "/sys/devices/system/cpu/nohz_full", "1\n" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
	{ "/proc/version", "Linux version 6.1.0-28-rt-amd64 (x) #1 SMP PREEMPT_RT Debian 6.1.119-1\n" },
	{ "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme tsc\n" },
	{ "/proc/sys/kernel/sched_rt_runtime_us", "950000\n" }, { "/proc/sys/kernel/sched_rt_period_us", "1000000\n" },
	{ "/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2                               partition\t976892\t\t0\t\t-2\n" },
	{ "/proc/interrupts", "           CPU0       CPU1       CPU3\n  9:        100          5         0   IO-APIC   9-fasteoi   acpi\n"
		"130:       7000         40         1   PCI-MSI 1-edge   eth0-rx\nLOC:    9999999    8888888    7777777   Local timer interrupts\n" },
	{ "/proc/stat", "cpu  400 0 0 4000 0 0 0 0 0 0\ncpu0 100 0 0 1000 0 0 0 0 0 0\ncpu1 100 0 0 1000 0 0 0 0 0 0\ncpu3 100 0 0 1000 0 0 0 0 0 0\n" },
	{ "/proc/77/comm", "irqbalance\n" },
	{ DAEMON "/comm", "dreamvlad\n" },
	{ DAEMON "/status", "Name:\tdreamvlad\nCapEff:\t0000000000000000\n" },
	{ DAEMON "/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max locked memory         unlimited            unlimited            bytes     \nMax realtime priority     98                   98                   \n" },
	{ DAEMON "/maps", "7f00-7f01 r-xp 0 00:00 0 /usr/lib/libzmq.so.5\n" },
	{ DAEMON "/task/4711/comm", "dreamvlad\n" },
	{ DAEMON "/task/4713/comm", "control\n" },
	{ DAEMON "/task/4713/status", "Name:\tcontrol\nCpus_allowed_list:\t1\nMems_allowed_list:\t0\n" },
	{ DAEMON "/task/4713/stat", "4713 (control) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 -81 0 4 0 5 6 7 8 0 0 0 0 0 0 0 0 0 0 0 0 -1 1 80 1 0 0 0\n" },
	{ "/proc/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
		"wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\nenp3s0\t001010AC\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n" },
	{ "/proc/sys/net/core/rmem_default", "212992\n" },
	{ "/sys/class/net/enp3s0/mtu", "1500\n" }, { "/sys/class/net/wlan0/mtu", "1500\n" }, { "/sys/class/net/wlan0/wireless/x", "" },
	{ "/sys/class/net/can0/type", "280\n" },
	{ "/command/ip", "4: can0: <NOARP,UP,LOWER_UP,ECHO> mtu 16 qdisc pfifo_fast state UP mode DEFAULT group default qlen 10\n    link/can  promiscuity 0\n"
		"    can state ERROR-ACTIVE (berr-counter tx 0 rx 0) restart-ms 100\n\t  bitrate 1000000 sample-point 0.875\n" },
	{ "/proc/driver/nvidia/version", "NVRM version: 550\n" },
	{ "/command/nvidia-smi", "0, Enabled, 700.00, 700.00, 0x0000000000000001\n" },
	{ "/sys/class/video4linux/video0/power/control", "on\n" },
};

/* ---- folders ------------------------------------------------------------------------------------------------------------ */

struct machine {
	char root[64];
	struct config config;
	struct message_status status;
	struct doctor doctor;
};

static void put(const struct machine *m, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof full, "%s%s", m->root, path);
	for (char *slash = strchr(full + strlen(m->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int remove_entry(const char *path, const struct stat *s, int kind, struct FTW *where)
{
	(void)s;
	(void)kind;
	(void)where;
	return remove(path);
}

static void drop(const struct machine *m, const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", m->root, path);
	assert_int_equal(nftw(full, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* What the machine's commands say lies in its folder `command`. */
static int run(const struct doctor_root *root, const char *command, char *out, size_t capacity)
{
	return root_read(root, out, capacity, "/command/%.*s", (int)strcspn(command, " "), command);
}

static void add_robot(struct config *c, const char *model, const char *address)
{
	struct config_robot *r = &c->robot[c->n_robots++];

	config_robot_defaults(r);
	snprintf(r->model, sizeof r->model, "%s", model);
	snprintf(r->address, sizeof r->address, "%s", address);
}

static void fill_status(struct message_status *s)
{
	s->late_p999_us = 90.0;
	s->late_max_us = 400.0;
	s->n_counters = 2;
	s->counter[0] = (struct status_counter){ "ticks", 100000 };
	s->counter[1] = (struct status_counter){ "targets_dropped", 0 };
	s->n_sources = 1;
	s->source[0] = (struct status_source){ "camera/front", 12.0, 30.0, SOURCE_FRESH };
}

static void sample(struct machine *m, struct doctor_sample *s)
{
	doctor_sample_free(s);
	assert_int_equal(doctor_sample_take(&m->doctor.root, s), 0);
}

/* The processors idled for a second, and a few interrupts came. */
static void pass_a_second(struct machine *m)
{
	sample(m, &m->doctor.before);
	put(m, "/proc/stat", "cpu  408 0 0 4392 0 0 0 0 0 0\ncpu0 102 0 0 1098 0 0 0 0 0 0\ncpu1 102 0 0 1098 0 0 0 0 0 0\ncpu3 102 0 0 1098 0 0 0 0 0 0\n");
	sample(m, &m->doctor.after);
}

static int set_up(void **state)
{
	struct machine *m = calloc(1, sizeof *m);

	*state = m;
	snprintf(m->root, sizeof m->root, "/tmp/test_doctor.XXXXXX");
	assert_non_null(mkdtemp(m->root));
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		put(m, good[i].path, good[i].text);
	put(m, "/sys/class/video4linux/video0/interface/x", "");
	char full[512];
	snprintf(full, sizeof full, "%s/sys/class/video4linux/video0/device", m->root);
	assert_int_equal(symlink("interface", full), 0);
	config_defaults(&m->config);
	add_robot(&m->config, "piper", "can0");
	add_robot(&m->config, "fr3", "172.16.16.2");
	m->config.policy_backend = 1;
	m->config.clock = 1;
	fill_status(&m->status);
	m->doctor = (struct doctor){ .root = { m->root, run }, .config = &m->config, .cpu = 1, .between_s = 1.0, .optimised = true,
		.clock_known = true, .clock_synchronised = true, .clock_error_s = 1e-4, .n_cameras = 1, .status = &m->status };
	m->doctor.camera[0] = (struct doctor_camera){ "video0", 1, 0, 0.01, 1.0 / 30 };
	m->doctor.daemon_pid = root_find_process(&m->doctor.root, "dreamvlad");
	pass_a_second(m);
	return 0;
}

static int tear_down(void **state)
{
	struct machine *m = *state;

	doctor_free(&m->doctor);
	drop(m, "");
	free(m);
	return 0;
}

/* ---- what the checks say ------------------------------------------------------------------------------------------------ */

static struct doctor_finding look(const struct machine *m, const char *name)
{
	const struct doctor_check *check;
	struct doctor_finding f = { 0 };

	for (uint32_t i = 0; (check = doctor_check_at(i)); i++)
		if (strcmp(check->name, name) == 0) {
			memset(&f, 0xa5, sizeof f);
			check->look(&m->doctor, &f);
			assert_true(f.verdict < DOCTOR_VERDICT_COUNT);
			assert_true(memchr(f.evidence, 0, sizeof f.evidence) && f.evidence[0]);
			assert_non_null(memchr(f.remedy, 0, sizeof f.remedy));
			return f;
		}
	fail_msg("no check %s", name);
	return f;
}

static void expect(const struct machine *m, const char *name, enum doctor_verdict v, const char *evidence)
{
	struct doctor_finding f = look(m, name);

	if (f.verdict != v || !strstr(f.evidence, evidence))
		fail_msg("%s: %s, \"%s\"; want %s, \"%s\"", name, doctor_verdict_name(f.verdict), f.evidence, doctor_verdict_name(v), evidence);
	if (v == DOCTOR_BAD || v == DOCTOR_WARNING)
		assert_true(f.remedy[0]);
}

static void a_good_machine_is_good(void **state)
{
	const struct doctor_check *check;

	for (uint32_t i = 0; (check = doctor_check_at(i)); i++)
		expect(*state, check->name, strcmp(check->name, "virtual_machine") == 0 ? DOCTOR_ABSENT : DOCTOR_GOOD, "");
	assert_int_equal(((struct machine *)*state)->doctor.daemon_pid, 4711);
	assert_int_equal(doctor_find_cpu(&((struct machine *)*state)->doctor), 1);
}

/* Each in a good machine by itself. text NULL: the file is not there. */
static const struct {
	const char *path, *text, *check;
	enum doctor_verdict verdict;
	const char *evidence;
} wrong[] = {
	{ CPU1 "/cpufreq/scaling_governor", "powersave\n", "governor", DOCTOR_BAD, "powersave" },
	{ CPU1 "/cpufreq/scaling_governor", "schedutil\n", "governor", DOCTOR_WARNING, "schedutil" },
	{ CPU1 "/cpufreq/scaling_governor", NULL, "governor", DOCTOR_UNKNOWN, "cpufreq" },
	{ CPU1 "/cpuidle/state2/disable", "0\n", "idle_states", DOCTOR_BAD, "C10) takes 890 us" },
	{ CPU1 "/cpuidle/state1/latency", "133\n", "idle_states", DOCTOR_WARNING, "C1) takes 133 us" },
	{ CPU1 "/cpuidle/state0/latency", NULL, "idle_states", DOCTOR_UNKNOWN, "no idle states" },
	{ "/sys/devices/system/cpu/isolated", "\n", "isolation", DOCTOR_WARNING, "busy 2 %" },
	{ "/sys/devices/system/cpu/isolated", "0,2-3\n", "isolation", DOCTOR_WARNING, "processor 1" },
	{ "/sys/devices/system/cpu/isolated", "\n", "irqbalance", DOCTOR_WARNING, "processor 1" },
	{ "/proc/77/comm", "bash\n", "irqbalance", DOCTOR_ABSENT, "does not run" },
	{ CPU1 "/topology/thread_siblings_list", "1\n", "smt", DOCTOR_GOOD, "to itself" },
	{ CPU1 "/topology/thread_siblings_list", "1,2\n", "smt", DOCTOR_UNKNOWN, "processor 2" },
	{ "/proc/version", "Linux version 6.1.0 (x) #1 SMP PREEMPT_DYNAMIC Debian\n", "kernel", DOCTOR_WARNING, "it can be" },
	{ "/proc/version", "Linux version 6.1.0 (x) #1 SMP Debian\n", "kernel", DOCTOR_WARNING, "neither" },
	{ "/proc/sys/kernel/sched_rt_runtime_us", "-1\n", "rt_throttling", DOCTOR_GOOD, "off" },
	{ "/proc/sys/kernel/sched_rt_runtime_us", "0\n", "rt_throttling", DOCTOR_BAD, "get 0 of" },
	{ "/proc/sys/kernel/sched_rt_runtime_us", "100000\n", "rt_throttling", DOCTOR_WARNING, "100000" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n", "clock_source", DOCTOR_WARNING, "hpet" },
	{ "/proc/cpuinfo", "flags\t\t: fpu hypervisor tsc\n", "virtual_machine", DOCTOR_WARNING, "0.0 %" },
	{ "/proc/swaps", "Filename Type Size Used Priority\n/swap file 100 0 -2\n/dev/x partition 999 512 -3\n", "swap", DOCTOR_WARNING, "512 kB" },
	{ "/proc/swaps", "Filename Type Size Used Priority\n", "swap", DOCTOR_GOOD, "none" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n", "huge_pages", DOCTOR_WARNING, "always" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", NULL, "huge_pages", DOCTOR_ABSENT, "none" },
	{ DAEMON "/task/4713/stat", "4713 (control) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 4 0 5 6 7 8 0 0 0 0 0 0 0 0 0 0 0 0 -1 1 0 0 0 0 0\n",
		"realtime", DOCTOR_BAD, "ordinary" },
	{ DAEMON "/task/4713/stat", "4713 (co) ntrol) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 -81 0 4 0 5 6 7 8 0 0 0 0 0 0 0 0 0 0 0 0 -1 1 55 1 0\n",
		"realtime", DOCTOR_GOOD, "priority 55" },
	{ DAEMON "/limits", "Max locked memory         8192 8192 bytes\n", "memlock", DOCTOR_WARNING, "8 kB" },
	{ DAEMON "/limits", "Max locked memory         8388608 8388608 bytes\n", "memlock", DOCTOR_GOOD, "" },
	{ DAEMON "/maps", "7f00-7f01 r-xp 0 00:00 0 /usr/lib/x86_64-linux-gnu/libasan.so.8.0.0\n", "build", DOCTOR_BAD, "sanitizers" },
	{ "/sys/class/net/can0", NULL, "can", DOCTOR_BAD, "no interface can0" },
	{ "/command/ip", "4: can0: <NOARP,UP> qlen 10\n link/can\n bitrate 500000 \n restart-ms 100 \n", "can", DOCTOR_BAD, "500000" },
	{ "/command/ip", "4: can0: <NOARP,UP> qlen 10\n link/can restart-ms 0 \n bitrate 1000000 \n", "can", DOCTOR_WARNING, "restart-ms 0" },
	{ "/command/ip", "4: can0: <NOARP,UP> qlen 10\n link/can state BUS-OFF restart-ms 0 \n bitrate 1000000 \n", "can", DOCTOR_BAD, "errors" },
	{ "/command/ip", "4: can0: <NOARP,ECHO> qlen 10\n link/can state STOPPED restart-ms 0 \n", "can", DOCTOR_BAD, "down" },
	{ "/command/ip", "4: can0: <UP> qlen 1000\n link/ether 00:00\n", "can", DOCTOR_BAD, "no CAN" },
	{ "/command/ip", NULL, "can", DOCTOR_UNKNOWN, "says nothing" },
	{ "/sys/class/net/enp3s0/wireless/x", "", "fci", DOCTOR_BAD, "wireless" },
	{ "/sys/class/net/enp3s0/mtu", "576\n", "fci", DOCTOR_WARNING, "576" },
	{ "/proc/sys/net/core/rmem_default", "4096\n", "fci", DOCTOR_WARNING, "4096" },
	{ "/proc/net/route", "Iface Destination\nenp3s0\t001111AC\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", "fci", DOCTOR_BAD, "no way" },
	{ "/proc/driver/nvidia/version", NULL, "gpu", DOCTOR_BAD, "no NVIDIA driver" },
	{ "/command/nvidia-smi", "0, Disabled, 700.00, 700.00, 0x0000000000000001\n", "gpu", DOCTOR_WARNING, "persistence" },
	{ "/command/nvidia-smi", "0, Enabled, 300.00, 700.00, 0x0000000000000004\n", "gpu", DOCTOR_WARNING, "300 W" },
	{ "/command/nvidia-smi", "0, Enabled, 700.00, 700.00, 0x0000000000000040\n", "gpu", DOCTOR_BAD, "slows itself" },
	{ "/command/nvidia-smi", "0, [N/A], [N/A], [N/A], [N/A]\n", "gpu", DOCTOR_UNKNOWN, "nvidia-smi says" },
	{ "/sys/class/video4linux/video0/power/control", "auto\n", "usb", DOCTOR_WARNING, "video0" },
};

static const char *good_text(const char *path)
{
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (strcmp(good[i].path, path) == 0)
			return good[i].text;
	return NULL;
}

static void each_thing_that_is_wrong_is_named(void **state)
{
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (wrong[i].text)
			put(m, wrong[i].path, wrong[i].text);
		else
			drop(m, wrong[i].path);
		expect(m, wrong[i].check, wrong[i].verdict, wrong[i].evidence);
		if (!good_text(wrong[i].path) && wrong[i].text)
			drop(m, "/sys/class/net/enp3s0/wireless"); /* the only one that a good machine has not */
		for (size_t k = 0; k < sizeof good / sizeof good[0]; k++)
			if (strncmp(good[k].path, wrong[i].path, strlen(wrong[i].path)) == 0)
				put(m, good[k].path, good[k].text);
	}
	a_good_machine_is_good(state);
}

static void full_preemption_is_seen(void **state)
{
	struct machine *m = *state;

	put(m, "/proc/version", "Linux version 6.1.0 (x) #1 SMP PREEMPT_DYNAMIC Debian\n");
	put(m, "/sys/kernel/debug/sched/preempt", "none voluntary (full)\n");
	expect(m, "kernel", DOCTOR_GOOD, "fully preemptible");
	put(m, "/sys/kernel/debug/sched/preempt", "none (voluntary) full\n");
	expect(m, "kernel", DOCTOR_WARNING, "neither");
	drop(m, "/sys/kernel/debug");
	put(m, "/proc/cmdline", "quiet preempt=full\n");
	expect(m, "kernel", DOCTOR_GOOD, "fully preemptible");
}

/* dev/cpu_dma_latency is four bytes: whoever holds it open keeps the deep states out. */
static void an_asked_latency_keeps_deep_states_out(void **state)
{
	struct machine *m = *state;

	put(m, CPU1 "/cpuidle/state2/disable", "0\n");
	put(m, "/dev/cpu_dma_latency", "\x14\x01\x01\x01"); /* of a later day: far more than 890 us */
	expect(m, "idle_states", DOCTOR_BAD, "890 us");
	char full[128];
	int32_t us = 20;
	snprintf(full, sizeof full, "%s/dev/cpu_dma_latency", m->root);
	FILE *f = fopen(full, "w");
	assert_int_equal(fwrite(&us, sizeof us, 1, f), 1);
	fclose(f);
	expect(m, "idle_states", DOCTOR_GOOD, "C1) takes 2 us");
}

/* /proc/interrupts has no column for a processor that is offline: number 2 here. */
static void interrupts_are_counted_between_the_samples(void **state)
{
	struct machine *m = *state;
	const char *head = "           CPU0       CPU1       CPU3\n  9:        100          5         0   IO-APIC   9-fasteoi   acpi\n";
	char text[1024];

	put(m, "/proc/irq/130/smp_affinity_list", "0-3\n");
	snprintf(text, sizeof text, "%s130:       7000        540         1   PCI-MSI 1-edge   eth0-rx\nLOC:   1 2 3   Local timer interrupts\n", head);
	put(m, "/proc/interrupts", text);
	sample(m, &m->doctor.after);
	expect(m, "interrupts", DOCTOR_WARNING, "500 a second on processor 1, most of them (500) by 130 eth0-rx, which may go to processors 0-3");
	assert_non_null(strstr(look(m, "interrupts").remedy, "echo 0 > /proc/irq/130/smp_affinity_list"));
	snprintf(text, sizeof text, "%s130:       9000         40      9001   PCI-MSI 1-edge   eth0-rx\n", head);
	put(m, "/proc/interrupts", text);
	sample(m, &m->doctor.after);
	expect(m, "interrupts", DOCTOR_GOOD, "0 a second on processor 1");
	m->doctor.cpu = 3;
	expect(m, "interrupts", DOCTOR_BAD, "9000 a second on processor 3");
	m->doctor.cpu = 2;
	expect(m, "interrupts", DOCTOR_UNKNOWN, "processor 2");
}

static void a_busy_neighbour_and_a_host_that_takes_time(void **state)
{
	struct machine *m = *state;

	put(m, "/proc/stat", "cpu  0\ncpu0 102 0 0 1098 0 0 0 0 0 0\ncpu1 102 0 0 1088 0 0 0 10 0 0\ncpu3 150 0 0 1050 0 0 0 0 0 0\n");
	sample(m, &m->doctor.after);
	expect(m, "smt", DOCTOR_WARNING, "busy 50 %");
	expect(m, "virtual_machine", DOCTOR_BAD, "10.0 %");
}

static void what_is_no_file_is_judged_too(void **state)
{
	struct machine *m = *state;

	m->doctor.camera[0].exposure_s = 0.033;
	expect(m, "exposure", DOCTOR_BAD, "33.0 ms");
	assert_non_null(strstr(look(m, "exposure").remedy, "exposure_time_absolute=317"));
	m->doctor.camera[0] = (struct doctor_camera){ "video0", 0, 1, -1.0, 1.0 / 30 };
	expect(m, "exposure", DOCTOR_WARNING, "dark");
	m->doctor.camera[0] = (struct doctor_camera){ "video0", -1, -1, -1.0, -1.0 };
	expect(m, "exposure", DOCTOR_UNKNOWN, "do not tell");
	m->doctor.clock_error_s = 0.5;
	expect(m, "clock_sync", DOCTOR_WARNING, "500.000 ms");
	m->doctor.clock_synchronised = false;
	expect(m, "clock_sync", DOCTOR_BAD, "nothing synchronises");
	m->doctor.optimised = false;
	expect(m, "build", DOCTOR_BAD, "not optimised");
}

static void a_wireless_way_to_the_franka_is_found(void **state)
{
	struct machine *m = *state;

	snprintf(m->config.robot[1].address, sizeof m->config.robot[1].address, "10.0.0.1");
	expect(m, "fci", DOCTOR_BAD, "wlan0");
	snprintf(m->config.robot[1].address, sizeof m->config.robot[1].address, "robot.local");
	expect(m, "fci", DOCTOR_UNKNOWN, "is a name");
	snprintf(m->config.robot[0].address, sizeof m->config.robot[0].address, "can0; reboot");
	expect(m, "can", DOCTOR_ABSENT, "no robot");
}

static void dreamvlads_own_numbers(void **state)
{
	struct machine *m = *state;

	m->status.overruns = 3;
	expect(m, "lateness", DOCTOR_WARNING, "3 of 100000");
	m->status.overruns = 300;
	expect(m, "lateness", DOCTOR_BAD, "300 of 100000");
	m->status.overruns = 0;
	m->status.late_p999_us = 2600.0;
	expect(m, "lateness", DOCTOR_BAD, "2600 us late");
	m->status.late_p999_us = 0.0 / 0.0 * (m->doctor.between_s - 1.0);
	expect(m, "lateness", DOCTOR_BAD, "");
	m->status.counter[1].value = 7;
	expect(m, "losses", DOCTOR_WARNING, "targets_dropped 7");
	m->status.source[0].state = SOURCE_STALE;
	expect(m, "sources", DOCTOR_BAD, "camera/front stale");
	m->doctor.status = NULL;
	expect(m, "lateness", DOCTOR_UNKNOWN, "did not answer");
	m->doctor.daemon_pid = 0;
	expect(m, "lateness", DOCTOR_ABSENT, "does not run");
}

static void without_dreamvlad_this_account_is_asked(void **state)
{
	struct machine *m = *state;

	m->doctor.daemon_pid = 0;
	put(m, "/proc/self/limits", "Max locked memory 8192 8192 bytes\nMax realtime priority     0                    0                   \n");
	put(m, "/proc/self/status", "CapEff:\t0000000000000000\n");
	expect(m, "realtime", DOCTOR_BAD, "priority up to 0");
	put(m, "/proc/self/status", "CapEff:\t0000000000800000\n");
	expect(m, "realtime", DOCTOR_GOOD, "CAP_SYS_NICE");
	expect(m, "memlock", DOCTOR_WARNING, "8 kB");
	drop(m, "/proc/self");
	expect(m, "realtime", DOCTOR_UNKNOWN, "limits");
}

static void look_at_all(const struct machine *m)
{
	const struct doctor_check *check;

	for (uint32_t i = 0; (check = doctor_check_at(i)); i++)
		(void)look(m, check->name);
}

/* Whatever a file holds, cut anywhere: every check comes to some verdict, and none that is good rests on rubbish. */
static void rubbish_is_never_good(void **state)
{
	static const char *const rubbish[] = { "", "\n", "-", "99999999999999999999999\n", "-1-2,,\n", "\x1b[2J\xff\xfe%s%n\n", "CPU0 CPU1\n:\n1:\n", "flags" };
	static const struct { const char *path, *check; } rests[] = {
		{ CPU1 "/cpufreq/scaling_governor", "governor" }, { CPU1 "/cpuidle/state0/latency", "idle_states" },
		{ CPU1 "/topology/thread_siblings_list", "smt" }, { "/proc/version", "kernel" }, { "/proc/swaps", "swap" },
		{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "clock_source" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "huge_pages" }, { "/proc/sys/kernel/sched_rt_period_us", "rt_throttling" },
		{ "/sys/class/net/enp3s0/mtu", "fci" }, { "/proc/net/route", "fci" }, { "/command/ip", "can" }, { "/command/nvidia-smi", "gpu" },
		{ DAEMON "/limits", "memlock" },
	};
	struct machine *m = *state;

	for (size_t k = 0; k < sizeof rubbish / sizeof rubbish[0]; k++)
		for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
			put(m, rests[i].path, rubbish[k]);
			struct doctor_finding f = look(m, rests[i].check);

			if (f.verdict == DOCTOR_GOOD)
				fail_msg("%s with rubbish %zu is good: %s", rests[i].check, k, f.evidence);
			for (const char *c = f.evidence; *c; c++)
				assert_false((unsigned char)*c < 0x20 || *c == 0x7f);
			put(m, rests[i].path, good_text(rests[i].path));
		}
}

static void every_file_may_be_cut_or_no_file(void **state)
{
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t n = strlen(good[i].text);

		for (size_t k = 0; k < n; k += 1 + n / 40) {
			char cut[1024];

			snprintf(cut, sizeof cut, "%.*s", (int)k, good[i].text);
			put(m, good[i].path, cut);
			sample(m, &m->doctor.after);
			look_at_all(m);
		}
		drop(m, good[i].path);
		look_at_all(m);
		char inside[300];
		snprintf(inside, sizeof inside, "%s/x", good[i].path); /* reading a folder is refused, also to root */
		put(m, inside, "");
		sample(m, &m->doctor.after);
		look_at_all(m);
		drop(m, good[i].path);
		put(m, good[i].path, good[i].text);
	}
}

static void lists_of_processors(void **state)
{
	(void)state;
	assert_int_equal(list_has_cpu("", 0), 0);
	assert_int_equal(list_has_cpu("0-2,5", 2), 1);
	assert_int_equal(list_has_cpu("0-2,5", 3), 0);
	assert_int_equal(list_has_cpu("0-2,5", 5), 1);
	assert_int_equal(list_has_cpu("5-2", 3), -EBADMSG);
	assert_int_equal(list_has_cpu("0-", 0), -EBADMSG);
	assert_int_equal(list_has_cpu("(null)", 0), -EBADMSG);
	assert_int_equal(list_has_cpu("0-99999999999999999999", 5), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_machine_is_good), TEST(each_thing_that_is_wrong_is_named), TEST(full_preemption_is_seen),
		TEST(an_asked_latency_keeps_deep_states_out), TEST(interrupts_are_counted_between_the_samples),
		TEST(a_busy_neighbour_and_a_host_that_takes_time), TEST(what_is_no_file_is_judged_too), TEST(a_wireless_way_to_the_franka_is_found),
		TEST(dreamvlads_own_numbers), TEST(without_dreamvlad_this_account_is_asked), TEST(rubbish_is_never_good),
		TEST(every_file_may_be_cut_or_no_file), cmocka_unit_test(lists_of_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
