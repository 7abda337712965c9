/* noise_file.c - see noise_file.h. The reader of weights (safetensors.h) knows neither F64 nor the other types that a dump holds. */
#include "policy/infer/noise_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/mapping.h"

enum { LENGTH_BYTES = 8 };

/* The file's header as JSON, and where its data begin; NULL: it has none. */
static json_t *read_header(const struct mapping *file, uint64_t *data)
{
	uint64_t length = 0;

	if (file->n_bytes < LENGTH_BYTES)
		return NULL;
	memcpy(&length, file->data, sizeof length);
	if (length > file->n_bytes - LENGTH_BYTES)
		return NULL;
	*data = LENGTH_BYTES + length;
	return json_loadb((const char *)file->data + LENGTH_BYTES, (size_t)length, 0, NULL);
}

static bool has_shape(const json_t *entry, uint32_t chunk, uint32_t dim)
{
	const json_t *shape = json_object_get(entry, "shape");

	return json_array_size(shape) == 2 && json_integer_value(json_array_get(shape, 0)) == chunk
			&& json_integer_value(json_array_get(shape, 1)) == dim;
}

/* Bytes of a value; 0: a type that is not read here. */
static uint32_t value_bytes(const json_t *entry)
{
	const char *type = json_string_value(json_object_get(entry, "dtype"));

	if (!type)
		return 0;
	return !strcmp(type, "F64") ? 8 : !strcmp(type, "F32") ? 4 : 0;
}

static int refuse_entry(const char *path, const json_t *entry, uint32_t chunk, uint32_t dim, struct errbuf *e)
{
	char *shape = json_dumps(json_object_get(entry, "shape"), JSON_COMPACT);
	const char *type = json_string_value(json_object_get(entry, "dtype"));

	(void)fail(e, -EINVAL, "%s: tensor noise: %.16s %.64s, want F64 or F32 [%u,%u], action chunk by action dimensions", path,
			type ? type : "no dtype", shape ? shape : "without a shape", chunk, dim);
	free(shape);
	return -EINVAL;
}

/* First byte of the tensor, or NULL: it does not lie within the file. */
static const uint8_t *find_values(const struct mapping *file, uint64_t data, const json_t *entry, uint64_t n_bytes)
{
	const json_t *offsets = json_object_get(entry, "data_offsets");
	json_int_t first = json_integer_value(json_array_get(offsets, 0)), last = json_integer_value(json_array_get(offsets, 1));
	uint64_t room = file->n_bytes - data;

	if (json_array_size(offsets) != 2 || first < 0 || last < first || (uint64_t)last > room || (uint64_t)(last - first) != n_bytes)
		return NULL;
	return file->data + data + first;
}

static int copy_values(const char *path, const uint8_t *from, uint32_t bytes, uint32_t n, double *out, struct errbuf *e)
{
	for (uint32_t i = 0; i < n; i++, from += bytes) {
		float single;

		if (bytes == sizeof *out) {
			memcpy(&out[i], from, sizeof out[i]);
		} else {
			memcpy(&single, from, sizeof single);
			out[i] = (double)single;
		}
		if (!isfinite(out[i]))
			return fail(e, -EINVAL, "%s: tensor noise: value %u of %u is %g, want finite numbers", path, i, n, out[i]);
	}
	return 0;
}

static int read_entry(const char *path, const struct mapping *file, uint64_t data, const json_t *header, uint32_t chunk,
		uint32_t dim, double *out, struct errbuf *e)
{
	const json_t *entry = json_object_get(header, "noise");
	uint32_t bytes = value_bytes(entry), n = chunk * dim;

	if (!entry)
		return fail(e, -EINVAL, "%s: tensor noise is missing; want F64 or F32 [%u,%u]", path, chunk, dim);
	if (!bytes || !has_shape(entry, chunk, dim))
		return refuse_entry(path, entry, chunk, dim, e);
	const uint8_t *from = find_values(file, data, entry, (uint64_t)n * bytes);

	if (!from)
		return fail(e, -EINVAL, "%s: tensor noise: its data_offsets do not span %u bytes within the file: truncated or damaged",
				path, n * bytes);
	return copy_values(path, from, bytes, n, out, e);
}

int noise_file_read(const char *path, uint32_t chunk, uint32_t dim, double *out, struct errbuf *e)
{
	struct mapping file = { 0 };
	uint64_t data = 0;
	int rc = mapping_open(&file, path, e);

	if (rc < 0)
		return rc;
	json_t *header = read_header(&file, &data);

	if (header)
		rc = read_entry(path, &file, data, header, chunk, dim, out, e);
	else
		rc = fail(e, -EINVAL, "%s: no safetensors file: its first 8 bytes and the JSON header behind them do not fit", path);
	json_decref(header);
	mapping_close(&file);
	return rc;
}
