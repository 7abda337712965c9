/* bench_demo.h - `dreamvla-bench demo`: the main job from start to end, judged. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_DEMO_H
#define DREAMVLA_DAEMON_BENCH_BENCH_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/bench/bench_robot.h"

enum { BENCH_ARGUMENTS_MAX = 2 };

/* Options that all sub-commands share. */
struct bench_options {
	const char *programs;     /* folder of the programs; NULL: PATH */
	const char *config;
	const char *instruction;
	enum bench_robot robot;   /* demo */
	const char *count_malloc; /* library that counts allocations; NULL: leave that measurement out */
	const char *model;        /* checkpoint directory */
	const char *precision;    /* "fp32" or "bf16" */
	const char *torch;        /* gpu: Python with torch and transformers; NULL: leave it out */
	uint32_t threads;         /* 0: one per processor */
	double seconds;
	double threshold_percent; /* compare */
	double drop_percent, delay_ms; /* run: of frames that are lost; by which a frame comes later at most */
	const char *frames;       /* run: a recording whose pictures the cameras show; NULL: the simulated ones */
	const char *film;         /* show: file; NULL: demo.html beside the programs */
	uint32_t seed;            /* show: of the world */
	const char *from, *until; /* report: wall time; NULL: the recording's ends */
	uint32_t policy_latency_ms; /* run: longer than the policy takes by itself */
	bool attach;              /* run: to the dreamvlad that runs with this configuration */
	uint32_t hogs;            /* run: processes that want all processor time */
	uint32_t n_arguments;     /* what stands without a -- before it */
	const char *argument[BENCH_ARGUMENTS_MAX];
	bool json;
};

/* Starts everything, runs in AUTO for the time, prints the table on standard output. Exit status: 0 when all criteria are
 * met. Thread: main. Blocks: yes. */
int bench_demo(const struct bench_options *o);

#endif
