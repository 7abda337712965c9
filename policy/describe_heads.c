/* describe_heads.c - the heads of fine-tunes: which files there are, which decoder they are for, and whether it can run with them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/describe_parts.h"
#include "policy/pickle.h"

static const char *const kind_names[DESCRIBE_HEAD_KINDS] = {
	[DESCRIBE_ACTION_HEAD] = "action_head",
	[DESCRIBE_NOISY_ACTION] = "noisy_action_projector",
	[DESCRIBE_PROPRIO] = "proprio_projector",
};

/* -- files ---------------------------------------------------------------------------------------------------------------------- */

static const struct tensor *find_ending(const struct head_file *f, const char *ending)
{
	uint32_t n;
	const struct tensor *t = head_file_tensors(f, &n);
	size_t n_ending = strlen(ending);

	for (uint32_t i = 0; i < n; i++) {
		size_t n_name = strlen(t[i].name);

		if (n_name >= n_ending && strcmp(t[i].name + n_name - n_ending, ending) == 0)
			return &t[i];
	}
	return NULL;
}

/* Actions come out of an action head's fc2, the state goes into a proprio projector's fc1. */
static uint32_t find_size(const struct head_file *f, enum describe_head_kind kind)
{
	const struct tensor *t = find_ending(f, kind == DESCRIBE_ACTION_HEAD ? "fc2.weight" : "fc1.weight");
	uint64_t size = t && t->rank == 2 ? t->shape[kind == DESCRIBE_ACTION_HEAD ? 0 : 1] : 0;

	return size <= STATISTICS_DIM_MAX ? (uint32_t)size : 0;
}

/* The network's width: columns of an action head's fc2, rows of a projector's. */
static uint32_t find_hidden(const struct head_file *f, enum describe_head_kind kind)
{
	const struct tensor *t = find_ending(f, "fc2.weight");
	uint64_t hidden = t && t->rank == 2 ? t->shape[kind == DESCRIBE_ACTION_HEAD] : 0;

	return hidden <= UINT32_MAX ? (uint32_t)hidden : 0;
}

static void describe_file(struct describe_head_file *out, const struct head_file *f, enum describe_head_kind kind)
{
	const struct tensor *t = head_file_tensors(f, &out->n_tensors);
	const char *path = head_file_path(f), *slash = strrchr(path, '/');
	uint64_t n_bytes;

	snprintf(out->name, sizeof out->name, "%s", slash ? slash + 1 : path);
	for (uint32_t i = 0; i < out->n_tensors; i++)
		if (tensor_bytes(t[i].type, t[i].rank, t[i].shape, &n_bytes) == 0)
			out->n_bytes += n_bytes;
	out->type = out->n_tensors ? t[0].type : TENSOR_F32;
	out->size = find_size(f, kind);
	out->hidden = find_hidden(f, kind);
}

/* The decoder of which only such an action head can be; NULL: its names do not tell. */
static const char *find_decoder(const struct head_file *f)
{
	const struct tensor *t = find_ending(f, "fc2.weight");

	if (t && strncmp(t->name, "flow_predictor.", strlen("flow_predictor.")) == 0)
		return "flow_matching";
	return t && strncmp(t->name, "noise_predictor.", strlen("noise_predictor.")) == 0 ? "diffusion" : NULL;
}

/* decoder: set when the action head tells it. */
static int read_file(struct describe_heads *h, enum describe_head_kind kind, const char **decoder, struct errbuf *e)
{
	struct describe_head_file *out = &h->file[kind];
	struct errbuf why = { "" };
	struct head_file *f = NULL;
	int rc = head_file_open(&f, h->directory, kind_names[kind], &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0) {
		snprintf(out->name, sizeof out->name, "%s--*_checkpoint.pt", kind_names[kind]);
		return describe_note(&out->problem, &why, e);
	}
	describe_file(out, f, kind);
	if (kind == DESCRIBE_ACTION_HEAD)
		*decoder = find_decoder(f);
	head_file_close(f);
	return 0;
}

/* -- decoders ------------------------------------------------------------------------------------------------------------------- */

static void add_run(struct describe_heads *h, const char *decoder, uint32_t steps)
{
	h->run[h->n_runs++] = (struct describe_run){ .decoder = decoder, .steps = steps };
}

/* Both are needed, and the projector is not there. */
static int miss_projector(const struct describe_heads *h, struct describe_run *run, struct errbuf *e)
{
	struct errbuf why = { "" };

	(void)fail(&why, 0, "%s--*" HEAD_FILE_SUFFIX " is missing in %s", kind_names[DESCRIBE_NOISY_ACTION], h->directory);
	return describe_note(&run->problem, &why, e);
}

/* The files of a fine-tune tell its decoder but for the two that need none: those differ in nothing that is written.
 * told: the decoder that the action head names, or NULL. */
static int choose_runs(struct describe_heads *h, const char *told, struct errbuf *e)
{
	bool action = h->file[DESCRIBE_ACTION_HEAD].name[0], noisy = h->file[DESCRIBE_NOISY_ACTION].name[0];
	struct errbuf why = { "" };

	if (!action && noisy) {
		(void)fail(&why, 0, "%s: has %s, but no %s--*" HEAD_FILE_SUFFIX ", which belongs to it", h->directory,
				h->file[DESCRIBE_NOISY_ACTION].name, kind_names[DESCRIBE_ACTION_HEAD]);
		return describe_note(&h->problem, &why, e);
	}
	if (!action) {
		add_run(h, "discrete", 1);
		add_run(h, "discrete_diffusion", 1);
	} else if (!noisy && !told) {
		add_run(h, "l1_regression", 1);
	} else {
		told = told ? told : "diffusion";
		add_run(h, told, strcmp(told, "flow_matching") == 0 ? 4 : 10);
		return noisy ? 0 : miss_projector(h, &h->run[0], e);
	}
	return 0;
}

/* Statistics whose sizes are those of the heads. */
static void choose_key(struct describe_heads *h, const struct description *d)
{
	uint32_t actions = h->file[DESCRIBE_ACTION_HEAD].size, states = h->file[DESCRIBE_PROPRIO].size;

	for (uint32_t i = 0; i < d->n_datasets; i++) {
		const struct statistics *s = &d->dataset[i].statistics;

		if (d->dataset[i].problem || (actions && s->action.dim != actions) || (states && s->proprio.dim != states))
			continue;
		h->n_keys++;
		h->unnorm_key = h->unnorm_key ? h->unnorm_key : d->dataset[i].key;
	}
}

static bool fits(const struct description *d, const struct describe_heads *h)
{
	bool fits = h->n_keys > 0;

	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		fits &= !h->file[i].hidden || h->file[i].hidden == d->manifest.decoder.hidden;
	return fits;
}

/* An expected shape says little to who does not know where its numbers come from. */
static int note_run(const struct description *d, const struct describe_heads *h, struct describe_run *run, const struct errbuf *why,
		struct errbuf *e)
{
	const struct statistics *s = &d->dataset[0].statistics;
	struct errbuf more = { "" };

	if (fits(d, h))
		return describe_note(&run->problem, why, e);
	(void)fail(&more, 0, "%.600s (hidden %u from config.json, a state of %u and actions of %u from %.100s): one of these files is of another "
			"fine-tune", why->text, d->manifest.decoder.hidden, s->proprio.dim, s->action.dim, d->statistics_file);
	return describe_note(&run->problem, &more, e);
}

/* Opens what the daemon would open and counts its buffers. */
static int try_run(const struct description *d, const struct describe_heads *h, struct describe_run *run, struct errbuf *e)
{
	struct policy_picture_steps steps = { .resize_height = DESCRIBE_PICTURE_SIDE, .resize_width = DESCRIBE_PICTURE_SIDE };
	struct policy_options o = { .model = d->model, .heads = h->directory, .decoder = run->decoder, .steps = run->steps,
		.action_chunk = DESCRIBE_CHUNK, .n_pictures = DESCRIBE_PICTURES, .lazy_weights = true,
		.unnorm_key = h->unnorm_key ? h->unnorm_key : d->n_datasets ? d->dataset[0].key : NULL };
	struct errbuf why = { "" };

	for (uint32_t i = 0; i < DESCRIBE_PICTURES; i++)
		o.picture[i] = steps;
	for (uint32_t i = 0; i < DESCRIBE_PRECISIONS; i++) {
		struct policy *p = NULL;

		o.precision = (enum policy_precision)i;
		if (policy_create(&p, &o, &why) < 0)
			return note_run(d, h, run, &why, e);
		run->buffer_bytes[i] = policy_info(p)->arena_bytes;
		policy_destroy(p);
	}
	run->runs = true;
	return 0;
}

/* What every decoder needs: said where it is, not once more for each decoder. */
static bool is_sound(const struct description *d)
{
	bool usable = false;

	for (uint32_t i = 0; i < d->weights.n_shards; i++)
		if (d->weights.shard[i].problem)
			return false;
	for (uint32_t i = 0; i < d->n_datasets; i++)
		usable |= !d->dataset[i].problem;
	return usable && !d->manifest_problem && !d->weights.problem && !d->tokenizer_problem;
}

/* Said once, not once more for each kind of file. */
static int check_folder(struct describe_heads *h, struct errbuf *e)
{
	DIR *folder = opendir(h->directory);
	struct errbuf why = { "" };

	if (folder) {
		closedir(folder);
		return 0;
	}
	(void)fail(&why, -errno, "%s: %s", h->directory, strerror(errno));
	return describe_note(&h->problem, &why, e);
}

/* Half a download leaves a folder without files: taken as it stands it would be a policy without state. */
static int check_files(const struct description *d, struct describe_heads *h, struct errbuf *e)
{
	struct errbuf why = { "" };

	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++)
		if (h->file[i].name[0])
			return 0;
	if (strcmp(h->directory, d->model) == 0)
		return 0;
	(void)fail(&why, 0, "%s: has no file *" HEAD_FILE_SUFFIX ": fetch the files, or remove the folder", h->directory);
	return describe_note(&h->problem, &why, e);
}

/* Files that were saved together carry one number and one type. */
static int doubt_files(struct describe_heads *h, struct errbuf *e)
{
	const struct describe_head_file *first = NULL;
	struct errbuf why = { "" };

	for (uint32_t i = 0; i < DESCRIBE_HEAD_KINDS; i++) {
		const struct describe_head_file *f = &h->file[i];

		if (!f->name[0])
			continue;
		first = first ? first : f;
		bool same_number = strcmp(strstr(f->name, "--"), strstr(first->name, "--")) == 0;

		if (same_number && f->type == first->type)
			continue;
		(void)fail(&why, 0, "%s and %s differ in their %s: are they of one fine-tune?", first->name, f->name,
				same_number ? "type" : "number");
		return describe_note(&h->doubt, &why, e);
	}
	return 0;
}

static int read_heads(struct description *d, struct describe_heads *h, struct errbuf *e)
{
	const char *told = NULL;
	bool broken = false;
	int rc = check_folder(h, e);

	if (rc < 0 || h->problem)
		return rc;
	for (uint32_t kind = 0; kind < DESCRIBE_HEAD_KINDS && rc == 0; kind++) {
		rc = read_file(h, (enum describe_head_kind)kind, &told, e);
		broken |= h->file[kind].problem != NULL;
	}
	if (rc < 0 || broken)
		return rc; /* said once, with the file */
	if ((rc = check_files(d, h, e)) < 0 || h->problem)
		return rc;
	choose_key(h, d);
	if ((rc = doubt_files(h, e)) < 0 || (rc = choose_runs(h, told, e)) < 0)
		return rc;
	for (uint32_t i = 0; i < h->n_runs && rc == 0 && is_sound(d); i++)
		if (!h->run[i].problem)
			rc = try_run(d, h, &h->run[i], e);
	return rc;
}

/* -- directories ---------------------------------------------------------------------------------------------------------------- */

static int add_directory(struct description *d, const char *path, struct errbuf *e)
{
	char real[PATH_BYTES];
	struct describe_heads *all;

	if (!realpath(path, real)) /* check_folder will say why not */
		snprintf(real, sizeof real, "%s", path);
	for (uint32_t i = 0; i < d->n_heads; i++)
		if (strcmp(d->heads[i].directory, real) == 0)
			return 0;
	all = realloc(d->heads, (d->n_heads + 1) * sizeof *all);
	if (!all)
		return fail(e, -ENOMEM, "describe: out of memory");
	d->heads = all;
	memset(&all[d->n_heads], 0, sizeof *all);
	snprintf(all[d->n_heads++].directory, PATH_BYTES, "%s", real);
	return 0;
}

static int is_folder_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The folders in the folder `heads` of the checkpoint, one per fine-tune. */
static int add_subdirectories(struct description *d, struct errbuf *e)
{
	char parent[PATH_BYTES], path[PATH_BYTES];
	struct dirent **names = NULL;
	int rc = path_join(parent, d->model, "heads", e);
	int n = rc == 0 ? scandir(parent, &names, is_folder_name, alphasort) : 0;

	for (int i = 0; i < n; i++) {
		DIR *folder = rc == 0 && (rc = path_join(path, parent, names[i]->d_name, e)) == 0 ? opendir(path) : NULL;

		if (folder)
			rc = add_directory(d, path, e);
		else if (rc == 0 && strstr(names[i]->d_name, "_checkpoint.pt"))
			rc = add_directory(d, parent, e);
		if (folder)
			closedir(folder);
		free(names[i]);
	}
	free(names);
	return rc;
}

int describe_heads_read(struct description *d, const char *heads, struct errbuf *e)
{
	int rc = heads ? add_directory(d, heads, e) : 0;

	if (rc < 0 || (rc = add_directory(d, d->model, e)) < 0)
		return rc;
	d->bound = heads != NULL;
	rc = add_subdirectories(d, e);
	for (uint32_t i = 0; i < d->n_heads && rc == 0; i++)
		rc = read_heads(d, &d->heads[i], e);
	return rc;
}
