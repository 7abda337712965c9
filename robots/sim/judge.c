/* judge.c - see judge.h. */
#include "robots/sim/judge.h"

#include <errno.h>
#include <string.h>

#include <zmq.h>

#include "robots/sim/task/pads.h"

enum { RECEIVE_MAX = 8 };

int judge_open(struct judge *j, const char *address, void *zmq_context, struct errbuf *e)
{
	*j = (struct judge){ 0 };
	return endpoint_open(&j->socket, zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true,
			.address = address, .high_water = 16, .max_message_bytes = REQUEST_BYTES_MAX }, e);
}

void judge_close(struct judge *j)
{
	endpoint_close(j->socket);
	j->socket = NULL;
}

void judge_look(struct judge *j, const struct world *w)
{
	if (j->named)
		(void)task_judge(&j->task, w);
}

static int find_colour(const char *key, const char *name, enum block_colour *out, struct errbuf *e)
{
	for (int i = 0; i < WORLD_BLOCKS; i++)
		if (strcmp(name, block_colour_name((enum block_colour)i)) == 0) {
			*out = (enum block_colour)i;
			return 0;
		}
	return fail(e, -EINVAL, "%s: \"%.32s\", want red, green, blue or yellow", key, name);
}

static int find_pad(const struct world *w, const struct request *q, struct task_words *words, struct errbuf *e)
{
	const char *name;
	int rc;

	words->put = request_has(q, "pad");
	if (!words->put)
		return 0;
	if ((rc = request_text(q, "pad", &name, e)) < 0 || (rc = find_colour("pad", name, &words->pad, e)) < 0)
		return rc;
	return pads_find(w, words->pad) ? 0 : fail(e, -EINVAL, "pad: there is no %s one in this world", name);
}

static int name_task(struct judge *j, const struct world *w, const struct request *q, struct errbuf *e)
{
	static const char *const keys[] = { "colour", "pad", NULL };
	struct task_words words = { 0 };
	const char *name;
	int rc = request_check_keys(q, keys, e);

	if (rc < 0 || (rc = request_text(q, "colour", &name, e)) < 0 || (rc = find_colour("colour", name, &words.colour, e)) < 0 ||
			(rc = find_pad(w, q, &words, e)) < 0)
		return rc;
	task_begin(&j->task, w, &words);
	j->named = true;
	return 0;
}

static int tell_status(const struct judge *j, const struct world *w, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	static const char *const none[] = { NULL };
	const struct world_block *held = w->grip.holds ? &w->block[w->grip.block] : NULL;
	int rc = request_check_keys(q, none, e);

	if (rc < 0)
		return rc;
	map_add_text(b, "held", held ? block_colour_name(held->colour) : "");
	map_add_real(b, "lift_m", held ? held->lift_m : 0);
	map_add_text(b, "colour", j->named ? block_colour_name(j->task.words.colour) : "");
	map_add_text(b, "pad", j->named && j->task.words.put ? block_colour_name(j->task.words.pad) : "");
	map_add_text(b, "verdict", j->named ? task_verdict_name(j->task.verdict) : "none");
	map_add_real(b, "took_s", j->named ? (double)j->task.took_ns / 1e9 : 0);
	return 0;
}

static int dispatch(struct judge *j, const struct world *w, const struct request *q, struct map_builder *b, struct errbuf *e)
{
	const char *command = request_command(q);

	if (strcmp(command, "status") == 0)
		return tell_status(j, w, q, b, e);
	if (strcmp(command, "task") == 0)
		return name_task(j, w, q, e);
	return fail(e, -EINVAL, "cmd: \"%.32s\" is not known: want status or task", command);
}

void judge_answer(struct judge *j, const struct world *w)
{
	struct endpoint_peer from;
	struct map_builder b;
	const uint8_t *body;
	struct request q;
	struct errbuf e;
	size_t n;

	for (int i = 0; i < RECEIVE_MAX && endpoint_receive_request(j->socket, &from, &body, &n, &e) > 0; i++) {
		reply_ok(&b, j->reply, sizeof j->reply);
		if (request_decode(&q, body, n, &e) < 0 || dispatch(j, w, &q, &b, &e) < 0)
			reply_error(&b, j->reply, sizeof j->reply, e.text, NULL);
		if (map_finish(&b, &n, &e) == 0)
			(void)!endpoint_send_reply(j->socket, &from, j->reply, n);
	}
}
