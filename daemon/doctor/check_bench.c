/* check_bench.c - what is connected: clocks of other machines, CAN, a Franka's network, the GPU. Sources: adjtimex(2), ip-link(8),
 * Linux Documentation/networking/can.rst, Documentation/admin-guide/sysctl/net.rst, proc(5) (/proc/net/route), Franka's FCI documentation
 * ("Troubleshooting": a cable of its own, no packets lost), nvidia-smi(1) and nvml.h (nvmlClocksEventReason*). */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/doctor/doctor.h"

/* AgileX's PiPER; its arm sends some 3000 frames a second, and the kernel's default of 10 frames to be sent holds one cycle of 5. */
enum { CAN_BITRATE = 1000000, CAN_QUEUE_MIN = 10 };
/* A state of 2 kB (with the kernel's own overhead) each ms: this holds 50 ms of them, more than the 20 that a Franka bears. */
enum { UDP_BUFFER_MIN_BYTES = 131072, MTU_MIN = 1500 };
/* A camera's frame is dated to a fraction of a frame's period. */
static const double clock_error_max_s = 0.002;

void doctor_check_clock_sync(const struct doctor *d, struct doctor_finding *f)
{
	static const char remedy[] = "apt-get install chrony on every machine (linuxptp where network cards have clocks), with one server for all of "
			"them; then: chronyc tracking";

	if (!d->config || d->config->clock == 0) {
		doctor_find(f, DOCTOR_ABSENT, NULL, "clock: monotonic, all stamps are of this machine");
		return;
	}
	if (!d->clock_known)
		doctor_find(f, DOCTOR_UNKNOWN, remedy, "clock: realtime, and the kernel does not say whether it is synchronised");
	else if (!d->clock_synchronised)
		doctor_find(f, DOCTOR_BAD, remedy, "clock: realtime, and nothing synchronises it (adjtimex: STA_UNSYNC)%s",
				root_find_process(&d->root, "chronyd") || root_find_process(&d->root, "ptp4l") ? "; chrony or ptp4l runs, and has "
				"not found its server yet" : "");
	else
		doctor_find(f, d->clock_error_s > clock_error_max_s ? DOCTOR_WARNING : DOCTOR_GOOD, d->clock_error_s > clock_error_max_s ? remedy : NULL,
				"synchronised; its error may be up to %.3f ms", 1e3 * d->clock_error_s);
}

/* ---- CAN -------------------------------------------------------------------------------------------------------------- */

static const struct config_robot *find_robot(const struct doctor *d, const char *model, const struct config_robot *from)
{
	for (uint32_t i = 0; d->config && i < d->config->n_robots; i++)
		if (&d->config->robot[i] >= from && strncmp(d->config->robot[i].model, model, strlen(model)) == 0)
			return &d->config->robot[i];
	return NULL;
}

/* The number behind a word of what `ip -details link show` says; -1: none. */
static int64_t said_number(const char *said, const char *word)
{
	char spaced[32], *end;
	const char *at;
	int64_t value;

	snprintf(spaced, sizeof spaced, " %s ", word);
	at = strstr(said, spaced);
	if (!at)
		return -1;
	value = strtoll(at + strlen(spaced), &end, 10);
	return end == at + strlen(spaced) ? -1 : value;
}

static void judge_can(const char *name, const char *said, struct doctor_finding *f)
{
	int64_t bitrate = said_number(said, "bitrate"), restart_ms = said_number(said, "restart-ms"), queue = said_number(said, "qlen");
	char again[160];

	snprintf(again, sizeof again, "sudo ip link set %.31s down && sudo can-up.sh %.31s (with dreamvla-arm stopped)", name, name);
	if (!strstr(said, "link/can"))
		doctor_find(f, DOCTOR_BAD, "set robots[].address", "%.31s is no CAN interface", name);
	else if (!strstr(said, "<") || !strstr(said, "UP"))
		doctor_find(f, DOCTOR_BAD, again, "%.31s is down", name);
	else if (strstr(said, "state BUS-OFF") || strstr(said, "state ERROR-PASSIVE"))
		doctor_find(f, DOCTOR_BAD, again, "%.31s has too many errors (bus off, or passive): look at cable and termination", name);
	else if (bitrate < 0)
		doctor_find(f, strstr(said, "vcan") || strstr(said, "vxcan") ? DOCTOR_GOOD : DOCTOR_UNKNOWN, NULL, "%.31s is up, without a bit rate to be seen",
				name);
	else if (bitrate != CAN_BITRATE)
		doctor_find(f, DOCTOR_BAD, again, "%.31s is set to %" PRId64 " bit/s, a PiPER speaks %d", name, bitrate, CAN_BITRATE);
	else if (restart_ms <= 0 || queue < CAN_QUEUE_MIN)
		doctor_find(f, DOCTOR_WARNING, again, "%.31s: restart-ms %" PRId64 " (0: it stays off after bus-off), qlen %" PRId64 " (want %d or more)", name,
				restart_ms, queue, CAN_QUEUE_MIN);
	else
		doctor_find(f, DOCTOR_GOOD, NULL, "%.31s: %" PRId64 " bit/s, restart-ms %" PRId64 ", qlen %" PRId64, name, bitrate, restart_ms, queue);
}

/* Only names that an interface can have go into a command. */
static bool is_interface(const char *name)
{
	return name[0] && strlen(name) < 16 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name);
}

static bool look_at_can(const struct doctor *d, const char *name, struct doctor_finding *f)
{
	char command[64], said[4096];
	int rc;

	if (!is_interface(name))
		return false;
	snprintf(command, sizeof command, "ip -details link show dev %s", name);
	rc = d->root.run(&d->root, command, said, sizeof said);
	if (!root_exists(&d->root, "/sys/class/net/%s", name))
		doctor_find(f, DOCTOR_BAD, "plug in the adapter; sudo modprobe gs_usb; sudo can-up.sh INTERFACE", "there is no interface %s", name);
	else if (rc <= 0)
		doctor_find(f, DOCTOR_UNKNOWN, "apt-get install iproute2", "`%s` says nothing", command);
	else
		judge_can(name, said, f);
	return true;
}

void doctor_check_can(const struct doctor *d, struct doctor_finding *f)
{
	struct doctor_finding one;
	bool any = false;

	doctor_find(f, DOCTOR_ABSENT, NULL, "no robot of the configuration is a PiPER on a CAN interface");
	for (const struct config_robot *r = find_robot(d, "piper", NULL); r; r = find_robot(d, "piper", r + 1)) {
		if (!look_at_can(d, r->address, &one))
			continue;
		if (!any || one.verdict == DOCTOR_BAD || (one.verdict != DOCTOR_GOOD && f->verdict == DOCTOR_GOOD))
			*f = one;
		any = true;
	}
}

/* ---- a Franka's network ----------------------------------------------------------------------------------------------- */

/* The interface of the most special IPv4 route to the address; "": none. The numbers of /proc/net/route are in network order, as this
 * machine reads them. */
static void find_route(const char *routes, struct in_addr to, char out[16])
{
	uint32_t best = 0;

	out[0] = '\0';
	for (const char *line = strchr(routes, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		uint32_t destination, mask;
		char name[16];

		if (sscanf(line + 1, "%15s %" SCNx32 " %*x %*x %*d %*d %*d %" SCNx32, name, &destination, &mask) != 3)
			continue;
		if ((to.s_addr & mask) != destination || (out[0] && ntohl(mask) < best))
			continue;
		best = ntohl(mask);
		strcpy(out, name);
	}
}

static void judge_interface(const struct doctor *d, const char *address, const char *name, struct doctor_finding *f)
{
	int64_t buffer_bytes, mtu;

	if (root_exists(&d->root, "/sys/class/net/%s/wireless", name))
		doctor_find(f, DOCTOR_BAD, "a cable from this machine to the Control", "%s is reached over %s, which is wireless", address, name);
	else if (root_read_number(&d->root, &buffer_bytes, "/proc/sys/net/core/rmem_default") < 0 ||
			root_read_number(&d->root, &mtu, "/sys/class/net/%s/mtu", name) < 0)
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "/proc/sys/net/core/rmem_default or the MTU of %s cannot be read", name);
	else if (buffer_bytes < UDP_BUFFER_MIN_BYTES)
		doctor_find(f, DOCTOR_WARNING, "as root: sysctl net.core.rmem_default=212992", "UDP sockets hold %" PRId64 " bytes, want %d: states of a "
				"stall are lost", buffer_bytes, UDP_BUFFER_MIN_BYTES);
	else if (mtu < MTU_MIN)
		doctor_find(f, DOCTOR_WARNING, "as root: ip link set INTERFACE mtu 1500", "the MTU of %s is %" PRId64 ": each state goes in pieces", name, mtu);
	else
		doctor_find(f, DOCTOR_GOOD, NULL, "%s over %s by cable, MTU %" PRId64 ", UDP sockets hold %" PRId64 " bytes", address, name, mtu, buffer_bytes);
}

static const struct config_robot *find_franka(const struct doctor *d)
{
	const struct config_robot *r = find_robot(d, "panda", NULL);

	return r ? r : find_robot(d, "fr3", NULL);
}

void doctor_check_fci(const struct doctor *d, struct doctor_finding *f)
{
	const struct config_robot *r = find_franka(d);
	char routes[8192], name[16];
	struct in_addr to;
	int rc = root_read(&d->root, routes, sizeof routes, "/proc/net/route");

	if (!r || !r->address[0])
		doctor_find(f, DOCTOR_ABSENT, NULL, "no robot of the configuration is a Franka with an address");
	else if (inet_pton(AF_INET, r->address, &to) != 1)
		doctor_find(f, DOCTOR_UNKNOWN, "robots[].address as numbers shows the way to it", "%s is a name", r->address);
	else if ((ntohl(to.s_addr) >> 24) == 127)
		doctor_find(f, DOCTOR_ABSENT, NULL, "%s is this machine", r->address);
	else if (rc < 0)
		doctor_cannot_read(f, "/proc/net/route", rc);
	else if (find_route(routes, to, name), !name[0])
		doctor_find(f, DOCTOR_BAD, "give this machine an address in its network: ip address add", "there is no way to %s", r->address);
	else
		judge_interface(d, r->address, name, f);
}

/* ---- GPU -------------------------------------------------------------------------------------------------------------- */

/* Hardware slow-down, software and hardware thermal, power brake; and a software power cap, which a limit causes. */
enum { THROTTLE_BAD = 0x8 | 0x20 | 0x40 | 0x80, THROTTLE_POWER = 0x4 };

static void judge_gpu(const char *said, struct doctor_finding *f)
{
	char on[16];
	double limit_w = -1.0, preset_w = -1.0;
	unsigned throttled = 0;
	int index = 0, n = sscanf(said, "%d, %15[^,], %lf, %lf, %x", &index, on, &limit_w, &preset_w, &throttled);
	const char *end = strchr(said, '\n');

	if (n != 5 || !(limit_w > 0.0 && limit_w < 1e5) || !(preset_w > 0.0 && preset_w < 1e5))
		doctor_find(f, DOCTOR_UNKNOWN, NULL, "nvidia-smi says: %.*s", end ? (int)(end - said) : 100, said);
	else if (throttled & THROTTLE_BAD)
		doctor_find(f, DOCTOR_BAD, "look at its cooling and power supply: nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER",
				"GPU %d slows itself down (reasons 0x%x)", index, throttled);
	else if (strcmp(on, "Enabled") != 0)
		doctor_find(f, DOCTOR_WARNING, "as root: systemctl enable --now nvidia-persistenced, or nvidia-smi -pm 1",
				"GPU %d: persistence mode is %s, so its driver is unloaded and started again between programs", index, on);
	else if (limit_w < preset_w || throttled & THROTTLE_POWER)
		doctor_find(f, DOCTOR_WARNING, "as root: nvidia-smi -pl WATTS", "GPU %d: its power is limited to %.0f W (by default %.0f)%s", index, limit_w,
				preset_w, throttled & THROTTLE_POWER ? ", which slows it down now" : "");
	else
		doctor_find(f, DOCTOR_GOOD, NULL, "GPU %d: persistence mode on, %.0f W", index, limit_w);
}

void doctor_check_gpu(const struct doctor *d, struct doctor_finding *f)
{
	static const char ask[] = "nvidia-smi --query-gpu=index,persistence_mode,power.limit,power.default_limit,clocks_throttle_reasons.active "
			"--format=csv,noheader,nounits";
	bool wanted = d->config && d->config->policy_backend != 0;
	char said[4096];

	if (!root_exists(&d->root, "/proc/driver/nvidia/version"))
		doctor_find(f, wanted ? DOCTOR_BAD : DOCTOR_ABSENT, wanted ? "apt-get install nvidia-driver, and restart" : NULL, "no NVIDIA driver is loaded");
	else if (d->root.run(&d->root, ask, said, sizeof said) <= 0)
		doctor_find(f, DOCTOR_UNKNOWN, "apt-get install nvidia-smi", "nvidia-smi says nothing");
	else
		judge_gpu(said, f);
}
