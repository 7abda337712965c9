/* head.c - the list of action decoders, and what several of them share. */
#include "policy/head/head.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	if (steps >= kind->steps_min && (!kind->steps_max || steps <= kind->steps_max))
		return 0;
	if (!kind->steps_max)
		return fail(e, -EINVAL, "decoder %s: %u steps; it takes %u or more", kind->name, steps, kind->steps_min);
	if (kind->steps_max == 1)
		return fail(e, -EINVAL, "decoder %s: %u steps; it takes exactly 1 (discrete_diffusion, flow_matching and diffusion take "
				"more)", kind->name, steps);
	return fail(e, -EINVAL, "decoder %s: %u steps; it takes %u to %u", kind->name, steps, kind->steps_min, kind->steps_max);
}

int head_check_options(const struct policy_head *kind, const struct policy_options *o, struct errbuf *e)
{
	if (!kind->unmasks && (o->top_k || o->algorithm != POLICY_MASKGIT_PLUS))
		return fail(e, -EINVAL, "decoder %s: top_k %u, algorithm number %d; it %s and takes neither (discrete_diffusion takes "
				"them)", kind->name, o->top_k, (int)o->algorithm,
				kind->chooses_tokens ? "takes the best token" : "chooses no tokens");
	if (!kind->chooses_tokens && o->action_vocabulary_only)
		return fail(e, -EINVAL, "decoder %s: the best token is to be looked for over the actions only, but it chooses no "
				"tokens; leave the vocabulary at full", kind->name);
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

int head_need_file(struct head_file **out, const char *directory, const char *kind, const char *decoder, struct errbuf *e)
{
	char found[512];
	int rc = head_file_open(out, directory, kind, e);

	if (rc != -ENOENT)
		return rc;
	list_head_files(directory, found, sizeof found);
	return fail(e, rc, "decoder %s: %s: has no %s--*_checkpoint.pt, which fine-tuning for this decoder wrote; `.pt` files found "
			"there: %s; name the folder of the fine-tune's heads (policy.heads, --heads), or its decoder", decoder, directory,
			kind, found);
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
