/* bench_show.c - see bench_show.h. */
#include "daemon/bench/bench_show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_course.h"
#include "daemon/bench/bench_film.h"
#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_session.h"

enum { READY_MS = 120000 };

struct show {
	const struct bench_options *options;
	struct process_group files;  /* none runs in it: the recording's folder */
	struct course course;
	struct demo_numbers numbers;
	struct demo_verdicts verdicts;
};

/* Before anything starts, so that the cure stands in the first line. */
static int check_policy(const struct bench_options *o, struct errbuf *e)
{
	static struct config c; /* large for a stack */
	char path[sizeof c.policy_model + 16];
	int rc = 0;

	config_defaults(&c);
	if (bench_robot_is_piper(o->robot))
		return fail(e, -EINVAL, "--robot: the demo policy is a Franka's: want sim or franka-fci; dreamvla-bench demo drives a PiPER");
	if ((rc = config_read(&c, o->config, e)) < 0)
		return rc;
	snprintf(path, sizeof path, "%s/config.json", c.policy_model);
	if (access(path, R_OK) < 0)
		return fail(e, -ENOENT, "%s: policy.model: no checkpoint in %s: %s. `make train-demo` makes one (policy/train/README.md, hours); "
				"`dreamvla-bench demo` runs without one", o->config, c.policy_model, strerror(errno));
	return 0;
}

/* From the first program to the last number. */
static int run_show(struct show *w, struct session *s, struct errbuf *e)
{
	int rc = session_wait_ready(s, READY_MS, e);

	if (rc == 0)
		rc = course_run(&w->course, s, w->options->json ? stderr : stdout, e);
	course_numbers(&w->course, &w->numbers);
	return rc < 0 ? rc : session_record(s, "stop", e);
}

static void name_film(const struct bench_options *o, char *out, size_t capacity)
{
	if (o->film)
		snprintf(out, capacity, "%s", o->film);
	else
		snprintf(out, capacity, "%s/demo.html", o->programs ? o->programs : ".");
}

static int make_film(const struct show *w, struct errbuf *e)
{
	char recording[PROCESS_PATH_BYTES * 2], path[PROCESS_PATH_BYTES];
	int rc = session_find_recording(w->files.folder, recording, sizeof recording, e);

	name_film(w->options, path, sizeof path);
	if (rc == 0)
		rc = film_make(&(struct film_options){ recording, path, "Dream-VLA on the simulated bench" }, e);
	if (rc == 0)
		fprintf(w->options->json ? stderr : stdout, "the film: %s (open it in a browser)\n", path);
	return rc;
}

static void print_result(const struct show *w)
{
	json_t *j = w->options->json ? demo_json(&w->numbers, &w->verdicts) : NULL;

	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	else
		demo_print(stdout, &w->numbers, &w->verdicts);
	json_decref(j);
	fflush(stdout);
}

/* A film is made of what there is, also of a course that was broken off. */
static int run_and_tell(struct show *w, struct session *s, struct errbuf *e)
{
	struct errbuf stop = { 0 };
	int rc = run_show(w, s, e);

	if (w->numbers.seconds > 0)
		demo_judge(&w->numbers, &w->verdicts);
	int bad = session_stop(s, (rc < 0 && rc != -EINTR) || w->verdicts.failed > 0, &stop);

	if (w->numbers.seconds > 0)
		print_result(w);
	if (w->numbers.seconds > 0 && rc != -EINTR)
		rc = make_film(w, rc < 0 ? &stop : e) < 0 && rc == 0 ? -EIO : rc;
	if (bad > 0)
		fprintf(stderr, "dreamvla-bench: %s\n", stop.text);
	return rc < 0 || bad == 0 ? rc : fail(e, -EPROTO, "%s", stop.text);
}

int bench_show(const struct bench_options *o)
{
	static struct show w; /* large for a stack */
	struct session *s = NULL;
	struct errbuf e = { 0 };
	int rc = check_policy(o, &e);

	w.options = o;
	session_hold_signals();
	if (rc == 0 && (rc = process_group_init(&w.files, &e)) == 0) {
		rc = session_start(&s, &(struct session_options){ .programs = o->programs, .config = o->config, .robot = o->robot, .task = true,
				.seed = (uint64_t)o->seed, .record = w.files.folder, .record_cameras = true }, &e);
		if (rc == 0)
			rc = run_and_tell(&w, s, &e);
		process_group_remove_files(&w.files);
	}
	if (rc < 0)
		fprintf(stderr, "dreamvla-bench: %s\n", e.text);
	return rc == 0 && w.verdicts.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
