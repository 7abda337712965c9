/* reason_text.c - see reason_text.h. */
#include "daemon/reason_text.h"

#include <stdio.h>
#include <string.h>

#include "daemon/stage/reason.h"

static const char *subject_name(const struct control_setup *setup, uint32_t reason, uint32_t subject)
{
	if (reason == REASON_CAMERA_ABSENT || reason == REASON_CAMERA_STALE || reason == REASON_CAMERA_FROZEN)
		return subject < setup->n_cameras ? setup->camera_name[subject] : "?";
	return subject < setup->n_arms ? setup->arm[subject].name : "?";
}

void reason_sentence(const struct control_setup *setup, uint32_t reason, uint32_t subject, double value, double limit,
		char *out, size_t capacity)
{
	size_t n = 0;

	out[0] = '\0';
	for (const char *t = reason_text(reason); *t && n + 1 < capacity; t++) {
		int more;

		if (t[0] == '%' && t[1] == 'n')
			more = snprintf(out + n, capacity - n, "%s", subject_name(setup, reason, subject));
		else if (t[0] == '%' && (t[1] == 'v' || t[1] == 'l'))
			more = snprintf(out + n, capacity - n, "%.4g", t[1] == 'v' ? value : limit);
		else
			more = snprintf(out + n, capacity - n, "%c", *t);
		if (t[0] == '%' && t[1] != '\0' && strchr("nvl", t[1]))
			t++;
		n += (size_t)(more > 0 ? more : 0);
	}
}
