/* replay.c - runs a fuzz target on files, many times each: for inputs that were found once, and where there is no libFuzzer.
 *
 * An input fails that crashes, takes more than SECONDS_MAX of processor time or leaves memory behind; all of them together may take
 * MEGABYTES_MAX. (With the address sanitizer memory is its own matter, and time ten times as long.) */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { INPUT_BYTES_MAX = 1 << 20, SECONDS_MAX = 2, MEGABYTES_MAX = 256, RUNS = 8, ROUNDS = 6, CHUNK_BYTES_MIN = 32 };

static double processor_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Exactly as many bytes as the input has, so that a read beyond them is seen. */
static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	fuzz_require(copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = bytes[i];
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

/* Number of lines of a file of /proc, or of entries of a folder there. */
static size_t count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	for (int c; f && (c = fgetc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static size_t count_entries(const char *path)
{
	DIR *folder = opendir(path);
	size_t n = 0;

	while (folder && readdir(folder))
		n++;
	if (folder)
		closedir(folder);
	return n;
}

/* What the process holds, in chunks of memory that count one each, as do mappings and open files. */
static size_t held(void)
{
	return mallinfo2().uordblks / CHUNK_BYTES_MIN + count_lines("/proc/self/maps") + count_entries("/proc/self/fd");
}

/* What RUNS runs leave behind, in the best of ROUNDS rounds: the allocator's caches, which count as used, fill in the first ones. */
static size_t growth(const uint8_t *bytes, size_t n)
{
	size_t least = SIZE_MAX;

	for (int round = 0; round < ROUNDS && least >= RUNS; round++) {
		size_t before = held();

		for (int i = 0; i < RUNS; i++)
			run(bytes, n);
		size_t after = held(), grown = after > before ? after - before : 0;

		least = grown < least ? grown : least;
	}
	return least;
}

static bool replay(const char *path)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return false;
	}
	size_t n = fread(bytes, 1, sizeof bytes, f);
	double began_s = processor_s();

	fclose(f);
	run(bytes, n);
	double took_s = processor_s() - began_s;
	size_t left = SANITIZED ? 0 : growth(bytes, n);

	if (took_s <= (SANITIZED ? 10 : 1) * SECONDS_MAX && left < RUNS)
		return true;
	printf("%s: took %.1f s, left %zu pieces of memory, mappings or open files behind in %d runs\n", path, took_s, left, RUNS);
	return false;
}

int main(int argc, char **argv)
{
	struct rusage use;
	int failures = 0;

	for (int i = 1; i < argc; i++)
		failures += !replay(argv[i]);
	getrusage(RUSAGE_SELF, &use);
	if (!SANITIZED && use.ru_maxrss > MEGABYTES_MAX * 1024L) {
		printf("%ld kB of memory, allowed are %d MB\n", use.ru_maxrss, MEGABYTES_MAX);
		failures++;
	}
	return failures > 0;
}
