/* pickle.c - see pickle.h. */
#include "policy/pickle.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/mapping.h"
#include "policy/unpickle.h"
#include "policy/zip.h"

#define PICKLE_MEMBER "/data.pkl"
#define MODULE_PREFIX "module."

enum { NAMES_TEXT_BYTES = 400 };

struct head_file {
	const struct weights_supply *supply; /* NULL: a file, as follows */
	struct mapping file;
	struct tensor *tensors;
	uint32_t n_tensors;
};

/* <kind>--<anything>_checkpoint.pt */
static bool is_head(const char *name, const char *kind)
{
	size_t n_kind = strlen(kind), n_name = strlen(name), n_suffix = strlen(HEAD_FILE_SUFFIX);

	return n_name >= n_kind + 2 + n_suffix && strncmp(name, kind, n_kind) == 0 &&
			strncmp(name + n_kind, "--", 2) == 0 && strcmp(name + n_name - n_suffix, HEAD_FILE_SUFFIX) == 0;
}

/* What a person would take for one of this kind, or half a download of one, whatever its suffix: as absent it would leave its part
 * of the policy out. */
static bool is_misnamed(const struct dirent *d, const char *kind)
{
	return strncmp(d->d_name, kind, strlen(kind)) == 0 && !is_head(d->d_name, kind) && d->d_type != DT_DIR;
}

int head_file_locate(char path[PATH_BYTES], const char *directory, const char *kind, struct errbuf *e)
{
	DIR *folder = opendir(directory);
	char names[NAMES_TEXT_BYTES] = "";
	uint32_t n = 0;
	int rc = 0;

	if (!folder)
		return fail(e, errno == ENOENT ? -ENOTDIR : -errno, "%s: %s", directory, strerror(errno));
	for (const struct dirent *d; rc == 0 && (d = readdir(folder));) {
		size_t n_names = strlen(names);

		if (is_misnamed(d, kind))
			rc = fail(e, -EINVAL, "%.500s/%.200s: the name of a head file is %s--*" HEAD_FILE_SUFFIX "; finish its download, rename "
					"it, or move it out of the folder", directory, d->d_name, kind);
		if (!is_head(d->d_name, kind))
			continue;
		snprintf(names + n_names, sizeof names - n_names, "%s%s", n++ ? ", " : "", d->d_name);
		rc = path_join(path, directory, d->d_name, e);
	}
	closedir(folder);
	if (rc == 0 && n > 1)
		return fail(e, -EEXIST, "%s: has %u files %s--*" HEAD_FILE_SUFFIX ": %s; leave one", directory, n, kind,
				names);
	if (rc == 0 && n == 0)
		return fail(e, -ENOENT, "%s: has no %s--*" HEAD_FILE_SUFFIX, directory, kind);
	return rc;
}

/* The member <folder>/data.pkl. */
static int find_pickle(const struct zip *z, const char *path, const struct zip_member **out, struct errbuf *e)
{
	size_t n_suffix = strlen(PICKLE_MEMBER);

	for (uint32_t i = 0; i < z->n_members; i++) {
		const struct zip_member *m = &z->member[i];

		if (m->name_bytes > n_suffix &&
				memcmp(m->name + m->name_bytes - n_suffix, PICKLE_MEMBER, n_suffix) == 0) {
			*out = m;
			return 0;
		}
	}
	return fail(e, -EINVAL, "%s: has no member */data.pkl: no checkpoint of torch.save", path);
}

/* Member <folder>/<name> beside the pickle. */
static const struct zip_member *find_beside(const struct zip *z, const struct zip_member *pickle, const char *name,
		size_t name_bytes)
{
	size_t n_folder = pickle->name_bytes - strlen(PICKLE_MEMBER) + 1;
	char full[PATH_BYTES];

	if (n_folder + name_bytes > sizeof full)
		return NULL;
	memcpy(full, pickle->name, n_folder);
	memcpy(full + n_folder, name, name_bytes);
	return zip_find(z, full, n_folder + name_bytes);
}

/* Row-major without gaps; the stride of a dimension of size 1 says nothing. */
static bool is_contiguous(const struct pickled_tensor *p)
{
	uint64_t want = 1;

	for (uint32_t i = 0; i < p->rank; i++)
		if (p->shape[i] == 0)
			return true; /* nothing to lie anywhere */
	for (uint32_t i = p->rank; i-- > 0;) {
		if (p->shape[i] != 1 && p->stride[i] != want)
			return false;
		if (__builtin_mul_overflow(want, p->shape[i], &want))
			return false;
	}
	return true;
}

/* Address of the tensor's bytes in its storage, a member data/<key>. */
static int place(const struct zip *z, const struct zip_member *pickle, const char *path, const struct pickled_tensor *p,
		struct tensor *t, struct errbuf *e)
{
	uint32_t size = tensor_type_bytes(p->type);
	const struct zip_member *member;
	char name[64];
	uint64_t n_bytes;
	int n = snprintf(name, sizeof name, "data/%.*s", (int)p->storage_bytes, p->storage);

	member = n > 0 && (size_t)n < sizeof name ? find_beside(z, pickle, name, (size_t)n) : NULL;
	if (!member)
		return fail(e, -EINVAL, "%s: tensor %s: its member %.40s is missing", path, t->name, name);
	if (!is_contiguous(p))
		return fail(e, -ENOTSUP, "%s: tensor %s is not contiguous; call .contiguous() before torch.save", path,
				t->name);
	if (tensor_bytes(p->type, p->rank, p->shape, &n_bytes) < 0 || p->n_elements > member->n_bytes / size ||
			p->offset > p->n_elements || n_bytes / size > p->n_elements - p->offset)
		return fail(e, -EINVAL, "%s: tensor %s: its shape does not fit the %" PRIu64 " bytes of member %s",
				path, t->name, member->n_bytes, name);
	t->data = member->data + p->offset * size;
	if ((uintptr_t)t->data % size != 0)
		return fail(e, -EINVAL, "%s: tensor %s: member %s is not aligned to %u bytes", path, t->name, name,
				size);
	return 0;
}

static int add_tensor(struct head_file *f, const struct zip *z, const struct zip_member *pickle,
		const struct pickled_tensor *p, struct errbuf *e)
{
	struct tensor *t = &f->tensors[f->n_tensors];
	size_t n_prefix = strlen(MODULE_PREFIX);
	bool prefixed = p->name_bytes > n_prefix && memcmp(p->name, MODULE_PREFIX, n_prefix) == 0;
	const char *name = prefixed ? p->name + n_prefix : p->name;

	*t = (struct tensor){ .type = p->type, .rank = p->rank };
	memcpy(t->shape, p->shape, sizeof t->shape);
	t->name = strndup(name, p->name_bytes - (size_t)(name - p->name));
	if (!t->name)
		return fail(e, -ENOMEM, "%s: out of memory", f->file.path);
	f->n_tensors++;
	for (uint32_t i = 0; i + 1 < f->n_tensors; i++)
		if (strcmp(f->tensors[i].name, t->name) == 0)
			return fail(e, -EINVAL, "%s: has tensor %s twice", f->file.path, t->name);
	return place(z, pickle, f->file.path, p, t, e);
}

static int read_tensors(struct head_file *f, const struct zip *z, struct errbuf *e)
{
	const struct zip_member *pickle = NULL, *order;
	struct pickled_tensor *found = NULL;
	uint32_t n_found = 0;
	int rc = find_pickle(z, f->file.path, &pickle, e);

	if (rc < 0)
		return rc;
	order = find_beside(z, pickle, "byteorder", strlen("byteorder"));
	if (order && (order->n_bytes != 6 || memcmp(order->data, "little", 6) != 0))
		return fail(e, -ENOTSUP, "%s: was saved on a machine that is not little-endian", f->file.path);
	if ((rc = unpickle_tensors(&found, &n_found, f->file.path, pickle->data, pickle->n_bytes, e)) < 0)
		return rc;
	f->tensors = calloc((size_t)n_found + 1, sizeof f->tensors[0]);
	if (!f->tensors)
		rc = fail(e, -ENOMEM, "%s: out of memory", f->file.path);
	for (uint32_t i = 0; rc == 0 && i < n_found; i++)
		rc = add_tensor(f, z, pickle, &found[i], e);
	free(found);
	return rc;
}

/* torch before 1.6 wrote bare pickles: protocol opcode first, where a ZIP file begins with "PK". */
static int check_format(const struct mapping *file, struct errbuf *e)
{
	if (file->n_bytes >= 2 && file->data[0] == 0x80)
		return fail(e, -ENOTSUP,
				"%s: has the legacy format of torch.save; load it and save it again with torch 1.6 or newer",
				file->path);
	return 0;
}

int head_file_open(struct head_file **out, const char *directory, const char *kind, struct errbuf *e)
{
	char path[PATH_BYTES];
	struct head_file *f;
	struct zip z = { 0 };
	int rc = head_file_locate(path, directory, kind, e);

	if (rc < 0)
		return rc;
	f = calloc(1, sizeof *f);
	if (!f)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	if ((rc = mapping_open(&f->file, path, e)) == 0 && (rc = check_format(&f->file, e)) == 0 &&
			(rc = zip_read(&z, &f->file, e)) == 0 && (rc = zip_check_sums(&z, &f->file, e)) == 0)
		rc = read_tensors(f, &z, e);
	zip_free(&z);
	if (rc < 0) {
		head_file_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

int head_file_open_supply(struct head_file **out, const struct weights_supply *supply, struct errbuf *e)
{
	struct head_file *f = calloc(1, sizeof *f);

	if (!f)
		return fail(e, -ENOMEM, "heads: out of memory");
	f->supply = supply;
	*out = f;
	return 0;
}

void head_file_close(struct head_file *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->n_tensors; i++)
		free((char *)(uintptr_t)f->tensors[i].name);
	free(f->tensors);
	mapping_close(&f->file);
	free(f);
}

/* As many names as fit, so that a prefix that does not belong there is seen. */
static void list_names(const struct head_file *f, char out[NAMES_TEXT_BYTES])
{
	size_t n = 0;

	snprintf(out, NAMES_TEXT_BYTES, "none");
	for (uint32_t i = 0; i < f->n_tensors && n < NAMES_TEXT_BYTES; i++)
		n += (size_t)snprintf(out + n, NAMES_TEXT_BYTES - n, "%s%s", i ? ", " : "", f->tensors[i].name);
}

int head_file_find(const struct head_file *f, const char *name, uint32_t rank, const uint64_t *shape,
		struct tensor *out, struct errbuf *e)
{
	char there[NAMES_TEXT_BYTES];

	if (f->supply)
		return f->supply->take(f->supply->context, name, rank, shape, out, e);
	for (uint32_t i = 0; i < f->n_tensors; i++) {
		const struct tensor *t = &f->tensors[i];
		int rc;

		if (strcmp(t->name, name) != 0)
			continue;
		if ((rc = tensor_check_shape(t, f->file.path, rank, shape, e)) == 0)
			*out = *t;
		return rc;
	}
	list_names(f, there);
	return fail(e, -ENOENT, "%s: tensor %s is missing; there are: %s", f->file.path, name, there);
}

const char *head_file_path(const struct head_file *f)
{
	return f->file.path;
}

const struct tensor *head_file_tensors(const struct head_file *f, uint32_t *n)
{
	*n = f->n_tensors;
	return f->tensors;
}
