/* bench_session.c - see bench_session.h. */
#include "daemon/bench/bench_session.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "daemon/bench/bench_arm.h"
#include "daemon/bench/bench_place.h"
#include "daemon/sys/clock.h"
#include "transport/client.h"
#include "transport/message/request.h"

enum { ASK_MS = 1000, RETRY_MS = 500, STOP_MS = 8000, REPLY_BYTES = 32768, ADDRESS_BYTES = SESSION_ADDRESS_BYTES };

/* ---- starting ------------------------------------------------------------------------------------------------- */

static void signals_held(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

void session_hold_signals(void)
{
	sigset_t set;

	signals_held(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A file or socket of this session. */
static void name_in_folder(const struct session *s, const char *before, const char *name, char out[ADDRESS_BYTES])
{
	snprintf(out, ADDRESS_BYTES, "%s%s/%s", before, s->group.folder, name);
}

/* The configuration with the robots' addresses in it, as a file of this session. */
static int write_config(const struct config *c, const char *path, struct errbuf *e)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	int rc = config_print(c, f);

	return fclose(f) == 0 && rc == 0 ? 0 : fail(e, -EIO, "%s: cannot be written", path);
}

/* The simulated cameras' publisher is told another address than dreamvlad. */
static int write_sim_config(struct session *s, struct errbuf *e)
{
	struct config c = s->config;

	name_in_folder(s, "ipc://", "cameras", s->cameras);
	if ((size_t)snprintf(c.sockets_cameras, sizeof c.sockets_cameras, "%s", s->cameras) >= sizeof c.sockets_cameras)
		return fail(e, -ENAMETOOLONG, "%s: the path is too long for a socket; set TMPDIR to a shorter one", s->cameras);
	name_in_folder(s, "", "sim.yaml", s->sim_config);
	return write_config(&c, s->sim_config, e);
}

/* Where the session wants something else than the file says, a configuration of its own. */
static int adapt_config(struct session *s, const struct session_options *o, char config[ADDRESS_BYTES], struct errbuf *e)
{
	int rc = place_robots(&s->config, s->robot, e);

	if (rc < 0)
		return rc;
	if (o->record) {
		if ((size_t)snprintf(s->config.record_dir, sizeof s->config.record_dir, "%s", o->record) >= sizeof s->config.record_dir)
			return fail(e, -ENAMETOOLONG, "%.200s...: the path is too long for record.dir", o->record);
		s->config.record_at_start = true;
		s->config.record_cameras = o->record_cameras;
	}
	if (o->policy_latency_ms > 0)
		s->config.policy_extra_latency_ms = o->policy_latency_ms;
	if (o->divert_cameras && (rc = write_sim_config(s, e)) < 0)
		return rc;
	if (s->robot == BENCH_ROBOT_SIM && !o->record && o->policy_latency_ms == 0)
		return 0;
	name_in_folder(s, "", "config.yaml", config);
	return write_config(&s->config, config, e);
}

/* A file or socket of this session that each arm has one of. */
static void name_of_arm(const struct session *s, const char *name, uint32_t i, char out[ADDRESS_BYTES])
{
	char own[32];

	snprintf(own, sizeof own, "%s-%u", name, i);
	name_in_folder(s, "ipc://", own, out);
}

void session_judge_address(const struct session *s, char out[SESSION_ADDRESS_BYTES])
{
	name_in_folder(s, "ipc://", "judge", out);
}

/* Of several worlds each has the cameras that are called after its arm; where none is, the first has them all. */
static void choose_cameras(const struct session *s, const struct session_options *o, uint32_t i, char prefix[ADDRESS_BYTES], const char *choice[2])
{
	const struct config *c = &s->config;
	bool own = false, none = i > 0 || o->no_sim_cameras;

	snprintf(prefix, ADDRESS_BYTES, "%s_", c->robot[i].name);
	for (uint32_t k = 0; k < c->n_cameras; k++)
		own = own || (!o->no_sim_cameras && strncmp(c->camera[k].name, prefix, strlen(prefix)) == 0);
	choice[0] = c->n_robots > 1 && own ? "--camera-prefix" : none ? "--no-cameras" : NULL;
	choice[1] = c->n_robots > 1 && own ? prefix : NULL;
}

/* More of dreamvla-sim's command line, ended by NULL, and the texts in it. */
struct sim_choice {
	const char *list[8];
	char prefix[ADDRESS_BYTES], judge[ADDRESS_BYTES], seed[24], size[24];
};

/* A world for tasks, whose pictures are drawn as large as the policy wants them: nothing is resized, as in its training. */
static void choose_task(const struct session *s, const struct session_options *o, struct sim_choice *c)
{
	const struct config_camera *camera = &s->config.camera[0];

	session_judge_address(s, c->judge);
	snprintf(c->seed, sizeof c->seed, "%llu", (unsigned long long)o->seed);
	snprintf(c->size, sizeof c->size, "%dx%d", (int)camera->resize_width, (int)camera->resize_height);
	const char *const list[] = { "--task", "--judge", c->judge, "--seed", c->seed, "--size", c->size, NULL };

	memcpy(c->list, list, sizeof list);
}

static int start_sim(struct session *s, const struct session_options *o, const char *config, uint32_t i, struct errbuf *e)
{
	const struct config_robot *r = &s->config.robot[i];
	const char *kind = s->robot == BENCH_ROBOT_FRANKA_FCI ? "--franka" : bench_robot_is_piper(s->robot) ? "--piper" : NULL;
	const char *arguments[PROCESS_ARGUMENTS_MAX] = { "--config", *s->sim_config ? s->sim_config : config, "--model", r->model, "--faults" };
	char faults[ADDRESS_BYTES], world[ADDRESS_BYTES];
	struct sim_choice c = { 0 };
	uint32_t n = 5;

	name_of_arm(s, "faults", i, faults);
	name_of_arm(s, "world", i, world);
	arguments[n++] = faults;
	arguments[n++] = kind ? kind : "--world";
	arguments[n++] = kind ? r->address : world;
	if (o->task)
		choose_task(s, o, &c);
	else
		choose_cameras(s, o, i, c.prefix, c.list);
	memcpy(&arguments[n], c.list, sizeof c.list);
	return process_start(&s->group, &(struct process_options){ .programs = o->programs, .name = "dreamvla-sim", .arguments = arguments }, e);
}

static int start_arm(struct session *s, const struct session_options *o, const char *config, uint32_t i, struct errbuf *e)
{
	char world[ADDRESS_BYTES];

	name_of_arm(s, "world", i, world);
	const char *const arguments[] = { "--driver", bench_robot_driver(s->robot), "--arm", s->config.robot[i].name, "--config", config,
		"--world", world, NULL };

	return process_start(&s->group, &(struct process_options){ .programs = o->programs, .name = "dreamvla-arm", .arguments = arguments }, e);
}

static int start_programs(struct session *s, const struct session_options *o, const char *config, struct errbuf *e)
{
	char preload[PROCESS_PATH_BYTES + 16], file[PROCESS_PATH_BYTES + 64];
	const char *const counting[] = { preload, file, NULL };
	struct process_options p = { .programs = o->programs, .name = "dreamvlad" };
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->config.n_robots; i++)
		if ((rc = start_sim(s, o, config, i, e)) == 0)
			rc = start_arm(s, o, config, i, e);
	if (rc < 0)
		return rc;
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", o->count_malloc ? o->count_malloc : "");
	snprintf(file, sizeof file, "COUNT_MALLOC_FILE=%s/allocations", s->group.folder);
	p.arguments = (const char *const[]){ "--config", config, NULL };
	p.environment = o->count_malloc ? counting : NULL;
	return process_start(&s->group, &p, e);
}

static int listen_to_status(struct session *s, struct errbuf *e)
{
	struct endpoint_options o = { .type = ZMQ_SUB, .address = s->config.sockets_status, .high_water = 1000,
		.max_message_bytes = MESSAGE_BYTES_MAX, .curve_secret = s->config.sockets_curve_secret, .subscribe = { "status" } };

	return endpoint_open(&s->status_socket, s->zmq, &o, e);
}

/* From a whole path: what is relative in the file is then whole too, wherever it is written to again. */
static int read_config(struct session *s, const char *path, char out[ADDRESS_BYTES], struct errbuf *e)
{
	char *whole = realpath(path, NULL);

	snprintf(out, ADDRESS_BYTES, "%s", whole ? whole : path);
	free(whole);
	return config_read(&s->config, out, e);
}

int session_start(struct session **out, const struct session_options *o, struct errbuf *e)
{
	struct session *s = calloc(1, sizeof *s);
	char config[ADDRESS_BYTES];
	struct errbuf ignored;
	int rc;

	if (!s)
		return fail(e, -ENOMEM, "out of memory");
	s->robot = o->robot;
	if ((rc = read_config(s, o->config, config, e)) < 0 || (!o->attach && (rc = place_check(&s->config, e)) < 0)
			|| (rc = process_group_init(&s->group, e)) < 0 || (!o->attach && (rc = adapt_config(s, o, config, e)) < 0))
		goto error;
	s->zmq = zmq_ctx_new();
	if ((!o->attach && (rc = start_programs(s, o, config, e)) < 0) || (rc = listen_to_status(s, e)) < 0)
		goto error;
	*out = s;
	return 0;
error:
	session_stop(s, false, &ignored);
	return rc;
}

int session_find_recording(const char *folder, char *out, size_t capacity, struct errbuf *e)
{
	glob_t found = { 0 };
	char pattern[ADDRESS_BYTES];

	/* One that dreamvlad could not finish still has its .part. */
	snprintf(pattern, sizeof pattern, "%s/*.mcap*", folder);
	int rc = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 ? 0 : fail(e, -ENOENT, "%s: dreamvlad has recorded nothing", folder);

	if (rc == 0)
		snprintf(out, capacity, "%s", found.gl_pathv[0]);
	globfree(&found);
	return rc;
}

int session_stop(struct session *s, bool explain, struct errbuf *e)
{
	if (!s)
		return 0;
	int bad = process_group_stop(&s->group, STOP_MS, e);

	if ((explain || bad > 0) && s->group.n > 0)
		process_group_explain(&s->group);
	else
		process_group_remove_files(&s->group);
	endpoint_close(s->status_socket);
	if (s->zmq)
		zmq_ctx_term(s->zmq);
	free(s);
	return bad;
}

/* ---- listening ------------------------------------------------------------------------------------------------- */

static bool interrupted(void)
{
	sigset_t held, pending;

	signals_held(&held);
	sigpending(&pending);
	return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

/* Newest status wins. 1, 0 or -errno. */
static int drain_status(struct session *s, struct errbuf *e)
{
	struct endpoint_message m;
	int rc, found = 0;

	while ((rc = endpoint_receive(s->status_socket, &m, e)) == 1) {
		if (m.n_parts != 2 || m.bytes[0] != strlen("status") || memcmp(m.part[0], "status", m.bytes[0]) != 0)
			continue;
		rc = message_status_decode(&s->status, m.part[1], m.bytes[1], e);
		if (rc < 0)
			return rc;
		s->status_ns = clock_monotonic_ns();
		s->has_status = true;
		found = 1;
	}
	return rc < 0 ? rc : found;
}

int session_step(struct session *s, int wait_ms, struct errbuf *e)
{
	zmq_pollitem_t item = { .socket = endpoint_socket(s->status_socket), .events = ZMQ_POLLIN };

	zmq_poll(&item, 1, wait_ms);
	if (interrupted())
		return fail(e, -EINTR, "interrupted");
	int rc = process_group_check(&s->group, e);

	return rc < 0 ? rc : drain_status(s, e);
}

int session_wait_ready(struct session *s, int64_t wait_ms, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;

	while (clock_monotonic_ns() < until_ns) {
		int rc = session_step(s, 100, e);

		if (rc < 0)
			return rc;
		if (rc == 1 && strcmp(s->status.mode, "BOOT") != 0)
			return 0;
	}
	if (!s->has_status)
		return fail(e, -ETIMEDOUT, "dreamvlad sent no status on %s in %lld s", s->config.sockets_status,
				(long long)(wait_ms / 1000));
	return fail(e, -ETIMEDOUT, "dreamvlad is still in %s: %s", s->status.mode, s->status.reason);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

int session_call(struct session *s, const char *address, const struct map_builder *b, const uint8_t *request, uint8_t *answer,
		size_t capacity, size_t *n, struct errbuf *e)
{
	struct endpoint_options o = { .address = address, .max_message_bytes = REPLY_BYTES,
		.curve_secret = s->config.sockets_curve_secret };
	struct map_builder finished = *b;
	struct reply r;
	size_t n_request;
	int rc = map_finish(&finished, &n_request, e);

	if (rc < 0 || (rc = client_call(s->zmq, &o, request, n_request, ASK_MS, answer, capacity, n, e)) < 0
			|| (rc = reply_decode(&r, answer, *n, e)) < 0)
		return rc;
	return r.ok ? 0 : fail(e, -EPROTO, "%.900s", r.error);
}

int session_ask(struct session *s, const char *address, const char *command, uint8_t *answer, size_t capacity, size_t *n,
		struct errbuf *e)
{
	uint8_t request[REQUEST_BYTES_MAX];
	struct map_builder b;

	request_begin(&b, request, sizeof request, command);
	return session_call(s, address, &b, request, answer, capacity, n, e);
}

static int ask_simulated(struct session *s, uint32_t i, uint8_t answer[REPLY_BYTES], size_t *n, struct errbuf *e)
{
	char faults[ADDRESS_BYTES];

	name_of_arm(s, "faults", i, faults);
	return session_ask(s, faults, "status", answer, REPLY_BYTES, n, e);
}

int session_ask_robot(struct session *s, struct fci_numbers *f, struct errbuf *e)
{
	uint8_t answer[REPLY_BYTES];
	size_t n;
	int rc = ask_simulated(s, 0, answer, &n, e);

	return rc < 0 ? rc : fci_status_decode(f, answer, n, e);
}

int session_ask_piper(struct session *s, uint32_t i, struct piper_numbers *p, struct errbuf *e)
{
	uint8_t answer[REPLY_BYTES];
	size_t n;
	int rc = ask_simulated(s, i, answer, &n, e);

	return rc < 0 ? rc : piper_status_decode(p, answer, n, e);
}

int session_tell(struct session *s, const char *command, const char *key, const char *text, struct errbuf *e)
{
	uint8_t request[REQUEST_BYTES_MAX], answer[REPLY_BYTES];
	struct map_builder b;
	size_t n;

	request_begin(&b, request, sizeof request, command);
	map_add_text(&b, key, text);
	return session_call(s, s->config.sockets_control, &b, request, answer, sizeof answer, &n, e);
}

int session_set_mode(struct session *s, const char *mode, struct errbuf *e)
{
	return session_tell(s, "mode", "mode", mode, e);
}

int session_record(struct session *s, const char *action, struct errbuf *e)
{
	return session_tell(s, "record", "action", action, e);
}

/* Prints a list of what is in the way, one line each, unless it is what was printed last. */
static void print_missing(const char *what, const char *now, char *last, size_t capacity)
{
	if (strcmp(now, last) == 0)
		return;
	snprintf(last, capacity, "%s", now);
	fprintf(stderr, "%s:\n", what);
	for (const char *line = now; *line;) {
		int n = (int)strcspn(line, "\n");

		fprintf(stderr, "  - %.*s\n", n, line);
		line += n + (line[n] == '\n');
	}
}

/* Waits a moment while watching the programs. */
static int pause_between_tries(struct session *s, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + RETRY_MS * NS_PER_MS;
	int rc = 0;

	while (rc >= 0 && clock_monotonic_ns() < until_ns)
		rc = session_step(s, 100, e);
	return rc < 0 ? rc : 0;
}

/* A thing to be asked for until it is granted. */
struct wish {
	const char *what;          /* "AUTO" */
	int (*ask)(struct session *s, const char *text, struct errbuf *why);
	const char *text;
};

static int ask_until(struct session *s, const struct wish *w, int64_t until_ns, struct errbuf *e)
{
	char missing[64], last[ERRBUF_BYTES] = "";
	struct errbuf why = { 0 };

	snprintf(missing, sizeof missing, "%s still misses", w->what);
	while (clock_monotonic_ns() < until_ns) {
		if (w->ask(s, w->text, &why) == 0)
			return 0;
		print_missing(missing, why.text, last, sizeof last);
		int rc = pause_between_tries(s, e);

		if (rc < 0)
			return rc;
	}
	return fail(e, -ETIMEDOUT, "%s was not granted in time; missing last: %.700s", w->what, why.text);
}

static int ask_instruction(struct session *s, const char *instruction, struct errbuf *why)
{
	return session_tell(s, "instruction", "text", instruction, why);
}

int session_enter_auto(struct session *s, const char *instruction, int64_t wait_ms, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
	int rc = ask_until(s, &(struct wish){ "the instruction", ask_instruction, instruction }, until_ns, e);

	return rc < 0 ? rc : ask_until(s, &(struct wish){ "AUTO", session_set_mode, "auto" }, until_ns, e);
}

/* ---- waking ------------------------------------------------------------------------------------------------------- */

/* Enables an arm that waits for it. 0 once it is ready. */
static int ask_enable(struct session *s, const char *address, struct errbuf *why)
{
	uint8_t answer[REPLY_BYTES];
	struct arm_numbers a;
	size_t n;
	int rc = session_ask(s, address, "status", answer, sizeof answer, &n, why);

	if (rc < 0 || (rc = arm_status_decode(&a, bench_robot_driver(s->robot), answer, n, why)) < 0)
		return rc;
	if (strcmp(a.mode, "ready") == 0)
		return 0;
	if (strcmp(a.trouble, "motors_off") == 0 && (rc = session_ask(s, address, "enable", answer, sizeof answer, &n, why)) < 0)
		return rc;
	return fail(why, -EAGAIN, "it is %s: %s", a.mode, a.trouble);
}

static int ask_home(struct session *s, const char *unused, struct errbuf *why)
{
	uint8_t answer[REPLY_BYTES];
	size_t n;
	int rc = session_set_mode(s, "hold", why);

	(void)unused;
	return rc < 0 ? rc : session_ask(s, s->config.sockets_control, "home", answer, sizeof answer, &n, why);
}

static int arm_is_home(struct session *s, uint32_t i, struct errbuf *e)
{
	uint8_t answer[REPLY_BYTES];
	struct message_state m;
	size_t n;
	int rc = session_ask(s, s->config.robot[i].control, "status", answer, sizeof answer, &n, e);

	if (rc < 0 || (rc = message_state_decode_reply(&m, answer, n, e)) < 0)
		return rc;
	return arm_stands_at_home(&m, &s->config.robot[i]);
}

/* 1, 0 or -errno. */
static int arms_are_home(struct session *s, struct errbuf *e)
{
	int rc = 1;

	for (uint32_t i = 0; rc == 1 && i < s->config.n_robots; i++)
		rc = arm_is_home(s, i, e);
	return rc;
}

/* Until dreamvlad no longer drives them there. 1: they are there; 0: they are not, their way was ended. */
static int wait_for_home(struct session *s, int64_t until_ns, struct errbuf *e)
{
	int64_t from_ns = clock_monotonic_ns();

	while (clock_monotonic_ns() < until_ns) {
		int rc = session_step(s, 100, e);

		if (rc < 0)
			return rc;
		/* A status that was on its way when the arms were sent says nothing. */
		if (rc == 1 && s->status_ns - from_ns > NS_PER_S && strcmp(s->status.driver, "home") != 0)
			return arms_are_home(s, e);
	}
	return fail(e, -ETIMEDOUT, "the arms did not come home in time; dreamvlad is in %s: %s", s->status.mode, s->status.reason);
}

/* As often as something ends their way. */
static int bring_home(struct session *s, int64_t until_ns, struct errbuf *e)
{
	int rc = 0;

	while (rc == 0)
		if ((rc = ask_until(s, &(struct wish){ "going home", ask_home, NULL }, until_ns, e)) == 0)
			rc = wait_for_home(s, until_ns, e);
	return rc < 0 ? rc : 0;
}

int session_wake_arms(struct session *s, int64_t wait_ms, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
	char what[NAME_BYTES + 32];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->config.n_robots; i++) {
		snprintf(what, sizeof what, "enabling arm %s", s->config.robot[i].name);
		rc = ask_until(s, &(struct wish){ what, ask_enable, s->config.robot[i].control }, until_ns, e);
	}
	return rc < 0 ? rc : bring_home(s, until_ns, e);
}

/* ---- reading a status ------------------------------------------------------------------------------------------- */

bool session_counter(const struct message_status *m, const char *name, uint64_t *value)
{
	for (uint32_t i = 0; i < m->n_counters; i++) {
		if (strcmp(m->counter[i].name, name) != 0)
			continue;
		*value = m->counter[i].value;
		return true;
	}
	return false;
}
