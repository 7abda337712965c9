/* faults.c - requests that make the simulated Franka go wrong on purpose: flat maps, as on every control socket of this project.
 *
 *   status                        what the robot is doing, and counters
 *   drop       what, count        lose so many of the next `states` or `commands`
 *   duplicate  what, count        so many of the next `states` or `commands` come twice (a command again a millisecond later)
 *   delay      what, ms           all `states` or `commands` late by so much (0 to 127), until told otherwise
 *   freeze     ms                 no states for so long
 *   reflex                        as if something had been hit
 *   close                         cut the client's TCP connection
 *   user_stop, guiding, brakes    on: the button, a hand at the arm, the brakes closed
 *   hand_close                    cut the connection of the hand's client
 *   hand_forget                   the hand was switched off and on: it knows nothing of its range, until it is homed
 *   hand_mute  on                 the hand takes requests and answers none
 *   version    version            protocol of the next client (5 to 10; 0: whichever it speaks) */
#include <errno.h>
#include <string.h>

#include "robots/sim/franka/station.h"

enum { RECEIVE_MAX = 8, KEYS_MAX = 3 };
static const double count_max = 1e6, freeze_max_ms = 60000.0;

typedef int handler(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e);

static int take_count(const struct request *q, const char *key, double most, uint32_t *out, struct errbuf *e)
{
	double v;
	int rc = request_number(q, key, 0.0, most, &v, e);

	if (rc == 0)
		*out = (uint32_t)v;
	return rc;
}

static int status(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	static const char *const modes[] = { "other", "idle", "move", "guiding", "reflex", "user_stopped", "recovery" };
	static const char *const controllers[] = { "joint_impedance", "cartesian_impedance", "external", "other" };
	const struct franka_robot *r = &s->robot.robot;

	(void)q;
	(void)e;
	map_add_text(b, "mode", modes[r->mode]);
	map_add_text(b, "controller", controllers[r->controller]); /* of the newest motion */
	map_add_bool(b, "connected", s->robot.connected);
	map_add_bool(b, "hand_connected", s->hand.connected);
	map_add_u64(b, "version", r->version);
	map_add_u64(b, "motions", r->counters.motions);
	map_add_u64(b, "reflexes", r->counters.reflexes);
	map_add_u64(b, "violations", r->counters.violations);
	map_add_u64(b, "commands", r->counters.commands);
	map_add_u64(b, "missed", r->counters.missed);
	map_add_u64(b, "late", r->counters.late);
	map_add_u64(b, "longest_row", r->counters.longest_row);
	map_add_u64(b, "turned_away", s->robot.client.turned_away);
	map_add_u64(b, "malformed", s->robot.malformed + s->hand.malformed);
	map_add_u64(b, "stood_still_ms", s->stood_still_ms);
	map_add_reals(b, "q", r->plant.q_rad, FRANKA_DOF);
	map_add_reals(b, "dq", r->plant.dq_rad_s, FRANKA_DOF);
	map_add_real(b, "width_m", s->hand.hand.width_m);
	map_add_bool(b, "grasped", s->hand.hand.is_grasped);
	map_add_u64(b, "hand_commands", s->hand.commands);
	return 0;
}

/* Which of the robot's streams: `what`. */
static int take_stream(struct station *s, const struct request *q, struct stream_faults **out, struct errbuf *e)
{
	const char *what;
	int rc = request_text(q, "what", &what, e);

	if (rc < 0)
		return rc;
	if (strcmp(what, "states") != 0 && strcmp(what, "commands") != 0)
		return fail(e, -EINVAL, "what: \"%.32s\", want states or commands", what);
	*out = strcmp(what, "states") == 0 ? &s->robot.faults.states : &s->robot.faults.commands;
	return 0;
}

static int drop(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	struct stream_faults *f;
	int rc = take_stream(s, q, &f, e);

	(void)b;
	return rc < 0 ? rc : take_count(q, "count", count_max, &f->drop, e);
}

static int duplicate(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	struct stream_faults *f;
	int rc = take_stream(s, q, &f, e);

	(void)b;
	return rc < 0 ? rc : take_count(q, "count", count_max, &f->duplicate, e);
}

static int delay(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	struct stream_faults *f;
	int rc = take_stream(s, q, &f, e);

	(void)b;
	return rc < 0 ? rc : take_count(q, "ms", STATES_DELAYED_MAX - 1, &f->delay_ms, e);
}

static int freeze(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return take_count(q, "ms", freeze_max_ms, &s->robot.faults.freeze_ms, e);
}

static int hit(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	franka_robot_reflex(&s->robot.robot, FCI_ERROR_joint_reflex);
	return 0;
}

static int cut(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	robot_server_drop(&s->robot);
	return 0;
}

static int press(struct station *s, const struct request *q, struct errbuf *e, void (*what)(struct franka_robot *, bool))
{
	bool on;
	int rc = request_bool(q, "on", &on, e);

	if (rc == 0)
		what(&s->robot.robot, on);
	return rc;
}

static int user_stop(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return press(s, q, e, franka_robot_user_stop);
}

static int guiding(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return press(s, q, e, franka_robot_guide);
}

static int brakes(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return press(s, q, e, franka_robot_lock);
}

static int hand_close(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	hand_server_drop(&s->hand);
	return 0;
}

static int hand_forget(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	franka_hand_forget(&s->hand.hand);
	return 0;
}

static int hand_mute(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return request_bool(q, "on", &s->hand.mute, e);
}

static int version(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	uint32_t wish = 0;
	int rc = take_count(q, "version", FCI_VERSION_MAX, &wish, e);

	(void)b;
	if (rc == 0 && wish != 0 && !fci_version_known(wish))
		rc = fail(e, -EINVAL, "version: %u, want 0 or %d to %d", wish, FCI_VERSION_MIN, FCI_VERSION_MAX);
	if (rc == 0)
		s->robot.version = wish;
	return rc;
}

static const struct {
	const char *name, *key[KEYS_MAX];
	handler *handle;
} rows[] = {
	{ "status", { NULL }, status },
	{ "drop", { "what", "count" }, drop },
	{ "duplicate", { "what", "count" }, duplicate },
	{ "delay", { "what", "ms" }, delay },
	{ "freeze", { "ms" }, freeze },
	{ "reflex", { NULL }, hit },
	{ "close", { NULL }, cut },
	{ "user_stop", { "on" }, user_stop },
	{ "guiding", { "on" }, guiding },
	{ "brakes", { "on" }, brakes },
	{ "hand_close", { NULL }, hand_close },
	{ "hand_forget", { NULL }, hand_forget },
	{ "hand_mute", { "on" }, hand_mute },
	{ "version", { "version" }, version },
};

static int dispatch(struct station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	const char *name = request_command(q);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(name, rows[i].name) != 0)
			continue;
		int rc = request_check_keys(q, rows[i].key, e);

		return rc < 0 ? rc : rows[i].handle(s, q, b, e);
	}
	return fail(e, -EINVAL, "cmd: \"%.32s\" is not known: want status, drop, duplicate, delay, freeze, reflex, close, user_stop, "
			"guiding, brakes, hand_close, hand_forget, hand_mute or version", name);
}

void station_obey(struct station *s)
{
	struct endpoint_peer from;
	struct map_builder b;
	const uint8_t *body;
	struct request q;
	struct errbuf e;
	size_t n;

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive_request(s->faults, &from, &body, &n, &e) > 0; i++) {
		reply_ok(&b, s->reply, sizeof s->reply);
		if (request_decode(&q, body, n, &e) < 0 || dispatch(s, &q, &b, &e) < 0)
			reply_error(&b, s->reply, sizeof s->reply, e.text, NULL);
		if (map_finish(&b, &n, &e) == 0)
			(void)!endpoint_send_reply(s->faults, &from, s->reply, n);
	}
}
