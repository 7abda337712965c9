/* address.c - see address.h. */
#include "config/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/loopback.h"

static bool parse_port(const char *text, uint16_t *port)
{
	size_t n = strlen(text);
	long value;

	*port = 0;
	if (strcmp(text, "*") == 0)
		return true;
	if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
		return false;
	value = strtol(text, NULL, 10);
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

static bool is_wildcard(const char *host)
{
	return strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0;
}

static bool parse_tcp(struct address *a, const char *rest)
{
	const char *colon = strrchr(rest, ':');
	size_t n = colon ? (size_t)(colon - rest) : 0;

	if (n == 0 || n >= sizeof a->host || strpbrk(rest, " \t/;"))
		return false;
	memcpy(a->host, rest, n);
	a->tcp = true;
	a->loopback = host_is_loopback(a->host);
	a->wildcard = is_wildcard(a->host);
	return parse_port(colon + 1, &a->port);
}

int address_parse(struct address *out, const char *text, struct errbuf *e)
{
	struct address a = { 0 };
	bool good = false;

	if (strncmp(text, "tcp://", 6) == 0) {
		good = parse_tcp(&a, text + 6);
	} else if (strncmp(text, "ipc://", 6) == 0) {
		size_t n = strlen(text + 6);

		good = n > 0 && n < sizeof a.host;
		if (good)
			memcpy(a.host, text + 6, n);
	}
	if (!good)
		return fail(e, -EINVAL, "found \"%.200s\", allowed tcp://HOST:PORT or ipc://PATH", text);
	*out = a;
	return 0;
}

bool address_collides(const struct address *a, const struct address *b)
{
	if (a->tcp != b->tcp)
		return false;
	if (!a->tcp)
		return strcmp(a->host, b->host) == 0;
	return a->port != 0 && a->port == b->port && (a->wildcard || b->wildcard || strcmp(a->host, b->host) == 0);
}
