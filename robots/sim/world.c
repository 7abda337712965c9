#include "robots/sim/world.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/sim/push.h"
#include "robots/sim/task/grip.h"
#include "robots/sim/task/look.h"
#include "robots/sim/task/pads.h"

/* Servo: critically damped, 1/SERVO_RAD_S = 3 ms, as fast as a stiff position controller of a real arm. */
static const double SERVO_RAD_S = 333.0;
/* Both fingers together, from the maker's data sheet: 50 mm/s each. */
static const double GRIPPER_SPEED_M_S = 0.1;
static const double PI = 3.14159265358979323846;
/* Where blocks are strewn: in front of the arm, within its reach and both cameras' view. */
static const double STREW_X_MIN = 0.36, STREW_X_MAX = 0.68, STREW_Y = 0.28, STREW_APART_M = 0.10;

/* SplitMix64 (Steele, Lea, Flood 2014; public domain code by S. Vigna). */
static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

double world_random_between(uint64_t *state, double low, double high)
{
	return low + (high - low) * (double)(random_u64(state) >> 11) * 0x1p-53;
}

static bool apart(const struct world *w, uint32_t n, double x, double y)
{
	for (uint32_t i = 0; i < n; i++)
		if (hypot(x - w->block[i].x_m, y - w->block[i].y_m) < STREW_APART_M)
			return false;
	return true;
}

static void strew_blocks(struct world *w)
{
	for (uint32_t i = 0; i < WORLD_BLOCKS; i++) {
		struct world_block *b = &w->block[i];

		/* The area holds four blocks with room to spare; the bound only makes the loop provably end. */
		for (int attempt = 0; attempt < 1000; attempt++) {
			b->x_m = world_random_between(&w->random, STREW_X_MIN, STREW_X_MAX);
			b->y_m = world_random_between(&w->random, -STREW_Y, STREW_Y);
			if (apart(w, i, b->x_m, b->y_m))
				break;
		}
		b->yaw_rad = world_random_between(&w->random, -PI / 4, PI / 4);
		b->colour = (enum block_colour)i;
	}
}

void world_init(struct world *w, const struct world_options *o)
{
	memset(w, 0, sizeof *w); /* padding too: equal worlds are equal bytes */
	w->model = o->model;
	w->random = o->seed;
	memcpy(w->q_rad, o->model->home_rad, sizeof w->q_rad);
	memcpy(w->q_command_rad, o->model->home_rad, sizeof w->q_command_rad);
	w->gripper_m = w->gripper_command_m = o->model->gripper_max_m;
	strew_blocks(w);
	w->task = o->task;
	if (o->task)
		look_vary(&w->look, o->seed);
	if (o->pads)
		pads_lay(w, o->seed);
}

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

static void take_command(struct world *w, const struct world_command *c)
{
	const struct robot_model *m = w->model;

	if (!c->valid)
		return;
	for (uint32_t j = 0; j < m->dof; j++)
		if (!isfinite(c->q_rad[j]))
			return;
	for (uint32_t j = 0; j < m->dof; j++)
		w->q_command_rad[j] = c->placed ? c->q_rad[j] : clamp(c->q_rad[j], m->q_min_rad[j], m->q_max_rad[j]);
	if (c->has_gripper && isfinite(c->gripper_m))
		w->gripper_command_m = clamp(c->gripper_m, 0.0, m->gripper_max_m);
}

/* Exact solution of x'' = w^2 (command - x) - 2 w x' over dt, for a constant command: stable for any dt. */
static void servo_step(struct world *w, double dt_s)
{
	double decay = exp(-SERVO_RAD_S * dt_s);

	for (uint32_t j = 0; j < w->model->dof; j++) {
		double offset = w->q_rad[j] - w->q_command_rad[j];
		double a = w->dq_rad_s[j] + SERVO_RAD_S * offset;

		w->q_rad[j] = w->q_command_rad[j] + (offset + a * dt_s) * decay;
		w->dq_rad_s[j] = (w->dq_rad_s[j] - SERVO_RAD_S * a * dt_s) * decay;
	}
}

static void place(struct world *w, const struct world_command *c)
{
	memcpy(w->q_rad, c->q_rad, sizeof w->q_rad);
	memcpy(w->dq_rad_s, c->dq_rad_s, sizeof w->dq_rad_s);
}

static struct frame frame_from_pose(const struct pose *p)
{
	double r[3][3];

	quat_to_matrix(p->q_xyzw, r);
	return (struct frame){ { p->p_m[0], p->p_m[1], p->p_m[2] }, { r[0][0], r[1][0], r[2][0] },
		{ r[0][1], r[1][1], r[2][1] }, { r[0][2], r[1][2], r[2][2] } };
}

uint32_t world_frames(const struct robot_model *m, const double *q_rad, struct frame out[WORLD_FRAMES])
{
	struct pose link[DOF_MAX + 1];

	kinematics_link_poses(m, q_rad, link);
	out[0] = (struct frame){ .ex = { 1, 0, 0 }, .ey = { 0, 1, 0 }, .ez = { 0, 0, 1 } };
	for (uint32_t i = 0; i <= m->dof; i++)
		out[i + 1] = frame_from_pose(&link[i]);
	return m->dof + 2;
}

struct frame world_hand_frame(const struct frame *flange)
{
	return frame_turned_z(flange, -PI / 4);
}

struct frame world_hand(const struct world *w)
{
	struct frame f[WORLD_FRAMES];
	uint32_t n = world_frames(w->model, w->q_rad, f);

	return world_hand_frame(&f[n - 1]);
}

void world_step(struct world *w, const struct world_command *command, int64_t dt_ns)
{
	double dt_s = (double)dt_ns * 1e-9, gripper_before_m = w->gripper_m;
	double reach_m = GRIPPER_SPEED_M_S * dt_s;

	take_command(w, command);
	if (command->valid && command->placed)
		place(w, command);
	else
		servo_step(w, dt_s);
	w->gripper_m += clamp(w->gripper_command_m - w->gripper_m, -reach_m, reach_m);
	if (w->task)
		grip_carry(w, dt_s);
	/* A closing gripper stops at what it holds. */
	if ((push_blocks(w, dt_s) || w->grip.holds) && w->gripper_m < gripper_before_m)
		w->gripper_m = gripper_before_m;
	if (w->task)
		grip_judge(w);
	w->steps++;
	w->t_ns += dt_ns;
}
