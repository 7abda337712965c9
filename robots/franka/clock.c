#include "robots/franka/clock.h"

#include <math.h>

static const int64_t MS_NS = 1000000;
/* A row of ids so long is corrected for at once: nothing was sampled in between. */
static const uint64_t ROW_MAX = 100;

/* Of what is left after a window: this share is made up for in the next one, and this share is taken for drift. Both are far from what
 * would make the loop swing (a sum of 1 and more), also with a window in which every arrival was late. */
static const double CATCH_UP = 0.4, LEARN = 0.1;

/* Times that would have to go back are of a clock that has not settled: to stay ahead for good would date every later state into the future. */
static void begin(struct franka_clock *c, uint64_t id, int64_t arrival_ns)
{
	c->running = true;
	c->settled = c->settled && arrival_ns >= c->time_ns;
	c->id = id;
	c->time_ns = arrival_ns;
	c->in_window = 0;
	c->rate_ns = c->wish_ns = 0;
	c->drift_ns = 0;
}

static int64_t bounded(int64_t x, int64_t limit)
{
	return x > limit ? limit : x < -limit ? -limit : x;
}

/* One id further; the correction changes slowly. */
static void advance(struct franka_clock *c)
{
	c->rate_ns += bounded(c->wish_ns - c->rate_ns, FRANKA_CLOCK_SLEW_NS);
	c->time_ns += MS_NS + c->rate_ns;
}

static void advance_to(struct franka_clock *c, uint64_t id)
{
	uint64_t n = id - c->id;

	for (uint64_t i = 0; i < n && i < ROW_MAX; i++)
		advance(c);
	if (n > ROW_MAX)
		c->time_ns += (int64_t)(n - ROW_MAX) * (MS_NS + c->rate_ns);
	c->id = id;
}

static void end_window(struct franka_clock *c)
{
	double per_ms = (double)c->earliest_ns / FRANKA_CLOCK_WINDOW;

	c->drift_ns = fmin(fmax(c->drift_ns + LEARN * per_ms, -FRANKA_CLOCK_RATE_MAX_NS), FRANKA_CLOCK_RATE_MAX_NS);
	c->wish_ns = bounded((int64_t)lround(c->drift_ns + CATCH_UP * per_ms), FRANKA_CLOCK_RATE_MAX_NS);
	c->in_window = 0;
	c->settled = true;
}

/* Off by more than lateness explains: the earliest of a whole window, or an arrival before its time. */
static bool jumped(const struct franka_clock *c, int64_t off_ns)
{
	return off_ns < -FRANKA_CLOCK_JUMP_NS || (c->in_window == FRANKA_CLOCK_WINDOW && c->earliest_ns > FRANKA_CLOCK_JUMP_NS);
}

int64_t franka_clock_see(struct franka_clock *c, uint64_t id, int64_t arrival_ns)
{
	if (!c->running) {
		begin(c, id, arrival_ns);
		return c->time_ns;
	}
	if (id - c->id > (uint64_t)INT32_MAX) { /* also what goes back; whoever counts ids lets none of them through */
		c->jumps++;
		begin(c, id, arrival_ns);
		return c->time_ns;
	}
	advance_to(c, id);
	int64_t off_ns = arrival_ns - c->time_ns;

	c->earliest_ns = c->in_window == 0 || off_ns < c->earliest_ns ? off_ns : c->earliest_ns;
	c->in_window++;
	if (!c->settled && off_ns < 0) {
		c->time_ns = arrival_ns;
		c->earliest_ns = 0;
	} else if (jumped(c, off_ns)) {
		c->jumps++;
		begin(c, id, arrival_ns);
	}
	if (c->in_window == FRANKA_CLOCK_WINDOW)
		end_window(c);
	return c->time_ns;
}
