/* fuzz.c - see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

enum { PAGE_BYTES = 4096 };

/* The linker puts these in the place of mmap and munmap (--wrap). */
void *__real_mmap(void *at, size_t n, int protection, int flags, int descriptor, off_t offset);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int descriptor, off_t offset);
int __real_munmap(void *at, size_t n);
int __wrap_munmap(void *at, size_t n);

static size_t whole_pages(size_t n)
{
	return (n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* The rest of a file's last page reads as zeros, which hides a read beyond its end: it becomes a finding. */
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int descriptor, off_t offset)
{
	char *mapped = __real_mmap(at, n, protection, flags, descriptor, offset);

	if (mapped != MAP_FAILED)
		ASAN_POISON_MEMORY_REGION(mapped + n, whole_pages(n) - n);
	return mapped;
}

int __wrap_munmap(void *at, size_t n)
{
	ASAN_UNPOISON_MEMORY_REGION(at, whole_pages(n));
	return __real_munmap(at, n);
}

_Noreturn void fuzz_finding(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

const char *fuzz_folder(void)
{
	const char *folder = getenv("FUZZ_FOLDER");

	if (!folder || strlen(folder) > 1024) {
		fprintf(stderr, "fuzz: set FUZZ_FOLDER to an empty folder that may be written to\n");
		exit(2);
	}
	return folder;
}

void fuzz_write(const char *name, const uint8_t *data, size_t n)
{
	char path[2048];
	int descriptor;

	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	if (!data) {
		(void)unlink(path);
		return;
	}
	descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (descriptor < 0 || write(descriptor, data, n) != (ssize_t)n) {
		perror(path);
		exit(2);
	}
	close(descriptor);
}

void fuzz_write_parts(const uint8_t *data, size_t n, const char *const *names, uint32_t n_names)
{
	const size_t n_cut = strlen(FUZZ_CUT);

	for (uint32_t i = 0; i < n_names; i++) {
		const uint8_t *cut = memmem(data, n, FUZZ_CUT, n_cut);
		size_t n_part = cut ? (size_t)(cut - data) : n;

		fuzz_write(names[i], n_part ? data : NULL, n_part);
		data += n_part + (cut ? n_cut : 0);
		n -= n_part + (cut ? n_cut : 0);
	}
}

void fuzz_touch(const void *data, size_t n)
{
	const volatile uint8_t *bytes = data;

	for (size_t i = 0; i < n; i++)
		(void)bytes[i];
}
