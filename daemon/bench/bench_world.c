/* bench_world.c - see bench_world.h. */
#include "daemon/bench/bench_world.h"

#include <errno.h>
#include <stddef.h>

#include "daemon/bench/bench_keys.h"

enum { ANSWER_BYTES = 4096 };

int world_says_decode(struct world_says *w, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	static const struct number_key numbers[] = {
		{ "lift_m", NUMBER_REAL, offsetof(struct world_says, lift_m), 0 }, { "took_s", NUMBER_REAL, offsetof(struct world_says, took_s), 0 },
	};
	static const struct { const char *key; size_t at; } texts[] = {
		{ "held", offsetof(struct world_says, held) }, { "colour", offsetof(struct world_says, colour) },
		{ "verdict", offsetof(struct world_says, verdict) },
	};
	struct world_says said = { 0 };
	int rc = numbers_decode(numbers, sizeof numbers / sizeof *numbers, "the simulated world's", &said, bytes, n, e);

	for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof *texts; i++)
		if (!reply_text(bytes, n, texts[i].key, (char *)&said + texts[i].at, WORLD_WORD_BYTES))
			rc = fail(e, -EBADMSG, "the simulated world's status lacks %s", texts[i].key);
	if (rc == 0)
		*w = said;
	return rc;
}

int world_ask(struct session *s, struct world_says *w, struct errbuf *e)
{
	char address[SESSION_ADDRESS_BYTES];
	uint8_t answer[ANSWER_BYTES];
	size_t n;

	session_judge_address(s, address);
	int rc = session_ask(s, address, "status", answer, sizeof answer, &n, e);

	return rc < 0 ? rc : world_says_decode(w, answer, n, e);
}

int world_name(struct session *s, const char *colour, struct errbuf *e)
{
	char address[SESSION_ADDRESS_BYTES];
	uint8_t request[REQUEST_BYTES_MAX], answer[ANSWER_BYTES];
	struct map_builder b;
	size_t n;

	session_judge_address(s, address);
	request_begin(&b, request, sizeof request, "task");
	map_add_text(&b, "colour", colour);
	return session_call(s, address, &b, request, answer, sizeof answer, &n, e);
}
