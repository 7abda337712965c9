/* weights.c - see weights.h. */
#include "policy/weights.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/log.h"
#include "policy/available_memory.h"
#include "policy/json_file.h"
#include "policy/mapping.h"
#include "policy/safetensors.h"

#define SINGLE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"

/* LOAD_BYTES: brought into memory between two reports; a fraction of a second on any disk. */
enum { SHARDS_MAX = 1024, LOAD_BYTES = 64 << 20 };

struct shard {
	char *name;                /* file name within the directory */
	struct mapping file;
	struct tensor *tensors;
	uint32_t n_tensors;
};

/* One row of the sorted table of all tensors. */
struct row {
	const struct tensor *tensor;
	const struct shard *shard;
};

struct weights {
	const struct weights_supply *supply; /* NULL: files, as follows */
	char *directory;
	struct shard *shards;
	uint32_t n_shards;
	struct row *rows;          /* sorted by name */
	uint32_t n_rows;
	uint64_t n_bytes, n_values;
};

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->tensor->name, ((const struct row *)b)->tensor->name);
}

static int compare_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct row *)row)->tensor->name);
}

static const struct row *find_row(const struct weights *w, const char *name)
{
	return bsearch(name, w->rows, w->n_rows, sizeof w->rows[0], compare_name);
}

static int open_shard(struct weights *w, const char *name, struct errbuf *e)
{
	struct shard *s = &w->shards[w->n_shards];
	char path[PATH_BYTES];
	int rc = path_join(path, w->directory, name, e);

	if (rc < 0)
		return rc;
	s->name = strdup(name);
	if (!s->name)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	w->n_shards++;
	if ((rc = mapping_open(&s->file, path, e)) < 0)
		return rc;
	return safetensors_parse(&s->file, &s->tensors, &s->n_tensors, e);
}

static bool has_shard(const struct weights *w, const char *name)
{
	for (uint32_t i = 0; i < w->n_shards; i++)
		if (strcmp(w->shards[i].name, name) == 0)
			return true;
	return false;
}

/* Sorts the tensors of all shards into one table; a name may occur once only. */
static int make_table(struct weights *w, struct errbuf *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_shards; i++)
		n += w->shards[i].n_tensors;
	w->rows = calloc((size_t)n + 1, sizeof w->rows[0]);
	if (!w->rows)
		return fail(e, -ENOMEM, "%s: out of memory", w->directory);
	for (uint32_t i = 0; i < w->n_shards; i++)
		for (uint32_t k = 0; k < w->shards[i].n_tensors; k++)
			w->rows[w->n_rows++] = (struct row){ &w->shards[i].tensors[k], &w->shards[i] };
	qsort(w->rows, n, sizeof w->rows[0], compare_rows);
	for (uint32_t i = 1; i < n; i++)
		if (compare_rows(&w->rows[i - 1], &w->rows[i]) == 0)
			return fail(e, -EINVAL, "%s: tensor %s is in %s and in %s", w->directory,
					w->rows[i].tensor->name, w->rows[i - 1].shard->name, w->rows[i].shard->name);
	return 0;
}

/* Opens every file that the index names, once. */
static int open_shards(struct weights *w, const char *index_path, const json_t *map, struct errbuf *e)
{
	const char *tensor;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
		const char *name = json_string_value(value);
		int rc;

		if (!name || !*name || strchr(name, '/'))
			return fail(e, -EINVAL, "%s: weight_map: %s: want the name of a file in the same folder",
					index_path, tensor);
		if (has_shard(w, name))
			continue;
		if (w->n_shards == SHARDS_MAX)
			return fail(e, -EINVAL, "%s: weight_map names more than %d files", index_path, SHARDS_MAX);
		rc = open_shard(w, name, e);
		if (rc == -ENOENT)
			return fail(e, rc, "%s: names the file %s, which is missing; fetch it again", index_path, name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Every tensor of the index must be in the shard that the index says. */
static int check_index(const struct weights *w, const char *index_path, const json_t *map, struct errbuf *e)
{
	const char *tensor;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
		const struct row *row = find_row(w, tensor);

		if (!row || strcmp(row->shard->name, json_string_value(value)) != 0)
			return fail(e, -EINVAL, "%s: tensor %s should be in %s, but is %s%s", index_path, tensor,
					json_string_value(value), row ? "in " : "nowhere", row ? row->shard->name : "");
	}
	return 0;
}

static int open_indexed(struct weights *w, struct errbuf *e)
{
	char path[PATH_BYTES];
	const json_t *map;
	json_t *index;
	int rc = json_file_read(&index, path, w->directory, INDEX_FILE, e);

	if (rc < 0)
		return rc;
	if ((rc = json_take_object(index, path, "weight_map", &map, e)) == 0 &&
			(rc = open_shards(w, path, map, e)) == 0 && (rc = make_table(w, e)) == 0)
		rc = check_index(w, path, map, e);
	json_decref(index);
	return rc;
}

static int open_single(struct weights *w, struct errbuf *e)
{
	int rc = open_shard(w, SINGLE_FILE, e);

	return rc < 0 ? rc : make_table(w, e);
}

static bool exists(const struct weights *w, const char *name)
{
	char path[PATH_BYTES];

	return path_join(path, w->directory, name, NULL) == 0 && path_is_listed(path);
}

/* One file, or an index with its shards; both at once would leave open which one is meant. */
static int open_files(struct weights *w, struct errbuf *e)
{
	bool single = exists(w, SINGLE_FILE), indexed = exists(w, INDEX_FILE);

	if (single && indexed)
		return fail(e, -EINVAL, "%s: has both %s and %s; remove the one that is out of date", w->directory,
				SINGLE_FILE, INDEX_FILE);
	if (!single && !indexed)
		return fail(e, -ENOENT, "%s: has neither %s nor %s: no checkpoint directory", w->directory, SINGLE_FILE,
				INDEX_FILE);
	return single ? open_single(w, e) : open_indexed(w, e);
}

int weights_open(struct weights **out, const char *directory, struct errbuf *e)
{
	struct weights *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return fail(e, -ENOMEM, "%s: out of memory", directory);
	w->directory = strdup(directory);
	w->shards = calloc(SHARDS_MAX, sizeof w->shards[0]);
	if (!w->directory || !w->shards)
		rc = fail(e, -ENOMEM, "%s: out of memory", directory);
	else
		rc = open_files(w, e);
	if (rc < 0) {
		weights_close(w);
		return rc;
	}
	for (uint32_t i = 0; i < w->n_rows; i++) {
		const struct tensor *t = w->rows[i].tensor;
		uint64_t n_bytes = 0;

		if (tensor_bytes(t->type, t->rank, t->shape, &n_bytes) == 0)
			w->n_bytes += n_bytes;
		w->n_values += n_bytes / tensor_type_bytes(t->type);
	}
	*out = w;
	return 0;
}

int weights_open_supply(struct weights **out, const struct weights_supply *supply, struct errbuf *e)
{
	struct weights *w = calloc(1, sizeof *w);

	if (!w)
		return fail(e, -ENOMEM, "weights: out of memory");
	w->supply = supply;
	w->n_values = supply->values;
	w->n_bytes = supply->values * tensor_type_bytes(TENSOR_BF16);
	*out = w;
	return 0;
}

static uint64_t file_bytes(const struct weights *w)
{
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < w->n_shards; i++)
		n_bytes += w->shards[i].file.n_bytes;
	return n_bytes;
}

int weights_load(const struct weights *w, void (*report)(void *context, double share), void *context, struct errbuf *e)
{
	uint64_t total = file_bytes(w), available = available_memory_bytes(""), done = 0;

	if (total > available) {
		log_line(LOG_LEVEL_WARNING, "policy: %s: the weights take %.1f GB, but only %.1f GB of memory are available: every inference will "
				"read them from disk anew and be slow; end other programs, add memory or raise the limit of this service or container",
				w->directory, (double)total / 1e9, (double)available / 1e9);
		return 0;
	}
	for (uint32_t i = 0; i < w->n_shards; i++) {
		const struct mapping *m = &w->shards[i].file;

		for (size_t at = 0; at < m->n_bytes; at += LOAD_BYTES) {
			int rc = mapping_load(m, at, LOAD_BYTES, e);

			if (rc < 0)
				return rc;
			done += m->n_bytes - at < LOAD_BYTES ? m->n_bytes - at : LOAD_BYTES;
			if (report)
				report(context, (double)done / (double)total);
		}
	}
	return 0;
}

int weights_fetch(const struct weights *w, const void *from, uint64_t n_bytes, struct errbuf *e)
{
	uintptr_t at = (uintptr_t)from;

	for (uint32_t i = 0; i < w->n_shards; i++) {
		const struct mapping *m = &w->shards[i].file;
		uintptr_t begin = (uintptr_t)m->data;

		if (at >= begin && at - begin < m->n_bytes)
			return mapping_load(m, at - begin, n_bytes, e);
	}
	return 0;
}

void weights_close(struct weights *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < w->n_shards; i++) {
		safetensors_free(w->shards[i].tensors, w->shards[i].n_tensors);
		mapping_close(&w->shards[i].file);
		free(w->shards[i].name);
	}
	free(w->shards);
	free(w->rows);
	free(w->directory);
	free(w);
}

int weights_find(const struct weights *w, const char *name, uint32_t rank, const uint64_t *shape, struct tensor *out,
		struct errbuf *e)
{
	if (w->supply)
		return w->supply->take(w->supply->context, name, rank, shape, out, e);
	const struct row *row = find_row(w, name);
	int rc;

	if (!row)
		return fail(e, -ENOENT, "%s: tensor %s is missing from %s", w->directory, name,
				w->n_shards == 1 ? w->shards[0].name : "all files of the index");
	if ((rc = tensor_check_shape(row->tensor, row->shard->file.path, rank, shape, e)) < 0)
		return rc;
	*out = *row->tensor;
	return 0;
}

bool weights_has(const struct weights *w, const char *name)
{
	return !w->supply && find_row(w, name) != NULL;
}

uint64_t weights_bytes(const struct weights *w)
{
	return w->n_bytes;
}

uint64_t weights_values(const struct weights *w)
{
	return w->n_values;
}
