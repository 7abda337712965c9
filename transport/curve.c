/* curve.c - see curve.h. */
#include "transport/curve.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

static const char responder_address[] = "inproc://zeromq.zap.01";

enum { KEY_BYTES = 32, LINE_BYTES = 256, LIST_LINES_MAX = 4096 };

/* Cuts the line to its first word; false for an empty line or a comment. */
static bool is_key_line(char *line)
{
	size_t skip = strspn(line, " \t\r\n");

	memmove(line, line + skip, strlen(line + skip) + 1);
	line[strcspn(line, " \t\r\n")] = '\0';
	return *line != '\0' && *line != '#';
}

static bool is_key(const char *text)
{
	uint8_t key[KEY_BYTES];

	return strlen(text) == CURVE_KEY_TEXT_BYTES - 1 && zmq_z85_decode(key, text) != NULL;
}

int curve_read_key(const char *path, bool secret, char key[CURVE_KEY_TEXT_BYTES], struct errbuf *e)
{
	char line[LINE_BYTES];
	struct stat about;
	int rc = -EINVAL;
	FILE *file = fopen(path, "re");

	if (!file)
		return fail(e, -errno, "%s: cannot read the CURVE key: %s", path, strerror(errno));
	if (secret && fstat(fileno(file), &about) == 0 && (about.st_mode & S_IRWXO) != 0) {
		fclose(file);
		return fail(e, -EACCES, "%s: others may read this secret key; chmod 600 it", path);
	}
	while (rc < 0 && fgets(line, sizeof line, file))
		if (is_key_line(line)) {
			if (!is_key(line))
				break;
			memcpy(key, line, CURVE_KEY_TEXT_BYTES);
			rc = 0;
		}
	fclose(file);
	return rc < 0 ? fail(e, rc, "%s: no CURVE key, want 40 characters of Z85 text", path) : 0;
}

/* Whether the list names that key; without a key: whether it names any. */
static bool list_has(FILE *list, const uint8_t *wanted)
{
	char line[LINE_BYTES];
	uint8_t key[KEY_BYTES];

	for (int i = 0; i < LIST_LINES_MAX && fgets(line, sizeof line, list); i++) {
		if (!is_key_line(line) || !is_key(line))
			continue;
		if (!wanted)
			return true;
		if (zmq_z85_decode(key, line) && memcmp(key, wanted, KEY_BYTES) == 0)
			return true;
	}
	return false;
}

int curve_check_list(const char *path, struct errbuf *e)
{
	FILE *list = fopen(path, "re");

	if (!list)
		return fail(e, -errno, "%s: cannot read the list of CURVE clients: %s", path, strerror(errno));
	bool any = list_has(list, NULL);

	fclose(list);
	return any ? 0 : fail(e, -EINVAL, "%s: no CURVE key, want 40 characters of Z85 text a line", path);
}

int curve_make_domain(char domain[CURVE_DOMAIN_BYTES], const char *secret, const char *list_path, struct errbuf *e)
{
	char own[CURVE_KEY_TEXT_BYTES];

	if (zmq_curve_public(own, secret) < 0)
		return fail(e, -EINVAL, "no CURVE secret key: %s", zmq_strerror(errno));
	if (snprintf(domain, CURVE_DOMAIN_BYTES, "%s%s", own, list_path) >= CURVE_DOMAIN_BYTES)
		return fail(e, -EINVAL, "%s: %zu bytes are too many for the path of a list of CURVE clients, allowed %d", list_path,
				strlen(list_path), CURVE_DOMAIN_BYTES - CURVE_KEY_TEXT_BYTES);
	return 0;
}

/* By a domain of curve_make_domain. */
static bool is_allowed(const char *domain, const uint8_t *key, size_t n)
{
	char own[CURVE_KEY_TEXT_BYTES] = "";
	uint8_t own_key[KEY_BYTES];

	if (n != KEY_BYTES || strlen(domain) < sizeof own - 1)
		return false;
	memcpy(own, domain, sizeof own - 1);
	if (zmq_z85_decode(own_key, own) && memcmp(own_key, key, KEY_BYTES) == 0)
		return true;
	FILE *list = fopen(domain + sizeof own - 1, "re");
	bool allowed = list && list_has(list, key);

	if (list)
		fclose(list);
	return allowed;
}

/* Parts of a request by RFC 27; the credentials of CURVE are the client's public key. */
enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_CREDENTIALS, ZAP_PARTS };

struct zap_request {
	char part[ZAP_PARTS][LINE_BYTES];
	size_t bytes[ZAP_PARTS];
	int n;
};

/* False when the context ends. */
static bool receive(void *socket, struct zap_request *q)
{
	char beyond[LINE_BYTES];
	int more = 1;
	size_t size = sizeof more;

	for (q->n = 0; more; q->n++) {
		bool kept = q->n < ZAP_PARTS;
		int n = zmq_recv(socket, kept ? q->part[q->n] : beyond, LINE_BYTES - 1, 0);

		if (n < 0)
			return false;
		if (kept) {
			q->bytes[q->n] = n < LINE_BYTES ? (size_t)n : LINE_BYTES - 1;
			q->part[q->n][q->bytes[q->n]] = '\0';
		}
		if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) < 0)
			return false;
	}
	return true;
}

static void answer(void *socket, const struct zap_request *q)
{
	bool allowed = q->n == ZAP_PARTS && strcmp(q->part[ZAP_MECHANISM], "CURVE") == 0 &&
			is_allowed(q->part[ZAP_DOMAIN], (const uint8_t *)q->part[ZAP_CREDENTIALS], q->bytes[ZAP_CREDENTIALS]);

	zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(socket, q->part[ZAP_ID], q->n > ZAP_ID ? q->bytes[ZAP_ID] : 0, ZMQ_SNDMORE);
	zmq_send(socket, allowed ? "200" : "400", 3, ZMQ_SNDMORE);
	zmq_send(socket, "", 0, ZMQ_SNDMORE); /* status text */
	zmq_send(socket, "", 0, ZMQ_SNDMORE); /* user id */
	zmq_send(socket, "", 0, 0);           /* metadata */
}

static void *respond(void *socket)
{
	struct zap_request request;

	while (receive(socket, &request))
		answer(socket, &request);
	zmq_close(socket); /* zmq_ctx_term waits for this */
	return NULL;
}

static int start_thread(void *socket)
{
	pthread_attr_t ordinary;
	pthread_t thread;

	/* The caller may be a real-time thread; reading a list of keys is not urgent. */
	pthread_attr_init(&ordinary);
	pthread_attr_setinheritsched(&ordinary, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setdetachstate(&ordinary, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(&thread, &ordinary, respond, socket);

	pthread_attr_destroy(&ordinary);
	return -rc;
}

int curve_start_responder(void *zmq_context, struct errbuf *e)
{
	void *socket = zmq_socket(zmq_context, ZMQ_REP);

	if (!socket)
		return fail(e, -errno, "authentication: %s", zmq_strerror(errno));
	if (zmq_setsockopt(socket, ZMQ_LINGER, &(int){ 0 }, sizeof(int)) < 0 || zmq_bind(socket, responder_address) < 0) {
		int rc = -errno;

		zmq_close(socket);
		return rc == -EADDRINUSE ? 0 : fail(e, rc, "authentication: %s", zmq_strerror(-rc));
	}
	int rc = start_thread(socket);

	if (rc == 0)
		return 0;
	zmq_close(socket);
	return fail(e, rc, "authentication: no thread: %s", strerror(-rc));
}
