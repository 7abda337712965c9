/* safetensors_write.c - see safetensors_write.h. */
#include "policy/safetensors_write.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tensor.h"

enum { HEADER_ALIGNMENT = 8 }; /* spaces pad the header, so that the data is aligned */

struct safetensors_writer {
	json_t *header;
	uint8_t *data;
	uint64_t n_bytes, capacity;
};

static const struct {
	char type;
	const char *name;
	uint32_t n_bytes;
} kinds[] = { { 'f', "F32", 4 }, { 'i', "I64", 8 }, { 'u', "U8", 1 } };

int safetensors_writer_create(struct safetensors_writer **out, struct errbuf *e)
{
	struct safetensors_writer *w = calloc(1, sizeof *w);

	if (w)
		w->header = json_object();
	if (!w || !w->header) {
		free(w);
		return fail(e, -ENOMEM, "dump: out of memory");
	}
	*out = w;
	return 0;
}

void safetensors_writer_destroy(struct safetensors_writer *w)
{
	if (!w)
		return;
	json_decref(w->header);
	free(w->data);
	free(w);
}

static int append(struct safetensors_writer *w, const void *data, uint64_t n_bytes)
{
	if (n_bytes > w->capacity - w->n_bytes) {
		uint64_t capacity = 2 * (w->n_bytes + n_bytes);
		uint8_t *grown = realloc(w->data, capacity);

		if (!grown)
			return -ENOMEM;
		w->data = grown;
		w->capacity = capacity;
	}
	if (n_bytes)
		memcpy(w->data + w->n_bytes, data, n_bytes);
	w->n_bytes += n_bytes;
	return 0;
}

static json_t *describe(const char *kind, const uint64_t *shape, uint32_t rank, uint64_t first, uint64_t end)
{
	json_t *sizes = json_array();

	for (uint32_t i = 0; i < rank; i++)
		json_array_append_new(sizes, json_integer((json_int_t)shape[i]));
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", kind, "shape", sizes, "data_offsets", (json_int_t)first,
			(json_int_t)end);
}

int safetensors_writer_add(struct safetensors_writer *w, const char *name, char type, const void *data,
		const uint64_t *shape, uint32_t rank, struct errbuf *e)
{
	uint64_t first = w->n_bytes, n_bytes;
	size_t k = 0;

	while (k < sizeof kinds / sizeof kinds[0] && kinds[k].type != type)
		k++;
	if (k == sizeof kinds / sizeof kinds[0])
		return fail(e, -EINVAL, "dump: tensor %s: type '%c' is none of f, i, u", name, type);
	if (rank > TENSOR_RANK_MAX || json_object_get(w->header, name))
		return fail(e, -EINVAL, "dump: tensor %s: %s", name,
				rank > TENSOR_RANK_MAX ? "too many dimensions" : "given twice");
	n_bytes = kinds[k].n_bytes;
	for (uint32_t i = 0; i < rank; i++)
		n_bytes *= shape[i];
	if (append(w, data, n_bytes) < 0 ||
			json_object_set_new(w->header, name, describe(kinds[k].name, shape, rank, first, w->n_bytes)) <
					0)
		return fail(e, -ENOMEM, "dump: tensor %s: out of memory or a name that is not UTF-8", name);
	return 0;
}

static bool write_all(FILE *file, const char *header, const struct safetensors_writer *w)
{
	size_t length = strlen(header), padding = (HEADER_ALIGNMENT - length % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
	uint8_t prefix[8];

	for (int i = 0; i < 8; i++)
		prefix[i] = (uint8_t)((uint64_t)(length + padding) >> (8 * i));
	return fwrite(prefix, 1, sizeof prefix, file) == sizeof prefix && fwrite(header, 1, length, file) == length &&
			fwrite("       ", 1, padding, file) == padding &&
			fwrite(w->data, 1, w->n_bytes, file) == w->n_bytes;
}

int safetensors_writer_save(const struct safetensors_writer *w, const char *path, struct errbuf *e)
{
	char *header = json_dumps(w->header, JSON_COMPACT);
	FILE *file;
	bool written;

	if (!header)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	file = fopen(path, "wb");
	if (!file) {
		free(header);
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	}
	errno = 0;
	written = write_all(file, header, w);
	free(header);
	if (fclose(file) != 0 || !written)
		return fail(e, errno ? -errno : -EIO, "%s: cannot write: %s", path, strerror(errno ? errno : EIO));
	return 0;
}
