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

void reason_sentence(const struct control_setup *setup, uint32_t reason, uint32_t subject, double value, double limit,
		char *out, size_t capacity)
{
	size_t n = 0;

	out[0] = '\0';
	for (const char *t = reason_text(reason); *t && n + 1 < capacity; n += strlen(out + n)) {
		size_t said = 2;

		if (t[0] == '%' && t[1] == 'n')
			snprintf(out + n, capacity - n, "%s", subject_name(setup, reason, subject));
		else if (t[0] == '%' && (t[1] == 'v' || t[1] == 'l'))
			said += put_number(t[1] == 'v' ? value : limit, t + 2, out + n, capacity - n);
		else
			said = (size_t)snprintf(out + n, capacity - n, "%c", *t);
		t += said;
	}
}
