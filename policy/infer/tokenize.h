/* tokenize.h - dreamvla-infer --tokenize. */
#ifndef DREAMVLA_POLICY_INFER_TOKENIZE_H
#define DREAMVLA_POLICY_INFER_TOKENIZE_H

#include "daemon/sys/error.h"

/* JSON array of strings on standard input to JSON array of id arrays on standard output, with the tokenizer of the checkpoint model.
 * 0 or -errno; nothing is printed then. Thread: main. Allocates: yes. Blocks: on standard input. */
MUST_CHECK int tokenize_standard_input(const char *model, struct errbuf *e);

#endif
