/* ctl_ask.c - one question at one door, and what is said when it goes wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "transport/client.h"

#define TCP "tcp://"

/* Errors from below begin with the address; this one says what a person can do about it. */
static int no_answer(const struct ctl *ctl, const struct ctl_door *door, int timeout_ms, struct errbuf *e)
{
	return fail(e, -ETIMEDOUT, "no answer from %s within %d ms: is %s running? %s%s", door->address, timeout_ms, door->program,
			door->remedy, ctl->key ? "; is this key in its sockets.curve_clients?" : "");
}

int ctl_ask(const struct ctl *ctl, const struct ctl_door *door, struct map_builder *request, int timeout_ms,
		struct ctl_answer *a, struct errbuf *e)
{
	struct endpoint_options o = { .address = door->address, .curve_secret = ctl->key, .curve_server = ctl->server_key };
	struct errbuf why = { "" };
	size_t n;
	int rc = map_finish(request, &n, e);

	if (rc < 0)
		return rc;
	rc = client_call(ctl->zmq, &o, request->w.out, n, timeout_ms, a->bytes, sizeof a->bytes, &a->n, e);
	if (rc == -ETIMEDOUT)
		return no_answer(ctl, door, timeout_ms, e);
	if (rc < 0)
		return rc;
	rc = reply_decode(&a->reply, a->bytes, a->n, &why);
	if (rc < 0)
		return fail(e, rc, "%s: the answer is not understood (%.300s): is something else than %s listening there?",
				door->address, why.text, door->program);
	ctl_clean(a->reply.error);
	ctl_clean(a->reply.hint);
	return 0;
}

/* The host of tcp://HOST:PORT, which may be [::1]; "": another kind of address. */
static void host_of(const char *address, char *host, size_t capacity)
{
	const char *colon = strrchr(address, ':');

	host[0] = '\0';
	if (strncmp(address, TCP, strlen(TCP)) == 0 && colon >= address + strlen(TCP))
		snprintf(host, capacity, "%.*s", (int)(colon - address - (ptrdiff_t)strlen(TCP)), address + strlen(TCP));
}

static bool is_one_of(const char *host, const char *const *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(host, name[i]) == 0)
			return true;
	return false;
}

void ctl_set_address(struct ctl_door *door, const char *bound, const char *seen_from)
{
	static const char *const any[] = { "*", "0.0.0.0" }, *const local[] = { "127.0.0.1", "localhost", "[::1]" };
	char host[CONFIG_TEXT_BYTES], there[CONFIG_TEXT_BYTES] = "";
	bool is_any;

	host_of(bound, host, sizeof host);
	if (seen_from)
		host_of(seen_from, there, sizeof there);
	is_any = is_one_of(host, any, sizeof any / sizeof *any);
	if (is_any || (there[0] && is_one_of(host, local, sizeof local / sizeof *local)))
		snprintf(door->address, sizeof door->address, TCP "%.*s%.16s", CONFIG_TEXT_BYTES - 32, there[0] ? there : "127.0.0.1",
				strrchr(bound, ':'));
	else
		snprintf(door->address, sizeof door->address, "%.*s", CONFIG_TEXT_BYTES - 1, bound);
}

static int print_reply(const struct ctl *ctl, const struct ctl_answer *a)
{
	struct errbuf e = { "" };
	json_t *object;

	if (ctl_json_from_map(&object, a->bytes, a->n, &e) < 0)
		return ctl_fail(ctl, "%s: the answer is not understood: %s", ctl->daemon.address, e.text);
	return ctl_json_print(ctl, object);
}

int ctl_report(const struct ctl *ctl, const struct ctl_answer *a)
{
	if (ctl->json) {
		int code = print_reply(ctl, a);

		return a->reply.ok ? code : CTL_FAILED;
	}
	if (a->reply.ok)
		return CTL_OK;
	fprintf(stderr, "refused: %s\n", a->reply.error);
	if (a->reply.hint[0])
		fprintf(stderr, "hint: %s\n", a->reply.hint);
	return CTL_FAILED;
}

int ctl_ask_daemon(const struct ctl *ctl, struct map_builder *request, struct ctl_answer *a)
{
	struct errbuf e = { "" };

	if (ctl_ask(ctl, &ctl->daemon, request, CTL_TIMEOUT_MS, a, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	return ctl_report(ctl, a);
}

int ctl_fail(const struct ctl *ctl, const char *format, ...)
{
	struct errbuf e;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(e.text, sizeof e.text, format, arguments);
	va_end(arguments);
	if (ctl->json)
		ctl_json_print(ctl, json_pack("{s:b, s:s}", "ok", 0, "error", e.text));
	else
		fprintf(stderr, "dreamvlactl: %s\n", e.text);
	return CTL_FAILED;
}

char *ctl_clean(char *text)
{
	for (uint8_t *c = (uint8_t *)text; *c; c++) {
		if ((*c < 0x20 && *c != '\n') || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* C1 controls, U+0080..U+009F */
			c[0] = c[1] = '?';
	}
	return text;
}
