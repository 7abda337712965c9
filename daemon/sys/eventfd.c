/* eventfd.c - see eventfd.h. */
#include "daemon/sys/eventfd.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int eventfd_open(struct errbuf *e)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd >= 0 ? fd : fail(e, -errno, "eventfd: %s", strerror(errno));
}

/* Non-blocking, and only full after 2^64 signals: the result says nothing. */
void eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof one);

	(void)written;
}

void eventfd_clear(int fd)
{
	uint64_t count;
	ssize_t taken = read(fd, &count, sizeof count);

	(void)taken;
}

bool eventfd_wait(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, timeout_ms) <= 0)
		return false;
	eventfd_clear(fd);
	return true;
}
