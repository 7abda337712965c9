/* faults.c - requests that make the simulated PiPER go wrong on purpose: flat maps, as on every control socket of this project.
 *
 *   status                         what the arm is doing, and counters
 *   drop        what, count, [id]  lose so many of the next frames of `feedback` or `commands`, of that id only
 *   delay       what, ms           all `feedback` or `commands` late by so much (0 to 127), until told otherwise
 *   noise       ms                 for so long a frame from nowhere in every millisecond
 *   bus_off     ms                 for so long the arm is off the bus: it hears nothing, and nothing comes
 *   silence     ms                 for so long it says nothing, but hears
 *   joint       joint, bits, communication   errors of joint 1 to 6: bits of 0x26x (without 64, enabled), and whether the controller
 *                                  has lost its driver; 0 and false: well again
 *   gripper     bits               errors of the gripper: bits 0 to 5 of 0x2A8
 *   gripper_range  range_mm        70 or 100; 0: not configured, as before the first 0x47D
 *   corrupt_limits  on             0x473 and 0x47C answer -1 and 65535
 *   leader      on                 as after 0x470 and a power cycle
 *   lead        q, [gripper_m]     a hand moves a leader's joints there, rad, and opens its gripper so far
 *   emergency_stop                 the button
 *   power_cycle                    off and on again: the arm falls */
#include <errno.h>
#include <string.h>

#include "robots/sim/piper/station.h"

enum { RECEIVE_MAX = 8, KEYS_MAX = 4, GRIPPER_BITS_MAX = 63, JOINT_BITS_MAX = 255 };
static const double count_max = 1e6, ms_max = 60000.0;

typedef int handler(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e);

static int take_count(const struct request *q, const char *key, double most, uint32_t *out, struct errbuf *e)
{
	double v;
	int rc = request_number(q, key, 0.0, most, &v, e);

	if (rc == 0)
		*out = (uint32_t)v;
	return rc;
}

static void add_counters(const struct piper_station *s, struct map_builder *b)
{
	const struct piper_counters *c = &s->arm.counters;

	map_add_u64(b, "frames", c->frames);
	map_add_u64(b, "unknown", c->unknown);
	map_add_u64(b, "ignored", c->ignored);
	map_add_u64(b, "never", c->never);
	map_add_u64(b, "maintenance", c->maintenance);
	map_add_u64(b, "targets", c->targets);
	map_add_u64(b, "sent", s->link.sent);
	map_add_u64(b, "refused", s->link.refused);
	map_add_u64(b, "dropped", s->link.feedback.dropped + s->link.commands.dropped);
	map_add_u64(b, "stood_still_ms", s->stood_still_ms);
}

static int status(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	const struct piper_arm *a = &s->arm;

	(void)q;
	(void)e;
	map_add_text(b, "firmware", a->firmware);
	map_add_text(b, "bus", bus_address(s->bus));
	map_add_text(b, "bus_trouble", s->link.trouble_text);
	map_add_u64(b, "control", a->control);
	map_add_u64(b, "move", a->move);
	map_add_u64(b, "follow", a->follow);
	map_add_u64(b, "speed_percent", a->speed_percent);
	map_add_u64(b, "state", a->state);
	map_add_u64(b, "enabled", a->enabled);
	map_add_bool(b, "stopped", a->stopped);
	map_add_bool(b, "leader", a->leader);
	map_add_reals(b, "q", a->plant.q_rad, PIPER_JOINTS);
	map_add_reals(b, "dq", a->plant.dq_rad_s, PIPER_JOINTS);
	map_add_real(b, "gripper_m", a->fingers.opening_m);
	map_add_bool(b, "holds", a->fingers.blocked);
	add_counters(s, b);
	return 0;
}

/* ---- the bus ---- */

static int take_stream(struct piper_station *s, const struct request *q, struct piper_stream **out, struct errbuf *e)
{
	const char *what;
	int rc = request_text(q, "what", &what, e);

	if (rc < 0)
		return rc;
	if (strcmp(what, "feedback") != 0 && strcmp(what, "commands") != 0)
		return fail(e, -EINVAL, "what: \"%.32s\", want feedback or commands", what);
	*out = strcmp(what, "feedback") == 0 ? &s->link.feedback : &s->link.commands;
	return 0;
}

static int drop(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	struct piper_stream *stream;
	uint32_t count = 0, id = 0;
	int rc = take_stream(s, q, &stream, e);

	(void)b;
	if (rc == 0)
		rc = take_count(q, "count", count_max, &count, e);
	if (rc == 0 && request_has(q, "id"))
		rc = take_count(q, "id", BUS_ID_MAX, &id, e);
	if (rc < 0)
		return rc;
	stream->drop = count;
	stream->drop_id = id;
	return 0;
}

static int delay(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	struct piper_stream *stream;
	int rc = take_stream(s, q, &stream, e);

	(void)b;
	return rc < 0 ? rc : take_count(q, "ms", PIPER_DELAY_MS_MAX, &stream->delay_ms, e);
}

static int noise(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return take_count(q, "ms", ms_max, &s->link.noise_ms, e);
}

static int bus_off(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	uint32_t ms;
	int rc = take_count(q, "ms", ms_max, &ms, e);

	(void)b;
	if (rc == 0)
		piper_link_bus_off(&s->link, ms);
	return rc;
}

static int silence(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return take_count(q, "ms", ms_max, &s->link.silent_ms, e);
}

/* ---- the arm ---- */

static int joint(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	double number;
	uint32_t bits;
	bool communication;
	int rc = request_number(q, "joint", 1, PIPER_JOINTS, &number, e);

	(void)b;
	if (rc == 0)
		rc = take_count(q, "bits", JOINT_BITS_MAX, &bits, e);
	if (rc == 0)
		rc = request_bool(q, "communication", &communication, e);
	if (rc == 0)
		piper_arm_fail_joint(&s->arm, (uint32_t)number - 1, (uint8_t)bits, communication);
	return rc;
}

static int gripper(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	uint32_t bits;
	int rc = take_count(q, "bits", GRIPPER_BITS_MAX, &bits, e);

	(void)b;
	if (rc == 0)
		s->arm.fingers.errors = (uint8_t)bits;
	return rc;
}

static int gripper_range(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	uint32_t mm;
	int rc = take_count(q, "range_mm", UINT8_MAX, &mm, e);

	(void)b;
	if (rc == 0 && mm != 0 && mm != 70 && mm != 100)
		rc = fail(e, -EINVAL, "range_mm: %u, want 0, 70 or 100", mm);
	if (rc == 0)
		s->arm.flash.gripper_setup.range_mm = (uint8_t)mm;
	return rc;
}

static int corrupt_limits(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)b;
	return request_bool(q, "on", &s->arm.limits_corrupted, e);
}

static int leader(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	bool on;
	int rc = request_bool(q, "on", &on, e);

	(void)b;
	if (rc < 0)
		return rc;
	s->arm.flash.linkage = (struct piper_linkage){ .role = on ? PIPER_LINKAGE_LEADER : PIPER_LINKAGE_FOLLOWER };
	piper_arm_power_cycle(&s->arm);
	return 0;
}

/* Where the request says nothing of it, the gripper stays as it is. */
static int take_opening(struct piper_station *s, const struct request *q, double *out, struct errbuf *e)
{
	*out = s->arm.fingers.opening_m;
	return request_has(q, "gripper_m") ? request_number(q, "gripper_m", 0.0, 0.1, out, e) : 0;
}

static int lead(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	double q_rad[PIPER_JOINTS], opening_m;
	int rc = request_numbers(q, "q", PIPER_JOINTS, q_rad, e);

	(void)b;
	if (rc < 0 || (rc = take_opening(s, q, &opening_m, e)) < 0)
		return rc;
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(q_rad[j] >= s->arm.model->q_min_rad[j] && q_rad[j] <= s->arm.model->q_max_rad[j]))
			return fail(e, -EINVAL, "q: joint %d: %g rad, want %g to %g", j + 1, q_rad[j], s->arm.model->q_min_rad[j], s->arm.model->q_max_rad[j]);
	if (!s->arm.leader)
		return fail(e, -EINVAL, "lead: the arm is no leader (request leader, on: true)");
	piper_arm_lead(&s->arm, q_rad);
	s->arm.fingers.opening_m = opening_m;
	return 0;
}

static int emergency_stop(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	piper_arm_emergency_stop(&s->arm);
	return 0;
}

static int power_cycle(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	(void)q;
	(void)b;
	(void)e;
	piper_arm_power_cycle(&s->arm);
	return 0;
}

static const struct {
	const char *name, *key[KEYS_MAX];
	handler *handle;
} rows[] = {
	{ "status", { NULL }, status },
	{ "drop", { "what", "count", "id" }, drop },
	{ "delay", { "what", "ms" }, delay },
	{ "noise", { "ms" }, noise },
	{ "bus_off", { "ms" }, bus_off },
	{ "silence", { "ms" }, silence },
	{ "joint", { "joint", "bits", "communication" }, joint },
	{ "gripper", { "bits" }, gripper },
	{ "gripper_range", { "range_mm" }, gripper_range },
	{ "corrupt_limits", { "on" }, corrupt_limits },
	{ "leader", { "on" }, leader },
	{ "lead", { "q", "gripper_m" }, lead },
	{ "emergency_stop", { NULL }, emergency_stop },
	{ "power_cycle", { NULL }, power_cycle },
};

static int dispatch(struct piper_station *s, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	const char *name = request_command(q);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(name, rows[i].name) != 0)
			continue;
		int rc = request_check_keys(q, rows[i].key, e);

		return rc < 0 ? rc : rows[i].handle(s, q, b, e);
	}
	return fail(e, -EINVAL, "cmd: \"%.32s\" is not known: want status, drop, delay, noise, bus_off, silence, joint, gripper, gripper_range, "
			"corrupt_limits, leader, lead, emergency_stop or power_cycle", name);
}

void piper_station_obey(struct piper_station *s)
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
