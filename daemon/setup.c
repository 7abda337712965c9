/* setup.c - see setup.h. */
#include "daemon/setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/stage/action.h"
#include "daemon/sys/clock.h"
#include "robots/setup/arm_setup.h"
#include "robots/setup/pose_plan.h"

_Static_assert((int)CHUNK_STEPS_MAX == (int)POLICY_CHUNK_MAX, "what the policy answers is what the daemon can take");

static void copy_text(char *out, size_t capacity, const char *text)
{
	snprintf(out, capacity, "%s", text);
}

const struct config_camera *setup_camera(const struct config *c, uint32_t camera)
{
	if (camera >= c->policy_cameras.n)
		return NULL;
	for (uint32_t i = 0; i < c->n_cameras; i++)
		if (strcmp(c->camera[i].name, c->policy_cameras.name[camera]) == 0)
			return &c->camera[i];
	return NULL;
}

/* ---- arms ---- */

/* This arm's slice of the action vector: 6 for an end-effector, one per joint otherwise, and one for a gripper. */
static int take_actions(struct arm_setup *a, const struct config *c, uint32_t arm, struct errbuf *e)
{
	const struct config_robot *r = &c->robot[arm];
	bool joints = c->policy_action_space == ACTION_JOINT_DELTA || c->policy_action_space == ACTION_JOINT_ABSOLUTE;
	uint32_t motion = joints ? a->model.dof : 6u;
	bool gripper = c->policy_gripper_kind != 0;
	uint32_t want = motion + (gripper ? 1u : 0u);
	uint32_t found = r->action_dims > 0 ? (uint32_t)r->action_dims : want;

	if (found != want && !(gripper && found == motion))
		return fail(e, -EINVAL, "robots[%u].action_dims: %u: want %u (%u of the action space%s)", arm, found, want,
				motion, gripper ? ", 1 of the gripper" : "");
	a->action_first = (uint32_t)r->action_first;
	a->action_count = found;
	a->has_gripper = found > motion;
	if (a->has_gripper && !(a->gripper_max_m > 0.0))
		return fail(e, -EINVAL, "robots[%u].gripper_max_m: 0 m, and model %s has no gripper: want its opening, or "
				"policy.gripper.kind: none, or action_dims: %u", arm, a->model.name, motion);
	if (a->action_first + found > ACTION_DIM_MAX)
		return fail(e, -EINVAL, "robots[%u].action_first: %u + %u actions: want at most %d in all", arm, a->action_first,
				found, ACTION_DIM_MAX);
	return 0;
}

static int take_arm(struct arm_setup *a, const struct config *c, uint32_t arm, struct errbuf *e)
{
	int rc = arm_setup_make(a, c, &c->robot[arm], e);

	if (rc < 0)
		return rc;
	if (a->output == OUTPUT_POSE)
		(void)pose_plan(a);
	return take_actions(a, c, arm, e);
}

/* That names differ and no action is two arms', config_check has seen to. */
static int take_arms(struct control_setup *s, const struct config *c, struct errbuf *e)
{
	if (c->n_robots == 0)
		return fail(e, -EINVAL, "robots: empty: want at least one arm");
	s->n_arms = c->n_robots;
	for (uint32_t i = 0; i < s->n_arms; i++) {
		int rc = take_arm(&s->arm[i], c, i, e);

		if (rc < 0)
			return rc;
		if (s->arm[i].action_first + s->arm[i].action_count > s->action_dim)
			s->action_dim = s->arm[i].action_first + s->arm[i].action_count;
	}
	return 0;
}

/* ---- cameras, actions, execution ---- */

static int take_cameras(struct control_setup *s, const struct config *c, struct errbuf *e)
{
	if (c->policy_cameras.n == 0 || c->policy_cameras.n > CAMERAS_MAX)
		return fail(e, -EINVAL, "policy.cameras: has %u names: want 1 to %d", c->policy_cameras.n, CAMERAS_MAX);
	s->n_cameras = c->policy_cameras.n;
	for (uint32_t i = 0; i < s->n_cameras; i++) {
		const struct config_camera *camera = setup_camera(c, i);

		if (!camera)
			return fail(e, -EINVAL, "policy.cameras[%u]: \"%s\" has no section under cameras", i,
					c->policy_cameras.name[i]);
		copy_text(s->camera_name[i], sizeof s->camera_name[i], camera->name);
		s->camera_max_age_ns[i] = camera->max_age_ms * NS_PER_MS;
	}
	return 0;
}

/* A gripper's values are compared with policy.gripper's numbers as they come: another factor would silently do nothing. */
static int check_gripper_scale(const struct control_setup *s, struct errbuf *e)
{
	for (uint32_t i = 0; i < s->n_arms; i++) {
		const struct arm_setup *a = &s->arm[i];
		uint32_t last = a->action_first + a->action_count - 1;

		if (a->has_gripper && s->action_scale[last] != 1.0)
			return fail(e, -EINVAL, "policy.action_scale[%u]: %g: want 1 for the gripper of %s, whose unit policy.gripper "
					"gives (threshold, or action_closed and action_open)", last, s->action_scale[last], a->name);
	}
	return 0;
}

static int take_action_scale(struct control_setup *s, const struct config *c, struct errbuf *e)
{
	const struct config_reals *scale = &c->policy_action_scale;

	if (scale->n != 0 && scale->n != s->action_dim)
		return fail(e, -EINVAL, "policy.action_scale: has %u numbers: want %u, the actions of all arms", scale->n,
				s->action_dim);
	for (uint32_t i = 0; i < ACTION_DIM_MAX; i++)
		s->action_scale[i] = i < scale->n ? scale->value[i] : 1.0;
	return check_gripper_scale(s, e);
}

static struct gripper_setup take_gripper(const struct config *c)
{
	return (struct gripper_setup){
		.binary = c->policy_gripper_kind == 1,
		.open_is_high = c->policy_gripper_polarity == 0,
		.threshold = c->policy_gripper_threshold,
		.hysteresis = c->policy_gripper_hysteresis,
		.dwell_ns = c->policy_gripper_dwell_ms * NS_PER_MS,
		.action_closed = c->policy_gripper_action_closed,
		.action_open = c->policy_gripper_action_open,
	};
}

int setup_control(struct control_setup *s, const struct config *c, struct errbuf *e)
{
	int steps = c->execution_steps > 0 ? c->execution_steps : (c->policy_action_chunk + 1) / 2;
	int rc;

	*s = (struct control_setup){
		.period_ns = NS_PER_S / c->control_rate_hz,
		.state_max_age_ns = c->control_state_max_age_ms * NS_PER_MS,
		.action_space = (enum action_space)c->policy_action_space,
		.rotation = (enum rotation_form)c->policy_rotation,
		.delta_reference = (enum delta_reference)c->policy_delta_reference,
		.delta_frame = (enum delta_frame)c->policy_delta_frame,
		.action_dt_ns = (int64_t)llround((double)NS_PER_S / c->policy_action_hz),
		.gripper = take_gripper(c),
		.method = (enum execution_method)c->execution_method,
		.execution_steps = (uint32_t)(steps < c->policy_action_chunk ? steps : c->policy_action_chunk),
		.ensemble_m = c->execution_ensemble_m,
		.blend_ns = c->execution_blend_ms * NS_PER_MS,
		.starve_ns = c->execution_starve_ms * NS_PER_MS,
		.old_instruction_ns = c->execution_old_instruction_ms * NS_PER_MS,
		.speed_default = c->speed_default,
		.valid_for_ns = c->control_valid_for_ms * NS_PER_MS,
		.fault_stops_arm = c->control_fault_stops == 1,
		.teleop_timeout_ns = c->teleop_timeout_ms * NS_PER_MS,
		.teleop_resumes = c->teleop_resume == 1,
		.teleop_v_max_m_s = c->teleop_tcp_v_max_m_s,
		.teleop_w_max_rad_s = c->teleop_tcp_w_max_rad_s,
		.teleop_gripper_hysteresis_m = c->teleop_gripper_hysteresis_m,
		.teleop_gripper_dwell_ns = c->teleop_gripper_dwell_ms * NS_PER_MS,
	};
	if ((rc = take_cameras(s, c, e)) < 0 || (rc = take_arms(s, c, e)) < 0)
		return rc;
	return take_action_scale(s, c, e);
}

/* ---- policy ---- */

struct choice {
	const char *key;
	char *out;
	size_t capacity;
};

/* keys.def holds the names of a choice; config_visit is what turns an index back into its name. */
static void take_choice(void *context, const char *key, const char *value)
{
	struct choice *wanted = context;

	if (strcmp(key, wanted->key) == 0)
		copy_text(wanted->out, wanted->capacity, value);
}

static void name_of_choice(const struct config *c, const char *key, char *out, size_t capacity)
{
	struct choice wanted = { key, out, capacity };

	out[0] = '\0';
	config_visit(c, take_choice, &wanted);
}

static struct policy_picture_steps picture_steps(const struct config_camera *camera)
{
	return (struct policy_picture_steps){
		.rotate_180 = camera->rotate_180,
		.jpeg_round_trip = camera->jpeg_round_trip,
		.resize_height = (uint32_t)camera->resize_height,
		.resize_width = (uint32_t)camera->resize_width,
		.center_crop = camera->center_crop,
	};
}

void setup_policy(struct policy_setup *s, const struct config *c)
{
	*s = (struct policy_setup){ 0 };
	name_of_choice(c, "policy.decoder", s->decoder, sizeof s->decoder);
	name_of_choice(c, "policy.backend", s->backend, sizeof s->backend);
	s->options = (struct policy_options){
		.model = c->policy_model,
		.heads = c->policy_heads[0] ? c->policy_heads : NULL,
		.decoder = s->decoder,
		.backend = s->backend,
		.precision = (enum policy_precision)c->policy_precision,
		.steps = (uint32_t)c->policy_steps,
		.algorithm = (enum policy_algorithm)c->policy_algorithm,
		.top_k = (uint32_t)c->policy_top_k,
		.seed = (uint64_t)c->policy_seed,
		.action_vocabulary_only = c->policy_vocabulary == 1,
		.action_chunk = (uint32_t)c->policy_action_chunk,
		.unnorm_key = c->policy_unnorm_key[0] ? c->policy_unnorm_key : NULL,
		.normalisation = (enum policy_normalisation)c->policy_normalisation,
		.system_line = c->policy_system,
		.question = c->policy_question,
		.lowercase_instruction = c->policy_lowercase,
		.n_pictures = c->policy_cameras.n,
		.max_picture_width = (uint32_t)c->camera_max_width,
		.max_picture_height = (uint32_t)c->camera_max_height,
		.threads = (uint32_t)c->policy_threads, /* 0: the policy counts its own thread's processors */
	};
	for (uint32_t i = 0; i < s->options.n_pictures && i < POLICY_PICTURES_MAX; i++)
		s->options.picture[i] = picture_steps(setup_camera(c, i));
}

int setup_check_policy(const struct control_setup *s, const struct config *c, const struct policy_info *info,
		struct errbuf *e)
{
	if (info->action_dim != s->action_dim)
		return fail(e, -EINVAL, "%s: robots take %u actions per step (policy.action_space, policy.gripper.kind, "
				"robots[].action_dims), the checkpoint's statistics \"%s\" have %u", c->path, s->action_dim,
				info->unnorm_key ? info->unnorm_key : "", info->action_dim);
	if (info->action_chunk > CHUNK_STEPS_MAX)
		return fail(e, -EINVAL, "%s: policy.action_chunk: %u: want at most %d", c->path, info->action_chunk,
				CHUNK_STEPS_MAX);
	return 0;
}

static int take_item(enum proprio_item *out, const struct config *c, uint32_t at, struct errbuf *e)
{
	char known[256] = "";

	for (uint32_t i = 0; i < PROPRIO_COUNT; i++) {
		if (strcmp(c->policy_proprio.name[at], proprio_item_name(i)) == 0) {
			*out = (enum proprio_item)i;
			return 0;
		}
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", proprio_item_name(i));
	}
	return fail(e, -EINVAL, "%s: policy.proprio[%u]: \"%s\" is not known: want one of %s", c->path, at,
			c->policy_proprio.name[at], known);
}

static int check_gripper_items(const struct proprio_setup *s, const struct control_setup *control, const struct config *c,
		struct errbuf *e)
{
	for (uint32_t a = 0; a < control->n_arms; a++)
		if (proprio_needs_gripper(s->item, s->n_items) && !(control->arm[a].gripper_max_m > 0.0))
			return fail(e, -EINVAL, "%s: policy.proprio has the gripper, but robots[%u].gripper_max_m is 0 m, and model %s has "
					"none: want its opening, or zero in its place", c->path, a, control->arm[a].model.name);
	return 0;
}

static int check_lead_items(const struct proprio_setup *s, const struct control_setup *control, const struct config *c, struct errbuf *e)
{
	if (proprio_needs_lead(s->item, s->n_items) && action_is_joints(control))
		return fail(e, -EINVAL, "%s: policy.proprio: committed_pos and committed_rotvec are of end-effector actions: want policy.action_space "
				"ee_delta or ee_absolute, or neither of the two", c->path);
	return 0;
}

static void find_near(struct proprio_setup *s, const struct policy_info *info)
{
	for (uint32_t i = 0; i < s->total && info->state_low && info->state_high; i++)
		s->near[i] = info->state_mean ? info->state_mean[i] : (info->state_low[i] + info->state_high[i]) / 2.0;
}

int setup_proprio(struct proprio_setup *s, const struct control_setup *control, const struct config *c,
		const struct policy_info *info, struct errbuf *e)
{
	*s = (struct proprio_setup){ .n_items = c->policy_proprio.n };
	for (uint32_t i = 0; i < s->n_items; i++) {
		int rc = take_item(&s->item[i], c, i, e);

		if (rc < 0)
			return rc;
	}
	for (uint32_t a = 0; a < control->n_arms; a++) {
		uint32_t want = (uint32_t)c->robot[a].proprio_dims;

		for (uint32_t i = 0; i < s->n_items; i++)
			s->count[a] += proprio_item_size(s->item[i], control->arm[a].model.dof);
		if (want > 0 && want != s->count[a])
			return fail(e, -EINVAL, "%s: robots[%u].proprio_dims: %u: want %u, the values of policy.proprio", c->path, a,
					want, s->count[a]);
		s->total += s->count[a];
	}
	if (s->total > STATE_DIM_MAX)
		return fail(e, -EINVAL, "%s: policy.proprio: %u values: want at most %d", c->path, s->total, STATE_DIM_MAX);
	if (!info->needs_state && s->n_items > 0)
		return fail(e, -EINVAL, "%s: policy.proprio: %u values, but policy.heads (%s) has no proprio projector that takes them: "
				"want the folder with proprio_projector--*_checkpoint.pt, or policy.proprio: []", c->path, s->total,
				c->policy_heads[0] ? c->policy_heads : "empty: policy.model");
	if (info->needs_state && info->state_dim > 0 && s->total != info->state_dim)
		return fail(e, -EINVAL, "%s: policy.proprio: %u values of all arms: want %u, what the checkpoint's proprio "
				"projector takes", c->path, s->total, info->state_dim);
	find_near(s, info);
	if (check_lead_items(s, control, c, e) < 0)
		return -EINVAL;
	return check_gripper_items(s, control, c, e);
}
