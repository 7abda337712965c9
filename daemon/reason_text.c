/* reason_text.c - see reason_text.h. */
#include "daemon/reason_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/stage/reason.h"

static bool is_about_camera(uint32_t reason)
{
	return reason == REASON_CAMERA_ABSENT || reason == REASON_CAMERA_STALE || reason == REASON_CAMERA_FROZEN;
}

bool reason_is_about_arm(uint32_t reason)
{
	return strstr(reason_text(reason), "%n") && !is_about_camera(reason);
}

bool reason_tells_trouble(uint32_t reason)
{
	return strstr(reason_text(reason), "%t") != NULL;
}

static const char *subject_name(const struct control_setup *setup, uint32_t reason, uint32_t subject)
{
	if (is_about_camera(reason))
		return subject < setup->n_cameras ? setup->camera_name[subject] : "?";
	return subject < setup->n_arms ? setup->arm[subject].name : "?";
}

/* For people: numbers of chunks and targets are exact, long times are said in seconds. `unit` is the sentence behind the number;
 * returns how much of it the number brings along. */
static size_t put_number(double value, const char *unit, char *out, size_t capacity)
{
	bool seconds = strncmp(unit, " ms", 3) == 0 && fabs(value) >= 1000.0;

	if (seconds)
		snprintf(out, capacity, "%.1f s", value / 1e3);
	else
		snprintf(out, capacity, fabs(value) >= 1000.0 ? "%.0f" : "%.4g", value);
	return seconds ? 3 : 0;
}

/* " (joint_reflex, power_limit_violation)"; the word of a trouble is not among them, since the sentence itself says as much. */
static void put_errors(const struct arm_words *w, char *out, size_t capacity)
{
	size_t n = 0;

	for (uint32_t i = 0; w && i < w->n_errors && n < capacity; i++)
		if (strcmp(w->error[i], w->trouble) != 0)
			n += (size_t)snprintf(out + n, capacity - n, "%s%s", n > 0 ? ", " : " (", w->error[i]);
	if (n > 0 && n < capacity)
		snprintf(out + n, capacity - n, ")");
}

/* Fills in one place and returns how much of the sentence it stands for. */
static size_t put_place(const struct control_setup *setup, const struct reason_case *c, const char *t, char *out, size_t capacity)
{
	size_t said = 2;

	out[0] = '\0';
	if (t[1] == 'n')
		snprintf(out, capacity, "%s", subject_name(setup, c->reason, c->subject));
	else if (t[1] == 'v' || t[1] == 'l')
		said += put_number(t[1] == 'v' ? c->value : c->limit, t + 2, out, capacity);
	else if (t[1] == 'e')
		put_errors(c->words, out, capacity);
	else if (t[1] == 't' && c->words && c->words->trouble[0])
		snprintf(out, capacity, "; it says %s: %s", c->words->trouble, c->words->remedy);
	else if (t[1] == 'h' && c->words && c->words->remedy[0]) {
		snprintf(out, capacity, "%s", c->words->remedy);
		said = strlen(t);
	}
	return said;
}

void reason_sentence(const struct control_setup *setup, const struct reason_case *c, char *out, size_t capacity)
{
	size_t n = 0;

	out[0] = '\0';
	for (const char *t = reason_text(c->reason); *t && n + 1 < capacity; n += strlen(out + n)) {
		if (t[0] == '%')
			t += put_place(setup, c, t, out + n, capacity - n);
		else
			t += snprintf(out + n, capacity - n, "%c", *t);
	}
}
