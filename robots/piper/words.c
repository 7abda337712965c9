/* words.c - see words.h. */
#include "robots/piper/words.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sys/log.h"

enum { ARM_TEXT_BYTES = 1024 };

void piper_words_init(struct piper_words *w, const struct piper_setup *setup)
{
	*w = (struct piper_words){ .setup = setup };
}

void piper_words_bus(struct piper_words *w, int code, const char *text)
{
	const char *said = code == 0 ? "the bus is open" : text;

	if (strcmp(w->bus, said) == 0)
		return;
	snprintf(w->bus, sizeof w->bus, "%s", said);
	log_line(code == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "arm: %s: piper at %s: %s", w->setup->arm, w->setup->address, said);
}

/* "speed 3000 (3 rad/s)": as the arm has it, and in the unit that gate.c takes for right; 0: gate.c refuses it. */
static size_t number_text(const char *what, uint32_t raw, double value, const char *unit, char *out, size_t capacity)
{
	if (!(value > 0))
		return (size_t)snprintf(out, capacity, ", %s %u (refused)", what, raw);
	return (size_t)snprintf(out, capacity, ", %s %u (%.3g %s)", what, raw, value, unit);
}

static size_t joint_text(const struct piper_session *s, uint32_t j, char *out, size_t capacity)
{
	const struct piper_feedback *f = &s->feedback;
	size_t n = (size_t)snprintf(out, capacity, "; joint %u: limits not told", j + 1);

	if (f->limits_news[j].count > 0)
		n = (size_t)snprintf(out, capacity, "; joint %u: %.1f..%.1f degrees", j + 1, f->limits[j].min_ddeg * 0.1, f->limits[j].max_ddeg * 0.1);
	if (n < capacity && f->limits_news[j].count > 0)
		n += number_text("speed", f->limits[j].speed_raw, s->speed_rad_s[j], "rad/s", out + n, capacity - n);
	if (n < capacity && f->acceleration_news[j].count > 0)
		n += number_text("acceleration", f->acceleration_raw[j], s->acceleration_rad_s2[j], "rad/s^2", out + n, capacity - n);
	else if (n < capacity)
		n += (size_t)snprintf(out + n, capacity - n, ", acceleration not told");
	return n;
}

void piper_words_arm(const struct piper_session *s, char *out, size_t capacity)
{
	const struct piper_feedback *f = &s->feedback;
	size_t n = (size_t)snprintf(out, capacity, f->has_version ? "firmware S-V%u.%u-%u" : "firmware not told", f->version.major,
			f->version.minor, f->version.patch);

	for (uint32_t j = 0; j < PIPER_JOINTS && n < capacity; j++)
		n += joint_text(s, j, out + n, capacity - n);
	if (f->gripper_setup_news.count > 0 && n < capacity)
		snprintf(out + n, capacity - n, "; gripper of %u mm", f->gripper_setup.range_mm);
}

/* Motors that say that they are on: "1 2 3". */
static void motors_text(const struct piper_session *s, char out[2 * PIPER_JOINTS + 1])
{
	size_t n = 0;

	for (uint32_t j = 0; j < PIPER_JOINTS; j++)
		if (s->feedback.slow[j].bits & PIPER_MOTOR_ENABLED) {
			out[n++] = (char)('1' + j);
			out[n++] = ' ';
		}
	out[n > 0 ? n - 1 : 0] = '\0';
}

static void tell_phase(const struct piper_words *w, const struct piper_session *s)
{
	const struct piper_status *status = &s->feedback.status;
	char text[ARM_TEXT_BYTES], motors[2 * PIPER_JOINTS + 1];

	if (w->phase == PIPER_ASKS && s->phase != PIPER_CLOSED && s->phase != PIPER_LISTENS) {
		piper_words_arm(s, text, sizeof text);
		log_line(LOG_LEVEL_INFO, "arm: %s: piper: %s", w->setup->arm, text);
	}
	motors_text(s, motors);
	log_line(s->trouble ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			"arm: %s: piper: %s after %s (%s); control %u, state %u, mode %u, motors on: %s", w->setup->arm,
			piper_phase_name(s->phase), piper_phase_name(w->phase), s->trouble ? piper_trouble(s->trouble)->name : "no trouble",
			status->control, status->state, status->move, motors[0] ? motors : "none");
}

void piper_words_ask(struct piper_words *w, const struct piper_session *s, enum piper_ask ask, bool taken)
{
	static const char *const name[] = { [PIPER_ASK_ENABLE] = "enable", [PIPER_ASK_DISABLE] = "disable",
		[PIPER_ASK_EMERGENCY_STOP] = "emergency stop", [PIPER_ASK_RESUME] = "recover" };

	log_line(taken ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "arm: %s: piper: asked to %s, in phase %s%s", w->setup->arm, name[ask],
			piper_phase_name(s->phase), taken ? "" : ": void there, nothing is done");
}

/* At the first, and then whenever there are ten times as many: a line that comes 200 times a second hides all others. */
static bool is_worth_telling(uint64_t *told, uint64_t now)
{
	if (now == 0 || now < *told * 10)
		return false;
	*told = now;
	return true;
}

static void tell_counts(struct piper_words *w, const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	const struct {
		uint64_t *told, now;
		const char *what, *which;
	} rows[] = {
		{ &w->torn, f->counters.torn, "sets of joint angles or poses of which a frame was missing or came twice: not used" },
		{ &w->odd, f->counters.odd, "frames with a value that no document has, not used; the newest: ", f->odd_name },
		{ &w->wild, f->counters.wild, "joint angles, speeds or openings that no arm can have: not used" },
		{ &w->void_commands, s->counters.void_commands, "commands that must not be sent: the last target is held" },
		{ &w->stale, s->counters.stale, "times that the arm was not heard for 50 ms: no targets were sent" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is_worth_telling(rows[i].told, rows[i].now))
			log_line(LOG_LEVEL_WARNING, "arm: %s: piper: %llu %s%s", w->setup->arm, (unsigned long long)rows[i].now, rows[i].what,
					rows[i].which ? rows[i].which : "");
}

void piper_words_session(struct piper_words *w, const struct piper_session *s)
{
	if (s->phase != w->phase)
		tell_phase(w, s);
	w->phase = s->phase;
	tell_counts(w, s);
}
