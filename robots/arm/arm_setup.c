#include "robots/arm/arm_setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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

static int take_model(struct arm_setup *a, const struct config_robot *r, struct errbuf *e)
{
	const struct robot_model *m = robot_model_find(r->model);
	char names[256] = "";
	size_t n = 0;

	if (m) {
		a->model = *m;
		return 0;
	}
	for (uint32_t i = 0; robot_model_name(i) && n < sizeof names; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, " %s", robot_model_name(i));
	return fail(e, -EINVAL, "robots[%s].model: \"%s\" is not known, want one of%s", r->name, r->model, names);
}

static int take_tcp(struct arm_setup *a, const struct config_robot *r, struct errbuf *e)
{
	const double *v = r->tcp.value;
	double norm = sqrt(v[3] * v[3] + v[4] * v[4] + v[5] * v[5] + v[6] * v[6]);

	if (r->tcp.n != 7 || !(fabs(norm - 1) <= 1e-3))
		return fail(e, -EINVAL, "robots[%s].tcp: want x, y, z and a unit quaternion x, y, z, w", r->name);
	for (int i = 0; i < 3; i++)
		a->tcp.p_m[i] = v[i];
	for (int i = 0; i < 4; i++)
		a->tcp.q_xyzw[i] = v[3 + i] / norm;
	return 0;
}

int arm_setup_make(struct arm_setup *a, const struct config_robot *r, struct errbuf *e)
{
	*a = (struct arm_setup){ .output = OUTPUT_JOINT, .floor_m = r->floor_m, .limit_scale = r->limit_scale,
		.tracking_error_rad = r->tracking_error_rad, .tcp_v_max_m_s = r->tcp_v_max_m_s };
	int rc = take_model(a, r, e);

	if (rc < 0 || (rc = take_tcp(a, r, e)) < 0)
		return rc;
	if (r->workspace_min.n != 3 || r->workspace_max.n != 3)
		return fail(e, -EINVAL, "robots[%s].workspace_min, workspace_max: want three numbers each", r->name);
	memcpy(a->box_min_m, r->workspace_min.value, sizeof a->box_min_m);
	memcpy(a->box_max_m, r->workspace_max.value, sizeof a->box_max_m);
	if (strlen(r->name) >= sizeof a->name)
		return fail(e, -EINVAL, "robots[%s].name: want at most %d bytes", r->name, NAME_BYTES - 1);
	strcpy(a->name, r->name);
	a->gripper_max_m = r->gripper_max_m > 0 ? r->gripper_max_m : a->model.gripper_max_m;
	a->has_gripper = a->gripper_max_m > 0;
	return 0;
}
