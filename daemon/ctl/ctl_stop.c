/* ctl_stop.c - stop, at every door at once: dreamvlad's and each arm's own. An arm stops at its own door even when dreamvlad
 * hangs or is gone; what one door says or fails to say keeps nobody from the others. Only an arm's own door latches its stop, so
 * where no configuration names the arms, dreamvlad is asked for theirs once it has stopped.
 *
 * emergency-stop is the same with the arms' own emergency stops, or with one arm's alone. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"

enum { DOORS_MAX = 1 + CONFIG_ROBOTS_MAX + ARMS_MAX };

struct knock {
	const struct ctl *ctl;
	const struct ctl_door *door;
	const char *command;
	pthread_t thread;
	bool started; /* as a thread; else asked in turn */
	bool stopped; /* the door has taken the stop */
	char text[ERRBUF_BYTES]; /* why not */
};

static void *knock(void *context)
{
	struct knock *k = context;
	struct ctl_answer a;
	struct map_builder request;
	uint8_t bytes[64];
	struct errbuf e = { "" };

	request_begin(&request, bytes, sizeof bytes, k->command);
	if (ctl_ask(k->ctl, k->door, &request, CTL_STOP_TIMEOUT_MS, &a, &e) < 0)
		memcpy(k->text, e.text, sizeof k->text);
	else if (!a.reply.ok)
		snprintf(k->text, sizeof k->text, "refused: %.400s%s%.400s", a.reply.error, a.reply.hint[0] ? "; " : "", a.reply.hint);
	else
		k->stopped = true;
	return NULL;
}

static int report_json(const struct ctl *ctl, const struct knock *k, uint32_t n, bool all)
{
	json_t *doors = json_array();

	for (uint32_t i = 0; i < n; i++) {
		json_t *door = json_pack("{s:s, s:s, s:b}", "name", k[i].door->name, "address", k[i].door->address, "ok",
				k[i].stopped);

		if (!k[i].stopped)
			json_object_set_new(door, "error", json_string(k[i].text));
		json_array_append_new(doors, door);
	}
	ctl_json_print(ctl, json_pack("{s:b, s:o}", "ok", all, "doors", doors));
	return all ? CTL_OK : CTL_FAILED;
}

static int report(const struct ctl *ctl, const struct knock *k, uint32_t n, bool all)
{
	bool sinks = false;

	for (uint32_t i = 0; i < n; i++) {
		if (k[i].stopped)
			printf("%-12s %-28s %s taken\n", k[i].door->name, k[i].door->address, k[i].command);
		else
			printf("%-12s %-28s FAILED: %s\n", k[i].door->name, k[i].door->address, k[i].text);
		sinks = sinks || (k[i].stopped && strcmp(k[i].command, "emergency_stop") == 0);
	}
	if (n == 1 && k[0].door == &ctl->daemon)
		printf("No arm's own door is known here, so none has latched the stop: `mode auto` would move it again. --config FILE names the "
		       "arms.\n");
	if (!all)
		printf("Not every door has taken the stop. If anything moves, press the arm's own emergency stop.\n");
	if (sinks)
		printf("An arm without brakes sinks now: hold it. `dreamvlactl recover` ends the stop, and lets such an arm FALL.\n");
	return all ? CTL_OK : CTL_FAILED;
}

/* Knocks at doors first..n-1, at all of them at once. */
static void knock_at(const struct ctl *ctl, const char *command, struct knock *k, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < n; i++) {
		k[i] = (struct knock){ .ctl = ctl, .door = k[i].door, .command = k[i].door == &ctl->daemon ? "stop" : command };
		k[i].started = pthread_create(&k[i].thread, NULL, knock, &k[i]) == 0;
	}
	for (uint32_t i = first; i < n; i++) {
		if (k[i].started)
			pthread_join(k[i].thread, NULL);
		else
			knock(&k[i]);
	}
}

static bool is_known(const struct knock *k, uint32_t n, const char *address)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(k[i].door->address, address) == 0)
			return true;
	return false;
}

/* Adds the arms that dreamvlad knows and we do not. Returns how many doors there are then. */
static uint32_t add_learnt(const struct ctl *ctl, struct ctl_door learnt[ARMS_MAX], struct knock *k, uint32_t n)
{
	uint32_t n_learnt = ctl_learn_arms(ctl, learnt);

	for (uint32_t i = 0; i < n_learnt; i++)
		if (!is_known(k, n, learnt[i].address))
			k[n++].door = &learnt[i];
	return n;
}

static uint32_t choose_all(const struct ctl *ctl, struct knock *k)
{
	k[0].door = &ctl->daemon;
	for (uint32_t i = 0; i < ctl->n_arms; i++)
		k[1 + i].door = &ctl->arm[i];
	return 1 + ctl->n_arms;
}

/* That arm's door alone, of n. NULL: nobody is called so. */
static const struct ctl_door *find(const struct ctl_door *door, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(door[i].name, name) == 0)
			return &door[i];
	return NULL;
}

static void tell_names(const struct ctl_door *door, uint32_t n, const char *name)
{
	fprintf(stderr, "dreamvlactl: no arm is called %s, %s", name, n > 0 ? "want one of the arms:" : "nor is any arm known");
	for (uint32_t i = 0; i < n; i++)
		fprintf(stderr, " %s", door[i].name);
	fprintf(stderr, "; `stop` for all instead\n");
}

static int finish(const struct ctl *ctl, struct knock *k, uint32_t n, bool all)
{
	for (uint32_t i = 0; i < n; i++)
		all = all && k[i].stopped;
	return ctl->json ? report_json(ctl, k, n, all) : report(ctl, k, n, all);
}

static int stop_all(const struct ctl *ctl, const char *command, bool all)
{
	struct ctl_door learnt[ARMS_MAX];
	struct knock k[DOORS_MAX];
	uint32_t n = choose_all(ctl, k), asked = n;

	knock_at(ctl, command, k, 0, n);
	if (k[0].stopped && !ctl->knows_arms)
		n = add_learnt(ctl, learnt, k, n);
	knock_at(ctl, command, k, asked, n);
	return finish(ctl, k, n, all);
}

int ctl_run_stop(const struct ctl *ctl, int n, char **argument)
{
	(void)n;
	(void)argument;
	return stop_all(ctl, "stop", !ctl->lost);
}

/* A name that nobody has stops everybody, but has no other arm sink. */
int ctl_run_emergency_stop(const struct ctl *ctl, int n, char **argument)
{
	struct ctl_door learnt[ARMS_MAX];
	struct knock k[1];

	if (n == 0)
		return stop_all(ctl, "emergency_stop", !ctl->lost);
	uint32_t n_learnt = ctl->knows_arms ? 0 : ctl_learn_arms(ctl, learnt), n_arms = n_learnt > 0 ? n_learnt : ctl->n_arms;
	const struct ctl_door *arm = n_learnt > 0 ? learnt : ctl->arm;

	k[0].door = find(arm, n_arms, argument[0]);
	if (!k[0].door) {
		tell_names(arm, n_arms, argument[0]);
		return stop_all(ctl, "stop", false);
	}
	knock_at(ctl, "emergency_stop", k, 0, 1);
	return finish(ctl, k, 1, !ctl->lost);
}
