/* ctl_stop.c - stop, at every door at once: dreamvlad's and each arm's own. An arm stops at its own door even when dreamvlad
 * hangs or is gone; what one door says or fails to say keeps nobody from the others. Only an arm's own door latches its stop, so
 * where no configuration names the arms, dreamvlad is asked for theirs once it has stopped. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"

enum { DOORS_MAX = 1 + CONFIG_ROBOTS_MAX + ARMS_MAX };

struct knock {
	const struct ctl *ctl;
	const struct ctl_door *door;
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

	request_begin(&request, bytes, sizeof bytes, "stop");
	if (ctl_ask(k->ctl, k->door, &request, CTL_STOP_TIMEOUT_MS, &a, &e) < 0)
		memcpy(k->text, e.text, sizeof k->text);
	else if (!a.reply.ok)
		snprintf(k->text, sizeof k->text, "refused: %.900s", a.reply.error);
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

static int report(const struct knock *k, uint32_t n, bool all)
{
	for (uint32_t i = 0; i < n; i++) {
		if (k[i].stopped)
			printf("%-12s %-28s stop taken\n", k[i].door->name, k[i].door->address);
		else
			printf("%-12s %-28s FAILED: %s\n", k[i].door->name, k[i].door->address, k[i].text);
	}
	if (n == 1)
		printf("No arm's own door is known here, so none has latched the stop: `mode auto` would move it again. --config FILE names the "
		       "arms.\n");
	if (!all)
		printf("Not every door has taken the stop. If anything moves, use the emergency stop.\n");
	return all ? CTL_OK : CTL_FAILED;
}

/* Knocks at doors first..n-1, at all of them at once. */
static void knock_at(const struct ctl *ctl, struct knock *k, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < n; i++) {
		k[i] = (struct knock){ .ctl = ctl, .door = k[i].door };
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

int ctl_run_stop(const struct ctl *ctl, int n_arguments, char **argument)
{
	struct ctl_door learnt[ARMS_MAX];
	struct knock k[DOORS_MAX];
	uint32_t n = 1 + ctl->n_arms, asked = n;
	bool all = !ctl->lost;

	(void)n_arguments;
	(void)argument;
	for (uint32_t i = 0; i < n; i++)
		k[i].door = i == 0 ? &ctl->daemon : &ctl->arm[i - 1];
	knock_at(ctl, k, 0, n);
	if (k[0].stopped && !ctl->knows_arms)
		n = add_learnt(ctl, learnt, k, n);
	knock_at(ctl, k, asked, n);
	for (uint32_t i = 0; i < n; i++)
		all = all && k[i].stopped;
	return ctl->json ? report_json(ctl, k, n, all) : report(k, n, all);
}
