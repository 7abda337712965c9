#include "robots/arm/preflight_host.h"

#include <glob.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

/* About what the threads of dreamvla-arm lock: stacks and hand-overs. */
enum { LOCKED_BYTES = 4 << 20 };

static bool read_word(const char *path, char *out, size_t capacity)
{
	FILE *f = fopen(path, "r");
	bool read = f && fgets(out, (int)capacity, f);

	if (f)
		fclose(f);
	if (read)
		out[strcspn(out, "\n")] = '\0';
	return read;
}

static bool is_realtime_kernel(void)
{
	struct utsname u;
	char word[8];

	if (read_word("/sys/kernel/realtime", word, sizeof word))
		return strcmp(word, "1") == 0;
	return uname(&u) == 0 && strstr(u.version, "PREEMPT_RT");
}

static bool locks_memory(void)
{
	void *at = mmap(NULL, LOCKED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool locked = at != MAP_FAILED && mlock(at, LOCKED_BYTES) == 0;

	if (at != MAP_FAILED)
		munmap(at, LOCKED_BYTES);
	return locked;
}

static void find_governor(char out[32])
{
	glob_t files;
	bool found = false;

	out[0] = '\0';
	if (glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", 0, NULL, &files) != 0)
		return;
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		found = read_word(files.gl_pathv[i], out, 32) && strcmp(out, "performance") != 0;
	globfree(&files);
	if (!found)
		out[0] = '\0';
}

/* Our own address on the way to the arm; nothing is sent. */
static bool find_own_address(const char *address, struct sockaddr_in *own)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM }, *found = NULL;
	socklen_t n = sizeof *own;
	bool known = false;

	if (getaddrinfo(address, "1337", &hints, &found) != 0)
		return false;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		known = connect(fd, found->ai_addr, found->ai_addrlen) == 0 && getsockname(fd, (struct sockaddr *)own, &n) == 0;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return known;
}

static bool has_address(const struct ifaddrs *a, const struct sockaddr_in *own)
{
	return a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
			((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr.s_addr == own->sin_addr.s_addr;
}

static void find_network(struct preflight_host *h, const char *address)
{
	struct ifaddrs *all = NULL;
	struct sockaddr_in own;
	char path[64];

	if (!find_own_address(address, &own) || getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		if (has_address(a, &own))
			snprintf(h->network, sizeof h->network, "%s", a->ifa_name);
	freeifaddrs(all);
	snprintf(path, sizeof path, "/sys/class/net/%.31s/wireless", h->network);
	h->wireless = h->network[0] && access(path, F_OK) == 0;
}

void preflight_host_read(struct preflight_host *h, const char *address)
{
	*h = (struct preflight_host){ .realtime_kernel = is_realtime_kernel(), .locks_memory = locks_memory() };
	find_governor(h->governor);
	find_network(h, address);
}
