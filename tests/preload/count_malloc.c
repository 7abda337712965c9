/* count_malloc.c - LD_PRELOAD library that counts heap allocations by thread and by the library that asked for them.
 *
 * Every SNAPSHOT_NS it appends a snapshot to the file named by COUNT_MALLOC_FILE ("%p" in it becomes the process id):
 *
 *   snapshot <CLOCK_MONOTONIC ns>
 *   <thread id>\t<thread name>\t<library or program>\t<allocations>\t<bytes>      as they stand at that moment
 *   end
 *
 * Two snapshots subtracted give what happened between them, so that warm-up can be left out. C++'s operator new is
 * replaced too, so that its caller and not libstdc++ is counted; an allocation made by libstdc++ or libc for somebody is
 * given to the first caller outside them. It knows nothing of the program it is loaded into. */
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MODULES_MAX = 96, THREADS_MAX = 256, FRAMES_MAX = 24, MODULE_BYTES = 64, LINE_BYTES = 160 };
#define SNAPSHOT_NS 200000000L

struct module {
	uintptr_t first, last;
	bool neutral; /* allocates on behalf of its caller */
	char name[MODULE_BYTES];
};

struct thread_counts {
	_Atomic pid_t id; /* 0: not in use yet */
	char name[16];
	_Atomic uint64_t count[MODULES_MAX], bytes[MODULES_MAX];
};

static struct module modules[MODULES_MAX]; /* [0]: whatever lies in no known one */
static _Atomic uint32_t n_modules;
static struct thread_counts threads[THREADS_MAX]; /* the last one is shared by all that found no place */
static _Atomic uint32_t n_threads;
static __thread struct thread_counts *own __attribute__((tls_model("initial-exec")));
static __thread bool inside __attribute__((tls_model("initial-exec")));

/* glibc's allocator under the names that interposing leaves alone. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *at, size_t n);
void *__libc_memalign(size_t align, size_t n);

/* operator new and new[], plain, nothrow and aligned. */
void *_Znwm(size_t n);
void *_Znam(size_t n);
void *_ZnwmRKSt9nothrow_t(size_t n, const void *tag);
void *_ZnamRKSt9nothrow_t(size_t n, const void *tag);
void *_ZnwmSt11align_val_t(size_t n, size_t align);
void *_ZnamSt11align_val_t(size_t n, size_t align);

/* ---- who asked ---------------------------------------------------------------------------------------------- */

static bool is_neutral(const char *name)
{
	static const char *const prefix[] = { "libc.so", "libstdc++", "libgcc_s", "ld-linux", "libm.so", "count_malloc" };

	for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
		if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *context)
{
	uint32_t n = atomic_load(&n_modules);
	struct module *m = &modules[n];
	const char *slash = strrchr(info->dlpi_name, '/');

	(void)size, (void)context;
	if (n == MODULES_MAX)
		return 1;
	m->first = UINTPTR_MAX;
	m->last = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		m->first = at < m->first ? at : m->first;
		m->last = at + p->p_memsz > m->last ? at + p->p_memsz : m->last;
	}
	snprintf(m->name, sizeof m->name, "%s", *info->dlpi_name ? slash ? slash + 1 : info->dlpi_name : "program");
	m->neutral = is_neutral(m->name);
	atomic_store(&n_modules, n + 1);
	return 0;
}

static uint32_t module_of(const void *at)
{
	uint32_t n = atomic_load_explicit(&n_modules, memory_order_acquire);

	for (uint32_t i = 1; i < n; i++)
		if ((uintptr_t)at >= modules[i].first && (uintptr_t)at < modules[i].last)
			return i;
	return 0;
}

/* The first caller that did not allocate for somebody else; `module` itself when there is none. */
static uint32_t principal_of(uint32_t module)
{
	void *frame[FRAMES_MAX];
	int n = backtrace(frame, FRAMES_MAX);

	for (int i = 0; i < n; i++) {
		uint32_t m = module_of(frame[i]);

		if (m != 0 && !modules[m].neutral)
			return m;
	}
	return module;
}

/* ---- counting ----------------------------------------------------------------------------------------------- */

static struct thread_counts *claim_counts(void)
{
	uint32_t i = atomic_fetch_add(&n_threads, 1);
	struct thread_counts *t = &threads[i < THREADS_MAX ? i : THREADS_MAX - 1];

	pthread_getname_np(pthread_self(), t->name, sizeof t->name);
	atomic_store(&t->id, (pid_t)syscall(SYS_gettid));
	return t;
}

static void count(const void *caller, size_t n)
{
	if (inside || atomic_load_explicit(&n_modules, memory_order_relaxed) == 0)
		return;
	inside = true; /* naming a thread and unwinding may allocate */
	if (!own)
		own = claim_counts();
	uint32_t m = module_of(caller);

	if (modules[m].neutral)
		m = principal_of(m);
	atomic_fetch_add_explicit(&own->count[m], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&own->bytes[m], n, memory_order_relaxed);
	inside = false;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t n)
{
	count(CALLER, n);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count(CALLER, n * size);
	return __libc_calloc(n, size);
}

void *realloc(void *at, size_t n)
{
	count(CALLER, n);
	return __libc_realloc(at, n);
}

void *memalign(size_t align, size_t n)
{
	count(CALLER, n);
	return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	count(CALLER, n);
	return __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	count(CALLER, n);
	void *at = __libc_memalign(align, n);

	if (!at)
		return 12; /* ENOMEM; errno is not posix_memalign's to set */
	*out = at;
	return 0;
}

static void *must(void *at)
{
	if (!at)
		abort(); /* operator new would throw; a test that gets here has failed anyway */
	return at;
}

void *_Znwm(size_t n)
{
	count(CALLER, n);
	return must(__libc_malloc(n ? n : 1));
}

void *_Znam(size_t n)
{
	count(CALLER, n);
	return must(__libc_malloc(n ? n : 1));
}

void *_ZnwmRKSt9nothrow_t(size_t n, const void *tag)
{
	(void)tag;
	count(CALLER, n);
	return __libc_malloc(n ? n : 1);
}

void *_ZnamRKSt9nothrow_t(size_t n, const void *tag)
{
	(void)tag;
	count(CALLER, n);
	return __libc_malloc(n ? n : 1);
}

void *_ZnwmSt11align_val_t(size_t n, size_t align)
{
	count(CALLER, n);
	return must(__libc_memalign(align, n ? n : 1));
}

void *_ZnamSt11align_val_t(size_t n, size_t align)
{
	count(CALLER, n);
	return must(__libc_memalign(align, n ? n : 1));
}

/* ---- snapshots ---------------------------------------------------------------------------------------------- */

/* A thread is often named after its first allocation: the newest name counts, as long as it lives. */
static void refresh_name(struct thread_counts *t)
{
	char path[64], name[sizeof t->name + 1];

	snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)atomic_load(&t->id));
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t n = read(fd, name, sizeof name - 1);

	close(fd);
	if (n <= 0)
		return;
	name[n] = 0;
	name[strcspn(name, "\n")] = 0;
	memcpy(t->name, name, sizeof t->name);
	t->name[sizeof t->name - 1] = 0;
}

static void write_text(int fd, const char *text)
{
	ssize_t done = write(fd, text, strlen(text));

	(void)done; /* a full disk shows as a missing "end" */
}

static void write_thread(int fd, const struct thread_counts *t)
{
	char line[LINE_BYTES];

	for (uint32_t m = 0; m < atomic_load(&n_modules); m++) {
		uint64_t n = atomic_load(&t->count[m]);

		if (n == 0)
			continue;
		snprintf(line, sizeof line, "%d\t%s\t%s\t%llu\t%llu\n", (int)atomic_load(&t->id), t->name,
				modules[m].name, (unsigned long long)n, (unsigned long long)atomic_load(&t->bytes[m]));
		write_text(fd, line);
	}
}

static void write_snapshot(int fd)
{
	struct timespec t;
	char line[LINE_BYTES];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(line, sizeof line, "snapshot %lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	write_text(fd, line);
	for (uint32_t i = 0; i < THREADS_MAX; i++) {
		if (atomic_load(&threads[i].id) == 0)
			continue;
		refresh_name(&threads[i]);
		write_thread(fd, &threads[i]);
	}
	write_text(fd, "end\n");
}

static void *snapshots(void *argument)
{
	int fd = (int)(intptr_t)argument;

	inside = true; /* our own work does not count */
	pthread_setname_np(pthread_self(), "count_malloc");
	for (;;) {
		write_snapshot(fd);
		nanosleep(&(struct timespec){ .tv_nsec = SNAPSHOT_NS }, NULL);
	}
	return NULL;
}

static int open_file(const char *pattern)
{
	const char *p = strstr(pattern, "%p");
	char path[4096];

	if (p)
		snprintf(path, sizeof path, "%.*s%d%s", (int)(p - pattern), pattern, (int)getpid(), p + 2);
	else
		snprintf(path, sizeof path, "%s", pattern);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* The snapshot thread blocks every signal: they belong to the program. */
__attribute__((constructor)) static void start(void)
{
	const char *pattern = getenv("COUNT_MALLOC_FILE");
	int fd = pattern ? open_file(pattern) : -1;
	void *frame[1];
	sigset_t all, before;
	pthread_t thread;

	if (fd < 0)
		return;
	inside = true;
	backtrace(frame, 1); /* loads libgcc_s now rather than inside the first allocation */
	snprintf(modules[0].name, sizeof modules[0].name, "unknown");
	atomic_store(&n_modules, 1);
	dl_iterate_phdr(add_module, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&thread, NULL, snapshots, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	inside = false;
}
