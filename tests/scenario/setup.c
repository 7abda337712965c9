/* setup.c - the lines of a scenario that say what it runs with. */
#include <errno.h>
#include <string.h>

#include "config/keys.h"
#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"

/* The tools and tables of the example configurations: Franka Hand, AgileX gripper. */
static const struct {
	const char *model;
	struct config_reals tcp, low, high;
} benches[] = {
	{ "panda", { 7, { 0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795 } }, { 3, { 0.28, -0.40, 0.05 } }, { 3, { 0.65, 0.40, 0.80 } } },
	{ "fr3", { 7, { 0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795 } }, { 3, { 0.28, -0.40, 0.05 } }, { 3, { 0.65, 0.40, 0.80 } } },
	{ "fr3_5.9", { 7, { 0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795 } }, { 3, { 0.28, -0.40, 0.05 } }, { 3, { 0.65, 0.40, 0.80 } } },
	{ "piper", { 7, { 0, 0, 0.145, 0, 0, 0, 1 } }, { 3, { 0.10, -0.35, 0.02 } }, { 3, { 0.55, 0.35, 0.50 } } },
};

static int add_arm(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	struct config_robot *r = &s->config.robot[s->config.n_robots];

	if (s->config.n_robots == CONFIG_ROBOTS_MAX)
		return fail(e, -EINVAL, "arm: found a fifth one, allowed: %d", CONFIG_ROBOTS_MAX);
	config_robot_defaults(r);
	snprintf(r->name, sizeof r->name, "%s", a[0].text);
	snprintf(r->model, sizeof r->model, "%s", a[1].text);
	snprintf(r->control, sizeof r->control, "tcp://127.0.0.1:%u", 7421 + s->config.n_robots);
	r->action_first = s->config.n_robots > 0 ? (int32_t)(7 * s->config.n_robots) : 0;
	for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
		if (strcmp(benches[i].model, a[1].text) != 0)
			continue;
		r->tcp = benches[i].tcp;
		r->workspace_min = benches[i].low;
		r->workspace_max = benches[i].high;
	}
	s->config.n_robots++;
	return 0;
}

static int add_camera(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	struct config *c = &s->config;

	if (c->n_cameras == CONFIG_CAMERAS_MAX)
		return fail(e, -EINVAL, "camera: found a fifth one, allowed: %d", CONFIG_CAMERAS_MAX);
	key_set_presets(key_scope_camera, &c->camera[c->n_cameras]);
	snprintf(c->camera[c->n_cameras++].name, CONFIG_NAME_BYTES, "%.31s", a[0].text);
	snprintf(c->policy_cameras.name[c->policy_cameras.n++], CONFIG_NAME_BYTES, "%.31s", a[0].text);
	return 0;
}

static int add_device(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	if (s->n_devices == DEVICES_MAX)
		return fail(e, -EINVAL, "device: found one more, allowed: %d", DEVICES_MAX);
	snprintf(s->device[s->n_devices++], NAME_BYTES, "%.31s", a[0].text);
	return 0;
}

static int add_motion(struct scenario *s, enum motion_kind kind, const struct arg *a, uint32_t n, struct errbuf *e)
{
	struct motion_script *m = &s->motion[s->n_motions];

	if (s->n_motions == MOTIONS_MAX)
		return fail(e, -EINVAL, "motion: found one more, allowed: %d", MOTIONS_MAX);
	s->n_motions++;
	*m = (struct motion_script){ .kind = kind };
	snprintf(m->name, sizeof m->name, "%s", a[0].text);
	for (uint32_t i = 0; i < n; i++)
		m->value[i] = a[1 + i].number;
	return 0;
}

static int add_still(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	return add_motion(s, MOTION_STILL, a, 0, e);
}

static int add_circle(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	return a[2].number > 0.0 ? add_motion(s, MOTION_CIRCLE, a, 2, e) : fail(e, -EINVAL, "circle: found a period of 0 s, allowed: more");
}

static int add_way(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	return add_motion(s, MOTION_LINE, a, 4, e);
}

static int add_turn(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	return add_motion(s, MOTION_TURN, a, 2, e);
}

static int add_joints(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	return a[2].number > 0.0 ? add_motion(s, MOTION_JOINTS, a, 2, e) : fail(e, -EINVAL, "joints: found a period of 0 s, allowed: more");
}

static int set_seed(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->seed = (uint64_t)a[0].number;
	return 0;
}

static int set_start(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->has_start[a[0].index] = true;
	for (uint32_t j = 0; j < DOF_MAX; j++)
		s->start_rad[a[0].index][j] = a[1 + j].number;
	return 0;
}

static int limit_speed(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	for (uint32_t m = 0; m <= MODE_COUNT; m++)
		s->limits.tcp_speed_m_s[m] = a[0].number;
	return 0;
}

static int limit_speed_in(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->limits.tcp_speed_m_s[a[1].index] = a[0].number;
	return 0;
}

static int limit_velocity(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->limits.velocity = a[0].number;
	return 0;
}

static int limit_acceleration(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->limits.acceleration = a[0].number;
	return 0;
}

static int limit_jerk(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->limits.jerk = a[0].number;
	return 0;
}

static int limit_stop(struct scenario *s, const struct arg *a, struct errbuf *e)
{
	(void)e;
	s->limits.stop_ns = (int64_t)(a[0].number * (double)NS_PER_MS);
	return 0;
}

const struct command_row setup_rows[] = {
	{ "seed <count>", .set_up = set_seed, .help = "of the random numbers (1)" },
	{ "arm <word> panda|fr3|fr3_5.9|piper", .set_up = add_arm, .help = "one more arm: name and model, with the tool and workspace of the example configurations" },
	{ "start <arm> <number> <number> <number> <number> <number> <number>", .set_up = set_start, .help = "where an arm of six joints stands at first, rad; not said: at home" },
	{ "start <arm> <number> <number> <number> <number> <number> <number> <number>", .set_up = set_start, .help = "the same with seven joints" },
	{ "camera <word>", .set_up = add_camera, .help = "one more camera, 30 frames a second, 20 ms old on arrival" },
	{ "device <word>", .set_up = add_device, .help = "a person's device, teleop/<name>; it says nothing before its first command" },
	{ "motion <word> still", .set_up = add_still, .help = "under the instruction <word> the policy wants the TCP where it was at first" },
	{ "motion <word> circle <number> <number>", .set_up = add_circle, .help = "... on a circle in y and z: radius in m, seconds per turn" },
	{ "motion <word> line <number> <number> <number> <number>", .set_up = add_way, .help = "... at x, y, z in m from there, on the way with m/s per axis" },
	{ "motion <word> turn <number> <number>", .set_up = add_turn, .help = "... turning about x with rad/s, to and fro after so many seconds" },
	{ "motion <word> joints <number> <number>", .set_up = add_joints, .help = "... every joint in a sine about home: amplitude in rad, seconds; for the joint action spaces" },
	{ "limit tcp_speed <number>", .set_up = limit_speed, .help = "of targets, m/s, in every mode" },
	{ "limit tcp_speed <number> in <MODE>", .set_up = limit_speed_in, .help = "the same in one mode, from 0.5 s after its beginning" },
	{ "limit velocity <share>", .set_up = limit_velocity, .help = "of the model's, of targets; not said: robots[].limit_scale" },
	{ "limit acceleration <share>", .set_up = limit_acceleration, .help = "the same" },
	{ "limit jerk <share>", .set_up = limit_jerk, .help = "the same" },
	{ "limit stop <ms>", .set_up = limit_stop, .help = "from the change to HOLD, RETURN or FAULT until the targets stand still (1500)" },
	{ NULL, .help = "" },
};

/* ---- set ------------------------------------------------------------------------------------------------------------ */

/* cameras.NAME.key, robots.NAME.key, or a key of the whole. */
static const struct key *find_key(struct scenario *s, const char *name, void **object)
{
	struct config *c = &s->config;

	for (uint32_t i = 0; i < c->n_cameras; i++) {
		char section[64];
		size_t n = (size_t)snprintf(section, sizeof section, "cameras.%s.", c->camera[i].name);

		*object = &c->camera[i];
		if (strncmp(name, section, n) == 0)
			return key_find(key_scope_camera, name + n);
	}
	for (uint32_t i = 0; i < c->n_robots; i++) {
		char section[64];
		size_t n = (size_t)snprintf(section, sizeof section, "robots.%.31s.", c->robot[i].name);

		*object = &c->robot[i];
		if (strncmp(name, section, n) == 0)
			return key_find(key_scope_robot, name + n);
	}
	*object = c;
	return key_find(key_scope_global, name);
}

/* [1, 2] as it stands in YAML, by words: brackets and commas go. */
static void strip(char *word)
{
	size_t n = 0;

	for (const char *at = word; *at; at++)
		if (!strchr("[],", *at))
			word[n++] = *at;
	word[n] = '\0';
}

int setup_set(struct scenario *s, char words[][WORD_BYTES], uint32_t n, struct errbuf *e)
{
	struct key_value value = { .n = 0 };
	const struct key *key;
	struct errbuf why;
	void *object;
	int rc;

	if (n < 2)
		return fail(e, -EINVAL, "set: found no key and value, allowed: as in set control.rate_hz 500");
	key = find_key(s, words[0], &object);
	if (!key)
		return fail(e, -EINVAL, "set: found \"%s\", allowed: a key of the configuration, cameras.NAME.KEY or robots.NAME.KEY", words[0]);
	value.is_list = words[1][0] == '[';
	for (uint32_t i = 1; i < n; i++) {
		strip(words[i]);
		if (words[i][0])
			value.scalar[value.n++] = (struct key_scalar){ words[i], false };
	}
	if ((rc = key_set(key, object, &value, &why)) < 0)
		return fail(e, rc, "set %s: %.800s", words[0], why.text);
	return 0;
}
