/* replay_check.c - see replay_check.h. */
#include "daemon/record/replay_check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "policy/policy.h"

static const int64_t time_most_ns = INT64_C(1) << 61;
enum { PICTURE_SIDE_MAX = 8192 };

/* ---- one value; a bool that holds neither 0 nor 1 may not even be looked at as one --------------------------------- */

#define FLAG(b) (*(const unsigned char *)&(b) <= 1)
#define ONE_OF(value, count) ((unsigned)(value) < (unsigned)(count))

static bool time_good(int64_t t_ns)
{
	return t_ns >= -time_most_ns && t_ns <= time_most_ns;
}

static bool finite_all(const double *value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(value[i]))
			return false;
	return true;
}

static bool pose_good(const struct pose *p)
{
	return finite_all(p->p_m, 3) && finite_all(p->q_xyzw, 4);
}

/* ---- one struct: NULL, or what is wrong ----------------------------------------------------------------------------- */

static const char *wrong_arm(const struct arm_state *s)
{
	if (!FLAG(s->present) || !FLAG(s->has_gripper) || !FLAG(s->has_q) || !FLAG(s->stopped) || !FLAG(s->attached) || !FLAG(s->has_errors))
		return "an arm's flag";
	if (!ONE_OF(s->mode, ARM_MODE_COUNT))
		return "an arm's mode";
	if (!time_good(s->ack_t_ns) || !time_good(s->stamp_ns) || !time_good(s->arrival_ns) || !time_good(s->sent_ns)
			|| !time_good(s->sent_chunk_ns))
		return "an arm's time";
	return finite_all(s->q_rad, DOF_MAX) && finite_all(s->dq_rad_s, DOF_MAX) && finite_all(s->q_d_rad, DOF_MAX) && pose_good(&s->ee)
			&& isfinite(s->gripper_m) ? NULL : "an arm's number";
}

static const char *wrong_arms(const struct arm_state arm[ARMS_MAX])
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < ARMS_MAX && !wrong; i++)
		wrong = wrong_arm(&arm[i]);
	return wrong;
}

static const char *wrong_teleop(const struct teleop_input *t, const struct control_setup *setup)
{
	if (!FLAG(t->present) || !FLAG(t->deadman) || !FLAG(t->has_gripper))
		return "a device's flag";
	if (t->arm >= setup->n_arms || !ONE_OF(t->kind, TELEOP_JOINT + 1) || !ONE_OF(t->frame, FRAME_TCP + 1))
		return "a device's arm, kind or frame";
	if (!time_good(t->stamp_ns) || !time_good(t->arrival_ns) || !time_good(t->edge_ns))
		return "a device's time";
	return finite_all(t->value, TELEOP_VALUES_MAX) && isfinite(t->gripper_m) ? NULL : "a device's number";
}

static const char *wrong_cameras(const struct inputs *in)
{
	for (uint32_t i = 0; i < CAMERAS_MAX; i++) {
		const struct camera_status *c = &in->camera[i];

		if (!FLAG(c->present) || !FLAG(c->frozen) || !time_good(c->stamp_ns) || !time_good(c->arrival_ns))
			return "a camera";
	}
	return NULL;
}

const char *replay_wrong_inputs(const struct inputs *in, const struct control_setup *setup)
{
	const char *wrong = wrong_arms(in->arm);

	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX && !wrong; i++)
		wrong = wrong_teleop(&in->teleop[i], setup);
	for (uint32_t i = 0; i < ARMS_MAX && !wrong; i++)
		wrong = time_good(in->state_void_ns[i]) ? NULL : "a void state's time";
	if (!wrong)
		wrong = wrong_cameras(in);
	if (wrong)
		return wrong;
	return FLAG(in->cameras_skewed) && FLAG(in->clock_stepped) && time_good(in->instruction_ns) ? NULL : "the inputs' flags or times";
}

const char *replay_wrong_policy(const struct policy_status *p)
{
	return ONE_OF(p->health, POLICY_BROKEN + 1) && FLAG(p->state_out_of_range) && FLAG(p->lost) && p->state_dim_out < STATE_DIM_MAX
			? NULL : "the policy's status";
}

static const char *wrong_command(const struct command *c, const struct control_setup *setup)
{
	if (!ONE_OF(c->kind, COMMAND_SHUTDOWN + 1) || (c->arm >= setup->n_arms && c->arm != ALL_ARMS) || !time_good(c->received_ns))
		return "a command's kind, arm or time";
	return isfinite(c->value) && finite_all(c->delta.v_m_s, 3) && finite_all(c->delta.w_rad_s, 3) ? NULL : "a command's number";
}

/* Shape and numbers are what control itself judges; only what it would read beyond is looked at here. */
const char *replay_wrong_chunk(const struct action_chunk *c)
{
	if (c->n_steps > CHUNK_STEPS_MAX || c->action_dim > ACTION_DIM_MAX)
		return "a chunk's shape";
	if (!time_good(c->t_obs_ns) || !time_good(c->frame_stamp_ns) || !time_good(c->received_ns) || !time_good(c->handed_over_ns)
			|| !time_good(c->inference_ns))
		return "a chunk's time";
	return wrong_arms(c->arm);
}

static const char *wrong_target(const struct driver_target *t, const struct control_setup *setup)
{
	return FLAG(t->valid) && FLAG(t->has_gripper) && FLAG(t->first_of_chunk) && FLAG(t->shadow) && FLAG(t->intervention)
			&& ONE_OF(t->source, TARGET_SOURCE_COUNT) && t->arm < setup->n_arms ? NULL : "a target's flag, source or arm";
}

/* ---- a tick ----------------------------------------------------------------------------------------------------------- */

static const char *wrong_head(const struct record_tick *t)
{
	if (t->has_inputs > 1 || t->has_policy > 1 || t->has_chunk > 1 || t->refused > 1)
		return "a tick's flag";
	if (t->n_commands > COMMAND_RING || t->n_targets > 2 * ARMS_MAX)
		return "a tick's number of commands or targets";
	return t->tick > 0 && t->now_ns > 0 && t->now_ns <= time_most_ns ? NULL : "a tick's time";
}

static size_t tick_bytes(const struct record_tick *t)
{
	return sizeof *t + t->has_inputs * sizeof(struct inputs) + t->has_policy * sizeof(struct policy_status)
			+ t->has_chunk * sizeof(struct action_chunk) + t->n_commands * sizeof(struct command)
			+ t->n_targets * sizeof(struct driver_target);
}

static const uint8_t *take(void *to, const uint8_t *at, size_t n)
{
	memcpy(to, at, n);
	return at + n;
}

static void take_parts(struct replay_tick *t, const uint8_t *at)
{
	if (t->head.has_inputs)
		at = take(&t->inputs, at, sizeof t->inputs);
	if (t->head.has_policy)
		at = take(&t->policy, at, sizeof t->policy);
	if (t->head.has_chunk)
		at = take(&t->chunk, at, sizeof t->chunk);
	at = take(t->command, at, t->head.n_commands * sizeof *t->command);
	take(t->target, at, t->head.n_targets * sizeof *t->target);
}

static const char *wrong_parts(const struct replay_tick *t, const struct control_setup *setup)
{
	const char *wrong = t->head.has_inputs ? replay_wrong_inputs(&t->inputs, setup) : NULL;

	if (!wrong && t->head.has_policy)
		wrong = replay_wrong_policy(&t->policy);
	if (!wrong && t->head.has_chunk)
		wrong = replay_wrong_chunk(&t->chunk);
	for (uint32_t i = 0; i < t->head.n_commands && !wrong; i++)
		wrong = wrong_command(&t->command[i], setup);
	for (uint32_t i = 0; i < t->head.n_targets && !wrong; i++)
		wrong = wrong_target(&t->target[i], setup);
	return wrong;
}

int replay_take_tick(struct replay_tick *t, const struct control_setup *setup, const void *data, size_t n, struct errbuf *e)
{
	const char *wrong;

	if (n < sizeof t->head)
		return fail(e, -EBADMSG, "a tick of %zu bytes: want %zu or more", n, sizeof t->head);
	memcpy(&t->head, data, sizeof t->head);
	wrong = wrong_head(&t->head);
	if (!wrong && tick_bytes(&t->head) != n)
		wrong = "a tick's size";
	if (!wrong) {
		take_parts(t, (const uint8_t *)data + sizeof t->head);
		wrong = wrong_parts(t, setup);
	}
	return wrong ? fail(e, -EBADMSG, "%s makes no sense: the file is damaged", wrong) : 0;
}

/* ---- an observation ---------------------------------------------------------------------------------------------------- */

static const char *wrong_frame(const struct camera_frame *f)
{
	if (!ONE_OF(f->encoding, ENCODING_COUNT) || f->width == 0 || f->height == 0 || f->width > PICTURE_SIDE_MAX || f->height > PICTURE_SIDE_MAX)
		return "a frame's encoding or size";
	if (f->encoding != ENCODING_JPEG && f->n_bytes != 3 * f->width * f->height)
		return "a frame's number of bytes";
	return time_good(f->stamp_ns) && time_good(f->arrival_ns) ? NULL : "a frame's time";
}

static const char *wrong_observation(const struct record_observation *r, const struct control_setup *setup)
{
	const struct observation *o = &r->observation;
	const char *wrong = wrong_arms(o->arm);

	if (o->n_cameras != setup->n_cameras || o->n_arms != setup->n_arms)
		return "an observation's number of cameras or arms";
	for (uint32_t i = 0; i < o->n_cameras && !wrong; i++)
		wrong = wrong_frame(&o->frame[i]);
	if (wrong)
		return wrong;
	if (!time_good(o->t_obs_ns) || !time_good(o->ready_ns) || !time_good(r->hint_ns) || !time_good(r->motion_ns) || r->latency_ns < 0
			|| !time_good(r->latency_ns))
		return "an observation's time";
	if (o->instruction_id == 0 || o->instruction[0] == 0 || !memchr(o->instruction, 0, sizeof o->instruction))
		return "an observation's instruction";
	return r->inference > 0 && r->chunk > 0 && r->n_ids <= POLICY_VALUES_MAX && r->n_said <= POLICY_VALUES_MAX ? NULL : "an observation's numbers";
}

static size_t whole_parts(size_t n)
{
	return (n + RECORD_PART_BYTES - 1) / RECORD_PART_BYTES * RECORD_PART_BYTES;
}

static bool size_fits(const struct record_observation *r, size_t n)
{
	size_t want = sizeof *r + whole_parts(r->n_ids * sizeof(int32_t)) + r->n_said * sizeof(double)
			+ whole_parts(r->n_said * sizeof(int32_t));

	for (uint32_t i = 0; i < r->observation.n_cameras; i++)
		want += whole_parts(r->observation.frame[i].n_bytes);
	return want == n;
}

static const uint8_t *take_lists(const struct record_observation *r, const uint8_t *at, struct replay_parts *parts)
{
	parts->ids = at;
	at += whole_parts(r->n_ids * sizeof(int32_t));
	parts->action = (const double *)(const void *)at;
	at += r->n_said * sizeof(double);
	parts->token = (const int32_t *)(const void *)at;
	return at + whole_parts(r->n_said * sizeof(int32_t));
}

int replay_take_observation(struct record_observation *r, const struct control_setup *setup, const void *data, size_t n,
		struct replay_parts *parts, struct errbuf *e)
{
	const uint8_t *at = data;
	const char *wrong;

	if (n < sizeof *r)
		return fail(e, -EBADMSG, "an observation of %zu bytes: want %zu or more", n, sizeof *r);
	memcpy(r, data, sizeof *r);
	wrong = wrong_observation(r, setup);
	if (!wrong && !size_fits(r, n))
		wrong = "an observation's size";
	if (wrong)
		return fail(e, -EBADMSG, "%s makes no sense: the file is damaged", wrong);
	at = take_lists(r, at + sizeof *r, parts);
	if (!finite_all(parts->action, r->n_said))
		return fail(e, -EBADMSG, "an observation's said action makes no sense: the file is damaged");
	for (uint32_t i = 0; i < CAMERAS_MAX; i++)
		r->observation.frame[i].bytes = NULL;
	for (uint32_t i = 0; i < r->observation.n_cameras; i++) {
		r->observation.frame[i].bytes = (uint8_t *)at; /* nobody writes there: the policy only reads frames */
		at += whole_parts(r->observation.frame[i].n_bytes);
	}
	return 0;
}
