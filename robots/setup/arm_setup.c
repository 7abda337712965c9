/* arm_setup.c - see arm_setup.h. */
#include "robots/setup/arm_setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/model/model.h"

const struct config_robot *arm_setup_find(const struct config *c, const char *name, struct errbuf *e)
{
	char names[256] = "";
	size_t n = 0;

	if (!name && c->n_robots == 1)
		return &c->robot[0];
	for (uint32_t i = 0; i < c->n_robots; i++) {
		if (name && strcmp(c->robot[i].name, name) == 0)
			return &c->robot[i];
		if (n < sizeof names)
			n += (size_t)snprintf(names + n, sizeof names - n, " %s", c->robot[i].name);
	}
	(void)!fail(e, -EINVAL, "--arm %s: want one of the %u robots of %s:%s", name ? name : "(none)", c->n_robots, c->path, names);
	return NULL;
}

static int find_model(struct robot_model *out, const struct config_robot *r, uint32_t arm, struct errbuf *e)
{
	const struct robot_model *model = robot_model_find(r->model);
	char known[256] = "";

	if (model) {
		*out = *model;
		return 0;
	}
	for (uint32_t i = 0; robot_model_name(i); i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", robot_model_name(i));
	return fail(e, -EINVAL, "robots[%u].model: \"%s\" is not known: want one of %s", arm, r->model, known);
}

static int take_home(struct arm_setup *a, const struct config_robot *r, uint32_t arm, struct errbuf *e)
{
	if (r->home.n == 0) {
		memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
		return 0;
	}
	if (r->home.n != a->model.dof)
		return fail(e, -EINVAL, "robots[%u].home: has %u angles: want %u, the joints of model %s", arm, r->home.n,
				a->model.dof, a->model.name);
	for (uint32_t j = 0; j < a->model.dof; j++) {
		double q = r->home.value[j];

		if (!(q >= a->model.q_min_rad[j] && q <= a->model.q_max_rad[j]))
			return fail(e, -EINVAL, "robots[%u].home[%u]: %g rad: want %g..%g rad, the joint's limits", arm, j, q,
					a->model.q_min_rad[j], a->model.q_max_rad[j]);
		a->home_rad[j] = q;
	}
	return 0;
}

static int take_tcp(struct pose *tcp, const struct config_robot *r, uint32_t arm, struct errbuf *e)
{
	double norm = 0.0;

	if (r->tcp.n != 7)
		return fail(e, -EINVAL, "robots[%u].tcp: has %u numbers: want 7, x y z in m and the quaternion x y z w", arm,
				r->tcp.n);
	for (uint32_t i = 3; i < 7; i++)
		norm += r->tcp.value[i] * r->tcp.value[i];
	norm = sqrt(norm);
	if (!(fabs(norm - 1.0) <= 1e-3)) /* messages.md section 4 */
		return fail(e, -EINVAL, "robots[%u].tcp: the quaternion's norm is %g: want 1 within 0.001", arm, norm);
	memcpy(tcp->p_m, r->tcp.value, sizeof tcp->p_m);
	for (uint32_t i = 0; i < 4; i++)
		tcp->q_xyzw[i] = r->tcp.value[3 + i] / norm;
	return 0;
}

static int take_box(struct arm_setup *a, const struct config_robot *r, uint32_t arm, struct errbuf *e)
{
	if (r->workspace_min.n != 3 || r->workspace_max.n != 3)
		return fail(e, -EINVAL, "robots[%u].workspace_min and workspace_max: have %u and %u numbers: want 3, x y z in m",
				arm, r->workspace_min.n, r->workspace_max.n);
	for (uint32_t i = 0; i < 3; i++) {
		a->box_min_m[i] = r->workspace_min.value[i];
		a->box_max_m[i] = r->workspace_max.value[i];
		if (!(a->box_min_m[i] < a->box_max_m[i]))
			return fail(e, -EINVAL, "robots[%u].workspace_min[%u]: %g m: want less than workspace_max, %g m", arm, i,
					a->box_min_m[i], a->box_max_m[i]);
	}
	return 0;
}

static int take_name(struct arm_setup *a, const struct config_robot *r, uint32_t arm, struct errbuf *e)
{
	size_t n = strlen(r->name);

	if (n == 0 || n >= sizeof a->name)
		return fail(e, -EINVAL, "robots[%u].name: \"%s\": want 1 to %d bytes", arm, r->name, NAME_BYTES - 1);
	memcpy(a->name, r->name, n + 1);
	return 0;
}

int arm_setup_make(struct arm_setup *a, const struct config *c, const struct config_robot *r, struct errbuf *e)
{
	uint32_t arm = (uint32_t)(r - c->robot);

	*a = (struct arm_setup){
		.output = r->output == 0 ? OUTPUT_JOINT : OUTPUT_POSE,
		.playout_ns = r->playout_ms > 0 ? r->playout_ms * NS_PER_MS : 2 * NS_PER_S / c->control_rate_hz,
		.floor_m = r->floor_m,
		.limit_scale = r->limit_scale,
		.tracking_error_rad = r->tracking_error_rad,
		.tcp_v_max_m_s = r->tcp_v_max_m_s,
	};
	int rc = find_model(&a->model, r, arm, e);

	if (rc < 0 || (rc = take_name(a, r, arm, e)) < 0 || (rc = take_home(a, r, arm, e)) < 0)
		return rc;
	a->gripper_max_m = r->gripper_max_m > 0.0 ? r->gripper_max_m : a->model.gripper_max_m;
	a->has_gripper = a->gripper_max_m > 0.0;
	if ((rc = take_tcp(&a->tcp, r, arm, e)) < 0)
		return rc;
	return take_box(a, r, arm, e);
}
