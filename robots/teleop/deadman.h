/* deadman.h - one dead-man's switch: pressed counts only after it was seen released, and no release is overlooked.
 *
 * Pure. After begin and forget (device plugged in, events lost, source stale) a switch still held is one that nobody has pressed. */
#ifndef DREAMVLA_ROBOTS_TELEOP_DEADMAN_H
#define DREAMVLA_ROBOTS_TELEOP_DEADMAN_H

#include <stdbool.h>

/* Zeroed: never seen released. */
struct deadman {
	bool armed, pressed, let_go, lost;
};

/* The switch as it is now; call it for every change. */
static inline void deadman_take(struct deadman *d, bool pressed)
{
	if (!pressed) {
		d->let_go |= d->pressed;
		d->armed = true;
	}
	d->pressed = pressed;
}

/* The switch is there (again), like this: one that is held was pressed while nobody looked. */
static inline void deadman_begin(struct deadman *d, bool pressed)
{
	*d = (struct deadman){ .armed = !pressed, .pressed = pressed, .lost = d->lost || (d->pressed && d->armed) };
}

/* Something was missed: one that is held has to be released, and pressed again. */
static inline void deadman_forget(struct deadman *d)
{
	deadman_begin(d, d->pressed);
}

/* Once per message. A release and a new press since the last one are still a release first. */
static inline bool deadman_read(struct deadman *d)
{
	bool let_go = d->let_go;

	d->let_go = false;
	return d->pressed && d->armed && !let_go;
}

/* Once per message: its press ends without a release by the person, as sight of it was lost. */
static inline bool deadman_lost(struct deadman *d)
{
	bool lost = d->lost;

	d->lost = false;
	return lost;
}

/* Held, but it does not count: for telling the person. */
static inline bool deadman_stuck(const struct deadman *d)
{
	return d->pressed && !d->armed;
}

#endif
