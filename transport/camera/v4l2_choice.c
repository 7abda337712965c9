/* v4l2_choice.c - see v4l2_choice.h. Candidates are narrowed down: format, then size, then rate, so that an error names the first of
 * them that the camera cannot do, and what it can. */
#include "transport/camera/v4l2_choice.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_TOLERANCE 0.05

static const struct v4l2_format_kind KINDS[] = {
	{ .name = "mjpeg", .fourcc = V4L2_PIX_FMT_MJPEG, .jpeg = true },
	{ .name = "mjpeg", .fourcc = V4L2_PIX_FMT_JPEG, .jpeg = true },
	{ .name = "yuyv", .fourcc = V4L2_PIX_FMT_YUYV, .layout = { .y0 = 0, .cb = 1, .y1 = 2, .cr = 3 } },
	{ .name = "uyvy", .fourcc = V4L2_PIX_FMT_UYVY, .layout = { .cb = 0, .y0 = 1, .cr = 2, .y1 = 3 } },
};

enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS, USUAL_WIDTH = 640, USUAL_HEIGHT = 480, USUAL_RATE_HZ = 30 };

const struct v4l2_format_kind *v4l2_format_at(uint32_t i)
{
	return i < KIND_COUNT ? &KINDS[i] : NULL;
}

const struct v4l2_format_kind *v4l2_format_find(uint32_t fourcc)
{
	for (uint32_t i = 0; i < KIND_COUNT; i++)
		if (KINDS[i].fourcc == fourcc)
			return &KINDS[i];
	return NULL;
}

/* ---- what there is, in words ------------------------------------------------------------------------------------------------------- */

struct list {
	char text[V4L2_LIST_BYTES];
};

/* Once each; a list that grows too long ends with what fits. */
static void list_add(struct list *l, const char *item)
{
	size_t n = strlen(l->text), bytes = strlen(item);

	for (const char *at = l->text; (at = strstr(at, item)); at += bytes)
		if ((at == l->text || at[-1] == ' ') && (at[bytes] == ',' || !at[bytes]))
			return;
	if (n + bytes + 3 < sizeof l->text)
		snprintf(l->text + n, sizeof l->text - n, "%s%s", n ? ", " : "", item);
}

static void list_size(struct list *l, const struct v4l2_mode *m)
{
	char item[96];

	if (m->width_min == m->width_max && m->height_min == m->height_max)
		snprintf(item, sizeof item, "%ux%u", m->width_min, m->height_min);
	else
		snprintf(item, sizeof item, "%ux%u to %ux%u in steps of %ux%u", m->width_min, m->height_min, m->width_max, m->height_max,
				m->width_step, m->height_step);
	list_add(l, item);
}

static void list_rate(struct list *l, const struct v4l2_mode *m)
{
	char item[64];

	if (m->rate_min_hz == m->rate_max_hz)
		snprintf(item, sizeof item, "%g", m->rate_min_hz);
	else
		snprintf(item, sizeof item, "%g to %g", m->rate_min_hz, m->rate_max_hz);
	list_add(l, item);
}

/* ---- narrowing down ---------------------------------------------------------------------------------------------------------------- */

static int choose_kind(const struct v4l2_mode *mode, uint32_t n, const struct v4l2_wish *wish, struct v4l2_chosen *out, struct errbuf *e)
{
	struct list has = { "" };
	bool known = !wish->format;

	for (uint32_t k = 0; k < KIND_COUNT; k++) {
		bool wanted = !wish->format || strcmp(wish->format, KINDS[k].name) == 0;

		known |= wanted;
		for (uint32_t i = 0; i < n; i++) {
			if (mode[i].fourcc != KINDS[k].fourcc)
				continue;
			list_add(&has, KINDS[k].name);
			if (wanted) {
				out->kind = &KINDS[k];
				return 0;
			}
		}
	}
	if (!known)
		return fail(e, -EINVAL, "--format: found %s, allowed mjpeg, yuyv and uyvy", wish->format);
	if (!has.text[0])
		return fail(e, -EINVAL, "it has no format that can be published: mjpeg, yuyv or uyvy; dreamvla-camera --list shows what it has");
	return fail(e, -EINVAL, "--format %s: it has only %s", wish->format, has.text);
}

static uint32_t nearest(uint32_t want, uint32_t low, uint32_t high, uint32_t step)
{
	if (want <= low)
		return low;
	if (want > high)
		want = high;
	return low + (want - low) / step * step;
}

static void nearest_size(const struct v4l2_mode *m, const struct v4l2_wish *wish, uint32_t *width, uint32_t *height)
{
	uint32_t w = wish->width ? wish->width : USUAL_WIDTH, h = wish->height ? wish->height : USUAL_HEIGHT;

	*width = nearest(w < wish->width_max ? w : wish->width_max, m->width_min, m->width_max, m->width_step);
	*height = nearest(h < wish->height_max ? h : wish->height_max, m->height_min, m->height_max, m->height_step);
}

static bool has_size(const struct v4l2_mode *m, const struct v4l2_chosen *c)
{
	return m->fourcc == c->kind->fourcc && c->width >= m->width_min && c->width <= m->width_max && c->height >= m->height_min &&
			c->height <= m->height_max && (c->width - m->width_min) % m->width_step == 0 &&
			(c->height - m->height_min) % m->height_step == 0;
}

static int choose_size(const struct v4l2_mode *mode, uint32_t n, const struct v4l2_wish *wish, struct v4l2_chosen *out, struct errbuf *e)
{
	struct list has = { "" };
	double best = INFINITY;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t w, h;

		if (mode[i].fourcc != out->kind->fourcc)
			continue;
		list_size(&has, &mode[i]);
		nearest_size(&mode[i], wish, &w, &h);
		double away = wish->width ? abs((int)w - (int)wish->width) + abs((int)h - (int)wish->height)
				: fabs((double)w * h - USUAL_WIDTH * USUAL_HEIGHT);

		if (w > wish->width_max || h > wish->height_max || away >= best)
			continue;
		best = away;
		out->width = w;
		out->height = h;
	}
	if (best == 0 || (best < INFINITY && !wish->width))
		return 0;
	if (wish->width > wish->width_max || wish->height > wish->height_max || !wish->width)
		return fail(e, -EINVAL, "%s pictures within %u x %u, which is all that dreamvlad accepts (camera.max_width and .max_height of the "
				"configuration): it has %s", out->kind->name, wish->width_max, wish->height_max, has.text);
	return fail(e, -EINVAL, "--size %ux%u: in %s it has only %s", wish->width, wish->height, out->kind->name, has.text);
}

static int choose_rate(const struct v4l2_mode *mode, uint32_t n, const struct v4l2_wish *wish, struct v4l2_chosen *out, struct errbuf *e)
{
	const double want = wish->rate_hz > 0 ? wish->rate_hz : USUAL_RATE_HZ;
	struct list has = { "" };
	double best = INFINITY;

	for (uint32_t i = 0; i < n; i++) {
		const struct v4l2_mode *m = &mode[i];

		if (!has_size(m, out))
			continue;
		double rate = m->rate_max_hz <= 0 ? want : fmin(fmax(want, m->rate_min_hz), m->rate_max_hz);

		list_rate(&has, m);
		if (fabs(rate - want) < best) {
			best = fabs(rate - want);
			out->rate_hz = rate;
		}
	}
	if (wish->rate_hz > 0 && !(best <= RATE_TOLERANCE * want))
		return fail(e, -EINVAL, "--rate-hz %g: in %s %ux%u it has only %s", want, out->kind->name, out->width, out->height, has.text);
	return 0;
}

int v4l2_choose(const struct v4l2_mode *mode, uint32_t n, const struct v4l2_wish *wish, struct v4l2_chosen *out, struct errbuf *e)
{
	struct v4l2_chosen chosen = { 0 };
	int rc = choose_kind(mode, n, wish, &chosen, e);

	if (rc == 0)
		rc = choose_size(mode, n, wish, &chosen, e);
	if (rc == 0)
		rc = choose_rate(mode, n, wish, &chosen, e);
	if (rc == 0)
		*out = chosen;
	return rc;
}
