/* socketcand_text.h - socketcand's text protocol, as far as a bus needs it: bytes and messages, both directions. No sockets.
 *
 * Server and client speak in messages between < and >:
 *   server  < hi >      client  < open can0 >      server  < ok >      client  < rawmode >      server  < ok >
 *   server  < frame 2A5 1795312696.098305 0000000100000002 >   < rtr 123 23.424242 4 >   < error 040 23.424242 >   < error words >
 *   client  < send 155 8 0 0 0 1 0 0 0 2 >   < sendrtr 123 4 >   < echo >
 * Ids of 8 digits are extended, all others standard. Source: socketcand's doc/protocol.md and state_raw.c, python-can 4.6's client.
 * All functions: thread any, allocates no, blocks no. */
#ifndef DREAMVLA_ROBOTS_BUS_SOCKETCAND_TEXT_H
#define DREAMVLA_ROBOTS_BUS_SOCKETCAND_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/bus/frame.h"

enum {
	SOCKETCAND_MESSAGE_BYTES = 256, /* of one received, < and > included: frames of CAN FD, which are not for us, fit too */
	SOCKETCAND_TEXT_BYTES = 80,     /* of one to be sent */
	SOCKETCAND_CHANNEL_BYTES = 17,
};

/* BAD: a word that is known, and fields that it cannot have. OTHER: a word that is not. */
enum socketcand_kind { SOCKETCAND_OTHER, SOCKETCAND_BAD, SOCKETCAND_HI, SOCKETCAND_OK, SOCKETCAND_OPEN, SOCKETCAND_RAWMODE,
	SOCKETCAND_ECHO, SOCKETCAND_SEND, SOCKETCAND_FRAME, SOCKETCAND_ERROR };

struct socketcand_message {
	enum socketcand_kind kind;
	char channel[SOCKETCAND_CHANNEL_BYTES]; /* OPEN */
	struct bus_frame frame;                 /* SEND, FRAME */
	uint32_t error_class;                   /* ERROR: CAN_ERR_... of linux/can/error.h; 0 where it is in words */
};

/* Zeroed, it is ready. */
struct socketcand_reader {
	char text[SOCKETCAND_MESSAGE_BYTES];    /* of the last message, without < and >, terminated */
	size_t n;
	bool inside;
};

/* Takes one more byte. 1: a message ended with it; 0: it wants more; -1: what came is none (bytes outside of messages, one without an
 * end, bytes that are no text), and the reader has forgotten it. */
int socketcand_read(struct socketcand_reader *r, char c, struct socketcand_message *out);

/* Return the number of bytes; there is no terminating 0. */
size_t socketcand_put_frame(char out[SOCKETCAND_TEXT_BYTES], const struct bus_frame *f, int64_t realtime_ns);
size_t socketcand_put_send(char out[SOCKETCAND_TEXT_BYTES], const struct bus_frame *f);
size_t socketcand_put_error(char out[SOCKETCAND_TEXT_BYTES], uint32_t error_class, int64_t realtime_ns);

#endif
