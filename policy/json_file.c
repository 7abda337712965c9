/* json_file.c - see json_file.h. */
#include "policy/json_file.h"

#include <errno.h>

#include "policy/mapping.h"

/* Some twenty times the largest that a checkpoint has (vocab.json, 2.7 MB); parsed, it takes several times its size. */
static const size_t json_bytes_max = (size_t)64 << 20;

int json_text_read(json_t **out, const char *what, const char *text, size_t n_bytes, struct errbuf *e)
{
	json_error_t error;
	json_t *root = json_loadb(text ? text : "", n_bytes, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		return fail(e, -EINVAL, "%s: line %d, column %d: %s", what, error.line, error.column, error.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return fail(e, -EINVAL, "%s: the top level is not an object", what);
	}
	*out = root;
	return 0;
}

int json_file_read(json_t **out, char *path, const char *directory, const char *name, struct errbuf *e)
{
	struct mapping file = { 0 };
	int rc = path_join(path, directory, name, e);

	if (rc < 0)
		return rc;
	if ((rc = mapping_open(&file, path, e)) < 0)
		return rc;
	if (file.n_bytes > json_bytes_max)
		rc = fail(e, -EINVAL, "%s: %zu bytes: want at most %zu", path, file.n_bytes, json_bytes_max);
	else
		rc = json_text_read(out, path, (const char *)file.data, file.n_bytes, e);
	mapping_close(&file);
	return rc;
}

const char *json_kind(const json_t *value)
{
	if (!value)
		return "absent";
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

int json_take_integer(const json_t *object, const char *path, const char *key, int64_t low, int64_t high, int64_t *out,
		struct errbuf *e)
{
	const json_t *value = json_object_get(object, key);
	json_int_t found;

	if (!json_is_integer(value))
		return fail(e, -EINVAL, "%s: %s is %s, want an integer %lld..%lld", path, key, json_kind(value),
				(long long)low, (long long)high);
	found = json_integer_value(value);
	if (found < low || found > high)
		return fail(e, -EINVAL, "%s: %s = %lld, want %lld..%lld", path, key, (long long)found, (long long)low,
				(long long)high);
	*out = found;
	return 0;
}

int json_take_number(const json_t *object, const char *path, const char *key, double low, double high, double *out,
		struct errbuf *e)
{
	const json_t *value = json_object_get(object, key);
	double found;

	if (!json_is_number(value))
		return fail(e, -EINVAL, "%s: %s is %s, want a number %g..%g", path, key, json_kind(value), low, high);
	found = json_number_value(value);
	if (!(found >= low && found <= high))
		return fail(e, -EINVAL, "%s: %s = %g, want %g..%g", path, key, found, low, high);
	*out = found;
	return 0;
}

int json_take_object(const json_t *object, const char *path, const char *key, const json_t **out, struct errbuf *e)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_object(value))
		return fail(e, -EINVAL, "%s: %s is %s, want an object", path, key, json_kind(value));
	*out = value;
	return 0;
}
