/* fuzz_safetensors.c - weights of a checkpoint: model.safetensors, or its index and two shards. What is accepted must lie in the
 * file, whole and aligned, and be found by its name. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "policy/safetensors.h"
#include "policy/weights.h"

static const char *const names[] = { "model.safetensors", "model.safetensors.index.json", "a.safetensors", "b.safetensors" };

static void check_tensor(const struct mapping *file, const struct tensor *t)
{
	const uint8_t *at = t->data;
	uint64_t n_bytes;

	fuzz_require(t->name && t->rank <= TENSOR_RANK_MAX && t->type < TENSOR_TYPE_COUNT);
	fuzz_require(tensor_bytes(t->type, t->rank, t->shape, &n_bytes) == 0);
	fuzz_require((uintptr_t)at % tensor_type_bytes(t->type) == 0);
	fuzz_require(at >= file->data && n_bytes <= (uint64_t)(file->data + file->n_bytes - at));
	fuzz_touch(at, n_bytes);
}

static void check_found(const struct weights *w, const struct tensor *t)
{
	struct errbuf e;
	struct tensor found;

	fuzz_require(weights_has(w, t->name));
	fuzz_require(weights_find(w, t->name, t->rank, t->shape, &found, &e) == 0);
	fuzz_require(!strcmp(found.name, t->name) && found.type == t->type);
}

/* One file by itself, and whether `w` (or NULL) knows its tensors. */
static void check_file(const char *name, const struct weights *w)
{
	struct mapping file = { 0 };
	struct tensor *tensors;
	struct errbuf e;
	char path[2048];
	uint32_t n;

	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	if (mapping_open(&file, path, &e) < 0)
		return;
	if (safetensors_parse(&file, &tensors, &n, &e) == 0) {
		for (uint32_t i = 0; i < n; i++) {
			check_tensor(&file, &tensors[i]);
			if (w)
				check_found(w, &tensors[i]);
		}
		safetensors_free(tensors, n);
	} else {
		fuzz_require(!w && strstr(e.text, name));
	}
	mapping_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct weights *w = NULL;
	struct errbuf e;

	fuzz_write_parts(data, n, names, sizeof names / sizeof *names);
	if (weights_open(&w, fuzz_folder(), &e) < 0)
		fuzz_require(!w && e.text[0]);
	/* Either the single file, which is then all there is, or shards that the index need not name all. */
	check_file(names[0], w);
	check_file(names[2], NULL);
	weights_close(w);
	return 0;
}
