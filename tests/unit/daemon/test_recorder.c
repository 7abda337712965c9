/* test_recorder.c - a recorder and the file system: full in the middle of a chunk, without room for the next file, read-only; two recorders in one
 * directory. What it says was recorded is what the file holds. The file systems are small tmpfs in a mount namespace of this process. */
#include "daemon/record/kinds.h"
#include "daemon/record/mcap_reader.h"
#include "daemon/record/recorder.h"
#include "daemon/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { TAPE_BYTES = 1 << 20, PAYLOAD_BYTES = 50000, RECORDS_MAX = 400 };
#define START_NS (1000 * NS_PER_S)

static char folder[] = "/tmp/test_recorder.XXXXXX";
static bool can_mount;

struct bench {
	struct config config;
	struct links links;
	struct recorder *recorder;
	struct record_report report;
	int64_t now_ns;
	uint64_t given;
	void *memory;
	struct errbuf why;
};

/* In this namespace nobody else sees what is mounted. */
static bool own_namespace(void)
{
	char map[64];
	int fd, n = snprintf(map, sizeof map, "0 %u 1", geteuid());

	if (unshare(CLONE_NEWNS) == 0)
		return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || (fd = open("/proc/self/uid_map", O_WRONLY)) < 0)
		return false;
	bool mapped = write(fd, map, (size_t)n) == n;

	close(fd);
	return mapped && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void mount_tmpfs(const char *options)
{
	assert_int_equal(mount("tmpfs", folder, "tmpfs", 0, options), 0);
}

static struct bench *begin(int32_t max_mb)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	snprintf(b->config.record_dir, sizeof b->config.record_dir, "%s", folder);
	b->config.record_max_mb = max_mb;
	b->config.record_buffer_mb = 8;
	b->config.sockets_max_frame_kb = 64;
	b->now_ns = START_NS;
	links_init(&b->links);
	b->memory = aligned_alloc(TAPE_ALIGN_BYTES, 3 * TAPE_BYTES);
	assert_non_null(b->memory);
	tape_init(&b->links.control_tape, b->memory, TAPE_BYTES);
	tape_init(&b->links.policy_tape, (uint8_t *)b->memory + TAPE_BYTES, TAPE_BYTES);
	tape_init(&b->links.io_tape, (uint8_t *)b->memory + 2 * TAPE_BYTES, TAPE_BYTES);
	assert_int_equal(recorder_create(&b->recorder, &b->config, &b->links, &b->why), 0);
	return b;
}

static void end(struct bench *b)
{
	recorder_destroy(b->recorder);
	free(b->memory);
	free(b);
}

static const struct record_report *report_of(struct bench *b)
{
	recorder_report(b->recorder, &b->report);
	return &b->report;
}

/* One record that no compression makes smaller; then what is due by time, 50 ms later. Nobody answers with control's state: the next file begins
 * without it, after a second. */
static void give(struct bench *b)
{
	static uint64_t random = 88172645463325252u;
	uint64_t payload[PAYLOAD_BYTES / 8];
	const struct tape_record r = { .n_bytes = sizeof payload, .kind = RECORD_OBSERVATION, .t_ns = b->now_ns };

	for (size_t i = 0; i < PAYLOAD_BYTES / 8; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		payload[i] = random;
	}
	b->given++;
	recorder_take(b->recorder, &r, payload, b->now_ns);
	b->now_ns += 50 * NS_PER_MS;
	recorder_step(b->recorder, b->now_ns);
}

static void give_until_it_ends(struct bench *b)
{
	while (recorder_runs(b->recorder)) {
		assert_true(b->given < RECORDS_MAX);
		give(b);
	}
}

static uint64_t messages_in(const char *path)
{
	const struct mcap_read_options how = { .order = MCAP_ORDER_FILE };
	struct mcap_reader *reader;
	struct mcap_read_message m;
	uint64_t n = 0;

	assert_int_equal(mcap_reader_open(&reader, path, &how, NULL), 0);
	while (mcap_reader_next(reader, &m, NULL) == 1)
		n++;
	mcap_reader_close(reader);
	return n;
}

static void need_mount(void)
{
	if (can_mount)
		return;
	print_message("no mount namespace of its own for this process: skipped\n");
	skip();
}

/* ---- the file system says no ------------------------------------------------------------------------------------------ */

/* The chunk that had no room is not counted as recorded: every message is either in the file or dropped. */
static void a_full_disk_ends_the_recording(void **state)
{
	(void)state;
	need_mount();
	mount_tmpfs("size=3m");
	struct bench *b = begin(4096);

	assert_int_equal(recorder_start(b->recorder, b->now_ns, &b->why), 0);
	give_until_it_ends(b);
	const struct record_report *r = report_of(b);

	assert_non_null(strstr(r->reason, strerror(ENOSPC)));
	assert_non_null(strstr(r->reason, "make room there"));
	assert_int_equal(access(r->file, R_OK), 0);
	assert_true(r->messages > 0 && r->dropped > 0);
	assert_int_equal(r->messages, messages_in(r->file));
	assert_int_equal(r->messages + r->dropped, b->given);
	assert_false(tape_wants(&b->links.policy_tape, RECORD_OBSERVATION));
	give(b); /* nobody's */
	assert_int_equal(report_of(b)->messages + report_of(b)->dropped, b->given - 1);
	end(b);
	assert_int_equal(umount(folder), 0);
}

/* There is one more file than fits: the status goes on naming the one that is there. */
static void a_next_file_that_cannot_be_made_is_not_named(void **state)
{
	(void)state;
	need_mount();
	mount_tmpfs("size=8m,nr_inodes=2");
	struct bench *b = begin(1);

	assert_int_equal(recorder_start(b->recorder, b->now_ns, &b->why), 0);
	give_until_it_ends(b);
	const struct record_report *r = report_of(b);

	assert_non_null(strstr(r->reason, strerror(ENOSPC)));
	assert_int_equal(access(r->file, R_OK), 0);
	assert_string_equal(r->file + strlen(r->file) - 5, ".mcap");
	assert_int_equal(r->messages, b->given);
	assert_int_equal(r->messages, messages_in(r->file));
	assert_int_equal(r->dropped, 0);
	end(b);
	assert_int_equal(umount(folder), 0);
}

static void a_read_only_directory_is_refused(void **state)
{
	struct errbuf e = { "" };

	(void)state;
	need_mount();
	mount_tmpfs("size=3m");
	assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	struct bench *b = begin(4096);

	assert_int_equal(recorder_start(b->recorder, b->now_ns, &e), -EROFS);
	assert_non_null(strstr(e.text, folder));
	assert_non_null(strstr(e.text, "mount it writable"));
	assert_false(recorder_runs(b->recorder));
	assert_string_equal(report_of(b)->file, "");
	assert_string_equal(report_of(b)->reason, e.text);
	assert_false(tape_wants(&b->links.io_tape, RECORD_CAMERA));
	assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT, "size=3m"), 0);
	assert_int_equal(recorder_start(b->recorder, b->now_ns, &b->why), 0);
	assert_string_equal(report_of(b)->reason, "");
	assert_int_equal(recorder_stop(b->recorder, b->now_ns, &b->why), 0);
	end(b);
	assert_int_equal(umount(folder), 0);
}

/* ---- the disk ---------------------------------------------------------------------------------------------------------- */

static int syncs;

int fdatasync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

/* Control is late while a disk makes sure of something: not every second. */
static void every_second_reaches_the_kernel_and_every_tenth_the_disk(void **state)
{
	struct bench *b = begin(100);
	uint64_t bytes = 0;
	struct stat file;

	(void)state;
	assert_int_equal(recorder_start(b->recorder, b->now_ns, &b->why), 0);
	syncs = 0;
	for (int second = 1; second <= 25; second++) {
		for (int i = 0; i < 20; i++)
			give(b);
		assert_int_equal(stat(report_of(b)->file, &file), 0);
		assert_true((uint64_t)file.st_size > bytes + 15 * PAYLOAD_BYTES);
		bytes = (uint64_t)file.st_size;
		assert_in_range(syncs, (second - 1) / 10, second / 10);
	}
	assert_int_equal(recorder_stop(b->recorder, b->now_ns, &b->why), 0);
	assert_int_equal(syncs, 3); /* at its end, too */
	assert_int_equal(unlink(report_of(b)->file), 0);
	end(b);
}

/* ---- two in one directory ---------------------------------------------------------------------------------------------- */

static void two_recorders_write_files_of_their_own(void **state)
{
	struct bench *b[] = { begin(1), begin(1) };
	uint64_t files = 0, messages = 0;
	char path[64], files_of[2][RECORD_FILE_BYTES];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recorder_start(b[i]->recorder, b[i]->now_ns, &b[i]->why), 0);
		memcpy(files_of[i], report_of(b[i])->file, sizeof files_of[i]);
	}
	assert_string_not_equal(files_of[0], files_of[1]);
	for (int n = 0; n < 100; n++) /* 5 MB each: two files or three */
		for (int i = 0; i < 2; i++)
			give(b[i]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recorder_stop(b[i]->recorder, b[i]->now_ns, &b[i]->why), 0);
		assert_int_equal(report_of(b[i])->messages, 100);
		assert_int_equal(report_of(b[i])->dropped, 0);
		end(b[i]);
	}
	snprintf(path, sizeof path, "ls %s/*.mcap", folder);
	FILE *ls = popen(path, "r");
	char line[RECORD_FILE_BYTES];

	assert_non_null(ls);
	for (; fgets(line, sizeof line, ls); files++) {
		line[strcspn(line, "\n")] = 0;
		messages += messages_in(line);
		assert_int_equal(unlink(line), 0);
	}
	pclose(ls);
	assert_true(files >= 4);
	assert_int_equal(messages, 200);
}

/* ---- a summary that is full ------------------------------------------------------------------------------------------- */

enum { ANSWER_RECORDS = 3, MANY_RECORDS = 100000 };

static void give_small(struct bench *b, enum record_kind kind, const void *payload, uint32_t n)
{
	const struct tape_record r = { .n_bytes = n, .kind = (uint16_t)kind, .t_ns = b->now_ns };

	recorder_take(b->recorder, &r, payload, b->now_ns);
	b->given++;
}

/* A tick in a chunk of its own; control's state when it was asked for some ticks ago, as from a tape that waits for the disk. Every chunk lies
 * close to the one before, so that a recorder that begins to ask when the summary is full has no time left. */
static void give_tick(struct bench *b, uint64_t tick, uint64_t *asked_at, uint32_t *answered)
{
	uint32_t wanted = atomic_load(&b->links.state_wanted);
	const struct record_tick t = { .tick = tick };
	const struct record_state s = { .tick = tick };

	give_small(b, RECORD_TICK, &t, sizeof t);
	if (wanted != *answered && *asked_at == 0)
		*asked_at = tick;
	if (*asked_at != 0 && tick - *asked_at >= ANSWER_RECORDS) {
		give_small(b, RECORD_STATE, &s, sizeof s);
		*answered = wanted;
		*asked_at = 0;
	}
	b->now_ns += NS_PER_MS;
	recorder_step(b->recorder, b->now_ns + (int64_t)tick * NS_PER_S); /* always due */
}

static void no_tick_lies_in_no_file_when_the_summary_is_full(void **state)
{
	struct record_report first;
	uint64_t asked_at = 0, ticks = 0;
	uint32_t answered = 0;

	(void)state;
	need_mount();
	mount_tmpfs("size=64m");
	struct bench *b = begin(4096);

	assert_int_equal(recorder_start(b->recorder, b->now_ns, &b->why), 0);
	first = *report_of(b);
	for (; strcmp(report_of(b)->file, first.file) == 0; give_tick(b, ++ticks, &asked_at, &answered))
		assert_true(ticks < MANY_RECORDS);
	assert_true(ticks > 10000); /* it was the summary */
	for (int i = 0; i < 2 * ANSWER_RECORDS; i++)
		give_tick(b, ++ticks, &asked_at, &answered);
	assert_int_equal(recorder_stop(b->recorder, b->now_ns, &b->why), 0);
	assert_int_equal(report_of(b)->dropped, 0);
	assert_int_equal(report_of(b)->messages, b->given);
	end(b);
	assert_int_equal(umount(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_ends_the_recording),
		cmocka_unit_test(a_next_file_that_cannot_be_made_is_not_named),
		cmocka_unit_test(a_read_only_directory_is_refused),
		cmocka_unit_test(every_second_reaches_the_kernel_and_every_tenth_the_disk),
		cmocka_unit_test(two_recorders_write_files_of_their_own),
		cmocka_unit_test(no_tick_lies_in_no_file_when_the_summary_is_full),
	};

	if (!mkdtemp(folder))
		return 1;
	can_mount = own_namespace();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	return rmdir(folder) == 0 ? failed : 1;
}
