/* doctor.h - the usual causes of lateness: one row of checks.def and one function each, over what a machine shows of itself.
 *
 * A check reads files below a root and the facts beside it, and nothing else, so that it can be asked about machines that are made up.
 * Short-lived, one thread; all of it may allocate and block on /proc and /sys. */
#ifndef DREAMVLA_DAEMON_DOCTOR_DOCTOR_H
#define DREAMVLA_DAEMON_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/sys/error.h"
#include "transport/message/message.h"

enum { DOCTOR_TEXT_BYTES = 512, DOCTOR_PATH_BYTES = 256, DOCTOR_FILE_BYTES = 1 << 20, DOCTOR_CPUS_MAX = 1024, DOCTOR_CAMERAS_MAX = 8 };

/* ABSENT: this machine or configuration has nothing that the check is about. UNKNOWN: it may have, and cannot be seen. */
enum doctor_verdict { DOCTOR_GOOD, DOCTOR_WARNING, DOCTOR_BAD, DOCTOR_UNKNOWN, DOCTOR_ABSENT, DOCTOR_VERDICT_COUNT };

struct doctor_finding {
	enum doctor_verdict verdict;
	char evidence[DOCTOR_TEXT_BYTES]; /* what was seen; UNKNOWN: why not */
	char remedy[DOCTOR_TEXT_BYTES];   /* what mends it, a command where there is one; "" for GOOD and ABSENT */
};

struct doctor_root {
	const char *prefix; /* "" or the folder that stands for / */
	/* What a command says on standard output, as a text; its length, or -errno. */
	int (*run)(const struct doctor_root *root, const char *command, char *out, size_t capacity);
};

/* Counters since the machine started, at one moment. Texts of DOCTOR_FILE_BYTES; "" where they cannot be read. */
struct doctor_sample {
	char *interrupts, *stat; /* /proc/interrupts, /proc/stat */
};

/* One V4L2 device as its driver tells it; negative: it does not. */
struct doctor_camera {
	char device[32];            /* video0 */
	int exposure_manual;        /* 1: exposure is set by hand */
	int exposure_may_slow;      /* 1: the driver may lower the frame rate for light */
	double exposure_s, frame_s; /* exposure time, frame period */
};

struct doctor {
	struct doctor_root root;
	const struct config *config; /* NULL: none was found */
	int cpu;                     /* that the control thread has, or would have */
	int daemon_pid;              /* 0: dreamvlad does not run here */
	struct doctor_sample before, after;
	double between_s;            /* the samples */
	bool optimised, sanitized;   /* this build */
	bool clock_known, clock_synchronised;
	double clock_error_s;        /* bound of the kernel's error, adjtimex(2) */
	uint32_t n_cameras;
	struct doctor_camera camera[DOCTOR_CAMERAS_MAX];
	const struct message_status *status; /* NULL: dreamvlad did not answer */
};

/* As many as checks.def has rows. */
enum {
#define CHECK(name, about) DOCTOR_CHECK_##name,
#include "daemon/doctor/checks.def"
#undef CHECK
	DOCTOR_CHECK_COUNT
};

struct doctor_check {
	const char *name, *about;
	void (*look)(const struct doctor *d, struct doctor_finding *f);
};

/* Row i of checks.def, or NULL beyond the last. */
const struct doctor_check *doctor_check_at(uint32_t i);

/* "good", "warning", "bad", "cannot tell", "not here". */
const char *doctor_verdict_name(enum doctor_verdict v);

/* Fills a finding; remedy may be NULL. */
PRINTF_LIKE(4, 5) void doctor_find(struct doctor_finding *f, enum doctor_verdict v, const char *remedy, const char *evidence, ...);

/* UNKNOWN, because this file says nothing usable. */
void doctor_cannot_read(struct doctor_finding *f, const char *path, int error);

/* ---- root.c: files below the root ------------------------------------------------------------------------------------- */

/* A file as a text, cut at capacity - 1, and without a line end at its end: its length, or -errno. */
PRINTF_LIKE(4, 5) int root_read(const struct doctor_root *root, char *out, size_t capacity, const char *path, ...);

/* A file that holds one whole number. 0, -EBADMSG when it holds anything else, or -errno. */
PRINTF_LIKE(3, 4) int root_read_number(const struct doctor_root *root, int64_t *out, const char *path, ...);

PRINTF_LIKE(2, 3) bool root_exists(const struct doctor_root *root, const char *path, ...);

/* Names in a folder that begin with `begin`, in order, joined by spaces; returns how many there are, or -errno. */
int root_list(const struct doctor_root *root, const char *path, const char *begin, char *out, size_t capacity);

/* Is the processor in a list as the kernel writes it ("0-2,5")? 1, 0, or -EBADMSG. */
int list_has_cpu(const char *list, int cpu);

/* The process id of a program by its name (of at most 15 bytes, as the kernel keeps it); 0: it does not run, or is not to be seen. */
int root_find_process(const struct doctor_root *root, const char *name);

/* The line of a text that begins with this, or NULL; it ends with a line end or the text. */
const char *line_of(const char *text, const char *begin);

/* ---- gather.c: this machine ------------------------------------------------------------------------------------------- */

/* Fills everything but config and status; waits a second between the samples. 0 or -ENOMEM. */
MUST_CHECK int doctor_gather(struct doctor *d, const struct config *config);

/* check_process.c: the one processor that a running dreamvlad's control thread is bound to; -1: none, or not to be seen. */
int doctor_find_cpu(const struct doctor *d);

/* What doctor_gather keeps. */
void doctor_free(struct doctor *d);

/* Reads one sample. 0 or -ENOMEM. */
MUST_CHECK int doctor_sample_take(const struct doctor_root *root, struct doctor_sample *s);
void doctor_sample_free(struct doctor_sample *s);

#define CHECK(name, about) void doctor_check_##name(const struct doctor *d, struct doctor_finding *f);
#include "daemon/doctor/checks.def"
#undef CHECK

#endif
