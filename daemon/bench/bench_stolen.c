/* bench_stolen.c - see bench_stolen.h. */
#include "daemon/bench/bench_stolen.h"

#include <stdio.h>
#include <unistd.h>

double stolen_s(void)
{
	unsigned long long ticks = 0;
	FILE *f = fopen("/proc/stat", "r");

	if (!f)
		return 0.0;
	if (fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
		ticks = 0;
	fclose(f);
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}
