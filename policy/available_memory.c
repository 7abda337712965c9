/* available_memory.c - see available_memory.h. */
#include "policy/available_memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "policy/mapping.h"

/* Rest of the file's first line that begins with key: false when there is none. */
static bool find_line(const char *path, const char *key, char rest[PATH_BYTES])
{
	FILE *f = fopen(path, "re");
	char line[PATH_BYTES];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f))
		found = strncmp(line, key, strlen(key)) == 0;
	if (found) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(rest, PATH_BYTES, "%s", line + strlen(key));
	}
	if (f)
		fclose(f);
	return found;
}

/* The number behind key; `otherwise` where there is none (a limit may be "max"). */
static uint64_t read_number(const char *folder, const char *name, const char *key, uint64_t otherwise)
{
	char path[PATH_BYTES], rest[PATH_BYTES];
	uint64_t n;

	if (path_join(path, folder, name, NULL) < 0 || !find_line(path, key, rest) || sscanf(rest, "%" SCNu64, &n) != 1)
		return otherwise;
	return n;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What one control group leaves. */
static uint64_t group_bytes(const char *folder)
{
	uint64_t limit = smaller(read_number(folder, "memory.max", "", UINT64_MAX), read_number(folder, "memory.high", "", UINT64_MAX));
	uint64_t used = read_number(folder, "memory.current", "", 0);
	uint64_t cached = read_number(folder, "memory.stat", "active_file ", 0) + read_number(folder, "memory.stat", "inactive_file ", 0);

	if (limit == UINT64_MAX)
		return UINT64_MAX;
	used -= smaller(cached, used);
	return limit - smaller(used, limit);
}

/* The least of this process's control group and all above it. */
static uint64_t groups_bytes(const char *root)
{
	char own[PATH_BYTES], path[PATH_BYTES], folder[2 * PATH_BYTES];
	uint64_t least = UINT64_MAX;

	if (path_join(path, root, "proc/self/cgroup", NULL) < 0 || !find_line(path, "0::", own))
		return UINT64_MAX;
	for (char *end = own + strlen(own); end; end = strrchr(own, '/')) {
		*end = '\0';
		snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, own);
		least = smaller(least, group_bytes(folder));
	}
	return least;
}

uint64_t available_memory_bytes(const char *root)
{
	uint64_t kib = read_number(root, "proc/meminfo", "MemAvailable:", UINT64_MAX / 1024);

	return smaller(kib * 1024, groups_bytes(root));
}
