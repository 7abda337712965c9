/* bench_profile.c - see bench_profile.h. */
#include "daemon/bench/bench_profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_cyclictest.h"
#include "daemon/bench/bench_frames.h"
#include "daemon/bench/bench_hogs.h"
#include "daemon/bench/bench_look.h"
#include "daemon/bench/bench_recording.h"
#include "daemon/bench/bench_report.h"
#include "daemon/bench/bench_session.h"
#include "daemon/sys/clock.h"

enum { READY_MS = 120000, ATTACH_MS = 5000, WAKE_MS = 120000, AUTO_MS = 60000, STEP_MS = 200, CYCLICTEST_MS = 10000, LONGER_S = 60, NOTE_BYTES = 256, EXIT_USAGE = 2 };

struct profile {
	const struct bench_options *options;
	const char *folder;
	struct session *session;
	struct frames *frames;
	struct hogs hogs;
	bool cyclictest_runs;
	char recording[MESSAGE_TEXT_BYTES]; /* of another's dreamvlad */
	int64_t from_ns, until_ns;    /* of what is looked at */
	uint32_t looks, looks_in_auto;
	struct bench_trace trace;
};

PRINTF_LIKE(3, 4) static void note(struct profile *p, const char *name, const char *format, ...)
{
	char text[NOTE_BYTES];
	va_list a;

	va_start(a, format);
	vsnprintf(text, sizeof text, format, a);
	va_end(a);
	trace_set_note(&p->trace, name, text);
}

/* ---- faults and what runs beside ------------------------------------------------------------------------------------------ */

static int divert_frames(struct profile *p, struct errbuf *e)
{
	const struct bench_options *o = p->options;
	const struct frames_options f = { .from = p->session->cameras, .to = p->session->config.sockets_cameras,
		.curve_secret = p->session->config.sockets_curve_secret, .drop_share = o->drop_percent / 100, .delay_ns = (int64_t)(o->delay_ms * 1e6),
		.zmq = p->session->zmq };

	return *p->session->cameras ? frames_start(&p->frames, &f, e) : 0;
}

/* Of a recording: one process for each camera, which begins once it is heard. */
static int play_frames(struct profile *p, struct errbuf *e)
{
	const struct config *c = &p->session->config;
	const char *to = *p->session->cameras ? p->session->cameras : c->sockets_cameras;
	int rc = 0;

	for (uint32_t i = 0; p->options->frames && rc == 0 && i < c->n_cameras; i++) {
		const char *const arguments[] = { "--config", p->options->config, "--camera", c->camera[i].name, "--recording", p->options->frames, "--loop",
			"--cameras", to, NULL };

		rc = process_start(&p->session->group, &(struct process_options){ .programs = p->options->programs, .name = "dreamvla-camera",
				.arguments = arguments }, e);
	}
	if (p->options->frames)
		note(p, "pictures", "of the recording %.200s", p->options->frames);
	return rc;
}

/* As often as control, where and as urgently as it: the floor of what this machine's timers can do. */
static void begin_cyclictest(struct profile *p)
{
	struct process *d = process_find(&p->session->group, "dreamvlad");
	struct thread_scheduling like = d ? process_thread_scheduling(d->pid, "control") : (struct thread_scheduling){ .cpu = -1 };
	struct errbuf why = { 0 };
	int rc = cyclictest_start(&p->session->group, &like, NS_PER_S / p->session->config.control_rate_hz, &why);

	p->cyclictest_runs = rc == 0;
	if (rc < 0)
		note(p, "cyclictest", "%.200s", why.text);
}

static void end_cyclictest(struct profile *p)
{
	struct percentiles c;
	struct errbuf why = { 0 };

	if (!p->cyclictest_runs)
		return;
	p->cyclictest_runs = false;
	if (cyclictest_finish(&p->session->group, CYCLICTEST_MS, &c, &why) < 0)
		note(p, "cyclictest", "%.200s", why.text);
	else
		p->trace.cyclictest = c;
}

static void note_faults(struct profile *p)
{
	const struct bench_options *o = p->options;

	note(p, "faults", "policy %u ms longer, %.3g %% of the frames dropped, frames up to %.3g ms late, %u processor hogs", o->policy_latency_ms,
			o->drop_percent, o->delay_ms, o->hogs);
}

/* ---- the run -------------------------------------------------------------------------------------------------------------- */

static int bring_into_auto(struct profile *p, struct errbuf *e)
{
	struct session *s = p->session;
	int rc = session_wait_ready(s, READY_MS, e);

	if (rc == 0 && bench_robot_is_piper(s->robot))
		rc = session_wake_arms(s, WAKE_MS, e);
	return rc < 0 ? rc : session_enter_auto(s, p->options->instruction, AUTO_MS, e);
}

static void look(struct profile *p)
{
	const struct message_status *m = &p->session->status;
	char what[2 * NAME_BYTES + MESSAGE_TEXT_BYTES];

	snprintf(what, sizeof what, "%s %s", m->mode, strcmp(m->mode, "AUTO") == 0 ? "" : m->reason);
	p->looks++;
	p->looks_in_auto += strcmp(m->mode, "AUTO") == 0;
	bench_show_progress(what, (double)(clock_monotonic_ns() - p->from_ns) / (p->options->seconds * 1e9));
}

static int let_it_run(struct profile *p, struct errbuf *e)
{
	int64_t until_ns;
	int rc = hogs_start(&p->hogs, p->options->hogs, (uint32_t)p->options->seconds + LONGER_S, e);

	begin_cyclictest(p);
	p->from_ns = clock_monotonic_ns();
	until_ns = p->from_ns + (int64_t)(p->options->seconds * 1e9);
	while (rc >= 0 && clock_monotonic_ns() < until_ns) {
		rc = session_step(p->session, STEP_MS, e);
		look(p);
	}
	p->until_ns = clock_monotonic_ns();
	hogs_stop(&p->hogs);
	end_cyclictest(p);
	return rc < 0 ? rc : 0;
}

/* A dreamvlad that somebody else has started, whatever it does. */
static int measure_other(struct profile *p, struct errbuf *e)
{
	const struct session_options so = { .config = p->options->config, .robot = p->options->robot, .attach = true };
	struct errbuf why = { 0 };
	int rc = session_start(&p->session, &so, e);

	if (rc < 0 || (rc = session_wait_ready(p->session, ATTACH_MS, e)) < 0 || (rc = session_record(p->session, "start", e)) < 0)
		return rc;
	rc = let_it_run(p, e);
	snprintf(p->recording, sizeof p->recording, "%s", p->session->status.record_file);
	if (session_record(p->session, "stop", &why) < 0)
		return rc < 0 ? rc : fail(e, -EPROTO, "%s", why.text);
	char *part = strstr(p->recording, ".mcap.part"); /* its name is without .part from now on */

	if (part)
		part[strlen(".mcap")] = 0;
	return rc;
}

static int measure(struct profile *p, struct errbuf *e)
{
	const struct bench_options *o = p->options;
	const struct session_options so = { .programs = o->programs, .config = o->config, .robot = o->robot, .record = p->folder,
		.policy_latency_ms = (int)o->policy_latency_ms, .no_sim_cameras = o->frames, .divert_cameras = o->drop_percent > 0 || o->delay_ms > 0 };
	int rc = session_start(&p->session, &so, e);

	if (rc == 0 && (rc = divert_frames(p, e)) == 0 && (rc = play_frames(p, e)) == 0 && (rc = bring_into_auto(p, e)) == 0)
		rc = let_it_run(p, e);
	return rc;
}

/* ---- the report ------------------------------------------------------------------------------------------------------------ */

static void keep_config(struct profile *p)
{
	size_t n;
	FILE *f = open_memstream(&p->trace.config, &n);

	if (f && config_print(&p->session->config, f) < 0)
		fprintf(f, "# not all of it\n");
	if (f)
		fclose(f);
}

/* Of the time that was looked at, or of all there is when it came to nothing else. */
static int report(struct profile *p, struct errbuf *e)
{
	char path[PROCESS_PATH_BYTES];
	int rc = *p->recording ? 0 : session_find_recording(p->folder, path, sizeof path, e);

	if (rc < 0)
		return rc;
	rc = recording_read(&p->trace, &(struct recording_options){ .path = *p->recording ? p->recording : path, .from_ns = p->from_ns, .until_ns = p->until_ns }, e);
	if (rc == 0) {
		bench_note_host(&p->trace);
		note(p, "title", "dreamvla-bench run: %.100s", p->options->instruction);
		if (!p->options->attach)
			note(p, "driver", "%s", bench_robot_driver(p->options->robot));
		note_faults(p);
		rc = report_write(p->folder, &p->trace, e);
	}
	return rc;
}

static int end(struct profile *p, bool failed)
{
	struct frames_counters f = frames_stop(p->frames);
	struct errbuf why = { 0 };

	hogs_stop(&p->hogs);
	if (p->frames)
		note(p, "frames of the cameras", "%llu passed on, %llu dropped", (unsigned long long)f.passed, (unsigned long long)f.dropped);
	if (p->session)
		keep_config(p);
	int bad = session_stop(p->session, failed, &why);

	if (bad > 0)
		fprintf(stderr, "dreamvla-bench run: %s\n", why.text);
	return bad;
}

/* With faults it may be what one wants to see; it must not be overlooked. */
static void say_how_much(const struct profile *p)
{
	if (p->looks_in_auto < p->looks)
		fprintf(stderr, "dreamvla-bench run: in AUTO for %.0f %% of the time only; the report says why (Modes)\n",
				100.0 * p->looks_in_auto / p->looks);
}

static int run(struct profile *p)
{
	struct errbuf e = { 0 }, why = { 0 };
	int rc = p->options->attach ? measure_other(p, &e) : measure(p, &e), bad = end(p, rc < 0 && rc != -EINTR), made = report(p, &why);

	if (rc < 0)
		fprintf(stderr, "dreamvla-bench run: %s\n", e.text);
	/* What has not even begun leaves no folder. */
	if (made == -ENOENT && rc < 0 && rmdir(p->folder) == 0)
		return EXIT_FAILURE;
	if (made < 0)
		fprintf(stderr, "dreamvla-bench run: no report: %s\n", why.text);
	else
		printf("%s/report.html\n", p->folder);
	say_how_much(p);
	return rc == 0 && bad == 0 && made == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int bench_profile(const struct bench_options *o)
{
	struct profile p = { .options = o };
	struct errbuf e = { 0 };

	if (o->n_arguments != 1) {
		fprintf(stderr, "dreamvla-bench run: want a new folder for the report; see dreamvla-bench --help\n");
		return EXIT_USAGE;
	}
	if (o->attach && (o->frames || o->policy_latency_ms > 0 || o->drop_percent > 0 || o->delay_ms > 0)) {
		fprintf(stderr, "dreamvla-bench run: --attach takes dreamvlad as it is: only --hogs can be added from outside\n");
		return EXIT_USAGE;
	}
	if (o->frames && access(o->frames, R_OK) < 0) {
		fprintf(stderr, "dreamvla-bench run: --frames: %s: %s; want a recording with pictures (record.cameras)\n", o->frames, strerror(errno));
		return EXIT_USAGE;
	}
	if (report_make_folder(o->argument[0], &e) < 0) {
		fprintf(stderr, "dreamvla-bench run: %s\n", e.text);
		return EXIT_FAILURE;
	}
	char *folder = realpath(o->argument[0], NULL);

	p.folder = folder ? folder : o->argument[0];
	session_hold_signals();
	int status = run(&p);

	trace_free(&p.trace);
	free(folder);
	return status;
}
