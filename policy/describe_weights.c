/* describe_weights.c - the safetensors files of a checkpoint, each for itself: which is missing, which is cut. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/describe_parts.h"
#include "policy/json_file.h"
#include "policy/safetensors.h"
#include "policy/weights.h"

#define SINGLE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"

static struct describe_shard *find_shard(struct describe_weights *w, const char *name)
{
	for (uint32_t i = 0; i < w->n_shards; i++)
		if (strcmp(w->shard[i].name, name) == 0)
			return &w->shard[i];
	return NULL;
}

static int add_shard(struct describe_weights *w, const char *name, struct errbuf *e)
{
	struct describe_shard *all;

	if (find_shard(w, name))
		return 0;
	all = realloc(w->shard, (w->n_shards + 1) * sizeof *all);
	if (!all)
		return fail(e, -ENOMEM, "describe: out of memory");
	w->shard = all;
	all[w->n_shards] = (struct describe_shard){ .name = "" };
	snprintf(all[w->n_shards++].name, DESCRIBE_NAME_BYTES, "%s", name);
	return 0;
}

static int compare_shards(const void *a, const void *b)
{
	return strcmp(((const struct describe_shard *)a)->name, ((const struct describe_shard *)b)->name);
}

/* The files that the index names. Names that are none are told by weights_open, below. */
static int list_shards(struct describe_weights *w, const char *model, struct errbuf *e)
{
	struct errbuf why = { "" };
	char path[PATH_BYTES];
	const char *tensor;
	json_t *index = NULL, *value;
	int rc = 0;

	if (json_file_read(&index, path, model, INDEX_FILE, &why) < 0)
		return 0;
	json_object_foreach(json_object_get(index, "weight_map"), tensor, value) {
		const char *name = json_string_value(value);

		if (name && !strchr(name, '/') && strlen(name) < DESCRIBE_NAME_BYTES && (rc = add_shard(w, name, e)) < 0)
			break;
	}
	json_decref(index);
	if (w->n_shards)
		qsort(w->shard, w->n_shards, sizeof w->shard[0], compare_shards);
	return rc;
}

static void count_tensors(struct describe_weights *w, struct describe_shard *s, const struct tensor *tensors, uint32_t n)
{
	uint64_t n_bytes;

	s->n_tensors = n;
	w->n_tensors += n;
	for (uint32_t i = 0; i < n; i++)
		if (tensor_bytes(tensors[i].type, tensors[i].rank, tensors[i].shape, &n_bytes) == 0)
			w->type_bytes[tensors[i].type] += n_bytes;
}

static int read_shard(struct describe_weights *w, struct describe_shard *s, const char *model, struct errbuf *e)
{
	struct errbuf why = { "" };
	struct mapping file = { 0 };
	struct tensor *tensors = NULL;
	char path[PATH_BYTES];
	uint32_t n = 0;
	int rc = path_join(path, model, s->name, &why);

	if (rc == 0)
		rc = mapping_open(&file, path, &why);
	if (rc == 0) {
		s->n_bytes = file.n_bytes;
		rc = safetensors_parse(&file, &tensors, &n, &why);
	}
	if (rc == 0)
		count_tensors(w, s, tensors, n);
	safetensors_free(tensors, n);
	mapping_close(&file);
	return rc < 0 ? describe_note(&s->problem, &why, e) : 0;
}

int describe_weights_read(struct describe_weights *w, const char *model, struct errbuf *e)
{
	struct errbuf why = { "" };
	char path[PATH_BYTES];
	struct weights *whole = NULL;
	uint32_t n_broken = 0;
	int rc = path_join(path, model, SINGLE_FILE, e);

	if (rc < 0 || (rc = list_shards(w, model, e)) < 0)
		return rc;
	if (path_is_listed(path) && (rc = add_shard(w, SINGLE_FILE, e)) < 0)
		return rc;
	for (uint32_t i = 0; i < w->n_shards; i++) {
		if ((rc = read_shard(w, &w->shard[i], model, e)) < 0)
			return rc;
		n_broken += w->shard[i].problem != NULL;
	}
	/* what no file shows for itself: none at all, both kinds, an index that contradicts its files */
	if (weights_open(&whole, model, &why) < 0 && n_broken == 0)
		rc = describe_note(&w->problem, &why, e);
	weights_close(whole);
	return rc;
}
