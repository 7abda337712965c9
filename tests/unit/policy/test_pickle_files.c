/* test_pickle_files.c - `.pt` files that several versions of PyTorch have written (pt/make_pt.py): every tensor of those that a head
 * may be, as that PyTorch held it, and what is said about the others. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <inttypes.h>

#include "policy/pickle.h"

#define FILES "tests/unit/policy/pt"

static const char *const versions[] = { "1.6.0", "1.13.1", "2.0.1", "2.1.2", "2.4.1", "2.6.0", "2.13.0" };
static const char *const versions_full[] = { "1.13.1", "2.13.0" };

enum { VERSIONS = sizeof versions / sizeof versions[0] };

static void version_folder(char out[FIXTURE_PATH_BYTES], const char *version)
{
	snprintf(out, FIXTURE_PATH_BYTES, "%s/torch-%s", FILES, version);
}

/* -- what is read --------------------------------------------------------------------------------------------------------------- */

static void check_bytes(const char *name, const struct tensor *t, const char *hex)
{
	const uint8_t *data = t->data;
	uint64_t n_bytes = 0;

	assert_int_equal(tensor_bytes(t->type, t->rank, t->shape, &n_bytes), 0);
	assert_int_equal(strlen(hex), 2 * n_bytes);
	for (uint64_t i = 0; i < n_bytes; i++) {
		unsigned byte = 0;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		if (byte != data[i])
			fail_msg("%s: byte %" PRIu64 " is %02x, want %02x", name, i, data[i], byte);
	}
}

static void check_tensor(const struct head_file *f, const char *name, const json_t *want)
{
	const json_t *sizes = json_object_get(want, "shape");
	uint64_t shape[TENSOR_RANK_MAX];
	struct errbuf e = { "" };
	struct tensor t;

	name += strncmp(name, "module.", 7) == 0 ? 7 : 0;
	for (size_t i = 0; i < json_array_size(sizes); i++)
		shape[i] = (uint64_t)json_integer_value(json_array_get(sizes, i));
	if (head_file_find(f, name, (uint32_t)json_array_size(sizes), shape, &t, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(tensor_type_name(t.type), json_string_value(json_object_get(want, "type")));
	check_bytes(name, &t, json_string_value(json_object_get(want, "bytes")));
}

static void check_file(const char *folder, const char *kind, json_t *want)
{
	struct errbuf e = { "" };
	struct head_file *f = NULL;
	const char *name;
	json_t *tensor;

	if (head_file_open(&f, folder, kind, &e) < 0)
		fail_msg("%s", e.text);
	json_object_foreach(want, name, tensor)
		check_tensor(f, name, tensor);
	head_file_close(f);
}

static void every_version_is_read(void **state)
{
	char folder[FIXTURE_PATH_BYTES];
	json_t *cases, *want;
	const char *kind;

	(void)state;
	for (int i = 0; i < VERSIONS; i++) {
		version_folder(folder, versions[i]);
		char *text = file_read(folder, "expected.json", NULL);

		cases = json_loads(text, 0, NULL);
		assert_int_equal(json_object_size(cases), 9);
		json_object_foreach(cases, kind, want)
			check_file(folder, kind, want);
		json_decref(cases);
		free(text);
	}
}

/* -- what is refused ------------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *kind;
	int rc;
	const char *words;         /* besides the file's name */
	bool new_only;             /* the oldest here cannot make it */
} refused[] = {
	{ "transposed", -ENOTSUP, "tensor w|not contiguous|.contiguous()" },
	{ "gaps", -ENOTSUP, "tensor w|not contiguous" },
	{ "repeated", -ENOTSUP, "tensor w|not contiguous" },
	{ "float64", -ENOTSUP, "tensor w|float64|BF16, F16 or F32" },
	{ "int64", -ENOTSUP, "tensor w|int64" },
	{ "bool", -ENOTSUP, "tensor w|bool" },
	{ "uint8", -ENOTSUP, "tensor w|uint8" },
	{ "complex64", -ENOTSUP, "tensor w|complex64" },
	{ "quantized", -ENOTSUP, "entry w|global torch._utils._rebuild_qtensor" },
	{ "sparse", -ENOTSUP, "entry w|global torch._utils._rebuild_sparse_tensor" },
	{ "seven_dimensions", -ENOTSUP, "entry w|7 dimensions" },
	{ "epoch_beside", -EINVAL, "entry epoch|a number|state_dict" },
	{ "loss_beside", -ENOTSUP, "entry loss|opcode 0x47 (BINFLOAT)|state_dict" },
	{ "size_beside", -ENOTSUP, "entry size|global torch.Size" },
	{ "list_beside", -ENOTSUP, "entry steps|opcode 0x5d (EMPTY_LIST)" },
	{ "numpy_beside", -ENOTSUP, "entry mean|global numpy.|.multiarray.scalar" },
	{ "nested", -EINVAL, "entry epoch|a number|state_dict" },
	{ "no_dict", -ENOTSUP, "opcode 0x5d (EMPTY_LIST)" },
	{ "tensor_only", -EINVAL, "no dictionary of tensors but a tensor" },
	{ "number_key", -EINVAL, "key|no text but a number" },
	{ "negated", -ENOTSUP, "entry w|negative", true },
	{ "whole_module", -ENOTSUP, "global torch.nn.modules.container.Sequential|state_dict" },
	{ "protocol4", -ENOTSUP, "pickle protocol 4, want at most 2" },
	{ "protocol5", -ENOTSUP, "pickle protocol 5, want at most 2" },
	{ "legacy", -ENOTSUP, "legacy format|save it again" },
	{ "torchscript", -ENOTSUP, "/code/__torch__/|compressed" },
	{ "deflated", -ENOTSUP, "/data.pkl is compressed|stored" },
};

static void what_is_no_head_is_named(void **state)
{
	char folder[FIXTURE_PATH_BYTES];

	(void)state;
	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
			struct head_file *f = NULL;
			struct errbuf e = { "" };

			if (v == 0 && refused[i].new_only)
				continue;
			version_folder(folder, versions_full[v]);
			int rc = head_file_open(&f, folder, refused[i].kind, &e);

			if (rc != refused[i].rc)
				fail_msg("torch %s, %s: rc %d, want %d: %s", versions_full[v], refused[i].kind, rc, refused[i].rc, e.text);
			assert_names(&e, refused[i].words);
			assert_names(&e, refused[i].kind);
			assert_null(f);
		}
}

/* A prefix of the name that is not "module.": the message shows the names that are there. */
static void a_missing_tensor_shows_what_is_there(void **state)
{
	struct errbuf e = { "" };
	struct head_file *f = NULL;
	struct tensor t;

	(void)state;
	assert_int_equal(head_file_open(&f, FILES "/torch-2.13.0", "state_dict", &e), 0);
	assert_int_equal(head_file_find(f, "fc1.weight", 0, NULL, &t, &e), -ENOENT);
	assert_names(&e, "state_dict--0_checkpoint.pt|tensor fc1.weight is missing|0.weight, 0.bias, 1.weight, 1.bias");
	head_file_close(f);
}

/* -- cut files ------------------------------------------------------------------------------------------------------------------ */

static void cut_file(const char *from, const char *folder, const char *kind)
{
	char name[128], path[FIXTURE_PATH_BYTES];
	size_t n_bytes;

	snprintf(name, sizeof name, "%s--0_checkpoint.pt", kind);
	char *data = file_read(from, name, &n_bytes);

	file_write(folder, name, data, n_bytes);
	assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
	while (n_bytes-- > 0) {
		struct head_file *f = NULL;
		struct errbuf e = { "" };

		assert_int_equal(truncate(path, (off_t)n_bytes), 0);
		assert_int_equal(head_file_open(&f, folder, kind, &e), -EINVAL);
		assert_names(&e, name);
	}
	free(data);
}

static void no_length_of_a_file_crashes(void **state)
{
	static const char *const kinds[] = { "state_dict", "module_prefix", "views", "parameters" };
	char folder[FIXTURE_PATH_BYTES], from[FIXTURE_PATH_BYTES];

	(void)state;
	folder_make(folder);
	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
			version_folder(from, versions_full[v]);
			cut_file(from, folder, kinds[i]);
		}
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_is_read),
		cmocka_unit_test(what_is_no_head_is_named),
		cmocka_unit_test(a_missing_tensor_shows_what_is_there),
		cmocka_unit_test(no_length_of_a_file_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
