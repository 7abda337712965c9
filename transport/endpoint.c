/* endpoint.c - see endpoint.h.
 *
 * What libzmq does not bound: the number of parts of one message. Parts are held until the last one has come, so a peer that
 * never ends its message makes libzmq hold it all; ZMQ_MAXMSGSIZE limits each part only. CURVE with an allow-list keeps
 * strangers from trying. */
#include "transport/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/sys/loopback.h"
#include "transport/curve.h"

enum {
	HIGH_WATER = 4,
	MESSAGE_BYTES = 65536,
	ADDRESS_BYTES = 256,
	SUBSCRIBE_MAX = 8,
	HANDSHAKE_BYTES = 1024, /* ZMQ_MAXMSGSIZE holds for the handshake too */
	PORT_MAX = 65535,
	/* So many unfit messages are passed over in one call; then the caller gets its turn again. */
	PASS_OVER_MAX = 64,
};

struct endpoint {
	void *socket;
	size_t max_message_bytes;
	zmq_msg_t part[ENDPOINT_PARTS_MAX];
	uint32_t n_held;
	struct endpoint_counters counters;
	char address[ADDRESS_BYTES];
};

/* ---- opening -------------------------------------------------------------------------------------------------------- */

/* Whether only this host can reach the address: ipc, inproc, and tcp on loopback. */
static bool is_local(const char *address)
{
	char host[ADDRESS_BYTES];

	if (strncmp(address, "tcp://", 6) != 0)
		return strncmp(address, "ipc://", 6) == 0 || strncmp(address, "inproc://", 9) == 0;
	const char *port = strrchr(address + 6, ':');

	if (!port)
		return false;
	snprintf(host, sizeof host, "%.*s", (int)(port - address - 6), address + 6);
	return host_is_loopback(host);
}

static bool is_given(const char *text)
{
	return text && *text;
}

static int check_policy(const struct endpoint_options *o, struct errbuf *e)
{
	if (!o->bind)
		return is_given(o->curve_server) && !is_given(o->curve_secret)
				? fail(e, -EINVAL, "%s: CURVE needs the client's own secret key too", o->address) : 0;
	if (is_given(o->curve_secret) != is_given(o->curve_clients))
		return fail(e, -EINVAL, "%s: CURVE needs both a secret key and a list of the clients that may connect", o->address);
	if (is_local(o->address) || is_given(o->curve_secret) || o->insecure)
		return 0;
	return fail(e, -EACCES, "%s: more than this host can reach it; want CURVE keys (curve_secret and curve_clients), "
			"a loopback or ipc:// address, or insecure: true", o->address);
}

static int set(struct endpoint *p, int option, const void *value, size_t n, struct errbuf *e)
{
	if (zmq_setsockopt(p->socket, option, value, n) < 0)
		return fail(e, -errno, "%s: socket option %d: %s", p->address, option, zmq_strerror(errno));
	return 0;
}

static int set_int(struct endpoint *p, int option, int value, struct errbuf *e)
{
	return set(p, option, &value, sizeof value, e);
}

static int set_bounds(struct endpoint *p, const struct endpoint_options *o, struct errbuf *e)
{
	int high_water = o->high_water > 0 ? o->high_water : HIGH_WATER;
	int64_t max_bytes = p->max_message_bytes > HANDSHAKE_BYTES ? (int64_t)p->max_message_bytes : HANDSHAKE_BYTES;
	int rc = set_int(p, ZMQ_LINGER, 0, e);

	if (rc == 0)
		rc = set_int(p, ZMQ_RCVHWM, high_water, e);
	if (rc == 0)
		rc = set_int(p, ZMQ_SNDHWM, high_water, e);
	if (rc == 0)
		rc = set(p, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes, e);
	if (rc == 0 && o->type == ZMQ_ROUTER)
		rc = set_int(p, ZMQ_ROUTER_MANDATORY, 1, e); /* tells when a reply could not go out */
	if (rc == 0 && o->type == ZMQ_DEALER)
		rc = set_int(p, ZMQ_IMMEDIATE, 1, e);
	if (rc == 0 && o->type == ZMQ_XPUB)
		rc = set_int(p, ZMQ_XPUB_NODROP, 1, e); /* tells when a message could not go out, instead of dropping it unseen */
	return rc;
}

static int subscribe(struct endpoint *p, const struct endpoint_options *o, struct errbuf *e)
{
	int rc = 0;

	if (o->type != ZMQ_SUB)
		return 0;
	if (!o->subscribe[0])
		return set(p, ZMQ_SUBSCRIBE, "", 0, e);
	for (uint32_t i = 0; i < SUBSCRIBE_MAX && o->subscribe[i] && rc == 0; i++)
		rc = set(p, ZMQ_SUBSCRIBE, o->subscribe[i], strlen(o->subscribe[i]), e);
	return rc;
}

static int set_curve_server(struct endpoint *p, void *zmq_context, const struct endpoint_options *o, struct errbuf *e)
{
	char secret[CURVE_KEY_TEXT_BYTES], domain[CURVE_DOMAIN_BYTES];
	int rc = curve_read_key(o->curve_secret, true, secret, e);

	if (rc == 0)
		rc = curve_check_list(o->curve_clients, e);
	if (rc == 0)
		rc = curve_make_domain(domain, secret, o->curve_clients, e);
	if (rc == 0)
		rc = curve_start_responder(zmq_context, e);
	if (rc == 0)
		rc = set_int(p, ZMQ_CURVE_SERVER, 1, e);
	if (rc == 0)
		rc = set(p, ZMQ_CURVE_SECRETKEY, secret, CURVE_KEY_TEXT_BYTES, e);
	if (rc == 0)
		rc = set(p, ZMQ_ZAP_DOMAIN, domain, strlen(domain), e);
	return rc;
}

static int set_curve_client(struct endpoint *p, const struct endpoint_options *o, struct errbuf *e)
{
	char secret[CURVE_KEY_TEXT_BYTES], open_key[CURVE_KEY_TEXT_BYTES], server[CURVE_KEY_TEXT_BYTES];
	int rc = curve_read_key(o->curve_secret, true, secret, e);

	if (rc == 0 && zmq_curve_public(open_key, secret) < 0)
		rc = fail(e, -EINVAL, "%s: no CURVE secret key: %s", o->curve_secret, zmq_strerror(errno));
	if (rc == 0 && is_given(o->curve_server))
		rc = curve_read_key(o->curve_server, false, server, e);
	else if (rc == 0)
		memcpy(server, open_key, sizeof server);
	if (rc == 0)
		rc = set(p, ZMQ_CURVE_SERVERKEY, server, CURVE_KEY_TEXT_BYTES, e);
	if (rc == 0)
		rc = set(p, ZMQ_CURVE_PUBLICKEY, open_key, CURVE_KEY_TEXT_BYTES, e);
	if (rc == 0)
		rc = set(p, ZMQ_CURVE_SECRETKEY, secret, CURVE_KEY_TEXT_BYTES, e);
	return rc;
}

/* libzmq removes a socket file before binding to it, even one that a living process listens on. */
static bool ipc_is_alive(const char *address)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strncmp(address, "ipc://", 6) != 0 || strlen(address + 6) >= sizeof to.sun_path)
		return false;
	memcpy(to.sun_path, address + 6, strlen(address + 6) + 1);
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive = probe >= 0 && connect(probe, (const struct sockaddr *)&to, sizeof to) == 0;

	if (probe >= 0)
		close(probe);
	return alive;
}

static int in_use(const char *address, struct errbuf *e)
{
	if (strncmp(address, "ipc://", 6) == 0)
		return fail(e, -EADDRINUSE, "%s: another process listens there; find it with: ss -lxp | grep %s", address, address + 6);
	const char *port = strrchr(address, ':');

	return fail(e, -EADDRINUSE, "%s: the port is in use, perhaps by another instance; find its owner with: ss -ltnp 'sport = %s'",
			address, port ? port : "");
}

/* Programs of one configuration connect to what others of it bind: an address of every interface is here 127.0.0.1. */
static void set_reachable(char out[ADDRESS_BYTES], const char *address)
{
	static const char *const any[] = { "tcp://*:", "tcp://0.0.0.0:" };

	snprintf(out, ADDRESS_BYTES, "%s", address);
	for (size_t i = 0; i < sizeof any / sizeof any[0]; i++)
		if (strncmp(address, any[i], strlen(any[i])) == 0)
			snprintf(out, ADDRESS_BYTES, "tcp://127.0.0.1:%.8s", address + strlen(any[i]));
}

static int bind_or_connect(struct endpoint *p, const struct endpoint_options *o, struct errbuf *e)
{
	size_t n = sizeof p->address;
	char reachable[ADDRESS_BYTES];

	if (o->bind && ipc_is_alive(o->address))
		return in_use(o->address, e);
	set_reachable(reachable, o->address);
	if ((o->bind ? zmq_bind(p->socket, o->address) : zmq_connect(p->socket, reachable)) < 0)
		return errno == EADDRINUSE ? in_use(o->address, e)
				: fail(e, -errno, "%s: cannot %s: %s", o->address, o->bind ? "bind" : "connect", zmq_strerror(errno));
	if (zmq_getsockopt(p->socket, ZMQ_LAST_ENDPOINT, p->address, &n) < 0)
		return fail(e, -errno, "%s: %s", o->address, zmq_strerror(errno));
	return 0;
}

static int set_up(struct endpoint *p, void *zmq_context, const struct endpoint_options *o, struct errbuf *e)
{
	int rc = set_bounds(p, o, e);

	if (rc == 0)
		rc = subscribe(p, o, e);
	if (rc == 0 && o->bind && is_given(o->curve_secret))
		rc = set_curve_server(p, zmq_context, o, e);
	if (rc == 0 && !o->bind && is_given(o->curve_secret))
		rc = set_curve_client(p, o, e);
	return rc == 0 ? bind_or_connect(p, o, e) : rc;
}

/* libzmq takes 99999 for 99999 - 65536. */
static bool has_good_port(const char *address)
{
	const char *port = strrchr(address, ':') + 1;

	if (strncmp(address, "tcp://", 6) != 0 || strcmp(port, "*") == 0)
		return true;
	size_t digits = strspn(port, "0123456789");

	return digits > 0 && digits <= 5 && port[digits] == '\0' && strtol(port, NULL, 10) <= PORT_MAX;
}

static int check_address(const char *address, struct errbuf *e)
{
	if (is_given(address) && strlen(address) < ADDRESS_BYTES && strstr(address, "://") && has_good_port(address))
		return 0;
	return fail(e, -EINVAL, "%.64s: want an address like tcp://127.0.0.1:7416 or ipc:///run/dreamvla/control",
			address ? address : "(none)");
}

int endpoint_open(struct endpoint **out, void *zmq_context, const struct endpoint_options *o, struct errbuf *e)
{
	int rc = check_address(o->address, e);

	if (rc == 0)
		rc = check_policy(o, e);
	if (rc < 0)
		return rc;
	struct endpoint *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "%s: out of memory", o->address);
	p->max_message_bytes = o->max_message_bytes > 0 ? o->max_message_bytes : MESSAGE_BYTES;
	snprintf(p->address, sizeof p->address, "%s", o->address);
	p->socket = zmq_socket(zmq_context, o->type);
	rc = p->socket ? set_up(p, zmq_context, o, e) : fail(e, -errno, "%s: no socket: %s", o->address, zmq_strerror(errno));
	if (rc < 0) {
		endpoint_close(p);
		return rc;
	}
	*out = p;
	return 0;
}

static void release_parts(struct endpoint *p)
{
	while (p->n_held > 0)
		zmq_msg_close(&p->part[--p->n_held]);
}

void endpoint_close(struct endpoint *p)
{
	if (!p)
		return;
	release_parts(p);
	if (p->socket)
		zmq_close(p->socket);
	free(p);
}

void *endpoint_socket(const struct endpoint *p)
{
	return p->socket;
}

const char *endpoint_address(const struct endpoint *p)
{
	return p->address;
}

struct endpoint_counters endpoint_counters(const struct endpoint *p)
{
	return p->counters;
}

/* ---- receiving ------------------------------------------------------------------------------------------------------ */

/* One part into the next free place, or dropped when there is none. 1: more follow, 0: it was the last, -errno. */
static int receive_part(struct endpoint *p, bool *fits)
{
	bool kept = p->n_held < ENDPOINT_PARTS_MAX;
	zmq_msg_t beyond, *part = kept ? &p->part[p->n_held] : &beyond;

	zmq_msg_init(part);
	while (zmq_msg_recv(part, p->socket, ZMQ_DONTWAIT) < 0) {
		int code = errno;

		if (code == EINTR) /* giving up here would tear a message apart */
			continue;
		zmq_msg_close(part);
		return -code;
	}
	int more = zmq_msg_more(part);

	/* inproc peers are not stopped by ZMQ_MAXMSGSIZE */
	if (!kept || zmq_msg_size(part) > p->max_message_bytes)
		*fits = false;
	if (kept)
		p->n_held++;
	else
		zmq_msg_close(part);
	return more;
}

/* 1: a message lies in p->part, 0: one was dropped, -errno (EAGAIN: there is none). */
static int receive_whole(struct endpoint *p)
{
	bool fits = true;
	int more;

	release_parts(p);
	do
		more = receive_part(p, &fits);
	while (more > 0);
	if (more < 0) {
		release_parts(p);
		return more;
	}
	if (fits) {
		p->counters.received++;
		return 1;
	}
	release_parts(p);
	p->counters.malformed++;
	return 0;
}

int endpoint_receive(struct endpoint *p, struct endpoint_message *m, struct errbuf *e)
{
	int rc = 0;

	for (int i = 0; i < PASS_OVER_MAX && rc == 0; i++)
		rc = receive_whole(p);
	if (rc == -EAGAIN || rc == 0)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s: receive: %s", p->address, zmq_strerror(-rc));
	m->n_parts = p->n_held;
	for (uint32_t i = 0; i < p->n_held; i++) {
		m->part[i] = zmq_msg_data(&p->part[i]);
		m->bytes[i] = zmq_msg_size(&p->part[i]);
	}
	return 1;
}

/* [identity] [empty] [body] from REQ, [identity] [body] from a plain DEALER. */
static bool split_request(const struct endpoint_message *m, struct endpoint_peer *peer, const uint8_t **body, size_t *n)
{
	peer->delimiter = m->n_parts == 3;
	if (m->n_parts < 2 || m->n_parts > 3 || m->bytes[0] > sizeof peer->identity)
		return false;
	if (peer->delimiter && m->bytes[1] != 0)
		return false;
	peer->n = (uint8_t)m->bytes[0];
	memcpy(peer->identity, m->part[0], m->bytes[0]);
	*body = m->part[m->n_parts - 1];
	*n = m->bytes[m->n_parts - 1];
	return *n > 0;
}

int endpoint_receive_request(struct endpoint *p, struct endpoint_peer *peer, const uint8_t **body, size_t *n, struct errbuf *e)
{
	struct endpoint_message m;

	for (int i = 0; i < PASS_OVER_MAX; i++) {
		int rc = endpoint_receive(p, &m, e);

		if (rc <= 0)
			return rc;
		if (split_request(&m, peer, body, n))
			return 1;
		p->counters.malformed++;
	}
	return 0;
}

/* ---- sending -------------------------------------------------------------------------------------------------------- */

/* 0 or -errno. libzmq refuses a message at its first part or takes all of it. */
static int send_part(struct endpoint *p, const void *bytes, size_t n, bool more)
{
	if (zmq_send(p->socket, bytes, n, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
		return 0;
	if (errno == EAGAIN)
		p->counters.dropped_send++;
	return -errno;
}

int endpoint_send(struct endpoint *p, const struct endpoint_message *m)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->n_parts && rc == 0; i++)
		rc = send_part(p, m->part[i], m->bytes[i], i + 1 < m->n_parts);
	if (rc == 0)
		p->counters.sent++;
	return rc;
}

int endpoint_send_reply(struct endpoint *p, const struct endpoint_peer *peer, const uint8_t *body, size_t n)
{
	int rc = send_part(p, peer->identity, peer->n, true);

	if (rc == -EHOSTUNREACH)
		return 0;
	if (rc == 0 && peer->delimiter)
		rc = send_part(p, "", 0, true);
	if (rc == 0)
		rc = send_part(p, body, n, false);
	if (rc == 0)
		p->counters.sent++;
	return rc;
}
