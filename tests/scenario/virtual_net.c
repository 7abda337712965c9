/* virtual_net.c - see virtual.h: transport/endpoint.h over wires in memory. Addresses only have to be equal. */
#include "tests/scenario/virtual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"

enum { ENDPOINTS_MAX = 64, QUEUE_MAX = 4096 };
static const int64_t REORDER_NS = 50 * NS_PER_MS;

/* A message on its way or waiting: all parts in one block. */
struct parcel {
	struct parcel *next;       /* by due_ns, then by order of sending */
	int64_t due_ns;
	uint32_t from;             /* id of the endpoint that sent it, 0: the scenario */
	uint32_t n_parts;
	size_t bytes[ENDPOINT_PARTS_MAX];
	uint8_t data[];
};

struct endpoint {
	uint32_t id;
	int type;
	char address[256];
	char subscribe[8][WIRE_NAME_BYTES];
	struct parcel *queue, *held; /* held: what the receiver looks at now */
	uint32_t n;
	struct endpoint_counters counters;
};

static struct {
	struct endpoint *endpoint[ENDPOINTS_MAX];
	uint32_t last_id;
	struct wire wire[WIRES_MAX];
	uint32_t n_wires;
	void (*sent)(void *context, const struct endpoint_message *m);
	void *context;
} net;

void virtual_net_reset(void)
{
	memset(net.wire, 0, sizeof net.wire);
	net.n_wires = 0;
	net.last_id = 0;
	net.sent = NULL;
}

void virtual_net_watch(void (*sent)(void *context, const struct endpoint_message *m), void *context)
{
	net.sent = sent;
	net.context = context;
}

struct wire *virtual_wire(const char *name)
{
	for (uint32_t i = 0; i < net.n_wires; i++)
		if (strcmp(net.wire[i].name, name) == 0)
			return &net.wire[i];
	if (net.n_wires == WIRES_MAX || strlen(name) >= WIRE_NAME_BYTES)
		return NULL;
	strcpy(net.wire[net.n_wires].name, name);
	return &net.wire[net.n_wires++];
}

static const struct wire *wire_of(const uint8_t *name, size_t n)
{
	static const struct wire good = { .name = "" };

	for (uint32_t i = 0; i < net.n_wires; i++)
		if (strlen(net.wire[i].name) <= n && memcmp(net.wire[i].name, name, strlen(net.wire[i].name)) == 0)
			return &net.wire[i];
	return &good;
}

/* ---- parcels ---- */

static void put(struct endpoint *to, uint32_t from, const struct endpoint_message *m, int64_t due_ns)
{
	struct parcel **at = &to->queue, *p;
	size_t total = 0, used = 0;

	for (uint32_t i = 0; i < m->n_parts; i++)
		total += m->bytes[i];
	if (to->n >= QUEUE_MAX || !(p = malloc(sizeof *p + total))) {
		to->counters.malformed++;
		return;
	}
	*p = (struct parcel){ .due_ns = due_ns, .from = from, .n_parts = m->n_parts };
	for (uint32_t i = 0; i < m->n_parts; i++) {
		if (m->bytes[i] > 0)
			memcpy(p->data + used, m->part[i], m->bytes[i]);
		p->bytes[i] = m->bytes[i];
		used += m->bytes[i];
	}
	while (*at && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	to->n++;
}

static void carry(struct endpoint *to, uint32_t from, const struct endpoint_message *m, const struct wire *w)
{
	int64_t due_ns = clock_monotonic_ns() + w->delay_ns;

	if (w->cut || (w->lose > 0.0 && virtual_random() < w->lose))
		return;
	if (w->jitter_ns > 0)
		due_ns += (int64_t)((double)w->jitter_ns * virtual_random());
	if (w->reorder > 0.0 && virtual_random() < w->reorder)
		due_ns += (int64_t)((double)REORDER_NS * virtual_random());
	put(to, from, m, due_ns);
	if (w->duplicate > 0.0 && virtual_random() < w->duplicate)
		put(to, from, m, due_ns + (int64_t)((double)REORDER_NS * virtual_random()));
}

/* Due parcels leave the queue; what was received before is freed then. */
static struct parcel *take(struct endpoint *p)
{
	free(p->held);
	p->held = p->queue && p->queue->due_ns <= clock_monotonic_ns() ? p->queue : NULL;
	if (p->held) {
		p->queue = p->held->next;
		p->n--;
		p->counters.received++;
	}
	return p->held;
}

bool virtual_net_ready(const struct endpoint *p)
{
	return p->queue && p->queue->due_ns <= clock_monotonic_ns();
}

static bool wanted(const struct endpoint *p, const uint8_t *topic, size_t n)
{
	if (!p->subscribe[0][0])
		return true;
	for (int i = 0; i < 8 && p->subscribe[i][0]; i++)
		if (strlen(p->subscribe[i]) <= n && memcmp(p->subscribe[i], topic, strlen(p->subscribe[i])) == 0)
			return true;
	return false;
}

static void publish(uint32_t from, const char *address, const struct endpoint_message *m)
{
	const struct wire *w = wire_of(m->part[0], m->bytes[0]);

	for (int i = 0; i < ENDPOINTS_MAX; i++) {
		struct endpoint *p = net.endpoint[i];

		if (p && p->type == ZMQ_SUB && strcmp(p->address, address) == 0 && wanted(p, m->part[0], m->bytes[0]))
			carry(p, from, m, w);
	}
}

void virtual_publish(const char *address, const char *topic, const uint8_t *map, size_t n, const uint8_t *bytes, size_t n_bytes)
{
	publish(0, address, &(struct endpoint_message){ .n_parts = bytes ? 3 : 2, .part = { (const uint8_t *)topic, map, bytes },
			.bytes = { strlen(topic), n, n_bytes } });
}

static struct endpoint *find(int type, const char *address, uint32_t id)
{
	for (int i = 0; i < ENDPOINTS_MAX; i++) {
		struct endpoint *p = net.endpoint[i];

		if (p && (address ? p->type == type && strcmp(p->address, address) == 0 : p->id == id))
			return p;
	}
	return NULL;
}

/* ---- transport/endpoint.h ---- */

int endpoint_open(struct endpoint **out, void *zmq_context, const struct endpoint_options *o, struct errbuf *e)
{
	struct endpoint *p;
	int at = 0;

	(void)zmq_context;
	while (at < ENDPOINTS_MAX && net.endpoint[at])
		at++;
	if (at == ENDPOINTS_MAX || strlen(o->address) >= sizeof p->address || !(p = calloc(1, sizeof *p)))
		return fail(e, -ENOMEM, "scenario: no room for the endpoint %s", o->address);
	p->id = ++net.last_id;
	p->type = o->type;
	strcpy(p->address, o->address);
	for (int i = 0; i < 8 && o->subscribe[i]; i++)
		strncpy(p->subscribe[i], o->subscribe[i], WIRE_NAME_BYTES - 1);
	net.endpoint[at] = *out = p;
	return 0;
}

static void free_all(struct parcel *p)
{
	while (p) {
		struct parcel *next = p->next;

		free(p);
		p = next;
	}
}

void endpoint_close(struct endpoint *p)
{
	if (!p)
		return;
	for (int i = 0; i < ENDPOINTS_MAX; i++)
		if (net.endpoint[i] == p)
			net.endpoint[i] = NULL;
	free_all(p->queue);
	free(p->held);
	free(p);
}

void *endpoint_socket(const struct endpoint *p)
{
	(void)p;
	return NULL;
}

const char *endpoint_address(const struct endpoint *p)
{
	return p->address;
}

int endpoint_receive(struct endpoint *p, struct endpoint_message *m, struct errbuf *e)
{
	const struct parcel *got = take(p);
	size_t used = 0;

	(void)e;
	if (!got)
		return 0;
	*m = (struct endpoint_message){ .n_parts = got->n_parts };
	for (uint32_t i = 0; i < got->n_parts; i++) {
		m->part[i] = got->data + used;
		m->bytes[i] = got->bytes[i];
		used += got->bytes[i];
	}
	return 1;
}

/* A DEALER sends only while somebody listens. */
static int ask(struct endpoint *p, const struct endpoint_message *m)
{
	struct endpoint *to = find(ZMQ_ROUTER, p->address, 0);

	if (!to)
		return -EAGAIN;
	carry(to, p->id, m, wire_of((const uint8_t *)p->address, strlen(p->address)));
	return 0;
}

int endpoint_send(struct endpoint *p, const struct endpoint_message *m)
{
	p->counters.sent++;
	if (p->type == ZMQ_DEALER)
		return ask(p, m);
	if (net.sent)
		net.sent(net.context, m);
	publish(p->id, p->address, m);
	return 0;
}

int endpoint_receive_request(struct endpoint *p, struct endpoint_peer *peer, const uint8_t **body, size_t *n, struct errbuf *e)
{
	struct endpoint_message m;
	int rc = endpoint_receive(p, &m, e);

	if (rc <= 0)
		return rc;
	*peer = (struct endpoint_peer){ .n = sizeof p->held->from, .delimiter = m.n_parts > 1 };
	memcpy(peer->identity, &p->held->from, sizeof p->held->from);
	*body = m.part[m.n_parts - 1];
	*n = m.bytes[m.n_parts - 1];
	return 1;
}

int endpoint_send_reply(struct endpoint *p, const struct endpoint_peer *peer, const uint8_t *body, size_t n)
{
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)"", body }, .bytes = { 0, n } };
	struct endpoint *to;
	uint32_t id;

	memcpy(&id, peer->identity, sizeof id);
	to = find(0, NULL, id);
	if (to)
		carry(to, p->id, &m, wire_of((const uint8_t *)p->address, strlen(p->address)));
	return 0;
}

struct endpoint_counters endpoint_counters(const struct endpoint *p)
{
	return p->counters;
}
