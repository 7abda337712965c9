#include "robots/sim/renderer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "robots/sim/raster.h"
#include "robots/sim/scene.h"
#include "robots/sim/task/look.h"

enum { SIDE_MIN = 16 };

struct renderer {
	struct raster *raster;
	uint32_t width, height;
};

int renderer_check_size(uint32_t width, uint32_t height, struct errbuf *e)
{
	if (width < SIDE_MIN || height < SIDE_MIN || width > RASTER_SIDE_MAX || height > RASTER_SIDE_MAX)
		return fail(e, -EINVAL, "size %ux%u: each side must be %d..%d pixels", width, height, SIDE_MIN, RASTER_SIDE_MAX);
	return 0;
}

int renderer_create(struct renderer **out, uint32_t width, uint32_t height, struct errbuf *e)
{
	int rc = renderer_check_size(width, height, e);

	if (rc < 0)
		return rc;
	struct renderer *r = calloc(1, sizeof *r);
	if (!r || raster_create(&r->raster, width, height) < 0) {
		renderer_destroy(r);
		return fail(e, -ENOMEM, "renderer: no memory for pictures of %ux%u", width, height);
	}
	r->width = width;
	r->height = height;
	*out = r;
	return 0;
}

void renderer_destroy(struct renderer *r)
{
	if (!r)
		return;
	raster_destroy(r->raster);
	free(r);
}

static struct camera_view look_at(struct vec eye, struct vec at, double angle_rad)
{
	struct frame f = { .p = eye, .ez = vec_unit(vec_sub(at, eye)) };

	f.ex = vec_unit(vec_cross(f.ez, (struct vec){ 0, 0, 1 }));
	f.ey = vec_cross(f.ez, f.ex);
	return (struct camera_view){ f, 0.5 / tan(angle_rad / 2) };
}

/* In front of the hand, tilted a little back towards the finger tips. */
static struct camera_view on_wrist(const struct world *w)
{
	const double tilt = 0.32 + w->look.wrist_tilt_rad, angle_rad = 1.30, *off = w->look.wrist_m;
	struct frame hand = world_hand(w), eye;

	eye.p = frame_point(&hand, 0.072 + off[0], off[1], 0.050 + off[2]);
	eye.ex = hand.ey;
	eye.ez = vec_sub(vec_scale(hand.ez, cos(tilt)), vec_scale(hand.ex, sin(tilt)));
	eye.ey = vec_cross(eye.ez, eye.ex);
	return (struct camera_view){ eye, 0.5 / tan(angle_rad / 2) };
}

static struct camera_view overhead(const struct world *w)
{
	const double *eye = w->look.eye_m, *aim = w->look.aim_m;

	/* For tasks it is nearer: 5 cm are 8 pixels of 112, not 4. */
	if (w->task)
		return look_at((struct vec){ 1.05 + eye[0], -0.25 + eye[1], 0.80 + eye[2] },
				(struct vec){ 0.50 + aim[0], aim[1], 0.04 + aim[2] }, 0.72);
	return look_at((struct vec){ 1.25 + eye[0], -0.60 + eye[1], 1.15 + eye[2] },
			(struct vec){ 0.30 + aim[0], aim[1], 0.16 + aim[2] }, 0.86);
}

static struct camera_view view_of(const struct world *w, enum sim_camera camera)
{
	return camera == SIM_CAMERA_WRIST ? on_wrist(w) : overhead(w);
}

bool renderer_find(const struct world *w, enum sim_camera camera, struct vec p, double out[2])
{
	struct camera_view view = view_of(w, camera);
	struct vec d = vec_sub(p, view.frame.p);
	double depth = vec_dot(d, view.frame.ez);

	if (!(depth > 0))
		return false;
	out[0] = 0.5 + view.focal * vec_dot(d, view.frame.ex) / depth;
	out[1] = 0.5 + view.focal * vec_dot(d, view.frame.ey) / depth;
	return out[0] >= 0 && out[0] < 1 && out[1] >= 0 && out[1] < 1;
}

void renderer_draw(struct renderer *r, const struct world *w, enum sim_camera camera, uint8_t *rgb)
{
	struct camera_view view = view_of(w, camera);

	raster_begin(r->raster, &view, scene_background(w));
	scene_draw(r->raster, w);
	raster_finish(r->raster, rgb);
	if (w->look.varied)
		look_light(&w->look, rgb, r->width, r->height);
}

const char *sim_camera_name(enum sim_camera camera)
{
	static const char *const name[SIM_CAMERA_COUNT] = {
		[SIM_CAMERA_OVERHEAD] = "overhead",
		[SIM_CAMERA_WRIST] = "wrist",
	};

	return (unsigned)camera < SIM_CAMERA_COUNT ? name[camera] : NULL;
}
