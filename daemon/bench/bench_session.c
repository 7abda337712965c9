/* bench_session.c - see bench_session.h. */
#include "daemon/bench/bench_session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "daemon/sys/clock.h"
#include "transport/client.h"
#include "transport/message/request.h"

enum { ASK_MS = 1000, RETRY_MS = 500, STOP_MS = 8000, REPLY_BYTES = 32768, ADDRESS_BYTES = PROCESS_PATH_BYTES + 64 };

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

/* Binds and lets go again, in a context of its own: ending that waits until the address is free again. */
static int check_address(const char *what, const char *address, struct errbuf *e)
{
	struct endpoint_options o = { .type = ZMQ_PUB, .bind = true, .address = address, .insecure = true };
	struct endpoint *p = NULL;
	struct errbuf why = { 0 };
	void *context = zmq_ctx_new();
	int rc = endpoint_open(&p, context, &o, &why);

	endpoint_close(p);
	zmq_ctx_term(context);
	return rc < 0 ? fail(e, rc, "%s: %s", what, why.text) : 0;
}

static int check_addresses(const struct config *c, struct errbuf *e)
{
	const struct { const char *key, *address; } own[] = {
		{ "sockets.cameras", c->sockets_cameras }, { "sockets.operators", c->sockets_operators },
		{ "sockets.states", c->sockets_states }, { "sockets.targets", c->sockets_targets },
		{ "sockets.status", c->sockets_status }, { "sockets.control", c->sockets_control },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof own / sizeof *own; i++)
		rc = check_address(own[i].key, own[i].address, e);
	for (uint32_t i = 0; rc == 0 && i < c->n_robots; i++)
		rc = check_address("robots[].control", c->robot[i].control, e);
	return rc;
}

/* A file or socket of this session. */
static void name_in_folder(const struct session *s, const char *before, const char *name, char out[ADDRESS_BYTES])
{
	snprintf(out, ADDRESS_BYTES, "%s%s/%s", before, s->group.folder, name);
}

/* The configuration with the robot's address in it, as a file of this session. */
static int write_config(const struct session *s, const char *path, struct errbuf *e)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	int rc = config_print(&s->config, f);

	return fclose(f) == 0 && rc == 0 ? 0 : fail(e, -EIO, "%s: cannot be written", path);
}

/* A Franka needs an address of its own, because its ports are fixed; nobody else's may be met. */
static int place_robot(struct session *s, char config[ADDRESS_BYTES], struct errbuf *e)
{
	char address[FCI_ADDRESS_BYTES];

	if (s->robot != BENCH_ROBOT_FRANKA_FCI)
		return 0;
	if (s->config.n_robots != 1)
		return fail(e, -EINVAL, "%s: found %u robots, want one: the simulated Franka is one arm", s->config.path, s->config.n_robots);
	int rc = fci_free_address(address, e);

	if (rc < 0)
		return rc;
	snprintf(s->config.robot[0].address, sizeof s->config.robot[0].address, "%s", address);
	name_in_folder(s, "", "config.yaml", config);
	return write_config(s, config, e);
}

static int start_sim(struct session *s, const struct session_options *o, const char *config, const char *world, struct errbuf *e)
{
	struct process_options p = { .programs = o->programs, .name = "dreamvla-sim" };
	const struct config_robot *r = &s->config.robot[0];
	char faults[ADDRESS_BYTES];

	name_in_folder(s, "ipc://", "faults", faults);
	p.arguments = s->robot == BENCH_ROBOT_FRANKA_FCI
		? (const char *const[]){ "--config", config, "--model", r->model, "--franka", r->address, "--faults", faults, NULL }
		: (const char *const[]){ "--config", config, "--world", world, NULL };
	return process_start(&s->group, &p, e);
}

static int start_programs(struct session *s, const struct session_options *o, const char *config, struct errbuf *e)
{
	char preload[PROCESS_PATH_BYTES + 16], file[PROCESS_PATH_BYTES + 64], world[ADDRESS_BYTES];
	const char *const counting[] = { preload, file, NULL };
	struct process_options p = { .programs = o->programs, .name = "dreamvla-arm" };

	name_in_folder(s, "ipc://", "world", world);
	int rc = start_sim(s, o, config, world, e);

	for (uint32_t i = 0; rc == 0 && i < s->config.n_robots; i++) {
		p.arguments = (const char *const[]){ "--driver", bench_robot_driver(s->robot), "--arm", s->config.robot[i].name, "--config", config,
			"--world", world, NULL };
		rc = process_start(&s->group, &p, e);
	}
	if (rc < 0)
		return rc;
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", o->count_malloc ? o->count_malloc : "");
	snprintf(file, sizeof file, "COUNT_MALLOC_FILE=%s/allocations", s->group.folder);
	p.name = "dreamvlad";
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
	if ((rc = read_config(s, o->config, config, e)) < 0 || (rc = check_addresses(&s->config, e)) < 0
			|| (rc = process_group_init(&s->group, e)) < 0 || (rc = place_robot(s, config, e)) < 0)
		goto error;
	s->zmq = zmq_ctx_new();
	if ((rc = start_programs(s, o, config, e)) < 0 || (rc = listen_to_status(s, e)) < 0)
		goto error;
	*out = s;
	return 0;
error:
	session_stop(s, false, &ignored);
	return rc;
}

int session_stop(struct session *s, bool explain, struct errbuf *e)
{
	if (!s)
		return 0;
	int bad = process_group_stop(&s->group, STOP_MS, e);

	if (explain || bad > 0)
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

static int ask(struct session *s, const char *address, const struct map_builder *b, const uint8_t *request, uint8_t *answer,
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
	return ask(s, address, &b, request, answer, capacity, n, e);
}

int session_ask_robot(struct session *s, struct fci_numbers *f, struct errbuf *e)
{
	uint8_t answer[REPLY_BYTES];
	char faults[ADDRESS_BYTES];
	size_t n;

	name_in_folder(s, "ipc://", "faults", faults);
	int rc = session_ask(s, faults, "status", answer, sizeof answer, &n, e);

	return rc < 0 ? rc : fci_status_decode(f, answer, n, e);
}

/* One request with one text field to dreamvlad. */
static int tell(struct session *s, const char *command, const char *key, const char *text, struct errbuf *e)
{
	uint8_t request[REQUEST_BYTES_MAX], answer[REPLY_BYTES];
	struct map_builder b;
	size_t n;

	request_begin(&b, request, sizeof request, command);
	map_add_text(&b, key, text);
	return ask(s, s->config.sockets_control, &b, request, answer, sizeof answer, &n, e);
}

int session_set_mode(struct session *s, const char *mode, struct errbuf *e)
{
	return tell(s, "mode", "mode", mode, e);
}

/* Prints the pre-flight's list, one line each, unless it is what was printed last. */
static void print_missing(const char *now, char *last, size_t capacity)
{
	if (strcmp(now, last) == 0)
		return;
	snprintf(last, capacity, "%s", now);
	fprintf(stderr, "AUTO still misses:\n");
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

int session_enter_auto(struct session *s, const char *instruction, int64_t wait_ms, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
	struct errbuf why = { 0 };
	char last[ERRBUF_BYTES] = "";
	bool instructed = false;

	while (clock_monotonic_ns() < until_ns) {
		int rc = instructed ? 0 : tell(s, "instruction", "text", instruction, &why);

		instructed = rc == 0;
		if (instructed && session_set_mode(s, "auto", &why) == 0)
			return 0;
		print_missing(why.text, last, sizeof last);
		if ((rc = pause_between_tries(s, e)) < 0)
			return rc;
	}
	return fail(e, -ETIMEDOUT, "AUTO was not granted in %lld s; missing last: %.700s", (long long)(wait_ms / 1000), why.text);
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
