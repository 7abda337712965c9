/* main.c - dreamvlad: arguments, the list of what is started (and stopped in reverse), signals, the service manager.
 *
 * Exit codes: 0 a controlled stop was asked for and done; 1 configuration or start error; 2 wrong arguments; 3 the controlled
 * stop was cut short by a second signal or took too long; 4 the GPU was lost to this process, which made a controlled stop: a new one
 * may find it again. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/record/record_metadata.h"
#include "daemon/replay.h"
#include "daemon/runtime.h"
#include "daemon/service.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "daemon/sys/options.h"
#include "daemon/version.h"

#define STANDING_PATIENCE_NS (2 * NS_PER_S)
#define DETACH_PATIENCE_NS NS_PER_S
#define POLICY_PATIENCE_NS NS_PER_S
#define AUX_PATIENCE_NS (5 * NS_PER_S) /* all of them together are within systemd's TimeoutStopSec */
#define MAIN_PERIOD_NS (50 * NS_PER_MS)

enum exit_code { EXIT_STOPPED = 0, EXIT_START = 1, EXIT_USAGE = 2, EXIT_CUT_SHORT = 3, EXIT_GPU_LOST = 4 };

static const char help[] =
	"usage: dreamvlad --config FILE [--check | --print-config]\n"
	"       dreamvlad --replay RECORDING [--config FILE | [--model DIR] [--heads DIR]] [--replay-speed real|fast] [--replay-out FILE] [--json]\n"
	"\n"
	"  --config FILE    configuration (YAML)\n"
	"  --check          read it, load the checkpoint, infer once from blank pictures, and exit; binds and moves nothing\n"
	"  --print-config   print the effective configuration with every key explained, and exit\n"
	"  --replay FILE    a recording through policy, control and safety again; every target is compared with the recorded one; opens no\n"
	"                   socket and can reach no arm\n"
	"                   without --config the configuration is the recorded one\n"
	"  --model DIR, --heads DIR   with --replay and without --config: the checkpoint, or its head files, if not where they were\n"
	"  --replay-out FILE  every target of the replay as a line of JSON; the file must not exist\n"
	"  --replay-speed real|fast   at the speed of then, or as fast as it goes (default)\n"
	"  --json           the result of --replay as one line of JSON\n"
	"  --version, --help\n"
	"\n"
	"exit codes: 0 stopped in a controlled way, 1 configuration or start error, 2 wrong arguments,\n"
	"            3 the controlled stop was cut short, 4 the GPU was lost, controlled stop: start it again\n"
	"            --replay: 0 all targets and chunks are bit-identical, 1 they differ, 2 the recording cannot be used,\n"
	"            3 what could be judged is identical, but the recording is cut or has gaps\n";

struct arguments {
	const char *config, *model, *heads, *speed;
	bool check, print_config, help, version;
	struct replay_options replay;
};

/* ---- signals ---- */

static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

/* Waits at most wait_ns; true when SIGTERM or SIGINT came. */
static bool signal_came(int64_t wait_ns)
{
	struct timespec wait = { .tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S };
	sigset_t set;

	stop_signals(&set);
	return sigtimedwait(&set, NULL, &wait) > 0;
}

static bool interrupted(void)
{
	return signal_came(0);
}

/* ---- start list, walked backwards to stop ---- */

/* Requests are answered and arms held before the policy is loaded, which may take minutes. */
static const struct part {
	const char *name;
	bool in_check; /* also part of --check */
	int (*start)(struct runtime *r, struct errbuf *e);
	void (*stop)(struct runtime *r);
} parts[] = {
	{ "aux", false, runtime_start_aux, runtime_stop_aux }, /* first: see stop_parts */
	{ "sockets", false, runtime_start_sockets, runtime_stop_sockets },
	{ "io", false, runtime_start_io, runtime_stop_io },
	{ "control", false, runtime_start_control, runtime_stop_control },
	{ "policy", true, runtime_start_policy, runtime_stop_policy },
};

enum { PARTS = sizeof parts / sizeof *parts };

/* 0, or the error of the part that failed, which the log has named; -EINTR: a signal came while the policy was loading. */
static int start_parts(struct runtime *r, bool check)
{
	struct errbuf e;

	for (size_t i = 0; i < PARTS; i++) {
		int rc = parts[i].in_check || !check ? parts[i].start(r, &e) : 0;

		if (rc == -EINTR)
			log_line(LOG_LEVEL_INFO, "start: ended by a signal");
		else if (rc < 0)
			log_line(LOG_LEVEL_ERROR, "%s: %s: %s", check ? "check" : "start", parts[i].name, e.text);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The recorder, who waits for a disk: false if it has not ended. */
static bool end_aux(struct runtime *r)
{
	bool ended = runtime_end_aux(r, AUX_PATIENCE_NS);

	if (!ended)
		log_line(LOG_LEVEL_WARNING, "stop: the recorder is still at work after %d s, the disk is slow or hangs; leaving without it, the "
				"recording ends early and keeps its name in .part", (int)(AUX_PATIENCE_NS / NS_PER_S));
	return ended;
}

static _Noreturn void leave(enum exit_code code)
{
	log_stop();
	_exit((int)code);
}

/* Every part copes with not having been started. If the policy or the recorder is still at work (they cannot be cut short) the process
 * ends here: nothing that they use may be freed. */
static void stop_parts(struct runtime *r, enum exit_code code)
{
	if (!runtime_end_policy(r, POLICY_PATIENCE_NS)) {
		log_line(LOG_LEVEL_WARNING, "stop: the policy is still at work after %d s; leaving without it",
				(int)(POLICY_PATIENCE_NS / NS_PER_S));
		(void)end_aux(r);
		leave(code);
	}
	for (size_t n = PARTS; n-- > 1;)
		parts[n].stop(r);
	if (!end_aux(r)) /* behind those who write on its tapes */
		leave(code);
	parts[0].stop(r);
}

/* ---- running ---- */

static void feed(const struct runtime *r, struct watchdog *w)
{
	uint64_t ticks = atomic_load_explicit(&r->stats->ticks, memory_order_relaxed);

	if (watchdog_due(w, ticks, clock_monotonic_ns()))
		service_alive();
}

/* Until a signal comes, or the policy is gone. */
static void run(struct runtime *r, struct watchdog *w)
{
	int64_t period_ns = w->period_ns > 0 && w->period_ns / 2 < MAIN_PERIOD_NS ? w->period_ns / 2 : MAIN_PERIOD_NS;

	while (!runtime_policy_gone(r)) {
		if (signal_came(period_ns)) {
			log_line(LOG_LEVEL_INFO, "stop: asked for by a signal");
			return;
		}
		feed(r, w);
	}
	log_line(LOG_LEVEL_ERROR, "stop: the GPU is lost to this process: controlled stop, exit code %d; systemd starts it again", EXIT_GPU_LOST);
}

/* What the process answers after a stop that was controlled, or not. */
static enum exit_code code_of(const struct runtime *r, int start_rc, bool controlled)
{
	if (start_rc == -ENODEV || (controlled && runtime_policy_gone(r)))
		return EXIT_GPU_LOST;
	if (start_rc < 0 && start_rc != -EINTR)
		return EXIT_START;
	return controlled ? EXIT_STOPPED : EXIT_CUT_SHORT;
}

/* False: a second signal came, or the patience ran out. */
static bool wait_for_phase(struct runtime *r, struct watchdog *w, enum io_phase phase, int64_t patience_ns)
{
	int64_t until_ns = clock_monotonic_ns() + patience_ns;

	while (io_phase_reached(r->io) != phase) {
		if (clock_monotonic_ns() > until_ns || signal_came(5 * NS_PER_MS))
			return false;
		feed(r, w);
	}
	return true;
}

/* Brakes every arm along its path, then lets go of them. The control thread ends in between: it has nothing to say to an arm
 * that was let go on purpose. */
static bool stop_arms(struct runtime *r, struct watchdog *w)
{
	bool stood, let_go;

	io_ask_phase(r->io, IO_STOPPING);
	stood = wait_for_phase(r, w, IO_STANDING, STANDING_PATIENCE_NS);
	if (!stood)
		log_line(LOG_LEVEL_ERROR, "stop: not every arm came to a stand in time");
	runtime_stop_control(r);
	io_ask_phase(r->io, IO_DETACHING);
	let_go = wait_for_phase(r, w, IO_DETACHED, DETACH_PATIENCE_NS);
	return stood && let_go;
}

static int serve(struct runtime *r)
{
	int rc = start_parts(r, false);
	struct watchdog watchdog;

	watchdog_init(&watchdog);
	if (rc == 0) {
		service_ready("running");
		log_line(LOG_LEVEL_INFO, "ready: control requests at %s", r->config.sockets_control);
		run(r, &watchdog);
	}
	service_stopping("controlled stop");
	bool controlled = !r->control || stop_arms(r, &watchdog);
	enum exit_code code = code_of(r, rc, controlled);

	log_line(LOG_LEVEL_INFO, controlled ? "stopped" : "stopped, but not in a controlled way");
	stop_parts(r, code);
	return (int)code;
}

/* Right, and perhaps not what was meant. */
static void name_unused_cameras(const struct config *c)
{
	for (uint32_t i = 0; i < c->n_cameras; i++) {
		bool used = false;

		for (uint32_t k = 0; k < c->policy_cameras.n; k++)
			used = used || strcmp(c->policy_cameras.name[k], c->camera[i].name) == 0;
		if (!used)
			log_line(LOG_LEVEL_WARNING, "check: cameras.%s: the policy gets no picture of it; policy.cameras does not name it",
					c->camera[i].name);
	}
}

static int check(struct runtime *r)
{
	int rc = start_parts(r, true);
	enum exit_code code = rc == 0 || rc == -EINTR ? EXIT_STOPPED : EXIT_START;

	stop_parts(r, code);
	if (rc == 0) {
		name_unused_cameras(&r->config);
		log_line(LOG_LEVEL_INFO, "check: %s: configuration and checkpoint fit together", r->config.path);
	}
	return (int)code;
}

/* With --replay, 1 says that targets differ. */
static int start_error(const struct arguments *a)
{
	return a->replay.path ? (int)REPLAY_UNUSABLE : (int)EXIT_START;
}

static int with_runtime(struct runtime *r, const struct arguments *a)
{
	struct errbuf e;
	int code = start_error(a);

	if (log_set_level(r->config.log_level, &e) < 0 || log_start(&e) < 0) {
		fprintf(stderr, "dreamvlad: %s\n", e.text);
		return code;
	}
	if (runtime_init(r, &e) < 0)
		log_line(LOG_LEVEL_ERROR, "start: %s: %s", r->config.path, e.text);
	else
		code = a->replay.path ? (int)replay_run(r, &a->replay) : a->check ? check(r) : serve(r);
	runtime_finish(r);
	log_stop();
	return code;
}

/* ---- arguments ---- */

static int take_speed(const char *text, void *at, struct errbuf *e)
{
	*(const char **)at = text;
	return strcmp(text, "real") == 0 || strcmp(text, "fast") == 0 ? 0 : fail(e, -EINVAL, "--replay-speed %s: want real or fast", text);
}

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "config", OPTION_TEXT, AT(config) },
	{ "check", OPTION_FLAG, AT(check) },
	{ "print-config", OPTION_FLAG, AT(print_config) },
	{ "replay", OPTION_TEXT, AT(replay.path) },
	{ "replay-out", OPTION_TEXT, AT(replay.out) },
	{ "replay-speed", OPTION_BY_HAND, AT(speed), .take = take_speed },
	{ "model", OPTION_TEXT, AT(model) },
	{ "heads", OPTION_TEXT, AT(heads) },
	{ "json", OPTION_FLAG, AT(replay.json) },
	{ "help", OPTION_FLAG, AT(help) },
	{ "version", OPTION_FLAG, AT(version) },
};

/* Options that are each right. */
static int check_arguments(const struct arguments *a, struct errbuf *e)
{
	if (!a->replay.path && (a->speed || a->replay.json || a->replay.out || a->model || a->heads))
		return fail(e, -EINVAL, "--replay-speed, --replay-out, --model, --heads and --json go with --replay FILE");
	if (a->replay.path && a->check)
		return fail(e, -EINVAL, "--check and --replay exclude each other: a replay checks what it needs");
	if (a->print_config && a->check)
		return fail(e, -EINVAL, "--print-config prints and does nothing else: leave out --check");
	if ((a->model || a->heads) && a->config)
		return fail(e, -EINVAL, "--model and --heads go with the recorded configuration: with --config, policy.model and policy.heads say it");
	if (!a->config && !a->replay.path && !a->print_config)
		return fail(e, -EINVAL, "--config FILE is missing; dreamvlad --help lists the options");
	return 0;
}

static int read_arguments(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	uint64_t seen;
	int rc = options_take(ROWS, sizeof ROWS / sizeof *ROWS, "dreamvlad", argc, argv, a, &seen, e);

	if (rc < 0 || a->help || a->version)
		return rc;
	a->replay.real = a->speed && strcmp(a->speed, "real") == 0;
	return check_arguments(a, e);
}

/* Monotonic time and real-time scheduling are what everything here is built on. */
static bool platform_fits(void)
{
	struct timespec resolution;

	return sysconf(_SC_MONOTONIC_CLOCK) > 0 && clock_getres(CLOCK_MONOTONIC, &resolution) == 0
			&& resolution.tv_sec == 0 && resolution.tv_nsec <= NS_PER_MS;
}

static int print_config(struct runtime *r)
{
	if (config_print(&r->config, stdout) == 0 && fflush(stdout) == 0)
		return EXIT_STOPPED;
	fprintf(stderr, "dreamvlad: cannot write the configuration to standard output\n");
	return EXIT_START;
}

static int read_config(struct config *c, const struct arguments *a, struct errbuf *e)
{
	if (a->config)
		return config_read(c, a->config, e);
	return a->replay.path ? record_metadata_config(c, a->replay.path, a->model, a->heads, e) : 0;
}

int main(int argc, char **argv)
{
	static struct runtime runtime; /* too large for a stack */
	struct arguments a = { 0 };
	struct errbuf e;
	sigset_t set;

	if (read_arguments(&a, argc, argv, &e) < 0) {
		fprintf(stderr, "dreamvlad: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (a.help || a.version) {
		fputs(a.help ? help : "dreamvlad " DREAMVLAD_VERSION "\n", stdout);
		return EXIT_STOPPED;
	}
	if (!platform_fits()) {
		fprintf(stderr, "dreamvlad: this machine has no monotonic clock with a resolution of 1 ms or better\n");
		return EXIT_START;
	}
	config_defaults(&runtime.config);
	if (read_config(&runtime.config, &a, &e) < 0) {
		fprintf(stderr, "dreamvlad: %s\n", e.text);
		return start_error(&a);
	}
	if (a.print_config)
		return print_config(&runtime);
	runtime.interrupted = interrupted;
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow (LimitFSIZE) ends a recording, not dreamvlad */
	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: all inherit it, main alone waits for them */
	return with_runtime(&runtime, &a);
}
