/* bench_robot.c - see bench_robot.h. */
#include "daemon/bench/bench_robot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/bench/bench_keys.h"
#include "robots/franka/wire.h"

enum { ADDRESS_TRIES = 100 };

static const struct {
	const char *name, *driver, *config;
	uint32_t arms;
} robots[BENCH_ROBOTS] = {
	[BENCH_ROBOT_SIM] = { "sim", "sim", "config/demo.yaml", 0 },
	[BENCH_ROBOT_FRANKA_FCI] = { "franka-fci", "franka", "config/demo.yaml", 1 },
	[BENCH_ROBOT_PIPER] = { "piper", "piper", "config/demo-piper.yaml", 1 },
	[BENCH_ROBOT_PIPER_PAIR] = { "piper-pair", "piper", "config/demo-piper-pair.yaml", 2 },
};

int bench_robot_find(const char *name, enum bench_robot *out, struct errbuf *e)
{
	char names[64] = "";

	for (int i = 0; i < BENCH_ROBOTS; i++) {
		if (strcmp(name, robots[i].name) == 0) {
			*out = (enum bench_robot)i;
			return 0;
		}
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i == 0 ? "" : i < BENCH_ROBOTS - 1 ? ", " : " or ", robots[i].name);
	}
	return fail(e, -EINVAL, "--robot: found '%.64s', want %s", name, names);
}

const char *bench_robot_driver(enum bench_robot robot)
{
	return robots[robot].driver;
}

const char *bench_robot_config(enum bench_robot robot)
{
	return robots[robot].config;
}

bool bench_robot_is_piper(enum bench_robot robot)
{
	return robot == BENCH_ROBOT_PIPER || robot == BENCH_ROBOT_PIPER_PAIR;
}

uint32_t bench_robot_arms(enum bench_robot robot)
{
	return robots[robot].arms;
}

#define U64(key, member) { key, NUMBER_U64, offsetof(struct fci_numbers, member) }
static const struct number_key keys[] = {
	U64("motions", motions), U64("reflexes", reflexes), U64("violations", violations), U64("commands", commands),
	U64("missed", missed), U64("late", late), U64("longest_row", longest_row), U64("stood_still_ms", stood_still_ms),
};
#undef U64

#define U64(key, member) { key, NUMBER_U64, offsetof(struct piper_numbers, member) }
static const struct number_key piper_keys[] = {
	U64("targets", pairs), U64("ignored", ignored), U64("unknown", unknown), U64("never", never), U64("maintenance", maintenance),
	U64("stood_still_ms", stood_still_ms),
};
#undef U64

int piper_status_decode(struct piper_numbers *p, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return numbers_decode(piper_keys, sizeof piper_keys / sizeof *piper_keys, "the simulated PiPER's", p, bytes, n, e);
}

void piper_numbers_since(const struct piper_numbers *first, struct piper_numbers *p)
{
	p->pairs -= first->pairs;
	p->ignored -= first->ignored;
	p->stood_still_ms -= first->stood_still_ms;
}

int fci_status_decode(struct fci_numbers *f, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	return numbers_decode(keys, sizeof keys / sizeof *keys, "the simulated Franka's", f, bytes, n, e);
}

static bool port_is_free(struct in_addr host, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = host, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

/* A socket on a port that the system chose, or -errno. */
static int take_port(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

int bench_free_ports(uint16_t *port, uint32_t n, struct errbuf *e)
{
	int fd[FREE_PORTS_MAX], rc = 0;
	uint32_t taken = 0;

	/* All are held until the last one is found, so that none comes twice. */
	for (; rc >= 0 && taken < n && taken < FREE_PORTS_MAX; taken += rc >= 0)
		rc = fd[taken] = take_port(&port[taken]);
	for (uint32_t i = 0; i < taken; i++)
		close(fd[i]);
	return rc < 0 ? fail(e, rc, "no free TCP port on 127.0.0.1: %s", strerror(-rc)) : 0;
}

int fci_free_address(char out[FCI_ADDRESS_BYTES], struct errbuf *e)
{
	for (int i = 0; i < ADDRESS_TRIES; i++) {
		uint8_t draw[3];
		struct in_addr host;

		if (getrandom(draw, sizeof draw, 0) != (ssize_t)sizeof draw)
			return fail(e, -errno, "no random numbers: %s", strerror(errno));
		snprintf(out, FCI_ADDRESS_BYTES, "127.%u.%u.%u", draw[0], draw[1], 1 + draw[2] % 254u);
		inet_pton(AF_INET, out, &host);
		if (port_is_free(host, FCI_ROBOT_PORT) && port_is_free(host, FCI_GRIPPER_PORT))
			return 0;
	}
	return fail(e, -EADDRINUSE, "found no loopback address with ports %d and %d free in %d tries", FCI_ROBOT_PORT, FCI_GRIPPER_PORT,
			ADDRESS_TRIES);
}
