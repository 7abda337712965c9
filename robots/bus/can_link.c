/* can_link.c - what the kernel says of a CAN interface before it is used: there, up, and at which bit rate. Sources: netdevice(7),
 * rtnetlink(7), linux/can/netlink.h. */
#include <errno.h>
#include <linux/can/netlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "robots/bus/bus_kind.h"

enum { ANSWER_BYTES = 16384 };

/* ---- bit rate --------------------------------------------------------------------------------------------------------- */

struct span {
	const uint8_t *at;
	size_t n;
};

static size_t aligned(size_t n)
{
	return (n + NLA_ALIGNTO - 1) & ~(size_t)(NLA_ALIGNTO - 1);
}

/* Empty where there is no such attribute. */
static struct span find_attribute(struct span in, uint16_t type)
{
	struct nlattr a;

	while (in.n >= sizeof a) {
		memcpy(&a, in.at, sizeof a);
		if (a.nla_len < sizeof a || a.nla_len > in.n)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == type)
			return (struct span){ in.at + sizeof a, a.nla_len - sizeof a };
		size_t step = aligned(a.nla_len) < in.n ? aligned(a.nla_len) : in.n;

		in = (struct span){ in.at + step, in.n - step };
	}
	return (struct span){ in.at, 0 };
}

bool can_link_find_bitrate(const void *answer, size_t n, uint32_t *out)
{
	size_t skip = NLMSG_HDRLEN + aligned(sizeof(struct ifinfomsg));
	struct can_bittiming timing;
	struct nlmsghdr h;
	struct span s;

	if (n < skip)
		return false;
	memcpy(&h, answer, sizeof h);
	s = (struct span){ (const uint8_t *)answer + skip, n - skip };
	s = h.nlmsg_type == RTM_NEWLINK ? find_attribute(s, IFLA_LINKINFO) : (struct span){ s.at, 0 };
	s = find_attribute(find_attribute(s, IFLA_INFO_DATA), IFLA_CAN_BITTIMING);
	if (s.n < sizeof timing)
		return false;
	memcpy(&timing, s.at, sizeof timing);
	*out = timing.bitrate;
	return timing.bitrate > 0;
}

/* -ENODATA: there is none (vcan), or the kernel does not say. */
static int read_bitrate(unsigned index, uint32_t *out)
{
	const struct timeval limit = { .tv_sec = 1 };
	struct { struct nlmsghdr h; struct ifinfomsg i; } ask = {
		{ .nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		{ .ifi_family = AF_UNSPEC, .ifi_index = (int)index },
	};
	uint8_t answer[ANSWER_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n = -1;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		n = send(fd, &ask, sizeof ask, 0) < 0 ? -1 : recv(fd, answer, sizeof answer, 0);
		close(fd);
	}
	return n > 0 && can_link_find_bitrate(answer, (size_t)n, out) ? 0 : -ENODATA;
}

/* ---- there, and up ---------------------------------------------------------------------------------------------------- */

static bool is_can(int fd, const char *name)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	return ioctl(fd, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == ARPHRD_CAN;
}

/* "can0 can1", as many as fit; "none". */
static void list_can(int fd, char *out, size_t size)
{
	struct if_nameindex *all = if_nameindex();
	size_t n = 0;

	snprintf(out, size, "none; is the adapter plugged in?");
	for (const struct if_nameindex *i = all; i && i->if_index != 0; i++)
		if (is_can(fd, i->if_name) && n + strlen(i->if_name) + 2 < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", i->if_name);
	if_freenameindex(all);
}

static int check_interface(int fd, const char *name, struct errbuf *e)
{
	struct ifreq r = { 0 };
	char others[256];

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	list_can(fd, others, sizeof others);
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return fail(e, -ENODEV, "CAN bus %s: there is no such interface; CAN interfaces here: %s", name, others);
	if (!is_can(fd, name))
		return fail(e, -ENODEV, "CAN bus %s: this is no CAN interface; CAN interfaces here: %s", name, others);
	if (!(r.ifr_flags & IFF_UP))
		return fail(e, -ENETDOWN, "CAN bus %s: the interface is down; bring it up: sudo can-up.sh %s", name, name);
	return 0;
}

int can_link_check(const char *name, uint32_t bitrate, struct errbuf *e)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	uint32_t found = 0;

	if (fd < 0)
		return fail(e, -errno, "CAN bus %s: socket: %s", name, strerror(errno));
	rc = check_interface(fd, name, e);
	close(fd);
	if (rc < 0 || bitrate == 0 || read_bitrate(if_nametoindex(name), &found) < 0 || found == bitrate)
		return rc;
	return fail(e, -EMEDIUMTYPE, "CAN bus %s: the interface is set to %u bit/s, want %u; set it: sudo can-up.sh %s", name, found, bitrate,
			name);
}
