/* fuzz_pt.c - `.pt` heads. An input that begins with "PK" is a whole file; any other is a pickle, which is put into a file with two
 * storages so that no input is lost to a wrong offset. Files go without checksums, as torch.save writes them on request: a wrong one
 * would end every changed file. Accepted tensors must lie in the file, whole and aligned. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/log.h"
#include "policy/pickle.h"
#include "policy/unpickle.h"
#include "policy/zip.h"

#define HEAD_NAME "head--1_checkpoint.pt"

enum { ALIGNMENT = 64, DIRECTORY_BYTES = 1024 };

struct archive {
	uint8_t *bytes;
	size_t n;
	uint8_t directory[DIRECTORY_BYTES];
	size_t n_directory, n_members;
};

static void put(uint8_t *bytes, size_t *n, uint64_t value, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		bytes[(*n)++] = (uint8_t)(value >> (8 * i));
}

/* One stored member; its data begins at a multiple of ALIGNMENT, as torch.save's does. */
static void add_member(struct archive *a, const char *name, const void *data, size_t size)
{
	size_t n_name = strlen(name), local = a->n, *n = &a->n;
	size_t extra = (ALIGNMENT - (local + 30 + n_name) % ALIGNMENT) % ALIGNMENT;

	memset(a->bytes + local, 0, 30 + n_name + extra);
	put(a->bytes, n, 0x04034b50, 4);
	*n += 22;
	put(a->bytes, n, n_name, 2);
	put(a->bytes, n, extra, 2);
	memcpy(a->bytes + *n, name, n_name);
	*n += n_name + extra;
	if (size)
		memcpy(a->bytes + *n, data, size);
	*n += size;
	memset(a->directory + a->n_directory, 0, 46);
	put(a->directory, &a->n_directory, 0x02014b50, 4);
	a->n_directory += 16;
	put(a->directory, &a->n_directory, size, 4);
	put(a->directory, &a->n_directory, size, 4);
	put(a->directory, &a->n_directory, n_name, 2);
	a->n_directory += 12;
	put(a->directory, &a->n_directory, local, 4);
	memcpy(a->directory + a->n_directory, name, n_name);
	a->n_directory += n_name;
	a->n_members++;
}

static void finish_archive(struct archive *a)
{
	size_t at = a->n;

	memcpy(a->bytes + a->n, a->directory, a->n_directory);
	a->n += a->n_directory;
	put(a->bytes, &a->n, 0x06054b50, 4);
	put(a->bytes, &a->n, 0, 4);
	put(a->bytes, &a->n, a->n_members, 2);
	put(a->bytes, &a->n, a->n_members, 2);
	put(a->bytes, &a->n, a->n_directory, 4);
	put(a->bytes, &a->n, at, 4);
	put(a->bytes, &a->n, 0, 2);
}

static void write_around(const uint8_t *pickle, size_t n)
{
	static const uint8_t storage[64] = { 1, 2, 3 };
	struct archive a = { .bytes = malloc(n + 4096) };

	fuzz_require(a.bytes);
	add_member(&a, "head/data.pkl", pickle, n);
	add_member(&a, "head/byteorder", "little", 6);
	add_member(&a, "head/data/0", storage, 64);
	add_member(&a, "head/data/1", storage, 7);
	finish_archive(&a);
	fuzz_write(HEAD_NAME, a.bytes, a.n);
	free(a.bytes);
}

/* The same bytes, but for the checksum in each line of the directory. */
static void write_without_sums(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n), *at = copy;

	fuzz_require(copy);
	memcpy(copy, data, n);
	for (; (at = memmem(at, n - (size_t)(at - copy), "PK\1\2", 4)) && at + 20 <= copy + n; at += 20)
		memset(at + 16, 0, 4);
	fuzz_write(HEAD_NAME, copy, n);
	free(copy);
}

/* Whatever the file says, a tensor that is found lies in it. */
static void check_tensor(const struct head_file *f, const struct pickled_tensor *p)
{
	size_t skip = p->name_bytes > 7 && !memcmp(p->name, "module.", 7) ? 7 : 0;
	char *name = strndup(p->name + skip, p->name_bytes - skip);
	struct tensor t;
	struct errbuf e;
	uint64_t n_bytes;

	fuzz_require(name && p->rank <= TENSOR_RANK_MAX);
	fuzz_require(head_file_find(f, name, p->rank, p->shape, &t, &e) == 0);
	fuzz_require(tensor_bytes(t.type, t.rank, t.shape, &n_bytes) == 0 && (uintptr_t)t.data % tensor_type_bytes(t.type) == 0);
	fuzz_touch(t.data, n_bytes);
	free(name);
}

/* The pickle by itself: what is reported must lie in it. */
static void check_pickle(const struct head_file *f, const uint8_t *pickle, size_t n)
{
	struct pickled_tensor *tensors = NULL;
	uint32_t n_tensors = 0;
	struct errbuf e;
	int rc = unpickle_tensors(&tensors, &n_tensors, "pickle", pickle, n, &e);

	fuzz_require(rc == 0 || (!f && e.text[0]));
	for (uint32_t i = 0; rc == 0 && i < n_tensors; i++) {
		fuzz_touch(tensors[i].name, tensors[i].name_bytes);
		fuzz_touch(tensors[i].storage, tensors[i].storage_bytes);
		if (f)
			check_tensor(f, &tensors[i]);
	}
	if (rc == 0)
		free(tensors);
}

/* A whole file again, by its parts: members must lie in it. */
static void check_zip(const struct head_file *f, const uint8_t *data, size_t n)
{
	struct mapping file = { .path = "file", .data = data, .n_bytes = n };
	struct zip z = { 0 };
	struct errbuf e;

	if (zip_read(&z, &file, &e) < 0) {
		fuzz_require(!f);
		return;
	}
	for (uint32_t i = 0; i < z.n_members; i++) {
		const struct zip_member *m = &z.member[i];

		fuzz_touch(m->name, m->name_bytes);
		fuzz_require(m->data >= data && m->n_bytes <= (uint64_t)(data + n - m->data));
	}
	for (uint32_t i = 0; f && i < z.n_members; i++) {
		const struct zip_member *m = &z.member[i];

		if (m->name_bytes > 9 && !memcmp(m->name + m->name_bytes - 9, "/data.pkl", 9)) {
			check_pickle(f, m->data, m->n_bytes);
			break;
		}
	}
	zip_free(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	bool whole = n >= 2 && !memcmp(data, "PK", 2);
	struct head_file *f = NULL;
	struct errbuf e;

	fuzz_require(log_set_level("error", &e) == 0);
	if (whole)
		write_without_sums(data, n);
	else
		write_around(data, n);
	if (head_file_open(&f, fuzz_folder(), "head", &e) < 0)
		fuzz_require(!f && e.text[0]);
	if (whole)
		check_zip(f, data, n);
	else
		check_pickle(f, data, n);
	head_file_close(f);
	return 0;
}
