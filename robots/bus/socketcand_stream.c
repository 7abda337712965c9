/* socketcand_stream.c - see socketcand_stream.h. Sockets: tcp(7), socket(7), epoll(7). */
#include "robots/bus/socketcand_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Small messages go at once. Keep-alive asks only while nothing is under way; what is not taken has a limit of its own. */
static void make_lively(int fd, int untaken_ms)
{
	const int on = 1, kernel_bytes = SOCKETCAND_KERNEL_BYTES, idle_s = 5, interval_s = 5, probes = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kernel_bytes, sizeof kernel_bytes);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &untaken_ms, sizeof untaken_ms);
}

int stream_start(struct socketcand_stream *s, int fd, int poll_fd, void *tag, int untaken_ms)
{
	struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = tag };

	s->fd = fd;
	s->poll_fd = poll_fd;
	s->tag = tag;
	s->reader = (struct socketcand_reader){ 0 };
	s->n_in = s->at_in = s->n_out = s->at_out = 0;
	s->waits_for_room = false;
	make_lively(fd, untaken_ms);
	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &wanted) < 0 ? -errno : 0;
}

void stream_close(struct socketcand_stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

bool stream_fill(struct socketcand_stream *s)
{
	ssize_t n;

	if (s->at_in < s->n_in)
		return true;
	n = recv(s->fd, s->in, sizeof s->in, MSG_DONTWAIT);
	s->at_in = 0;
	s->n_in = n > 0 ? (size_t)n : 0;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

int stream_take(struct socketcand_stream *s, struct socketcand_message *out)
{
	while (s->at_in < s->n_in) {
		int rc = socketcand_read(&s->reader, s->in[s->at_in++], out);

		if (rc != 0)
			return rc;
	}
	return 0;
}

bool stream_put(struct socketcand_stream *s, const char *bytes, size_t n)
{
	if (s->n_out + n > sizeof s->out && s->at_out >= sizeof s->out / 2) { /* seldom enough to cost nothing */
		memmove(s->out, s->out + s->at_out, s->n_out - s->at_out);
		s->n_out -= s->at_out;
		s->at_out = 0;
	}
	if (s->n_out + n > sizeof s->out)
		return false;
	memcpy(s->out + s->n_out, bytes, n);
	s->n_out += n;
	return true;
}

size_t stream_waiting(const struct socketcand_stream *s)
{
	return s->n_out - s->at_out;
}

/* Only while something waits: a socket with room is always ready for more. */
static void wait_for_room(struct socketcand_stream *s, bool waits)
{
	struct epoll_event wanted = { .events = EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0u), .data.ptr = s->tag };

	if (waits != s->waits_for_room)
		epoll_ctl(s->poll_fd, EPOLL_CTL_MOD, s->fd, &wanted);
	s->waits_for_room = waits;
}

int stream_flush(struct socketcand_stream *s)
{
	while (s->at_out < s->n_out) {
		ssize_t n = send(s->fd, s->out + s->at_out, s->n_out - s->at_out, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -ECONNRESET;
		if (n < 0) {
			wait_for_room(s, true);
			return 0;
		}
		s->at_out += (size_t)n;
	}
	s->at_out = s->n_out = 0;
	wait_for_room(s, false);
	return 0;
}
