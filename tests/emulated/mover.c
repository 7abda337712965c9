/* mover.c - dreamvlad's part of a bench without dreamvlad, for the emulated machine: asks an arm at its door, and moves it by targets.
 *
 *   mover CONTROL ask CMD [confirm]            the request; prints "mode [errors] [trouble]", or the refusal, and then exits with 1
 *   mover CONTROL go TARGETS STATES SECONDS DEGREES...
 *                                              attaches and moves the joints there, smoothly; exits with 0 once the arm says that it
 *                                              is there, with 3 when the arm obeys us no longer, with 1 when neither comes about */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "transport/client.h"
#include "transport/message/message.h"
#include "transport/message/request.h"

enum { DOF = 6, PERIOD_US = 20000, ANSWER_MS = 1000, PATIENCE_S = 60, LET_GO = 3 };
static const uint64_t me = 0x1234567890ABCDEF;
static const int64_t lead_ns = 400 * NS_PER_MS; /* the most is 500 */
static const double there_rad = 0.003;

struct mover {
	void *context;
	const char *control;
	struct endpoint *targets, *states;
	uint64_t seq;
	double from_rad[DOF], to_rad[DOF], seconds;
	struct message_state state;    /* the newest */
	uint64_t foreign;              /* targets that have reached it before it was ours */
};

static int die(const char *what)
{
	printf("%s\n", what);
	exit(1);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

static void begin(struct map_builder *b, uint8_t *out, size_t capacity, const char *cmd, bool confirm)
{
	request_begin(b, out, capacity, cmd);
	if (confirm)
		map_add_bool(b, "confirm", true);
	if (strcmp(cmd, "attach") == 0) {
		map_add_u64(b, "from", me);
		map_add_text(b, "model", "piper");
		map_add_u64(b, "dof", DOF);
		map_add_reals(b, "tcp", (const double[]){ 0, 0, 0.145, 0, 0, 0, 1 }, 7);
	}
}

/* false, and the refusal is printed. */
static bool ask(struct mover *m, const char *cmd, bool confirm)
{
	uint8_t question[REQUEST_BYTES_MAX], answer[MESSAGE_BYTES_MAX];
	struct map_builder b;
	struct errbuf e;
	struct reply r;
	size_t n;

	begin(&b, question, sizeof question, cmd, confirm);
	if (map_finish(&b, &n, &e) < 0 || client_call(m->context, &(struct endpoint_options){ .address = m->control }, question, n, ANSWER_MS,
			answer, sizeof answer, &n, &e) < 0 || reply_decode(&r, answer, n, &e) < 0)
		die(e.text);
	if (!r.ok)
		printf("refused: %s\n", r.error);
	if (r.ok && strcmp(cmd, "status") == 0 && (message_state_decode_reply(&m->state, answer, n, &e) < 0 ||
			!reply_u64(answer, n, "targets_foreign", &m->foreign)))
		die(e.text);
	return r.ok;
}

static int tell(struct mover *m)
{
	printf("%s", arm_mode_name(m->state.state.mode));
	for (uint32_t i = 0; i < m->state.words.n_errors; i++)
		printf(" %s", m->state.words.error[i]);
	printf(" %s\n", m->state.words.trouble);
	return 0;
}

/* ---- moving ------------------------------------------------------------------------------------------------------------ */

/* A way of `seconds` from 0 to 1, and its rate; velocity and acceleration are zero at both ends. */
static double smooth(double t, double seconds, double *rate)
{
	double x = fmin(fmax(t / seconds, 0), 1);

	*rate = 30 * x * x * (1 - x) * (1 - x) / seconds;
	return x * x * x * (10 - 15 * x + 6 * x * x);
}

static void send_target(struct mover *m, int64_t now_ns, double t)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct message_target out = { .head = { me, ++m->seq, now_ns }, .dof = DOF, .target = { .t_ns = now_ns + lead_ns,
			.kind = OUTPUT_JOINT, .source = TARGET_POLICY, .valid_for_ns = 100 * NS_PER_MS, .epoch = 1, .chunk = 1 } };
	double rate, share = smooth(t, m->seconds, &rate);
	struct errbuf e;
	size_t n;

	for (int j = 0; j < DOF; j++) {
		out.target.q_rad[j] = m->from_rad[j] + share * (m->to_rad[j] - m->from_rad[j]);
		out.target.dq_rad_s[j] = rate * (m->to_rad[j] - m->from_rad[j]);
	}
	if (message_target_encode(&out, bytes, sizeof bytes, &n, &e) < 0)
		die(e.text);
	(void)!endpoint_send(m->targets, &(struct endpoint_message){ .n_parts = 2, .part = { (const uint8_t *)"target/arm", bytes },
			.bytes = { strlen("target/arm"), n } });
}

static bool is_there(const struct mover *m)
{
	for (int j = 0; j < DOF; j++)
		if (!(fabs(m->state.state.q_rad[j] - m->to_rad[j]) <= there_rad))
			return false;
	return m->state.state.has_q;
}

/* Standing targets until they reach the arm, then it is ours. */
static void attach(struct mover *m)
{
	for (m->foreign = 0; m->foreign == 0; ask(m, "status", false)) {
		if (m->seq > 10 * PATIENCE_S)
			die("no target reaches the arm");
		send_target(m, clock_monotonic_ns(), 0);
		usleep(5 * PERIOD_US);
	}
	memcpy(m->from_rad, m->state.state.q_d_rad, sizeof m->from_rad);
	if (!ask(m, "attach", false))
		exit(1);
}

static void take_states(struct mover *m)
{
	struct endpoint_message message;
	struct errbuf e;

	while (endpoint_receive(m->states, &message, &e) > 0)
		if (message.n_parts == 2 && message_state_decode(&m->state, message.part[1], message.bytes[1], &e) < 0)
			die(e.text);
}

static int go(struct mover *m)
{
	int64_t began_ns, now_ns;
	bool ours = false; /* states from before lie in the queue */

	if (!ask(m, "status", false) || !m->state.state.has_q)
		die("the arm says no joint angles");
	memcpy(m->from_rad, m->state.state.q_d_rad, sizeof m->from_rad);
	attach(m);
	now_ns = began_ns = clock_monotonic_ns();
	while ((double)(now_ns - began_ns) < (m->seconds + PATIENCE_S) * 1e9) {
		now_ns = clock_monotonic_ns();
		send_target(m, now_ns, (double)(now_ns - began_ns) * 1e-9);
		usleep(PERIOD_US);
		take_states(m);
		if (ours && m->state.state.accepted_from != me)
			return tell(m), LET_GO;
		ours = m->state.state.accepted_from == me;
		if (ours && is_there(m))
			return tell(m);
	}
	return die("not there in time");
}

static void open_end(struct mover *m, struct endpoint **out, int type, const char *address)
{
	struct errbuf e;

	if (endpoint_open(out, m->context, &(struct endpoint_options){ .type = type, .bind = true, .address = address, .high_water = 100 }, &e) < 0)
		die(e.text);
}

static int start_moving(struct mover *m, char **argument)
{
	open_end(m, &m->targets, ZMQ_PUB, argument[0]);
	open_end(m, &m->states, ZMQ_SUB, argument[1]);
	m->seconds = atof(argument[2]);
	for (int j = 0; j < DOF; j++)
		m->to_rad[j] = atof(argument[3 + j]) * (M_PI / 180);
	return go(m);
}

int main(int argc, char **argv)
{
	struct mover m = { .context = zmq_ctx_new(), .control = argc > 1 ? argv[1] : "" };

	if (argc == 6 + DOF && strcmp(argv[2], "go") == 0)
		return start_moving(&m, argv + 3);
	if ((argc == 4 || argc == 5) && strcmp(argv[2], "ask") == 0)
		return ask(&m, argv[3], argc == 5) && ask(&m, "status", false) ? tell(&m) : 1;
	return die("usage: mover CONTROL ask CMD [confirm] | mover CONTROL go TARGETS STATES SECONDS DEGREES...");
}
