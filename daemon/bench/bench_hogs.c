/* bench_hogs.c - see bench_hogs.h. */
#include "daemon/bench/bench_hogs.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a process of its own, whose parent has threads: no library is called that may hold a lock. */
static _Noreturn void hog(pid_t parent, uint32_t longest_s)
{
	signal(SIGALRM, SIG_DFL);
	alarm(longest_s);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (volatile uint64_t n = 0;; n++)
		;
}

int hogs_start(struct hogs *h, uint32_t n, uint32_t longest_s, struct errbuf *e)
{
	pid_t parent = getpid();

	*h = (struct hogs){ 0 };
	for (; h->n < n && h->n < HOGS_MAX; h->n++) {
		pid_t pid = fork();

		if (pid == 0)
			hog(parent, longest_s);
		if (pid < 0)
			return fail(e, -errno, "processor hogs: %u of %u could be started: %s", h->n, n, strerror(errno));
		h->pid[h->n] = pid;
	}
	return 0;
}

void hogs_stop(struct hogs *h)
{
	for (uint32_t i = 0; i < h->n; i++) {
		kill(h->pid[i], SIGKILL);
		waitpid(h->pid[i], NULL, 0);
	}
	h->n = 0;
}
