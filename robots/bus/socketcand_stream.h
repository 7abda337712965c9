/* socketcand_stream.h - one TCP connection that speaks socketcand: bytes in, messages out, and what waits to be sent. Private to
 * robots/bus. All functions: thread the bus's, allocates no, blocks no. */
#ifndef DREAMVLA_ROBOTS_BUS_SOCKETCAND_STREAM_H
#define DREAMVLA_ROBOTS_BUS_SOCKETCAND_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "robots/bus/socketcand_text.h"

/* OUT: at least half of it is room: 0.8 s of a whole arm's frames. KERNEL: what the kernel may hold of them besides, so that nobody is
 * served frames of long ago. */
enum { SOCKETCAND_IN_BYTES = 4096, SOCKETCAND_OUT_BYTES = 1 << 18, SOCKETCAND_KERNEL_BYTES = 1 << 16 };

struct socketcand_stream {
	int fd;                        /* -1: none */
	int poll_fd;                   /* the epoll instance that waits for it, and what it gives back */
	void *tag;
	struct socketcand_reader reader;
	size_t n_in, at_in;
	size_t n_out, at_out;
	bool waits_for_room;           /* the kernel took less than there was */
	char in[SOCKETCAND_IN_BYTES];
	char out[SOCKETCAND_OUT_BYTES];
};

/* Takes over fd, makes it quick, and lively: a peer that vanishes without a word is noticed within half a minute while nothing is under
 * way to it, one that takes nothing for untaken_ms then (tcp(7), TCP_USER_TIMEOUT; 0: never while it still answers, and one that does
 * not after the kernel's own quarter of an hour). 0 or -errno; fd is closed by stream_close either way. `tag` comes back from epoll_wait. */
int stream_start(struct socketcand_stream *s, int fd, int poll_fd, void *tag, int untaken_ms);
void stream_close(struct socketcand_stream *s);

/* What the kernel has, once. true: something, or nothing yet; false: the peer is gone. */
bool stream_fill(struct socketcand_stream *s);

/* The next message of what was filled in. 1, 0: no whole one is there, -1: it is nonsense. */
int stream_take(struct socketcand_stream *s, struct socketcand_message *out);

/* Puts bytes behind what waits. false: there is no room, and nothing was put. */
bool stream_put(struct socketcand_stream *s, const char *bytes, size_t n);

size_t stream_waiting(const struct socketcand_stream *s);

/* Sends what waits, as far as the kernel takes it. 0, or -ECONNRESET: the peer is gone. */
int stream_flush(struct socketcand_stream *s);

#endif
