/* bus.c - see bus.h. What all kinds of bus have in common: addresses, filters, what exists as a frame, words for troubles. */
#include "robots/bus/bus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/can/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "robots/bus/bus_kind.h"

#define SCHEME "socketcand://"

/* So many frames that nobody wants are passed over in one call; then others have their turn. */
enum { UNWANTED_MAX = 1024 };

/* ---- addresses -------------------------------------------------------------------------------------------------------- */

static bool take(char *out, size_t size, const char *from, size_t n)
{
	if (n == 0 || n >= size)
		return false;
	memcpy(out, from, n);
	out[n] = '\0';
	return true;
}

static bool parse_port(struct bus_place *p, const char *text, size_t n)
{
	return take(p->port, sizeof p->port, text, n) && strspn(p->port, "0123456789") == n && strtol(p->port, NULL, 10) <= UINT16_MAX;
}

static bool parse_place(struct bus_place *p, const char *text)
{
	size_t n = strcspn(text, "/");
	const char *channel = text[n] ? text + n + 1 : "can0", *colon = memrchr(text, ':', n);
	size_t host = colon ? (size_t)(colon - text) : 0;

	if (host == 0 || !parse_port(p, colon + 1, n - host - 1) || strpbrk(text, " \t<>"))
		return false;
	if (host > 2 && text[0] == '[' && text[host - 1] == ']')
		return take(p->host, sizeof p->host, text + 1, host - 2) && take(p->channel, sizeof p->channel, channel, strlen(channel));
	return !memchr(text, ':', host) && take(p->host, sizeof p->host, text, host) && take(p->channel, sizeof p->channel, channel, strlen(channel));
}

/* true: it is an interface's name. The kernel takes 127.0.0.1 for one too; whoever writes that means a host. */
static bool is_interface(const char *address)
{
	size_t n = strlen(address);
	struct in_addr ip;

	return n > 0 && n < 16 && !strpbrk(address, ":/ \t") && inet_pton(AF_INET, address, &ip) != 1;
}

/* 1: a server's, which *p is then; 0: an interface's. */
static int parse_address(const char *address, struct bus_place *p, struct errbuf *e)
{
	bool server = strncmp(address, SCHEME, strlen(SCHEME)) == 0;

	if (server ? !parse_place(p, address + strlen(SCHEME)) : !is_interface(address))
		return fail(e, -EINVAL, "CAN bus: found \"%.200s\", allowed an interface's name (can0) or " SCHEME "HOST:PORT[/CHANNEL]", address);
	return server;
}

int bus_check_address(const char *address, struct errbuf *e)
{
	struct bus_place place = { 0 };
	int server = parse_address(address, &place, e);

	if (server > 0 && strtol(place.port, NULL, 10) == 0)
		return fail(e, -EINVAL, "CAN bus: found \"%.200s\", allowed PORT 1..65535", address);
	return server < 0 ? server : 0;
}

static int check_options(const struct bus_options *o, struct bus_place *p, struct errbuf *e)
{
	int server = parse_address(o->address, p, e);

	if (server < 0)
		return server;
	if (o->filters > BUS_FILTERS_MAX)
		return fail(e, -EINVAL, "CAN bus %s: %u filters, allowed %d", o->address, o->filters, BUS_FILTERS_MAX);
	return server;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------------- */

static int finish(struct bus **out, struct bus *b, const struct bus_options *o, int rc)
{
	if (rc < 0) {
		bus_destroy(b);
		return rc;
	}
	b->filters = o->filters;
	if (o->filters > 0)
		memcpy(b->filter, o->filter, o->filters * sizeof *o->filter);
	*out = b;
	return 0;
}

int bus_open(struct bus **out, const struct bus_options *o, struct errbuf *e)
{
	struct bus_place place = { 0 };
	struct bus *b = NULL;
	int server = check_options(o, &place, e), rc;

	if (server < 0)
		return server;
	rc = server ? socketcand_connect(&b, &place, e) : socketcan_open(&b, o, e);
	if (rc == 0)
		snprintf(b->address, sizeof b->address, "%.300s", o->address);
	return finish(out, b, o, rc);
}

int bus_serve(struct bus **out, const struct bus_options *o, struct errbuf *e)
{
	struct bus_place place = { 0 };
	struct bus *b = NULL;
	uint16_t port = 0;
	int server = check_options(o, &place, e), rc;

	if (server < 0)
		return server;
	rc = server ? socketcand_listen(&b, &place, &port, e) : socketcan_open(&b, o, e);
	if (rc == 0 && server)
		snprintf(b->address, sizeof b->address, strchr(place.host, ':') ? SCHEME "[%s]:%u/%s" : SCHEME "%s:%u/%s", place.host, port,
				place.channel);
	else if (rc == 0)
		snprintf(b->address, sizeof b->address, "%.300s", o->address);
	return finish(out, b, o, rc);
}

void bus_destroy(struct bus *b)
{
	if (b)
		b->kind->destroy(b);
}

/* ---- frames ----------------------------------------------------------------------------------------------------------- */

const char *bus_address(const struct bus *b)
{
	return b->address;
}

int bus_fd(const struct bus *b)
{
	return b->fd;
}

static bool is_wanted(const struct bus *b, const struct bus_event *event)
{
	if (b->filters == 0 || event->error != BUS_ERROR_NONE)
		return true;
	for (uint32_t i = 0; i < b->filters && event->frame.flags == 0; i++)
		if (((event->frame.id ^ b->filter[i].id) & b->filter[i].mask) == 0)
			return true;
	return false;
}

int bus_receive(struct bus *b, struct bus_event *out)
{
	for (int i = 0; i < UNWANTED_MAX; i++) {
		int rc = b->kind->receive(b, out);

		if (rc != 1 || is_wanted(b, out))
			return rc;
	}
	return 0;
}

static bool exists(const struct bus_frame *f)
{
	uint32_t id_max = f->flags & BUS_FRAME_EXTENDED ? BUS_EXTENDED_ID_MAX : BUS_ID_MAX;

	return (f->flags & ~(BUS_FRAME_EXTENDED | BUS_FRAME_REMOTE)) == 0 && f->id <= id_max && f->length <= BUS_DATA_BYTES;
}

int bus_send(struct bus *b, const struct bus_frame *f)
{
	return exists(f) ? b->kind->send(b, f) : -EINVAL;
}

int bus_report(struct bus *b, enum bus_error error)
{
	return b->kind->report(b, error);
}

/* ---- troubles --------------------------------------------------------------------------------------------------------- */

static const char *const error_names[BUS_ERROR_COUNT] = {
	[BUS_ERROR_NONE] = "none",
	[BUS_ERROR_OFF] = "bus off",
	[BUS_ERROR_RESTARTED] = "restarted",
	[BUS_ERROR_NO_ACK] = "nobody acknowledges",
	[BUS_ERROR_PASSIVE] = "error passive",
	[BUS_ERROR_WARNING] = "error warning",
	[BUS_ERROR_ACTIVE] = "error active",
	[BUS_ERROR_LOST] = "frames lost",
	[BUS_ERROR_DISTURBED] = "disturbed",
};

const char *bus_error_name(enum bus_error error)
{
	return (unsigned)error < BUS_ERROR_COUNT ? error_names[error] : "unknown";
}

/* The worst of what an error frame holds. */
enum bus_error bus_error_of(uint32_t error_class, const uint8_t *data)
{
	uint8_t controller = error_class & CAN_ERR_CRTL && data ? data[1] : 0;

	if (error_class & CAN_ERR_BUSOFF)
		return BUS_ERROR_OFF;
	if (error_class & CAN_ERR_RESTARTED)
		return BUS_ERROR_RESTARTED;
	if (error_class & CAN_ERR_ACK)
		return BUS_ERROR_NO_ACK;
	if (controller & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE))
		return BUS_ERROR_PASSIVE;
	if (controller & (CAN_ERR_CRTL_RX_WARNING | CAN_ERR_CRTL_TX_WARNING))
		return BUS_ERROR_WARNING;
	if (controller & (CAN_ERR_CRTL_RX_OVERFLOW | CAN_ERR_CRTL_TX_OVERFLOW))
		return BUS_ERROR_LOST;
	return controller & CAN_ERR_CRTL_ACTIVE ? BUS_ERROR_ACTIVE : BUS_ERROR_DISTURBED;
}

uint32_t bus_error_class(enum bus_error error)
{
	switch (error) {
	case BUS_ERROR_OFF:
		return CAN_ERR_BUSOFF;
	case BUS_ERROR_RESTARTED:
		return CAN_ERR_RESTARTED;
	case BUS_ERROR_NO_ACK:
		return CAN_ERR_ACK;
	case BUS_ERROR_DISTURBED:
		return CAN_ERR_BUSERROR;
	default:
		return CAN_ERR_CRTL; /* which of them, the bytes would say, and socketcand has none */
	}
}

static const struct { int code; const char *text; } explained[] = {
	{ -ENOBUFS, "the queue is full: nobody acknowledges the frames (is the arm powered, the cable plugged in, the bit rate the arm's, "
		"the bus terminated?), or more is sent than it carries" },
	{ -ENETDOWN, "the interface is down, or its controller has left the bus after too many errors: check the cable, and bring it up "
		"with restart-ms, so that it comes back by itself: sudo can-up.sh INTERFACE" },
	{ -ENODEV, "the interface is gone: is its adapter plugged in?" },
	{ -ECONNRESET, "the server has closed the connection" },
	{ -EPROTO, "the server does not speak socketcand's protocol" },
	{ -EINVAL, "there is no such CAN frame" },
	{ -EOPNOTSUPP, "only a CAN controller makes error frames there" },
};

int bus_explain(const struct bus *b, int code, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
		if (explained[i].code == code)
			return fail(e, code, "CAN bus %s: %s", b->address, explained[i].text);
	return fail(e, code, "CAN bus %s: %s", b->address, strerror(-code));
}
