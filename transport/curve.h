/* curve.h - CURVE keys from files, and who may connect: the ZAP responder (rfc.zeromq.org/spec/27) of a ZeroMQ context.
 *
 * Only endpoint.c uses it. A key file holds one key as Z85 text (40 characters), a list one key a line; empty lines and lines
 * that begin with # are passed over. */
#ifndef DREAMVLA_TRANSPORT_CURVE_H
#define DREAMVLA_TRANSPORT_CURVE_H

#include <stdbool.h>

#include "daemon/sys/error.h"

enum { CURVE_KEY_TEXT_BYTES = 41, CURVE_DOMAIN_BYTES = 256 };

/* The first key in the file. `secret`: a file that others may read is refused.
 * -ENOENT, -EACCES, -EINVAL. Thread: any. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int curve_read_key(const char *path, bool secret, char key[CURVE_KEY_TEXT_BYTES], struct errbuf *e);

/* Checks that the list can be read and holds at least one key. */
MUST_CHECK int curve_check_list(const char *path, struct errbuf *e);

/* Who may connect, as a ZMQ_ZAP_DOMAIN: the keys of the list, and our own: programs that share a secret are one party.
 * -EINVAL: no secret key, or the list's path is too long. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int curve_make_domain(char domain[CURVE_DOMAIN_BYTES], const char *secret, const char *list_path, struct errbuf *e);

/* Answers every authentication of this context as the socket's domain says; the list is read anew each time.
 * A thread of its own, which ends with the context; starting it twice in one context is fine.
 * Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int curve_start_responder(void *zmq_context, struct errbuf *e);

#endif
