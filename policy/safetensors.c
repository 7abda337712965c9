/* safetensors.c - see safetensors.h. */
#include "policy/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "policy/json_file.h"

enum {
	LENGTH_BYTES = 8,
	HEADER_BYTES_MAX = 100 * 1000 * 1000, /* the limit of the format's own library */
};

/* Where the data of a file lies, and its name for messages. */
struct file_part {
	const char *path;
	const uint8_t *data;
	uint64_t n_bytes;
};

/* Bytes [first, end) of the data part. */
struct extent {
	uint64_t first, end;
	const char *name;
};

static int parse_type(const struct file_part *part, const char *name, const json_t *entry, enum tensor_type *out,
		struct errbuf *e)
{
	const char *found = json_string_value(json_object_get(entry, "dtype"));

	for (int type = 0; found && type < TENSOR_TYPE_COUNT; type++)
		if (strcmp(found, tensor_type_name((enum tensor_type)type)) == 0) {
			*out = (enum tensor_type)type;
			return 0;
		}
	return fail(e, found ? -ENOTSUP : -EINVAL, "%s: tensor %s: dtype is %.32s, want BF16, F16 or F32", part->path,
			name, found ? found : "missing");
}

static int parse_shape(const struct file_part *part, const char *name, const json_t *entry, struct tensor *t,
		struct errbuf *e)
{
	const json_t *shape = json_object_get(entry, "shape");

	if (!json_is_array(shape) || json_array_size(shape) > TENSOR_RANK_MAX)
		return fail(e, -EINVAL, "%s: tensor %s: shape is no array of at most %d sizes", part->path, name,
				TENSOR_RANK_MAX);
	t->rank = (uint32_t)json_array_size(shape);
	for (uint32_t i = 0; i < t->rank; i++) {
		const json_t *size = json_array_get(shape, i);

		if (!json_is_integer(size) || json_integer_value(size) < 0)
			return fail(e, -EINVAL, "%s: tensor %s: size %u of its shape is no size", part->path, name, i);
		t->shape[i] = (uint64_t)json_integer_value(size);
	}
	return 0;
}

static int parse_offsets(const struct file_part *part, const char *name, const json_t *entry, struct extent *x,
		struct errbuf *e)
{
	const json_t *offsets = json_object_get(entry, "data_offsets");
	const json_t *first = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);

	if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(end) ||
			json_integer_value(first) < 0 || json_integer_value(end) < json_integer_value(first))
		return fail(e, -EINVAL, "%s: tensor %s: data_offsets is not [first, end]", part->path, name);
	*x = (struct extent){ (uint64_t)json_integer_value(first), (uint64_t)json_integer_value(end), name };
	return 0;
}

/* One entry of the header: type, shape and offsets must agree with each other. The name stays the JSON's own. */
static int parse_entry(const struct file_part *part, const char *name, const json_t *entry, struct tensor *t,
		struct extent *x, struct errbuf *e)
{
	uint64_t want_bytes;
	int rc;

	if (!json_is_object(entry))
		return fail(e, -EINVAL, "%s: tensor %s: its entry is %s, want an object", part->path, name,
				json_kind(entry));
	if ((rc = parse_type(part, name, entry, &t->type, e)) < 0 || (rc = parse_shape(part, name, entry, t, e)) < 0 ||
			(rc = parse_offsets(part, name, entry, x, e)) < 0)
		return rc;
	if (tensor_bytes(t->type, t->rank, t->shape, &want_bytes) < 0)
		return fail(e, -EINVAL, "%s: tensor %s: its shape is larger than any file", part->path, name);
	if (x->end - x->first != want_bytes)
		return fail(e, -EINVAL,
				"%s: tensor %s: data_offsets span %" PRIu64 " bytes, its shape and type want %" PRIu64,
				part->path, name, x->end - x->first, want_bytes);
	return 0;
}

static int compare_extents(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Tensors must tile the data part: no overlap, no hole, no cut end, nothing behind. */
static int check_extents(const struct file_part *part, struct extent *extents, uint32_t n, struct errbuf *e)
{
	uint64_t end = 0;

	qsort(extents, n, sizeof extents[0], compare_extents);
	for (uint32_t i = 0; i < n; i++) {
		const struct extent *x = &extents[i];

		if (x->first < end)
			return fail(e, -EINVAL, "%s: tensors %s and %s overlap", part->path, extents[i - 1].name,
					x->name);
		if (x->first > end)
			return fail(e, -EINVAL, "%s: %" PRIu64 " bytes before tensor %s belong to no tensor",
					part->path, x->first - end, x->name);
		end = x->end;
	}
	if (end == part->n_bytes)
		return 0;
	return fail(e, -EINVAL,
			"%s: %s: its tensors need %" PRIu64 " bytes of data, found %" PRIu64 "; fetch the file again",
			part->path, end > part->n_bytes ? "truncated" : "too long", end, part->n_bytes);
}

/* The mapping begins on a page, so this is the alignment within the file. */
static int check_alignment(const struct file_part *part, const struct tensor *tensors, uint32_t n, struct errbuf *e)
{
	for (uint32_t i = 0; i < n; i++)
		if ((uintptr_t)tensors[i].data % tensor_type_bytes(tensors[i].type) != 0)
			return fail(e, -EINVAL,
					"%s: tensor %s: its data is not aligned to %u bytes; save the checkpoint again",
					part->path, tensors[i].name, tensor_type_bytes(tensors[i].type));
	return 0;
}

static int parse_entries(const struct file_part *part, const json_t *header, struct tensor *tensors,
		struct extent *extents, uint32_t *n_tensors, struct errbuf *e)
{
	const char *name;
	json_t *entry;
	uint32_t n = 0;
	int rc;

	json_object_foreach((json_t *)(uintptr_t)header, name, entry) {
		if (strcmp(name, "__metadata__") == 0)
			continue;
		if ((rc = parse_entry(part, name, entry, &tensors[n], &extents[n], e)) < 0)
			return rc;
		tensors[n].name = strdup(name);
		if (!tensors[n].name)
			return fail(e, -ENOMEM, "%s: out of memory", part->path);
		/* a number until it is checked below */
		tensors[n].data = (const void *)((uintptr_t)part->data + extents[n].first);
		*n_tensors = ++n;
	}
	if ((rc = check_extents(part, extents, n, e)) < 0)
		return rc;
	return check_alignment(part, tensors, n, e);
}

static int read_header(const struct mapping *file, json_t **header, struct file_part *part, struct errbuf *e)
{
	uint64_t length = 0;

	if (file->n_bytes < LENGTH_BYTES)
		return fail(e, -EINVAL, "%s: truncated: expected at least %d bytes, found %zu", file->path,
				LENGTH_BYTES, file->n_bytes);
	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		length = length << 8 | file->data[i];
	if (length > HEADER_BYTES_MAX || length > file->n_bytes - LENGTH_BYTES)
		return fail(e, -EINVAL,
				"%s: a header of %" PRIu64
				" bytes does not fit a file of %zu: truncated, or no safetensors "
				"file (a Git LFS pointer?)",
				file->path, length, file->n_bytes);
	*part = (struct file_part){ file->path, file->data + LENGTH_BYTES + length,
		file->n_bytes - LENGTH_BYTES - length };
	return json_text_read(header, file->path, (const char *)file->data + LENGTH_BYTES, length, e);
}

int safetensors_parse(const struct mapping *file, struct tensor **tensors, uint32_t *n_tensors, struct errbuf *e)
{
	struct file_part part = { 0 };
	struct extent *extents = NULL;
	struct tensor *found = NULL;
	json_t *header = NULL;
	uint32_t n = 0;
	int rc = read_header(file, &header, &part, e);

	if (rc < 0)
		return rc;
	found = calloc(json_object_size(header) + 1, sizeof *found);
	extents = calloc(json_object_size(header) + 1, sizeof *extents);
	if (found && extents)
		rc = parse_entries(&part, header, found, extents, &n, e);
	else
		rc = fail(e, -ENOMEM, "%s: out of memory", file->path);
	free(extents);
	json_decref(header);
	if (rc < 0) {
		safetensors_free(found, n);
		return rc;
	}
	*tensors = found;
	*n_tensors = n;
	return 0;
}

void safetensors_free(struct tensor *tensors, uint32_t n_tensors)
{
	for (uint32_t i = 0; i < n_tensors; i++)
		free((char *)(uintptr_t)tensors[i].name);
	free(tensors);
}
