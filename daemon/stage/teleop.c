/* teleop.c - see teleop.h. */
#include "daemon/stage/teleop.h"

void teleop_init(struct teleop *t, int64_t timeout_ns)
{
	*t = (struct teleop){ .timeout_ns = timeout_ns };
}

bool teleop_fresh(const struct teleop *t, const struct teleop_input *in, int64_t now_ns)
{
	return in->present && now_ns - in->stamp_ns <= t->timeout_ns && now_ns - in->arrival_ns <= t->timeout_ns;
}

/* Another publisher, arm or kind under the same name is not what the person took over with. */
static bool same_driver(const struct teleop *t, const struct teleop_input *in)
{
	return in->from == t->start.from && in->arm == t->start.arm && in->kind == t->start.kind;
}

static struct teleop_change watch_driver(struct teleop *t, const struct teleop_input *in, int64_t now_ns)
{
	struct teleop_change change = { .event = TELEOP_NOTHING, .device = t->device };

	if (!teleop_fresh(t, in, now_ns))
		change = (struct teleop_change){ .event = TELEOP_LOST, .device = t->device,
			.silent_ns = now_ns - (in->stamp_ns < in->arrival_ns ? in->stamp_ns : in->arrival_ns) };
	else if (!same_driver(t, in))
		change.event = TELEOP_LOST;
	else if (in->releases != t->releases || !in->deadman)
		change.event = TELEOP_RELEASED;
	if (change.event != TELEOP_NOTHING)
		t->driving = false;
	return change;
}

/* The first device with an edge that nobody has seen yet. Every edge is seen by this, used or not. A dead-man that is up again
 * already counts like one that is not: who taps it wants the arm to stop, and the release follows at the next look. */
static struct teleop_change watch_edges(struct teleop *t, const struct teleop_input *in, int64_t now_ns)
{
	struct teleop_change change = { .event = TELEOP_NOTHING, .device = t->device };

	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++) {
		bool edge = in[i].edges != t->edges[i];

		t->edges[i] = in[i].edges;
		if (!edge || !teleop_fresh(t, &in[i], now_ns))
			continue;
		if (change.event == TELEOP_NOTHING && (!t->driving || i < t->device)) {
			change.event = TELEOP_EDGE;
			change.device = i;
		} else if (i != t->device || !t->driving) {
			change.outranked |= 1u << i;
		}
	}
	return change;
}

struct teleop_change teleop_watch(struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], int64_t now_ns)
{
	struct teleop_change change = { .event = TELEOP_NOTHING };

	if (t->driving)
		change = watch_driver(t, &in[t->device], now_ns);
	return change.event != TELEOP_NOTHING ? change : watch_edges(t, in, now_ns);
}

void teleop_take(struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], uint32_t device)
{
	t->driving = true;
	t->device = device;
	t->start = in[device];
	t->releases = in[device].releases;
}

void teleop_let_go(struct teleop *t)
{
	t->driving = false;
}

bool teleop_pressed(const struct teleop *t, const struct teleop_input in[TELEOP_DEVICES_MAX], int64_t now_ns)
{
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++)
		if (in[i].deadman && teleop_fresh(t, &in[i], now_ns))
			return true;
	return false;
}
