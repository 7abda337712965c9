/* link.c - see link.h. */
#include "robots/sim/piper/link.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sys/log.h"

enum { EVENTS_MAX = 512 }; /* taken in a millisecond; a bus carries 9 frames in it */

void piper_link_init(struct piper_link *l, struct bus *b)
{
	memset(l, 0, sizeof *l);
	l->bus = b;
	l->random = 1;
}

/* ---- streams ---- */

static bool loses(struct piper_stream *s, const struct bus_frame *f)
{
	if (s->drop == 0 || (s->drop_id != 0 && s->drop_id != f->id))
		return false;
	s->drop--;
	s->dropped++;
	return true;
}

static void queue(struct piper_stream *s, const struct bus_frame *f, uint64_t now_ms)
{
	if (loses(s, f))
		return;
	if (s->n == PIPER_UNDERWAY_MAX) {
		s->dropped++;
		return;
	}
	s->underway[(s->first + s->n++) % PIPER_UNDERWAY_MAX] = (struct piper_underway){ now_ms + s->delay_ms, *f };
}

static bool due(struct piper_stream *s, uint64_t now_ms, struct bus_frame *out)
{
	if (s->n == 0 || s->underway[s->first].due_ms > now_ms)
		return false;
	*out = s->underway[s->first].frame;
	s->first = (s->first + 1) % PIPER_UNDERWAY_MAX;
	s->n--;
	return true;
}

/* ---- the bus ---- */

/* Said when it changes: once, not for each of 3000 frames a second. */
static void note(struct piper_link *l, int rc)
{
	struct errbuf e;

	if (rc == l->trouble)
		return;
	l->trouble = rc;
	l->trouble_text[0] = '\0';
	if (rc == 0) {
		log_line(LOG_LEVEL_INFO, "sim: PiPER at %s: the bus is back", bus_address(l->bus));
		return;
	}
	bus_explain(l->bus, rc, &e);
	snprintf(l->trouble_text, sizeof l->trouble_text, "%s", e.text);
	log_line(LOG_LEVEL_WARNING, "sim: PiPER: %s", e.text);
}

static void put_on_bus(struct piper_link *l, const struct bus_frame *f)
{
	int rc = bus_send(l->bus, f);

	l->sent += rc == 0;
	l->refused += rc != 0;
	note(l, rc);
}

/* SplitMix64 (Steele, Lea, Flood 2014; public domain code by S. Vigna). */
static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* One in four has an id that the arm sends, one in eight is extended. */
static void make_noise(struct piper_link *l)
{
	uint64_t r = random_u64(&l->random), data = random_u64(&l->random);
	struct bus_frame f = { .id = r & BUS_ID_MAX, .length = (uint8_t)(r >> 16 & 7) + (r >> 20 & 1) };

	if ((r >> 24 & 3) == 0)
		f.id = 0x251 + (uint32_t)(r >> 26 & 0xFF) % (0x2A9 - 0x251);
	if ((r >> 40 & 7) == 0) {
		f.id = r >> 32 & BUS_EXTENDED_ID_MAX;
		f.flags = BUS_FRAME_EXTENDED;
	}
	memcpy(f.data, &data, f.length);
	put_on_bus(l, &f);
}

void piper_link_bus_off(struct piper_link *l, uint32_t ms)
{
	l->bus_off_ms = ms;
	l->feedback.n = l->commands.n = 0;
	if (ms > 0)
		(void)!bus_report(l->bus, BUS_ERROR_OFF); /* an interface tells by itself, or not at all */
}

static void count_down(struct piper_link *l)
{
	if (l->silent_ms > 0)
		l->silent_ms--;
	if (l->bus_off_ms == 0 || --l->bus_off_ms > 0)
		return;
	(void)!bus_report(l->bus, BUS_ERROR_RESTARTED);
}

static void receive(struct piper_link *l)
{
	struct bus_event e;
	int rc = 0;

	for (int i = 0; i < EVENTS_MAX && (rc = bus_receive(l->bus, &e)) > 0; i++)
		if (e.error == BUS_ERROR_NONE && l->bus_off_ms == 0)
			queue(&l->commands, &e.frame, l->now_ms);
	if (rc < 0)
		note(l, rc);
}

void piper_link_step(struct piper_link *l)
{
	struct bus_frame f;

	l->now_ms++;
	receive(l);
	while (due(&l->feedback, l->now_ms, &f))
		put_on_bus(l, &f);
	if (l->noise_ms > 0 && l->bus_off_ms == 0) {
		l->noise_ms--;
		make_noise(l);
	}
	count_down(l);
}

bool piper_link_take(struct piper_link *l, struct bus_frame *out)
{
	return due(&l->commands, l->now_ms, out);
}

void piper_link_send(struct piper_link *l, const struct bus_frame *f)
{
	struct bus_frame ready;

	if (l->bus_off_ms > 0 || l->silent_ms > 0)
		return;
	queue(&l->feedback, f, l->now_ms);
	while (due(&l->feedback, l->now_ms, &ready))
		put_on_bus(l, &ready);
}
