/* test_weights.c - safetensors checkpoints: the golden one, written ones, and every way to spoil one. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "policy/mapping.h"
#include "policy/safetensors_write.h"
#include "policy/weights.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"

static char folder[FIXTURE_PATH_BYTES];
static bool old_kernel;     /* one that does not know MADV_POPULATE_READ */

/* In place of the C library's. */
int madvise(void *at, size_t n_bytes, int advice)
{
	if (old_kernel && advice == MADV_POPULATE_READ) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_madvise, at, n_bytes, advice);
}

static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	old_kernel = false;
	folder_remove(folder);
	return 0;
}

/* A safetensors file of this header, padded to a multiple of `alignment`, and n_data bytes of zeros. */
static void write_aligned(const char *name, const char *header, size_t alignment, size_t n_data)
{
	uint64_t n_header = strlen(header), length = (n_header + alignment - 1) / alignment * alignment;
	char *bytes = calloc(1, 8 + length + n_data);

	assert_non_null(bytes);
	memcpy(bytes, &length, 8);
	memset(bytes + 8, ' ', length);
	memcpy(bytes + 8, header, n_header);
	file_write(folder, name, bytes, 8 + length + n_data);
	free(bytes);
}

static void write_file(const char *name, const char *header, size_t n_data)
{
	write_aligned(name, header, 8, n_data);
}

static void assert_refused(int want, const char *words)
{
	struct weights *w = NULL;
	struct errbuf e = { "" };
	int rc = weights_open(&w, folder, &e);

	if (rc != want)
		fail_msg("rc %d, want %d: %s", rc, want, e.text);
	assert_null(w);
	assert_names(&e, words);
}

static void golden_checkpoint_is_found_in_place(void **state)
{
	struct weights *w;
	struct tensor t;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(weights_open(&w, CHECKPOINT, &e), 0);
	assert_int_equal(weights_find(w, "model.layers.2.self_attn.k_proj.weight", 2, (uint64_t[]){ 32, 64 }, &t, &e), 0);
	assert_int_equal(t.type, TENSOR_BF16);
	assert_string_equal(t.name, "model.layers.2.self_attn.k_proj.weight");
	assert_true(weights_has(w, "lm_head.weight"));
	assert_false(weights_has(w, "lm_head.bias"));
	assert_true(weights_bytes(w) > 1000000 && weights_bytes(w) < 1028200);
	weights_close(w);
}

static void wrong_shape_and_missing_tensor_are_named(void **state)
{
	struct weights *w;
	struct tensor t;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(weights_open(&w, CHECKPOINT, &e), 0);
	assert_int_equal(weights_find(w, "lm_head.weight", 2, (uint64_t[]){ 895, 64 }, &t, &e), -EINVAL);
	assert_names(&e, SINGLE "|lm_head.weight|[895, 64]|[896, 64]|BF16");
	assert_int_equal(weights_find(w, "lm_head.weight", 1, (uint64_t[]){ 896 }, &t, &e), -EINVAL);
	assert_int_equal(weights_find(w, "model.layers.3.mlp.up_proj.weight", 2, (uint64_t[]){ 1, 1 }, &t, &e), -ENOENT);
	assert_names(&e, "model.layers.3.mlp.up_proj.weight|two_cameras|" SINGLE);
	weights_close(w);
}

static void written_file_is_read_back(void **state)
{
	static const float values[2][3] = { { 1, -2, 3.5f }, { 0, 1e-30f, -7 } };
	struct safetensors_writer *writer;
	char path[FIXTURE_PATH_BYTES + 64];
	struct weights *w;
	struct tensor t;
	struct errbuf e = { "" };

	(void)state;
	snprintf(path, sizeof path, "%s/" SINGLE, folder);
	assert_int_equal(safetensors_writer_create(&writer, &e), 0);
	assert_int_equal(safetensors_writer_add(writer, "odd \"name\"", 'f', values, (uint64_t[]){ 1 }, 1, &e), 0);
	assert_int_equal(safetensors_writer_add(writer, "values", 'f', values, (uint64_t[]){ 2, 3 }, 2, &e), 0);
	assert_int_equal(safetensors_writer_add(writer, "values", 'f', values, (uint64_t[]){ 2, 3 }, 2, &e), -EINVAL);
	assert_names(&e, "values|twice");
	assert_int_equal(safetensors_writer_add(writer, "bad", 'd', values, (uint64_t[]){ 1 }, 1, &e), -EINVAL);
	assert_int_equal(safetensors_writer_save(writer, "/nowhere/dump.safetensors", &e), -ENOENT);
	assert_names(&e, "/nowhere/dump.safetensors");
	assert_int_equal(safetensors_writer_save(writer, path, &e), 0);
	assert_int_equal(weights_open(&w, folder, &e), 0);
	assert_int_equal(weights_find(w, "values", 2, (uint64_t[]){ 2, 3 }, &t, &e), 0);
	assert_int_equal(t.type, TENSOR_F32);
	assert_memory_equal(t.data, values, sizeof values);
	assert_int_equal(weights_bytes(w), 28);
	weights_close(w);

	/* integers and bytes can be written; a checkpoint may not hold them */
	assert_int_equal(safetensors_writer_add(writer, "ids", 'i', (int64_t[]){ 5 }, (uint64_t[]){ 1 }, 1, &e), 0);
	assert_int_equal(safetensors_writer_add(writer, "picture", 'u', "abc", (uint64_t[]){ 1, 1, 3 }, 3, &e), 0);
	assert_int_equal(safetensors_writer_save(writer, path, &e), 0);
	assert_refused(-ENOTSUP, SINGLE "|ids|I64|BF16");
	safetensors_writer_destroy(writer);
}

static void spoilt_headers_are_refused(void **state)
{
	static const struct {
		const char *header;
		size_t n_data;
		int rc;
		const char *words;
	} cases[] = {
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},", 8, -EINVAL, SINGLE "|line" },
		{ "[1]", 0, -EINVAL, SINGLE "|object" },
		{ "{\"a\":1}", 0, -EINVAL, "tensor a|an integer" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, -EINVAL, SINGLE "|duplicate" },
		{ "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, -ENOTSUP, SINGLE "|tensor a|F64|BF16" },
		{ "{\"a\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, -EINVAL, "tensor a|dtype|missing" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, -EINVAL, "tensor a|shape" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, -EINVAL, "tensor a|shape|6" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, -EINVAL, "tensor a|shape" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8, -EINVAL,
		  "tensor a|larger" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4, -EINVAL,
		  "tensor a|larger" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, -EINVAL, "tensor a|data_offsets" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, -EINVAL, "tensor a|data_offsets" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, -EINVAL, "tensor a|data_offsets" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, -EINVAL, "tensor a|8 bytes|12" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		  "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, -EINVAL, "a and b overlap" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, -EINVAL, "4 bytes|tensor a|no tensor" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, -EINVAL, "truncated|8 bytes|found 7" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, -EINVAL, "too long|8 bytes|found 9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_file(SINGLE, cases[i].header, cases[i].n_data);
		assert_refused(cases[i].rc, cases[i].words);
	}
	write_aligned(SINGLE, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 51, 8);
	assert_refused(-EINVAL, SINGLE "|tensor a|not aligned to 4");
}

static void files_that_are_no_checkpoint_are_refused(void **state)
{
	static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 17\n";
	char path[FIXTURE_PATH_BYTES + 64];
	struct weights *w;
	struct errbuf e;

	(void)state;
	assert_refused(-ENOENT, SINGLE "|" INDEX "|no checkpoint");
	assert_int_equal(weights_open(&w, "/nowhere/at/all", &e), -ENOENT);
	assert_names(&e, "/nowhere/at/all");
	file_write(folder, SINGLE, "", 0);
	assert_refused(-EINVAL, SINGLE "|truncated|found 0");
	file_write(folder, SINGLE, "\1\0\0", 3);
	assert_refused(-EINVAL, SINGLE "|truncated|found 3");
	file_write(folder, SINGLE, pointer, sizeof pointer - 1);
	assert_refused(-EINVAL, SINGLE "|Git LFS");
	file_write(folder, SINGLE, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
	assert_refused(-EINVAL, SINGLE "|header");
	snprintf(path, sizeof path, "%s/" SINGLE, folder);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(-EINVAL, SINGLE "|regular file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(-EINVAL, SINGLE "|regular file");
}

/* The real file, cut: the header stays whole, so the text can say how much is missing. */
static void truncated_golden_checkpoint_says_what_is_missing(void **state)
{
	size_t n_bytes;
	char *data = file_read(CHECKPOINT, SINGLE, &n_bytes), words[128];
	uint64_t length;

	(void)state;
	memcpy(&length, data, sizeof length);
	file_write(folder, SINGLE, data, n_bytes - 1000);
	snprintf(words, sizeof words, SINGLE "|truncated|%zu bytes|found %zu", n_bytes - 8 - (size_t)length,
			n_bytes - 8 - (size_t)length - 1000);
	assert_refused(-EINVAL, words);
	file_write(folder, SINGLE, data, 1000);
	assert_refused(-EINVAL, SINGLE "|truncated");
	free(data);
}

/* Every byte of a small file's header changed, and every length of it: refused or read, never a crash. */
static void no_spoilt_byte_crashes(void **state)
{
	static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
				     "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[8,12]}}";
	size_t n_bytes, n_opened = 0;
	char *data;

	(void)state;
	write_file(SINGLE, header, 12);
	data = file_read(folder, SINGLE, &n_bytes);
	for (size_t i = 0; i < 2 * n_bytes; i++) {
		struct weights *w = NULL;
		char kept = data[i / 2];

		data[i / 2] = (char)(i % 2 ? kept ^ 1 : '9');
		file_write(folder, SINGLE, data, n_bytes);
		n_opened += weights_open(&w, folder, NULL) == 0;
		weights_close(w);
		data[i / 2] = kept;
		file_write(folder, SINGLE, data, i / 2);
		assert_true(weights_open(&w, folder, NULL) < 0);
	}
	assert_true(n_opened > 12 && n_opened < n_bytes); /* data and names may change, structure may not */
	free(data);
}

static void write_shards(const char *index)
{
	write_file("one.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
	write_file("two.safetensors", "{\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4);
	file_write(folder, INDEX, index, strlen(index));
}

static void shards_are_one_checkpoint(void **state)
{
	struct weights *w;
	struct tensor t;
	struct errbuf e;

	(void)state;
	write_shards("{\"metadata\":{},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
	assert_int_equal(weights_open(&w, folder, &e), 0);
	assert_int_equal(weights_find(w, "a", 1, (uint64_t[]){ 2 }, &t, &e), 0);
	assert_int_equal(weights_find(w, "b", 1, (uint64_t[]){ 2 }, &t, &e), 0);
	assert_int_equal(t.type, TENSOR_F16);
	assert_int_equal(weights_find(w, "b", 1, (uint64_t[]){ 3 }, &t, &e), -EINVAL);
	assert_names(&e, "two.safetensors|tensor b|[3]|[2]");
	assert_int_equal(weights_find(w, "c", 1, (uint64_t[]){ 3 }, &t, &e), -ENOENT);
	weights_close(w);
}

static void contradictory_indexes_are_refused(void **state)
{
	static const struct {
		const char *index;
		int rc;
		const char *words;
	} cases[] = {
		{ "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"}}", -ENOENT, INDEX "|three.safetensors|missing" },
		{ "{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}", -EINVAL, INDEX "|tensor c|two.safetensors|nowhere" },
		{ "{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}", -EINVAL, INDEX "|tensor a|in one.safetensors" },
		{ "{\"weight_map\":{\"a\":\"../one.safetensors\"}}", -EINVAL, INDEX "|a|same folder" },
		{ "{\"weight_map\":{\"a\":7}}", -EINVAL, INDEX "|a|name of a file" },
		{ "{\"weight_map\":[]}", -EINVAL, INDEX "|weight_map|an array" },
		{ "{}", -EINVAL, INDEX "|weight_map|absent" },
		{ "{\"weight_map\":", -EINVAL, INDEX "|line 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_shards(cases[i].index);
		assert_refused(cases[i].rc, cases[i].words);
	}
	write_shards("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
	write_file("two.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
	assert_refused(-EINVAL, "tensor a|one.safetensors|two.safetensors");
	write_file(SINGLE, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
	assert_refused(-EINVAL, SINGLE "|" INDEX "|both");
}

/* Pages of a file of the checkpoint that are in memory. */
static size_t pages_in_memory(const char *name, size_t *n_pages)
{
	unsigned char resident[256];
	struct mapping m;
	struct errbuf e = { "" };
	char path[FIXTURE_PATH_BYTES + 64];
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), found = 0;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(mapping_open(&m, path, &e), 0);
	*n_pages = (m.n_bytes + page_bytes - 1) / page_bytes;
	assert_true(*n_pages <= sizeof resident);
	assert_int_equal(mincore((void *)(uintptr_t)m.data, m.n_bytes, resident), 0);
	for (size_t i = 0; i < *n_pages; i++)
		found += resident[i] & 1;
	mapping_close(&m);
	return found;
}

/* Asks the kernel to forget a file's pages; not every file system does. */
static void forget(const char *name)
{
	char path[FIXTURE_PATH_BYTES + 64];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int descriptor = open(path, O_RDONLY);

	assert_true(descriptor >= 0);
	fsync(descriptor);
	posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
	close(descriptor);
}

static void remember_share(void *context, double share)
{
	double *last = context;

	assert_true(share > *last && share <= 1.0);
	*last = share;
}

/* 800,000 bytes in one tensor. */
static void write_large(void)
{
	write_file(SINGLE, "{\"a\":{\"dtype\":\"F32\",\"shape\":[200000],\"data_offsets\":[0,800000]}}", 800000);
}

/* False: they were in memory before, so that nothing was seen. */
static bool load_all(void)
{
	struct weights *w;
	struct errbuf e = { "" };
	double share = 0.0;
	size_t n_pages;

	forget(SINGLE);
	bool forgotten = pages_in_memory(SINGLE, &n_pages) < n_pages / 2;

	assert_int_equal(weights_open(&w, folder, &e), 0);
	assert_int_equal(weights_load(w, remember_share, &share, &e), 0);
	assert_true(share > 0.999999);
	assert_int_equal(pages_in_memory(SINGLE, &n_pages), n_pages);
	assert_int_equal(weights_load(w, NULL, NULL, &e), 0);
	weights_close(w);
	return forgotten;
}

static void loading_brings_every_page_into_memory(void **state)
{
	bool forgotten;

	(void)state;
	write_large();
	forgotten = load_all();
	old_kernel = true;
	if (!load_all() || !forgotten) {
		print_message("the file system of %s keeps files in memory (tmpfs?): cannot see whether loading brings them there\n", folder);
		skip();
	}
}

/* Cut after it was mapped: reading it would end the process. */
static void loading_a_file_cut_short_says_so(void **state)
{
	struct weights *w;
	struct errbuf e = { "" };
	char path[FIXTURE_PATH_BYTES + 64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		old_kernel = i;
		write_large();
		assert_int_equal(weights_open(&w, folder, &e), 0);
		snprintf(path, sizeof path, "%s/%s", folder, SINGLE);
		assert_int_equal(truncate(path, 5000), 0);
		assert_int_equal(weights_load(w, NULL, NULL, &e), -EIO);
		assert_names(&e, "model.safetensors|cut short");
		weights_close(w);
	}
}

/* What its path leads to now is not what was mapped, which has all its bytes. */
static void loading_a_file_that_was_replaced_reads_the_old_one(void **state)
{
	struct weights *w;
	struct errbuf e = { "" };
	char path[FIXTURE_PATH_BYTES + 64];

	(void)state;
	old_kernel = true;
	write_large();
	assert_int_equal(weights_open(&w, folder, &e), 0);
	snprintf(path, sizeof path, "%s/%s", folder, SINGLE);
	assert_int_equal(unlink(path), 0);
	file_write(folder, SINGLE, "new", 3);
	assert_int_equal(weights_load(w, NULL, NULL, &e), 0);
	weights_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_checkpoint_is_found_in_place),
		cmocka_unit_test(wrong_shape_and_missing_tensor_are_named),
		cmocka_unit_test_setup_teardown(written_file_is_read_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spoilt_headers_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_are_no_checkpoint_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(truncated_golden_checkpoint_says_what_is_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_spoilt_byte_crashes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shards_are_one_checkpoint, set_up, tear_down),
		cmocka_unit_test_setup_teardown(contradictory_indexes_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loading_brings_every_page_into_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loading_a_file_cut_short_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loading_a_file_that_was_replaced_reads_the_old_one, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
