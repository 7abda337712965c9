/* available_memory.h - how much memory a process can fill without swapping and without driving out what it filled first. */
#ifndef DREAMVLA_POLICY_AVAILABLE_MEMORY_H
#define DREAMVLA_POLICY_AVAILABLE_MEMORY_H

#include <stdint.h>

/* The least of MemAvailable (/proc/meminfo) and what memory.max and memory.high leave of this process's control group and of those above
 * it (cgroup version 2; a service's MemoryMax=, a container's limit). Cached pages of files count as available. UINT64_MAX: not known.
 * root: "", or a folder that stands in for /. Thread: any. Allocates: yes (stdio). Blocks: no. */
uint64_t available_memory_bytes(const char *root);

#endif
