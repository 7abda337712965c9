/* head.c - the list of action decoders, and what several of them share. */
#include "policy/head/head.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD(id) extern const struct policy_head head_##id;
#include "policy/head/heads.def"
#undef HEAD

static const struct policy_head *const heads[] = {
#define HEAD(id) &head_##id,
#include "policy/head/heads.def"
#undef HEAD
};

enum { HEADS = sizeof heads / sizeof *heads };

const struct policy_head *head_find(const char *name, struct errbuf *e)
{
	char list[256] = "";

	for (size_t i = 0; i < HEADS; i++) {
		if (!strcmp(heads[i]->name, name))
			return heads[i];
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", heads[i]->name);
	}
	(void)fail(e, 0, "decoder '%s': not part of this version; there are: %s", name, list);
	return NULL;
}

static int check_steps(const struct policy_head *kind, uint32_t steps, struct errbuf *e)
{
	const char *advice = kind->steps_advice;

	if (steps >= kind->steps_min && steps <= kind->steps_max)
		return 0;
	if (kind->steps_max == 1)
		return fail(e, -EINVAL, "decoder %s: %u steps; it takes exactly 1 (policy.steps, --steps); discrete_diffusion, "
				"flow_matching and diffusion take more", kind->name, steps);
	return fail(e, -EINVAL, "decoder %s: %u steps; it takes %u to %u%s%s (policy.steps, --steps)", kind->name, steps,
			kind->steps_min, kind->steps_max, advice ? ", " : "", advice ? advice : "");
}

/* What only a decoder that unmasks can follow. */
static int check_unmasking(const struct policy_head *kind, const struct policy_options *o, struct errbuf *e)
{
	static const char *const names[] = { [POLICY_MASKGIT_PLUS] = "maskgit_plus", [POLICY_TOPK_MARGIN] = "topk_margin",
		[POLICY_ENTROPY] = "entropy" };
	const char *why = kind->chooses_tokens ? "takes the best token" : "chooses no tokens";

	if (kind->unmasks)
		return 0;
	if (o->algorithm != POLICY_MASKGIT_PLUS)
		return fail(e, -EINVAL, "decoder %s: algorithm %s, but it %s (discrete_diffusion takes it); leave it out "
				"(policy.algorithm, --algorithm)", kind->name, names[o->algorithm], why);
	if (o->top_k)
		return fail(e, -EINVAL, "decoder %s: top_k %u, but it %s (discrete_diffusion takes it); leave it out (policy.top_k, "
				"--top-k)", kind->name, o->top_k, why);
	return 0;
}

int head_check_options(const struct policy_head *kind, const struct policy_options *o, struct errbuf *e)
{
	int rc = check_unmasking(kind, o, e);

	if (rc < 0)
		return rc;
	if (!kind->chooses_tokens && o->action_vocabulary_only)
		return fail(e, -EINVAL, "decoder %s: the best token is to be looked for over the actions only, but it chooses no "
				"tokens; leave the vocabulary at full", kind->name);
	if (!kind->from_noise && o->seed)
		return fail(e, -EINVAL, "decoder %s: seed %" PRIu64 ", but it does not start from noise (flow_matching and diffusion do); leave "
				"the seed at 0 (policy.seed, --seed)", kind->name, o->seed);
	return check_steps(kind, o->steps, e);
}

/* Names of the `.pt` files of a folder, as many as there is room for. */
static void list_head_files(const char *directory, char *out, size_t n_out)
{
	DIR *folder = opendir(directory);
	size_t at = 0;

	snprintf(out, n_out, "none");
	for (const struct dirent *d; folder && (d = readdir(folder)) && at < n_out;) {
		size_t n = strlen(d->d_name);

		if (n > 3 && !strcmp(d->d_name + n - 3, ".pt"))
			at += (size_t)snprintf(out + at, n_out - at, "%s%s", at ? ", " : "", d->d_name);
	}
	if (folder)
		closedir(folder);
}

int head_need_file(struct head_file **out, const struct head_options *o, const char *kind, const char *decoder, struct errbuf *e)
{
	const char *directory = o->directory;
	char found[512];
	int rc = o->supply ? head_file_open_supply(out, o->supply, e) : head_file_open(out, directory, kind, e);

	if (rc != -ENOENT)
		return rc;
	list_head_files(directory, found, sizeof found);
	return fail(e, rc, "decoder %s: %s: has no %s--*_checkpoint.pt, which fine-tuning for this decoder wrote; `.pt` files found "
			"there: %s; name the folder of the fine-tune's heads (policy.heads, --heads), or its decoder", decoder, directory,
			kind, found);
}

/* Every kind of file that fine-tuning may write beside the checkpoint; the last is for all decoders. */
static const char *const file_kinds[] = { "action_head", "noisy_action_projector", "proprio_projector" };

enum { FILE_KINDS = sizeof file_kinds / sizeof *file_kinds, FILE_KINDS_OF_SOME = FILE_KINDS - 1 };

static bool needs(const struct policy_head *kind, const char *file_kind)
{
	for (const char *const *f = kind->files; *f; f++)
		if (!strcmp(*f, file_kind))
			return true;
	return false;
}

static int refuse_unused(const struct policy_head *kind, const char *file_kind, const char *path, struct errbuf *e)
{
	char list[256] = "";

	for (size_t i = 0; i < HEADS; i++)
		if (needs(heads[i], file_kind))
			snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? ", " : "", heads[i]->name);
	return fail(e, -EINVAL, "decoder %s: %.500s: it does not use this file, whose fine-tune is for another (of %s); name that "
			"decoder (policy.decoder, --decoder), or a folder without the file (policy.heads, --heads)", kind->name, path, list);
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), n_end = strlen(end);

	return n >= n_end && !strcmp(name + n - n_end, end);
}

/* True for what holds tensors and begins like no kind that is known here: <kind>--*_checkpoint.pt, and in a folder of heads every
 * `.pt` and `.pth`. What begins like a known kind is judged by head_file_locate. */
static bool is_unknown(const char *name, bool only_heads)
{
	for (size_t i = 0; i < FILE_KINDS; i++)
		if (!strncmp(name, file_kinds[i], strlen(file_kinds[i])))
			return false;
	if (only_heads && (ends_with(name, ".pt") || ends_with(name, ".pth")))
		return true;
	return strstr(name, "--") && ends_with(name, HEAD_FILE_SUFFIX);
}

/* Beside the weights there may be other files of torch. */
static bool is_same_folder(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int check_known(const char *directory, bool only_heads, struct errbuf *e)
{
	DIR *folder = opendir(directory);
	int rc = folder ? 0 : fail(e, errno == ENOENT ? -ENOTDIR : -errno, "%s: %s", directory, strerror(errno));

	for (const struct dirent *d; rc == 0 && (d = readdir(folder));)
		if (d->d_type != DT_DIR && is_unknown(d->d_name, only_heads))
			rc = fail(e, -EINVAL, "%.500s/%.200s: not understood: no decoder of this version has such a part (there are: %s, %s, %s, "
					"each --*" HEAD_FILE_SUFFIX "); the policy would not be the one that was trained; rename it if it is one of "
					"these, and if the policy does not need it, move it out of the folder", directory, d->d_name,
					file_kinds[0], file_kinds[1], file_kinds[2]);
	if (folder)
		closedir(folder);
	return rc;
}

int head_check_files(const struct policy_head *kind, const char *directory, const char *model, struct errbuf *e)
{
	struct errbuf none;
	char path[PATH_BYTES];
	int rc = check_known(directory, !is_same_folder(directory, model), e);

	for (size_t i = 0; i < FILE_KINDS_OF_SOME && rc == 0; i++) {
		if (needs(kind, file_kinds[i]))
			continue;
		rc = head_file_locate(path, directory, file_kinds[i], &none);
		if (rc == 0)
			return refuse_unused(kind, file_kinds[i], path, e);
		rc = rc == -ENOENT ? 0 : fail(e, rc, "%s", none.text);
	}
	return rc;
}

struct compute_view head_forward_from_zeros(const struct head_options *o, uint32_t n_prefix)
{
	const struct network *n = o->network;
	struct compute_view tail = decoder_begin(o->decoder, n_prefix, o->n_actions + o->n_suffix);

	n->ops->zero(n->compute, compute_rows(tail, 0, o->n_actions));
	decoder_embed(o->decoder, o->suffix, compute_rows(tail, o->n_actions, o->n_suffix));
	struct compute_view hidden = compute_rows(decoder_run(o->decoder, true), 0, o->n_actions);

	network_trace(n, hidden, "action.hidden");
	return hidden;
}
