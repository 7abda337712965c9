/* statistics.c - see statistics.h. */
#include "policy/statistics.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "policy/json_file.h"
#include "policy/mapping.h"

#define STATISTICS_FILE "dataset_statistics.json"
#define CONFIG_FILE "config.json"

/* Room for some forty names beside the path in one message; KEY_SHOWN: of a name, however long it is. */
enum { KEYS_TEXT_BYTES = 672, KEY_SHOWN = 64 };

/* What is being read, for messages: file, dataset key and "action" or "proprio". */
struct place {
	const char *path, *key, *part;
	enum statistics_kind kind;
};

/* The epsilon of the training code: keeps a constant dimension from dividing by zero. */
static const double range_epsilon = 1e-8;

/* Far above any unit of a robot; keeps high - low finite. */
static const double value_max = 1e9;

static int take_array(const struct place *at, const json_t *part, const char *name, uint32_t dim, double *out,
		struct errbuf *e)
{
	const json_t *array = json_object_get(part, name);

	if (!json_is_array(array) || json_array_size(array) != dim)
		return fail(e, -EINVAL, "%s: %s.%s.%s is %s of %zu, want %u numbers", at->path, at->key, at->part, name,
				json_kind(array), json_array_size(array), dim);
	for (uint32_t i = 0; i < dim; i++) {
		const json_t *value = json_array_get(array, i);

		out[i] = json_number_value(value);
		if (!json_is_number(value) || !(fabs(out[i]) <= value_max))
			return fail(e, -EINVAL, "%s: %s.%s.%s[%u] is %s, %g; want a number of at most %g", at->path,
					at->key, at->part, name, i, json_kind(value), out[i], value_max);
	}
	return 0;
}

static int take_mask(const struct place *at, const json_t *part, struct statistics_range *r, struct errbuf *e)
{
	const json_t *array = json_object_get(part, "mask");

	for (uint32_t i = 0; i < r->dim; i++)
		r->masked[i] = true;
	if (!array)
		return 0;
	if (!json_is_array(array) || json_array_size(array) != r->dim)
		return fail(e, -EINVAL, "%s: %s.%s.mask is %s of %zu, want %u truth values", at->path, at->key,
				at->part, json_kind(array), json_array_size(array), r->dim);
	for (uint32_t i = 0; i < r->dim; i++) {
		const json_t *value = json_array_get(array, i);

		if (!json_is_boolean(value))
			return fail(e, -EINVAL, "%s: %s.%s.mask[%u] is %s, want true or false", at->path, at->key,
					at->part, i, json_kind(value));
		r->masked[i] = json_is_true(value);
	}
	return 0;
}

/* Half a pair is never made up from the other kind. */
static bool takes_quantiles(const struct place *at, const json_t *part)
{
	if (at->kind != STATISTICS_AUTO)
		return at->kind == STATISTICS_QUANTILES;
	return json_object_get(part, "q01") || json_object_get(part, "q99");
}

static int check_order(const struct place *at, const struct statistics_range *r, struct errbuf *e)
{
	for (uint32_t i = 0; i < r->dim; i++)
		if (!(r->low[i] <= r->high[i]))
			return fail(e, -EINVAL, "%s: %s.%s: %s[%u] = %g is more than %s[%u] = %g", at->path, at->key, at->part,
					r->quantiles ? "q01" : "min", i, r->low[i], r->quantiles ? "q99" : "max", i,
					r->high[i]);
	return 0;
}

static int take_range(const struct place *at, const json_t *part, struct statistics_range *r, struct errbuf *e)
{
	r->quantiles = takes_quantiles(at, part);
	const char *low = r->quantiles ? "q01" : "min", *high = r->quantiles ? "q99" : "max";
	const json_t *first = json_object_get(part, low);
	size_t dim = json_array_size(first);
	int rc;

	if (dim < 1 || dim > STATISTICS_DIM_MAX)
		return fail(e, -EINVAL, "%s: %s.%s.%s is %s of %zu numbers, want 1..%d%s", at->path, at->key, at->part, low,
				json_kind(first), dim, STATISTICS_DIM_MAX,
				at->kind == STATISTICS_AUTO ? "" : ": they were asked for instead of the other range");
	r->dim = (uint32_t)dim;
	if ((rc = take_array(at, part, low, r->dim, r->low, e)) < 0 ||
			(rc = take_array(at, part, high, r->dim, r->high, e)) < 0)
		return rc;
	return check_order(at, r, e);
}

static int read_part(const struct place *at, const json_t *entry, struct statistics_range *r, struct errbuf *e)
{
	const json_t *part = NULL;
	int rc = json_take_object(entry, at->path, at->part, &part, e);

	if (rc < 0 || (rc = take_range(at, part, r, e)) < 0 || (rc = take_mask(at, part, r, e)) < 0)
		return rc;
	r->has_mean = json_object_get(part, "mean") != NULL;
	return r->has_mean ? take_array(at, part, "mean", r->dim, r->mean, e) : 0;
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

/* Names come from a file: what could disturb a terminal or a log does not go into a message. */
static void key_text(const char *key, char out[KEY_SHOWN])
{
	size_t n = 0;

	for (; n < KEY_SHOWN - 1 && key[n]; n++)
		out[n] = (unsigned char)key[n] < 0x20 || key[n] == 0x7f ? '?' : key[n];
	out[n] = '\0';
}

/* As many as there is room for, and how many there are when that is not all. */
static void list_keys(const json_t *table, char out[KEYS_TEXT_BYTES])
{
	enum { END_BYTES = 32 };
	char name[KEY_SHOWN];
	const char *key;
	json_t *value;
	size_t n = 0;

	out[0] = '\0';
	json_object_foreach((json_t *)(uintptr_t)table, key, value) {
		key_text(key, name);
		if (n + strlen(name) + END_BYTES > KEYS_TEXT_BYTES) {
			snprintf(out + n, KEYS_TEXT_BYTES - n, ", ... (%zu in all)", json_object_size(table));
			return;
		}
		n += (size_t)snprintf(out + n, KEYS_TEXT_BYTES - n, "%s%s", n ? ", " : "", name);
	}
}

static bool contains(const char *text, const char *part)
{
	return part[0] && strstr(text, part);
}

/* A name that holds the wanted one or is held by it: datasets are renamed by an ending, as in libero_spatial_no_noops. The
 * one that differs by the fewest letters; "" when none does. */
static void nearest_key(const json_t *table, const char *wanted, char out[KEY_SHOWN])
{
	size_t best = SIZE_MAX;
	const char *key;
	json_t *value;

	out[0] = '\0';
	json_object_foreach((json_t *)(uintptr_t)table, key, value) {
		size_t a = strlen(key), b = strlen(wanted), apart = a > b ? a - b : b - a;

		if ((contains(key, wanted) || contains(wanted, key)) && apart < best) {
			best = apart;
			key_text(key, out);
		}
	}
}

static int refuse_key(const json_t *table, const char *path, const char *key, struct errbuf *e)
{
	char keys[KEYS_TEXT_BYTES], near[KEY_SHOWN];

	list_keys(table, keys);
	nearest_key(table, key, near);
	return fail(e, -ENOENT, "%.160s: has no statistics \"%.64s\"%s%s%s; the keys are: %s", path, key,
			near[0] ? " (did you mean " : "", near, near[0] ? "?)" : "", keys);
}

/* The entry of `key`, or the only one there is. */
static int choose(const json_t *table, const char *path, const char *key, const char **chosen, const json_t **entry,
		struct errbuf *e)
{
	char keys[KEYS_TEXT_BYTES];

	if (json_object_size(table) == 0)
		return fail(e, -ENOENT, "%s: has no entries, so it holds no statistics: actions cannot be un-normalised", path);
	if (!key && json_object_size(table) != 1) {
		list_keys(table, keys);
		return fail(e, -EINVAL, "%.160s: has statistics of several datasets; choose an unnorm key: %s", path, keys);
	}
	if (key && !json_object_get(table, key))
		return refuse_key(table, path, key, e);
	*chosen = key ? key : json_object_iter_key(json_object_iter((json_t *)(uintptr_t)table));
	*entry = json_object_get(table, *chosen);
	if (strlen(*chosen) >= STATISTICS_KEY_BYTES)
		return fail(e, -EINVAL, "%s: the key %.32s... is longer than %d bytes", path, *chosen,
				STATISTICS_KEY_BYTES - 1);
	return 0;
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static int read_entry(struct statistics *s, const json_t *table, struct place *at, const char *key, struct errbuf *e)
{
	const char *chosen = NULL;
	const json_t *entry = NULL;
	int rc = choose(table, at->path, key, &chosen, &entry, e);

	if (rc < 0)
		return rc;
	snprintf(s->key, sizeof s->key, "%s", chosen);
	at->key = s->key;
	at->part = "action";
	if ((rc = read_part(at, entry, &s->action, e)) < 0 || !json_object_get(entry, "proprio"))
		return rc;
	at->part = "proprio";
	return read_part(at, entry, &s->proprio, e);
}

/* The file of its own, else norm_stats of config.json. */
static int read_table(
		json_t **root, const json_t **table, char path[PATH_BYTES], const char *directory, struct errbuf *e)
{
	int rc = path_join(path, directory, STATISTICS_FILE, e);

	if (rc < 0)
		return rc;
	if (path_is_listed(path)) {
		rc = json_file_read(root, path, directory, STATISTICS_FILE, e);
		*table = *root;
		return rc;
	}
	if ((rc = json_file_read(root, path, directory, CONFIG_FILE, e)) < 0)
		return rc;
	*table = json_object_get(*root, "norm_stats");
	if (json_is_object(*table))
		return 0;
	json_decref(*root);
	return fail(e, -ENOENT, "%s: there is no " STATISTICS_FILE ", and %s has no norm_stats", directory, path);
}

int statistics_read(struct statistics *out, const char *directory, const char *key, enum statistics_kind kind,
		struct errbuf *e)
{
	struct statistics s = { .key = "" };
	const json_t *table = NULL;
	json_t *root = NULL;
	char path[PATH_BYTES];
	struct place at = { .path = path, .kind = kind };
	int rc = read_table(&root, &table, path, directory, e);

	if (rc < 0)
		return rc;
	rc = read_entry(&s, table, &at, key, e);
	json_decref(root);
	if (rc == 0)
		*out = s;
	return rc;
}

/* ---- normalisation ------------------------------------------------------------------------------------------------- */

static double clip(double value)
{
	return value < -1 ? -1 : value > 1 ? 1 : value;
}

int statistics_normalise_state(const struct statistics_range *proprio, const double *state, double *normalised,
		struct errbuf *e)
{
	assert(proprio->dim <= STATISTICS_DIM_MAX);
	for (uint32_t i = 0; i < proprio->dim; i++)
		if (!isfinite(state[i]))
			return fail(e, -EINVAL, "state[%u] is %g, want a finite number", i, state[i]);
	for (uint32_t i = 0; i < proprio->dim; i++) {
		double range = proprio->high[i] - proprio->low[i] + range_epsilon;
		double scaled = 2 * (state[i] - proprio->low[i]) / range - 1;

		normalised[i] = clip(proprio->masked[i] ? scaled : state[i]);
	}
	return 0;
}

double statistics_normalise_action(const struct statistics_range *action, uint32_t dim, double value)
{
	double range = action->high[dim] - action->low[dim] + range_epsilon;

	return action->masked[dim] ? 2 * (value - action->low[dim]) / range - 1 : value;
}

void statistics_unnormalise_action(const struct statistics_range *action, const double *normalised, uint32_t steps,
		double *out)
{
	for (uint32_t step = 0; step < steps; step++)
		for (uint32_t i = 0; i < action->dim; i++) {
			double x = normalised[(size_t)step * action->dim + i];
			double range = action->high[i] - action->low[i] + range_epsilon;

			out[(size_t)step * action->dim + i] =
					action->masked[i] ? 0.5 * (x + 1) * range + action->low[i] : x;
		}
}
