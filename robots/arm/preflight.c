#include "robots/arm/preflight.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/sys/error.h"

/* Franka's communication test calls a setup that reaches less on average one where many packets get lost. */
static const double SUCCESS_AVG = 0.95;
/* Half of the 20 missing in a row that end a motion. */
static const uint64_t ROW_MAX = 9;
/* As many of the states may be missing as of the commands, and as libfranka's limits once were widened for. */
static const double MISSED_SHARE = 0.02;
/* Franka's documentation: the user's share of each millisecond. */
static const double ANSWER_P99_US = 300;

PRINTF_LIKE(5, 6)
static void add(struct preflight_verdict *v, const char *name, bool keeps, const char *remedy, const char *format, ...)
{
	struct preflight_finding *f = &v->finding[v->n];
	va_list arguments;

	if (v->n == PREFLIGHT_FINDINGS_MAX)
		return;
	*f = (struct preflight_finding){ .name = name, .keeps = keeps, .remedy = remedy };
	va_start(arguments, format);
	vsnprintf(f->found, sizeof f->found, format, arguments);
	va_end(arguments);
	v->n++;
	v->fit = v->fit && !keeps;
}

/* Limits are written so that NaN fails. */
static void judge_measured(const struct preflight_facts *f, struct preflight_verdict *v)
{
	uint64_t all = f->states + f->missed;
	double share = all > 0 ? (double)f->missed / (double)all : 0;

	if (!f->measured || all == 0)
		add(v, "not_measured", true, "see above what the arm says; mend that, then test again", "the motion did not run to the end");
	if (!(share <= MISSED_SHARE) || f->longest_row > ROW_MAX)
		add(v, "states_missed", true, "connect this machine and the robot's control box by one cable, without switch or adapter, and end what "
				"else runs here; `ping ROBOT -i 0.001 -c 10000 -s 1200 -q` (as root) shows whether it is the network: want "
				"less than 1 ms at most",
				"%llu of %llu states did not come, %llu in a row (want at most %g %% and %llu; 20 end a motion)",
				(unsigned long long)f->missed, (unsigned long long)all, (unsigned long long)f->longest_row, 100 * MISSED_SHARE,
				(unsigned long long)ROW_MAX);
	if (f->measured && !(f->success_avg >= SUCCESS_AVG))
		add(v, "commands_late", true, "mend what else is listed here first; then try another network card, or another machine",
				"%.3g of the commands came in time, %.3g at the least (want %g on average)", f->success_avg, f->success_min, SUCCESS_AVG);
	if (f->measured && !(f->answer_p99_us <= ANSWER_P99_US))
		add(v, "answers_slow", true, "end what else runs on this machine, or keep its last processor for the arm (of four: `isolcpus=3 "
				"irqaffinity=0-2` on the kernel's command line, and CPUAffinity=3 in the unit of dreamvla-arm)",
				"a command leaves %.0f us after its state at the 99th percentile (want at most %.0f us)", f->answer_p99_us, ANSWER_P99_US);
}

static void judge_rights(const struct preflight_facts *f, struct preflight_verdict *v)
{
	if (!f->realtime)
		add(v, "not_realtime", true, f->realtime_off ? "set control.realtime: prefer, or required" :
				"as root: `echo '@realtime - rtprio 98' >> /etc/security/limits.d/dreamvla.conf`, `groupadd -f realtime`, `usermod -aG realtime "
				"YOU`, log in again; the systemd unit has LimitRTPRIO=98 already",
				"the control thread is an ordinary one: %s", f->realtime_off ? "control.realtime is off" : "SCHED_FIFO is not permitted");
	if (!f->host.locks_memory)
		add(v, "memory_not_locked", true, "as root: `echo '@realtime - memlock unlimited' >> /etc/security/limits.d/dreamvla.conf`, log in again; "
				"the systemd unit has LimitMEMLOCK=infinity already", "memory cannot be locked, so that the loop may wait for a page");
	if (f->host.wireless)
		add(v, "wireless", true, "connect the robot's control box by a cable to a network card of this machine",
				"the way to the robot is %s, a wireless one", f->host.network);
}

static void judge_machine(const struct preflight_facts *f, struct preflight_verdict *v)
{
	if (f->host.governor[0])
		add(v, "governor", false, "as root: `cpupower frequency-set -g performance` (package linux-cpupower), and again after each start",
				"processors save power: the frequency governor is %s", f->host.governor);
	if (!f->host.realtime_kernel)
		add(v, "kernel", false, "as root: `apt-get install linux-image-rt-amd64`, then start that kernel",
				"the kernel is not a PREEMPT_RT one: it may take its time whatever the priority");
}

void preflight_judge(const struct preflight_facts *f, struct preflight_verdict *out)
{
	*out = (struct preflight_verdict){ .fit = true };
	judge_measured(f, out);
	judge_rights(f, out);
	judge_machine(f, out);
}
