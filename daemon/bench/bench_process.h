/* bench_process.h - the programs under measurement: started each in a process group of its own with its output in a file,
 * watched, and ended: exactly those that were started here. Knows nothing of what the programs say to each other. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PROCESS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/sys/error.h"

enum { PROCESSES_MAX = 12, PROCESS_PATH_BYTES = 512, PROCESS_ARGUMENTS_MAX = 24 };

struct process {
	const char *name;                 /* of the program; the caller's, as long as the group lives */
	pid_t pid;                        /* 0: not running (any more) */
	int status;                       /* as of waitpid, once it has ended */
	char log[PROCESS_PATH_BYTES];
};

struct process_group {
	char folder[PROCESS_PATH_BYTES];  /* logs and other files of this run */
	uint32_t n;
	struct process process[PROCESSES_MAX];
};

/* Makes an empty temporary folder below TMPDIR or /tmp. 0 or -errno. Allocates: no. Blocks: on disk. */
MUST_CHECK int process_group_init(struct process_group *g, struct errbuf *e);

/* What to start: <programs>/<name> with arguments (NULL-ended, without the name) and, ahead of our own, the
 * variables of environment ("NAME=value", NULL-ended; may be NULL). programs NULL: found through PATH. */
struct process_options {
	const char *programs, *name;
	const char *const *arguments;
	const char *const *environment;
};

/* 0 or -errno: -ENOENT names the program that is not there. Allocates: yes, nothing stays. Blocks: no. */
MUST_CHECK int process_start(struct process_group *g, const struct process_options *o, struct errbuf *e);

/* 0 while all run. -ECHILD: one has ended by itself; the text says which, how, and its log's last lines. Blocks: no. */
MUST_CHECK int process_group_check(struct process_group *g, struct errbuf *e);

/* The process of that name, or NULL. */
struct process *process_find(struct process_group *g, const char *name);

/* Waits up to wait_ms for one process to end by itself. Its exit status, or -ETIMEDOUT, or -EPROTO when a signal ended it. */
MUST_CHECK int process_wait(struct process *p, int64_t wait_ms);

/* Ends all that still run, the last started first: SIGTERM, up to wait_ms for each, then SIGKILL to its whole group.
 * Returns how many had to be killed or ended with an error; their names go into e. Blocks: up to n * wait_ms. */
int process_group_stop(struct process_group *g, int64_t wait_ms, struct errbuf *e);

/* Prints the last lines of every log to standard error, for a person who asks why. */
void process_group_explain(const struct process_group *g);

/* Deletes the folder and what lies in it. */
void process_group_remove_files(const struct process_group *g);

/* What the scheduler does with the thread called `thread` of a process. */
struct thread_scheduling {
	int policy, priority, cpu;        /* SCHED_FIFO, ..., its static priority, its only processor or -1 */
	bool found;
};
struct thread_scheduling process_thread_scheduling(pid_t pid, const char *thread);

/* Processor time that the thread called `thread` has had (/proc/PID/task/TID/schedstat, sched-stats.rst); -1: not known. */
int64_t process_thread_cpu_ns(pid_t pid, const char *thread);

#endif
