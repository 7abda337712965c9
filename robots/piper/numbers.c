/* numbers.c - see numbers.h. */
#include "robots/piper/numbers.h"

#include <string.h>

static const char *const NAME[] = {
	"opens", "connects", "frames", "frames_unknown", "frames_odd", "frames_torn", "joints_wild",
	"bus_off", "bus_restarted", "bus_no_ack", "bus_passive", "bus_lost", "bus_disturbed",
	"sent", "withheld", "send_failures", "targets", "targets_void", "targets_leapt", "targets_clamped", "requests_void", "stale",
	"firmware_minor", "firmware_patch", "supply_v", "motor_max_c", "driver_max_c",
};

enum { NUMBERS = sizeof NAME / sizeof *NAME };

_Static_assert((int)NUMBERS <= (int)ROBOT_NUMBERS_MAX, "room for all");

struct heat {
	double supply_v, motor_c, driver_c;
};

/* The lowest voltage and the hottest joint. */
static struct heat heat_of(const struct piper_feedback *f)
{
	struct heat h = { 0 };

	for (uint32_t j = 0; j < PIPER_JOINTS; j++) {
		const struct piper_motor_slow *m = &f->slow[j];

		if (f->slow_news[j].count == 0)
			continue;
		h.supply_v = h.supply_v > 0 && h.supply_v < m->bus_dv * 0.1 ? h.supply_v : m->bus_dv * 0.1;
		h.motor_c = m->motor_c > h.motor_c ? m->motor_c : h.motor_c;
		h.driver_c = m->driver_c > h.driver_c ? m->driver_c : h.driver_c;
	}
	return h;
}

void piper_numbers_take(struct piper_numbers *n, const struct piper_session *s, const struct piper_outlet *o, uint64_t opens)
{
	const struct piper_session_counters *c = &s->counters;
	const struct piper_feedback_counters *f = &s->feedback.counters;
	const struct piper_version *v = &s->feedback.version;
	struct heat h = heat_of(&s->feedback);
	const double value[] = {
		(double)opens, (double)c->connects, (double)f->frames, (double)f->unknown, (double)f->odd, (double)f->torn, (double)f->wild,
		(double)f->errors[BUS_ERROR_OFF], (double)f->errors[BUS_ERROR_RESTARTED], (double)f->errors[BUS_ERROR_NO_ACK],
		(double)f->errors[BUS_ERROR_PASSIVE], (double)f->errors[BUS_ERROR_LOST], (double)f->errors[BUS_ERROR_DISTURBED],
		(double)o->sent, (double)o->withheld, (double)c->send_failures, (double)c->targets, (double)c->void_commands,
		(double)c->leaps, (double)c->clamped, (double)c->void_asks, (double)c->stale,
		v->minor, v->patch, h.supply_v, h.motor_c, h.driver_c,
	};

	_Static_assert(sizeof value / sizeof *value == NUMBERS, "a name for each");
	n->n = NUMBERS;
	memcpy(n->value, value, sizeof value);
}

uint32_t piper_numbers_list(const struct piper_numbers *n, struct robot_number *out)
{
	for (uint32_t i = 0; i < n->n; i++)
		out[i] = (struct robot_number){ NAME[i], n->value[i] };
	return n->n;
}
