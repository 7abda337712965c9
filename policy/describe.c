/* describe.c - see describe.h. */
#include "policy/describe_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/tokenizer.h"

int describe_note(char **problem, const struct errbuf *why, struct errbuf *e)
{
	*problem = strdup(why->text);
	return *problem ? 0 : fail(e, -ENOMEM, "describe: out of memory");
}

static int read_manifest(struct description *d, struct errbuf *e)
{
	struct errbuf why = { "" };

	return manifest_read(&d->manifest, d->model, &why) < 0 ? describe_note(&d->manifest_problem, &why, e) : 0;
}

static int read_tokenizer(struct description *d, struct errbuf *e)
{
	struct errbuf why = { "" };
	struct tokenizer *t = NULL;

	if (tokenizer_create(&t, d->model, &why) < 0)
		return describe_note(&d->tokenizer_problem, &why, e);
	d->tokenizer_length = tokenizer_length(t);
	tokenizer_destroy(t);
	return 0;
}

static int check_directory(struct description *d, const char *model, struct errbuf *e)
{
	struct stat status;

	if (stat(model, &status) < 0)
		return fail(e, -errno, "%s: %s", model, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return fail(e, -ENOTDIR, "%s: is no directory; --model wants the folder that holds config.json", model);
	if (!realpath(model, d->model)) /* what is written into a configuration must hold from everywhere */
		return fail(e, -errno, "%s: %s", model, strerror(errno));
	return 0;
}

int describe_create(struct description **out, const char *model, const char *heads, struct errbuf *e)
{
	struct description *d = calloc(1, sizeof *d);
	int rc;

	if (!d)
		return fail(e, -ENOMEM, "describe: out of memory");
	if ((rc = check_directory(d, model, e)) < 0 || (rc = read_manifest(d, e)) < 0
			|| (rc = describe_weights_read(&d->weights, d->model, e)) < 0 || (rc = read_tokenizer(d, e)) < 0
			|| (rc = describe_statistics_read(d, e)) < 0 || (rc = describe_heads_read(d, heads, e)) < 0) {
		describe_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

static void free_heads(struct describe_heads *h)
{
	free(h->problem);
	free(h->doubt);
	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		free(h->file[i].problem);
	for (uint32_t i = 0; i < h->n_runs; i++)
		free(h->run[i].problem);
}

void describe_destroy(struct description *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->weights.n_shards; i++)
		free(d->weights.shard[i].problem);
	for (uint32_t i = 0; i < d->n_datasets; i++)
		free(d->dataset[i].problem);
	for (uint32_t i = 0; i < d->n_heads; i++)
		free_heads(&d->heads[i]);
	free(d->weights.shard);
	free(d->weights.problem);
	free(d->dataset);
	free(d->heads);
	free(d->manifest_problem);
	free(d->tokenizer_problem);
	free(d->statistics_problem);
	free(d);
}

static uint32_t head_problems(const struct describe_heads *h)
{
	uint32_t n = h->problem != NULL;

	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		n += h->file[i].problem != NULL;
	for (uint32_t i = 0; i < h->n_runs; i++)
		n += h->run[i].problem != NULL;
	return n;
}

uint32_t describe_problems(const struct description *d)
{
	const char *const parts[] = { d->manifest_problem, d->weights.problem, d->tokenizer_problem, d->statistics_problem };
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		n += parts[i] != NULL;
	for (uint32_t i = 0; i < d->weights.n_shards; i++)
		n += d->weights.shard[i].problem != NULL;
	for (uint32_t i = 0; i < d->n_datasets; i++)
		n += d->dataset[i].problem != NULL;
	return n + describe_heads_problems(d);
}

uint32_t describe_heads_problems(const struct description *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n_heads; i++)
		n += head_problems(&d->heads[i]);
	return n;
}

uint64_t describe_weight_bytes(const struct description *d)
{
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < TENSOR_TYPE_COUNT; i++)
		n_bytes += d->weights.type_bytes[i];
	return n_bytes;
}
