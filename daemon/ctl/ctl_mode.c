/* ctl_mode.c - mode auto, hold, shadow, and asking patiently, which home does too. What keeps an arm from starting often passes within a second: the first chunk for a new
 * instruction is being computed, an arm comes to a stop, or its driver has still to answer. So a refusal that names only
 * such things is asked again before a person has to. */
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"

#define RETRY_PERIOD_NS (50 * NS_PER_MS)

/* Mode and reason of the daemon: whoever stops or holds it meanwhile changes them. */
struct standing {
	char mode[32], reason[512];
};

/* A sentence begins with the name of its arm, which we do not know. */
static bool is_about(const char *line, size_t n, enum reason reason)
{
	const char *sentence = reason_text(reason), *name = strstr(sentence, "%n"), *tail = name ? name + 2 : sentence;
	size_t k = strlen(tail);

	return n >= k && memcmp(line + n - k, tail, k) == 0 && (name || n == k);
}

/* Every line of the refusal. */
static bool will_pass(const char *error)
{
	static const enum reason passing[] = { REASON_NO_CHUNK, REASON_STILL_MOVING, REASON_ARM_DETACHED };
	bool all = true;

	while (all) {
		size_t n = strcspn(error, "\n");

		all = false;
		for (uint32_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
			all = all || is_about(error, n, passing[i]);
		if (error[n] == '\0')
			break;
		error += n + 1;
	}
	return all;
}

static bool ask_standing(const struct ctl *ctl, struct standing *s)
{
	struct map_builder request;
	struct ctl_answer a;
	struct errbuf e;
	uint8_t bytes[64];

	request_begin(&request, bytes, sizeof bytes, "status");
	return ctl_ask(ctl, &ctl->daemon, &request, CTL_TIMEOUT_MS, &a, &e) == 0
			&& reply_text(a.bytes, a.n, "mode", s->mode, sizeof s->mode)
			&& reply_text(a.bytes, a.n, "reason", s->reason, sizeof s->reason);
}

/* Someone else's stop or hold ends the waiting: this call must not start the arm after it. */
static bool is_undisturbed(const struct ctl *ctl, const struct standing *then)
{
	struct standing now;

	return ask_standing(ctl, &now) && strcmp(now.mode, then->mode) == 0 && strcmp(now.reason, then->reason) == 0;
}

bool ctl_mode_is(const struct ctl *ctl, const char *mode, char now[32])
{
	struct standing s;
	bool known = ask_standing(ctl, &s);

	snprintf(now, 32, "%s", known ? ctl_clean(s.mode) : "");
	return known && strcmp(s.mode, mode) == 0;
}

/* `value` NULL: the command alone. */
static int ask_command(const struct ctl *ctl, const char *command, const char *key, const char *value, struct ctl_answer *a,
		struct errbuf *e)
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];

	request_begin(&request, bytes, sizeof bytes, command);
	if (value)
		map_add_text(&request, key, value);
	return ctl_ask(ctl, &ctl->daemon, &request, CTL_TIMEOUT_MS, a, e);
}

int ctl_ask_patiently(const struct ctl *ctl, const char *command, const char *key, const char *value, struct ctl_answer *a,
		struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + ctl->wait_ns;
	struct standing before;
	int rc;

	if (ctl->wait_ns == 0 || !ask_standing(ctl, &before))
		return ask_command(ctl, command, key, value, a, e);
	while ((rc = ask_command(ctl, command, key, value, a, e)) == 0 && !a->reply.ok && will_pass(a->reply.error)) {
		clock_sleep_until(clock_monotonic_ns() + RETRY_PERIOD_NS);
		if (clock_monotonic_ns() > until_ns || !is_undisturbed(ctl, &before))
			break;
	}
	return rc;
}

int ctl_run_mode(const struct ctl *ctl, int n, char **argument)
{
	struct ctl_answer a;
	struct errbuf e = { "" };

	(void)n;
	if (strcmp(argument[0], "auto") != 0 && strcmp(argument[0], "hold") != 0 && strcmp(argument[0], "shadow") != 0) {
		ctl_fail(ctl, "mode: found %s, allowed auto, hold, shadow", argument[0]);
		return CTL_USAGE;
	}
	if ((strcmp(argument[0], "hold") == 0 ? ask_command(ctl, "mode", "mode", argument[0], &a, &e)
					      : ctl_ask_patiently(ctl, "mode", "mode", argument[0], &a, &e)) < 0)
		return ctl_fail(ctl, "%s", e.text);
	return ctl_tell_done(ctl, &a, "ok");
}
