/* pickle.h - the heads that fine-tuning adds: PyTorch `.pt` files that hold a dictionary of tensors.
 *
 * A `.pt` is a ZIP of stored (not deflated) members: <folder>/data.pkl (pickle protocol 2) and <folder>/data/<n> (raw
 * tensor bytes). The pickle is *read*, never executed: only the opcodes of a dictionary of tensors and the globals
 * collections.OrderedDict, torch._utils._rebuild_tensor_v2 and torch's Float, BFloat16 and Half storages are known;
 * anything else is an error that names it. Tensors point into the read-only mapping of the file. */
#ifndef DREAMVLA_POLICY_PICKLE_H
#define DREAMVLA_POLICY_PICKLE_H

#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/mapping.h"
#include "policy/tensor.h"
#include "policy/weights.h"

#define HEAD_FILE_SUFFIX "_checkpoint.pt"

struct head_file;

/* Path of <directory>/<kind>--*_checkpoint.pt, kind as in "proprio_projector". 0; -ENOENT: there is none; -ENOTDIR: no such
 * directory; -EEXIST: several, all named in the text; -EINVAL: a file whose name begins with kind but does not go on so.
 * Thread: any. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int head_file_locate(char path[PATH_BYTES], const char *directory, const char *kind, struct errbuf *e);

/* Finds and maps <directory>/<kind>--*_checkpoint.pt. What head_file_locate returns (-ENOENT of an optional head is no failure);
 * -ENOTSUP: the legacy format, deflated members, an opcode or global that is not that of a tensor dictionary;
 * -EINVAL: truncated, contradictory, damaged or a link to nothing. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int head_file_open(struct head_file **out, const char *directory, const char *kind, struct errbuf *e);

/* A head whose tensors come from a supply, which must outlive it. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int head_file_open_supply(struct head_file **out, const struct weights_supply *supply, struct errbuf *e);

/* Unmaps; accepts NULL. Thread: any, when nobody uses a tensor any more. */
void head_file_close(struct head_file *f);

/* The tensor of exactly this name (without the prefix "module.") and shape[rank]. -ENOENT, -EINVAL as weights_find.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int head_file_find(const struct head_file *f, const char *name, uint32_t rank, const uint64_t *shape,
		struct tensor *out, struct errbuf *e);

/* All tensors, [*n], in the file's order; they live as long as the file. Thread: any. Allocates: no. Blocks: no. */
const struct tensor *head_file_tensors(const struct head_file *f, uint32_t *n);

/* Path of the file, for messages; lives as long as the file. Thread: any. */
const char *head_file_path(const struct head_file *f);

#endif
