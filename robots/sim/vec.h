/* vec.h - three-vectors and coordinate frames of the simulated world. Columns of a frame's rotation are its axes. */
#ifndef DREAMVLA_ROBOTS_SIM_VEC_H
#define DREAMVLA_ROBOTS_SIM_VEC_H

#include <math.h>

struct vec {
	double x, y, z;
};

struct frame {
	struct vec p;              /* origin, m */
	struct vec ex, ey, ez;     /* unit axes */
};

static inline struct vec vec_add(struct vec a, struct vec b)
{
	return (struct vec){ a.x + b.x, a.y + b.y, a.z + b.z };
}

static inline struct vec vec_sub(struct vec a, struct vec b)
{
	return (struct vec){ a.x - b.x, a.y - b.y, a.z - b.z };
}

static inline struct vec vec_scale(struct vec a, double s)
{
	return (struct vec){ a.x * s, a.y * s, a.z * s };
}

static inline double vec_dot(struct vec a, struct vec b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec vec_cross(struct vec a, struct vec b)
{
	return (struct vec){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}

/* A zero vector stays zero. */
static inline struct vec vec_unit(struct vec a)
{
	double n = sqrt(vec_dot(a, a));

	return n > 0 ? vec_scale(a, 1.0 / n) : a;
}

/* The point with coordinates (x, y, z) in frame f, in the frame's parent. */
static inline struct vec frame_point(const struct frame *f, double x, double y, double z)
{
	struct vec v = f->p;

	v = vec_add(v, vec_scale(f->ex, x));
	v = vec_add(v, vec_scale(f->ey, y));
	return vec_add(v, vec_scale(f->ez, z));
}

/* f turned by `angle_rad` about its own z axis. */
static inline struct frame frame_turned_z(const struct frame *f, double angle_rad)
{
	double c = cos(angle_rad), s = sin(angle_rad);
	struct frame t = *f;

	t.ex = vec_add(vec_scale(f->ex, c), vec_scale(f->ey, s));
	t.ey = vec_sub(vec_scale(f->ey, c), vec_scale(f->ex, s));
	return t;
}

#endif
