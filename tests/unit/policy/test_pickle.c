/* test_pickle.c - `.pt` heads: the golden ones, ones made here, and everything that must be refused. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <zlib.h>

#include "daemon/sys/log.h"
#include "policy/pickle.h"

#define NAME "proprio_projector--7_checkpoint.pt"

/* Fragments of pickles as torch.save writes them (CPython's pickletools names the opcodes). */
#define PROTO "\x80\x02"
#define TEXT(n, s) "X" n "\0\0\0" s
#define ORDERED_DICT "ccollections\nOrderedDict\n"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define PARAMETER "ctorch._utils\n_rebuild_parameter\n"
#define STORAGE(type, key, n) "(" TEXT("\7", "storage") "ctorch\n" type "\n" TEXT("\1", key) TEXT("\3", "cpu") n "tQ"
#define HOOKS "\x89" ORDERED_DICT ")R"
/* two rows of three floats at element 0 of storage 0, which has 6 */
#define TENSOR REBUILD "(" STORAGE("FloatStorage", "0", "K\6") "K\0" "K\2K\3\x86" "K\3K\1\x86" HOOKS "tR"

static char folder[FIXTURE_PATH_BYTES];
static const float values[] = { 1, 2, 3, 4, 5, 6 };

static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	return log_set_level("error", NULL); /* for lack of checksums: see pt_forget_sums */
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

/* -- a ZIP writer of the test's own ------------------------------------------------------------------------------ */

enum { ZIP_BYTES_MAX = 16384 };

struct archive {
	uint8_t bytes[ZIP_BYTES_MAX], directory[ZIP_BYTES_MAX];
	size_t n_bytes, n_directory;
	uint16_t n_members;
	uint16_t method;           /* 0: stored */
	uint16_t flags;
	bool no_sums;              /* as after torch.serialization.set_crc32_options(False) */
	bool zip64;                /* sizes, offsets and counts stand in ZIP64 records only */
};

static void put(uint8_t *bytes, size_t *n, uint64_t value, int size)
{
	assert_true(*n + 8 < ZIP_BYTES_MAX);
	for (int i = 0; i < size; i++)
		bytes[(*n)++] = (uint8_t)(value >> (8 * i));
}

static void put_bytes(uint8_t *bytes, size_t *n, const void *data, size_t size)
{
	assert_true(*n + size < ZIP_BYTES_MAX);
	memcpy(bytes + *n, data, size);
	*n += size;
}

/* A line of the directory. */
static void archive_list(struct archive *a, const char *name, const void *data, size_t size, size_t local)
{
	size_t n_name = strlen(name), wide = UINT32_MAX;
	uint8_t zeros[10] = { 0 };

	put(a->directory, &a->n_directory, 0x02014b50, 4);
	put(a->directory, &a->n_directory, 0, 4);
	put(a->directory, &a->n_directory, a->flags, 2);
	put(a->directory, &a->n_directory, a->method, 2);
	put(a->directory, &a->n_directory, 0, 4);
	put(a->directory, &a->n_directory, a->no_sums ? 0 : crc32(0, data, (uInt)size), 4);
	put(a->directory, &a->n_directory, a->zip64 ? wide : size, 4);
	put(a->directory, &a->n_directory, a->zip64 ? wide : size, 4);
	put(a->directory, &a->n_directory, n_name, 2);
	put(a->directory, &a->n_directory, a->zip64 ? 5 + 4 + 24 : 0, 2);
	put_bytes(a->directory, &a->n_directory, zeros, sizeof zeros);
	put(a->directory, &a->n_directory, a->zip64 ? wide : local, 4);
	put_bytes(a->directory, &a->n_directory, name, n_name);
	if (a->zip64) {
		put_bytes(a->directory, &a->n_directory, "\x99\x99\1\0?\1\0\x18\0", 9); /* another field stands before */
		put(a->directory, &a->n_directory, size, 8);
		put(a->directory, &a->n_directory, size, 8);
		put(a->directory, &a->n_directory, local, 8);
	}
	a->n_members++;
}

/* Fields that readers ignore (versions, times, the checksum before the data) stay zero. Data is aligned to four bytes as torch.save does. */
static void archive_add(struct archive *a, const char *name, const void *data, size_t size)
{
	size_t local = a->n_bytes, n_name = strlen(name), extra = 4 + (64 - (local + 30 + n_name + 4) % 64) % 64;
	uint8_t zeros[64] = { 0 };

	put(a->bytes, &a->n_bytes, 0x04034b50, 4);
	put_bytes(a->bytes, &a->n_bytes, zeros, 22);
	put(a->bytes, &a->n_bytes, n_name, 2);
	put(a->bytes, &a->n_bytes, extra, 2);
	put_bytes(a->bytes, &a->n_bytes, name, n_name);
	put(a->bytes, &a->n_bytes, 'F' | 'B' << 8, 2);
	put(a->bytes, &a->n_bytes, extra - 4, 2);
	put_bytes(a->bytes, &a->n_bytes, zeros, extra - 4);
	put_bytes(a->bytes, &a->n_bytes, data, size);
	archive_list(a, name, data, size, local);
}

static void put_end64(struct archive *a, size_t directory)
{
	size_t at = a->n_bytes;

	put(a->bytes, &a->n_bytes, 0x06064b50, 4);
	put(a->bytes, &a->n_bytes, 44, 8);
	put(a->bytes, &a->n_bytes, 0, 8);
	put(a->bytes, &a->n_bytes, 0, 4);
	put(a->bytes, &a->n_bytes, a->n_members, 8);
	put(a->bytes, &a->n_bytes, a->n_members, 8);
	put(a->bytes, &a->n_bytes, a->n_directory, 8);
	put(a->bytes, &a->n_bytes, directory, 8);
	put(a->bytes, &a->n_bytes, 0x07064b50, 4);
	put(a->bytes, &a->n_bytes, 0, 4);
	put(a->bytes, &a->n_bytes, at, 8);
	put(a->bytes, &a->n_bytes, 1, 4);
}

static void archive_write(struct archive *a, const char *name)
{
	size_t at = a->n_bytes, wide = UINT32_MAX;

	put_bytes(a->bytes, &a->n_bytes, a->directory, a->n_directory);
	if (a->zip64)
		put_end64(a, at);
	put(a->bytes, &a->n_bytes, 0x06054b50, 4);
	put(a->bytes, &a->n_bytes, 0, 4);
	put(a->bytes, &a->n_bytes, a->zip64 ? wide : a->n_members, 2);
	put(a->bytes, &a->n_bytes, a->zip64 ? wide : a->n_members, 2);
	put(a->bytes, &a->n_bytes, a->zip64 ? wide : a->n_directory, 4);
	put(a->bytes, &a->n_bytes, a->zip64 ? wide : at, 4);
	put(a->bytes, &a->n_bytes, 0, 2);
	file_write(folder, name, a->bytes, a->n_bytes);
}

/* A head file with this pickle and the six values as storage 0. */
static void write_head(const char *pickle, size_t n_pickle)
{
	struct archive a = { .n_members = 0 };

	archive_add(&a, "head/data.pkl", pickle, n_pickle);
	archive_add(&a, "head/byteorder", "little", 6);
	archive_add(&a, "head/data/0", values, sizeof values);
	archive_add(&a, "head/version", "3\n", 2);
	archive_write(&a, NAME);
}

static void assert_refused(int want, const char *words)
{
	struct head_file *f = NULL;
	struct errbuf e = { "" };
	int rc = head_file_open(&f, folder, "proprio_projector", &e);

	if (rc != want)
		fail_msg("rc %d, want %d (%s): %s", rc, want, words, e.text);
	assert_null(f);
	assert_names(&e, words);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static void golden_heads_are_read_in_place(void **state)
{
	static const char *const folders[] = { CHECKPOINT "/heads/discrete", CHECKPOINT "/heads/discrete_diffusion" };
	struct errbuf e = { "" };
	struct head_file *f;
	struct tensor t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(head_file_open(&f, folders[i], "proprio_projector", &e), 0);
		assert_int_equal(head_file_find(f, "fc1.weight", 2, (uint64_t[]){ 64, 8 }, &t, &e), 0);
		assert_int_equal(t.type, TENSOR_BF16);
		assert_int_equal(head_file_find(f, "fc2.bias", 1, (uint64_t[]){ 64 }, &t, &e), 0);
		assert_int_equal(head_file_find(f, "fc2.bias", 1, (uint64_t[]){ 63 }, &t, &e), -EINVAL);
		assert_names(&e, "proprio_projector--|fc2.bias|[63]|[64]");
		assert_int_equal(head_file_find(f, "fc3.bias", 1, (uint64_t[]){ 64 }, &t, &e), -ENOENT);
		assert_names(&e, "proprio_projector--|fc3.bias");
		head_file_close(f);
	}
	head_file_close(NULL);
}

/* As a fine-tuned module is saved: OrderedDict, "module." before the names, _metadata as state. */
static void state_dict_of_a_wrapped_module_is_read(void **state)
{
	static const char pickle[] = PROTO ORDERED_DICT "q\0)Rq\1(" TEXT("\x0d", "module.weight") "r\1\1\0\0" TENSOR "u"
				     "}q\2" TEXT("\x09", "_metadata") "h\0)R" TEXT("\0", "") "}" TEXT("\7", "version") "K\1ss" "sb.";
	struct errbuf e = { "" };
	struct head_file *f;
	struct tensor t;
	int rc;

	(void)state;
	write_head(pickle, sizeof pickle - 1);
	rc = head_file_open(&f, folder, "proprio_projector", &e);
	if (rc < 0)
		fail_msg("%s", e.text);
	assert_int_equal(head_file_find(f, "weight", 2, (uint64_t[]){ 2, 3 }, &t, &e), 0);
	assert_int_equal(t.type, TENSOR_F32);
	assert_memory_equal(t.data, values, sizeof values);
	assert_non_null(strstr(head_file_path(f), NAME));
	head_file_close(f);
}

/* A view into a storage, a scalar, a size of one with any stride, and 64-bit sizes. */
static void views_of_one_storage_are_read(void **state)
{
	static const char pickle[] = PROTO "}(" TEXT("\1", "a") REBUILD "(" STORAGE("FloatStorage", "0", "\x8a\4\6\0\0\0")
				     "K\2" "K\1K\2\x86" "K\x63K\1\x86" HOOKS "tR"
				     TEXT("\1", "b") REBUILD "(" STORAGE("FloatStorage", "0", "M\6\0") "J\5\0\0\0" "))" HOOKS "tRu.";
	struct errbuf e = { "" };
	struct head_file *f;
	struct tensor t;
	int rc;

	(void)state;
	write_head(pickle, sizeof pickle - 1);
	rc = head_file_open(&f, folder, "proprio_projector", &e);
	if (rc < 0)
		fail_msg("%s", e.text);
	assert_int_equal(head_file_find(f, "a", 2, (uint64_t[]){ 1, 2 }, &t, &e), 0);
	assert_memory_equal(t.data, values + 2, 2 * sizeof values[0]);
	assert_int_equal(head_file_find(f, "b", 0, NULL, &t, &e), 0);
	assert_memory_equal(t.data, values + 5, sizeof values[0]);
	head_file_close(f);
}

/* Every size, offset and count in 64-bit records, as files over 4 GiB have them. */
static void zip64_is_read(void **state)
{
	static const char pickle[] = PROTO "}" TEXT("\1", "a") TENSOR "s.";
	struct archive a = { .zip64 = true };
	struct errbuf e = { "" };
	struct head_file *f;
	struct tensor t;

	(void)state;
	archive_add(&a, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_add(&a, "head/data/0", values, sizeof values);
	archive_write(&a, NAME);
	if (head_file_open(&f, folder, "proprio_projector", &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(head_file_find(f, "a", 2, (uint64_t[]){ 2, 3 }, &t, &e), 0);
	assert_memory_equal(t.data, values, sizeof values);
	head_file_close(f);
	pt_forget_sums((char *)a.bytes, a.n_bytes); /* so that a spoilt byte is not found by its checksum */
	for (size_t i = 0; i < a.n_bytes; i++) { /* the records lie at the end, the locator points at them */
		a.bytes[i] ^= 0xff;
		file_write(folder, NAME, a.bytes, a.n_bytes);
		if (head_file_open(&f, folder, "proprio_projector", NULL) == 0)
			head_file_close(f);
		a.bytes[i] ^= 0xff;
	}
}

#define CASE(rc, words, pickle) { rc, words, pickle, sizeof pickle - 1 }

static void foreign_pickles_are_refused(void **state)
{
	static const struct {
		int rc;
		const char *words, *pickle;
		size_t n_bytes;
	} cases[] = {
		CASE(-ENOTSUP, NAME "|global posix.system", PROTO "cposix\nsystem\n(" TEXT("\4", "true") "tR."),
		CASE(-ENOTSUP, "global po?[2Jsix.sys??31mtem is", PROTO "cpo\x1b[2Jsix\nsys\xc2\x9b" "31mtem\n(" TEXT("\4", "true") "tR."),
		CASE(-EINVAL, "entry a?b is no tensor", PROTO "}" TEXT("\3", "a\x1b" "b") "K\7s."),
		CASE(-ENOTSUP, "entry a?b: global torch.QInt8Storage",
				PROTO "}" TEXT("\3", "a\x1b" "b") REBUILD "(" STORAGE("QInt8Storage", "0", "K\3") "tRs."),
		CASE(-ENOTSUP, NAME "|global builtins.eval", PROTO "cbuiltins\neval\n(" TEXT("\1", "1") "tR."),
		CASE(-ENOTSUP, "entry a|global torch.QInt8Storage",
				PROTO "}" TEXT("\1", "a") REBUILD "(" STORAGE("QInt8Storage", "0", "K\3") "tRs."),
		CASE(-EINVAL, "entry b|no tensor", PROTO "}(" TEXT("\1", "a") TENSOR TEXT("\1", "b") REBUILD "(tRu."),
		CASE(-EINVAL, "no tensor", PROTO "}" TEXT("\1", "a") PARAMETER "(K\1\x89" ORDERED_DICT ")RtRs."),
		CASE(-EINVAL, "no tensor", PROTO "}" TEXT("\1", "a") PARAMETER ")Rs."),
		CASE(-EINVAL, "entry b is no tensor but a dictionary", PROTO "}(" TEXT("\1", "a") TENSOR TEXT("\1", "b") "}u."),
		CASE(-ENOTSUP, NAME "|opcode 0x69|byte 2", PROTO "iposix\nsystem\n."),
		CASE(-ENOTSUP, "opcode 0x6f", PROTO "(o."),
		CASE(-ENOTSUP, "opcode 0x93", PROTO "\x93."),
		CASE(-ENOTSUP, "opcode 0x81", PROTO ORDERED_DICT ")\x81."),
		CASE(-ENOTSUP, "protocol 4|2", "\x80\x04\x95."),
		CASE(-EINVAL, "a call that makes no tensor", PROTO "ctorch\nFloatStorage\n)R."),
		CASE(-EINVAL, "a call that makes no tensor", PROTO ORDERED_DICT "(K\1tR."),
		CASE(-EINVAL, "no dictionary of tensors", PROTO "K\1."),
		CASE(-EINVAL, "no dictionary of tensors", PROTO "}}."),
		CASE(-EINVAL, "no dictionary of tensors", PROTO "."),
		CASE(-EINVAL, NAME "|epoch is no tensor", PROTO "}" TEXT("\5", "epoch") "K\7s."),
		CASE(-EINVAL, "no text", PROTO "}K\1" TENSOR "s."),
		CASE(-EINVAL, "no storage", PROTO "}" TEXT("\1", "a") "K\1K\2\x86Qs."),
		CASE(-EINVAL, "that are no tensor", PROTO "}" TEXT("\1", "a") REBUILD "(K\0K\0K\0K\0K\0K\0tRs."),
		CASE(-ENOTSUP, "entry a|7 dimensions", PROTO "}" TEXT("\1", "a") REBUILD "(" STORAGE("FloatStorage", "0", "K\6") "K\0"
				"(K\1K\1K\1K\1K\1K\1K\6t" "(K\1K\1K\1K\1K\1K\1K\1t" HOOKS "tRs."),
		CASE(-EINVAL, "no tensor", PROTO "}" TEXT("\1", "a") REBUILD "(" STORAGE("FloatStorage", "0", "K\6") "K\0"
				"J\xff\xff\xff\xff\x85" "K\1\x85" HOOKS "tRs."),
		CASE(-EINVAL, "remember", PROTO "q\0."),
		CASE(-EINVAL, "remember", PROTO "(q\0."),
		CASE(-EINVAL, "remember", PROTO "}r\0\0\1\0."),
		CASE(-EINVAL, "remembered", PROTO "h\7."),
		CASE(-EINVAL, "no mark", PROTO "}u."),
		CASE(-EINVAL, "no mark", PROTO "t."),
		CASE(-EINVAL, "too few", PROTO "K\1\x86."),
		CASE(-EINVAL, "no dictionary", PROTO "K\1K\1K\1s."),
		CASE(-EINVAL, "no dictionary", PROTO "}(K\1u."),
		CASE(-EINVAL, "no dictionary", PROTO "K\1}b."),
		CASE(-EINVAL, "more than 64 bits", PROTO "\x8a\x09\1\1\1\1\1\1\1\1\1."),
		CASE(-EINVAL, "negative", PROTO "\x8a\1\xff."),
		CASE(-EINVAL, "truncated", PROTO "}"),
		CASE(-EINVAL, "truncated", PROTO "X\xff\xff\xff\xff" "abc."),
		CASE(-EINVAL, "truncated", PROTO "M\1"),
		CASE(-EINVAL, "truncated", PROTO "cposix"),
		CASE(-ENOTSUP, NAME "|tensor a|not contiguous", PROTO "}" TEXT("\1", "a") REBUILD "("
				STORAGE("FloatStorage", "0", "K\6") "K\0" "K\3K\2\x86" "K\1K\3\x86" HOOKS "tRs."),
		CASE(-EINVAL, "tensor a|data/0|24 bytes", PROTO "}" TEXT("\1", "a") REBUILD "("
				STORAGE("FloatStorage", "0", "K\6") "K\1" "K\2K\3\x86" "K\3K\1\x86" HOOKS "tRs."),
		CASE(-EINVAL, "tensor a|data/0|24 bytes", PROTO "}" TEXT("\1", "a") REBUILD "("
				STORAGE("FloatStorage", "0", "K\7") "K\0" "K\7\x85" "K\1\x85" HOOKS "tRs."),
		CASE(-EINVAL, "tensor a|data/9", PROTO "}" TEXT("\1", "a") REBUILD "("
				STORAGE("FloatStorage", "9", "K\6") "K\0" "K\6\x85" "K\1\x85" HOOKS "tRs."),
		CASE(-EINVAL, NAME "|tensor a twice", PROTO "}(" TEXT("\1", "a") TENSOR TEXT("\x08", "module.a") TENSOR "u."),
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_head(cases[i].pickle, cases[i].n_bytes);
		assert_refused(cases[i].rc, cases[i].words);
	}
}

static void foreign_files_are_refused(void **state)
{
	static const char pickle[] = PROTO "}.";
	struct archive deflated = { .method = 8 }, encrypted = { .flags = 1 }, big = { .n_members = 0 }, other = { .n_members = 0 },
		twice = { .n_members = 0 };
	struct errbuf e;
	struct head_file *f;

	(void)state;
	assert_refused(-ENOENT, "proprio_projector--|_checkpoint.pt");
	assert_int_equal(head_file_open(&f, "/nowhere/at/all", "action_head", &e), -ENOTDIR);
	assert_names(&e, "/nowhere/at/all");
	file_write(folder, NAME, "", 0);
	assert_refused(-EINVAL, NAME "|truncated");
	file_write(folder, NAME, "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 16);
	assert_refused(-ENOTSUP, NAME "|legacy format|save it again");
	archive_add(&deflated, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_write(&deflated, NAME);
	assert_refused(-ENOTSUP, NAME "|head/data.pkl|compressed");
	archive_add(&encrypted, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_write(&encrypted, NAME);
	assert_refused(-ENOTSUP, NAME "|head/data.pkl|encrypted");
	archive_add(&twice, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_add(&twice, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_write(&twice, NAME);
	assert_refused(-EINVAL, NAME "|head/data.pkl|twice");
	archive_add(&other, "head/readme", "hello", 5);
	archive_write(&other, NAME);
	assert_refused(-EINVAL, NAME "|data.pkl");
	archive_add(&big, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_add(&big, "head/byteorder", "big", 3);
	archive_write(&big, NAME);
	assert_refused(-ENOTSUP, NAME "|little-endian");
	write_head("", 0);
	assert_refused(-EINVAL, NAME "|0 bytes");
	file_write(folder, "proprio_projector--9_checkpoint.pt", "", 0);
	assert_refused(-EEXIST, "2 files|" NAME "|proprio_projector--9_checkpoint.pt");
}

static void misnamed_files_do_not_count_as_absent(void **state)
{
	(void)state;
	file_write(folder, "action_head.pt", "", 0);
	assert_refused(-ENOENT, "proprio_projector--*_checkpoint.pt");
	file_write(folder, "proprio_projector--9.pt", "", 0);
	assert_refused(-EINVAL, "proprio_projector--9.pt|proprio_projector--*_checkpoint.pt|rename");
	folder_remove(folder);
	folder_make(folder);
	file_write(folder, "proprio_projector--9_checkpoint.pt.part", "", 0);
	assert_refused(-EINVAL, "proprio_projector--9_checkpoint.pt.part|proprio_projector--*_checkpoint.pt|download");
}

/* The last byte of each tensor of the golden shape can be read: a fault would end the test. */
static void read_last_bytes(const struct head_file *f, size_t n_file)
{
	static const struct {
		const char *name;
		uint32_t rank;
		uint64_t shape[2];
	} golden[] = { { "fc1.weight", 2, { 64, 8 } }, { "fc1.bias", 1, { 64 } }, { "fc2.weight", 2, { 64, 64 } },
		{ "fc2.bias", 1, { 64 } } };

	for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
		uint64_t n_bytes = 0;
		struct tensor t;

		if (head_file_find(f, golden[i].name, golden[i].rank, golden[i].shape, &t, NULL) < 0)
			continue;
		assert_int_equal(tensor_bytes(t.type, t.rank, t.shape, &n_bytes), 0);
		assert_true(n_bytes > 0 && n_bytes <= n_file);
		(void)((const volatile char *)t.data)[n_bytes - 1];
	}
}

/* -ENOENT would mean that this checkpoint takes no state. */
static void a_link_to_nothing_is_not_absent(void **state)
{
	char path[FIXTURE_PATH_BYTES + 64];

	(void)state;
	snprintf(path, sizeof path, "%s/" NAME, folder);
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	assert_refused(-EINVAL, NAME "|no file");
}

/* One bit of a weight, of the program and of a member that nobody reads. */
static void damaged_members_are_refused(void **state)
{
	static const char *const members[] = { "/data/0", "/data.pkl", "/version" };
	size_t n_bytes;
	char *data = file_read(CHECKPOINT "/heads/discrete", "proprio_projector--10000_checkpoint.pt", &n_bytes), words[128];

	(void)state;
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		char *name = memmem(data, n_bytes, members[i], strlen(members[i])), *header = name;
		uint16_t lengths[2];

		assert_non_null(name);
		while (memcmp(header, "PK\3\4", 4))
			header--;
		memcpy(lengths, header + 26, sizeof lengths);
		header[30 + lengths[0] + lengths[1]] ^= 0x10;
		file_write(folder, NAME, data, n_bytes);
		header[30 + lengths[0] + lengths[1]] ^= 0x10;
		snprintf(words, sizeof words, NAME "|%s is damaged|CRC-32|fetch the file again", members[i]);
		assert_refused(-EINVAL, words);
	}
	free(data);
}

/* What a file without any checksum says on standard error is checked in test_heads.c. One member without is damage. */
static void files_without_checksums_are_read(void **state)
{
	static const char pickle[] = PROTO "}" TEXT("\1", "a") TENSOR "s.";

	(void)state;
	for (int some = 0; some < 2; some++) {
		struct archive a = { .no_sums = true };
		struct head_file *f = NULL;
		struct errbuf e = { "" };

		archive_add(&a, "head/data.pkl", pickle, sizeof pickle - 1);
		a.no_sums = !some;
		archive_add(&a, "head/data/0", values, sizeof values);
		archive_write(&a, NAME);
		if (some)
			assert_refused(-EINVAL, "head/data.pkl is damaged");
		else if (head_file_open(&f, folder, "proprio_projector", &e) < 0)
			fail_msg("%s", e.text);
		head_file_close(f);
	}
}

/* Each would have to be read: some thousand members that are all the whole file take hours. */
static void overlapping_members_are_refused(void **state)
{
	static const char pickle[] = PROTO "}.";
	struct archive a = { .no_sums = true };

	(void)state;
	archive_add(&a, "head/data.pkl", pickle, sizeof pickle - 1);
	archive_add(&a, "head/data/0", values, sizeof values);
	for (char name[] = "head/data/1"; name[10] <= '9'; name[10]++)
		archive_list(&a, name, values, 400, 0);
	put_bytes(a.bytes, &a.n_bytes, (const char[400]){ 0 }, 400);
	archive_write(&a, NAME);
	assert_refused(-EINVAL, NAME "|overlap");
}

/* Every length and many changed bytes of a golden file: an error or tensors inside the file, never a crash. */
static void no_spoilt_byte_crashes(void **state)
{
	size_t n_bytes, first_directory;
	char *data = file_read(CHECKPOINT "/heads/discrete", "proprio_projector--10000_checkpoint.pt", &n_bytes);

	(void)state;
	pt_forget_sums(data, n_bytes);
	first_directory = n_bytes - 1200;
	for (size_t i = 0; i < n_bytes; i += i < 600 || i >= first_directory ? 1 : 97) {
		struct head_file *f = NULL;
		char kept = data[i];

		for (int change = 0; change < 3; change++) {
			data[i] = (char)(change == 0 ? kept ^ 1 : change == 1 ? 0xff : kept + 1);
			file_write(folder, NAME, data, n_bytes);
			if (head_file_open(&f, folder, "proprio_projector", NULL) == 0)
				read_last_bytes(f, n_bytes);
			head_file_close(f);
			f = NULL;
		}
		data[i] = kept;
		file_write(folder, NAME, data, i);
		assert_true(head_file_open(&f, folder, "proprio_projector", NULL) < 0);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_heads_are_read_in_place),
		cmocka_unit_test_setup_teardown(state_dict_of_a_wrapped_module_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(views_of_one_storage_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zip64_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_pickles_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_files_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_members_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_without_checksums_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overlapping_members_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(misnamed_files_do_not_count_as_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_to_nothing_is_not_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_spoilt_byte_crashes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
