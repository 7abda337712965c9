/* bus_kind.h - what a kind of bus provides. Private to robots/bus. */
#ifndef DREAMVLA_ROBOTS_BUS_BUS_KIND_H
#define DREAMVLA_ROBOTS_BUS_BUS_KIND_H

#include <stdint.h>

#include "robots/bus/bus.h"
#include "robots/bus/socketcand_text.h"

enum { BUS_HOST_BYTES = 256, BUS_ADDRESS_BYTES = 320 };

/* As in bus.h, but that receive may give frames which the filters do not want, and send gets frames that exist. No member may be NULL;
 * destroy takes what a failed opening left. */
struct bus_kind {
	int (*receive)(struct bus *b, struct bus_event *out);
	int (*send)(struct bus *b, const struct bus_frame *f);
	int (*report)(struct bus *b, enum bus_error error);
	void (*destroy)(struct bus *b);
};

/* The first member of every kind's own. */
struct bus {
	const struct bus_kind *kind;
	int fd;                        /* bus_fd */
	uint32_t filters;
	struct bus_filter filter[BUS_FILTERS_MAX];
	char address[BUS_ADDRESS_BYTES];
};

/* socketcand://HOST:PORT[/CHANNEL], taken apart. */
struct bus_place {
	char host[BUS_HOST_BYTES];     /* without [ ] */
	char port[6];                  /* digits: 0 to 65535 */
	char channel[SOCKETCAND_CHANNEL_BYTES];
};

/* Each makes a bus and leaves address and filters to its caller, or fails; *out then may hold what bus_destroy takes. */
MUST_CHECK int socketcan_open(struct bus **out, const struct bus_options *o, struct errbuf *e);
MUST_CHECK int socketcand_connect(struct bus **out, const struct bus_place *p, struct errbuf *e);
MUST_CHECK int socketcand_listen(struct bus **out, const struct bus_place *p, uint16_t *port, struct errbuf *e);

/* 0: the interface is one for CAN, is up, and has this bit rate (0: any; vcan has none, which is well too). -ENODEV, -ENETDOWN,
 * -EMEDIUMTYPE as bus_open. Blocks: up to a second, for the kernel. */
MUST_CHECK int can_link_check(const char *name, uint32_t bitrate, struct errbuf *e);

/* What the kernel answers to RTM_GETLINK, as it stands in linux/can/netlink.h. false: there is no bit rate in it. For tests. */
bool can_link_find_bitrate(const void *answer, size_t n, uint32_t *out);

/* Error classes and their bytes as linux/can/error.h has them. data may be NULL: socketcand tells the class alone. */
enum bus_error bus_error_of(uint32_t error_class, const uint8_t *data);
uint32_t bus_error_class(enum bus_error error);

#endif
