/* bench_stolen.h - processor time that the host of a virtual machine gave to others. A run on a machine that loses much of it says
 * more about the host than about us; so the tables show it. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_STOLEN_H
#define DREAMVLA_DAEMON_BENCH_BENCH_STOLEN_H

/* Stolen time of all processors since boot in s: the eighth number of the first line of /proc/stat (proc(5)), "steal".
 * 0 where it cannot be read. Thread: any. Allocates: in libc. Blocks: no. */
double stolen_s(void);

#endif
