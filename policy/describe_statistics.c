/* describe_statistics.c - the datasets whose ranges a checkpoint carries. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/describe_parts.h"
#include "policy/json_file.h"

#define STATISTICS_FILE "dataset_statistics.json"
#define CONFIG_FILE "config.json"

static int64_t take_count(const json_t *entry, const char *key)
{
	const json_t *value = json_object_get(entry, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
}

static int read_dataset(struct describe_dataset *s, const char *model, const char *key, const json_t *entry, struct errbuf *e)
{
	struct errbuf why = { "" };

	*s = (struct describe_dataset){ .transitions = take_count(entry, "num_transitions"),
		.trajectories = take_count(entry, "num_trajectories"),
		.has_bounds = json_is_array(json_object_get(json_object_get(entry, "action"), "min")) };
	snprintf(s->key, sizeof s->key, "%s", key);
	return statistics_read(&s->statistics, model, key, STATISTICS_AUTO, &why) < 0 ? describe_note(&s->problem, &why, e) : 0;
}

static int read_datasets(struct description *d, const json_t *table, struct errbuf *e)
{
	const char *key;
	json_t *entry;
	int rc = 0;

	d->dataset = calloc(json_object_size(table) + 1, sizeof d->dataset[0]);
	if (!d->dataset)
		return fail(e, -ENOMEM, "describe: out of memory");
	json_object_foreach((json_t *)(uintptr_t)table, key, entry)
		if (rc == 0)
			rc = read_dataset(&d->dataset[d->n_datasets++], d->model, key, entry, e);
	return rc;
}

/* As statistics_read: the file of its own, else norm_stats of config.json. */
int describe_statistics_read(struct description *d, struct errbuf *e)
{
	struct errbuf why = { "" };
	char path[PATH_BYTES];
	json_t *root = NULL;
	int rc = path_join(path, d->model, STATISTICS_FILE, e);
	bool own = rc == 0 && path_is_listed(path);

	if (rc < 0)
		return rc;
	snprintf(d->statistics_file, sizeof d->statistics_file, "%s", own ? STATISTICS_FILE : CONFIG_FILE ": norm_stats");
	if (json_file_read(&root, path, d->model, own ? STATISTICS_FILE : CONFIG_FILE, &why) < 0)
		return describe_note(&d->statistics_problem, &why, e);
	const json_t *table = own ? root : json_object_get(root, "norm_stats");

	if (own && json_object_size(table) == 0) {
		(void)fail(&why, 0, "%s: has no entries: actions cannot be un-normalised", path);
		rc = describe_note(&d->statistics_problem, &why, e);
	} else if (json_object_size(table) == 0) {
		(void)fail(&why, 0, "%s: there is no " STATISTICS_FILE ", and " CONFIG_FILE " has no norm_stats: actions cannot be "
				"un-normalised", d->model);
		rc = describe_note(&d->statistics_problem, &why, e);
	} else {
		rc = read_datasets(d, table, e);
	}
	json_decref(root);
	return rc;
}
