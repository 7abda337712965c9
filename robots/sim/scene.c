#include "robots/sim/scene.h"

#include <math.h>

enum { AROUND = 14, CAP_RINGS = 2 };

static const double PI = 3.14159265358979323846;
static const struct colour WHITE = { 236, 238, 240 }, GREY = { 92, 98, 106 }, DARK = { 46, 48, 54 };
static const struct colour BLOCK_PAINT[WORLD_BLOCKS] = {
	[BLOCK_RED] = { 214, 38, 34 },
	[BLOCK_GREEN] = { 34, 158, 60 },
	[BLOCK_BLUE] = { 36, 82, 214 },
	[BLOCK_YELLOW] = { 244, 204, 28 },
};

static struct colour lit(struct colour c, struct vec normal)
{
	double direct = fmax(vec_dot(normal, RASTER_LIGHT), 0);
	float k = (float)(0.46 + 0.12 * normal.z + 0.44 * direct);

	return (struct colour){ fminf(c.r * k, 255), fminf(c.g * k, 255), fminf(c.b * k, 255) };
}

static void quad(struct raster *r, const struct corner *a, const struct corner *b, const struct corner *c,
		const struct corner *d)
{
	raster_triangle(r, a, b, c);
	raster_triangle(r, a, c, d);
}

/* A box with its centre at f->p and half sides hx, hy, hz along the frame's axes. */
static void draw_box(struct raster *r, const struct frame *f, double hx, double hy, double hz, struct colour paint)
{
	const struct vec e[3] = { vec_scale(f->ex, hx), vec_scale(f->ey, hy), vec_scale(f->ez, hz) };

	for (int side = 0; side < 6; side++) {
		double sign = side % 2 ? -1 : 1;
		struct vec n = vec_scale(e[side / 2], sign), u = vec_scale(e[(side / 2 + 1) % 3], sign), v = e[(side / 2 + 2) % 3];
		struct colour c = lit(paint, vec_unit(n));
		struct vec m = vec_add(f->p, n);
		const struct corner k[4] = {
			{ vec_sub(vec_sub(m, u), v), c }, { vec_sub(vec_add(m, u), v), c },
			{ vec_add(vec_add(m, u), v), c }, { vec_add(vec_sub(m, u), v), c },
		};

		quad(r, &k[0], &k[1], &k[2], &k[3]);
	}
}

static void make_ring(struct corner out[AROUND], const struct frame *f, double z, double radius, double slope, struct colour paint)
{
	for (int i = 0; i < AROUND; i++) {
		double angle = 2 * PI * i / AROUND, c = cos(angle), s = sin(angle), side = sqrt(1 - slope * slope);
		struct vec out_wards = vec_add(vec_scale(f->ex, c), vec_scale(f->ey, s));

		out[i].p = vec_add(vec_add(f->p, vec_scale(f->ez, z)), vec_scale(out_wards, radius));
		out[i].colour = lit(paint, vec_add(vec_scale(out_wards, side), vec_scale(f->ez, slope)));
	}
}

static void join_rings(struct raster *r, const struct corner low[AROUND], const struct corner high[AROUND])
{
	for (int i = 0; i < AROUND; i++) {
		int k = (i + 1) % AROUND;

		quad(r, &low[i], &low[k], &high[k], &high[i]);
	}
}

/* Any frame at a whose ez points to b; *length = their distance. */
static struct frame frame_along(struct vec a, struct vec b, double *length)
{
	struct vec d = vec_sub(b, a), helper = fabs(d.z) > fabs(d.x) ? (struct vec){ 1, 0, 0 } : (struct vec){ 0, 0, 1 };
	struct frame f = { .p = a, .ez = vec_unit(d) };

	*length = sqrt(vec_dot(d, d));
	f.ex = vec_unit(vec_cross(helper, f.ez));
	f.ey = vec_cross(f.ez, f.ex);
	return f;
}

/* A rod from a to b with round ends of depth `cap` (0: flat, radius: half spheres). */
static void draw_rod(struct raster *r, struct vec a, struct vec b, double radius, double cap, struct colour paint)
{
	struct corner ring[2][AROUND];
	double length;
	struct frame f = frame_along(a, b, &length);
	int now = 0;

	make_ring(ring[now], &f, -cap, 0, -1, paint);
	for (int i = 1; i <= 2 * CAP_RINGS + 1; i++) {
		bool first_half = i <= CAP_RINGS;
		double latitude = (first_half ? i - CAP_RINGS : i - CAP_RINGS - 1) * PI / 2 / CAP_RINGS;
		double z = (first_half ? 0 : length) + cap * sin(latitude);
		double slope = cap > 0 ? sin(latitude) : latitude < 0 ? -1 : latitude > 0 ? 1 : 0;

		make_ring(ring[1 - now], &f, z, radius * cos(latitude), slope, paint);
		join_rings(r, ring[now], ring[1 - now]);
		now = 1 - now;
	}
}

static struct vec on(const struct frame *f, double x, double y, double z)
{
	return frame_point(f, x, y, z);
}

/* Proportions of a Panda, seen from its drawings; j[i] is the frame of joint i, j[0] the base. */
static void draw_franka(struct raster *r, const struct frame j[WORLD_FRAMES])
{
	const struct frame foot = { .p = { -0.04, 0, 0.03 }, .ex = { 1, 0, 0 }, .ey = { 0, 1, 0 }, .ez = { 0, 0, 1 } };

	draw_box(r, &foot, 0.13, 0.10, 0.03, GREY);
	draw_rod(r, on(&j[0], 0, 0, 0.05), on(&j[0], 0, 0, 0.16), 0.085, 0.02, WHITE);
	draw_rod(r, on(&j[0], 0, 0, 0.16), on(&j[0], 0, 0, 0.333), 0.060, 0.060, WHITE);
	draw_rod(r, on(&j[2], 0, 0, -0.075), on(&j[2], 0, 0, 0.075), 0.062, 0.015, GREY);
	draw_rod(r, j[2].p, on(&j[3], 0, 0, -0.03), 0.058, 0.058, WHITE);
	draw_rod(r, j[3].p, j[4].p, 0.055, 0.055, WHITE);
	draw_rod(r, on(&j[4], 0, 0, -0.07), on(&j[4], 0, 0, 0.07), 0.056, 0.015, GREY);
	draw_rod(r, j[4].p, on(&j[5], 0, 0, -0.26), 0.050, 0.050, WHITE);
	draw_rod(r, on(&j[5], 0, 0, -0.27), on(&j[5], 0, 0, -0.02), 0.050, 0.050, WHITE);
	draw_rod(r, on(&j[6], 0, 0, -0.065), on(&j[6], 0, 0, 0.065), 0.052, 0.015, GREY);
	draw_rod(r, j[6].p, j[7].p, 0.046, 0.046, WHITE);
	draw_rod(r, on(&j[7], 0, 0, -0.045), on(&j[7], 0, 0, 0.10), 0.044, 0.010, WHITE);
	draw_rod(r, on(&j[7], 0, 0, 0.085), on(&j[7], 0, 0, 0.107), 0.046, 0, GREY);
}

/* From joint to joint. */
static void draw_rods(struct raster *r, const struct frame *j, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		struct vec way = vec_sub(j[i + 1].p, j[i].p);

		if (vec_dot(way, way) > 1e-8) /* axes that cross have no rod between them */
			draw_rod(r, j[i].p, j[i + 1].p, 0.035, 0.035, i % 2 ? GREY : WHITE);
	}
}

static void draw_hand(struct raster *r, const struct frame *hand, double opening_m)
{
	struct frame f = *hand;

	f.p = on(hand, 0, 0, 0.033);
	draw_box(r, &f, 0.030, 0.102, 0.033, WHITE);
	f.p = on(hand, 0, 0, 0.062);
	draw_box(r, &f, 0.020, 0.092, 0.005, DARK);
	for (int side = -1; side <= 1; side += 2) {
		f.p = on(hand, 0, side * (opening_m / 2 + 0.010), 0.080);
		draw_box(r, &f, 0.011, 0.010, 0.015, GREY);
		f.p = on(hand, 0, side * (opening_m / 2 + 0.006), (0.095 + WORLD_TIP_M) / 2);
		draw_box(r, &f, 0.010, 0.006, (WORLD_TIP_M - 0.095) / 2, DARK);
	}
}

static void draw_block(struct raster *r, const struct world_block *b)
{
	double c = cos(b->yaw_rad), s = sin(b->yaw_rad), h = WORLD_BLOCK_HALF;
	const struct frame f = { { b->x_m, b->y_m, h + b->lift_m }, { c, s, 0 }, { -s, c, 0 }, { 0, 0, 1 } };

	draw_box(r, &f, h, h, h, BLOCK_PAINT[b->colour]);
}

static void draw_coasters(struct raster *r, const struct world_look *look)
{
	static const struct colour PAINT[] = { { 226, 224, 218 }, { 52, 50, 54 }, { 128, 130, 134 }, { 120, 70, 130 }, { 96, 64, 44 },
		{ 60, 122, 126 } };

	for (uint32_t i = 0; i < look->n_coasters; i++) {
		const struct world_coaster *c = &look->coaster[i];

		draw_rod(r, (struct vec){ c->x_m, c->y_m, 0 }, (struct vec){ c->x_m, c->y_m, 0.002 }, c->radius_m, 0,
				PAINT[c->paint % (sizeof PAINT / sizeof PAINT[0])]);
	}
}

/* The paler square within tells a pad from a block seen from above. */
static void draw_pad(struct raster *r, const struct world_pad *p)
{
	struct frame f = { { p->x_m, p->y_m, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };

	draw_box(r, &f, WORLD_PAD_HALF, WORLD_PAD_HALF, 0.001, BLOCK_PAINT[p->colour]);
	draw_box(r, &f, 0.6 * WORLD_PAD_HALF, 0.6 * WORLD_PAD_HALF, 0.002, WHITE);
}

static void draw_rim(struct raster *r)
{
	const double x = (WORLD_TABLE_X_MIN + WORLD_TABLE_X_MAX) / 2, y = (WORLD_TABLE_Y_MIN + WORLD_TABLE_Y_MAX) / 2;
	const double hx = (WORLD_TABLE_X_MAX - WORLD_TABLE_X_MIN) / 2, hy = (WORLD_TABLE_Y_MAX - WORLD_TABLE_Y_MIN) / 2, t = 0.012;
	const struct colour wood = { 112, 76, 48 };
	struct frame f = { .ex = { 1, 0, 0 }, .ey = { 0, 1, 0 }, .ez = { 0, 0, 1 } };

	for (int side = -1; side <= 1; side += 2) {
		f.p = (struct vec){ x + side * (hx + t), y, 0 };
		draw_box(r, &f, t, hy + 2 * t, 0.018, wood);
		f.p = (struct vec){ x, y + side * (hy + t), 0 };
		draw_box(r, &f, hx, t, 0.018, wood);
	}
}

static void draw_solids(struct raster *r, const struct world *w)
{
	struct frame f[WORLD_FRAMES];
	uint32_t n = world_frames(w->model, w->q_rad, f);
	struct frame hand = world_hand_frame(&f[n - 1]);

	for (uint32_t i = 0; i < WORLD_BLOCKS; i++)
		draw_block(r, &w->block[i]);
	if (w->model->dof == 7)
		draw_franka(r, f);
	else
		draw_rods(r, f, n);
	draw_hand(r, &hand, w->gripper_m);
}

void scene_draw(struct raster *r, const struct world *w)
{
	r->shadow = true;
	draw_solids(r, w);
	r->shadow = false;
	draw_rim(r);
	draw_coasters(r, &w->look);
	for (uint32_t i = 0; i < w->n_pads; i++)
		draw_pad(r, &w->pad[i]);
	draw_solids(r, w);
}

static struct colour table_paint(double x, double y)
{
	float u = (float)((x - WORLD_TABLE_X_MIN) / (WORLD_TABLE_X_MAX - WORLD_TABLE_X_MIN));
	float v = (float)((y - WORLD_TABLE_Y_MIN) / (WORLD_TABLE_Y_MAX - WORLD_TABLE_Y_MIN));
	/* 10 cm squares; + 1000 keeps the truncation one-sided. */
	float checker = ((int)(x * 10 + 1000) + (int)(y * 10 + 1000)) % 2 ? 7.0f : -7.0f;

	return (struct colour){ 176 + 34 * u + checker, 150 + 26 * v + 10 * u + checker, 124 + 40 * (1 - u) - 14 * v + checker };
}

/* Lines of tape on it, as on many benches: dark ones across, light ones away from the arm. */
static struct colour lined_paint(double x, double y)
{
	static const double ACROSS[] = { 0.28, 0.52, 0.76 }, AWAY[] = { -0.34, 0, 0.34 }, HALF_M = 0.004;
	struct colour c = table_paint(x, y);

	for (int i = 0; i < 3; i++) {
		if (fabs(x - ACROSS[i]) < HALF_M)
			return (struct colour){ 70, 66, 64 };
		if (fabs(y - AWAY[i]) < HALF_M)
			return (struct colour){ 234, 232, 226 };
	}
	return c;
}

static struct colour floor_paint(double x, double y)
{
	float shade = ((int)(x * 2 + 1000) + (int)(y * 2 + 1000)) % 2 ? 4.0f : -4.0f;

	return (struct colour){ 84 + shade, 88 + shade, 94 + shade };
}

static struct colour wall_paint(double up)
{
	float k = (float)fmin(up, 1);

	return (struct colour){ 168 + 24 * k, 178 + 22 * k, 188 + 20 * k };
}

const struct background *scene_background(const struct world *w)
{
	static const struct background plain = {
		.table = table_paint,
		.floor = floor_paint,
		.wall = wall_paint,
		.table_x = { WORLD_TABLE_X_MIN, WORLD_TABLE_X_MAX },
		.table_y = { WORLD_TABLE_Y_MIN, WORLD_TABLE_Y_MAX },
		.floor_z = -0.75,
	};
	static const struct background lined = {
		.table = lined_paint,
		.floor = floor_paint,
		.wall = wall_paint,
		.table_x = { WORLD_TABLE_X_MIN, WORLD_TABLE_X_MAX },
		.table_y = { WORLD_TABLE_Y_MIN, WORLD_TABLE_Y_MAX },
		.floor_z = -0.75,
	};

	return w->look.varied ? &lined : &plain;
}
