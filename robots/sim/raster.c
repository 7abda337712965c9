#include "robots/sim/raster.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEAR_M = 0.02;
static const float SHADOW = 0.62f; /* light left on the table in a shadow */

/* A corner in the camera's frame, and on the picture. */
struct seen {
	double x, y, z;
	struct colour colour;
};

struct point {
	float x, y, inverse;       /* pixels, 1 / distance */
	struct colour colour;
};

int raster_create(struct raster **out, uint32_t width, uint32_t height)
{
	if (!width || !height || width > RASTER_SIDE_MAX || height > RASTER_SIDE_MAX)
		return -EINVAL;
	struct raster *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->width = width * RASTER_OVERSAMPLE;
	r->height = height * RASTER_OVERSAMPLE;
	r->depth = malloc(sizeof *r->depth * r->width * r->height);
	r->pixel = malloc((size_t)4 * r->width * r->height);
	if (!r->depth || !r->pixel) {
		raster_destroy(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void raster_destroy(struct raster *r)
{
	if (!r)
		return;
	free(r->depth);
	free(r->pixel);
	free(r);
}

static void put(uint8_t *pixel, struct colour c, enum raster_surface surface)
{
	pixel[0] = (uint8_t)c.r;
	pixel[1] = (uint8_t)c.g;
	pixel[2] = (uint8_t)c.b;
	pixel[3] = (uint8_t)surface;
}

/* The ray is scaled so that its length along the camera's ez is 1: where it meets a plane, `t` is the depth. */
static void background_pixel(const struct background *b, struct vec eye, struct vec ray, uint8_t *pixel, float *depth)
{
	*depth = 0;
	if (!(ray.z < 0)) {
		put(pixel, b->wall(ray.z), SURFACE_OTHER);
		return;
	}
	double t = -eye.z / ray.z, x = eye.x + t * ray.x, y = eye.y + t * ray.y;
	if (t > 0 && x > b->table_x[0] && x < b->table_x[1] && y > b->table_y[0] && y < b->table_y[1]) {
		put(pixel, b->table(x, y), SURFACE_TABLE);
		*depth = (float)(1 / t);
		return;
	}
	t = (b->floor_z - eye.z) / ray.z;
	put(pixel, b->floor(eye.x + t * ray.x, eye.y + t * ray.y), SURFACE_OTHER);
}

/* One ray for each pixel of the finished picture: the background has no edges that the table's rim does not hide. */
static void background_row(struct raster *r, const struct background *b, uint32_t y)
{
	const struct frame *f = &r->view.frame;
	double step = RASTER_OVERSAMPLE / r->scale, first = (1 - r->width / 2.0) / r->scale;
	struct vec ray = vec_add(f->ez, vec_scale(f->ey, (y + 1 - r->height / 2.0) / r->scale));
	struct vec right = vec_scale(f->ex, step);
	size_t i = (size_t)y * r->width;

	ray = vec_add(ray, vec_scale(f->ex, first));
	for (uint32_t x = 0; x < r->width; x += RASTER_OVERSAMPLE, i += RASTER_OVERSAMPLE) {
		background_pixel(b, f->p, ray, &r->pixel[4 * i], &r->depth[i]);
		memcpy(&r->pixel[4 * i + 4], &r->pixel[4 * i], 4);
		r->depth[i + 1] = r->depth[i];
		ray = vec_add(ray, right);
	}
	i = (size_t)y * r->width;
	memcpy(&r->pixel[4 * (i + r->width)], &r->pixel[4 * i], (size_t)4 * r->width);
	memcpy(&r->depth[i + r->width], &r->depth[i], sizeof *r->depth * r->width);
}

void raster_begin(struct raster *r, const struct camera_view *view, const struct background *b)
{
	r->view = *view;
	r->scale = view->focal * r->height;
	r->shadow = false;
	for (uint32_t y = 0; y < r->height; y += RASTER_OVERSAMPLE)
		background_row(r, b, y);
}

static void shade_pixel(uint8_t *pixel)
{
	if (pixel[3] != SURFACE_TABLE)
		return;
	for (int k = 0; k < 3; k++)
		pixel[k] = (uint8_t)((float)pixel[k] * SHADOW);
	pixel[3] = SURFACE_SHADED_TABLE;
}

/* One attribute of a triangle as a plane over the picture: at (x, y) it is c + dx * x + dy * y. */
struct plane {
	float c, dx, dy;
};

static struct plane plane_through(const struct point p[3], float area, float a0, float a1, float a2)
{
	float dx = ((a1 - a0) * (p[2].y - p[0].y) - (a2 - a0) * (p[1].y - p[0].y)) / area;
	float dy = ((a2 - a0) * (p[1].x - p[0].x) - (a1 - a0) * (p[2].x - p[0].x)) / area;

	return (struct plane){ a0 - dx * p[0].x - dy * p[0].y, dx, dy };
}

static float plane_at(const struct plane *p, float x, float y)
{
	return p->c + p->dx * x + p->dy * y;
}

/* Pixels of row y inside the triangle: [*from, *to). Each edge bounds the row from one side. */
static void row_span(const struct point p[3], float y, float *from, float *to)
{
	for (int i = 0; i < 3; i++) {
		const struct point *a = &p[i], *b = &p[(i + 1) % 3];
		float rise = b->y - a->y;

		if (rise == 0)
			continue;
		float x = a->x + (b->x - a->x) * (y - a->y) / rise;
		if (rise < 0)
			*from = fmaxf(*from, x);
		else
			*to = fminf(*to, x);
	}
}

static uint8_t channel(float v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

struct fill {
	struct plane inverse, red, green, blue;
};

static void fill_row(struct raster *r, const struct fill *f, uint32_t y, int from, int to)
{
	float py = (float)y + 0.5f;

	for (int x = from; x < to; x++) {
		size_t i = (size_t)y * r->width + (size_t)x;
		float px = (float)x + 0.5f, inverse = plane_at(&f->inverse, px, py);

		if (inverse <= r->depth[i])
			continue;
		uint8_t *pixel = &r->pixel[4 * i];
		r->depth[i] = inverse;
		pixel[0] = channel(plane_at(&f->red, px, py));
		pixel[1] = channel(plane_at(&f->green, px, py));
		pixel[2] = channel(plane_at(&f->blue, px, py));
		pixel[3] = SURFACE_OTHER;
	}
}

static void shade_row(struct raster *r, uint32_t y, int from, int to)
{
	for (int x = from; x < to; x++)
		shade_pixel(&r->pixel[4 * ((size_t)y * r->width + (size_t)x)]);
}

/* p turns from the picture's x to its y axis: positive area. */
static void fill_triangle(struct raster *r, const struct point p[3], float area)
{
	struct fill f = { 0 };
	float low = fminf(p[0].y, fminf(p[1].y, p[2].y)), high = fmaxf(p[0].y, fmaxf(p[1].y, p[2].y));
	float width = (float)r->width, height = (float)r->height;
	int first = (int)ceilf(fmaxf(low, 0) - 0.5f), last = (int)ceilf(fminf(high, height) - 0.5f);

	if (!r->shadow)
		f = (struct fill){
			.inverse = plane_through(p, area, p[0].inverse, p[1].inverse, p[2].inverse),
			.red = plane_through(p, area, p[0].colour.r, p[1].colour.r, p[2].colour.r),
			.green = plane_through(p, area, p[0].colour.g, p[1].colour.g, p[2].colour.g),
			.blue = plane_through(p, area, p[0].colour.b, p[1].colour.b, p[2].colour.b),
		};
	for (int y = first < 0 ? 0 : first; y < last; y++) {
		float left = 0, right = width;

		row_span(p, (float)y + 0.5f, &left, &right);
		int from = (int)ceilf(fmaxf(left - 0.5f, 0)), to = (int)ceilf(fminf(right, width) - 0.5f);
		if (r->shadow)
			shade_row(r, (uint32_t)y, from, to);
		else
			fill_row(r, &f, (uint32_t)y, from, to);
	}
}

static void project_and_fill(struct raster *r, const struct seen *a, const struct seen *b, const struct seen *c)
{
	const struct seen *s[3] = { a, c, b }; /* the picture's y points down */
	struct point p[3];

	for (int i = 0; i < 3; i++) {
		double k = r->scale / s[i]->z;

		p[i] = (struct point){ (float)(r->width / 2.0 + s[i]->x * k), (float)(r->height / 2.0 + s[i]->y * k),
			(float)(1 / s[i]->z), s[i]->colour };
	}
	float area = (p[1].x - p[0].x) * (p[2].y - p[0].y) - (p[2].x - p[0].x) * (p[1].y - p[0].y);
	if (area < 0 && r->shadow) { /* a shadow has no back */
		struct point t = p[1];

		p[1] = p[2];
		p[2] = t;
		area = -area;
	}
	if (area > 1e-6f)
		fill_triangle(r, p, area);
}

static struct seen see(const struct raster *r, const struct corner *c)
{
	const struct frame *f = &r->view.frame;
	struct vec p = c->p;

	if (r->shadow) { /* down along the light onto the table */
		p = vec_sub(p, vec_scale(RASTER_LIGHT, fmax(p.z, 0) / RASTER_LIGHT.z));
		p.z = 0;
	}
	struct vec d = vec_sub(p, f->p);
	return (struct seen){ vec_dot(d, f->ex), vec_dot(d, f->ey), vec_dot(d, f->ez), c->colour };
}

static struct seen cut_near(const struct seen *in, const struct seen *out)
{
	double t = (in->z - NEAR_M) / (in->z - out->z);
	float u = (float)t;

	return (struct seen){ in->x + t * (out->x - in->x), in->y + t * (out->y - in->y), NEAR_M,
		{ in->colour.r + u * (out->colour.r - in->colour.r), in->colour.g + u * (out->colour.g - in->colour.g),
			in->colour.b + u * (out->colour.b - in->colour.b) } };
}

/* Sutherland and Hodgman's clipping against the one plane z = NEAR_M: 0, 3 or 4 corners remain. */
void raster_triangle(struct raster *r, const struct corner *a, const struct corner *b, const struct corner *c)
{
	const struct seen s[3] = { see(r, a), see(r, b), see(r, c) };
	struct seen kept[4];
	int n = 0;

	for (int i = 0; i < 3; i++) {
		const struct seen *now = &s[i], *next = &s[(i + 1) % 3];

		if (now->z >= NEAR_M)
			kept[n++] = *now;
		if ((now->z >= NEAR_M) != (next->z >= NEAR_M))
			kept[n++] = now->z >= NEAR_M ? cut_near(now, next) : cut_near(next, now);
	}
	for (int i = 2; i < n; i++)
		project_and_fill(r, &kept[0], &kept[i - 1], &kept[i]);
}

void raster_finish(const struct raster *r, uint8_t *rgb)
{
	uint32_t width = r->width / RASTER_OVERSAMPLE, height = r->height / RASTER_OVERSAMPLE;

	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++) {
			const uint8_t *p = &r->pixel[4 * ((size_t)2 * y * r->width + 2 * x)], *q = p + (size_t)4 * r->width;

			for (int k = 0; k < 3; k++)
				*rgb++ = (uint8_t)((p[k] + p[k + 4] + q[k] + q[k + 4] + 2) / 4);
		}
}
